/* Connections between directors: the kernel's messages, and what is kept of them. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/conn_sync.h"
#include "ipvs/table.h"
#include "tests/check.h"

static struct ip
ip_of(const char *s)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(s, &a), 0);
	return a;
}

/*
 * Of a service 10.0.0.50:80, a client 10.0.0.100 port 43058 and an endpoint
 * 10.244.2.3:8080 reached by tunnel; established, 900 s.
 */
#define HEADER(size, n) "\0\1\0" size n "\1\0\0"
#define CONN4(type, flags, mark) type "\6\0\x24" flags "\0\1\xa8\x32\0\x50\x1f\x90" mark \
	"\0\0\3\x84" "\x0a\0\0\x64" "\x0a\0\0\x32" "\x0a\xf4\2\3"
#define ADDR6(net, host) "\xfd\0\0" net "\0\0\0\0\0\0\0\0\0\0\0" host
#define CONN6(flags) "\1\6\0\x48" flags "\0\1\xa8\x32\0\x50\x1f\x90" "\0\0\0\0" \
	"\0\0\3\x84" ADDR6("\x0a", "\x64") ADDR6("\x0a", "\x50") ADDR6("\2", "\x30")
#define TUNNEL "\0\0\0\x42"
#define NO_MARK "\0\0\0\0"

static const struct {
	const char *why, *bytes;
	size_t	len;
	int	rc;
	size_t	n;
} messages[] = {
	{ "one", HEADER("\x2c", "\1") CONN4("\0", TUNNEL, NO_MARK), 44, 0, 1 },
	{ "of IPv6", HEADER("\x50", "\1") CONN6(TUNNEL), 80, 0, 1 },
	{ "one of each", HEADER("\x74", "\2") CONN6(TUNNEL) CONN4("\0", TUNNEL, NO_MARK),
	    116, 0, 2 },
	{ "none", HEADER("\x08", "\0"), 8, 0, 0 },
	{ "the second tier's is passed over", HEADER("\x50", "\2")
	    CONN4("\0", "\0\0\0\0", "\0\0\1\2") CONN4("\0", TUNNEL, NO_MARK), 80, 0, 1 },
	{ "with an option, too", HEADER("\x30", "\1")
	    "\0\6\0\x28" TUNNEL "\0\1\xa8\x32\0\x50\x1f\x90" NO_MARK "\0\0\3\x84"
	    "\x0a\0\0\x64" "\x0a\0\0\x32" "\x0a\xf4\2\3" "\2\2ab", 48, 0, 0 },
	{ "more than there are", HEADER("\x2c", "\2") CONN4("\0", TUNNEL, NO_MARK), 44,
	    -EBADMSG, 0 },
	{ "fewer", HEADER("\x2c", "\0") CONN4("\0", TUNNEL, NO_MARK), 44, -EBADMSG, 0 },
	{ "a longer message", HEADER("\x2d", "\1") CONN4("\0", TUNNEL, NO_MARK), 44,
	    -EBADMSG, 0 },
	{ "neither IPv4 nor IPv6", HEADER("\x2c", "\1") CONN4("\2", TUNNEL, NO_MARK), 44,
	    -EBADMSG, 0 },
	{ "version 0 of the format", "\1\1\0\x08" "\0\0\0\0", 8, -EBADMSG, 0 },
	{ "another version", "\0\1\0\x08" "\0\2\0\0", 8, -EBADMSG, 0 },
	{ "of a connection", HEADER("\x2c", "\1") "\0\6\x10\x24" TUNNEL
	    "\0\1\xa8\x32\0\x50\x1f\x90" NO_MARK "\0\0\3\x84" "\x0a\0\0\x64"
	    "\x0a\0\0\x32" "\x0a\xf4\2\3", 44, -EBADMSG, 0 },
	{ "a connection shorter than its addresses", HEADER("\x28", "\1")
	    "\0\6\0\x20" TUNNEL "\0\1\xa8\x32\0\x50\x1f\x90" NO_MARK "\0\0\3\x84"
	    "\x0a\0\0\x64" "\x0a\0\0\x32", 40, -EBADMSG, 0 },
};

static int
decode(const char *bytes, size_t len, struct sync_conn *ret, size_t *ret_n)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);	/* of exact size, for ASan */
	int r;

	memcpy(copy, bytes, len);
	r = conn_sync_decode(copy, len, ret, ret_n);
	free(copy);
	return r;
}

START_TEST(message)
{
	struct sync_conn conns[CONN_SYNC_MAX];
	size_t n = 77;
	int r = decode(messages[_i].bytes, messages[_i].len, conns, &n);

	ck_assert_msg(r == messages[_i].rc, "%s: %d", messages[_i].why, r);
	ck_assert_msg(n == (r == 0 ? messages[_i].n : 77), "%s: %zu", messages[_i].why, n);
	for (size_t len = 0; len < messages[_i].len; len++) {
		r = decode(messages[_i].bytes, len, conns, &n);
		ck_assert_msg(r == -EBADMSG, "%s, %zu bytes", messages[_i].why, len);
	}
}
END_TEST

