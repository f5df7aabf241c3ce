/*
 * peer_test.c - whole neighbours, talking to each other through arrays and
 * being talked to by people who write their own bytes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/peer.h"
#include "lib/mem.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

enum { PIPE = 1 << 20 };

static struct bgp_peer a, b;

/* Two TCP connections: 0 is dialled by a, 1 by b. */
static struct wire {
	bool	is_open;
	uint8_t	buf[2][PIPE];		/* [0] from a, [1] from b */
	size_t	len[2];
} wires[2];
static size_t chunk;			/* bytes a read gets at most */
static unsigned ups[2], downs[2];

static struct bgp_peer_conf
conf_of(uint32_t as, uint32_t peer_as, uint32_t id)
{
	return (struct bgp_peer_conf){
		.local_as = as, .peer_as = peer_as, .router_id = id, .hold_sec = 90,
		.connect_sec = 120, .role = BGP_ROLE_NONE, .families = 3, .random = id,
	};
}

static void
init(struct bgp_peer *p, const struct bgp_peer_conf *conf)
{
	struct ip v4, v6, none = { 0 };

	ip_parse("10.0.0.1", &v4);
	ip_parse("2001:db8::1", &v6);
	bgp_peer_init(p, conf);
	bgp_peer_set_next_hops(p, &v4, &v6, &none);
}

/* Which wire `slot` of side (0 a, 1 b) is. */
static unsigned
wire_of(unsigned side, enum bgp_slot slot)
{
	return slot == BGP_DIALLED ? side : !side;
}

static enum bgp_slot
slot_of(unsigned side, unsigned wire)
{
	return wire == side ? BGP_DIALLED : BGP_ACCEPTED;
}

static bool
carry_out(struct bgp_peer *p, unsigned side, struct mono now)
{
	bool did = false;

	for (unsigned slot = 0; slot < BGP_NSLOTS; slot++) {
		struct wire *w = &wires[wire_of(side, slot)];
		struct bgp_peer *q = side == 0 ? &b : &a;
		unsigned steps = bgp_peer_steps(p, slot);

		did |= steps != 0;
		ups[side] += (steps & BGP_DO_UP) != 0;
		downs[side] += (steps & BGP_DO_DOWN) != 0;
		if (steps & (BGP_DO_ABORT | BGP_DO_CLOSE) && w->is_open) {
			size_t room = PIPE - w->len[side];

			/* Its last words, then the end, heard in that order. */
			w->len[side] += bgp_peer_write(p, slot,
			    w->buf[side] + w->len[side], room);
			bgp_peer_read(q, slot_of(!side, wire_of(side, slot)),
			    w->buf[side], w->len[side], now);
			w->is_open = false;
			w->len[0] = w->len[1] = 0;
			bgp_peer_tcp_down(q, slot_of(!side, wire_of(side, slot)), now);
		}
		if (steps & BGP_DO_DIAL) {
			if (!q->is_started || !bgp_peer_accept(q, now)) {
				bgp_peer_tcp_down(p, slot, now);
				continue;
			}
			w->is_open = true;
			w->len[0] = w->len[1] = 0;
			bgp_peer_tcp_up(q, BGP_ACCEPTED, now);
			bgp_peer_tcp_up(p, slot, now);
		}
	}
	return did;
}

static bool
move(struct bgp_peer *p, unsigned side, struct mono now)
{
	struct bgp_peer *q = side == 0 ? &b : &a;
	bool did = false;

	for (unsigned i = 0; i < 2; i++) {
		struct wire *w = &wires[i];
		size_t n;

		if (!w->is_open)
			continue;
		w->len[side] += bgp_peer_write(p, slot_of(side, i),
		    w->buf[side] + w->len[side], PIPE - w->len[side]);
		n = w->len[side] < chunk ? w->len[side] : chunk;
		bgp_peer_read(q, slot_of(!side, i), w->buf[side], n, now);
		memmove(w->buf[side], w->buf[side] + n, w->len[side] - n);
		w->len[side] -= n;
		did |= n > 0;
	}
	return did;
}

/* Until nothing more happens at this time. */
static void
settle(struct mono now)
{
	bool did;

	do {
		did = carry_out(&a, 0, now);
		did |= carry_out(&b, 1, now);
		did |= move(&a, 0, now);
		did |= move(&b, 1, now);
	} while (did);
}

