/*
 * stats.h - the counters of Services and endpoints, as the kernel has them.
 *
 * A look at the data plane (director_look_piece()) tells some rows at a time, on the
 * worker's thread: stats_note() gathers them. stats_take() brings them in, on the
 * loop's thread, from where stats_write() prints them. Only what has seen traffic
 * is kept: of 10,000 Services that every node has programmed, few have.
 */
#ifndef HERALD_SPEAKER_STATS_H
#define HERALD_SPEAKER_STATS_H

#include <stdio.h>

#include "ipvs/director.h"

struct stats_row;

struct stats {
	struct stats_row *rows;		/* hashed by labels */
	struct stats_row *news;		/* of the look under way, or not yet taken */
	unsigned look;			/* numbered, for what is seen no more */
	unsigned swept;			/* the last that looked for such */
};

void stats_fini(struct stats *s);

/* A director_stat_fn; arg is the struct stats. */
void stats_note(void *arg, const struct director_stat *row);

/*
 * Take in what was noted. nservices: how many the data plane has, which says after
 * how many looks a row has been seen again unless it is gone: after twice as many at
 * most it is dropped.
 */
void stats_take(struct stats *s, size_t nservices);

/* As Prometheus text. */
void stats_write(FILE *f, void *arg);

#endif
