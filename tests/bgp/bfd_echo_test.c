/*
 * bfd_echo_test.c - Echo packets on the wire, and what their return or absence does
 * to a session (RFC 5880, 6.4, 6.8.3, 6.8.5, 6.8.9; RFC 5881, 4).
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/bfd.h"
#include "lib/mem.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

enum { OURS = 0x11111111, THEIRS = 0x22222222, ECHO_US = 50000 };

static struct ip self4, self6;

static void
set_up(void)
{
	ck_assert_int_eq(ip_parse("192.0.2.1", &self4), 0);
	ck_assert_int_eq(ip_parse("2001:db8::1", &self6), 0);
}

/*
 * IPv4 192.0.2.1 > 192.0.2.1, CS6, TTL 255, header checksum left to the kernel;
 * UDP 3785 > 3785, length 24, checksum 0x9de0; then discriminator, sequence
 * number, token. The checksum by hand: the one's complement of the sum of
 * c000 0201 c000 0201 0011 0018 0ec9 0ec9 0018 1111 1111 0000 0001 0123 4567 89ab cdef.
 */
static const uint8_t packet4[] = {
	0x45, 0xc0, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0xff, 0x11, 0x00, 0x00,
	0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x01,
	0x0e, 0xc9, 0x0e, 0xc9, 0x00, 0x18, 0x9d, 0xe0,
	0x11, 0x11, 0x11, 0x11, 0x00, 0x00, 0x00, 0x01,
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
};

static const uint64_t TOKEN = UINT64_C(0x0123456789abcdef);

/* Sum of a packet's UDP, pseudo-header and all: 0xffff where the checksum is right. */
static uint32_t
udp_sum(const uint8_t *buf, size_t len, size_t addrs_at)
{
	uint32_t sum = 17 + 24;

	for (size_t i = addrs_at; i < len; i += 2)
		sum += (uint32_t)(buf[i] << 8 | buf[i + 1]);
	return (sum & 0xffff) + (sum >> 16);
}

START_TEST(on_the_wire)
{
	uint8_t buf[BFD_ECHO_MAX];
	struct bfd_echo e;

	bfd_echo_init(&e, OURS, TOKEN);
	ck_assert_uint_eq(bfd_echo_tx(&e, &self4, T0, buf), 0);
	bfd_echo_run(&e, ECHO_US, 3, T0);
	ck_assert_uint_eq(bfd_echo_tx(&e, &self4, T0, buf), sizeof(packet4));
	ck_assert_uint_eq(udp_sum(buf, sizeof(packet4), 12), 0xffff);
	ck_assert_mem_eq(buf, packet4, sizeof(packet4));
	ck_assert_uint_eq(bfd_echo_tx(&e, &self6, mono_add_us(T0, ECHO_US), buf), 64);
	ck_assert_mem_eq(buf, "\x6c\x00\x00\x00\x00\x18\x11\xff", 8);
	ck_assert_mem_eq(buf + 8, self6.b, 16);
	ck_assert_mem_eq(buf + 24, self6.b, 16);
	ck_assert_uint_eq(udp_sum(buf, 64, 8), 0xffff);
}
END_TEST

/* packet4 with one byte changed, and whether that is still an Echo packet. */
static const struct {
	const char *why;
	size_t	at;
	uint8_t	value;
	int	err;
} packets[] = {
	{ "as it was sent: some router does not count the hop", 8, 255, 0 },
	{ "forwarded once", 8, 254, 0 },
	{ "forwarded twice: not by the peer on the link", 8, 253, -EBADMSG },
	{ "another port", 23, 0xc8, -EBADMSG },
	{ "TCP", 9, 6, -EBADMSG },
	{ "neither IPv4 nor IPv6", 0, 0x55, -EBADMSG },
	{ "IPv4 options, which we never send", 0, 0x46, -EBADMSG },
	{ "another length", 25, 0x19, -EBADMSG },
};

