/* The timing wheel: single steps, and a long random walk beside a plain list. */
#include <string.h>

#include "ipvs/wheel.h"
#include "tests/check.h"

#define START_NS (1000 * NSEC_PER_SEC)
#define ROUND_MS (WHEEL_NSLOTS * WHEEL_SLOT_MS)

static struct mono
at(int64_t ms)
{
	return (struct mono){ .ns = START_NS + ms * NSEC_PER_MSEC };
}

static const struct {
	const char *why;
	int64_t	put_ms, due_ms;		/* when it is put, and for when */
	int64_t	early_ms, late_ms;	/* looked for: not there yet, there */
} rows[] = {
	{ "soon", 0, 10, 9, 10 },
	{ "in the slot of this moment, and not due yet", 0, 1, 0, 1 },
	{ "at once", 5, 5, -1, 5 },
	{ "overdue when it is put", 50, 20, -1, 50 },
	{ "in the last slot of a round", 0, ROUND_MS - 1, ROUND_MS - 2, ROUND_MS - 1 },
	{ "exactly a round off, in this slot again", 0, ROUND_MS, ROUND_MS - 1, ROUND_MS },
	{ "rounds off", 3, 3 * ROUND_MS + 7, 2 * ROUND_MS + 7, 3 * ROUND_MS + 7 },
	{ "an hour off, the caller having slept", 0, 3600000, 0, 3700000 },
};

START_TEST(one)
{
	struct wheel w;
	struct wheel_entry e = { .next = NULL };

	wheel_init(&w, at(0));
	ck_assert_ptr_null(wheel_next(&w, at(rows[_i].put_ms)));
	wheel_put(&w, &e, at(rows[_i].due_ms));
	if (rows[_i].early_ms >= 0)
		ck_assert_msg(wheel_next(&w, at(rows[_i].early_ms)) == NULL, "%s: early",
		    rows[_i].why);
	ck_assert_msg(wheel_next(&w, at(rows[_i].late_ms)) == &e, "%s", rows[_i].why);
	ck_assert_ptr_null(wheel_next(&w, at(rows[_i].late_ms)));
	ck_assert(wheel_deadline(&w).ns == MONO_NEVER.ns);
}
END_TEST

START_TEST(moved_and_dropped)
{
	struct wheel w;
	struct wheel_entry a = { .next = NULL }, b = { .next = NULL };

	wheel_init(&w, at(0));
	wheel_drop(&w, &a);
	wheel_put(&w, &a, at(10));
	wheel_put(&w, &b, at(10));
	wheel_put(&w, &a, at(30));
	ck_assert_ptr_eq(wheel_next(&w, at(20)), &b);
	ck_assert_ptr_null(wheel_next(&w, at(20)));
	wheel_put(&w, &b, at(30));
	/* The other one is late by now, and is dropped and moved as ever. */
	ck_assert_ptr_eq(wheel_next(&w, at(31)), &a);
	wheel_drop(&w, &b);
	ck_assert_ptr_null(wheel_next(&w, at(40)));
	ck_assert_uint_eq(w.n, 0);
}
END_TEST

/* Deadlines are met, none early, none later than a slot after wheel_deadline(). */
START_TEST(random_walk)
{
	enum { N = 200, STEPS = 20000 };
	struct wheel w;
	struct wheel_entry e[N];
	uint64_t seed = 42;
	struct mono now = at(0);

	memset(e, 0, sizeof(e));
	wheel_init(&w, now);
	for (unsigned step = 0; step < STEPS; step++) {
		struct wheel_entry *x, *mine;
		struct mono first = MONO_NEVER, next;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		mine = &e[(seed >> 33) % N];
		if (seed >> 62 == 0)
			wheel_drop(&w, mine);
		else
			wheel_put(&w, mine, mono_add_ns(now, (int64_t)((seed >> 20) %
			    (uint64_t)(5 * NSEC_PER_SEC))));
		for (size_t i = 0; i < N; i++) {
			if (e[i].next != NULL)
				first = mono_min(first, e[i].due);
		}
		next = wheel_deadline(&w);
		ck_assert((first.ns == MONO_NEVER.ns) == (next.ns == MONO_NEVER.ns));
		if (next.ns == MONO_NEVER.ns)
			continue;
		ck_assert_msg(next.ns <= first.ns + WHEEL_SLOT_MS * NSEC_PER_MSEC,
		    "step %u: it would be met too late", step);
		if (step % 3 != 0)
			continue;
		now = mono_before(now, next) ? next : now;
		while ((x = wheel_next(&w, now)) != NULL)
			ck_assert_msg(mono_reached(now, x->due), "step %u: early", step);
		for (size_t i = 0; i < N; i++)
			ck_assert_msg(e[i].next == NULL || mono_before(now, e[i].due),
			    "step %u: one was left", step);
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, one, 0, nitems(rows));
	tcase_add_test(tc, moved_and_dropped);
	tcase_add_test(tc, random_walk);
}

TEST_MAIN("ipvs wheel", fill)
