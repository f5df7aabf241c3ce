/*
 * plan.h - what this node should do, computed from what is known (pure).
 *
 * plan_build() turns Kubernetes nouns into engine nouns: the director's
 * services and endpoints, and the VIPs to announce. It looks at a snapshot and
 * decides everything anew, so that no order of events can matter; every node
 * that sees the same snapshot and the same live nodes comes to the same table
 * and the same owners.
 *
 * Mostly what is new is an endpoint of one Service. plan_update() decides that
 * Service's endpoints anew, by the same functions, and leaves the rest alone.
 */
#ifndef HERALD_SPEAKER_PLAN_H
#define HERALD_SPEAKER_PLAN_H

#include "arp/arp_io.h"
#include "bgp/bgp_io.h"
#include "ipvs/checker_io.h"
#include "ipvs/director.h"
#include "kube/store.h"
#include "lib/arena.h"
#include "speaker/alive.h"
#include "speaker/vouch.h"

struct plan_input {
	const struct kube_store *store;
	const char *self;		/* this node's name */
	const struct alive *alive;	/* the other nodes */
	struct mono now;
	/* What this node tells the others of itself: UP, WAITING or CUT_OFF. */
	enum alive_state self_state;
	uint32_t self_lacks;		/* ... and which links it has none of up */
	/*
	 * A VIP stays with who announces it, as ServiceL2Status tells of all nodes,
	 * while that one can. All nodes must say the same: see alive_is_sticky().
	 */
	bool	is_sticky;
	bool	yields_on_cordon;	/* unschedulable is as good as drained */
	uint32_t drain_sec;		/* for endpoints that leave, unless a profile says */
	const struct vouch *vouch;	/* who says which endpoint is down; NULL nobody */
	const struct plan *before;	/* which quorums there were; NULL all */
};

struct plan_service {
	const char *ns, *name;
};

struct plan_vip {
	struct ip ip;
	struct plan_service *services;	/* those at it, by namespace and name */
	size_t	nservices;
	const char *pool;		/* the IPAddressPool it is from */
	const char *owner;		/* the node that announces it, NULL none */
	const char *why_none;		/* why nobody announces it; NULL with an owner */
	bool	is_mine;		/* owner is this node */
	bool	is_delegated;		/* kube-proxy or the CNI forwards, not we */
	bool	is_eligible;		/* the advertisements let this node announce it */
	bool	is_local;		/* a Service at it is externalTrafficPolicy Local:
					   what this node serves hangs on its own pods */
	/* Where, should this node be the owner; where it may have been, otherwise. */
	struct arp_want announce;
};

/*
 * The interfaces of some L2Advertisement, and the bit by which nodes tell one
 * another that they have none of them up: 31 different sets of patterns have one
 * each. All nodes give the same set the same bit, so that where there are more,
 * those who share one are candidates no more together, and all agree.
 */
struct plan_links {
	struct arp_want where;		/* its vip is unset */
	uint64_t hash;			/* of the patterns */
	uint32_t bit;
};

/* A route to one peer, for as long as its VIPs are programmed. */
struct plan_route {
	struct bgp_io_route route;	/* to exactly one peer */
	const struct ip *vips;		/* those it leads to, sorted */
	size_t	nvips;
	/*
	 * This node is drained and others attract what the route does: it is marked
	 * GRACEFUL_SHUTDOWN, to be withdrawn when routers have had time for it.
	 */
	bool	is_retiring;
};

/* An endpoint that this node is to check. */
struct plan_check {
	struct check_want want;		/* conf is the plan's */
	const char *ns, *service;
};

/* One port of a Service in one family that is to have a quorum. */
struct plan_quorum {
	uint64_t id;
	const char *ns, *service;
	const char *name;		/* as of the director's service */
	struct ip vip;
	unsigned nup, nneeded;		/* endpoints up; those it takes */
	bool	is_there;
	bool	has_fallback;		/* and serves while the quorum is not there */
};

struct plan {
	struct director_want want;
	struct plan_vip *vips;		/* sorted by address */
	size_t	nvips;
	struct plan_links *links;	/* sorted by hash */
	size_t	nlinks;
	struct bgp_io_peer *bgp_peers;	/* sorted by name */
	size_t	nbgp_peers;
	struct plan_route *bgp_routes;	/* sorted by prefix, then peer */
	size_t	nbgp_routes;
	bool	is_drained;		/* this node is to hand over what it attracts */
	bool	has_retiring;		/* among the routes */
	struct plan_check *checks;	/* sorted by id, each once */
	size_t	nchecks;
	struct plan_quorum *quorums;	/* sorted by id */
	size_t	nquorums;
	const char **warnings;		/* for the log: "ns/name: what; remedy" */
	size_t	nwarnings;
	struct director_update *updates; /* what plan_update() last changed */
	size_t	nupdates;
	struct arena arena;		/* owns all of it; nothing is the store's */
	struct arena update_arena;	/* but for what plan_update() has put in */
	struct arena secrets;		/* but for passwords and keys: wiped when freed */
};

/*
 * The links for which has_link() is not true, as bits. One that has no links at
 * all is ALIVE_CUT_OFF instead.
 */
uint32_t plan_lacks(const struct plan *p,
    bool (*has_link)(void *arg, const struct arp_want *where), void *arg);

/*
 * Does a ServiceL2Status say that this node announces a Service which by p it does
 * not? An earlier speaker has left it; before it is gone, others may believe it.
 */
bool plan_has_left(const struct plan *p, const struct kube_store *store,
    const char *self);

/* Fill *ret; plan_fini() it afterwards. */
void plan_build(const struct plan_input *in, struct plan *ret);
void plan_fini(struct plan *p);

/*
 * Bring *p up to date where nothing of its input has changed since but the
 * EndpointSlices of these Services. What that does to the director's services
 * is in p->updates; p->vips and all else are as they were. False where more may
 * hang on it, and plan_build() is to tell: policy Local, health checks, quorum and
 * fallback, onePacket, BGP routes that come, go or tell how many endpoints there are.
 */
bool plan_update(const struct plan_input *in, const struct kube_touched *touched,
    struct plan *p);

#endif
