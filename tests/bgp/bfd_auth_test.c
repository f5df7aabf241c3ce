/*
 * bfd_auth_test.c - keyed and meticulous keyed SHA-1 (RFC 5880, 6.7.4), and
 * two sessions over a link that loses, delays and replays.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/bfd.h"
#include "lib/mem.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

enum { OURS = 0x11111111, THEIRS = 0x22222222, SEQ = 1000 };

static struct bfd_conf
conf_of(uint32_t discr, uint8_t auth_type)
{
	return (struct bfd_conf){
		.local_discr = discr, .min_tx_us = 100000, .min_rx_us = 100000,
		.detect_mult = 3, .random = discr, .auth_type = auth_type,
		.auth_key_id = 7, .auth_key = "key", .seq_first = SEQ,
	};
}

static struct bfd_pkt
theirs(uint8_t auth_type, uint32_t seq)
{
	return (struct bfd_pkt){
		.state = BFD_DOWN, .detect_mult = 3, .my_discr = THEIRS,
		.desired_min_tx_us = 100000, .required_min_rx_us = 100000,
		.flags = BFD_AUTH, .auth_type = auth_type, .auth_key_id = 7,
		.auth_seq = seq,
	};
}

static int
rx_signed(struct bfd *s, const struct bfd_pkt *p, const char *key, struct mono now)
{
	uint8_t buf[BFD_PKT_MAX], padded[BFD_DIGEST_LEN] = { 0 };
	size_t len = bfd_pkt_encode(p, buf);

	memcpy(padded, key, strlen(key));
	bfd_pkt_digest(buf, padded, buf + BFD_DIGEST_AT);
	return bfd_rx(s, buf, len, now);
}

static const struct {
	const char *why;
	uint8_t	auth_type;		/* of both sides, but for the rows on types */
	uint8_t	sent_type;
	uint8_t	key_id;
	const char *key;
	uint32_t window;
	uint32_t known;			/* number accepted before, 0 none */
	uint32_t seq;
	int	want;
} rows[] = {
	{ "first number is any", 5, 5, 7, "key", 0, 0, 4000000000, 0 },
	{ "wrong key", 5, 5, 7, "kez", 0, 0, 1, -EACCES },
	{ "key a prefix of ours", 5, 5, 7, "ke", 0, 0, 1, -EACCES },
	{ "wrong key id", 5, 5, 8, "key", 0, 0, 1, -EACCES },
	{ "keyed where meticulous is agreed", 5, 4, 7, "key", 0, 0, 1, -EACCES },
	{ "meticulous where keyed is agreed", 4, 5, 7, "key", 0, 0, 1, -EACCES },
	{ "meticulous: the same again is a replay", 5, 5, 7, "key", 0, 50, 50, -ESTALE },
	{ "meticulous: one back", 5, 5, 7, "key", 0, 50, 49, -ESTALE },
	{ "meticulous: next", 5, 5, 7, "key", 0, 50, 51, 0 },
	{ "meticulous: last in the window", 5, 5, 7, "key", 0, 50, 59, 0 },
	{ "meticulous: past the window", 5, 5, 7, "key", 0, 50, 60, -ESTALE },
	{ "keyed: the same again is fine", 4, 4, 7, "key", 0, 50, 50, 0 },
	{ "keyed: last in the window", 4, 4, 7, "key", 0, 50, 59, 0 },
	{ "keyed: past the window", 4, 4, 7, "key", 0, 50, 60, -ESTALE },
	{ "keyed: one back", 4, 4, 7, "key", 0, 50, 49, -ESTALE },
	{ "numbers go round", 5, 5, 7, "key", 0, UINT32_MAX, 0, 0 },
	{ "round and past the window", 5, 5, 7, "key", 0, UINT32_MAX, 9, -ESTALE },
	{ "wide window: a restart goes on upwards", 5, 5, 7, "key",
	    BFD_SEQ_WINDOW_WIDE, 50, 500000, 0 },
	{ "wide window: a replay is one all the same", 5, 5, 7, "key",
	    BFD_SEQ_WINDOW_WIDE, 500000, 499999, -ESTALE },
	{ "wide window: halfway round is behind", 5, 5, 7, "key",
	    BFD_SEQ_WINDOW_WIDE, 0x10, 0x80000010, -ESTALE },
};

