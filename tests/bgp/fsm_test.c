/*
 * fsm_test.c - every state and event of RFC 4271, 8.2.2, and the timers.
 */
#include <check.h>
#include <string.h>

#include "bgp/fsm.h"
#include "lib/mem.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

static const struct bgp_fsm_conf conf = {
	.hold_sec = 90, .connect_sec = 120, .random = 1,
};

static unsigned
feed(struct bgp_fsm *f, enum bgp_ev type, struct mono now)
{
	struct bgp_event ev = { .type = type, .hold_sec = 90 };

	if (type == BGP_EV_STOP)
		bgp_error_set(&ev.err, BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, NULL, 0);
	if (type == BGP_EV_ERROR)
		bgp_error_set(&ev.err, BGP_ERR_UPDATE, BGP_UPDATE_NETWORK, NULL, 0);
	if (type == BGP_EV_NOTIFICATION)
		bgp_error_set(&ev.err, BGP_ERR_CEASE, BGP_CEASE_RESET, NULL, 0);
	return bgp_fsm_step(f, &ev, now);
}

/* Driven to `state` by events at T0. */
static struct bgp_fsm
fsm_in(enum bgp_state state, const struct bgp_fsm_conf *c)
{
	static const enum bgp_ev path[] = {
		BGP_EV_START, BGP_EV_TCP_UP, BGP_EV_OPEN, BGP_EV_KEEPALIVE,
	};
	struct bgp_fsm_conf passive = *c;
	struct bgp_fsm f;

	passive.is_passive |= state == BGP_ACTIVE;
	bgp_fsm_init(&f, &passive);
	for (size_t i = 0; f.state != state; i++) {
		ck_assert_uint_lt(i, nitems(path));
		feed(&f, path[i], T0);
	}
	return f;
}

enum {
	DIAL = BGP_DO_DIAL, OPEN = BGP_DO_OPEN, KEEP = BGP_DO_KEEPALIVE,
	NOTE = BGP_DO_NOTIFY | BGP_DO_CLOSE, ABRT = BGP_DO_ABORT, UP = BGP_DO_UP,
	DOWN = BGP_DO_DOWN,
};

