/*
 * update_test.c - UPDATEs: what we write, byte by byte, and what RFC 7606 has us
 * do about what others write.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/open.h"
#include "bgp/update.h"
#include "bgp/update_check.h"
#include "lib/mem.h"
#include "tests/check.h"

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p), 0);
	return p;
}

static struct ip
ip(const char *text)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(text, &a), 0);
	return a;
}

static struct bgp_session
session(bool is_internal)
{
	return (struct bgp_session){
		.local_as = 65000, .is_internal = is_internal, .has_as4 = true,
		.role = BGP_ROLE_NONE, .families = 3, .msg_max = BGP_MSG_MAX,
		.next_hop = { ip("10.0.0.1"), ip("2001:db8::1") },
	};
}

/* One UPDATE with the given prefixes past its header; its length. */
static size_t
write_update(const struct bgp_session *s, enum bgp_family f,
    const struct bgp_attrs *attrs, const char *const *prefixes, uint8_t body[512])
{
	uint8_t buf[BGP_MSG_MAX];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct bgp_update_out u;

	bgp_update_begin(&u, &w, s, f, attrs);
	for (; *prefixes != NULL; prefixes++) {
		struct prefix p = prefix(*prefixes);

		ck_assert(bgp_update_put(&u, &p));
	}
	bgp_update_end(&u);
	ck_assert(!w.is_bad);
	ck_assert_uint_eq((unsigned)(buf[16] << 8 | buf[17]), w.len);
	ck_assert_uint_eq(buf[18], BGP_UPDATE);
	memcpy(body, buf + 19, w.len - 19);
	return w.len - 19;
}

#define ORIGIN 0x40, 1, 1, 0

static const struct {
	const char *why;
	bool	is_internal, is_withdrawal, has_no_as4;
	uint32_t as;
	uint8_t	role;
	enum bgp_family family;
	const char *next_hop, *next_hop_ll;	/* NULL: the session's */
	struct bgp_attrs attrs;
	const char *prefixes[3];
	uint8_t	want[96];		/* the body; zeros past its end */
} writes[] = {
	{ "external IPv4", .role = 255, .prefixes = { "192.0.2.1/32", "10.0.0.0/8" },
	    .want = { 0, 0, 0, 20, ORIGIN, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8,
	    0x40, 3, 4, 10, 0, 0, 1, 32, 192, 0, 2, 1, 8, 10 } },
	{ "internal: no path, a preference", .is_internal = true, .role = 255,
	    .attrs = { .local_pref = 200 }, .prefixes = { "0.0.0.0/0" },
	    .want = { 0, 0, 0, 21, ORIGIN, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 1,
	    0x40, 5, 4, 0, 0, 0, 200, 0 } },
	{ "withdrawal", .is_withdrawal = true, .role = 255,
	    .prefixes = { "192.0.2.1/32" }, .want = { 0, 5, 32, 192, 0, 2, 1, 0, 0 } },
	{ "IPv6: prefixes first (RFC 7606)", .role = 255, .family = BGP_IPV6_UNICAST,
	    .prefixes = { "2001:db8:1::/48" },
	    .want = { 0, 0, 0, 45, 0x90, 14, 0, 28, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 48, 0x20, 1, 0xd, 0xb8, 0, 1,
	    ORIGIN, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8 } },
	{ "IPv6 with a link-local next hop", .role = 255, .family = BGP_IPV6_UNICAST,
	    .next_hop_ll = "fe80::1", .prefixes = { "::/0" },
	    .want = { 0, 0, 0, 55, 0x90, 14, 0, 38, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 0, 1, 0, 0, ORIGIN, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8 } },
	{ "IPv6 withdrawal", .is_withdrawal = true, .role = 255,
	    .family = BGP_IPV6_UNICAST, .prefixes = { "2001:db8:1::/48" },
	    .want = { 0, 0, 0, 14, 0x90, 15, 0, 10, 0, 2, 1, 48, 0x20, 1, 0xd, 0xb8, 0, 1 } },
	{ "IPv4 with an IPv6 next hop (RFC 8950)", .role = 255,
	    .next_hop = "2001:db8::1", .prefixes = { "192.0.2.1/32" },
	    .want = { 0, 0, 0, 43, 0x90, 14, 0, 26, 0, 1, 1, 16, 0x20, 1, 0xd, 0xb8,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 192, 0, 2, 1,
	    ORIGIN, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8 } },
	{ "a long AS to a peer that has 2 bytes (RFC 6793), prepended", .has_no_as4 = true,
	    .as = 4200000001, .role = 255, .attrs = { .nprepend = 1 },
	    .prefixes = { "10.0.0.0/8" },
	    .want = { 0, 0, 0, 33, ORIGIN, 0x40, 2, 6, 2, 2, 0x5b, 0xa0, 0x5b, 0xa0,
	    0x40, 3, 4, 10, 0, 0, 1,
	    0xc0, 17, 10, 2, 2, 0xfa, 0x56, 0xea, 1, 0xfa, 0x56, 0xea, 1, 8, 10 } },
	{ "provider marks with OTC (RFC 9234)", .role = BGP_ROLE_PROVIDER,
	    .prefixes = { "10.0.0.0/8" },
	    .want = { 0, 0, 0, 27, ORIGIN, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8,
	    0x40, 3, 4, 10, 0, 0, 1, 0xc0, 35, 4, 0, 0, 0xfd, 0xe8, 8, 10 } },
	{ "MED and communities of three kinds", .is_internal = true, .role = 255,
	    .attrs = { .local_pref = 100, .has_med = 1, .med = 7,
	    .ncommunities = 1, .communities = { 0xffff0000 }, .next = 1,
	    .ext = { 0x4004fde800000001 }, .nlarge = 1, .large = { { 1, 2, 3 } } },
	    .prefixes = { "10.0.0.0/8" },
	    .want = { 0, 0, 0, 61, ORIGIN, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 1,
	    0x80, 4, 4, 0, 0, 0, 7, 0x40, 5, 4, 0, 0, 0, 100,
	    0xc0, 8, 4, 0xff, 0xff, 0, 0, 0xc0, 16, 8, 0x40, 4, 0xfd, 0xe8, 0, 0, 0, 1,
	    0xc0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 8, 10 } },
};

