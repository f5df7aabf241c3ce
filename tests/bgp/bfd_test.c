/*
 * bfd_test.c - one BFD session against RFC 5880 section 6; time is a number.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/bgp/bfd_session.h"

/* 6.8.6, every state and every state heard. */
static const struct {
	enum bfd_state from, heard, to;
	enum bfd_diag diag;
} steps[] = {
	{ BFD_ADMIN_DOWN, BFD_ADMIN_DOWN, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN },
	{ BFD_ADMIN_DOWN, BFD_DOWN, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN },
	{ BFD_ADMIN_DOWN, BFD_INIT, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN },
	{ BFD_ADMIN_DOWN, BFD_UP, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN },
	{ BFD_DOWN, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NONE },
	{ BFD_DOWN, BFD_DOWN, BFD_INIT, BFD_DIAG_NONE },
	{ BFD_DOWN, BFD_INIT, BFD_UP, BFD_DIAG_NONE },
	{ BFD_DOWN, BFD_UP, BFD_DOWN, BFD_DIAG_NONE },
	{ BFD_INIT, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN },
	{ BFD_INIT, BFD_DOWN, BFD_INIT, BFD_DIAG_NONE },
	{ BFD_INIT, BFD_INIT, BFD_UP, BFD_DIAG_NONE },
	{ BFD_INIT, BFD_UP, BFD_UP, BFD_DIAG_NONE },
	{ BFD_UP, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN },
	{ BFD_UP, BFD_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN },
	{ BFD_UP, BFD_INIT, BFD_UP, BFD_DIAG_NONE },
	{ BFD_UP, BFD_UP, BFD_UP, BFD_DIAG_NONE },
};

START_TEST(step_on_packet)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, steps[_i].from);
	struct bfd_pkt p;

	ck_assert_int_eq(rx_state(&s, steps[_i].heard, T0), 0);
	ck_assert_str_eq(bfd_state_name(s.state), bfd_state_name(steps[_i].to));
	ck_assert_str_eq(bfd_diag_name(s.diag), bfd_diag_name(steps[_i].diag));
	ck_assert_int_eq(s.remote_state, steps[_i].heard);
	p = tx(&s, T0);
	if (steps[_i].from == steps[_i].to) {
		ck_assert_uint_eq(p.detect_mult, 0);
	} else {
		/* A change is told at once (6.8.7). */
		ck_assert_uint_eq(p.state, steps[_i].to);
		ck_assert_uint_eq(p.diag, steps[_i].diag);
		ck_assert_uint_eq(p.your_discr, THEIRS);
	}
}
END_TEST

static const struct {
	const char *why;
	enum bfd_state from, to;
	enum bfd_diag diag;
} expiries[] = {
	{ "stays down", BFD_DOWN, BFD_DOWN, BFD_DIAG_NONE },
	{ "a half-open session falls back", BFD_INIT, BFD_DOWN, BFD_DIAG_TIME_EXPIRED },
	{ "the case BFD is there for", BFD_UP, BFD_DOWN, BFD_DIAG_TIME_EXPIRED },
	{ "stays as it was told", BFD_ADMIN_DOWN, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN },
};

START_TEST(step_on_expiry)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, expiries[_i].from);
	struct bfd_pkt p;

	/* Heard once, whatever that does, so that something can expire. */
	if (s.state == BFD_DOWN)
		rx_state(&s, BFD_UP, T0);
	else if (s.state == BFD_ADMIN_DOWN)
		rx_state(&s, BFD_DOWN, T0);
	bfd_tick(&s, mono_add_us(T0, 299999));
	ck_assert_int_eq(s.state, expiries[_i].from);
	ck_assert_uint_eq(s.remote_discr, THEIRS);
	bfd_tick(&s, mono_add_us(T0, 300000));
	ck_assert_msg(s.state == expiries[_i].to, "%s", expiries[_i].why);
	ck_assert_msg(s.diag == expiries[_i].diag, "%s", expiries[_i].why);
	ck_assert_uint_eq(s.remote_discr, 0);
	p = tx(&s, mono_add_us(T0, 300000));
	if (expiries[_i].from != expiries[_i].to)
		ck_assert_uint_eq(p.diag, BFD_DIAG_TIME_EXPIRED);
	ck_assert_uint_eq(p.your_discr, 0);
}
END_TEST

