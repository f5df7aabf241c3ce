/*
 * clock.h - the clock and the random source, for shells (main.c, *_io.c) only.
 *
 * Engines never include this: they are handed `now` and their randomness.
 */
#ifndef HERALD_LIB_CLOCK_H
#define HERALD_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mono.h"

/* CLOCK_MONOTONIC. */
struct mono clock_mono(void);

/* Wall-clock time in nanoseconds since the epoch, for stamps people read. */
int64_t clock_wall_ns(void);

enum { CLOCK_RFC3339_LEN = sizeof("2026-01-01T00:00:00.000000Z") };

/*
 * wall_ns as RFC 3339 in UTC with microseconds (the form of a Kubernetes
 * MicroTime) into buf; returns buf.
 */
const char *clock_rfc3339(int64_t wall_ns, char buf[CLOCK_RFC3339_LEN]);

/* The same without a fraction (the form of a Kubernetes Time). */
const char *clock_rfc3339_sec(int64_t wall_ns, char buf[CLOCK_RFC3339_LEN]);

/* 64 bits from the kernel's random source. */
uint64_t clock_random(void);

#endif
