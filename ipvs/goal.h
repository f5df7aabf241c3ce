/*
 * goal.h - from what the caller wants to what the kernel should hold.
 *
 * Pure: a director_want goes in, an IPVS table (all tiers) and the contents
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

/*
 * ret is filled from empty. held: the host's own addresses, sorted; VIPs among them
 * are not steered into the director.
 */
void goal_build(const struct director_want *want, const struct ip *held, size_t nheld,
    struct goal *ret);
void goal_fini(struct goal *g);

struct tier2_marks;

/*
 * Its parts, for goal_update.c: what one service adds, with its marks where it needs
 * any, or only to the sets; and putting in order when all are in.
 */
bool goal_needs_marks(const struct ipvs_service *s);
void goal_add(struct goal *g, const struct ipvs_service *s,
    const struct tier2_marks *marks);
void goal_add_sets(struct nft_state *n, const struct ipvs_service *s,
    const struct tier2_marks *marks);
void goal_sort(struct goal *g);

/*
 * What a few services, found in want by VIP, protocol and port, that have other
 * endpoints now and are otherwise as before, contributed to the goal and are to
 * contribute (goal_update.c). Elements of sets
 * that other services of want contribute, too, are in both. Filled from empty.
 */
void goal_build_update(const struct director_want *want,
    const struct director_update *updates, size_t n, struct goal *ret_was,
    struct goal *ret_is);

/* Put the one in the place of the other. */
void goal_patch(struct goal *g, const struct goal *was, const struct goal *is);

#endif
