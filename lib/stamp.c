#include <stdio.h>
#include <time.h>

#include "lib/mono.h"
#include "lib/stamp.h"

const char *
stamp_micro(int64_t wall_ns, char buf[STAMP_LEN])
{
	time_t sec = wall_ns / NSEC_PER_SEC;
	long usec = (long)(wall_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	struct tm tm;
	size_t len;

	gmtime_r(&sec, &tm);
	len = strftime(buf, STAMP_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, STAMP_LEN - len, ".%06ldZ", usec);
	return buf;
}

const char *
stamp_sec(int64_t wall_ns, char buf[STAMP_LEN])
{
	time_t sec = wall_ns / NSEC_PER_SEC;
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(buf, STAMP_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}
