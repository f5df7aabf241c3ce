#include <stdio.h>
#include <string.h>

#include "speaker/elect.h"
#include "tests/check.h"

enum { NVIPS = 3000 };

static const char *const names[] = { "n1", "n2", "n3", "n4", "n5" };

static struct ip
vip(unsigned i)
{
	return ip_from_v4(0xc0a80000 + i);
}

START_TEST(nobody)
{
	struct ip v = vip(1);

	ck_assert_uint_eq(elect_owner(&v, NULL, 0), 0);
}
END_TEST

START_TEST(order_does_not_matter)
{
	const char *turned[nitems(names)];

	for (size_t i = 0; i < nitems(names); i++)
		turned[i] = names[nitems(names) - 1 - i];
	for (unsigned i = 0; i < NVIPS; i++) {
		struct ip v = vip(i);

		ck_assert_str_eq(names[elect_owner(&v, names, nitems(names))],
		    turned[elect_owner(&v, turned, nitems(names))]);
	}
}
END_TEST

START_TEST(only_what_must_moves)
{
	unsigned moved = 0;

	/* n3 leaves: its VIPs find a new owner, every other VIP stays. */
	static const char *const left[] = { "n1", "n2", "n4", "n5" };

	for (unsigned i = 0; i < NVIPS; i++) {
		struct ip v = vip(i);
		const char *before = names[elect_owner(&v, names, nitems(names))];
		const char *after = left[elect_owner(&v, left, nitems(left))];

		if (strcmp(before, "n3") == 0)
			moved++;
		else
			ck_assert_str_eq(before, after);
	}
	ck_assert(moved > 0);
}
END_TEST

START_TEST(spread)
{
	unsigned held[nitems(names)] = { 0 };

	for (unsigned i = 0; i < NVIPS; i++) {
		struct ip v = vip(i);

		held[elect_owner(&v, names, nitems(names))]++;
	}
	/* 600 each; a fair hash stays within four standard deviations, 88. */
	for (size_t i = 0; i < nitems(names); i++)
		ck_assert_msg(held[i] > 512 && held[i] < 688, "%s holds %u", names[i],
		    held[i]);
}
END_TEST

START_TEST(same_in_every_release)
{
	struct ip v6, v4 = vip(7);

	ip_parse("fd00::7", &v6);
	ck_assert_str_eq(names[elect_owner(&v4, names, nitems(names))], "n5");
	ck_assert_str_eq(names[elect_owner(&v6, names, nitems(names))], "n1");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, nobody);
	tcase_add_test(tc, order_does_not_matter);
	tcase_add_test(tc, only_what_must_moves);
	tcase_add_test(tc, spread);
	tcase_add_test(tc, same_in_every_release);
}

TEST_MAIN("elect", fill)
