/*
 * wheel.h - a timing wheel: many deadlines, most of them within seconds.
 *
 * To set, move or drop one costs the same however many there are. Pure;
 * checker_io.c keeps in one when each of its endpoints has its next step.
 */
#ifndef HERALD_IPVS_WHEEL_H
#define HERALD_IPVS_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mono.h"

enum {
	WHEEL_SLOT_MS = 2,		/* how late a deadline may be met */
	WHEEL_NSLOTS = 1024,		/* what is later than all of them goes round */
};

/* The caller's, who has it in a struct of his own; zero: in no wheel. */
struct wheel_entry {
	struct wheel_entry *prev, *next;	/* a ring; NULL: in no wheel */
	struct mono due;
};

struct wheel {
	struct wheel_entry slot[WHEEL_NSLOTS];	/* heads of rings */
	struct wheel_entry late;	/* head of those that are due */
	int64_t	at;			/* the first slot that may have others, counted
					   from time 0 */
	size_t	n;			/* entries in all */
};

/* It stays where it is then: entries point at it. */
void wheel_init(struct wheel *w, struct mono now);

/* Put in, or move; due: not MONO_NEVER. */
void wheel_put(struct wheel *w, struct wheel_entry *e, struct mono due);

/* Fine for one that is not in. */
void wheel_drop(struct wheel *w, struct wheel_entry *e);

/* Take one out that is due; NULL: none is. */
struct wheel_entry *wheel_next(struct wheel *w, struct mono now);

/*
 * When to call wheel_next(): never before something is due but, with deadlines far
 * off, once a round; MONO_NEVER where there is nothing.
 */
struct mono wheel_deadline(const struct wheel *w);

#endif
