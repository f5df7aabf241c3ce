/*
 * mono.h - monotonic time as a type of its own.
 *
 * A struct, so that it cannot be mixed with an int, a wall-clock time or a
 * duration. Engines take a `struct mono now` and give deadlines back; only
 * shells read the clock (lib/clock.h).
 */
#ifndef HERALD_LIB_MONO_H
#define HERALD_LIB_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t ns;	/* nanoseconds since an arbitrary start, never negative */
};

/* No deadline. Later than every other time; adding to it leaves it as it is. */
#define MONO_NEVER ((struct mono){ .ns = INT64_MAX })

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC  INT64_C(1000000000)

/* t plus ns nanoseconds (may be negative); saturates at MONO_NEVER and at 0. */
static inline struct mono
mono_add_ns(struct mono t, int64_t ns)
{
	int64_t sum;

	if (t.ns == INT64_MAX)
		return t;
	if (__builtin_add_overflow(t.ns, ns, &sum))
		return MONO_NEVER;
	return (struct mono){ .ns = sum < 0 ? 0 : sum };
}

static inline struct mono
mono_add_us(struct mono t, int64_t us)
{
	return mono_add_ns(t, us * NSEC_PER_USEC);
}

static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return mono_add_ns(t, ms * NSEC_PER_MSEC);
}

static inline struct mono
mono_add_sec(struct mono t, int64_t sec)
{
	return mono_add_ns(t, sec * NSEC_PER_SEC);
}

/* a - b in nanoseconds; neither may be MONO_NEVER. */
static inline int64_t
mono_sub_ns(struct mono a, struct mono b)
{
	return a.ns - b.ns;
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

/* True once `now` is at or past `deadline`; never for MONO_NEVER. */
static inline bool
mono_reached(struct mono now, struct mono deadline)
{
	return deadline.ns != INT64_MAX && now.ns >= deadline.ns;
}

static inline struct mono
mono_min(struct mono a, struct mono b)
{
	return a.ns < b.ns ? a : b;
}

/* Seconds from now until deadline for an event loop's timer: at least 0. */
static inline double
mono_delay_sec(struct mono now, struct mono deadline)
{
	return deadline.ns <= now.ns ? 0. : (double)(deadline.ns - now.ns) / 1e9;
}

#endif