START_TEST(writing)
{
	struct bgp_session s = session(writes[_i].is_internal);
	struct bgp_update_seen seen;
	struct bgp_error err;
	uint8_t body[512] = { 0 };
	size_t len;

	s.role = writes[_i].role;
	s.has_as4 = !writes[_i].has_no_as4;
	if (writes[_i].as != 0)
		s.local_as = writes[_i].as;
	if (writes[_i].next_hop != NULL)
		s.next_hop[writes[_i].family] = ip(writes[_i].next_hop);
	if (writes[_i].next_hop_ll != NULL)
		s.next_hop_ll = ip(writes[_i].next_hop_ll);
	len = write_update(&s, writes[_i].family,
	    writes[_i].is_withdrawal ? NULL : &writes[_i].attrs, writes[_i].prefixes, body);
	ck_assert_msg(memcmp(body, writes[_i].want, sizeof(writes[_i].want)) == 0, "%s",
	    writes[_i].why);
	ck_assert_uint_le(len, sizeof(writes[_i].want));
	/* And by the other side's judge nothing is wrong with it. */
	ck_assert_int_eq(bgp_update_check(body, len, &s, &seen, &err), 0);
	ck_assert_msg(seen.verdict == BGP_UPDATE_FINE, "%s: attr %u", writes[_i].why,
	    seen.attr);
	ck_assert_uint_gt(writes[_i].is_withdrawal ?
	    seen.nunreach[writes[_i].family] : seen.nreach[writes[_i].family], 0);
}
END_TEST

