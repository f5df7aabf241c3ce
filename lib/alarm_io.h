/*
 * alarm_io.h - timers of an event loop that ring when they are due, not when the
 * millisecond after that is over, as libev's do: epoll_wait() counts in milliseconds.
 * For what lives by 10 ms; one descriptor for all of them.
 */
#ifndef HERALD_LIB_ALARM_IO_H
#define HERALD_LIB_ALARM_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mono.h"

struct ev_loop;
struct alarms;

/* The caller's to embed. It must not go while it is set. */
struct alarm {
	void	(*ring)(void *arg);	/* from the loop; the alarm is not set any more */
	void	*arg;
	struct mono due;		/* MONO_NEVER: not set */
	size_t	at;			/* alarm_io.c's: where it stands while it is set */
};

/* NULL, with errno set, where there is no descriptor to be had. */
struct alarms *alarms_new(struct ev_loop *loop);

/* Those still set never ring. NULL is fine. */
void alarms_free(struct alarms *a);

/* Not set. */
void alarm_init(struct alarm *w, void (*ring)(void *arg), void *arg);

/* Ring at due, or by the next turn where that is past; it may be set already. */
void alarm_set(struct alarms *a, struct alarm *w, struct mono due);

/* Not at all; fine where it is not set. */
void alarm_stop(struct alarms *a, struct alarm *w);

static inline bool
alarm_is_set(const struct alarm *w)
{
	return w->due.ns != MONO_NEVER.ns;
}

#endif