START_TEST(decoded)
{
	uint8_t *copy = malloc(sizeof(packet4));
	struct bfd_echo_pkt p = { .seq = 99 };

	memcpy(copy, packet4, sizeof(packet4));
	copy[packets[_i].at] = packets[_i].value;
	ck_assert_msg(bfd_echo_decode(copy, sizeof(packet4), &p) == packets[_i].err,
	    "%s", packets[_i].why);
	if (packets[_i].err == 0)
		ck_assert(p.discr == OURS && p.seq == 1 && p.token == TOKEN);
	else
		ck_assert_msg(p.seq == 99, "%s: changed", packets[_i].why);
	free(copy);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
	struct bfd_echo_pkt p;
	struct bfd_echo e;
	uint8_t buf[BFD_ECHO_MAX];
	size_t len;

	bfd_echo_init(&e, OURS, TOKEN);
	bfd_echo_run(&e, ECHO_US, 3, T0);
	len = bfd_echo_tx(&e, _i ? &self6 : &self4, T0, buf);
	for (size_t n = 0; n < len; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, buf, n);
		ck_assert_int_eq(bfd_echo_decode(copy, n, &p), -EBADMSG);
		free(copy);
	}
	ck_assert_int_eq(bfd_echo_decode(buf, len, &p), 0);
}
END_TEST

/* What comes back after five were sent, the second of which has been back. */
static const struct {
	const char *why;
	struct bfd_echo_pkt pkt;
	int	err;
} returns[] = {
	{ "the next", { OURS, 3, TOKEN }, 0 },
	{ "a later one, others lost", { OURS, 5, TOKEN }, 0 },
	{ "the same again: a bridge shows it twice", { OURS, 2, TOKEN }, -ESTALE },
	{ "overtaken by a later one", { OURS, 1, TOKEN }, -ESTALE },
	{ "never sent", { OURS, 6, TOKEN }, -ESTALE },
	{ "another session's", { THEIRS, 3, TOKEN }, -EACCES },
	{ "somebody's guess", { OURS, 3, TOKEN ^ 1 }, -EACCES },
};

START_TEST(returned)
{
	struct bfd_echo e;
	uint8_t buf[BFD_ECHO_MAX];
	struct mono now = T0;

	bfd_echo_init(&e, OURS, TOKEN);
	bfd_echo_run(&e, ECHO_US, 9, now);
	for (int i = 0; i < 5; i++, now = mono_add_us(now, ECHO_US))
		ck_assert_uint_gt(bfd_echo_tx(&e, &self4, now, buf), 0);
	ck_assert_int_eq(bfd_echo_rx(&e, &(struct bfd_echo_pkt){ OURS, 2, TOKEN }), 0);
	ck_assert_msg(bfd_echo_rx(&e, &returns[_i].pkt) == returns[_i].err, "%s",
	    returns[_i].why);
	ck_assert_uint_eq(e.seq_back, returns[_i].err == 0 ? returns[_i].pkt.seq : 2);
}
END_TEST

/* A session and the path its packets take. */
struct line {
	struct bfd s;
	struct mono now;
	uint32_t peer_echo_us;		/* its Required Min Echo RX */
	enum bfd_state peer_state;
	bool	is_cut;			/* Echo packets do not come back */
	unsigned nechoes;
	struct bfd_pkt last;		/* of our control packets */
};

static void
hear(struct line *l, uint8_t flags)
{
	struct bfd_pkt p = {
		.state = (uint8_t)l->peer_state, .detect_mult = 3, .my_discr = THEIRS,
		.your_discr = OURS, .desired_min_tx_us = 100000,
		.required_min_rx_us = 100000, .flags = flags,
		.required_min_echo_rx_us = l->peer_echo_us,
	};
	uint8_t buf[BFD_PKT_MAX];

	ck_assert_int_eq(bfd_rx(&l->s, buf, bfd_pkt_encode(&p, buf), l->now), 0);
}

