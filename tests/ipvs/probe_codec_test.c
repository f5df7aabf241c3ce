/* The messages of the gRPC and DNS probes: bytes out, verdicts from bytes in. */
#include <errno.h>
#include <string.h>

#include "ipvs/probe_dns.h"
#include "ipvs/probe_grpc.h"
#include "tests/check.h"

/* An exact-size copy, so that ASan sees a step past the end. */
static uint8_t *
exact(const void *p, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, p, len);
	return copy;
}

START_TEST(grpc_request)
{
	uint8_t buf[PROBE_GRPC_REQUEST_MAX];
	char name[300];

	ck_assert_uint_eq(probe_grpc_encode("", buf), 5);
	ck_assert_mem_eq(buf, "\0\0\0\0\0", 5);
	ck_assert_uint_eq(probe_grpc_encode("shop", buf), 11);
	ck_assert_mem_eq(buf, "\0\0\0\0\6\x0a\4shop", 11);
	memset(name, 'x', sizeof(name));
	name[200] = '\0';
	ck_assert_uint_eq(probe_grpc_encode(name, buf), 5 + 3 + 200);
	ck_assert_msg(memcmp(buf, "\0\0\0\0\xcb\x0a\xc8\x01x", 9) == 0,
	    "a length of two bytes");
	name[200] = 'x';
	name[299] = '\0';
	ck_assert_uint_eq(probe_grpc_encode(name, buf), PROBE_GRPC_REQUEST_MAX);
}
END_TEST

