/*
 * config.h - from IPAddressPool objects to the pool set in force.
 *
 * Validation across objects, which no schema can do. Every refusal concerns
 * one object; the rest goes on. Where two pools overlap, the older one (by
 * creation time, then name) stands and the younger is refused as a whole:
 *	- accepted before, it goes on as it was then, less what older pools
 *	  now have;
 *	- never accepted since this controller started, it is frozen: Services
 *	  that have addresses of it keep them, nobody gets a new one.
 * So no mistake in one object, nor a restart after it, takes an address from
 * a Service. Pure.
 */
#ifndef HERALD_CONTROLLER_CONFIG_H
#define HERALD_CONTROLLER_CONFIG_H

#include "controller/pool.h"
#include "kube/store.h"

/* Something to tell the owner of an object. */
struct config_problem {
	const char *name;	/* of the IPAddressPool */
	bool	is_refused;	/* else the object is in force: a warning */
	const char *text;	/* what is wrong and what to do about it */
};

struct config {
	struct pool_set pools;		/* its arena owns all the rest, too */
	struct config_problem *problems;	/* at most one refusal a pool */
	size_t	nproblems;
	struct ip *node_ips;		/* of all nodes, sorted: never given out */
	size_t	nnode_ips;
};

/*
 * Fill *ret from the pools and nodes in s. prev is the configuration in force
 * so far, or NULL at start; it is only read and shares nothing with *ret.
 */
void config_build(const struct kube_store *s, const struct config *prev,
    struct config *ret);

/* Fine on a zeroed struct. */
void config_fini(struct config *c);

/* The refusal of the named pool, or NULL. */
const struct config_problem *config_refusal(const struct config *c, const char *pool);

#endif
