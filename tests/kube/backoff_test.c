/* How long to wait before the next try. */
#include <stdlib.h>

#include "kube/backoff.h"
#include "lib/mem.h"
#include "tests/check.h"

static const struct {
	const char *why;
	unsigned nfailed;
	uint64_t random;
	int64_t asked_ms;
	int64_t want_ms;
} rows[] = {
	{ "the first delay is half of base at least", 0, 0, 0, 100 },
	{ "and all of it at most", 0, 100, 0, 200 },
	{ "it doubles", 1, 0, 0, 200 },
	{ "and doubles", 3, 0, 0, 800 },
	{ "the cap holds", 10, 0, 0, 5000 },
	{ "with its jitter", 10, 5000, 0, 10000 },
	{ "no overflow after a long outage", 4000000000u, 0, 0, 5000 },
	{ "the largest random number is one like others", 0, UINT64_MAX, 0,
	    100 + (int64_t)(UINT64_MAX % 101) },
	{ "Retry-After longer than our own delay counts", 0, 0, 3000, 3000 },
	{ "with a tenth of jitter on top", 0, 300, 3000, 3300 },
	{ "Retry-After shorter than our own does not", 10, 0, 1000, 5000 },
	{ "Retry-After of a day is not obeyed", 0, 0, 86400000, BACKOFF_ASKED_MAX_MS },
};

START_TEST(next)
{
	struct backoff b = { .base_ms = 200, .cap_ms = 10000,
	    .nfailed = rows[_i].nfailed };
	int64_t got = backoff_next_ms(&b, rows[_i].random, rows[_i].asked_ms);

	ck_assert_msg(got == rows[_i].want_ms, "%s: %ld ms, not %ld", rows[_i].why,
	    (long)got, (long)rows[_i].want_ms);
	ck_assert_uint_eq(b.nfailed, rows[_i].nfailed + 1);
}
END_TEST

START_TEST(reset)
{
	struct backoff b = { .base_ms = 200, .cap_ms = 10000, .nfailed = 9 };

	backoff_reset(&b);
	ck_assert_int_eq(backoff_next_ms(&b, 0, 0), 100);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, next, 0, (int)nitems(rows));
	tcase_add_test(tc, reset);
}

TEST_MAIN("backoff", fill)
