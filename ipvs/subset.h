/*
 * subset.h - who serves where a service has more endpoints than mh takes (pure).
 *
 * The table of the kernel's mh has IPVS_MH_SLOTS slots, and it takes no more servers
 * than slots. From half as many on, a further one is no relief: some have two slots
 * and some have one, and the busiest gets what it would get without. So half as many
 * are the most, with two slots each, and the other half is left to those that drain.
 *
 * Which ones is decided by rendezvous hashing: all nodes choose the same, and an
 * endpoint that comes or goes changes the choice by one at most.
 */
#ifndef HERALD_IPVS_SUBSET_H
#define HERALD_IPVS_SUBSET_H

#include "ipvs/director.h"

enum {
	/* CONFIG_IP_VS_MH_TAB_INDEX 12, the kernel's default; nothing tells it. */
	IPVS_MH_SLOTS = 4093,
	IPVS_MH_MOST = IPVS_MH_SLOTS / 2,
};

/*
 * Of s's endpoints at eps, n in canonical order, move those that are to be in its
 * table to the front, in the same order; returns how many. With is_local_only no
 * others than this node's are counted or left out. Those that take new connections
 * are half of the subset at least, where there are as many.
 */
size_t ipvs_subset_choose(const struct ipvs_service *s, struct ipvs_endpoint *eps,
    size_t n);

/* How many of its endpoints are in the service's table; slots are for these. */
size_t ipvs_subset_size(const struct ipvs_service *s);

#endif
