/*
 * msg_test.c - headers, NOTIFICATION, ROUTE-REFRESH and OPEN, byte by byte.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/msg.h"
#include "bgp/open.h"
#include "lib/mem.h"
#include "tests/check.h"

#define FF4  0xff, 0xff, 0xff, 0xff
#define FF16 FF4, FF4, FF4, FF4

static const struct {
	const char *why;
	size_t	len;
	uint8_t	buf[24];
	size_t	max;
	int	want;			/* length, 0 more, <0 error */
	uint8_t	code, subcode, ndata, data[2];
} headers[] = {
	{ "nothing yet", 0, { 0 }, BGP_MSG_MAX, 0, 0, 0, 0, { 0 } },
	{ "all but a byte", 18, { FF16, 0, 19 }, BGP_MSG_MAX, 0, 0, 0, 0, { 0 } },
	{ "KEEPALIVE", 19, { FF16, 0, 19, 4 }, BGP_MSG_MAX, 19, 0, 0, 0, { 0 } },
	{ "an HTTP client", 4, { 'G', 'E', 'T', ' ' }, BGP_MSG_MAX, -EBADMSG,
	    1, 1, 0, { 0 } },
	{ "one bit in the marker", 19, { 0xff, 0xfe, 0xff, 0xff, FF4, FF4, FF4, 0, 19, 4 },
	    BGP_MSG_MAX, -EBADMSG, 1, 1, 0, { 0 } },
	{ "KEEPALIVE with a body", 19, { FF16, 0, 20, 4 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0, 20 } },
	{ "length below a header", 19, { FF16, 0, 18, 2 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0, 18 } },
	{ "UPDATE of 22", 19, { FF16, 0, 22, 2 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0, 22 } },
	{ "UPDATE of 4096", 19, { FF16, 0x10, 0, 2 }, BGP_MSG_MAX, 4096, 0, 0, 0, { 0 } },
	{ "UPDATE of 4097", 19, { FF16, 0x10, 1, 2 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0x10, 1 } },
	{ "the same where extended", 19, { FF16, 0x10, 1, 2 }, BGP_MSG_MAX_EXT, 4097,
	    0, 0, 0, { 0 } },
	{ "65535 where extended", 19, { FF16, 0xff, 0xff, 2 }, BGP_MSG_MAX_EXT, 65535,
	    0, 0, 0, { 0 } },
	{ "OPEN never is (RFC 8654)", 19, { FF16, 0x10, 1, 1 }, BGP_MSG_MAX_EXT,
	    -EBADMSG, 1, 2, 2, { 0x10, 1 } },
	{ "OPEN of 28", 19, { FF16, 0, 28, 1 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0, 28 } },
	{ "NOTIFICATION of 20", 19, { FF16, 0, 20, 3 }, BGP_MSG_MAX, -EBADMSG,
	    1, 2, 2, { 0, 20 } },
	{ "type 0", 19, { FF16, 0, 19, 0 }, BGP_MSG_MAX, -EBADMSG, 1, 3, 1, { 0 } },
	{ "type 6", 19, { FF16, 0, 19, 6 }, BGP_MSG_MAX, -EBADMSG, 1, 3, 1, { 6 } },
};

START_TEST(header)
{
	size_t len = headers[_i].len;
	uint8_t *copy = malloc(len ? len : 1);
	struct bgp_error err = { 0 };
	enum bgp_msg_type type;
	int n;

	memcpy(copy, headers[_i].buf, len);
	n = bgp_header_decode(copy, len, headers[_i].max, &type, &err);
	ck_assert_msg(n == headers[_i].want, "%s: %d", headers[_i].why, n);
	ck_assert_uint_eq(err.code, headers[_i].code);
	ck_assert_uint_eq(err.subcode, headers[_i].subcode);
	ck_assert_uint_eq(err.len, headers[_i].ndata);
	ck_assert_mem_eq(err.data, headers[_i].data, err.len);
	if (n > 0)
		ck_assert_uint_eq(type, headers[_i].buf[18]);
	free(copy);
}
END_TEST

