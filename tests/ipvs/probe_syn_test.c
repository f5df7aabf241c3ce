/* The half-open check's packets: the SYN as bytes, and verdicts from bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/probe_syn.h"
#include "tests/hex.h"

/* Checksums by another program. */
static const struct {
	const char *why, *from, *to;
	uint16_t to_port;
	uint32_t seq;
	const char *bytes;
} syns[] = {
	{ "IPv4: DF, MSS 1460; the kernel sums up the header", "169.254.77.2", "10.1.0.7",
	    8080, 0xdeadbeef, "4500 002c 0001 4000 40 06 0000 a9fe4d02 0a010007"
	    "9c41 1f90 deadbeef 00000000 60 02 ffff 3daf 0000 02 04 05b4" },
	{ "IPv6: MSS 1440", "fd48:6572:616c:64::2", "fd00:1::7", 443, 0x01020304,
	    "60000000 0018 06 40 fd486572616c00640000000000000002"
	    "fd000001000000000000000000000007"
	    "9c41 01bb 01020304 00000000 60 02 ffff 34a2 0000 02 04 05a0" },
};

START_TEST(encode)
{
	struct probe_syn s = { .from = ip(syns[_i].from), .to = ip(syns[_i].to),
		.from_port = 40001, .to_port = syns[_i].to_port, .seq = syns[_i].seq };
	uint8_t *buf = malloc(PROBE_SYN_MAX), *expect;
	size_t len, n = probe_syn_encode(&s, buf);

	expect = unhex(syns[_i].bytes, &len);
	ck_assert_msg(n == len && memcmp(buf, expect, n) == 0, "%s", syns[_i].why);
	free(buf);
	free(expect);
}
END_TEST

