/*
 * rangeset.h - sets of addresses as sorted, disjoint ranges.
 *
 * What a pool holds: its entries merged, less what is reserved or belongs to
 * an older pool. Pure values; results live in the caller's arena.
 */
#ifndef HERALD_CONTROLLER_RANGESET_H
#define HERALD_CONTROLLER_RANGESET_H

#include "lib/arena.h"
#include "lib/ip.h"

struct rangeset {
	struct ip_range *v;	/* ascending, disjoint, never adjacent */
	size_t	n;
};

/* The union of n ranges in any order, overlapping or not. */
struct rangeset rangeset_make(struct arena *a, const struct ip_range *r, size_t n);

/* The addresses of x that are not in y. */
struct rangeset rangeset_minus(struct arena *a, struct rangeset x, struct rangeset y);

/* The range that holds ip, or NULL. */
const struct ip_range *rangeset_find(struct rangeset x, const struct ip *ip);

/*
 * True where x and y share an address; then *ret_x and *ret_y (which may be
 * NULL) are the first two ranges that do.
 */
bool rangeset_overlaps(struct rangeset x, struct rangeset y,
    struct ip_range *ret_x, struct ip_range *ret_y);

/* Number of addresses of one family (IP_V4, IP_V6), saturating. */
uint64_t rangeset_size(struct rangeset x, enum ip_family family);

#endif
