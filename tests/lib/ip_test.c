#include <errno.h>
#include <string.h>

#include "lib/ip.h"
#include "tests/check.h"

static const struct {
	const char *why, *text;
	int rc;
	const char *canonical;
} parses[] = {
	{ "dotted decimal", "192.0.2.1", 0, "192.0.2.1" },
	{ "RFC 5952 shortens", "2001:DB8:0:0::0001", 0, "2001:db8::1" },
	{ "all zeros", "::", 0, "::" },
	{ "an octal-looking part is refused", "192.0.2.010", -EINVAL, NULL },
	{ "three parts are not an address", "192.0.2", -EINVAL, NULL },
	{ "a zone is not part of an address", "fe80::1%eth0", -EINVAL, NULL },
	{ "empty", "", -EINVAL, NULL },
	{ "leading space", " 192.0.2.1", -EINVAL, NULL },
	{ "out of range", "256.0.0.1", -EINVAL, NULL },
	{ "v4-mapped stays IPv6", "::ffff:192.0.2.1", 0, "::ffff:192.0.2.1" },
};

START_TEST(parse)
{
	struct ip a = { .family = 99 };

	ck_assert_msg(ip_parse(parses[_i].text, &a) == parses[_i].rc, "%s",
	    parses[_i].why);
	if (parses[_i].rc == 0)
		ck_assert_str_eq(IP_STR(&a), parses[_i].canonical);
	else
		ck_assert_msg(a.family == 99, "%s: output touched", parses[_i].why);
}
END_TEST

static const struct {
	const char *why, *text;
	int rc;
	const char *range;
	uint64_t size;
} ranges[] = {
	{ "a block", "10.0.0.0/30", 0, "10.0.0.0-10.0.0.3", 4 },
	{ "host bits are cleared", "10.0.0.5/30", 0, "10.0.0.4-10.0.0.7", 4 },
	{ "one host", "10.0.0.5/32", 0, "10.0.0.5-10.0.0.5", 1 },
	{ "everything", "0.0.0.0/0", 0, "0.0.0.0-255.255.255.255", UINT64_C(1) << 32 },
	{ "a range", "10.0.0.250-10.0.1.5", 0, "10.0.0.250-10.0.1.5", 12 },
	{ "spaces around the dash", "10.0.0.1 - 10.0.0.2", 0, "10.0.0.1-10.0.0.2", 2 },
	{ "one address as a range", "10.0.0.1-10.0.0.1", 0, "10.0.0.1-10.0.0.1", 1 },
	{ "reversed", "10.0.0.9-10.0.0.1", -ERANGE, NULL, 0 },
	{ "two families", "10.0.0.1-fd00::1", -EAFNOSUPPORT, NULL, 0 },
	{ "no length", "10.0.0.1", -EINVAL, NULL, 0 },
	{ "length too long", "10.0.0.1/33", -EINVAL, NULL, 0 },
	{ "length with a sign", "10.0.0.1/+8", -EINVAL, NULL, 0 },
	{ "length with a leading zero", "10.0.0.1/08", -EINVAL, NULL, 0 },
	{ "length missing", "10.0.0.1/", -EINVAL, NULL, 0 },
	{ "huge length", "10.0.0.1/4294967300", -EINVAL, NULL, 0 },
	{ "IPv6 block", "fd00::/120", 0, "fd00::-fd00::ff", 256 },
	{ "IPv6, 64 bits of hosts saturate", "fd00::/64", 0,
	    "fd00::-fd00::ffff:ffff:ffff:ffff", UINT64_MAX },
	{ "IPv6 length too long", "fd00::/129", -EINVAL, NULL, 0 },
};

START_TEST(range)
{
	struct ip_range r = { .first.family = 99 };

	ck_assert_msg(ip_range_parse(ranges[_i].text, &r) == ranges[_i].rc, "%s",
	    ranges[_i].why);
	if (ranges[_i].rc != 0) {
		ck_assert_msg(r.first.family == 99, "output touched");
		return;
	}
	ck_assert_str_eq(IP_RANGE_STR(&r), ranges[_i].range);
	ck_assert_msg(ip_range_size(&r) == ranges[_i].size, "%s", ranges[_i].why);
}
END_TEST

static const struct {
	const char *from;
	uint64_t n;
	const char *to;		/* NULL: -ERANGE */
} adds[] = {
	{ "10.0.0.1", 0, "10.0.0.1" },
	{ "10.0.0.255", 1, "10.0.1.0" },
	{ "0.0.0.0", 0xffffffff, "255.255.255.255" },
	{ "255.255.255.255", 1, NULL },
	{ "0.0.0.0", UINT64_C(1) << 32, NULL },
	{ "fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::" },
	{ "fd00::1", UINT64_MAX, "fd00:0:0:1::" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, NULL },
	{ "::ff", 1, "::100" },
};