static struct mono
run(struct mono now, int sec)
{
	struct mono until = mono_add_sec(now, sec);

	settle(now);
	for (;;) {
		struct mono due = mono_min(bgp_peer_deadline(&a), bgp_peer_deadline(&b));

		if (mono_before(until, due))
			return until;
		if (mono_before(now, due))
			now = due;
		bgp_peer_tick(&a, now);
		bgp_peer_tick(&b, now);
		settle(now);
	}
}

static void
set_up(void)
{
	struct bgp_peer_conf ca = conf_of(65001, 65002, 1), cb = conf_of(65002, 65001, 2);

	chunk = PIPE;
	memset(ups, 0, sizeof(ups));
	memset(downs, 0, sizeof(downs));
	for (int i = 0; i < 2; i++)
		wires[i].is_open = false;
	init(&a, &ca);
	init(&b, &cb);
}

static void
tear_down(void)
{
	bgp_peer_fini(&a);
	bgp_peer_fini(&b);
}

static void
again(const struct bgp_peer_conf *ca, const struct bgp_peer_conf *cb)
{
	tear_down();
	init(&a, ca);
	init(&b, cb);
}

static void
want(struct bgp_peer *p, unsigned n)
{
	struct bgp_route *routes = calloc(2 * n, sizeof(*routes));
	struct bgp_attrs attrs = { .local_pref = 100 };
	struct ip v6, ip;

	ip_parse("2001:db8:1::", &v6);
	for (unsigned i = 0; i < n; i++) {
		ip = ip_from_v4(0xc6120000 + i);
		routes[2 * i] = (struct bgp_route){ prefix_of(&ip), &attrs };
		ip_add(&v6, i, &ip);
		routes[2 * i + 1] = (struct bgp_route){ prefix_of(&ip), &attrs };
	}
	ck_assert_int_eq(bgp_peer_set_routes(p, routes, 2 * n), 0);
	free(routes);
}

START_TEST(session)
{
	struct mono now = T0;

	chunk = _i == 0 ? PIPE : _i == 1 ? 1 : 7;	/* a byte a read will do */
	want(&a, 1000);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	ck_assert_int_eq(bgp_peer_state(&a), BGP_ESTABLISHED);
	ck_assert_int_eq(bgp_peer_state(&b), BGP_ESTABLISHED);
	ck_assert_uint_eq(a.rib.nsent[0], 1000);
	ck_assert_uint_eq(a.rib.nsent[1], 1000);
	ck_assert_uint_eq(b.counts.rx[BGP_UPDATE], a.counts.tx[BGP_UPDATE]);
	ck_assert_uint_le(b.counts.rx[BGP_UPDATE], 2 + 5);
	ck_assert_uint_eq(b.counts.withdrawn + b.counts.discarded, 0);
	/* An hour of it: keepalives, and nothing else. */
	now = run(now, 3600);
	ck_assert_uint_eq(downs[0] + downs[1], 0);
	ck_assert_uint_ge(a.counts.tx[BGP_KEEPALIVE], 120);
	ck_assert_uint_le(a.counts.tx[BGP_KEEPALIVE], 165);
	want(&a, 0);
	settle(now);
	ck_assert_uint_eq(a.rib.n, 0);
}
END_TEST

/* Both dial at once: one connection is left, dialled by the higher identifier. */
START_TEST(collision)
{
	struct bgp_peer_conf ca = conf_of(65001, 65002, _i ? 9 : 1);
	struct bgp_peer_conf cb = conf_of(65002, 65001, 2);
	struct mono now = T0;

	again(&ca, &cb);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	/* Both connections are there before a byte has moved. */
	carry_out(&a, 0, now);
	carry_out(&b, 1, now);
	ck_assert(wires[0].is_open && wires[1].is_open);
	now = run(now, 30);
	ck_assert_uint_eq(ups[0], 1);
	ck_assert_uint_eq(ups[1], 1);
	ck_assert_uint_eq(downs[0] + downs[1], 0);
	ck_assert(wires[0].is_open == (_i == 1));
	ck_assert(wires[1].is_open == (_i == 0));
	ck_assert_int_eq(a.up, _i ? BGP_DIALLED : BGP_ACCEPTED);
}
END_TEST