static const struct {
	const char *why;
	uint32_t our_rx_us, their_tx_us;
	uint8_t	their_mult;
	uint64_t want_us;
} detections[] = {
	{ "theirs counts when slower", 50000, 100000, 3, 300000 },
	{ "ours counts when slower", 200000, 100000, 3, 600000 },
	{ "their multiplier, not ours", 100000, 100000, 5, 500000 },
	{ "the fast case", 10000, 10000, 3, 30000 },
	{ "no overflow at the far end", 1, UINT32_MAX, 255, UINT64_C(1095216660225) },
};

START_TEST(detection_time)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd_pkt p = theirs(BFD_UP);
	struct mono due;
	struct bfd s;

	conf.min_rx_us = detections[_i].our_rx_us;
	s = session(&conf, BFD_UP);
	p.desired_min_tx_us = detections[_i].their_tx_us;
	p.detect_mult = detections[_i].their_mult;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_msg(bfd_detect_us(&s) == detections[_i].want_us, "%s",
	    detections[_i].why);
	due = mono_add_us(T0, (int64_t)detections[_i].want_us);
	bfd_tick(&s, mono_add_ns(due, -1));
	ck_assert_int_eq(s.state, BFD_UP);
	bfd_tick(&s, due);
	ck_assert_int_eq(s.state, BFD_DOWN);
}
END_TEST

static const struct {
	const char *why;
	enum bfd_state state;
	uint32_t our_tx_us, their_rx_us;
	uint8_t	mult;
	int64_t	low_us, high_us;
	uint32_t slow_us;
	uint8_t	jitter_pct;
} intervals[] = {
	{ "75 to 100 %", BFD_UP, 100000, 100000, 3, 75000, 100000, 0, 0 },
	{ "75 to 90 % with multiplier 1", BFD_UP, 100000, 100000, 1, 75000, 90000, 0, 0 },
	{ "90 to 100 % as configured", BFD_UP, 100000, 100000, 3, 90000, 100000, 0, 10 },
	{ "not with multiplier 1", BFD_UP, 100000, 100000, 1, 75000, 90000, 0, 10 },
	{ "not faster than they can bear", BFD_UP, 10000, 200000, 3, 150000, 200000, 0, 0 },
	{ "not faster than we want", BFD_UP, 300000, 1, 3, 225000, 300000, 0, 0 },
	{ "a second while not up", BFD_INIT, 10000, 10000, 3, 750000, 1000000, 0, 0 },
	{ "or as configured", BFD_INIT, 10000, 10000, 3, 150000, 200000, 200000, 0 },
	{ "which is no speed-up", BFD_INIT, 300000, 10000, 3, 225000, 300000, 200000, 0 },
};

START_TEST(transmit_interval)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd_pkt p = theirs(intervals[_i].state == BFD_UP ? BFD_UP : BFD_DOWN);
	struct mono now = T0;
	int64_t low = INT64_MAX, high = 0;
	struct bfd s;

	conf.min_tx_us = intervals[_i].our_tx_us;
	conf.slow_tx_us = intervals[_i].slow_us;
	conf.detect_mult = intervals[_i].mult;
	conf.jitter_pct = intervals[_i].jitter_pct;
	s = session(&conf, intervals[_i].state);
	p.required_min_rx_us = intervals[_i].their_rx_us;
	p.desired_min_tx_us = BFD_SLOW_TX_US;	/* detection is no deadline here */
	for (int i = 0; i < 500; i++) {
		struct mono due;

		ck_assert_int_eq(rx(&s, &p, now), 0);
		tx_all(&s, now);
		s.tx_last = now;
		due = bfd_deadline(&s);
		if (mono_sub_ns(due, now) < low)
			low = mono_sub_ns(due, now);
		if (mono_sub_ns(due, now) > high)
			high = mono_sub_ns(due, now);
		ck_assert_uint_eq(tx(&s, mono_add_ns(due, -1)).detect_mult, 0);
		ck_assert_uint_ne(tx(&s, due).detect_mult, 0);
		now = due;
	}
	ck_assert_msg(low >= intervals[_i].low_us * 1000, "%s", intervals[_i].why);
	ck_assert_msg(high <= intervals[_i].high_us * 1000, "%s", intervals[_i].why);
	/* The whole range is made use of. */
	ck_assert_int_lt(low, intervals[_i].low_us * 1020);
	ck_assert_int_gt(high, intervals[_i].high_us * 980);
}
END_TEST

