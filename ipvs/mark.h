/*
 * mark.h - which bit of the packet mark is ours, beside other people's. Pure.
 */
#ifndef HERALD_IPVS_MARK_H
#define HERALD_IPVS_MARK_H

#include <stdbool.h>
#include <stdint.h>

/* What others do with marks, gathered rule by rule; zero to begin with. */
struct mark_use {
	uint32_t taken;		/* bits that somebody tests */
	uint32_t ours;		/* the bit an earlier start of ours has taken, or 0 */
};

/*
 * Take in a routing rule: packets whose mark, masked, is `mark`. is_ours: of our
 * priority and table.
 */
void mark_note(struct mark_use *u, uint32_t mark, uint32_t mask, bool is_ours);

/* Does anybody else test that bit? */
bool mark_is_taken(const struct mark_use *u, uint32_t bit);

/*
 * The bit to use: the one that is ours already if nobody else tests it, else the
 * first that nobody tests, from 0x10 up; never kube-proxy's 0x4000 and 0x8000. 0x10
 * where all are taken.
 */
uint32_t mark_choose(const struct mark_use *u);

#endif
