#include "tests/controller/world.h"

/* Before, after, and what holds then: NAME RANGES [frozen] | refusals. */
static const struct {
	const char *why, *before, *after;
	const char *pools;	/* "NAME RANGE,RANGE[ frozen]; ..." in order of name */
	const char *refused;	/* "NAME" of the refused, or NULL */
	const char *text;	/* part of why */
} cases[] = {
	{ "one pool", NULL, "pool a 10.0.0.0/24", "a 10.0.0.0-10.0.0.255", NULL, NULL },
	{ "overlap: the older stands", NULL,
	    "pool b 10.0.0.0/24 age=1; pool a 10.0.0.128/25 age=2",
	    "b 10.0.0.0-10.0.0.255", "a", "older IPAddressPool \"b\"" },
	{ "overlap at equal age: the first by name stands", NULL,
	    "pool b 10.0.0.0/24; pool a 10.0.0.128/25",
	    "a 10.0.0.128-10.0.0.255; b 10.0.0.0-10.0.0.127 frozen", "b",
	    "10.0.0.0-10.0.0.255 overlaps 10.0.0.128-10.0.0.255" },
	{ "overlap by an edit of the younger: it goes on as before",
	    "pool a 10.0.0.0/25 age=1; pool b 10.0.0.128/25 age=2",
	    "pool b 10.0.0.0/24 age=2",
	    "a 10.0.0.0-10.0.0.127; b 10.0.0.128-10.0.0.255", "b", "overlaps" },
	{ "overlap by an edit of the older: the younger keeps the rest",
	    "pool a 10.0.0.0/25 age=1; pool b 10.0.0.128/25 age=2",
	    "pool a 10.0.0.0-10.0.0.199 age=1",
	    "a 10.0.0.0-10.0.0.199; b 10.0.0.200-10.0.0.255", "b", "overlaps" },
	{ "a new object of an old name has no past",
	    "pool a 10.0.0.0/25 age=1 uid=1; pool b 10.0.0.128/25 age=2 uid=2",
	    "pool b 10.0.0.64-10.0.0.140 age=3 uid=3",
	    "a 10.0.0.0-10.0.0.127; b 10.0.0.128-10.0.0.140 frozen", "b", "overlaps" },
	{ "wholly inside an older one: nothing is left of it", NULL,
	    "pool a 10.0.0.0/24 age=1; pool b 10.0.0.5/32 age=2",
	    "a 10.0.0.0-10.0.0.255", "b", "overlaps" },
	{ "corrected: in force again",
	    "pool a 10.0.0.0/25 age=1; pool b 10.0.0.64/26 age=2",
	    "pool b 10.0.0.128/26 age=2",
	    "a 10.0.0.0-10.0.0.127; b 10.0.0.128-10.0.0.191", NULL, NULL },
	{ "multicast is refused, the rest of its pool goes on frozen", NULL,
	    "pool a 10.0.0.0/31,224.0.0.0/30", "a 10.0.0.0-10.0.0.1 frozen", "a",
	    "multicast" },
	{ "IPv6 link-local", NULL, "pool a fe80::/64", "", "a", "fe80::/10" },
	{ "IPv4 link-local", NULL, "pool a 169.254.1.0/24", "", "a", "link-local" },
	{ "everything holds all that is forbidden", NULL, "pool a ::/0", NULL, "a",
	    "unspecified" },
	{ "what one reserves is no overlap", NULL,
	    "pool a 10.0.0.0/24 res=10.0.0.128/25 age=1; pool b 10.0.0.128/25 age=2",
	    "a 10.0.0.0-10.0.0.127; b 10.0.0.128-10.0.0.255", NULL, NULL },
	{ "what was reserved and is no more is one",
	    "pool a 10.0.0.0/24 res=10.0.0.128/25 age=1; pool b 10.0.0.128/25 age=2",
	    "pool a 10.0.0.0/24 age=1", "a 10.0.0.0-10.0.0.255", "b", "overlaps" },
	{ "unreadable since an edit: it goes on as before",
	    "pool a 10.0.0.0/24; pool b 10.0.1.0/24", "bad pool a 10.0.0.0/24",
	    "a 10.0.0.0-10.0.0.255; b 10.0.1.0-10.0.1.255", "a", "spec.x: 1: is wrong" },
	{ "unreadable, then mended",
	    "pool a 10.0.0.0/24; bad pool a 10.0.0.0/24", "pool a 10.0.0.0/25",
	    "a 10.0.0.0-10.0.0.127", NULL, NULL },
	{ "an unreadable advertisement says nothing of the pools", NULL,
	    "pool a 10.0.0.0/24; bad l2adv l", "a 10.0.0.0-10.0.0.255", NULL, NULL },
	{ "a node's address: a warning, the pool stands", NULL,
	    "pool a 10.0.0.0/31; node n 10.0.0.1", "a 10.0.0.0-10.0.0.1", NULL,
	    "10.0.0.1 is a node's own address" },
};

