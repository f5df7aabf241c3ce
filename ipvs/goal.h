/*
 * goal.h - from what the caller wants to what the kernel should hold.
 *
 * Pure: a director_want goes in, an IPVS table (both tiers) and the contents
 * of the nft sets (both sides) come out.
 */
#ifndef HERALD_IPVS_GOAL_H
#define HERALD_IPVS_GOAL_H

#include "ipvs/director.h"
#include "ipvs/nft_set.h"
#include "ipvs/table.h"

struct goal {
	struct ipvs_table table;	/* owns copies of all it needs of the want */
	struct nft_state nft;
};

/* ret is filled from empty. */
void goal_build(const struct director_want *want, struct goal *ret);
void goal_fini(struct goal *g);

#endif