START_TEST(small_messages)
{
	static const uint8_t keepalive[] = { FF16, 0, 19, 4 };
	static const uint8_t refresh[] = { FF16, 0, 23, 5, 0, 2, 1, 1 };
	static const uint8_t note[] = { FF16, 0, 26, 3, 6, 2, 4, 'd', 'o', 'w', 'n' };
	uint8_t buf[64];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct bgp_error e, back;
	char text[BGP_ERROR_DATA_MAX];

	bgp_keepalive_encode(&w);
	ck_assert_uint_eq(w.len, sizeof(keepalive));
	ck_assert_mem_eq(buf, keepalive, w.len);
	w.len = 0;
	bgp_refresh_encode(&w, BGP_IPV6_UNICAST, BGP_REFRESH_BEGIN);
	ck_assert_uint_eq(w.len, sizeof(refresh));
	ck_assert_mem_eq(buf, refresh, w.len);
	w.len = 0;
	bgp_error_set(&e, BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, "\4down", 5);
	bgp_notification_encode(&w, &e);
	ck_assert_uint_eq(w.len, sizeof(note));
	ck_assert_mem_eq(buf, note, w.len);
	bgp_notification_decode(buf + 19, w.len - 19, &back);
	ck_assert_str_eq(bgp_error_text(&back, text), "down");
	ck_assert_str_eq(bgp_error_name(back.code, back.subcode),
	    "cease: administrative shutdown");
}
END_TEST

static const struct {
	const char *why;
	uint8_t	subcode, len, data[8];
	const char *want;
} texts[] = {
	{ "none", 2, 0, { 0 }, "" },
	{ "length past the end", 2, 3, { 9, 'a', 'b' }, "" },
	{ "after a reset too", 4, 3, { 2, 'o', 'k' }, "ok" },
	{ "not after others", 5, 3, { 2, 'o', 'k' }, "" },
	{ "escape sequences are defused", 2, 4, { 3, 0x1b, '[', 'm' }, "?[m" },
	{ "UTF-8 passes", 2, 3, { 2, 0xc3, 0xa9 }, "\xc3\xa9" },
};

START_TEST(shutdown_text)
{
	struct bgp_error e;
	char buf[BGP_ERROR_DATA_MAX];

	bgp_error_set(&e, BGP_ERR_CEASE, texts[_i].subcode, texts[_i].data,
	    texts[_i].len);
	ck_assert_msg(strcmp(bgp_error_text(&e, buf), texts[_i].want) == 0, "%s",
	    texts[_i].why);
}
END_TEST

START_TEST(refresh_lengths)
{
	static const uint8_t body[] = { 0, 1, 1, 1, 9 };
	struct bgp_refresh r;
	struct bgp_error err = { 0 };

	ck_assert_int_eq(bgp_refresh_decode(body, 4, &r, &err), 0);
	ck_assert_int_eq(r.family, BGP_IPV4_UNICAST);
	ck_assert_uint_eq(r.kind, BGP_REFRESH_BEGIN);
	ck_assert_int_eq(bgp_refresh_decode(body, 5, &r, &err), -EBADMSG);
	ck_assert_uint_eq(err.code, BGP_ERR_REFRESH);
	ck_assert_uint_eq(err.subcode, 1);
	ck_assert_int_eq(bgp_refresh_decode((const uint8_t[]){ 0, 9, 0, 1 }, 4, &r,
	    &err), 0);
	ck_assert_int_eq(r.family, -1);
}
END_TEST

static const struct bgp_open full = {
	.asn = 4200000001, .router_id = 0x0a000001, .hold_sec = 90,
	.has_mp = true, .families = 3, .v6_next_hops = 1, .has_as4 = true,
	.has_refresh = true, .has_enhanced_refresh = true, .has_extended = true,
	.has_gr = true, .is_restarting = true, .has_gr_notification = true,
	.restart_sec = 120, .gr_families = 3, .gr_forwarding = 2,
	.role = BGP_ROLE_CUSTOMER,
};

static int
decode(const uint8_t *body, size_t len, struct bgp_open *ret, struct bgp_error *err)
{
	uint8_t *copy = malloc(len ? len : 1);
	int e;

	memcpy(copy, body, len);
	e = bgp_open_decode(copy, len, ret, err);
	free(copy);
	return e;
}

