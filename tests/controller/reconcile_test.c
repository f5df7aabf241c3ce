#include <errno.h>

#include "kube/decode.h"
#include "tests/controller/cases.h"
#include "tests/controller/world.h"

static void
run(const struct kube_store *s, const struct ledger *l, const char *lb_class,
    struct config *c, struct reconcile *r)
{
	struct reconcile_in in = { .store = s, .config = c, .ledger = l,
	    .lb_class = lb_class, .now = { .ns = 1 } };

	config_build(s, NULL, c);
	reconcile_run(&in, r);
}

/* One "NS/NAME ADDRS ~problem !released" against the decisions. */
static void
check_want(const struct reconcile *r, const char *why, char *want)
{
	char *released = strchr(want, '!'), *problem, *addrs, buf[100];
	const struct decision *d;

	if (released != NULL)
		*released++ = '\0';
	problem = strchr(want, '~');
	if (problem != NULL)
		*problem++ = '\0';
	addrs = want;
	want = next_word(&addrs, " ");
	addrs = next_word(&addrs, " ");
	d = world_decision(r, want);
	ck_assert_msg(d != NULL, "%s: no decision on %s", why, want);
	ck_assert_msg(strcmp(world_addrs(d, buf), addrs) == 0,
	    "%s: %s has %s, not %s (%s)", why, want, buf, addrs,
	    d->problem != NULL ? d->problem : "");
	while (problem != NULL && *problem != '\0' &&
	    problem[strlen(problem) - 1] == ' ')
		problem[strlen(problem) - 1] = '\0';
	if (problem == NULL)
		ck_assert_msg(d->problem == NULL, "%s: %s: %s", why, want, d->problem);
	else
		ck_assert_msg(d->problem != NULL && strstr(d->problem, problem) != NULL,
		    "%s: %s is told \"%s\"", why, want, d->problem);
	if (released == NULL)
		ck_assert_msg(d->released == NULL, "%s: %s lost %s", why, want,
		    d->released);
	else
		ck_assert_msg(d->released != NULL &&
		    (strcmp(released, "surplus") == 0 ||
		    strstr(d->released, released) != NULL),
		    "%s: %s: released \"%s\"", why, want, d->released);
}

START_TEST(table)
{
	struct kube_store *s = world_new(cases[_i].world);
	struct ledger *l = ledger_new();
	char *copy = strdup(cases[_i].want), *rest = copy;
	struct reconcile r;
	struct config c;
	size_t n = 0;

	run(s, l, NULL, &c, &r);
	for (char *w; (w = next_word(&rest, ";")) != NULL; n++)
		check_want(&r, cases[_i].why, w);
	ck_assert_msg(r.ndecisions == n, "%s: %zu decisions", cases[_i].why,
	    r.ndecisions);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
	free(copy);
}
END_TEST