START_TEST(fields)
{
	struct sync_conn c[CONN_SYNC_MAX];
	struct ip want;
	size_t n;

	ck_assert_int_eq(decode(messages[2].bytes, messages[2].len, c, &n), 0);
	want = ip_of("fd00:a::50");
	ck_assert(ip_eq(&c[0].vip, &want));
	want = ip_of("10.0.0.50");
	ck_assert(ip_eq(&c[1].vip, &want));
	want = ip_of("10.0.0.100");
	ck_assert(ip_eq(&c[1].client, &want));
	want = ip_of("10.244.2.3");
	ck_assert(ip_eq(&c[1].endpoint, &want));
	ck_assert_uint_eq(c[1].client_port, 43058);
	ck_assert_uint_eq(c[1].vip_port, 80);
	ck_assert_uint_eq(c[1].endpoint_port, 8080);
	ck_assert_uint_eq(c[1].state, 1);
	ck_assert_uint_eq(c[1].timeout_sec, 900);
	ck_assert(!c[1].is_template && !c[1].is_inactive);
}
END_TEST

/* What is written is read as it was, and is what the kernel would have written. */
START_TEST(round_trip)
{
	struct sync_conn c[CONN_SYNC_MAX];
	uint8_t buf[CONN_SYNC_MESSAGE_MAX];
	size_t n, len;

	ck_assert_int_eq(decode(messages[2].bytes, messages[2].len, c, &n), 0);
	c[0].fwd = c[1].fwd = IPVS_FWD_TUNNEL;
	len = conn_sync_encode(c, n, buf);
	ck_assert_uint_eq(len, messages[2].len);
	/* But for IP_VS_CONN_F_NOOUTPUT, which the kernel adds. */
	buf[8 + 7] |= 0x40;
	buf[8 + 72 + 7] |= 0x40;
	ck_assert_mem_eq(buf, messages[2].bytes, len);

	for (size_t i = 0; i < CONN_SYNC_MAX; i++)
		c[i] = (struct sync_conn){ .vip = ip_of("10.0.0.50"),
			.client = ip_of("192.0.2.1"), .endpoint = ip_of("10.244.2.3"),
			.client_port = (uint16_t)i, .is_template = i % 2 == 0,
			.is_inactive = i % 3 == 0 };
	len = conn_sync_encode(c, CONN_SYNC_MAX, buf);
	ck_assert_int_eq(decode((const char *)buf, len, c, &n), 0);
	ck_assert_uint_eq(n, CONN_SYNC_MAX);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(c[i].client_port, i);
		ck_assert_int_eq(c[i].is_template, i % 2 == 0);
		ck_assert_int_eq(c[i].is_inactive, i % 3 == 0);
	}
}
END_TEST

/* --- what is worth telling ---------------------------------------------------- */

static const struct {
	const char *why, *vip, *endpoint;
	uint16_t port, endpoint_port;
	uint8_t	proto;
	bool	is_template;
	bool	is_given, is_taken;
	uint8_t	fwd;
} choices[] = {
	{ "to another node", "10.0.0.50", "10.244.2.3", 80, 8080, IPPROTO_TCP, false,
	    true, true, IPVS_FWD_TUNNEL },
	{ "to one without a director", "10.0.0.50", "10.244.3.3", 80, 8080, IPPROTO_TCP,
	    false, true, true, IPVS_FWD_MASQ },
	{ "to a pod of this node: its second tier knows", "10.0.0.50", "10.244.1.3", 80,
	    8080, IPPROTO_TCP, false, true, false, 0 },
	{ "affinity to it: that is for the first tier", "10.0.0.50", "10.244.1.3", 80,
	    8080, IPPROTO_TCP, true, true, true, IPVS_FWD_MASQ },
	{ "no endpoint of the Service's", "10.0.0.50", "10.244.2.9", 80, 8080, IPPROTO_TCP,
	    false, false, false, 0 },
	{ "not by that port", "10.0.0.50", "10.244.2.3", 80, 8081, IPPROTO_TCP, false,
	    false, false, 0 },
	{ "another protocol", "10.0.0.50", "10.244.2.3", 80, 8080, IPPROTO_UDP, false,
	    false, false, 0 },
	{ "another VIP", "10.0.0.51", "10.244.2.3", 80, 8080, IPPROTO_TCP, false, false,
	    false, 0 },
	{ "policy Local: other nodes' endpoints are no good", "10.0.0.50", "10.244.2.3", 81,
	    8080, IPPROTO_TCP, false, false, false, 0 },
};

