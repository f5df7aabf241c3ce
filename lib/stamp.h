/*
 * stamp.h - wall-clock times as text. Pure: the time is the caller's.
 */
#ifndef HERALD_LIB_STAMP_H
#define HERALD_LIB_STAMP_H

#include <stdint.h>

enum { STAMP_LEN = sizeof("2026-01-01T00:00:00.000000Z") };

/*
 * wall_ns (nanoseconds since the epoch) as RFC 3339 in UTC with microseconds,
 * the form of a Kubernetes MicroTime; returns buf.
 */
const char *stamp_micro(int64_t wall_ns, char buf[STAMP_LEN]);

/* The same without a fraction, the form of a Kubernetes Time. */
const char *stamp_sec(int64_t wall_ns, char buf[STAMP_LEN]);

#endif