START_TEST(zero_min_rx_means_silence)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_UP);
	struct mono later = mono_add_ms(T0, 250);

	p.required_min_rx_us = 0;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(tx(&s, later).detect_mult, 0);
	p.flags = BFD_POLL;		/* but a Poll is answered */
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(tx(&s, later).flags, BFD_FINAL);
	ck_assert_uint_eq(tx(&s, later).detect_mult, 0);
}
END_TEST

START_TEST(demand_of_the_peer)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_UP);
	struct mono later = mono_add_ms(T0, 250);

	p.flags = BFD_DEMAND;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(tx(&s, later).detect_mult, 0);
	p.flags = BFD_DEMAND | BFD_POLL;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(tx(&s, later).flags, BFD_FINAL);
	/* Our own Poll Sequence is sent periodically all the same (6.6). */
	bfd_set_intervals(&s, 50000, 100000);
	ck_assert_uint_eq(tx(&s, later).flags, BFD_POLL);
	ck_assert_uint_eq(tx(&s, mono_add_ms(later, 100)).flags, BFD_POLL);
	/* Demand ends with the session. */
	p.flags = BFD_DEMAND;
	p.state = BFD_DOWN;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	tx_all(&s, later);
	ck_assert_uint_ne(tx(&s, mono_add_sec(later, 1)).detect_mult, 0);
}
END_TEST

START_TEST(passive_is_silent_until_spoken_to)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd_pkt p = theirs(BFD_DOWN);
	struct bfd s;

	conf.is_passive = true;
	bfd_init(&s, &conf, T0);
	ck_assert_int_eq(bfd_deadline(&s).ns, MONO_NEVER.ns);
	ck_assert_uint_eq(tx(&s, mono_add_sec(T0, 10)).detect_mult, 0);
	p.your_discr = 0;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(tx(&s, T0).state, BFD_INIT);
}
END_TEST

START_TEST(stray_and_malformed_change_nothing)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_DOWN);
	struct bfd before = s;

	p.your_discr = OURS + 1;
	ck_assert_int_eq(rx(&s, &p, T0), -ENOENT);
	ck_assert_int_eq(bfd_rx(&s, (const uint8_t *)"x", 1, T0), -EBADMSG);
	p = theirs(BFD_DOWN);
	p.flags = BFD_AUTH;		/* none was agreed on */
	p.auth_type = BFD_AUTH_SHA1;
	ck_assert_int_eq(rx(&s, &p, T0), -EACCES);
	ck_assert_uint_eq(s.counts.stray, 1);
	ck_assert_uint_eq(s.counts.bad, 1);
	ck_assert_uint_eq(s.counts.unauthentic, 1);
	s.counts = before.counts;
	ck_assert_mem_eq(&s, &before, sizeof(s));
}
END_TEST

/* A stall of our own is not the peer's death, but only once. */
START_TEST(late_timer_forgives_once)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct mono late = mono_add_ms(T0, 10000);

	bfd_tick(&s, late);
	ck_assert_int_eq(s.state, BFD_UP);
	ck_assert_uint_eq(s.counts.forgiven, 1);
	ck_assert_int_eq(s.detect_due.ns, mono_add_ms(late, 300).ns);
	bfd_tick(&s, mono_add_ms(late, 10000));
	ck_assert_int_eq(s.state, BFD_DOWN);

	s = session(&conf, BFD_UP);	/* ordinary lateness is not a stall */
	bfd_tick(&s, mono_add_ms(T0, 300 + 149));
	ck_assert_int_eq(s.state, BFD_DOWN);
}
END_TEST

static const struct {
	const char *why;
	bool	is_refused_first;	/* a refusal before this one */
	bool	is_heard_between;
	uint32_t quoted_discr;
	int	want;
	enum bfd_state state;
} refusals[] = {
	{ "one is not enough", false, false, OURS, 0, BFD_UP },
	{ "two in a row end the session", true, false, OURS, 0, BFD_DOWN },
	{ "a packet between them proves life", true, true, OURS, 0, BFD_UP },
	{ "a quote of nothing we sent", true, false, THEIRS, -EBADMSG, BFD_UP },
};

