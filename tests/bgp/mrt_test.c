/*
 * mrt_test.c - MRT records byte by byte, as RFC 6396 draws them.
 */
#include <string.h>

#include "bgp/mrt.h"
#include "tests/check.h"

/* 2026-11-21 03:00:00.000123 UTC */
#define WALL_NS (INT64_C(1795230000) * 1000000000 + 123456)
#define STAMP 0x6b, 0x01, 0x09, 0x30

static struct ip
ip(const char *text)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static const struct {
	const char *why, *peer, *local;
	uint32_t peer_as, local_as;
	uint16_t ifindex;
	bool	is_as2, is_sent;
	size_t	len;
	uint8_t	want[80];
} messages[] = {
	{ "received, IPv4: MESSAGE_AS4", "10.0.0.2", "10.0.0.1", 64513, 4200000000, 0,
	    false, false, 39, { STAMP, 0, 17, 0, 4, 0, 0, 0, 27, 0, 0, 0, 123,
	    0, 0, 0xfc, 1, 0xfa, 0x56, 0xea, 0, 0, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 1,
	    'm', 's', 'g' } },
	{ "sent: MESSAGE_AS4_LOCAL", "10.0.0.2", "10.0.0.1", 1, 2, 0, false, true, 39,
	    { STAMP, 0, 17, 0, 7, 0, 0, 0, 27, 0, 0, 0, 123, 0, 0, 0, 1, 0, 0, 0, 2,
	    0, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 1, 'm', 's', 'g' } },
	{ "2-byte AS numbers: MESSAGE, AS_TRANS for a longer one", "10.0.0.2", "10.0.0.1",
	    64513, 4200000000, 0, true, false, 35, { STAMP, 0, 17, 0, 1, 0, 0, 0, 23,
	    0, 0, 0, 123, 0xfc, 1, 0x5b, 0xa0, 0, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 1,
	    'm', 's', 'g' } },
	{ "and sent: MESSAGE_LOCAL", "10.0.0.2", "10.0.0.1", 1, 2, 0, true, true, 35,
	    { STAMP, 0, 17, 0, 6, 0, 0, 0, 23, 0, 0, 0, 123, 0, 1, 0, 2, 0, 0, 0, 1,
	    10, 0, 0, 2, 10, 0, 0, 1, 'm', 's', 'g' } },
	{ "link-local, our address not known", "fe80::2", NULL, 1, 2, 3, false, false, 63,
	    { STAMP, 0, 17, 0, 4, 0, 0, 0, 51, 0, 0, 0, 123, 0, 0, 0, 1, 0, 0, 0, 2,
	    0, 3, 0, 2, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'm', 's', 'g' } },
};

static struct mrt_peer
peer_of_row(int i)
{
	return (struct mrt_peer){
		.peer = ip(messages[i].peer),
		.local = messages[i].local != NULL ? ip(messages[i].local) :
		    (struct ip){ 0 },
		.peer_as = messages[i].peer_as, .local_as = messages[i].local_as,
		.has_as4 = !messages[i].is_as2, .ifindex = messages[i].ifindex,
	};
}

START_TEST(message)
{
	uint8_t buf[MRT_OVERHEAD_MAX + 3];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct mrt_peer p = peer_of_row(_i);

	mrt_message_encode(&w, WALL_NS, &p, messages[_i].is_sent, (const uint8_t *)"msg",
	    3);
	ck_assert_msg(!w.is_bad && w.len == messages[_i].len, "%s: %zu bytes",
	    messages[_i].why, w.len);
	for (size_t i = 0; i < w.len; i++)
		ck_assert_msg(buf[i] == messages[_i].want[i], "%s: byte %zu is %#x, not "
		    "%#x", messages[_i].why, i, buf[i], messages[_i].want[i]);
}
END_TEST

/* Always with 4-byte AS numbers; states count from 1. */
START_TEST(state)
{
	static const uint8_t want[] = { STAMP, 0, 17, 0, 5, 0, 0, 0, 28, 0, 0, 0, 123,
		0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 1,
		0, 5, 0, 6 };
	uint8_t buf[MRT_OVERHEAD_MAX + 4];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct mrt_peer p = peer_of_row(3);

	mrt_state_encode(&w, WALL_NS, &p, BGP_OPENCONFIRM, BGP_ESTABLISHED);
	ck_assert(!w.is_bad);
	ck_assert_uint_eq(w.len, sizeof(want));
	ck_assert_mem_eq(buf, want, sizeof(want));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, message, 0, nitems(messages));
	tcase_add_test(tc, state);
}

TEST_MAIN("mrt", fill)
