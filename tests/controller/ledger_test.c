#include <errno.h>

#include "controller/ledger.h"
#include "tests/controller/world.h"

/*
 * A Service's life in the ledger, a word a step, and the state after it:
 *	p A	promise address A (from the version the store shows)
 *	s	sent
 *	d E	done with error E
 *	w TEXT	the store now says: svc d/a TEXT
 *	x	the Service is deleted
 *	y	sync
 *	t N	N milliseconds pass
 */
static const struct {
	const char *why, *steps;
	const char *state;	/* ledger_state_name(), "none", with * if busy */
} lives[] = {
	{ "promised", "p 10.0.0.1", "queued*" },
	{ "under way", "p 10.0.0.1;s", "sent*" },
	{ "written, and nobody may write until it is seen", "p 10.0.0.1;s;d 0", "written*" },
	{ "seen: forgotten", "p 10.0.0.1;s;d 0;w rv=2 has=10.0.0.1;y", "none" },
	{ "not seen yet", "p 10.0.0.1;s;d 0;y", "written*" },
	{ "overwritten since", "p 10.0.0.1;s;d 0;w rv=3 has=10.0.0.9;y", "idle" },
	{ "the server drops ipMode: remembered as written",
	    "p 10.0.0.1;s;d 0;w rv=2 has=10.0.0.1 mode=;y", "idle" },
	{ "no change of version, but it shows what was promised",
	    "w has=10.0.0.1 mode=;p 10.0.0.1;s;d 0;y", "idle" },
	{ "a source without versions, never seen: given up in time",
	    "p 10.0.0.1;s;d 0;t 29999;y", "written*" },
	{ "and then", "p 10.0.0.1;s;d 0;t 30000;y", "idle" },
	{ "failed: waits", "p 10.0.0.1;s;d EIO", "failed*" },
	{ "failed: 50 ms later it may be tried again", "p 10.0.0.1;s;d EIO;t 50", "failed" },
	{ "the second wait is longer",
	    "p 10.0.0.1;s;d EIO;t 50;p 10.0.0.1;s;d EIO;t 99", "failed*" },
	{ "by twice", "p 10.0.0.1;s;d EIO;t 50;p 10.0.0.1;s;d EIO;t 100", "failed" },
	{ "failed, but it had come through", "p 10.0.0.1;s;d EIO;w rv=2 has=10.0.0.1;y",
	    "none" },
	{ "failed, and somebody wrote something else",
	    "p 10.0.0.1;s;d ESTALE;w rv=2;y;t 50", "failed" },
	{ "gone while queued", "p 10.0.0.1;x;y", "none" },
	{ "gone while under way: kept for the answer", "p 10.0.0.1;s;x;y", "sent*" },
	{ "and the answer ends it", "p 10.0.0.1;s;x;y;d 0", "none" },
	{ "the server says gone", "p 10.0.0.1;s;d ENOENT", "none" },
	{ "another object of that name", "w uid=1;p 10.0.0.1;w uid=2 rv=9;y", "none" },
};

static int
an_error(const char *s)
{
	return strcmp(s, "0") == 0 ? 0 : strcmp(s, "EIO") == 0 ? -EIO :
	    strcmp(s, "ESTALE") == 0 ? -ESTALE : -ENOENT;
}

static void
step(struct ledger *l, struct kube_store *s, struct mono *now, char *w)
{
	const struct kube_object *o = kube_store_get(s, KUBE_SERVICE, "d", "a");
	struct ledger_entry *e = ledger_find(l, "d", "a");
	char *arg = w + (w[1] == ' ' ? 2 : 1), line[100];
	struct ip ip;

	switch (*w) {
	case 'p':
		ip = an_ip(arg);
		(void)ledger_promise(l, o, &ip, 1, true);
		break;
	case 's':
		ck_assert_ptr_eq(ledger_sent(l), e);
		break;
	case 'd':
		ledger_done(l, e, an_error(arg), *now, 0);
		break;
	case 'w':
		(void)snprintf(line, sizeof(line), "svc d/a %s", arg);
		world_add(s, line);
		break;
	case 'x':
		ck_assert(kube_store_delete(s, KUBE_SERVICE, "d", "a"));
		break;
	case 'y':
		ledger_sync(l, s, *now);
		break;
	default:
		ck_assert_msg(*w == 't', "step %s", w);
		*now = mono_add_ms(*now, atol(arg));
	}
}

