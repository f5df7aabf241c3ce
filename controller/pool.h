/*
 * pool.h - the pools the controller may give addresses from.
 *
 * A pool_set is built by config.c from the IPAddressPool objects it accepts
 * and is read by alloc.c and reconcile.c. It owns copies of all it needs, so
 * it outlives the objects. Pure.
 *
 * Order. A Service that names neither address nor pool is served by the first
 * pool of the set that may serve it and has room:
 *	1. pools with a serviceAllocation before those without one,
 *	2. by serviceAllocation.priority, lowest first, 0 or unset last,
 *	3. by name.
 * Which of its addresses: by its strategy, the lowest free one (lowest), one
 * found by the Service's UID (spread: a new Service, a new address) or by its
 * namespace and name (sticky: the same one again if it is free). The first
 * address of an IPv6 block is its routers' (RFC 4291, section 2.6.1) and is
 * given by name only; that of an IPv4 block is as good as any, as in MetalLB.
 * Who may use a pool (MetalLB's rules): its namespace must be listed in
 * `namespaces` or match one of `namespaceSelectors`, where either is given;
 * and its labels must match one of `serviceSelectors`, where any is given.
 */
#ifndef HERALD_CONTROLLER_POOL_H
#define HERALD_CONTROLLER_POOL_H

#include "controller/rangeset.h"
#include "kube/types.h"

struct pool {
	const char *name;
	const char *uid;		/* of its object; NULL from a dir source */
	struct rangeset own;		/* as its object says, less reserved */
	struct rangeset usable;		/* own, less what older pools have */
	struct rangeset reserved;	/* what its object keeps back */
	struct rangeset by_name;	/* given only to who asks for the address:
					   subnet-router anycast addresses */
	uint64_t nby_name;		/* addresses of by_name that are usable */
	bool	auto_assign;
	bool	avoid_buggy;		/* never x.x.x.0 and x.x.x.255 */
	bool	is_pinned;		/* its object has a serviceAllocation */
	bool	is_refused;		/* its object is; this is what was before */
	bool	is_frozen;		/* refused, and never accepted since start:
					   what is in use stays, nothing is given */
	bool	is_unread;		/* frozen, and its object cannot be read: it
					   stands for all addresses of no pool */
	bool	is_shared_across;	/* sharing keys reach across namespaces */
	enum kube_pool_strategy strategy;
	int64_t	priority;		/* 0: last */
	const char **namespaces;
	size_t	nnamespaces;
	struct kube_selector *ns_selectors;
	size_t	nns_selectors;
	struct kube_selector *svc_selectors;
	size_t	nsvc_selectors;
};

/* A range of a pool in the set's address order. */
struct pool_span {
	struct ip_range range;
	uint32_t pool;			/* index into pools */
	uint32_t nth;			/* index into that pool's usable ranges */
};

struct pool_set {
	struct arena arena;
	struct pool *pools;		/* in the order above */
	size_t	n;
	struct pool_span *spans;	/* ascending, disjoint */
	size_t	nspans;
};

/* Who asks: what a pool's serviceAllocation looks at. */
struct pool_asker {
	const char *ns;
	const struct kube_map *ns_labels;	/* NULL: no Namespace object */
	const struct kube_map *labels;
};

/* Deep copies into a; the results share nothing with their sources. */
void pool_from_object(struct arena *a, const struct kube_object *o,
    struct pool *ret);
void pool_copy(struct arena *a, const struct pool *p, struct pool *ret);

/* Bring pools[0..n) into order and index them; call once all are in place. */
void pool_set_seal(struct pool_set *s);
void pool_set_fini(struct pool_set *s);

/* The span that holds ip, or NULL. Says nothing of avoid_buggy. */
const struct pool_span *pool_set_span(const struct pool_set *s, const struct ip *ip);

/* NULL where there is none. */
const struct pool *pool_set_named(const struct pool_set *s, const char *name);

/* May this Service have addresses of p at all? */
bool pool_serves(const struct pool *p, const struct pool_asker *who);

/* The first pool whose object has ip among its reserved ranges, or NULL. */
const struct pool *pool_set_reserving(const struct pool_set *s, const struct ip *ip);

/* True for addresses that p leaves out because of avoidBuggyIPs. */
bool pool_avoids(const struct pool *p, const struct ip *ip);

/* True for those that nobody gets without asking: the former, and by_name. */
bool pool_passes_over(const struct pool *p, const struct ip *ip);

/* Addresses of a family that p could ever give, saturating. */
uint64_t pool_size(const struct pool *p, enum ip_family family);

/* Those among them that it does not pass over. */
uint64_t pool_size_by_itself(const struct pool *p, enum ip_family family);

#endif