static const struct {
	const char *why, *bytes;
	size_t	len;
	int	rc;
	uint64_t status;
} grpc[] = {
	{ "serving", "\0\0\0\0\2\x08\1", 7, 0, PROBE_GRPC_SERVING },
	{ "not serving", "\0\0\0\0\2\x08\2", 7, 0, PROBE_GRPC_NOT_SERVING },
	{ "no field is its default", "\0\0\0\0\0", 5, 0, PROBE_GRPC_UNKNOWN },
	{ "the last one counts", "\0\0\0\0\4\x08\2\x08\1", 9, 0, PROBE_GRPC_SERVING },
	{ "a field that we do not know: bytes", "\0\0\0\0\6\x12\2ab\x08\1", 11, 0, 1 },
	{ "a number", "\0\0\0\0\5\x10\xff\1\x08\1", 10, 0, 1 },
	{ "eight bytes", "\0\0\0\0\x0b\x11""12345678\x08\1", 16, 0, 1 },
	{ "four bytes", "\0\0\0\0\7\x15""1234\x08\1", 12, 0, 1 },
	{ "a number of ten bytes", "\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
	    16, 0, UINT64_MAX },
	{ "and of eleven", "\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
	    17, -EBADMSG, 0 },
	{ "compressed", "\1\0\0\0\2\x08\1", 7, -EBADMSG, 0 },
	{ "more than the frame", "\0\0\0\0\2\x08\1x", 8, -EBADMSG, 0 },
	{ "a group, which nobody writes any more", "\0\0\0\0\1\x13", 6, -EBADMSG, 0 },
	{ "bytes beyond the end", "\0\0\0\0\2\x12\5", 7, -EBADMSG, 0 },
	{ "more bytes than there are addresses",
	    "\0\0\0\0\x0b\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 16, -EBADMSG, 0 },
};

START_TEST(grpc_response)
{
	for (size_t len = 0; len <= grpc[_i].len; len++) {
		uint8_t *buf = exact(grpc[_i].bytes, len);
		uint64_t status = 77;
		int rc = probe_grpc_decode(buf, len, &status);

		free(buf);
		/* A prefix of what is refused may be well formed. */
		if (len < grpc[_i].len && grpc[_i].rc != 0)
			continue;
		if (len < grpc[_i].len || grpc[_i].rc != 0) {
			ck_assert_msg(rc == -EBADMSG, "%s: %zu bytes", grpc[_i].why, len);
			ck_assert_msg(status == 77, "%s: touched", grpc[_i].why);
			continue;
		}
		ck_assert_msg(rc == 0 && status == grpc[_i].status, "%s", grpc[_i].why);
	}
}
END_TEST

#define ID "\x12\x34"
#define QUESTION "\1a\7example\0\0\1\0\1"
#define QUERY ID "\1\0\0\1\0\0\0\0\0\0" QUESTION
#define NQUERY (sizeof(QUERY) - 1)
/* id, flags, one question, n answers, nothing else */
#define ANSWER(flags, n) ID flags "\0\1\0" n "\0\0\0\0" QUESTION
#define RECORD_A "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
#define RECORD_CNAME "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0e"
#define RECORD_TXT "\1a\7example\0\0\x10\0\1\0\0\0\x3c\0\2\1x"

START_TEST(dns_query)
{
	uint8_t buf[PROBE_DNS_QUERY_MAX];
	char name[256];

	ck_assert_uint_eq(probe_dns_encode(0x1234, "a.example", 1, buf), NQUERY);
	ck_assert_mem_eq(buf, QUERY, NQUERY);
	ck_assert_uint_eq(probe_dns_encode(1, "", 1, buf), 0);
	ck_assert_uint_eq(probe_dns_encode(1, "a..b", 1, buf), 0);
	memset(name, 'x', 64);
	name[64] = '\0';
	ck_assert_msg(probe_dns_encode(1, name, 1, buf) == 0, "a label of 64");
	for (int i = 0; i < 255; i++)
		name[i] = i % 2 == 0 ? 'x' : '.';
	name[253] = '\0';
	ck_assert_msg(probe_dns_encode(1, name, 1, buf) == PROBE_DNS_QUERY_MAX,
	    "the longest there is");
	name[253] = '.';
	name[255] = '\0';
	ck_assert_msg(probe_dns_encode(1, name, 1, buf) == 0, "and one more");
}
END_TEST

static const struct {
	const char *why, *bytes;
	size_t	len;
	enum probe_dns_answer answer;
	uint8_t	rcode;
} dns[] = {
#define ROW(why, bytes, answer, rcode) { why, bytes, sizeof(bytes) - 1, answer, rcode }
	ROW("an address", ANSWER("\x81\x80", "\1") RECORD_A, PROBE_DNS_RECORD, 0),
	ROW("another name for it", ANSWER("\x81\x80", "\1") RECORD_CNAME,
	    PROBE_DNS_RECORD, 0),
	ROW("the second record is it", ANSWER("\x81\x80", "\2") RECORD_TXT RECORD_A,
	    PROBE_DNS_RECORD, 0),
	ROW("records of another type", ANSWER("\x81\x80", "\1") RECORD_TXT,
	    PROBE_DNS_EMPTY, 0),
	ROW("no records", ANSWER("\x81\x80", "\0"), PROBE_DNS_EMPTY, 0),
	ROW("cut: too many for UDP", ANSWER("\x83\x80", "\0"), PROBE_DNS_RECORD, 0),
	ROW("NXDOMAIN", ANSWER("\x81\x83", "\0"), PROBE_DNS_FAILED, 3),
	ROW("REFUSED, with the header alone", ID "\x81\x85\0\0\0\0\0\0\0\0",
	    PROBE_DNS_FAILED, 5),
	ROW("the question in capitals", ID "\x81\x80\0\1\0\1\0\0\0\0\1A\7EXAMPLE\0\0\1\0\1"
	    RECORD_A, PROBE_DNS_RECORD, 0),
	ROW("another question", ID "\x81\x80\0\1\0\1\0\0\0\0\1b\7example\0\0\1\0\1" RECORD_A,
	    PROBE_DNS_OTHER, 0),
	ROW("another id", "\x12\x35\x81\x80\0\1\0\1\0\0\0\0" QUESTION RECORD_A,
	    PROBE_DNS_OTHER, 0),
	ROW("our own query", QUERY, PROBE_DNS_OTHER, 0),
	ROW("a record that breaks off", ANSWER("\x81\x80", "\2") RECORD_TXT
	    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0", PROBE_DNS_BROKEN, 0),
	ROW("a label of a kind that does not exist", ANSWER("\x81\x80", "\1")
	    "\x40" RECORD_A, PROBE_DNS_BROKEN, 0),
	ROW("a name that never ends", ANSWER("\x81\x80", "\1") "\1a\1a\1a",
	    PROBE_DNS_BROKEN, 0),
#undef ROW
};

START_TEST(dns_answer)
{
	for (size_t len = 0; len <= dns[_i].len; len++) {
		uint8_t *buf = exact(dns[_i].bytes, len), rcode = 77;
		enum probe_dns_answer a = probe_dns_judge((const uint8_t *)QUERY, NQUERY,
		    buf, len, &rcode);

		free(buf);
		if (len == dns[_i].len)
			ck_assert_msg(a == dns[_i].answer, "%s: %d", dns[_i].why, a);
		else if (len < NQUERY)
			ck_assert_msg(a == PROBE_DNS_OTHER || a == PROBE_DNS_FAILED,
			    "%s: %zu bytes are no record", dns[_i].why, len);
		if (a == PROBE_DNS_FAILED)
			ck_assert_msg(rcode == dns[_i].rcode, "%s", dns[_i].why);
		else
			ck_assert_msg(rcode == 77, "%s: touched", dns[_i].why);
	}
}
END_TEST

START_TEST(rcode_names)
{
	ck_assert_str_eq(probe_dns_rcode_name(3), "NXDOMAIN");
	ck_assert_ptr_null(probe_dns_rcode_name(11));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, grpc_request);
	tcase_add_loop_test(tc, grpc_response, 0, nitems(grpc));
	tcase_add_test(tc, dns_query);
	tcase_add_loop_test(tc, dns_answer, 0, nitems(dns));
	tcase_add_test(tc, rcode_names);
}

TEST_MAIN("ipvs probe codecs", fill)
