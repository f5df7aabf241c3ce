/*
 * watch.h - cut the body of a watch into events, however it arrives.
 *
 * The API server sends one JSON object after the other, without end. This
 * finds where each ends, so that only one of them is in memory at a time;
 * kube_decode_watch() reads what is inside. Pure but for its one buffer, which
 * grows to the largest object that came in pieces and never past `max`.
 */
#ifndef HERALD_KUBE_WATCH_H
#define HERALD_KUBE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	/* etcd refuses objects over 1.5 MiB; managedFields and JSON's
	   escapes may double that. */
	WATCH_EVENT_MAX = 4 << 20,
	/* A buffer that grew past this is given back once it is empty. */
	WATCH_KEEP_MAX = 64 << 10,
};

struct watch {
	char	*buf;			/* the start of an unfinished event */
	size_t	len, cap;
	size_t	max;			/* bytes one event may have */
	unsigned depth;			/* open brackets; 0 between events */
	bool	in_string;
	bool	is_escaped;		/* the last byte was a backslash */
};

/* A whole event: JSON text, no NUL behind it; valid until the next call. */
struct watch_frame {
	const char *json;
	size_t	len;			/* 0: none was completed */
};

void watch_init(struct watch *w, size_t max);
void watch_fini(struct watch *w);

/* Forget an unfinished event: the stream has ended. */
void watch_reset(struct watch *w);

/* True in the middle of an event: a stream ending here was cut. */
static inline bool
watch_is_partial(const struct watch *w)
{
	return w->depth > 0;
}

/*
 * Feed bytes up to the end of the next event. Returns how many were consumed,
 * all of them unless *ret_frame holds an event: call again with the rest.
 * -EBADMSG where something other than an object follows an event, -EMSGSIZE
 * where an event passes `max`; the stream is lost then: watch_reset().
 */
ssize_t watch_feed(struct watch *w, const char *buf, size_t len,
    struct watch_frame *ret_frame);

#endif
