/*
 * health.h - when to probe an endpoint, and what its answers amount to.
 *
 * Pure: one struct health per endpoint, no socket, no clock, randomness passed
 * in. checker_io.c is the only caller outside the tests: it starts and ends
 * the probes (probe_io.h) and hands on what comes out; health never programs
 * anything itself.
 *
 * Probes begin one interval apart, whenever the one before ended. While
 * results speak against an endpoint that is up, they come sooner by
 * timeout / (fall - 1): so one that falls silent, whose last probe is only
 * known to have failed when its time is over, is down within fall intervals
 * all the same (with a timeout of at most half an interval and fall >= 2).
 */
#ifndef HERALD_IPVS_HEALTH_H
#define HERALD_IPVS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mono.h"

struct health_conf {
	uint32_t interval_ms;		/* 10..3600000 */
	uint32_t timeout_ms;		/* 1..interval_ms */
	uint8_t	rise;			/* good results in a row to come up; 1..100 */
	uint8_t	fall;			/* bad ones to go down; 1..100 */
	uint8_t	jitter_percent;		/* an interval is shorter by up to so much; 0..50 */
	bool	starts_down;		/* what it is taken for before rise or fall */
};

struct health {
	bool	is_up;
	bool	is_sure;		/* is_up comes of answers, not of conf */
	bool	is_probing;		/* a probe is under way */
	uint8_t	run;			/* results in a row that speak against is_up */
	struct mono began;		/* the last probe did, or was to */
	struct mono due;		/* the next probe; while probing, its end */
};

/* What the caller must do after a step, lowest bit first. */
enum health_do {
	HEALTH_DO_CANCEL = 1u << 0,	/* the probe's time is over: it has failed */
	HEALTH_DO_TELL	 = 1u << 1,	/* is_up has changed */
	HEALTH_DO_PROBE	 = 1u << 2,	/* start one; its end comes to health_result() */
};

/* First probes are spread over an interval, by random. */
void health_init(struct health *h, const struct health_conf *c, struct mono now,
    uint64_t random);

/* Time has passed: a health_do set, 0 before the deadline. */
unsigned health_tick(struct health *h, const struct health_conf *c, struct mono now,
    uint64_t random);

/*
 * A probe has ended by itself: a health_do set without HEALTH_DO_PROBE. One that
 * could not be made, for lack of descriptors perhaps, speaks against nobody.
 */
enum health_answer { HEALTH_BAD, HEALTH_GOOD, HEALTH_NO_ANSWER };
unsigned health_result(struct health *h, const struct health_conf *c,
    enum health_answer answer, uint64_t random);

/* When to call health_tick(); never MONO_NEVER. */
static inline struct mono
health_deadline(const struct health *h)
{
	return h->due;
}

/*
 * Do nup endpoints make a quorum? It takes up of them to have one, and
 * hysteresis (below up) fewer to lose it again.
 */
static inline bool
health_has_quorum(bool had_quorum, unsigned nup, unsigned up, unsigned hysteresis)
{
	return nup >= (had_quorum ? up - hysteresis : up);
}

#endif