/* As many as fit, never one byte more, and what did not fit goes in the next. */
START_TEST(packing)
{
	static const uint16_t maxima[] = { BGP_MSG_MAX, BGP_MSG_MAX_EXT };
	static uint8_t buf[2 * BGP_MSG_MAX_EXT];
	struct bgp_session s = session(true);
	struct bgp_attrs attrs = { .local_pref = 100 };
	enum bgp_family f = _i & 1 ? BGP_IPV6_UNICAST : BGP_IPV4_UNICAST;
	bool is_withdrawal = _i & 2;
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct bgp_update_seen seen;
	struct bgp_update_out u;
	struct bgp_error err;
	struct prefix p = prefix(_i & 1 ? "2001:db8::1/128" : "192.0.2.1/32");
	unsigned n = 0;
	size_t per = _i & 1 ? 17 : 5;

	s.msg_max = maxima[_i / 4];
	bgp_update_begin(&u, &w, &s, f, is_withdrawal ? NULL : &attrs);
	while (bgp_update_put(&u, &p))
		n++;
	bgp_update_end(&u);
	ck_assert(!w.is_bad);
	ck_assert_uint_le(w.len, s.msg_max);
	ck_assert_uint_gt(w.len + per, s.msg_max);
	ck_assert_int_eq(bgp_update_check(buf + 19, w.len - 19, &s, &seen, &err), 0);
	ck_assert_uint_eq(is_withdrawal ? seen.nunreach[f] : seen.nreach[f], n);
	ck_assert_int_eq(seen.verdict, BGP_UPDATE_FINE);
}
END_TEST

static const struct {
	const char *why;
	uint8_t	n, want_n;
	uint32_t last;			/* of the n */
	uint8_t	want_at;
} retirements[] = {
	{ "the only one", 0, 1, 0, 0 },
	{ "after another", 1, 2, 0xfde80001, 1 },
	{ "it has it already", 1, 1, 0xffff0000, 0 },
	{ "no room: it takes the last's place", BGP_COMMUNITIES_MAX, BGP_COMMUNITIES_MAX,
	    0xfde80001, BGP_COMMUNITIES_MAX - 1 },
};

START_TEST(retiring)
{
	struct bgp_attrs a = { .local_pref = 100, .ncommunities = retirements[_i].n };

	if (a.ncommunities > 0)
		a.communities[a.ncommunities - 1] = retirements[_i].last;
	bgp_attrs_retire(&a);
	ck_assert_msg(a.ncommunities == retirements[_i].want_n && a.local_pref == 0 &&
	    a.communities[retirements[_i].want_at] == 0xffff0000, "%s",
	    retirements[_i].why);
}
END_TEST

START_TEST(end_of_rib)
{
	for (int f = 0; f < BGP_NFAMILIES; f++) {
		uint8_t buf[64];
		struct wire_out w = wire_out(buf, sizeof(buf));
		struct bgp_session s = session(false);
		struct bgp_update_seen seen;
		struct bgp_error err;

		bgp_update_eor(&w, f);
		ck_assert_uint_eq(w.len, f == BGP_IPV4_UNICAST ? 23u : 30u);
		ck_assert_int_eq(bgp_update_check(buf + 19, w.len - 19, &s, &seen, &err), 0);
		ck_assert_int_eq(seen.eor, f);
	}
}
END_TEST

enum { FINE = BGP_UPDATE_FINE, DISC = BGP_UPDATE_DISCARD, WITH = BGP_UPDATE_WITHDRAW };

#define PATH 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9
#define HOP 0x40, 3, 4, 10, 0, 0, 2
#define NLRI 24, 192, 0, 2