/* All that is due now; what we poll is answered at once. */
static void
settle(struct line *l)
{
	uint8_t buf[BFD_PKT_MAX], echo[BFD_ECHO_MAX];
	struct bfd_echo_pkt back;
	size_t len;

	bfd_tick(&l->s, l->now);
	while ((len = bfd_tx(&l->s, l->now, buf)) > 0) {
		ck_assert_int_eq(bfd_pkt_decode(buf, len, &l->last), 0);
		if (l->last.flags & BFD_POLL)
			hear(l, BFD_FINAL);
	}
	while ((len = bfd_echo_tx(&l->s.echo, &self4, l->now, echo)) > 0) {
		l->nechoes++;
		ck_assert_int_eq(bfd_echo_decode(echo, len, &back), 0);
		if (!l->is_cut)
			ck_assert_int_eq(bfd_rx_echo(&l->s, &back), 0);
	}
}

/* Let ms pass; the peer speaks each 100 ms. */
static void
pass(struct line *l, int ms)
{
	for (int i = 0; i < ms; i++) {
		l->now = mono_add_ms(l->now, 1);
		if (l->now.ns / NSEC_PER_MSEC % 100 == 0)
			hear(l, 0);
		settle(l);
	}
}

static void
come_up(struct line *l)
{
	l->peer_state = BFD_DOWN;
	hear(l, 0);
	l->peer_state = BFD_UP;
	hear(l, 0);
	ck_assert_int_eq(l->s.state, BFD_UP);
	settle(l);
}

static struct line
line(uint32_t peer_echo_us, bool is_cut)
{
	struct line l = { .now = T0, .peer_echo_us = peer_echo_us, .is_cut = is_cut };
	struct bfd_conf conf = {
		.local_discr = OURS, .min_tx_us = 100000, .min_rx_us = 100000,
		.detect_mult = 3, .random = 1, .echo_us = ECHO_US,
	};

	bfd_init(&l.s, &conf, T0);
	pass(&l, 150);
	ck_assert_msg(l.nechoes == 0, "an Echo packet before the session is up");
	come_up(&l);
	return l;
}

/* 6.8.9: how often they go out in 600 ms. */
static const struct {
	const char *why;
	uint32_t peer_echo_us;
	unsigned nechoes;
} paces[] = {
	{ "the peer takes none", 0, 0 },
	{ "the peer bears more than we want", 10000, 13 },
	{ "the peer wants them rarer than we do", 200000, 4 },
};

START_TEST(paced)
{
	struct line l = line(paces[_i].peer_echo_us, false);

	pass(&l, 600);
	ck_assert_msg(l.nechoes == paces[_i].nechoes, "%s: %u", paces[_i].why, l.nechoes);
	ck_assert_int_eq(l.s.echo.is_active, l.nechoes > 0);
}
END_TEST

/* 6.8.3: control packets a second apart are enough, and no longer once they are not. */
START_TEST(control_slows_down)
{
	struct line l = line(ECHO_US, true);

	pass(&l, 300);
	ck_assert_uint_eq(l.last.required_min_rx_us, 100000);
	ck_assert_uint_eq(bfd_detect_us(&l.s), 300000);
	l.is_cut = false;
	pass(&l, 100);
	ck_assert_uint_eq(l.last.required_min_rx_us, 1000000);
	ck_assert_uint_eq(l.last.desired_min_tx_us, 100000);
	ck_assert_uint_eq(bfd_detect_us(&l.s), 175000);
	l.peer_echo_us = 0;
	pass(&l, 200);
	ck_assert_msg(!l.s.echo.is_active, "it takes none any more");
	ck_assert_uint_eq(l.last.required_min_rx_us, 100000);
	ck_assert_uint_eq(bfd_detect_us(&l.s), 300000);
	ck_assert_int_eq(l.s.state, BFD_UP);
}
END_TEST