static void
describe(const struct config *c, char *out, size_t size)
{
	/* By name: pool_set's own order is another test's concern. */
	for (const char *name = "a"; *name <= 'c'; name = *name == 'a' ? "b" : "c") {
		const struct pool *p = pool_set_named(&c->pools, name);

		if (p != NULL) {
			(void)snprintf(out + strlen(out), size - strlen(out), "%s%s ",
			    *out != '\0' ? "; " : "", name);
			for (size_t i = 0; i < p->usable.n; i++)
				(void)snprintf(out + strlen(out), size - strlen(out),
				    "%s%s", i > 0 ? "," : "",
				    IP_RANGE_STR(&p->usable.v[i]));
			if (p->is_frozen)
				(void)strncat(out, " frozen", size - strlen(out) - 1);
		}
		if (*name == 'c')
			break;
	}
}

START_TEST(table)
{
	struct kube_store *s = world_new(cases[_i].before != NULL ? cases[_i].before : "");
	struct config old = { 0 }, c;
	const char *why = cases[_i].why;
	const struct config_problem *p;
	char text[500] = "";

	if (cases[_i].before != NULL)
		config_build(s, NULL, &old);
	world_add(s, cases[_i].after);
	config_build(s, cases[_i].before != NULL ? &old : NULL, &c);
	config_fini(&old);	/* nothing in c may point into it */
	describe(&c, text, sizeof(text));
	if (cases[_i].pools != NULL)
		ck_assert_msg(strcmp(text, cases[_i].pools) == 0, "%s: %s", why, text);
	if (cases[_i].refused != NULL) {
		p = config_refusal(&c, cases[_i].refused);
		ck_assert_msg(p != NULL, "%s: not refused", why);
		ck_assert_msg(strstr(p->text, cases[_i].text) != NULL, "%s: %s", why,
		    p->text);
	} else if (strstr(cases[_i].after, "bad ") != NULL) {
		ck_assert_msg(c.nproblems == 1 && c.problems[0].is_refused, "%s", why);
	} else if (cases[_i].text != NULL) {
		ck_assert_msg(c.nproblems == 1 && !c.problems[0].is_refused, "%s", why);
		ck_assert_msg(strstr(c.problems[0].text, cases[_i].text) != NULL,
		    "%s: %s", why, c.problems[0].text);
	} else
		ck_assert_msg(c.nproblems == 0, "%s: %s", why, c.problems[0].text);
	config_fini(&c);
	kube_store_free(s);
}
END_TEST

/* Unreadable since the start: whatever no pool has, and may be given out, stays. */
START_TEST(unread)
{
	static const struct {
		const char *ip, *pool;		/* NULL: nobody's */
	} holds[] = {
		{ "10.0.0.1", "a" }, { "10.0.1.1", "u" }, { "2001:db8::1", "u" },
		{ "0.0.0.1", NULL }, { "127.0.0.1", NULL }, { "255.255.255.255", NULL },
		{ "223.255.255.255", "u" }, { "fe80::1", NULL }, { "::2", "u" },
		{ "10.0.0.130", NULL },		/* a reserves it */
	};
	struct kube_store *s = world_new("pool a 10.0.0.0/24 res=10.0.0.128/25; "
	    "bad pool u 10.9.0.0/24; bad pool v 10.8.0.0/24");
	struct config c;

	config_build(s, NULL, &c);
	for (size_t i = 0; i < nitems(holds); i++) {
		struct ip ip = an_ip(holds[i].ip);
		const struct pool_span *span = pool_set_span(&c.pools, &ip);

		ck_assert_msg((span != NULL) == (holds[i].pool != NULL), "%s",
		    holds[i].ip);
		if (span != NULL)
			ck_assert_str_eq(c.pools.pools[span->pool].name, holds[i].pool);
	}
	ck_assert_ptr_nonnull(config_refusal(&c, "u"));
	ck_assert_ptr_nonnull(config_refusal(&c, "v"));
	ck_assert(pool_set_named(&c.pools, "u")->is_frozen);
	config_fini(&c);
	kube_store_free(s);
}
END_TEST