START_TEST(open_round_trip)
{
	struct bgp_open plain = { .asn = 65000, .router_id = 1, .families = 1,
		.role = BGP_ROLE_NONE };
	const struct bgp_open *opens[] = { &full, &plain };

	for (size_t i = 0; i < nitems(opens); i++) {
		uint8_t buf[256];
		struct wire_out w = wire_out(buf, sizeof(buf));
		struct bgp_open back = { 0 };
		struct bgp_error err = { 0 };

		bgp_open_encode(&w, opens[i]);
		ck_assert(!w.is_bad);
		ck_assert_uint_eq((unsigned)(buf[16] << 8 | buf[17]), w.len);
		ck_assert_int_eq(decode(buf + 19, w.len - 19, &back, &err), 0);
		ck_assert_uint_eq(back.asn, opens[i]->asn);
		ck_assert_uint_eq(back.families, opens[i]->families);
		ck_assert_uint_eq(back.v6_next_hops, opens[i]->v6_next_hops);
		ck_assert_uint_eq(back.restart_sec, opens[i]->restart_sec);
		ck_assert_uint_eq(back.gr_families, opens[i]->gr_families);
		ck_assert_uint_eq(back.gr_forwarding, opens[i]->gr_forwarding);
		ck_assert_uint_eq(back.role, opens[i]->role);
		ck_assert(back.is_restarting == opens[i]->is_restarting);
		ck_assert(back.has_extended == opens[i]->has_extended);
		ck_assert(back.has_enhanced_refresh == opens[i]->has_enhanced_refresh);
		/* Every prefix is refused; the parameters' length says more. */
		for (size_t n = 0; n < w.len - 19; n++)
			ck_assert_int_eq(decode(buf + 19, n, &back, &err), -EBADMSG);
	}
}
END_TEST

#define HEAD(as, hold) 4, (as) >> 8, (as) & 0xff, 0, (hold), 10, 0, 0, 1

static const struct {
	const char *why;
	size_t	len;
	uint8_t	body[40];
	int	subcode;		/* -1: fine */
	uint8_t	ndata, data[8];
} opens[] = {
	{ "no parameters", 10, { HEAD(65001, 90), 0 }, -1, 0, { 0 } },
	{ "version 3", 10, { 3, 0xfd, 0xe9, 0, 90, 10, 0, 0, 1, 0 },
	    BGP_OPEN_VERSION, 2, { 0, 4 } },
	{ "AS 0", 10, { HEAD(0, 90), 0 }, BGP_OPEN_BAD_AS, 0, { 0 } },
	{ "4-byte AS 0", 18, { HEAD(65001, 90), 8, 2, 6, 65, 4, 0, 0, 0, 0 },
	    BGP_OPEN_BAD_AS, 0, { 0 } },
	{ "identifier 0", 10, { 4, 0xfd, 0xe9, 0, 90, 0, 0, 0, 0, 0 },
	    BGP_OPEN_BAD_ID, 0, { 0 } },
	{ "hold time 0", 10, { HEAD(65001, 0), 0 }, -1, 0, { 0 } },
	{ "hold time 1", 10, { HEAD(65001, 1), 0 }, BGP_OPEN_HOLD_TIME, 0, { 0 } },
	{ "hold time 2", 10, { HEAD(65001, 2), 0 }, BGP_OPEN_HOLD_TIME, 0, { 0 } },
	{ "hold time 3", 10, { HEAD(65001, 3), 0 }, -1, 0, { 0 } },
	{ "unknown parameter", 13, { HEAD(65001, 90), 3, 1, 1, 7 },
	    BGP_OPEN_PARAMETER, 3, { 1, 1, 7 } },
	{ "unknown capability", 14, { HEAD(65001, 90), 4, 2, 2, 200, 0 }, -1, 0, { 0 } },
	{ "parameters longer than the message", 14, { HEAD(65001, 90), 5, 2, 2, 200, 0 },
	    BGP_OPEN_UNSPECIFIC, 0, { 0 } },
	{ "parameter longer than the parameters", 14, { HEAD(65001, 90), 4, 2, 3, 2, 0 },
	    BGP_OPEN_UNSPECIFIC, 0, { 0 } },
	{ "capability longer than the parameter", 14, { HEAD(65001, 90), 4, 2, 2, 2, 1 },
	    BGP_OPEN_UNSPECIFIC, 0, { 0 } },
	{ "multiprotocol of 3 bytes", 17, { HEAD(65001, 90), 7, 2, 5, 1, 3, 0, 1, 0 },
	    BGP_OPEN_UNSPECIFIC, 5, { 1, 3, 0, 1, 0 } },
	{ "refresh of 1 byte", 15, { HEAD(65001, 90), 5, 2, 3, 2, 1, 0 },
	    BGP_OPEN_UNSPECIFIC, 3, { 2, 1, 0 } },
	{ "two capabilities in two parameters", 18,
	    { HEAD(65001, 90), 8, 2, 2, 2, 0, 2, 2, 6, 0 }, -1, 0, { 0 } },
	{ "extended parameters (RFC 9072)", 18,
	    { HEAD(65001, 90), 255, 255, 0, 5, 2, 0, 2, 2, 0 }, -1, 0, { 0 } },
	{ "the same with another first length", 18,
	    { HEAD(65001, 90), 5, 255, 0, 5, 2, 0, 2, 2, 0 }, -1, 0, { 0 } },
	{ "two roles that differ", 18,
	    { HEAD(65001, 90), 8, 2, 6, 9, 1, 0, 9, 1, 3 }, BGP_OPEN_ROLE, 0, { 0 } },
};