static const struct {
	enum bgp_state from;
	enum bgp_ev ev;
	enum bgp_state to;
	unsigned does;
	uint8_t	code, subcode;		/* of err where NOTE, or what they said */
} steps[] = {
	{ BGP_IDLE, BGP_EV_START, BGP_CONNECT, DIAL, 0, 0 },
	{ BGP_IDLE, BGP_EV_STOP, BGP_IDLE, 0, 6, 2 },
	{ BGP_IDLE, BGP_EV_TICK, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_TCP_UP, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_TCP_DOWN, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_OPEN, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_ERROR, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_NOTIFICATION, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_KEEPALIVE, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_UPDATE, BGP_IDLE, 0, 0, 0 },
	{ BGP_IDLE, BGP_EV_REFRESH, BGP_IDLE, 0, 0, 0 },

	{ BGP_CONNECT, BGP_EV_START, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_STOP, BGP_IDLE, ABRT, 6, 2 },
	{ BGP_CONNECT, BGP_EV_TICK, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_TCP_UP, BGP_OPENSENT, OPEN, 0, 0 },
	{ BGP_CONNECT, BGP_EV_TCP_DOWN, BGP_IDLE, ABRT, 0, 0 },
	{ BGP_CONNECT, BGP_EV_OPEN, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_ERROR, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_NOTIFICATION, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_KEEPALIVE, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_UPDATE, BGP_CONNECT, 0, 0, 0 },
	{ BGP_CONNECT, BGP_EV_REFRESH, BGP_CONNECT, 0, 0, 0 },

	{ BGP_ACTIVE, BGP_EV_START, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_STOP, BGP_IDLE, ABRT, 6, 2 },
	{ BGP_ACTIVE, BGP_EV_TICK, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_TCP_UP, BGP_OPENSENT, OPEN, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_TCP_DOWN, BGP_IDLE, ABRT, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_OPEN, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_ERROR, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_NOTIFICATION, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_KEEPALIVE, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_UPDATE, BGP_ACTIVE, 0, 0, 0 },
	{ BGP_ACTIVE, BGP_EV_REFRESH, BGP_ACTIVE, 0, 0, 0 },

	{ BGP_OPENSENT, BGP_EV_START, BGP_OPENSENT, 0, 0, 0 },
	{ BGP_OPENSENT, BGP_EV_STOP, BGP_IDLE, NOTE, 6, 2 },
	{ BGP_OPENSENT, BGP_EV_TICK, BGP_OPENSENT, 0, 0, 0 },
	{ BGP_OPENSENT, BGP_EV_TCP_UP, BGP_OPENSENT, 0, 0, 0 },
	{ BGP_OPENSENT, BGP_EV_TCP_DOWN, BGP_ACTIVE, ABRT, 0, 0 },
	{ BGP_OPENSENT, BGP_EV_OPEN, BGP_OPENCONFIRM, KEEP, 0, 0 },
	{ BGP_OPENSENT, BGP_EV_ERROR, BGP_IDLE, NOTE, 3, 10 },
	{ BGP_OPENSENT, BGP_EV_NOTIFICATION, BGP_IDLE, ABRT, 6, 4 },
	{ BGP_OPENSENT, BGP_EV_KEEPALIVE, BGP_IDLE, NOTE, 5, 1 },
	{ BGP_OPENSENT, BGP_EV_UPDATE, BGP_IDLE, NOTE, 5, 1 },
	{ BGP_OPENSENT, BGP_EV_REFRESH, BGP_IDLE, NOTE, 5, 1 },

	{ BGP_OPENCONFIRM, BGP_EV_START, BGP_OPENCONFIRM, 0, 0, 0 },
	{ BGP_OPENCONFIRM, BGP_EV_STOP, BGP_IDLE, NOTE, 6, 2 },
	{ BGP_OPENCONFIRM, BGP_EV_TICK, BGP_OPENCONFIRM, 0, 0, 0 },
	{ BGP_OPENCONFIRM, BGP_EV_TCP_UP, BGP_OPENCONFIRM, 0, 0, 0 },
	{ BGP_OPENCONFIRM, BGP_EV_TCP_DOWN, BGP_IDLE, ABRT, 0, 0 },
	{ BGP_OPENCONFIRM, BGP_EV_OPEN, BGP_IDLE, NOTE, 5, 2 },
	{ BGP_OPENCONFIRM, BGP_EV_ERROR, BGP_IDLE, NOTE, 3, 10 },
	{ BGP_OPENCONFIRM, BGP_EV_NOTIFICATION, BGP_IDLE, ABRT, 6, 4 },
	{ BGP_OPENCONFIRM, BGP_EV_KEEPALIVE, BGP_ESTABLISHED, UP, 0, 0 },
	{ BGP_OPENCONFIRM, BGP_EV_UPDATE, BGP_IDLE, NOTE, 5, 2 },
	{ BGP_OPENCONFIRM, BGP_EV_REFRESH, BGP_IDLE, NOTE, 5, 2 },

	{ BGP_ESTABLISHED, BGP_EV_START, BGP_ESTABLISHED, 0, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_STOP, BGP_IDLE, NOTE | DOWN, 6, 2 },
	{ BGP_ESTABLISHED, BGP_EV_TICK, BGP_ESTABLISHED, 0, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_TCP_UP, BGP_ESTABLISHED, 0, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_TCP_DOWN, BGP_IDLE, ABRT | DOWN, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_OPEN, BGP_IDLE, NOTE | DOWN, 5, 3 },
	{ BGP_ESTABLISHED, BGP_EV_ERROR, BGP_IDLE, NOTE | DOWN, 3, 10 },
	{ BGP_ESTABLISHED, BGP_EV_NOTIFICATION, BGP_IDLE, ABRT | DOWN, 6, 4 },
	{ BGP_ESTABLISHED, BGP_EV_KEEPALIVE, BGP_ESTABLISHED, 0, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_UPDATE, BGP_ESTABLISHED, 0, 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_REFRESH, BGP_ESTABLISHED, 0, 0, 0 },
};
_Static_assert(nitems(steps) == 6 * BGP_NEVENTS, "every state and every event");

