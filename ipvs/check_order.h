/*
 * check_order.h - what is to be checked, as checker_io.c's caller hands it to the thread
 * that does: a copy, with a copy of each conf.
 */
#ifndef HERALD_IPVS_CHECK_ORDER_H
#define HERALD_IPVS_CHECK_ORDER_H

#include "ipvs/checker_io.h"

struct check_order {
	struct check_want *wants;	/* their conf is one of confs */
	size_t	nwants;
	struct probe_conf **confs;
	size_t	nconfs, confs_cap;
};

struct check_order *check_order_new(const struct check_want *wants, size_t n);

/* NULL is fine. */
void check_order_free(struct check_order *o);

/* Of all that an order copies: the same for the same wants in the same order. */
uint64_t check_wants_hash(const struct check_want *wants, size_t n);

#endif
