/*
 * alloc.h - which Service uses which address, and which is free.
 *
 * State in, decisions out: nothing here knows of objects or the API. The
 * caller claims what is in use, then asks for new addresses. An address is
 * never granted to two users that may not share it, whatever the order of
 * calls; alloc_test.c proves that against a plain model.
 *
 * Two users may share an address where all of these hold (MetalLB's rules and
 * one more):
 *	- both have the same sharing key;
 *	- they have no protocol and port in common;
 *	- both have externalTrafficPolicy Cluster, or both Local and the same
 *	  selector;
 *	- they are of one namespace, or the address' pool lets sharing keys
 *	  reach across namespaces.
 *
 * Addresses are given out automatically from the first SPARSE_MAX (16.7
 * million) of every range; the others of a larger range can be claimed by
 * name. A claim, a pick and a release each take constant time, whatever the
 * size of a pool.
 */
#ifndef HERALD_CONTROLLER_ALLOC_H
#define HERALD_CONTROLLER_ALLOC_H

#include "controller/pool.h"

struct alloc;

struct alloc_port {
	enum kube_proto proto;
	uint16_t port;
};

/*
 * A Service as far as sharing goes. The caller's; stays unchanged and in
 * place while it holds an address.
 */
struct alloc_user {
	const char *name;		/* "ns/name", for messages */
	const char *ns;
	const char *share_key;		/* NULL: never shares */
	const char *backend;		/* "" for policy Cluster, else selector */
	const struct alloc_port *ports;
	size_t	nports;
};

/* Why an address cannot be had. */
enum alloc_clash {
	ALLOC_OK,
	ALLOC_HOLDER_ALONE,	/* its holder has no sharing key */
	ALLOC_ASKER_ALONE,	/* who asks has none */
	ALLOC_KEYS_DIFFER,
	ALLOC_BACKENDS_DIFFER,
	ALLOC_PORT_TAKEN,
	ALLOC_NS_DIFFER,
};
const char *alloc_clash_name(enum alloc_clash c);

struct alloc_verdict {
	enum alloc_clash clash;
	const struct alloc_user *holder;	/* the first that is in the way */
	struct alloc_port port;			/* of ALLOC_PORT_TAKEN */
};

/* pools outlives the alloc and does not change meanwhile. */
struct alloc *alloc_new(const struct pool_set *pools);
void alloc_free(struct alloc *a);

/*
 * Let u have ip, be it in a pool or not. Claims nest: who claims or picks what
 * he already holds has to release it as often. On a clash nothing changes.
 */
struct alloc_verdict alloc_claim(struct alloc *a, const struct ip *ip,
    const struct alloc_user *u);

/*
 * Give u an address of pools->pools[pool] and family: one that it can join by
 * its sharing key (the lowest), else a free one by the pool's strategy, for
 * which seed is the hash of what the strategy goes by. Returns 0 or -ENOSPC
 * with *ret untouched. Does not look at auto_assign and is_frozen; a free
 * address that the pool passes over is not given.
 */
int alloc_pick(struct alloc *a, uint32_t pool, enum ip_family family,
    const struct alloc_user *u, uint64_t seed, struct ip *ret);

/* Take back one claim of u to ip; nothing happens where it has none. */
void alloc_release(struct alloc *a, const struct ip *ip,
    const struct alloc_user *u);

bool alloc_holds(const struct alloc *a, const struct ip *ip,
    const struct alloc_user *u);

/* Addresses of a pool and family in use, each counted once. */
uint64_t alloc_used(const struct alloc *a, uint32_t pool, enum ip_family family);

/* Those that the pool could still give by itself, saturating. */
uint64_t alloc_available(const struct alloc *a, uint32_t pool, enum ip_family family);

#endif