START_TEST(step)
{
	struct bgp_fsm f = fsm_in(steps[_i].from, &conf);
	unsigned does = feed(&f, steps[_i].ev, T0);

	ck_assert_str_eq(bgp_state_name(f.state), bgp_state_name(steps[_i].to));
	ck_assert_uint_eq(does, steps[_i].does);
	ck_assert_uint_eq(f.err.code, steps[_i].code);
	ck_assert_uint_eq(f.err.subcode, steps[_i].subcode);
	ck_assert(f.is_err_theirs == (steps[_i].ev == BGP_EV_NOTIFICATION &&
	    steps[_i].from >= BGP_OPENSENT));
	/* Whoever failed tries again; whoever was stopped does not. */
	if (f.state == BGP_IDLE && steps[_i].from != BGP_IDLE)
		ck_assert((f.retry_due.ns == MONO_NEVER.ns) ==
		    (steps[_i].ev == BGP_EV_STOP));
}
END_TEST

/* What TICK does in each state once the timer named is due. */
static const struct {
	const char *why;
	enum bgp_state from;
	int64_t	after_ms;
	enum bgp_state to;
	unsigned does;
	uint8_t	code;
} timers[] = {
	{ "dials again", BGP_CONNECT, 120000, BGP_CONNECT, ABRT | DIAL, 0 },
	{ "but not much sooner", BGP_CONNECT, 89999, BGP_CONNECT, 0, 0 },
	{ "waits four minutes for an OPEN", BGP_OPENSENT, 240000, BGP_IDLE, NOTE, 4 },
	{ "and not less", BGP_OPENSENT, 239999, BGP_OPENSENT, 0, 0 },
	{ "hold time in OpenConfirm", BGP_OPENCONFIRM, 90000, BGP_IDLE, NOTE, 4 },
	{ "keepalive in OpenConfirm", BGP_OPENCONFIRM, 30000, BGP_OPENCONFIRM, KEEP, 0 },
	{ "hold time", BGP_ESTABLISHED, 90000, BGP_IDLE, NOTE | DOWN, 4 },
	{ "just before it: a keepalive", BGP_ESTABLISHED, 89999, BGP_ESTABLISHED, KEEP, 0 },
	{ "a third of it at most", BGP_ESTABLISHED, 30000, BGP_ESTABLISHED, KEEP, 0 },
	{ "three quarters of that at least", BGP_ESTABLISHED, 22499, BGP_ESTABLISHED, 0, 0 },
	{ "a passive side waits for good", BGP_ACTIVE, 86400000, BGP_ACTIVE, 0, 0 },
};

START_TEST(timer)
{
	struct bgp_fsm f = fsm_in(timers[_i].from, &conf);
	unsigned does = feed(&f, BGP_EV_TICK, mono_add_ms(T0, timers[_i].after_ms));

	ck_assert_msg(f.state == timers[_i].to, "%s", timers[_i].why);
	ck_assert_msg(does == timers[_i].does, "%s: %#x", timers[_i].why, does);
	ck_assert_uint_eq(f.err.code, timers[_i].code);
}
END_TEST

START_TEST(hold_time_zero_means_no_timers)
{
	struct bgp_fsm f = fsm_in(BGP_OPENSENT, &conf);
	struct bgp_event open = { .type = BGP_EV_OPEN, .hold_sec = 0 };

	ck_assert_uint_eq(bgp_fsm_step(&f, &open, T0), KEEP);
	feed(&f, BGP_EV_KEEPALIVE, T0);
	ck_assert_int_eq(f.state, BGP_ESTABLISHED);
	bgp_fsm_sent(&f, true, T0);
	ck_assert_int_eq(bgp_fsm_deadline(&f).ns, MONO_NEVER.ns);
}
END_TEST

START_TEST(messages_keep_a_session_alive)
{
	static const enum bgp_ev evs[] = {
		BGP_EV_KEEPALIVE, BGP_EV_UPDATE, BGP_EV_REFRESH,
	};
	struct bgp_fsm f = fsm_in(BGP_ESTABLISHED, &conf);
	struct mono now = T0;

	for (int i = 0; i < 30; i++) {
		now = mono_add_sec(now, 89);
		feed(&f, BGP_EV_TICK, now);
		feed(&f, evs[i % 3], now);
		ck_assert_int_eq(f.state, BGP_ESTABLISHED);
	}
}
END_TEST

