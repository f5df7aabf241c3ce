/* sort_items() does what qsort() does, and does nothing where nothing is to do. */
#include <stdbool.h>
#include <string.h>

#include "lib/sort.h"
#include "tests/check.h"

static size_t ncompared;

static int
cmp(const void *a, const void *b)
{
	ncompared++;
	return *(const char *)a - *(const char *)b;
}

static const struct {
	const char *why, *items, *sorted;
	bool	is_one_pass;
} rows[] = {
	{ "nothing", "", "", true },
	{ "one item", "a", "a", true },
	{ "in order", "abcdefgh", "abcdefgh", true },
	{ "equal ones count as in order", "aabbccdd", "aabbccdd", true },
	{ "the last is out of order", "bcdefgha", "abcdefgh", false },
	{ "the first is", "habcdefg", "abcdefgh", false },
	{ "backwards", "hgfedcba", "abcdefgh", false },
};

START_TEST(sorts)
{
	char items[16];
	size_t n = strlen(rows[_i].items);

	memcpy(items, rows[_i].items, n + 1);
	ncompared = 0;
	sort_items(items, n, 1, cmp);
	ck_assert_msg(strcmp(items, rows[_i].sorted) == 0, "%s: %s", rows[_i].why, items);
	if (rows[_i].is_one_pass)
		ck_assert_msg(ncompared + 1 <= n + (n == 0), "%s: %zu comparisons",
		    rows[_i].why, ncompared);
}
END_TEST

START_TEST(nothing_at_all)
{
	sort_items(NULL, 0, 1, cmp);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, sorts, 0, nitems(rows));
	tcase_add_test(tc, nothing_at_all);
}

TEST_MAIN("sort", fill)