/* Attributes of one UPDATE; the row says what follows them. */
static const struct {
	const char *why;		/* with the section of RFC 7606 */
	bool	is_internal, has_no_nlri;
	size_t	len;
	uint8_t	attrs[64];
	int	want;			/* a verdict, or minus the subcode of a reset */
	uint8_t	attr;
} judged[] = {
	{ "all mandatory there", false, false, 20, { ORIGIN, PATH, HOP }, FINE, 0 },
	{ "3d no ORIGIN", false, false, 16, { PATH, HOP }, WITH, 1 },
	{ "3d no AS_PATH", false, false, 11, { ORIGIN, HOP }, WITH, 2 },
	{ "3d no NEXT_HOP", false, false, 13, { ORIGIN, PATH }, WITH, 3 },
	{ "7.1 ORIGIN of 2 bytes", false, false, 21,
	    { 0x40, 1, 2, 0, 0, PATH, HOP }, WITH, 1 },
	{ "7.1 ORIGIN 3", false, false, 20, { 0x40, 1, 1, 3, PATH, HOP }, WITH, 1 },
	{ "3c ORIGIN optional", false, false, 20, { 0xc0, 1, 1, 0, PATH, HOP }, WITH, 1 },
	{ "3g ORIGIN twice: the first counts", false, false, 24,
	    { ORIGIN, ORIGIN, PATH, HOP }, DISC, 1 },
	{ "7.2 segment of kind 9", false, false, 20,
	    { ORIGIN, 0x40, 2, 6, 9, 1, 0, 0, 0xfd, 0xe9, HOP }, WITH, 2 },
	{ "7.2 segment longer than the path", false, false, 20,
	    { ORIGIN, 0x40, 2, 6, 2, 2, 0, 0, 0xfd, 0xe9, HOP }, WITH, 2 },
	{ "7.2 empty segment", false, false, 16,
	    { ORIGIN, 0x40, 2, 2, 2, 0, HOP }, WITH, 2 },
	{ "7.2 a byte left over", false, false, 21,
	    { ORIGIN, 0x40, 2, 7, 2, 1, 0, 0, 0xfd, 0xe9, 2, HOP }, WITH, 2 },
	{ "7.3 NEXT_HOP of 5 bytes", false, false, 21,
	    { ORIGIN, PATH, 0x40, 3, 5, 10, 0, 0, 2, 0 }, WITH, 3 },
	{ "7.4 MED of 3 bytes", false, false, 26,
	    { ORIGIN, PATH, HOP, 0x80, 4, 3, 0, 0, 1 }, WITH, 4 },
	{ "7.5 LOCAL_PREF from outside", false, false, 27,
	    { ORIGIN, PATH, HOP, 0x40, 5, 4, 0, 0, 0, 1 }, DISC, 5 },
	{ "7.5 LOCAL_PREF from inside", true, false, 27,
	    { ORIGIN, PATH, HOP, 0x40, 5, 4, 0, 0, 0, 1 }, FINE, 0 },
	{ "7.5 LOCAL_PREF of 2 bytes", true, false, 25,
	    { ORIGIN, PATH, HOP, 0x40, 5, 2, 0, 1 }, WITH, 5 },
	{ "7.6 ATOMIC_AGGREGATE of 1 byte", false, false, 24,
	    { ORIGIN, PATH, HOP, 0x40, 6, 1, 0 }, DISC, 6 },
	{ "7.7 AGGREGATOR of 6 bytes with 4-byte ASes", false, false, 29,
	    { ORIGIN, PATH, HOP, 0xc0, 7, 6, 0, 1, 1, 1, 1, 1 }, DISC, 7 },
	{ "7.8 COMMUNITIES of 3 bytes", false, false, 26,
	    { ORIGIN, PATH, HOP, 0xc0, 8, 3, 0, 0, 1 }, WITH, 8 },
	{ "7.8 COMMUNITIES of none", false, false, 23,
	    { ORIGIN, PATH, HOP, 0xc0, 8, 0 }, WITH, 8 },
	{ "7.9 ORIGINATOR_ID from outside", false, false, 27,
	    { ORIGIN, PATH, HOP, 0x80, 9, 4, 0, 0, 0, 1 }, DISC, 9 },
	{ "7.9 ORIGINATOR_ID of 3 bytes from inside", true, false, 26,
	    { ORIGIN, PATH, HOP, 0x80, 9, 3, 0, 0, 1 }, WITH, 9 },
	{ "7.10 CLUSTER_LIST of 5 bytes from inside", true, false, 28,
	    { ORIGIN, PATH, HOP, 0x80, 10, 5, 0, 0, 0, 1, 1 }, WITH, 10 },
	{ "7.14 EXTENDED COMMUNITIES of 4 bytes", false, false, 27,
	    { ORIGIN, PATH, HOP, 0xc0, 16, 4, 0, 0, 0, 1 }, WITH, 16 },
	{ "RFC 6793: AS4_PATH that is broken", false, false, 25,
	    { ORIGIN, PATH, HOP, 0xc0, 17, 2, 2, 9 }, DISC, 17 },
	{ "RFC 8092: large communities of 8 bytes", false, false, 31,
	    { ORIGIN, PATH, HOP, 0xc0, 32, 8, 0, 0, 0, 1, 0, 0, 0, 1 }, WITH, 32 },
	{ "RFC 9234: OTC of 2 bytes", false, false, 25,
	    { ORIGIN, PATH, HOP, 0xc0, 35, 2, 0, 1 }, WITH, 35 },
	{ "unknown optional", false, false, 24,
	    { ORIGIN, PATH, HOP, 0xc0, 99, 1, 0 }, FINE, 0 },
	{ "RFC 4271 6.3: unknown well-known", false, false, 24,
	    { ORIGIN, PATH, HOP, 0x40, 99, 1, 0 }, -BGP_UPDATE_WELL_KNOWN, 0 },
	{ "4 attribute past the end", false, false, 23,
	    { ORIGIN, PATH, HOP, 0x80, 4, 9 }, WITH, 4 },
	{ "4 a byte left over", false, false, 21, { ORIGIN, PATH, HOP, 0x80 }, WITH, 0 },
	{ "5.2 the same without prefixes", false, true, 23,
	    { ORIGIN, PATH, HOP, 0x80, 4, 9 }, -BGP_UPDATE_ATTR_LIST, 0 },
	{ "attributes without prefixes", false, true, 20, { ORIGIN, PATH, HOP }, FINE, 0 },
	{ "MP_REACH", false, true, 41, { ORIGIN, PATH, 0x80, 14, 25, 0, 2, 1, 16,
	    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 24, 0x20, 1, 0xd },
	    FINE, 0 },
	{ "7.11 next hop of 5 bytes", false, true, 28, { ORIGIN, PATH, 0x80, 14, 12, 0, 2,
	    1, 5, 1, 1, 1, 1, 1, 0, 8, 32 }, -BGP_UPDATE_OPTIONAL, 0 },
	{ "7.11 next hop past the end", false, true, 20, { ORIGIN, PATH, 0x80, 14, 4, 0, 2,
	    1, 16 }, -BGP_UPDATE_OPTIONAL, 0 },
	{ "5.3 MP_REACH prefix of 129", false, true, 41, { ORIGIN, PATH, 0x80, 14, 22, 0, 2,
	    1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 129 },
	    -BGP_UPDATE_OPTIONAL, 0 },
	{ "a family we do not speak", false, true, 24, { ORIGIN, PATH, 0x80, 14, 8, 0, 25,
	    70, 0, 0, 1, 2, 3 }, FINE, 0 },
	{ "MP_UNREACH alone", false, true, 10, { 0x80, 15, 7, 0, 2, 1, 24, 0x20, 1, 0xd },
	    FINE, 0 },
	{ "5.3 MP_UNREACH prefix cut off", false, true, 8, { 0x80, 15, 5, 0, 2, 1, 24, 0x20 },
	    -BGP_UPDATE_OPTIONAL, 0 },
	{ "3g MP_UNREACH twice", false, true, 12, { 0x80, 15, 3, 0, 2, 1, 0x80, 15, 3, 0, 2, 1 },
	    -BGP_UPDATE_ATTR_LIST, 0 },
	{ "3c MP_UNREACH transitive", false, true, 10,
	    { 0xc0, 15, 7, 0, 2, 1, 24, 0x20, 1, 0xd }, WITH, 15 },
};