START_TEST(open_errors)
{
	struct bgp_open o = { .asn = 77 };
	struct bgp_error err = { 0 };
	int e = decode(opens[_i].body, opens[_i].len, &o, &err);

	ck_assert_msg(e == (opens[_i].subcode < 0 ? 0 : -EBADMSG), "%s", opens[_i].why);
	if (e < 0) {
		ck_assert_uint_eq(o.asn, 77);
		ck_assert_uint_eq(err.code, BGP_ERR_OPEN);
		ck_assert_msg(err.subcode == opens[_i].subcode, "%s: %u", opens[_i].why,
		    err.subcode);
		ck_assert_uint_eq(err.len, opens[_i].ndata);
		ck_assert_mem_eq(err.data, opens[_i].data, err.len);
	}
}
END_TEST

static const struct {
	const char *why;
	uint32_t their_as, their_id, peer_as;
	uint8_t	our_role, their_role;
	bool	is_strict;
	int	subcode;
} checks[] = {
	{ "as configured", 65001, 2, 65001, 255, 255, false, -1 },
	{ "another AS", 65002, 2, 65001, 255, 255, false, BGP_OPEN_BAD_AS },
	{ "any AS", 65002, 2, 0, 255, 255, false, -1 },
	{ "our identifier outside our AS (RFC 6286)", 65001, 1, 65001, 255, 255, false,
	    -1 },
	{ "our identifier inside it", 65000, 1, 65000, 255, 255, false,
	    BGP_OPEN_BAD_ID },
	{ "customer to provider", 65001, 2, 65001, 3, 0, true, -1 },
	{ "two customers", 65001, 2, 65001, 3, 3, false, BGP_OPEN_ROLE },
	{ "two peers", 65001, 2, 65001, 4, 4, false, -1 },
	{ "route server to its client", 65001, 2, 65001, 1, 2, false, -1 },
	{ "no role from them", 65001, 2, 65001, 3, 255, false, -1 },
	{ "no role where we insist", 65001, 2, 65001, 3, 255, true, BGP_OPEN_ROLE },
	{ "no role from us", 65001, 2, 65001, 255, 0, true, -1 },
	{ "inside an AS roles mean nothing", 65000, 2, 65000, 3, 3, true, -1 },
};

START_TEST(open_check)
{
	struct bgp_open ours = { .asn = 65000, .router_id = 1,
		.role = checks[_i].our_role };
	struct bgp_open theirs = { .asn = checks[_i].their_as,
		.router_id = checks[_i].their_id, .role = checks[_i].their_role };
	struct bgp_error err = { 0 };
	int e = bgp_open_check(&ours, &theirs, checks[_i].peer_as, checks[_i].is_strict,
	    &err);

	ck_assert_msg(e == (checks[_i].subcode < 0 ? 0 : -EBADMSG), "%s", checks[_i].why);
	if (e < 0)
		ck_assert_int_eq(err.subcode, checks[_i].subcode);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, header, 0, nitems(headers));
	tcase_add_test(tc, small_messages);
	tcase_add_loop_test(tc, shutdown_text, 0, nitems(texts));
	tcase_add_test(tc, refresh_lengths);
	tcase_add_test(tc, open_round_trip);
	tcase_add_loop_test(tc, open_errors, 0, nitems(opens));
	tcase_add_loop_test(tc, open_check, 0, nitems(checks));
}

TEST_MAIN("msg", fill)