START_TEST(accepted)
{
	struct bfd_conf conf = conf_of(OURS, rows[_i].auth_type);
	struct bfd_pkt p;
	struct bfd s, before;
	int e;

	conf.seq_window = rows[_i].window;
	bfd_init(&s, &conf, T0);
	if (rows[_i].known != 0) {
		p = theirs(rows[_i].sent_type, rows[_i].known);
		ck_assert_int_eq(rx_signed(&s, &p, "key", T0), 0);
	}
	before = s;
	p = theirs(rows[_i].sent_type, rows[_i].seq);
	p.auth_key_id = rows[_i].key_id;
	e = rx_signed(&s, &p, rows[_i].key, T0);
	ck_assert_msg(e == rows[_i].want, "%s: %d", rows[_i].why, e);
	if (e != 0) {
		s.counts = before.counts;
		ck_assert_mem_eq(&s, &before, sizeof(s));
	} else {
		ck_assert_uint_eq(s.rcv_seq, rows[_i].seq);
	}
}
END_TEST

/* Any single bit: in the header, the section, the digest. */
START_TEST(no_bit_may_change)
{
	struct bfd_conf conf = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	struct bfd_conf peer = conf_of(THEIRS, BFD_AUTH_METICULOUS_SHA1);
	uint8_t buf[BFD_PKT_MAX];
	struct bfd s, from;

	bfd_init(&s, &conf, T0);
	bfd_init(&from, &peer, T0);
	ck_assert_uint_eq(bfd_tx(&from, T0, buf), sizeof(buf));
	for (size_t bit = 0; bit < 8 * sizeof(buf); bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_ne(bfd_rx(&s, buf, sizeof(buf), T0), 0);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(bfd_rx(&s, buf, sizeof(buf), T0), 0);
}
END_TEST

START_TEST(unsigned_and_simple_are_refused)
{
	struct bfd_conf conf = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	static const uint8_t simple[] = {
		0x20, 0x44, 3, 30, 0x22, 0x22, 0x22, 0x22, 0, 0, 0, 0,
		0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0,
		BFD_AUTH_SIMPLE, 6, 7, 'k', 'e', 'y',
	};
	struct bfd_pkt p = theirs(0, 0);
	uint8_t buf[BFD_PKT_MAX];
	struct bfd s;
	size_t len;

	bfd_init(&s, &conf, T0);
	p.flags = 0;
	len = bfd_pkt_encode(&p, buf);
	ck_assert_int_eq(bfd_rx(&s, buf, len, T0), -EACCES);
	ck_assert_int_eq(bfd_rx(&s, simple, sizeof(simple), T0), -EACCES);
	ck_assert_uint_eq(s.counts.unauthentic, 2);
}
END_TEST

START_TEST(numbers_are_forgotten_after_two_detection_times)
{
	struct bfd_conf conf = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	struct bfd_pkt p = theirs(BFD_AUTH_METICULOUS_SHA1, 500);
	struct mono now = T0;
	struct bfd s;

	bfd_init(&s, &conf, T0);
	ck_assert_int_eq(rx_signed(&s, &p, "key", T0), 0);
	p.auth_seq = 3;			/* a restart that forgot */
	while (mono_before(bfd_deadline(&s), mono_add_ms(T0, 600))) {
		uint8_t buf[BFD_PKT_MAX];

		if (mono_before(now, bfd_deadline(&s)))
			now = bfd_deadline(&s);
		bfd_tick(&s, now);
		while (bfd_tx(&s, now, buf) > 0)
			;
		ck_assert_int_eq(rx_signed(&s, &p, "key", now), -ESTALE);
	}
	ck_assert_int_eq(bfd_deadline(&s).ns, mono_add_ms(T0, 600).ns);
	bfd_tick(&s, mono_add_ms(T0, 600));
	ck_assert_int_eq(rx_signed(&s, &p, "key", mono_add_ms(T0, 600)), 0);
}
END_TEST

START_TEST(refusal_must_quote_what_we_signed_lately)
{
	struct bfd_conf conf = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	uint8_t old[BFD_PKT_MAX], buf[BFD_PKT_MAX];
	struct bfd s;
	struct mono now = T0;
	size_t len = 0;

	bfd_init(&s, &conf, T0);
	ck_assert_uint_eq(bfd_tx(&s, T0, old), sizeof(old));
	ck_assert_int_eq(bfd_refused(&s, old, sizeof(old)), 0);
	for (int i = 0; i < 6; i++) {
		now = mono_add_sec(now, 1);
		len = bfd_tx(&s, now, buf);
		ck_assert_uint_eq(len, sizeof(buf));
	}
	ck_assert_int_eq(bfd_refused(&s, buf, len), 0);
	ck_assert_int_eq(bfd_refused(&s, old, sizeof(old)), -EBADMSG);
	buf[BFD_PKT_MAX - 1] ^= 1;
	ck_assert_int_eq(bfd_refused(&s, buf, len), -EBADMSG);
	ck_assert_int_eq(bfd_refused(&s, buf, 8), -EBADMSG);	/* a short quote */
}
END_TEST

START_TEST(wall_clock_numbers_rise_across_a_restart)
{
	int64_t wall = INT64_C(1795000000) * NSEC_PER_SEC;
	uint32_t first = bfd_seq_of_wall(wall);

	/* A hundred seconds at a packet a millisecond, then a restart. */
	ck_assert_uint_gt(bfd_seq_of_wall(wall + 100 * NSEC_PER_SEC) - first, 100000);
	ck_assert_uint_eq(bfd_seq_of_wall(wall + NSEC_PER_SEC) - first, 4096);
}
END_TEST

/* A link of `delay_ms` that loses what a coin says; one packet in flight a slot. */
enum { INFLIGHT = 64 };
struct link {
	struct flight {
		uint8_t	buf[BFD_PKT_MAX];
		size_t	len;
		struct mono due;
	} flights[INFLIGHT];
	int	n;
	int	delay_ms;
	int	loss_percent;
	uint32_t coin;
};

static void
link_put(struct link *l, const uint8_t *buf, size_t len, struct mono now)
{
	l->coin = l->coin * 1664525 + 1013904223;
	if ((int)((l->coin >> 8) % 100) < l->loss_percent)
		return;
	ck_assert_int_lt(l->n, INFLIGHT);
	memcpy(l->flights[l->n].buf, buf, len);
	l->flights[l->n].len = len;
	l->flights[l->n++].due = mono_add_ms(now, l->delay_ms);
}

static struct mono
link_due(const struct link *l)
{
	return l->n > 0 ? l->flights[0].due : MONO_NEVER;
}

static void
link_deliver(struct link *l, struct bfd *to, struct mono now)
{
	while (l->n > 0 && mono_reached(now, l->flights[0].due)) {
		ck_assert_int_eq(bfd_rx(to, l->flights[0].buf, l->flights[0].len,
		    now), 0);
		memmove(l->flights, l->flights + 1,
		    (size_t)--l->n * sizeof(l->flights[0]));
	}
}

/* Run both ends and the link from event to event up to `until`. */
static struct mono
run(struct bfd *a, struct bfd *b, struct link *ab, struct link *ba, struct mono now,
    struct mono until)
{
	uint8_t buf[BFD_PKT_MAX];
	size_t len;

	for (;;) {
		struct mono due = mono_min(mono_min(bfd_deadline(a), bfd_deadline(b)),
		    mono_min(link_due(ab), link_due(ba)));

		if (mono_before(now, due))
			now = due;
		if (!mono_before(now, until))
			return until;
		link_deliver(ab, b, now);
		link_deliver(ba, a, now);
		bfd_tick(a, now);
		bfd_tick(b, now);
		while ((len = bfd_tx(a, now, buf)) > 0)
			link_put(ab, buf, len, now);
		while ((len = bfd_tx(b, now, buf)) > 0)
			link_put(ba, buf, len, now);
	}
}

static const struct {
	const char *why;
	int	delay_ms, loss_percent;
	int	up_within_ms;		/* from the start */
	bool	is_steady;		/* must stay up for a minute */
} links[] = {
	{ "a good link: three flights and no waiting", 1, 0, 10, true },
	{ "a slow one", 200, 0, 1000, true },
	{ "one in twenty lost: up, for at most 9 slow packets", 1, 5, 9000, false },
	{ "half of all lost, as nobody should", 1, 50, 60000, false },
};

START_TEST(two_sessions)
{
	struct bfd_conf ca = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	struct bfd_conf cb = conf_of(THEIRS, BFD_AUTH_METICULOUS_SHA1);
	struct link ab = { .delay_ms = links[_i].delay_ms,
		.loss_percent = links[_i].loss_percent, .coin = 1 };
	struct link ba = ab;
	struct bfd a, b;
	struct mono now = T0, dead;

	ca.seq_window = cb.seq_window = BFD_SEQ_WINDOW_WIDE;
	ba.coin = 2;
	bfd_init(&a, &ca, now);
	bfd_init(&b, &cb, now);
	while (a.state != BFD_UP || b.state != BFD_UP) {
		now = run(&a, &b, &ab, &ba, now, mono_add_ms(now, 1));
		ck_assert_msg(mono_before(now,
		    mono_add_ms(T0, links[_i].up_within_ms + 1)), "%s", links[_i].why);
	}
	if (!links[_i].is_steady)
		return;
	for (int sec = 0; sec < 60; sec++) {
		now = run(&a, &b, &ab, &ba, now, mono_add_sec(now, 1));
		ck_assert(a.state == BFD_UP && b.state == BFD_UP);
		ck_assert(sec < 1 || (!a.is_polling && !b.is_polling));
	}
	/* b dies; a knows within 3 x 100 ms of the last packet, and what is under way. */
	dead = now;
	ba.loss_percent = 100;
	while (a.state == BFD_UP)
		now = run(&a, &b, &ab, &ba, now, mono_add_ms(now, 1));
	ck_assert_int_le(mono_sub_ns(now, dead),
	    (301 + links[_i].delay_ms) * NSEC_PER_MSEC);
	/* b lives on; a's Down reaches it, and both come back once the link does. */
	ba.loss_percent = 0;
	now = run(&a, &b, &ab, &ba, now, mono_add_sec(now, 5));
	ck_assert(a.state == BFD_UP && b.state == BFD_UP);
}
END_TEST

/* b restarts within its detection time, with numbers from the wall clock. */
START_TEST(restart_is_up_again_at_once)
{
	struct bfd_conf ca = conf_of(OURS, BFD_AUTH_METICULOUS_SHA1);
	struct bfd_conf cb = conf_of(THEIRS, BFD_AUTH_METICULOUS_SHA1);
	struct link ab = { .delay_ms = 1 }, ba = { .delay_ms = 1 };
	struct bfd a, b;
	struct mono now = T0;

	ca.seq_window = cb.seq_window = BFD_SEQ_WINDOW_WIDE;
	bfd_init(&a, &ca, now);
	bfd_init(&b, &cb, now);
	now = run(&a, &b, &ab, &ba, now, mono_add_sec(now, 10));
	ck_assert_int_eq(a.state, BFD_UP);
	cb.local_discr = 0x33333333;
	cb.seq_first += 4096 * 10;
	bfd_init(&b, &cb, now);
	ab.n = ba.n = 0;
	now = run(&a, &b, &ab, &ba, now, mono_add_ms(now, 20));
	ck_assert(a.state == BFD_UP && b.state == BFD_UP);
	ck_assert_uint_eq(a.remote_discr, 0x33333333);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, accepted, 0, nitems(rows));
	tcase_add_test(tc, no_bit_may_change);
	tcase_add_test(tc, unsigned_and_simple_are_refused);
	tcase_add_test(tc, numbers_are_forgotten_after_two_detection_times);
	tcase_add_test(tc, refusal_must_quote_what_we_signed_lately);
	tcase_add_test(tc, wall_clock_numbers_rise_across_a_restart);
	tcase_add_loop_test(tc, two_sessions, 0, nitems(links));
	tcase_add_test(tc, restart_is_up_again_at_once);
}

TEST_MAIN("bfd_auth", fill)