START_TEST(refusal)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_UP);
	uint8_t quote[BFD_PKT_MAX];
	size_t len;

	p.my_discr = OURS;
	p.your_discr = THEIRS;
	len = bfd_pkt_encode(&p, quote);
	if (refusals[_i].is_refused_first)
		ck_assert_int_eq(bfd_refused(&s, quote, len), 0);
	if (refusals[_i].is_heard_between)
		ck_assert_int_eq(rx_state(&s, BFD_UP, T0), 0);
	p.my_discr = refusals[_i].quoted_discr;
	len = bfd_pkt_encode(&p, quote);
	ck_assert_int_eq(bfd_refused(&s, quote, len), refusals[_i].want);
	ck_assert_msg(s.state == refusals[_i].state, "%s", refusals[_i].why);
	ck_assert(bfd_is_refused(&s) == (s.state == BFD_DOWN));
	if (s.state == BFD_DOWN) {
		ck_assert_int_eq(s.diag, BFD_DIAG_PATH_DOWN);
		/* Refusals that stop mean that the host is gone too. */
		for (int i = 1; i <= 4; i++)
			tx_all(&s, mono_add_sec(T0, 2 * i));
		ck_assert(!bfd_is_refused(&s));
	}
}
END_TEST

/* Who asks ten times a second hears of six, and then of one a second. */
START_TEST(refusals_are_rationed)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd_pkt p = theirs(BFD_DOWN);
	uint8_t quote[BFD_PKT_MAX];
	struct mono now = T0;
	struct bfd s;
	size_t len;

	conf.min_tx_us = conf.slow_tx_us = 100000;
	s = session(&conf, BFD_DOWN);
	p.my_discr = OURS;
	p.your_discr = 0;
	len = bfd_pkt_encode(&p, quote);
	for (int i = 0; i < 60; i++) {
		now = mono_add_ms(now, 100);
		tx_all(&s, now);
		if (i < 6 || i % 10 == 0)
			ck_assert_int_eq(bfd_refused(&s, quote, len), 0);
		ck_assert_msg(bfd_is_refused(&s), "packet %d", i);
	}
	for (int i = 0; i < 40; i++)
		tx_all(&s, now = mono_add_ms(now, 100));
	ck_assert(!bfd_is_refused(&s));
}
END_TEST

/* No loss, no clock: what two sessions say to each other until both are up. */
START_TEST(three_way_handshake)
{
	struct bfd_conf ca = conf_of(OURS), cb = conf_of(THEIRS);
	uint8_t buf[BFD_PKT_MAX];
	struct bfd a, b;
	size_t len;
	int npackets = 0;

	bfd_init(&a, &ca, T0);
	bfd_init(&b, &cb, T0);
	tx_all(&b, T0);			/* lost: the peer was not there yet */
	for (bool is_quiet = false; !is_quiet; ) {
		is_quiet = true;
		while ((len = bfd_tx(&a, T0, buf)) > 0) {
			ck_assert_int_eq(bfd_rx(&b, buf, len, T0), 0);
			is_quiet = false;
			npackets++;
		}
		while ((len = bfd_tx(&b, T0, buf)) > 0) {
			ck_assert_int_eq(bfd_rx(&a, buf, len, T0), 0);
			is_quiet = false;
			npackets++;
		}
	}
	ck_assert_int_eq(a.state, BFD_UP);
	ck_assert_int_eq(b.state, BFD_UP);
	ck_assert(!a.is_polling && !b.is_polling);
	ck_assert_uint_eq(bfd_detect_us(&a), 300000);
	ck_assert_int_le(npackets, 8);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, step_on_packet, 0, nitems(steps));
	tcase_add_loop_test(tc, step_on_expiry, 0, nitems(expiries));
	tcase_add_loop_test(tc, detection_time, 0, nitems(detections));
	tcase_add_loop_test(tc, transmit_interval, 0, nitems(intervals));
	tcase_add_test(tc, zero_min_rx_means_silence);
	tcase_add_test(tc, demand_of_the_peer);
	tcase_add_test(tc, passive_is_silent_until_spoken_to);
	tcase_add_test(tc, stray_and_malformed_change_nothing);
	tcase_add_test(tc, late_timer_forgives_once);
	tcase_add_loop_test(tc, refusal, 0, nitems(refusals));
	tcase_add_test(tc, refusals_are_rationed);
	tcase_add_test(tc, three_way_handshake);
}

TEST_MAIN("bfd", fill)
