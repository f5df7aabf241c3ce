/*
 * wheel.h - a timing wheel: many deadlines, most of them within seconds.
 *
 * To set, move or drop one costs the same however many there are. Deadlines lie in the
 * wheel itself, beside one another: those that are not due are passed over without a
 * look at their owners, which are in no cache by then. Pure; checker_io.c keeps in one
 * when each of its endpoints has its next step.
 */
#ifndef HERALD_IPVS_WHEEL_H
#define HERALD_IPVS_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mono.h"

enum {
	/*
	 * How late a deadline may be met. What is due within it is done together: each
	 * time that a thread wakes, it finds its caches cold.
	 */
	WHEEL_SLOT_MS = 4,
	WHEEL_NSLOTS = 256,		/* what is later than all of them goes round */
};

/* The caller's, who has it in a struct of his own; zero: in no wheel. */
struct wheel_entry {
	uint32_t place;			/* in its slot, from 1; 0: in no wheel */
	uint32_t slot;
};

struct wheel_item {
	struct mono due;
	struct wheel_entry *entry;
};

struct wheel_slot {
	struct wheel_item *items;
	size_t	n, cap;
};

struct wheel {
	struct wheel_slot slots[WHEEL_NSLOTS];
	int64_t	at;			/* the first slot that may have something due,
					   counted from time 0 */
	size_t	n;			/* entries in all */
};

void wheel_init(struct wheel *w, struct mono now);
void wheel_fini(struct wheel *w);	/* entries stay as they are */

/* Put in, or move; due: not MONO_NEVER. It stays where it is then. */
void wheel_put(struct wheel *w, struct wheel_entry *e, struct mono due);

/* Fine for one that is not in. */
void wheel_drop(struct wheel *w, struct wheel_entry *e);

/*
 * Take out what is due, max at most, in no order; returns how many. With fewer than max
 * there are no more.
 */
size_t wheel_take(struct wheel *w, struct mono now, struct wheel_entry **ret, size_t max);

/*
 * When to call wheel_take(): never before something is due but, with deadlines far off,
 * once a round; MONO_NEVER where there is nothing.
 */
struct mono wheel_deadline(const struct wheel *w);

#endif