static int
judge(const uint8_t *body, size_t len, bool is_internal, struct bgp_update_seen *ret,
    struct bgp_error *err)
{
	struct bgp_session s = session(is_internal);
	uint8_t *copy = malloc(len ? len : 1);
	int e;

	memcpy(copy, body, len);
	e = bgp_update_check(copy, len, &s, ret, err);
	free(copy);
	return e;
}

START_TEST(judging)
{
	static const uint8_t nlri[] = { NLRI };
	struct bgp_update_seen seen = { 0 };
	struct bgp_error err = { 0 };
	uint8_t body[128];
	struct wire_out w = wire_out(body, sizeof(body));
	int e;

	wire_put_u16(&w, 0);
	wire_put_u16(&w, (uint16_t)judged[_i].len);
	wire_put_bytes(&w, judged[_i].attrs, judged[_i].len);
	if (!judged[_i].has_no_nlri)
		wire_put_bytes(&w, nlri, sizeof(nlri));
	e = judge(body, w.len, judged[_i].is_internal, &seen, &err);
	if (judged[_i].want < 0) {
		ck_assert_msg(e == -EBADMSG, "%s: accepted", judged[_i].why);
		ck_assert_uint_eq(err.code, BGP_ERR_UPDATE);
		ck_assert_msg(err.subcode == -judged[_i].want, "%s: subcode %u",
		    judged[_i].why, err.subcode);
	} else {
		ck_assert_msg(e == 0, "%s: subcode %u", judged[_i].why, err.subcode);
		ck_assert_msg((int)seen.verdict == judged[_i].want, "%s: verdict %d",
		    judged[_i].why, seen.verdict);
		ck_assert_msg(seen.attr == judged[_i].attr, "%s: attr %u", judged[_i].why,
		    seen.attr);
	}
	/* Cut anywhere it is an error or a milder one, never an overrun. */
	for (size_t n = 0; n < w.len; n++)
		judge(body, n, judged[_i].is_internal, &seen, &err);
}
END_TEST