/* What is told of objects that are in force: "NAME TEXT" each, "" nothing. */
static const struct {
	const char *why, *world, *name, *text;
} doubts[] = {
	{ "nothing to say", "pool a 10.0.0.0/24; l2adv l pools=a; bgpadv b pools=a peers=p "
	    "com=c; peer p bfd=f; community x c; bfd f", NULL, NULL },
	{ "an advertisement of everything", "l2adv l; bgpadv b", NULL, NULL },
	{ "an unknown pool", "pool a 10.0.0.0/24; l2adv l pools=a,b", "l",
	    "spec.ipAddressPools[1]: there is no IPAddressPool \"b\": create it" },
	{ "two unknown pools are told together", "l2adv l pools=a,b", "l",
	    "\"a\": create it, or correct the name; also spec.ipAddressPools[1]" },
	{ "a selector of no pool", "pool a 10.0.0.0/24; l2adv l poolsel=x:y", "l",
	    "spec.ipAddressPoolSelectors[0]: no IPAddressPool has such labels" },
	{ "a selector of one", "pool a 10.0.0.0/24 labels=x:y; l2adv l poolsel=x:y",
	    NULL, NULL },
	{ "an unknown pool, by BGP", "bgpadv b pools=a", "b", "spec.ipAddressPools[0]" },
	{ "an unknown peer", "bgpadv b peers=p,q; peer p", "b",
	    "spec.peers[1]: there is no BGPPeer \"q\"" },
	{ "an unknown community", "bgpadv b com=c", "b",
	    "spec.communities[0]: no Community has an entry \"c\"" },
	{ "an unknown BFD profile", "peer p bfd=f", "p",
	    "spec.bfdProfile: there is no BFDProfile \"f\"" },
	{ "blocks larger than the pool", "pool a 10.0.0.0/25; bgpadv b agg=24", "b",
	    "spec.aggregationLength: 24: blocks of that size reach beyond 10.0.0.0/25" },
	{ "blocks as large as the pool", "pool a 10.0.0.0/24; bgpadv b agg=24", NULL, NULL },
	{ "a range that is no block", "pool a 10.0.0.0-10.0.1.5; bgpadv b agg=24", "b",
	    "reach beyond 10.0.0.0-10.0.1.5 of IPAddressPool \"a\"" },
	{ "blocks larger than an IPv6 pool", "pool a fd00::/64; bgpadv b agg6=48", "b",
	    "spec.aggregationLengthV6: 48" },
	{ "of a pool that it does not announce", "pool a 10.0.0.0/25; pool c 10.1.0.0/24; "
	    "bgpadv b pools=c agg=24", NULL, NULL },
	{ "of a pool selected by label", "pool a 10.0.0.0/25 labels=x:y; "
	    "bgpadv b poolsel=x:y agg=24", "b", "IPAddressPool \"a\"" },
	{ "a reserve outside of the pool", "pool a 10.0.0.0/24 res=10.1.0.0/24", "a",
	    "spec.reserved[0]: 10.1.0.0/24: none of the pool's addresses is in it" },
	{ "a reserve that is half outside", "pool a 10.0.0.0/24 res=10.0.0.128-10.0.1.5",
	    NULL, NULL },
	{ "a reserve of everything", "pool a 10.0.0.0/24 res=10.0.0.0/23", "a",
	    "spec.reserved: leaves nothing of the pool" },
	{ "a node's address", "pool a 10.0.0.0/24; node n 10.0.0.9", "a",
	    "10.0.0.9 is a node's own address" },
	{ "a node's address in the reserve", "pool a 10.0.0.0/24 res=10.0.0.9/32; "
	    "node n 10.0.0.9", NULL, NULL },
	{ "a fallback that is there", "profile p ns=d fb=sorry; svc d/s; "
	    "svc d/sorry type=ClusterIP", NULL, NULL },
	{ "a fallback that is not", "profile p ns=d fb=sorry; svc d/s; "
	    "svc e/sorry type=ClusterIP", "p", "spec.fallback[0].service: there is no "
	    "Service d/sorry to serve for d/s: create it" },
	{ "a fallback of another namespace", "profile p ns=d fb=e/sorry; svc d/s; "
	    "svc e/sorry type=ClusterIP", NULL, NULL },
	{ "the second of two, told once for all Services", "profile p ns=d fb=a,b; "
	    "svc d/a type=ClusterIP; svc d/s; svc d/t", "p", "spec.fallback[1].service: "
	    "there is no Service d/b to serve for d/s" },
	{ "a fallback that no Service has yet", "profile p ns=d fb=sorry; svc e/s", NULL,
	    NULL },
	{ "of what is refused only that is told", "pool a 10.0.0.0/24 age=1; "
	    "pool b 10.0.0.0/24 age=2 res=10.9.0.0/24", "b", "overlaps" },
};

