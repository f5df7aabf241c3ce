/* Alarms on a real loop: each rings once, in order, never early. */
#include <ev.h>

#include "lib/alarm_io.h"
#include "lib/clock.h"
#include "tests/check.h"

enum { NALARMS = 300, SPAN_US = 20000 };

static struct fixture {
	struct ev_loop *loop;
	struct alarms *alarms;
	struct alarm alarm[NALARMS];
	struct mono due[NALARMS];	/* the shadow: when each is to ring, or never */
	struct mono last;		/* due time of the last that rang */
	unsigned nleft;
	uint64_t random;
} f;

static uint32_t
below(uint32_t n)
{
	f.random = f.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(f.random >> 33) % n;
}

static void
on_ring(void *arg)
{
	struct mono *due = arg;

	ck_assert_msg(due->ns != MONO_NEVER.ns, "it was stopped, or has rung");
	ck_assert_msg(mono_reached(clock_mono(), *due), "early");
	ck_assert_msg(!mono_before(*due, f.last), "one that was due later rang first");
	ck_assert(!alarm_is_set(&f.alarm[due - f.due]));
	f.last = *due;
	*due = MONO_NEVER;
	if (--f.nleft == 0)
		ev_break(f.loop, EVBREAK_ALL);
}

static void
set(unsigned i, struct mono due)
{
	f.nleft += due.ns != MONO_NEVER.ns;
	f.nleft -= f.due[i].ns != MONO_NEVER.ns;
	f.due[i] = due;
	alarm_set(f.alarms, &f.alarm[i], due);
	ck_assert(alarm_is_set(&f.alarm[i]) == (due.ns != MONO_NEVER.ns));
}

static void
open_all(uint64_t seed)
{
	f = (struct fixture){ .loop = ev_loop_new(EVFLAG_AUTO), .random = seed };
	f.alarms = alarms_new(f.loop);
	ck_assert(f.alarms != NULL);
	for (unsigned i = 0; i < NALARMS; i++) {
		f.due[i] = MONO_NEVER;
		alarm_init(&f.alarm[i], on_ring, &f.due[i]);
	}
}

static void
close_all(void)
{
	alarms_free(f.alarms);
	ev_loop_destroy(f.loop);
}

/* Set, set anew and stopped at random, with times that are past and times alike. */
START_TEST(like_the_shadow)
{
	struct mono start;

	open_all((uint64_t)_i + 1);
	start = clock_mono();
	for (unsigned n = 0; n < 3 * NALARMS; n++) {
		unsigned i = below(NALARMS);

		if (below(4) == 0) {
			f.nleft -= f.due[i].ns != MONO_NEVER.ns;
			f.due[i] = MONO_NEVER;
			alarm_stop(f.alarms, &f.alarm[i]);
		} else {
			set(i, mono_add_us(start, below(SPAN_US)));
		}
	}
	set(0, (struct mono){ .ns = 0 });
	set(1, MONO_NEVER);
	ev_run(f.loop, 0);
	ck_assert_uint_eq(f.nleft, 0);
	close_all();
}
END_TEST

static unsigned nrung;

static void
on_again(void *arg)
{
	struct alarm *w = arg;

	if (++nrung < 100)
		alarm_set(f.alarms, w, mono_add_us(clock_mono(), nrung % 2 * 300));
	else
		ev_break(f.loop, EVBREAK_ALL);
}

static void
on_other(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	(*(unsigned *)w->data)++;
}

/* One that is always due at once lets the loop's other events come through. */
START_TEST(sets_itself_again)
{
	unsigned nother = 0;
	struct alarm w;
	ev_timer other;

	open_all(1);
	nrung = 0;
	alarm_init(&w, on_again, &w);
	alarm_set(f.alarms, &w, (struct mono){ .ns = 0 });
	ev_timer_init(&other, on_other, 0., 0.000001);
	other.data = &nother;
	ev_timer_start(f.loop, &other);
	ev_run(f.loop, 0);
	ck_assert_uint_eq(nrung, 100);
	ck_assert_uint_ge(nother, 50);
	ev_timer_stop(f.loop, &other);
	close_all();
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, like_the_shadow, 0, 10);
	tcase_add_test(tc, sets_itself_again);
}

TEST_MAIN("alarm", fill)
