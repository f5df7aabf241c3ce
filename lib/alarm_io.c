/*
 * alarm_io.c - see alarm_io.h: a heap of alarms, and one timerfd for the first.
 *
 * The timerfd is set anew after it has fired, which takes its readiness back, so
 * nobody reads it.
 */
#include <ev.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/alarm_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct alarms {
	struct ev_loop *loop;
	ev_io	io;			/* the timerfd */
	struct mono armed;		/* what the timerfd is set to */
	struct alarm **heap;		/* none is due before its parent, at (at - 1) / 2 */
	size_t	n, cap;
};

static void
put(struct alarms *a, size_t at, struct alarm *w)
{
	a->heap[at] = w;
	w->at = at;
}

/* w, which may stand anywhere or nowhere yet, is to go up from `at`. */
static void
rise(struct alarms *a, size_t at, struct alarm *w)
{
	while (at > 0 && mono_before(w->due, a->heap[(at - 1) / 2]->due)) {
		put(a, at, a->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(a, at, w);
}

static void
sink(struct alarms *a, size_t at, struct alarm *w)
{
	size_t child;

	while ((child = 2 * at + 1) < a->n) {
		if (child + 1 < a->n &&
		    mono_before(a->heap[child + 1]->due, a->heap[child]->due))
			child++;
		if (!mono_before(a->heap[child]->due, w->due))
			break;
		put(a, at, a->heap[child]);
		at = child;
	}
	put(a, at, w);
}

static void
take_out(struct alarms *a, struct alarm *w)
{
	struct alarm *last = a->heap[--a->n];
	size_t at = w->at;

	w->due = MONO_NEVER;
	if (last == w)
		return;
	if (at > 0 && mono_before(last->due, a->heap[(at - 1) / 2]->due))
		rise(a, at, last);
	else
		sink(a, at, last);
}

/* A time in the past makes the timerfd fire at once; none at all is 0. */
static void
arm(struct alarms *a)
{
	struct itimerspec when = { .it_value.tv_nsec = 0 };

	a->armed = a->n > 0 ? a->heap[0]->due : MONO_NEVER;
	if (a->n > 0) {
		when.it_value.tv_sec = a->armed.ns / NSEC_PER_SEC;
		when.it_value.tv_nsec = a->armed.ns % NSEC_PER_SEC;
		if (a->armed.ns == 0)
			when.it_value.tv_nsec = 1;
	}
	timerfd_settime(a->io.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Those due now; what they set meanwhile waits for the next turn. */
static void
on_timerfd(struct ev_loop *loop, ev_io *w, int revents)
{
	struct alarms *a = w->data;
	struct mono now = clock_mono();

	(void)loop;
	(void)revents;
	for (size_t left = a->n; left > 0 && a->n > 0; left--) {
		struct alarm *first = a->heap[0];

		if (!mono_reached(now, first->due))
			break;
		take_out(a, first);
		first->ring(first->arg);
	}
	arm(a);
}

struct alarms *
alarms_new(struct ev_loop *loop)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct alarms *a;

	if (fd < 0)
		return NULL;
	a = mem_zalloc(sizeof(*a));
	a->loop = loop;
	a->armed = MONO_NEVER;
	ev_io_init(&a->io, on_timerfd, fd, EV_READ);
	a->io.data = a;
	ev_io_start(loop, &a->io);
	return a;
}

void
alarms_free(struct alarms *a)
{
	if (a == NULL)
		return;
	ev_io_stop(a->loop, &a->io);
	close(a->io.fd);
	free(a->heap);
	free(a);
}

void
alarm_init(struct alarm *w, void (*ring)(void *arg), void *arg)
{
	*w = (struct alarm){ .ring = ring, .arg = arg, .due = MONO_NEVER };
}

void
alarm_set(struct alarms *a, struct alarm *w, struct mono due)
{
	alarm_stop(a, w);
	if (due.ns == MONO_NEVER.ns)
		return;
	w->due = due;
	a->heap = mem_grow(a->heap, a->n, &a->cap, sizeof(struct alarm *));
	rise(a, a->n++, w);
	if (mono_before(due, a->armed))
		arm(a);
}

/* The timerfd stays as it is: at worst it fires for nothing. */
void
alarm_stop(struct alarms *a, struct alarm *w)
{
	if (alarm_is_set(w))
		take_out(a, w);
}
