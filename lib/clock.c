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

const char *
clock_rfc3339(int64_t wall_ns, char buf[CLOCK_RFC3339_LEN])
{
	time_t sec = wall_ns / NSEC_PER_SEC;
	long usec = (long)(wall_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	size_t len;
	struct tm tm;

	gmtime_r(&sec, &tm);
	len = strftime(buf, CLOCK_RFC3339_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, CLOCK_RFC3339_LEN - len, ".%06ldZ", usec);
	return buf;
}

const char *
clock_rfc3339_sec(int64_t wall_ns, char buf[CLOCK_RFC3339_LEN])
{
	time_t sec = wall_ns / NSEC_PER_SEC;
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(buf, CLOCK_RFC3339_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
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