/* The one's complement sum over a whole packet comes to 0 whatever is in it. */
START_TEST(checksums)
{
	struct probe_syn s = { .from = ip("192.0.2.1"), .to = ip("192.0.2.2"),
		.from_port = 1, .to_port = 1 };

	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t buf[PROBE_SYN_MAX];
		uint32_t sum = IPPROTO_TCP + 24;

		s.seq = i * 0x9e3779b9u;
		s.to.b[3] = (uint8_t)i;
		s.from_port = (uint16_t)(s.seq >> 7);
		ck_assert_uint_eq(probe_syn_encode(&s, buf), 44);
		for (size_t at = 12; at < 44; at += 2)
			sum += (uint32_t)(buf[at] << 8 | buf[at + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ck_assert_uint_eq(sum, 0xffff);
	}
}
END_TEST

START_TEST(slots)
{
	static const uint32_t some[] = { 0, 1, 77, 0x80000000, 0xfffff, UINT32_MAX };

	for (size_t s = 0; s < nitems(some); s++) {
		for (size_t r = 0; r < nitems(some); r++) {
			uint32_t slot = some[s] % PROBE_SYN_NSLOTS;
			uint32_t seq = probe_syn_seq(slot, some[r], some[s]);

			ck_assert_uint_eq(probe_syn_slot(seq, some[r]), slot);
		}
	}
	ck_assert_msg(probe_syn_seq(5, 9, 1) != probe_syn_seq(5, 9, 2),
	    "each SYN of a slot has another");
}
END_TEST

#define IPV4 "4500 002c 0000 4000 40 06 0000 0a010007 a9fe4d02 "
#define OPTIONS "4600 0030 0000 4000 40 06 0000 0a010007 a9fe4d02 01010101 "
#define PORTS "1f90 9c41 "		/* from 8080 to 40001 */
#define TCP(flags) PORTS "00000077 deadbef0 60 " flags " ffff 0000 0000 020405b4"

/* Of a SYN from port 40001 to 8080 with the number deadbeef. */
static const struct {
	const char *why;
	enum ip_family family;
	const char *bytes;
	enum probe_syn_verdict verdict;
	size_t	needed;			/* bytes that are looked at; the rest may lack */
} heard[] = {
	{ "SYN-ACK", IP_V4, IPV4 TCP("12"), PROBE_SYN_OPEN, 40 },
	{ "SYN-ACK over IPv6", IP_V6, TCP("12"), PROBE_SYN_OPEN, 20 },
	{ "IPv4 options are stepped over", IP_V4, OPTIONS TCP("12"), PROBE_SYN_OPEN, 44 },
	{ "SYN-ACK with ECE", IP_V4, IPV4 TCP("52"), PROBE_SYN_OPEN, 40 },
	{ "RST-ACK: nothing listens", IP_V4, IPV4 TCP("14"), PROBE_SYN_REFUSED, 40 },
	{ "RST-ACK over IPv6", IP_V6, TCP("14"), PROBE_SYN_REFUSED, 20 },
	{ "RST alone acknowledges nothing: whose it is cannot be told", IP_V4,
	    IPV4 TCP("04"), PROBE_SYN_OTHER, 0 },
	{ "ACK alone: a connection that it believes in", IP_V4, IPV4 TCP("10"),
	    PROBE_SYN_OTHER, 0 },
	{ "SYN alone: both open at once, which none of ours does", IP_V4, IPV4 TCP("02"),
	    PROBE_SYN_OTHER, 0 },
	{ "all at once is nonsense", IP_V4, IPV4 TCP("16"), PROBE_SYN_OTHER, 0 },
	{ "no flags", IP_V4, IPV4 TCP("00"), PROBE_SYN_OTHER, 0 },
	{ "an IPv4 header of 4 words", IP_V4, "4400 002c 0000 4000 40 06 0000 0a010007"
	    TCP("12"), PROBE_SYN_OTHER, 0 },
	{ "not IPv4", IP_V4, "6500 002c 0000 4000 40 06 0000 0a010007 a9fe4d02" TCP("12"),
	    PROBE_SYN_OTHER, 0 },
};

START_TEST(judge)
{
	size_t whole;

	free(unhex(heard[_i].bytes, &whole));
	for (size_t len = 0; len <= whole; len++) {
		struct probe_syn_answer a = { .from_port = 1, .to_port = 2, .seq = 3 };
		uint8_t *all = unhex(heard[_i].bytes, &whole), *buf = malloc(len + !len);
		bool is_judged = heard[_i].verdict != PROBE_SYN_OTHER &&
		    len >= heard[_i].needed;
		enum probe_syn_verdict v;

		memcpy(buf, all, len);
		v = probe_syn_judge(heard[_i].family, buf, len, &a);
		ck_assert_msg(v == (is_judged ? heard[_i].verdict : PROBE_SYN_OTHER),
		    "%s: %zu bytes: %d", heard[_i].why, len, v);
		if (is_judged)
			ck_assert_msg(a.from_port == 40001 && a.to_port == 8080 &&
			    a.seq == 0xdeadbeef, "%s", heard[_i].why);
		else
			ck_assert_msg(a.from_port == 1 && a.to_port == 2 && a.seq == 3,
			    "%s: touched", heard[_i].why);
		/* Over IPv6 a raw socket does not get the header. */
		if (is_judged && heard[_i].family == IP_V4)
			ck_assert_str_eq(IP_STR(&a.to), "10.1.0.7");
		else
			ck_assert(!ip_is_set(&a.to));
		free(all);
		free(buf);
	}
}
END_TEST

START_TEST(quoted)
{
	size_t whole;
	uint8_t *all = unhex("9c41 1f90 deadbeef 00", &whole);

	for (size_t len = 0; len <= whole; len++) {
		struct probe_syn_answer a = { .from_port = 1, .to_port = 2, .seq = 3 };
		uint8_t *buf = malloc(len + !len);
		int rc;

		memcpy(buf, all, len);
		rc = probe_syn_quoted(buf, len, &a);
		free(buf);
		ck_assert_int_eq(rc, len < 8 ? -EBADMSG : 0);
		ck_assert_uint_eq(a.from_port, len < 8 ? 1 : 40001);
		ck_assert_uint_eq(a.to_port, len < 8 ? 2 : 8080);
		ck_assert_uint_eq(a.seq, len < 8 ? 3 : 0xdeadbeef);
	}
	free(all);
}
END_TEST

static const struct {
	const char *why, *to;
	uint16_t from_port, to_port;
	uint32_t seq;
	bool	is_it;
} answers[] = {
	{ "it is", "10.1.0.7", 40001, 8080, 9, true },
	{ "from another address", "10.1.0.8", 40001, 8080, 9, false },
	{ "from the same in IPv6", "::ffff:10.1.0.7", 40001, 8080, 9, false },
	{ "from nobody", NULL, 40001, 8080, 9, false },
	{ "from another port", "10.1.0.7", 40001, 8081, 9, false },
	{ "to another port", "10.1.0.7", 40002, 8080, 9, false },
	{ "to an earlier SYN", "10.1.0.7", 40001, 8080, 8, false },
};

START_TEST(is_answer)
{
	struct probe_syn s = { .from = ip("10.1.0.1"), .to = ip("10.1.0.7"),
		.from_port = 40001, .to_port = 8080, .seq = 9 };
	struct probe_syn_answer a = { .from_port = answers[_i].from_port,
		.to_port = answers[_i].to_port, .seq = answers[_i].seq };

	if (answers[_i].to != NULL)
		a.to = ip(answers[_i].to);
	ck_assert_msg(probe_syn_is_answer(&s, &a) == answers[_i].is_it, "%s",
	    answers[_i].why);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, encode, 0, nitems(syns));
	tcase_add_test(tc, checksums);
	tcase_add_test(tc, slots);
	tcase_add_loop_test(tc, judge, 0, nitems(heard));
	tcase_add_test(tc, quoted);
	tcase_add_loop_test(tc, is_answer, 0, nitems(answers));
}

TEST_MAIN("ipvs probe SYN", fill)
