#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "lib/clock.h"

struct mono
clock_mono(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (struct mono){ .ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec };
}

int64_t
clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

uint64_t
clock_random(void)
{
	uint64_t v;

	/* Up to 256 bytes never come short once the pool is initialised. */
	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		abort();
	return v;
}