START_TEST(choice)
{
	const struct ipvs_endpoint eps[] = {
		{ .ip = ip_of("10.244.1.3"), .port = 8080, .reach = IPVS_REACH_LOCAL },
		{ .ip = ip_of("10.244.2.3"), .port = 8080, .reach = IPVS_REACH_TUNNEL },
		{ .ip = ip_of("10.244.3.3"), .port = 8080, .reach = IPVS_REACH_MASQ },
	};
	const struct ipvs_service services[] = {
		{ .vip = ip_of("10.0.0.50"), .proto = IPPROTO_TCP, .port = 80,
		    .endpoints = eps, .nendpoints = nitems(eps) },
		{ .vip = ip_of("10.0.0.50"), .proto = IPPROTO_TCP, .port = 81,
		    .endpoints = eps, .nendpoints = nitems(eps), .is_local_only = true },
	};
	const struct director_want want = { .services = services,
		.nservices = nitems(services) }, none = { 0 };
	struct sync_conn other = { .vip = ip_of("192.0.2.9") };
	struct sync_conn c = { .vip = ip_of(choices[_i].vip), .proto = choices[_i].proto,
		.client = ip_of("192.0.2.1"), .client_port = 4711,
		.endpoint = ip_of(choices[_i].endpoint), .vip_port = choices[_i].port,
		.endpoint_port = choices[_i].endpoint_port, .state = 1,
		.is_template = choices[_i].is_template };
	struct sync_conn given[] = { other, c }, taken[] = { other, c };
	size_t n = conn_sync_give(&want, given, 2);

	ck_assert_msg(n == choices[_i].is_given, "%s: given", choices[_i].why);
	ck_assert(n == 0 || given[0].client_port == 4711);
	n = conn_sync_take(&want, taken, 2);
	ck_assert_msg(n == choices[_i].is_taken, "%s: taken", choices[_i].why);
	ck_assert_msg(n == 0 || taken[0].fwd == choices[_i].fwd, "%s: fwd", choices[_i].why);
	ck_assert_msg(n == 0 || taken[0].state == (choices[_i].is_template ? 1 : 5),
	    "%s: a SYN does not continue it, nor does affinity end", choices[_i].why);
	ck_assert_uint_eq(conn_sync_take(&none, &c, 1), 0);
}
END_TEST

/* Of one client's ports; 1 is the port that is used again. */
static const struct {
	const char *why;
	struct { uint16_t port; const char *endpoint; bool is_template; } told[4];
	size_t	n;
	const char *given;	/* the last byte of each one's endpoint */
} words[] = {
	{ "each is told of", { { 1, "10.244.1.2", false }, { 2, "10.244.1.2", false } },
	    2, "2 2" },
	{ "of a port used again the new connection, not the one before",
	    { { 1, "10.244.1.2", false }, { 2, "10.244.1.2", false },
	      { 1, "10.244.1.2", false }, { 1, "10.244.1.3", false } }, 4, "2 3" },
	{ "though it is none for others to know",
	    { { 1, "10.244.1.2", false }, { 1, "10.244.9.9", false } }, 2, "" },
	{ "affinity is another matter",
	    { { 0, "10.244.1.2", true }, { 0, "10.244.1.3", false } }, 2, "2 3" },
};

START_TEST(last_word_counts)
{
	const struct ipvs_endpoint eps[] = {
		{ .ip = ip_of("10.244.1.2"), .port = 8080, .weight = 1 },
		{ .ip = ip_of("10.244.1.3"), .port = 8080, .weight = 1 },
	};
	const struct ipvs_service service = { .vip = ip_of("10.0.0.50"),
		.proto = IPPROTO_TCP, .port = 80, .endpoints = eps,
		.nendpoints = nitems(eps) };
	const struct director_want want = { .services = &service, .nservices = 1 };
	struct sync_conn conns[nitems(words[0].told)];
	char got[32] = "";
	size_t n;

	for (size_t i = 0; i < words[_i].n; i++)
		conns[i] = (struct sync_conn){ .vip = service.vip, .vip_port = 80,
			.proto = IPPROTO_TCP, .client = ip_of("192.0.2.1"),
			.client_port = words[_i].told[i].port, .endpoint_port = 8080,
			.endpoint = ip_of(words[_i].told[i].endpoint),
			.is_template = words[_i].told[i].is_template };
	n = conn_sync_give(&want, conns, words[_i].n);
	for (size_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u",
		    i > 0 ? " " : "", conns[i].endpoint.b[3]);
	ck_assert_msg(strcmp(got, words[_i].given) == 0, "%s: want \"%s\", got \"%s\"",
	    words[_i].why, words[_i].given, got);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, message, 0, nitems(messages));
	tcase_add_test(tc, fields);
	tcase_add_test(tc, round_trip);
	tcase_add_loop_test(tc, choice, 0, nitems(choices));
	tcase_add_loop_test(tc, last_word_counts, 0, nitems(words));
}

TEST_MAIN("conn_sync", fill)