/* --lb-class: Services of that class and no others. */
START_TEST(other_class)
{
	struct kube_store *s = world_new("pool p 10.0.0.0/24; svc d/a class=x; svc d/b; "
	    "svc d/c class=heraldlb.io/herald");
	struct ledger *l = ledger_new();
	struct reconcile r;
	struct config c;

	run(s, l, "x", &c, &r);
	ck_assert_uint_eq(r.ndecisions, 1);
	check_want(&r, "class x", (char[]){ "d/a 10.0.0.0" });
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* When a write is due, by what the status shows. */
static const struct {
	const char *why, *svc;
	bool must_write, is_news;
} writes[] = {
	{ "a new address", "svc d/a", true, true },
	{ "as it is", "svc d/a has=10.0.0.0", false, false },
	{ "ipMode missing", "svc d/a has=10.0.0.0 mode=", true, false },
	{ "ipMode VIP", "svc d/a has=10.0.0.0 mode=VIP", true, false },
	{ "nothing to have, nothing shown", "svc d/a ask=nonsense", false, false },
	{ "nothing to have, something shown", "svc d/a fam=6 has=10.0.0.0", true, true },
	{ "a type changed", "svc d/a type=ClusterIP has=10.0.0.0", true, true },
};

START_TEST(writing)
{
	struct kube_store *s = world_new("pool p 10.0.0.0/24");
	struct ledger *l = ledger_new();
	struct reconcile r;
	struct config c;
	const struct decision *d;

	world_add(s, writes[_i].svc);
	run(s, l, NULL, &c, &r);
	d = world_decision(&r, "d/a");
	ck_assert_msg(d->must_write == writes[_i].must_write, "%s", writes[_i].why);
	ck_assert_msg(d->is_news == writes[_i].is_news, "%s", writes[_i].why);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

static const struct {
	const char *why, *svc;
	bool must_write;
} delegated[] = {
	{ "Proxy is put right", "svc d/a has=10.0.0.0", true },
	{ "VIP is as it should be", "svc d/a has=10.0.0.0 mode=VIP", false },
};

/* A profile of mode delegate leaves the address to kube-proxy. */
START_TEST(delegating)
{
	static const char json[] = "{\"apiVersion\":\"heraldlb.io/v1beta1\",\"kind\":"
	    "\"ForwardingProfile\",\"metadata\":{\"namespace\":\"herald-system\","
	    "\"name\":\"off\"},\"spec\":{\"namespaces\":[\"d\"],"
	    "\"serviceSelectors\":[{}],\"mode\":\"delegate\"}}";
	struct kube_store *s = world_new("pool p 10.0.0.0/24");
	struct ledger *l = ledger_new();
	struct kube_object *o = NULL;
	struct kube_error err;
	struct reconcile r;
	struct config c;

	ck_assert_msg(kube_decode(json, strlen(json), NULL, KUBE_NKINDS, &o, &err) == 0,
	    "%s", err.text);
	kube_store_put(s, o);
	world_add(s, delegated[_i].svc);
	run(s, l, NULL, &c, &r);
	ck_assert_str_eq(world_decision(&r, "d/a")->ip_mode, "VIP");
	ck_assert_msg(world_decision(&r, "d/a")->must_write == delegated[_i].must_write,
	    "%s", delegated[_i].why);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* A promise not yet in the store holds its address against everybody. */
START_TEST(promise_holds)
{
	struct kube_store *s = world_new("pool p 10.0.0.1-10.0.0.2; svc d/new age=9");
	struct ledger *l = ledger_new();
	struct reconcile r;
	struct config c;

	run(s, l, NULL, &c, &r);
	ledger_promise(l, r.decisions[0].svc, r.decisions[0].addrs, 1, true);
	reconcile_fini(&r);
	config_fini(&c);

	/* An older one appears (created on a faster clock): it gets the next. */
	world_add(s, "svc d/old age=1");
	run(s, l, NULL, &c, &r);
	check_want(&r, "promised", (char[]){ "d/new 10.0.0.1" });
	check_want(&r, "promised", (char[]){ "d/old 10.0.0.2" });
	ck_assert_msg(!world_decision(&r, "d/new")->must_write,
	    "its write is queued already");
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* While it is unknown whether a write happened, it says the same again. */
START_TEST(uncertain_stays)
{
	struct kube_store *s = world_new("pool p 10.0.0.1-10.0.0.9; svc d/a ask=10.0.0.5");
	struct ledger *l = ledger_new();
	struct ledger_entry *e;
	struct reconcile r;
	struct config c;

	run(s, l, NULL, &c, &r);
	e = ledger_promise(l, r.decisions[0].svc, r.decisions[0].addrs, 1, true);
	ck_assert_ptr_eq(ledger_sent(l), e);
	ledger_done(l, e, -EIO, (struct mono){ 0 }, 0);
	reconcile_fini(&r);
	config_fini(&c);

	/* The user's edit has another version, but here an older pass sees none. */
	world_add(s, "pool p 10.0.0.1-10.0.0.3");
	ledger_sync(l, s, (struct mono){ 0 });
	run(s, l, NULL, &c, &r);
	check_want(&r, "unknown outcome", (char[]){ "d/a 10.0.0.5" });
	reconcile_fini(&r);
	config_fini(&c);

	world_add(s, "svc d/a rv=2 ask=10.0.0.5");
	ledger_sync(l, s, (struct mono){ 0 });
	run(s, l, NULL, &c, &r);
	check_want(&r, "it never happened, and the pool is smaller now",
	    (char[]){ "d/a - ~not allowed in config" });
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* A new Service of an old name must wait for the old one's write to end. */
START_TEST(namesake_waits)
{
	struct kube_store *s = world_new("pool p 10.0.0.1-10.0.0.9; svc d/a uid=1");
	struct ledger *l = ledger_new();
	struct ledger_entry *e;
	struct reconcile r;
	struct config c;

	run(s, l, NULL, &c, &r);
	e = ledger_promise(l, r.decisions[0].svc, r.decisions[0].addrs, 1, true);
	ck_assert_ptr_eq(ledger_sent(l), e);
	reconcile_fini(&r);
	config_fini(&c);
	world_add(s, "svc d/a uid=2 rv=9");
	ledger_sync(l, s, (struct mono){ 0 });
	run(s, l, NULL, &c, &r);
	ck_assert(!world_decision(&r, "d/a")->must_write);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_done(l, e, -ESTALE, (struct mono){ 0 }, 0);
	run(s, l, NULL, &c, &r);
	ck_assert(world_decision(&r, "d/a")->must_write);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* Sticky: who was there before gets the same again, if it is free. */
START_TEST(sticky_again)
{
	static const char *const worlds[] = {
		"pool p 10.0.0.0/24 strat=sticky; svc d/a age=7",
		/* Deleted, made anew, after others and with another UID. */
		"pool p 10.0.0.0/24 strat=sticky; svc d/a age=90 uid=x; svc d/b age=1; "
		"svc d/c age=2; svc d/e age=3",
		/* In a pool of another name, by name. */
		"pool q 10.0.0.0/24 strat=sticky auto=no; svc d/a pool=q",
	};

	for (size_t i = 0; i < nitems(worlds); i++) {
		struct kube_store *s = world_new(worlds[i]);
		struct ledger *l = ledger_new();
		struct reconcile r;
		struct config c;

		run(s, l, NULL, &c, &r);
		check_want(&r, "sticky", (char[]){ "d/a 10.0.0.171" });
		reconcile_fini(&r);
		config_fini(&c);
		ledger_free(l);
		kube_store_free(s);
	}
}
END_TEST

START_TEST(usage)
{
	struct kube_store *s = world_new("pool p 10.0.0.0/24,fd00::/64 buggy=no; "
	    "svc d/a share=k; svc d/b share=k ports=TCP/81; svc d/c fam=6; svc d/d fam=6 "
	    "ask=nonsense");
	struct ledger *l = ledger_new();
	struct reconcile r;
	struct config c;

	run(s, l, NULL, &c, &r);
	ck_assert_uint_eq(r.usage[0].assigned[0], 1);
	ck_assert_uint_eq(r.usage[0].available[0], 253);
	ck_assert_uint_eq(r.usage[0].assigned[1], 1);
	ck_assert_uint_eq(r.npending, 1);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(cases));
	tcase_add_test(tc, other_class);
	tcase_add_loop_test(tc, writing, 0, nitems(writes));
	tcase_add_loop_test(tc, delegating, 0, nitems(delegated));
	tcase_add_test(tc, promise_holds);
	tcase_add_test(tc, uncertain_stays);
	tcase_add_test(tc, namesake_waits);
	tcase_add_test(tc, sticky_again);
	tcase_add_test(tc, usage);
}

TEST_MAIN("reconcile", fill)
