/*
 * diff.h - the fewest changes that turn the kernel's IPVS table into ours.
 *
 * Pure. Both tables are walked side by side; what is equal gets no operation.
 * Three rules come from how the kernel works (ip_vs_mh.c, ip_vs_sh.c, ip_vs_fo.c,
 * ip_vs_ctl.c):
 *
 * - mh builds its lookup table anew at every change of its servers, so a new
 *   service starts without a scheduler ("none") and becomes mh when its servers
 *   are in. To take another one away costs an RCU grace period, some 10 ms:
 *   for many changes of a service rr steps in, and mh comes back after them.
 * - The table depends on the servers' order, which is that of their addition; so
 *   do sh's, and fo's choice among equals, which is the last. All nodes must
 *   choose alike, so a server that belongs before others makes those be taken
 *   out and put in again behind it (is_reorder). A server put in again is the
 *   same object, its connections stay with it; the caller sees to it that a
 *   packet in between does not look for another.
 * - A server added with weight 0 has no slots in the table, one edited to 0
 *   keeps them. Nodes that came earlier have edited, so we add and edit, too.
 *   One that has left is to have none: it is taken out and put in again with 0.
 *
 * Additions come before removals, so that a service whose servers are all
 * replaced has some at every moment.
 */
#ifndef HERALD_IPVS_DIFF_H
#define HERALD_IPVS_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "ipvs/table.h"

enum ipvs_op_type {
	IPVS_OP_ADD_VS,
	IPVS_OP_SET_VS,
	IPVS_OP_DEL_VS,		/* and its servers with it */
	IPVS_OP_ADD_RS,
	IPVS_OP_SET_RS,
	IPVS_OP_DEL_RS,
};

/* "add service", "remove endpoint", ...; for messages. */
const char *ipvs_op_name(enum ipvs_op_type type);

struct ipvs_op {
	enum ipvs_op_type type;
	bool	is_reorder;	/* part of a move within the order, no news */
	bool	is_follow_up;	/* one of two that make a change; counted once */
	uint16_t weight;	/* of ADD_RS and SET_RS */
	const char *sched;	/* of ADD_VS and SET_VS */
	const struct ipvs_vs *vs;	/* in one of the tables; never NULL */
	const struct ipvs_rs *rs;	/* likewise; NULL for operations on vs */
};

struct ipvs_ops {
	struct ipvs_op *op;
	size_t	n;
	size_t	cap;
};

/*
 * Operations to be done in order: *ret_nup of them add and change, the rest
 * remove whole services. They point into both tables, which must outlive them.
 * *ret is overwritten.
 */
void ipvs_diff(const struct ipvs_table *want, const struct ipvs_table *have,
    struct ipvs_ops *ret, size_t *ret_nup);

void ipvs_ops_fini(struct ipvs_ops *ops);

/* Would the diff find nothing to do between these two, whose keys are equal? */
bool ipvs_vs_is_equal(const struct ipvs_vs *want, const struct ipvs_vs *have);

#endif
