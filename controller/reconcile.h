/*
 * reconcile.h - from the state of the world to what has to be written.
 *
 * Pure: the store, the pools in force and the ledger go in, one decision per
 * Service comes out; the same input gives the same output. The shell
 * (controller_io.c) enters the decisions in the ledger and writes them;
 * heraldctl prints them.
 *
 * The order is what makes it safe:
 *	1. every Service claims the addresses it has, by the ledger's promise
 *	   or else by its status, the oldest Service first; who may not keep
 *	   one is noted, but nobody else gets it while the store shows it;
 *	2. other users of addresses claim theirs: Services of other classes,
 *	   nodes;
 *	3. only then, the oldest first again, what is missing is given out.
 * Oldest is by creation time, then namespace and name. Nothing is released
 * within a pass, so an address changes hands only after the store has shown
 * that its last holder let go.
 */
#ifndef HERALD_CONTROLLER_RECONCILE_H
#define HERALD_CONTROLLER_RECONCILE_H

#include "controller/config.h"
#include "controller/ledger.h"

#define RECONCILE_LB_CLASS "heraldlb.io/herald"

struct reconcile_in {
	const struct kube_store *store;
	const struct config *config;
	const struct ledger *ledger;	/* synced with store */
	/*
	 * Only Services of this loadBalancerClass are ours. NULL: those of
	 * RECONCILE_LB_CLASS and those without a class.
	 */
	const char *lb_class;
	struct mono now;
};

struct decision {
	const struct kube_object *svc;
	struct ip addrs[2];		/* what its status is to say */
	unsigned naddrs;
	struct ip had[2];		/* what it had before this pass */
	unsigned nhad;
	const char *ip_mode;		/* what its status is to say, too; a literal */
	bool	must_write;		/* its status has to be written now */
	bool	is_news;		/* with addresses it does not show yet */
	const char *problem;		/* why it lacks what it asks for, or NULL */
	const char *released;		/* what it lost in this pass and why, or NULL */
};

/* How much of a pool is used, by family, IPv4 first. */
struct reconcile_usage {
	uint64_t assigned[2];
	uint64_t available[2];
};

struct reconcile {
	struct arena arena;		/* owns all the rest */
	struct decision *decisions;	/* our Services, oldest first, and those */
	size_t	ndecisions;		/* that are not ours any more: to clear */
	struct reconcile_usage *usage;	/* one a pool, in the set's order */
	size_t	npending;		/* our Services without any address */
};

/* Decisions point at the store's objects: valid until it changes. */
void reconcile_run(const struct reconcile_in *in, struct reconcile *ret);
void reconcile_fini(struct reconcile *r);

#endif
