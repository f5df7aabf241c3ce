/* The worker: a job beside the loop, its end on the loop. */
#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "speaker/worker_io.h"
#include "tests/check.h"

enum { NJOBS = 200 };

static struct fixture {
	struct ev_loop *loop;
	struct worker *worker;
	pthread_t loop_thread;
	atomic_bool may_end;
	unsigned njobs;		/* written by the job: plain, so that TSan and
				   the order of events are put to the test */
	unsigned ndone, nticks;
	bool	was_on_loop;
} f;

static void
job(void *arg)
{
	(void)arg;
	f.was_on_loop |= pthread_equal(pthread_self(), f.loop_thread) != 0;
	while (!atomic_load(&f.may_end))
		usleep(100);
	f.njobs++;
}

static void
done(void *arg)
{
	(void)arg;
	f.ndone++;
	ck_assert_uint_eq(f.njobs, f.ndone);
	ck_assert(!worker_is_busy(f.worker));
	ck_assert(pthread_equal(pthread_self(), f.loop_thread));
	if (f.ndone < NJOBS)
		worker_start(f.worker);
	else
		ev_break(f.loop, EVBREAK_ALL);
}

/* The loop goes on while the job is under way; the third tick lets it end. */
static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	if (++f.nticks == 3) {
		ck_assert(worker_is_busy(f.worker));
		ck_assert_uint_eq(f.ndone, 0);
		atomic_store(&f.may_end, true);
	}
}

static void
setup(void)
{
	f = (struct fixture){ .loop = ev_loop_new(EVFLAG_AUTO),
		.loop_thread = pthread_self() };
	f.worker = worker_new(f.loop, job, done, NULL);
	ck_assert_ptr_nonnull(f.worker);
}

START_TEST(jobs_run_beside_the_loop)
{
	ev_timer tick;

	setup();
	ev_timer_init(&tick, on_tick, 0.002, 0.002);
	ev_timer_start(f.loop, &tick);
	worker_start(f.worker);
	ck_assert(worker_is_busy(f.worker));
	ev_run(f.loop, 0);
	ck_assert_uint_eq(f.ndone, NJOBS);
	ck_assert_msg(!f.was_on_loop, "a job ran on the loop's thread");
	worker_free(f.worker);
	ev_timer_stop(f.loop, &tick);
	ev_loop_destroy(f.loop);
}
END_TEST

START_TEST(free_waits_for_the_job)
{
	setup();
	atomic_store(&f.may_end, true);
	worker_start(f.worker);
	worker_free(f.worker);
	ck_assert_msg(f.njobs <= 1 && f.ndone == 0, "done is not called");
	ev_loop_destroy(f.loop);
}
END_TEST

START_TEST(free_of_an_idle_one)
{
	setup();
	worker_free(f.worker);
	worker_free(NULL);
	ev_loop_destroy(f.loop);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, jobs_run_beside_the_loop);
	tcase_add_test(tc, free_waits_for_the_job);
	tcase_add_test(tc, free_of_an_idle_one);
}

TEST_MAIN("worker", fill)