static const struct {
	const char *why;
	size_t	len;
	uint8_t	body[16];
	int	subcode;
} frames[] = {
	{ "nothing at all", 3, { 0, 0, 0 }, BGP_UPDATE_ATTR_LIST },
	{ "withdrawn past the end", 4, { 0, 9, 0, 0 }, BGP_UPDATE_ATTR_LIST },
	{ "attributes past the end", 4, { 0, 0, 0, 1 }, BGP_UPDATE_ATTR_LIST },
	{ "withdrawn prefix of 33", 9, { 0, 5, 33, 1, 2, 3, 4, 0, 0 },
	    BGP_UPDATE_NETWORK },
	{ "withdrawn prefix cut off", 6, { 0, 2, 24, 1, 0, 0 }, BGP_UPDATE_NETWORK },
	{ "prefix of 33", 9, { 0, 0, 0, 0, 33, 1, 2, 3, 4 }, BGP_UPDATE_NETWORK },
	{ "prefix cut off", 6, { 0, 0, 0, 0, 24, 1 }, BGP_UPDATE_NETWORK },
};

START_TEST(framing)
{
	struct bgp_update_seen seen = { .attr = 77 };
	struct bgp_error err = { 0 };

	ck_assert_msg(judge(frames[_i].body, frames[_i].len, false, &seen, &err) ==
	    -EBADMSG, "%s", frames[_i].why);
	ck_assert_msg(err.subcode == frames[_i].subcode, "%s: %u", frames[_i].why,
	    err.subcode);
	ck_assert_uint_eq(seen.attr, 77);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, writing, 0, nitems(writes));
	tcase_add_loop_test(tc, packing, 0, 8);
	tcase_add_loop_test(tc, retiring, 0,
	    sizeof(retirements) / sizeof(*retirements));
	tcase_add_test(tc, end_of_rib);
	tcase_add_loop_test(tc, judging, 0, nitems(judged));
	tcase_add_loop_test(tc, framing, 0, nitems(frames));
}

TEST_MAIN("update", fill)
