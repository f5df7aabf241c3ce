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

/* 64 bits from the kernel's random source. */
uint64_t clock_random(void);

#endif