START_TEST(life)
{
	struct kube_store *s = world_new("svc d/a");
	struct ledger *l = ledger_new();
	struct mono now = { .ns = NSEC_PER_SEC };
	char *copy = strdup(lives[_i].steps), *rest = copy, state[32] = "none";
	const struct ledger_entry *e;

	for (char *w; (w = next_word(&rest, ";")) != NULL;)
		step(l, s, &now, w);
	e = ledger_find(l, "d", "a");
	if (e != NULL)
		(void)snprintf(state, sizeof(state), "%s%s", ledger_state_name(e->state),
		    ledger_is_busy(e, now) ? "*" : "");
	ck_assert_msg(strcmp(state, lives[_i].state) == 0, "%s: %s", lives[_i].why, state);
	ledger_free(l);
	kube_store_free(s);
	free(copy);
}
END_TEST

START_TEST(telling)
{
	struct kube_store *s = world_new("svc d/a");
	const struct kube_object *o = kube_store_get(s, KUBE_SERVICE, "d", "a");
	struct ledger *l = ledger_new();

	ck_assert_msg(!ledger_tell(l, o, NULL), "nothing to tell is no news");
	ck_assert(ledger_tell(l, o, "full"));
	ck_assert_msg(!ledger_tell(l, o, "full"), "once is enough");
	ledger_sync(l, s, (struct mono){ 0 });
	ck_assert_msg(!ledger_tell(l, o, "full"), "still");
	ck_assert_msg(ledger_tell(l, o, "fuller"), "another reason");
	ck_assert_msg(!ledger_tell(l, o, NULL), "that it is over is told otherwise");
	ck_assert_ptr_null(ledger_find(l, "d", "a"));
	ck_assert_msg(ledger_tell(l, o, "fuller"), "and again after it was well");
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

/* First come, first served, whatever is taken out of the middle. */
START_TEST(queue)
{
	struct kube_store *s = world_new("svc d/a; svc d/b; svc d/c");
	struct kube_list all = kube_store_list(s, KUBE_SERVICE);
	struct ledger *l = ledger_new();
	struct ip ip = an_ip("10.0.0.1");

	for (size_t i = 0; i < all.n; i++)
		(void)ledger_promise(l, all.items[i], &ip, 1, true);
	ck_assert(kube_store_delete(s, KUBE_SERVICE, "d", "b"));
	ledger_sync(l, s, (struct mono){ 0 });
	ck_assert_str_eq(ledger_sent(l)->key, "d/a");
	ck_assert_str_eq(ledger_sent(l)->key, "d/c");
	ck_assert_ptr_null(ledger_sent(l));
	ck_assert_uint_eq(l->nsent, 2);
	world_add(s, "svc d/d");
	(void)ledger_promise(l, kube_store_get(s, KUBE_SERVICE, "d", "d"), &ip, 1, true);
	ck_assert_str_eq(ledger_sent(l)->key, "d/d");
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

START_TEST(deadline)
{
	struct kube_store *s = world_new("svc d/a; svc d/b");
	struct ledger *l = ledger_new();
	struct ledger_entry *e;
	struct ip ip = an_ip("10.0.0.1");
	struct mono now = { .ns = NSEC_PER_SEC };

	ck_assert(ledger_deadline(l).ns == MONO_NEVER.ns);
	(void)ledger_promise(l, kube_store_get(s, KUBE_SERVICE, "d", "a"), &ip, 1, true);
	e = ledger_sent(l);
	ledger_done(l, e, -EIO, now, 0);
	ck_assert_int_eq(ledger_deadline(l).ns, mono_add_ms(now, 50).ns);
	/* Jitter: at most half of the wait on top. */
	(void)ledger_promise(l, kube_store_get(s, KUBE_SERVICE, "d", "b"), &ip, 1, true);
	e = ledger_sent(l);
	ledger_done(l, e, -EIO, now, UINT64_MAX);
	ck_assert(mono_before(e->due, mono_add_ms(now, 75)));
	for (int i = 0; i < 30; i++) {
		(void)ledger_promise(l, kube_store_get(s, KUBE_SERVICE, "d", "b"), &ip, 1,
		    true);
		e = ledger_sent(l);
		ledger_done(l, e, -EIO, now, 0);
	}
	ck_assert_int_eq(e->due.ns, mono_add_ms(now, LEDGER_RETRY_MAX_MS).ns);
	ledger_free(l);
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, life, 0, nitems(lives));
	tcase_add_test(tc, telling);
	tcase_add_test(tc, queue);
	tcase_add_test(tc, deadline);
}

TEST_MAIN("ledger", fill)