/* 6.8.5, while the peer's control packets say that all is well. */
START_TEST(failure)
{
	struct line l = line(ECHO_US, false);
	struct mono cut;

	pass(&l, 1000 + _i * 7);
	cut = l.now;
	l.is_cut = true;
	while (l.s.state == BFD_UP && mono_sub_ns(l.now, cut) < NSEC_PER_SEC)
		pass(&l, 1);
	ck_assert_int_eq(l.s.state, BFD_DOWN);
	ck_assert_int_eq(l.s.diag, BFD_DIAG_ECHO_FAILED);
	ck_assert_int_eq(l.last.diag, BFD_DIAG_ECHO_FAILED);
	ck_assert_uint_eq(l.last.required_min_rx_us, 100000);
	ck_assert_int_le(mono_sub_ns(l.now, cut), 175 * NSEC_PER_MSEC);
	ck_assert_int_ge(mono_sub_ns(l.now, cut), 125 * NSEC_PER_MSEC);
	l.nechoes = 0;
	pass(&l, 200);
	ck_assert_msg(l.nechoes == 0, "none while it is down");
	/* It has worked before: what does not come back is a failure at once. */
	come_up(&l);
	pass(&l, 200);
	ck_assert_int_eq(l.s.state, BFD_DOWN);
	l.is_cut = false;
	come_up(&l);
	pass(&l, 1000);
	ck_assert_int_eq(l.s.state, BFD_UP);
}
END_TEST

START_TEST(one_or_two_losses_are_none)
{
	struct line l = line(ECHO_US, false);

	for (int i = 0; i < 20; i++) {
		pass(&l, 51);
		l.is_cut = true;
		pass(&l, 99);
		l.is_cut = false;
	}
	ck_assert_int_eq(l.s.state, BFD_UP);
}
END_TEST

/* A peer that offers but never returns them costs nothing. */
START_TEST(never_answered)
{
	struct line l = line(ECHO_US, true);

	pass(&l, 5000);
	ck_assert_int_eq(l.s.state, BFD_UP);
	ck_assert(!l.s.echo.is_active);
	ck_assert_uint_gt(l.nechoes, 50);
}
END_TEST

/* Stopped for a while we send none, so that none is missed. */
START_TEST(own_stall)
{
	struct line l = line(ECHO_US, false);

	pass(&l, 100 + _i * 10);
	l.now = mono_add_ms(l.now, 2000);
	hear(&l, 0);
	settle(&l);
	pass(&l, 100);
	ck_assert_int_eq(l.s.state, BFD_UP);
}
END_TEST

START_TEST(switched_off_and_on)
{
	struct line l = line(ECHO_US, false);

	pass(&l, 100);
	bfd_set_echo(&l.s, 0, l.now);
	l.nechoes = 0;
	pass(&l, 100);
	ck_assert_uint_eq(l.nechoes, 0);
	ck_assert_uint_eq(l.last.required_min_rx_us, 100000);
	bfd_set_echo(&l.s, 20000, l.now);
	pass(&l, 100);
	ck_assert_msg(l.nechoes == 2, "the peer bears one each 50 ms: %u", l.nechoes);
	bfd_admin_down(&l.s);
	pass(&l, 100);
	ck_assert_uint_eq(l.nechoes, 2);
	ck_assert(!l.s.echo.is_active);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, on_the_wire);
	tcase_add_loop_test(tc, decoded, 0, nitems(packets));
	tcase_add_loop_test(tc, every_prefix_is_refused, 0, 2);
	tcase_add_loop_test(tc, returned, 0, nitems(returns));
	tcase_add_loop_test(tc, paced, 0, nitems(paces));
	tcase_add_test(tc, control_slows_down);
	tcase_add_loop_test(tc, failure, 0, 8);
	tcase_add_test(tc, one_or_two_losses_are_none);
	tcase_add_test(tc, never_answered);
	tcase_add_loop_test(tc, own_stall, 0, 6);
	tcase_add_test(tc, switched_off_and_on);
}

TEST_MAIN("bfd_echo", fill)
