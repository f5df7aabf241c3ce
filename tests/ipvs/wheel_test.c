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

/* One that is due, or NULL. */
static struct wheel_entry *
take_one(struct wheel *w, struct mono now)
{
	struct wheel_entry *e = NULL;

	ck_assert_uint_eq(wheel_take(w, now, &e, 1), e != NULL);
	return e;
}

START_TEST(one)
{
	struct wheel w;
	struct wheel_entry e = { .place = 0 };

	wheel_init(&w, at(0));
	ck_assert_ptr_null(take_one(&w, at(rows[_i].put_ms)));
	wheel_put(&w, &e, at(rows[_i].due_ms));
	if (rows[_i].early_ms >= 0)
		ck_assert_msg(take_one(&w, at(rows[_i].early_ms)) == NULL, "%s: early",
		    rows[_i].why);
	ck_assert_msg(take_one(&w, at(rows[_i].late_ms)) == &e, "%s", rows[_i].why);
	ck_assert_ptr_null(take_one(&w, at(rows[_i].late_ms)));
	ck_assert(wheel_deadline(&w).ns == MONO_NEVER.ns);
	wheel_fini(&w);
}
END_TEST

START_TEST(moved_and_dropped)
{
	struct wheel w;
	struct wheel_entry a = { .place = 0 }, b = { .place = 0 };

	wheel_init(&w, at(0));
	wheel_drop(&w, &a);
	wheel_put(&w, &a, at(10));
	wheel_put(&w, &b, at(10));
	wheel_put(&w, &a, at(30));
	ck_assert_ptr_eq(take_one(&w, at(20)), &b);
	ck_assert_ptr_null(take_one(&w, at(20)));
	wheel_put(&w, &b, at(30));
	/* The other one is late by now, and is dropped as ever. */
	wheel_drop(&w, take_one(&w, at(31)) == &a ? &b : &a);
	ck_assert_ptr_null(take_one(&w, at(40)));
	ck_assert_uint_eq(w.n, 0);
	wheel_fini(&w);
}
END_TEST

/* More are due, in several slots and of several rounds, than are taken at a time. */
START_TEST(some_at_a_time)
{
	enum { N = 100, MAX = 7 };
	struct wheel w;
	struct wheel_entry e[N], *taken[MAX];
	size_t n, all = 0;

	memset(e, 0, sizeof(e));
	wheel_init(&w, at(0));
	for (int i = 0; i < N; i++)
		wheel_put(&w, &e[i], at(i % 9 + (i % 2 > 0 ? ROUND_MS : 0)));
	for (int64_t ms = 9; ms < 2 * ROUND_MS; ms += ROUND_MS) {
		do {
			n = wheel_take(&w, at(ms), taken, MAX);
			all += n;
			ck_assert(n == MAX || wheel_take(&w, at(ms), taken, MAX) == 0);
		} while (n == MAX);
		ck_assert_uint_eq(all, ms == 9 ? N / 2 : N);
		ck_assert_uint_eq(w.n, N - all);
	}
	wheel_fini(&w);
}
END_TEST

/* Deadlines are met, none early, none later than a slot after wheel_deadline(). */
START_TEST(random_walk)
{
	enum { N = 200, STEPS = 20000 };
	struct wheel w;
	struct wheel_entry e[N];
	struct mono due[N];		/* MONO_NEVER: not in */
	uint64_t seed = 42;
	struct mono now = at(0);

	memset(e, 0, sizeof(e));
	for (size_t i = 0; i < N; i++)
		due[i] = MONO_NEVER;
	wheel_init(&w, now);
	for (unsigned step = 0; step < STEPS; step++) {
		struct wheel_entry *x;
		struct mono first = MONO_NEVER, next;
		size_t mine;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		mine = (seed >> 33) % N;
		due[mine] = seed >> 62 == 0 ? MONO_NEVER : mono_add_ns(now,
		    (int64_t)((seed >> 20) % (uint64_t)(5 * NSEC_PER_SEC)));
		if (seed >> 62 == 0)
			wheel_drop(&w, &e[mine]);
		else
			wheel_put(&w, &e[mine], due[mine]);
		for (size_t i = 0; i < N; i++)
			first = mono_min(first, due[i]);
		next = wheel_deadline(&w);
		ck_assert((first.ns == MONO_NEVER.ns) == (next.ns == MONO_NEVER.ns));
		if (next.ns == MONO_NEVER.ns)
			continue;
		ck_assert_msg(next.ns <= first.ns + WHEEL_SLOT_MS * NSEC_PER_MSEC,
		    "step %u: it would be met too late", step);
		if (step % 3 != 0)
			continue;
		now = mono_before(now, next) ? next : now;
		while ((x = take_one(&w, now)) != NULL) {
			ck_assert_msg(mono_reached(now, due[x - e]), "step %u: early", step);
			due[x - e] = MONO_NEVER;
		}
		for (size_t i = 0; i < N; i++)
			ck_assert_msg(mono_before(now, due[i]), "step %u: one was left",
			    step);
	}
	wheel_fini(&w);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, one, 0, nitems(rows));
	tcase_add_test(tc, moved_and_dropped);
	tcase_add_test(tc, some_at_a_time);
	tcase_add_test(tc, random_walk);
}

TEST_MAIN("ipvs wheel", fill)
