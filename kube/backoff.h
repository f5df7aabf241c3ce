/*
 * backoff.h - how long to wait before trying again.
 *
 * Exponential, with half of each delay left to chance so that a thousand
 * clients of one restarted server do not come back in step. Pure: the random
 * number is passed in.
 */
#ifndef HERALD_KUBE_BACKOFF_H
#define HERALD_KUBE_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint32_t base_ms;		/* the first delay, at most; > 0 */
	uint32_t cap_ms;		/* no delay of our own is longer */
	unsigned nfailed;		/* failures in a row */
};

/* Longest wait a server may ask of us by Retry-After. */
enum { BACKOFF_ASKED_MAX_MS = 300 * 1000 };

/*
 * Count a failure and say how many milliseconds to wait: between half of and
 * all of base_ms * 2^(failures before), at most cap_ms. Where the server asked
 * for more (asked_ms; 0 for none), that much and up to a tenth on top.
 */
int64_t backoff_next_ms(struct backoff *b, uint64_t random, int64_t asked_ms);

/* Something worked: the next failure waits base_ms again. */
static inline void
backoff_reset(struct backoff *b)
{
	b->nfailed = 0;
}

#endif