START_TEST(doubt)
{
	struct kube_store *s = world_new(doubts[_i].world);
	const char *why = doubts[_i].why;
	struct config c;

	config_build(s, NULL, &c);
	if (doubts[_i].name == NULL)
		ck_assert_msg(c.nproblems == 0, "%s: %s", why, c.problems[0].text);
	else {
		ck_assert_msg(c.nproblems == 1, "%s: %zu problems", why, c.nproblems);
		ck_assert_str_eq(c.problems[0].name, doubts[_i].name);
		ck_assert_msg(strstr(c.problems[0].text, doubts[_i].text) != NULL,
		    "%s: %s", why, c.problems[0].text);
		ck_assert_ptr_eq(config_problem(&c, kube_store_get(s, c.problems[0].kind,
		    c.problems[0].ns, c.problems[0].name)), &c.problems[0]);
	}
	config_fini(&c);
	kube_store_free(s);
}
END_TEST

/* However much is wrong, what is told stays readable. */
START_TEST(long_text_is_cut)
{
	struct kube_store *s = world_new("l2adv l");
	struct kube_object *o = kube_store_list(s, KUBE_L2_ADVERTISEMENT).items[0];
	struct config c;

	o->l2adv.scope.npools = 4096;
	o->l2adv.scope.pools = arena_array(&o->arena, 4096, sizeof(char *));
	for (size_t i = 0; i < 4096; i++)
		o->l2adv.scope.pools[i] = "nowhere";
	config_build(s, NULL, &c);
	ck_assert_uint_eq(c.nproblems, 1);
	ck_assert_uint_lt(strlen(c.problems[0].text), 1500);
	config_fini(&c);
	kube_store_free(s);
}
END_TEST

/* Refused twice in a row, it still goes on as it last was. */
START_TEST(remembers)
{
	struct kube_store *s = world_new("pool a 10.0.0.0/25 age=1; "
	    "pool b 10.0.0.128/26 age=2");
	static const char *const edits[] = { "pool b 10.0.0.0/24 age=2",
	    "pool b 10.0.0.0/23 age=2", "pool b 10.0.0.0/22 age=2" };
	struct config c, next;
	char text[500];

	config_build(s, NULL, &c);
	for (size_t i = 0; i < nitems(edits); i++) {
		world_add(s, edits[i]);
		config_build(s, &c, &next);
		config_fini(&c);
		c = next;
		text[0] = '\0';
		describe(&c, text, sizeof(text));
		ck_assert_str_eq(text,
		    "a 10.0.0.0-10.0.0.127; b 10.0.0.128-10.0.0.191");
	}
	config_fini(&c);
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(cases));
	tcase_add_test(tc, unread);
	tcase_add_loop_test(tc, doubt, 0, nitems(doubts));
	tcase_add_test(tc, long_text_is_cut);
	tcase_add_test(tc, remembers);
}

TEST_MAIN("config", fill)
