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
 * An object that the decoder refused (a stub, see kube/types.h) is told to its
 * owner likewise, while its last good version is what counts. Of a pool that
 * was never good since the start not even the addresses are known: whatever no
 * other pool holds may be its, and stays with the Services that have it.
 * So no mistake in one object, nor a restart after it, takes an address from
 * a Service.
 *
 * Whatever else looks wrong leaves its object in force and is told to its
 * owner: a pool that holds a node's address, reserved ranges that reserve
 * nothing, advertisements and peers that name what is not there or announce
 * more than their pools hold. Pure.
 */
#ifndef HERALD_CONTROLLER_CONFIG_H
#define HERALD_CONTROLLER_CONFIG_H

#include "controller/pool.h"
#include "kube/store.h"

/* Something to tell the owner of an object; at most one an object. */
struct config_problem {
	enum kube_kind kind;
	const char *ns;		/* NULL where the object has none */
	const char *name;
	bool	is_refused;	/* else the object is in force: a warning */
	const char *text;	/* what is wrong and what to do about it; several
				   warnings with "; also " between them */
};

struct config {
	struct pool_set pools;		/* its arena owns all the rest, too */
	struct config_problem *problems;
	size_t	nproblems, problems_cap;
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

/* What is to be told the owner of o, or NULL. */
const struct config_problem *config_problem(const struct config *c,
    const struct kube_object *o);

/* The refusal of the named pool, or NULL. */
const struct config_problem *config_refusal(const struct config *c, const char *pool);

#endif
