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
	tcase_add_test(tc, remembers);
}

TEST_MAIN("config", fill)
