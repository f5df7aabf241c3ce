/*
 * sparse.h - a set of small numbers that knows its lowest gap.
 *
 * The bookkeeping of one range of addresses: which offsets are taken, and
 * which is the lowest free one. Two levels of bitmaps over blocks that are
 * made when first touched, so that a /64 with three addresses in use costs
 * three blocks at most, and finding a gap looks at some 70 words at worst.
 */
#ifndef HERALD_CONTROLLER_SPARSE_H
#define HERALD_CONTROLLER_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SPARSE_MAX = 1 << 24,	/* the largest size of a set: a /8 of IPv4 */
};

#define SPARSE_NONE UINT32_MAX

struct sparse_block;

struct sparse {
	uint32_t size;		/* members are 0..size-1; at most SPARSE_MAX */
	uint32_t hint;		/* no gap is below */
	struct sparse_block **blocks;	/* NULL until the first member */
	uint64_t *full;		/* a bit a block: it has no gap */
};

void sparse_init(struct sparse *s, uint32_t size);
void sparse_fini(struct sparse *s);

/* off < size. Adding a member or removing a stranger changes nothing. */
void sparse_add(struct sparse *s, uint32_t off);
void sparse_remove(struct sparse *s, uint32_t off);
bool sparse_has(const struct sparse *s, uint32_t off);

/* The lowest gap at or above `from`, SPARSE_NONE where there is none. */
uint32_t sparse_gap(struct sparse *s, uint32_t from);

#endif