START_TEST(send_hold)
{
	struct bgp_fsm f = fsm_in(BGP_ESTABLISHED, &conf);
	struct mono late = mono_add_sec(T0, 480);

	bgp_fsm_sent(&f, true, T0);
	bgp_fsm_sent(&f, true, mono_add_sec(T0, 100));	/* still the same jam */
	f.hold_due = f.keepalive_due = MONO_NEVER;	/* the peer talks on */
	ck_assert_uint_eq(feed(&f, BGP_EV_TICK, mono_add_ns(late, -1)), 0);
	ck_assert_uint_eq(feed(&f, BGP_EV_TICK, late), ABRT | DOWN);
	ck_assert_uint_eq(f.err.code, BGP_ERR_SEND_HOLD);

	f = fsm_in(BGP_ESTABLISHED, &conf);
	bgp_fsm_sent(&f, true, T0);
	bgp_fsm_sent(&f, false, mono_add_sec(T0, 479));
	f.hold_due = f.keepalive_due = MONO_NEVER;
	ck_assert_uint_eq(feed(&f, BGP_EV_TICK, late), 0);
}
END_TEST

START_TEST(retries_back_off_and_recover)
{
	struct bgp_fsm f = fsm_in(BGP_CONNECT, &conf);
	struct mono now = T0;
	int64_t last = 0;

	for (int i = 0; i < 12; i++) {
		int64_t wait, top = i < 7 ? (1 << i) : 120;

		feed(&f, BGP_EV_TCP_DOWN, now);
		wait = mono_sub_ns(bgp_fsm_deadline(&f), now);
		ck_assert_int_ge(wait, top * NSEC_PER_SEC / 4 * 3);
		ck_assert_int_le(wait, top * NSEC_PER_SEC);
		last = wait;
		now = bgp_fsm_deadline(&f);
		ck_assert_uint_eq(feed(&f, BGP_EV_TICK, now), DIAL);
	}
	ck_assert_int_gt(last, 80 * NSEC_PER_SEC);
	feed(&f, BGP_EV_TCP_UP, now);
	feed(&f, BGP_EV_OPEN, now);
	feed(&f, BGP_EV_KEEPALIVE, now);
	feed(&f, BGP_EV_TCP_DOWN, now);
	ck_assert_int_le(mono_sub_ns(bgp_fsm_deadline(&f), now), NSEC_PER_SEC);
}
END_TEST

START_TEST(accepted_connection_ends_for_good)
{
	struct bgp_fsm_conf c = conf;
	struct bgp_fsm f;

	c.is_accepted = true;
	bgp_fsm_init(&f, &c);
	ck_assert_uint_eq(feed(&f, BGP_EV_TCP_UP, T0), OPEN);
	ck_assert_uint_eq(feed(&f, BGP_EV_TCP_DOWN, T0), ABRT);
	ck_assert_int_eq(f.state, BGP_IDLE);
	ck_assert_int_eq(bgp_fsm_deadline(&f).ns, MONO_NEVER.ns);
}
END_TEST

START_TEST(silent_stop_sends_nothing)
{
	struct bgp_fsm f = fsm_in(BGP_ESTABLISHED, &conf);
	struct bgp_event ev = { .type = BGP_EV_STOP };

	/* A graceful restart ends without a NOTIFICATION (RFC 4724, 4). */
	ck_assert_uint_eq(bgp_fsm_step(&f, &ev, T0), ABRT | DOWN);
}
END_TEST

START_TEST(collision)
{
	ck_assert(bgp_collision_keeps_ours(2, 1, 1, 9));
	ck_assert(!bgp_collision_keeps_ours(1, 9, 2, 1));
	ck_assert(bgp_collision_keeps_ours(1, 9, 1, 2));	/* RFC 6286 */
	ck_assert(!bgp_collision_keeps_ours(1, 2, 1, 9));
	/* Numbers, not text and not signed. */
	ck_assert(bgp_collision_keeps_ours(0xc0000201, 1, 0x0a000001, 1));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, step, 0, nitems(steps));
	tcase_add_loop_test(tc, timer, 0, nitems(timers));
	tcase_add_test(tc, hold_time_zero_means_no_timers);
	tcase_add_test(tc, messages_keep_a_session_alive);
	tcase_add_test(tc, send_hold);
	tcase_add_test(tc, retries_back_off_and_recover);
	tcase_add_test(tc, accepted_connection_ends_for_good);
	tcase_add_test(tc, silent_stop_sends_nothing);
	tcase_add_test(tc, collision);
}

TEST_MAIN("fsm", fill)