START_TEST(stop_says_why_and_reset_comes_back)
{
	struct mono now = T0;
	struct bgp_error err;
	char text[BGP_ERROR_DATA_MAX];

	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	bgp_error_set(&err, BGP_ERR_CEASE, BGP_CEASE_RESET, "\4bye!", 5);
	bgp_peer_reset(&a, &err, now);
	settle(now);
	ck_assert_uint_eq(downs[1], 1);
	now = run(now, 10);
	ck_assert_int_eq(bgp_peer_state(&a), BGP_ESTABLISHED);
	bgp_error_set(&err, BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, "\4bye!", 5);
	bgp_peer_stop(&a, &err, now);
	settle(now);
	ck_assert_int_eq(bgp_peer_state(&a), BGP_IDLE);
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		if (b.conn[i].fsm.is_err_theirs)
			ck_assert_str_eq(bgp_error_text(&b.conn[i].fsm.err, text), "bye!");
	ck_assert(b.conn[0].fsm.is_err_theirs || b.conn[1].fsm.is_err_theirs);
	now = run(now, 600);
	ck_assert_uint_eq(ups[0], 2);	/* stopped is stopped */
}
END_TEST

START_TEST(cut_wire_is_noticed_by_the_hold_timer)
{
	struct mono now = T0;
	struct mono due;
	int slot;

	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	slot = a.up;
	chunk = 0;			/* nothing arrives any more */
	due = mono_add_sec(now, 90);
	while (a.up >= 0) {
		now = bgp_peer_deadline(&a);
		ck_assert(!mono_before(due, now));
		bgp_peer_tick(&a, now);
	}
	ck_assert_uint_eq(a.conn[slot].fsm.err.code, BGP_ERR_HOLD);
}
END_TEST

START_TEST(graceful_restart)
{
	struct bgp_peer_conf ca = conf_of(65001, 65002, 1), cb = conf_of(65002, 65001, 2);
	struct bgp_error err;
	struct mono now = T0;

	ca.restart_sec = cb.restart_sec = 120;
	again(&ca, &cb);
	want(&a, 1);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	ck_assert_uint_eq(a.counts.tx[BGP_UPDATE], 2 + 2);	/* and two End-of-RIB */
	/* a dies and its successor dials while b still believes in the old one. */
	bgp_peer_fini(&a);
	ca.is_restarting = true;
	init(&a, &ca);
	want(&a, 1);
	for (int i = 0; i < 2; i++)
		wires[i].is_open = false;
	bgp_peer_start(&a, now);
	now = run(now, 10);
	ck_assert_int_eq(bgp_peer_state(&a), BGP_ESTABLISHED);
	ck_assert_int_eq(bgp_peer_state(&b), BGP_ESTABLISHED);
	ck_assert_uint_eq(downs[1], 1);
	ck_assert(b.conn[b.up].theirs.is_restarting);
	ck_assert_uint_eq(b.conn[b.up].theirs.gr_forwarding, 3);
	ck_assert_uint_eq(a.counts.tx[BGP_UPDATE], 4);
	/* A real end must not look like another restart (RFC 8538). */
	bgp_error_set(&err, BGP_ERR_CEASE, BGP_CEASE_DECONFIGURED, NULL, 0);
	bgp_peer_stop(&a, &err, now);
	settle(now);
	ck_assert(b.conn[0].fsm.err.subcode == BGP_CEASE_HARD_RESET ||
	    b.conn[1].fsm.err.subcode == BGP_CEASE_HARD_RESET);
}
END_TEST

/* F: first that there was nothing to keep, then that it outlived a session. */
START_TEST(forwarding_outlives_sessions)
{
	struct bgp_peer_conf ca = conf_of(65001, 65002, 1), cb = conf_of(65002, 65001, 2);
	struct bgp_error err = { .code = BGP_ERR_CEASE, .subcode = BGP_CEASE_RESET };
	struct mono now = T0;

	ca.restart_sec = cb.restart_sec = 120;
	again(&ca, &cb);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	ck_assert_int_ge(b.up, 0);
	ck_assert_uint_eq(b.conn[b.up].theirs.gr_forwarding, 0);
	bgp_peer_reset(&a, &err, now);
	now = run(now, 30);
	ck_assert_int_ge(b.up, 0);
	ck_assert_uint_eq(b.counts.established, 2);
	ck_assert_uint_eq(b.conn[b.up].theirs.gr_forwarding, 3);
	ck_assert(!b.conn[b.up].theirs.is_restarting);
}
END_TEST