START_TEST(add)
{
	struct ip from, to = { 0 };

	ck_assert_int_eq(ip_parse(adds[_i].from, &from), 0);
	if (adds[_i].to == NULL) {
		ck_assert_int_eq(ip_add(&from, adds[_i].n, &to), -ERANGE);
		return;
	}
	ck_assert_int_eq(ip_add(&from, adds[_i].n, &to), 0);
	ck_assert_str_eq(IP_STR(&to), adds[_i].to);
	ck_assert(ip_distance(&from, &to) == adds[_i].n);
}
END_TEST

static const struct {
	const char *prefix, *ip;
	bool is_inside;
} insides[] = {
	{ "10.0.0.0/8", "10.255.0.1", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/7", "11.0.0.0", true },
	{ "0.0.0.0/0", "1.2.3.4", true },
	{ "0.0.0.0/0", "::1", false },
	{ "fd00::/9", "fd7f::1", true },
	{ "fd00::/9", "fd80::1", false },
	{ "10.0.0.1/32", "10.0.0.1", true },
};

START_TEST(contains)
{
	struct ip_range r;
	struct prefix p;
	struct ip a;

	ck_assert_int_eq(prefix_parse(insides[_i].prefix, &p), 0);
	ck_assert_int_eq(ip_parse(insides[_i].ip, &a), 0);
	ck_assert_int_eq(prefix_contains(&p, &a), insides[_i].is_inside);
	r = ip_range_of_prefix(&p);
	ck_assert_int_eq(ip_range_contains(&r, &a), insides[_i].is_inside);
}
END_TEST

START_TEST(order)
{
	static const char *const sorted[] = { "0.0.0.1", "9.0.0.0", "10.0.0.0",
		"255.255.255.255", "::1", "fd00::1", "fd00::2", "fe80::" };
	struct ip a, b;

	for (size_t i = 0; i < nitems(sorted); i++) {
		for (size_t j = 0; j < nitems(sorted); j++) {
			int c;

			ip_parse(sorted[i], &a);
			ip_parse(sorted[j], &b);
			c = ip_cmp(&a, &b);
			ck_assert_int_eq((c > 0) - (c < 0), (i > j) - (i < j));
		}
	}
}
END_TEST

START_TEST(overlap)
{
	struct ip_range a, b, c;

	ip_range_parse("10.0.0.0/24", &a);
	ip_range_parse("10.0.0.255-10.0.1.0", &b);
	ip_range_parse("10.0.1.0/24", &c);
	ck_assert(ip_range_overlaps(&a, &b));
	ck_assert(ip_range_overlaps(&b, &a));
	ck_assert(ip_range_overlaps(&b, &c));
	ck_assert(!ip_range_overlaps(&a, &c));
}
END_TEST

START_TEST(sockaddr)
{
	struct sockaddr_storage ss;
	struct ip a, back;

	ip_parse("fd00::9", &a);
	ck_assert_uint_eq(ip_to_sockaddr(&a, 80, &ss), sizeof(struct sockaddr_in6));
	back = ip_from_sockaddr((struct sockaddr *)&ss);
	ck_assert(ip_eq(&a, &back));
	a = ip_from_v4(0x0a000001);
	ck_assert_uint_eq(ip_to_sockaddr(&a, 80, &ss), sizeof(struct sockaddr_in));
	back = ip_from_sockaddr((struct sockaddr *)&ss);
	ck_assert(ip_eq(&a, &back));
	ck_assert_uint_eq(ip_to_v4(&back), 0x0a000001);
}
END_TEST

static const struct {
	const char *ip;
	bool is_special, is_link_local;
} kinds[] = {
	{ "0.0.0.0", true, false }, { "0.1.2.3", true, false },
	{ "127.0.0.1", true, false }, { "224.0.0.1", true, false },
	{ "255.255.255.255", true, false }, { "192.0.2.1", false, false },
	{ "169.254.1.1", false, true }, { "::", true, false },
	{ "::1", true, false }, { "ff02::1", true, false },
	{ "fe80::1", false, true }, { "febf::1", false, true },
	{ "fec0::1", false, false }, { "::2", false, false },
};

START_TEST(kind)
{
	struct ip a;

	ip_parse(kinds[_i].ip, &a);
	ck_assert_msg(ip_is_special(&a) == kinds[_i].is_special, "%s", kinds[_i].ip);
	ck_assert_msg(ip_is_link_local(&a) == kinds[_i].is_link_local, "%s",
	    kinds[_i].ip);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, parse, 0, nitems(parses));
	tcase_add_loop_test(tc, range, 0, nitems(ranges));
	tcase_add_loop_test(tc, add, 0, nitems(adds));
	tcase_add_loop_test(tc, contains, 0, nitems(insides));
	tcase_add_loop_test(tc, kind, 0, nitems(kinds));
	tcase_add_test(tc, order);
	tcase_add_test(tc, overlap);
	tcase_add_test(tc, sockaddr);
}

TEST_MAIN("ip", fill)
