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
	/* The same, each at its place for good, so that who is half through them finds
	   the rest; NULL where one has gone. */
	struct stats_row **places;
	size_t	nplaces, places_cap;
	size_t	nfree;			/* places that are NULL */
	size_t	next_free;		/* where to look for one */
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

/*
 * A metrics_piece_fn: as Prometheus text, some hundred rows at a time; arg is the
 * struct stats. What comes or goes between pieces is in it or is not.
 */
bool stats_write(void *arg, FILE *f, uint64_t *at);

#endif