START_TEST(keepalives_as_often_as_configured)
{
	struct bgp_peer_conf ca = conf_of(65001, 65002, 1), cb = conf_of(65002, 65001, 2);
	struct mono now = T0;

	ca.keepalive_sec = 5;
	cb.keepalive_sec = 80;		/* too rarely for 90 s: 30 s counts */
	again(&ca, &cb);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	run(now, 120);
	ck_assert_uint_ge(a.counts.tx[BGP_KEEPALIVE], 120 / 5);
	ck_assert_uint_le(a.counts.tx[BGP_KEEPALIVE], 120 * 4 / (5 * 3) + 3);
	ck_assert_uint_ge(b.counts.tx[BGP_KEEPALIVE], 120 / 30);
	ck_assert_uint_le(b.counts.tx[BGP_KEEPALIVE], 120 * 4 / (30 * 3) + 3);
	ck_assert_uint_eq(downs[0] + downs[1], 0);
}
END_TEST

static const struct {
	const char *why;
	uint32_t a_as, a_wants, b_as;
	enum bgp_as_rule rule;
	uint8_t	a_families, b_families;
	bool	is_up;
	uint8_t	code, subcode;		/* that a sends */
} pairs[] = {
	{ "as agreed", 1, 2, 2, BGP_AS_EXACT, 3, 3, true, 0, 0 },
	{ "another AS", 1, 3, 2, BGP_AS_EXACT, 3, 3, false, 2, 2 },
	{ "internal", 1, 0, 1, BGP_AS_INTERNAL, 3, 3, true, 0, 0 },
	{ "not internal", 1, 0, 2, BGP_AS_INTERNAL, 3, 3, false, 2, 2 },
	{ "external", 1, 0, 2, BGP_AS_EXTERNAL, 3, 3, true, 0, 0 },
	{ "not external", 1, 0, 1, BGP_AS_EXTERNAL, 3, 3, false, 2, 2 },
	{ "long AS numbers", 4200000001, 4200000002, 4200000002, BGP_AS_EXACT, 3, 3,
	    true, 0, 0 },
	{ "one family in common", 1, 2, 2, BGP_AS_EXACT, 3, 2, true, 0, 0 },
	{ "none in common", 1, 2, 2, BGP_AS_EXACT, 1, 2, false, 2, 7 },
};

START_TEST(pairing)
{
	struct bgp_peer_conf ca = conf_of(pairs[_i].a_as, pairs[_i].a_wants, 1);
	struct bgp_peer_conf cb = conf_of(pairs[_i].b_as, pairs[_i].a_as, 2);
	struct mono now = T0;

	ca.as_rule = pairs[_i].rule;
	ca.families = pairs[_i].a_families;
	cb.families = pairs[_i].b_families;
	cb.is_passive = true;
	again(&ca, &cb);
	want(&a, 1);
	bgp_peer_start(&b, now);
	bgp_peer_start(&a, now);
	settle(now);
	ck_assert_msg((a.up >= 0) == pairs[_i].is_up, "%s", pairs[_i].why);
	if (pairs[_i].is_up) {
		ck_assert_uint_eq(a.session.families,
		    pairs[_i].a_families & pairs[_i].b_families);
		ck_assert_uint_eq(b.counts.rx[BGP_UPDATE],
		    (unsigned)__builtin_popcount(a.session.families));
		ck_assert_uint_eq(b.counts.withdrawn, 0);
	} else {
		ck_assert_uint_eq(a.conn[0].fsm.err.code, pairs[_i].code);
		ck_assert_uint_eq(a.conn[0].fsm.err.subcode, pairs[_i].subcode);
	}
}
END_TEST

START_TEST(refresh_is_answered)
{
	struct mono now = T0;
	uint8_t buf[64];
	struct wire_out w = wire_out(buf, sizeof(buf));
	unsigned i;
	uint64_t before;

	want(&a, 5);
	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	i = wire_of(0, (enum bgp_slot)a.up);
	before = a.counts.tx[BGP_UPDATE];
	bgp_refresh_encode(&w, BGP_IPV6_UNICAST, BGP_REFRESH_REQUEST);
	memcpy(wires[i].buf[1], buf, w.len);
	wires[i].len[1] = w.len;
	settle(now);
	ck_assert_uint_eq(b.counts.rx[BGP_REFRESH], 2);	/* BoRR and EoRR */
	ck_assert_uint_ge(a.counts.tx[BGP_UPDATE], before + 1);
	ck_assert_int_eq(a.up >= 0, 1);
}
END_TEST

#define FF4  0xff, 0xff, 0xff, 0xff
#define FF16 FF4, FF4, FF4, FF4

/* What a says to bytes that b's own hand would never write, in Established. */
static const struct {
	const char *why;
	size_t	len;
	uint8_t	bytes[40];
	uint8_t	code, subcode;		/* 0: the session lives on */
} strange[] = {
	{ "marker", 4, { 0, 0, 0, 0 }, 1, 1 },
	{ "length 18", 19, { FF16, 0, 18, 4 }, 1, 2 },
	{ "type 9", 19, { FF16, 0, 19, 9 }, 1, 3 },
	{ "a second OPEN", 29, { FF16, 0, 29, 1, 4, 0, 2, 0, 90, 0, 0, 0, 2, 0 }, 5, 3 },
	{ "UPDATE with no sense", 23, { FF16, 0, 23, 2, 0, 9, 0, 0 }, 3, 1 },
	{ "UPDATE to treat as withdrawal", 32, { FF16, 0, 32, 2, 0, 0, 0, 7, 0x40, 1, 2,
	    0, 0, 0x40, 2, 8, 10 }, 0, 0 },
	{ "End-of-RIB", 23, { FF16, 0, 23, 2, 0, 0, 0, 0 }, 0, 0 },
	{ "refresh of a family unknown", 23, { FF16, 0, 23, 5, 0, 25, 0, 70 }, 0, 0 },
	{ "BoRR with a tail", 24, { FF16, 0, 24, 5, 0, 1, 1, 1, 0 }, 7, 1 },
	{ "a long UPDATE that was not agreed on", 19, { FF16, 0x20, 0, 2 }, 1, 2 },
};

START_TEST(strange_bytes)
{
	struct mono now = T0;
	enum bgp_slot slot;

	bgp_peer_start(&a, now);
	bgp_peer_start(&b, now);
	now = run(now, 10);
	slot = (enum bgp_slot)a.up;
	for (size_t i = 0; i < strange[_i].len; i++)
		bgp_peer_read(&a, slot, &strange[_i].bytes[i], 1, now);
	ck_assert_msg((a.up < 0) == (strange[_i].code != 0), "%s", strange[_i].why);
	ck_assert_uint_eq(a.conn[slot].fsm.err.code, strange[_i].code);
	ck_assert_uint_eq(a.conn[slot].fsm.err.subcode, strange[_i].subcode);
	if (a.up < 0) {
		uint8_t buf[BGP_MSG_MAX];
		size_t n = bgp_peer_write(&a, slot, buf, sizeof(buf));

		ck_assert_uint_ge(n, 21);
		ck_assert_uint_eq(buf[18], BGP_NOTIFICATION);
		ck_assert_uint_eq(buf[19], strange[_i].code);
		ck_assert_uint_eq(buf[20], strange[_i].subcode);
	}
}
END_TEST

/* A peer that only ever connects costs one connection, whatever it does. */
START_TEST(a_thousand_connections)
{
	struct mono now = T0;
	unsigned aborts = 0;

	bgp_peer_start(&a, now);
	for (int i = 0; i < 1000; i++) {
		ck_assert(bgp_peer_accept(&a, now));
		aborts += (bgp_peer_steps(&a, BGP_ACCEPTED) & BGP_DO_ABORT) != 0;
		bgp_peer_tcp_up(&a, BGP_ACCEPTED, now);
	}
	ck_assert_uint_eq(aborts, 999);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, session, 0, 3);
	tcase_add_loop_test(tc, collision, 0, 2);
	tcase_add_test(tc, stop_says_why_and_reset_comes_back);
	tcase_add_test(tc, cut_wire_is_noticed_by_the_hold_timer);
	tcase_add_test(tc, graceful_restart);
	tcase_add_test(tc, forwarding_outlives_sessions);
	tcase_add_test(tc, keepalives_as_often_as_configured);
	tcase_add_loop_test(tc, pairing, 0, nitems(pairs));
	tcase_add_test(tc, refresh_is_answered);
	tcase_add_loop_test(tc, strange_bytes, 0, nitems(strange));
	tcase_add_test(tc, a_thousand_connections);
}

TEST_MAIN("peer", fill)
