/*
 * plan_impl.h - shared by the files of the plan, for nobody else:
 *
 *	plan.c		which VIPs there are, and the whole in order
 *	plan_backend.c	a Service's ports and endpoints -> director services
 *	plan_scope.c	what an advertisement covers, which nodes are fit
 *	plan_links.c	the interfaces of L2Advertisements -> bits to tell of them
 *	plan_owner.c	L2Advertisements, preferences -> candidates -> owner
 *	plan_bgp.c	BGPPeers and BGPAdvertisements -> peers and routes
 */
#ifndef HERALD_SPEAKER_PLAN_IMPL_H
#define HERALD_SPEAKER_PLAN_IMPL_H

#include "speaker/elect.h"
#include "speaker/plan.h"

/* One Service at one VIP. */
struct plan_claim {
	struct ip vip;
	const struct kube_object *svc;
	const struct kube_object *pool;
};

struct plan_ctx {
	const struct plan_input *in;
	struct arena *arena;			/* the plan's */
	struct arena scratch;			/* until plan_build() returns */
	struct plan_claim *claims;		/* sorted by vip, then Service */
	size_t	nclaims;
	const struct kube_object **slices;	/* sorted by namespace, Service */
	size_t	nslices;
	struct kube_list nodes;
	struct elect_vip *ballots;		/* one for each of the plan's VIPs */
	/* plan_candidates()'s, with room for every advertisement, every node. */
	const struct kube_l2_advertisement **adverts;
	uint32_t *field;
};

/* Index the store's EndpointSlices by Service. */
void plan_index_slices(struct plan_ctx *ctx);

/* Director services of every claim, sorted as director.h wants them. */
void plan_backends(struct plan_ctx *ctx, struct plan *ret);

/*
 * How many endpoints to send to the Service has on that node, or, with node NULL,
 * anywhere: of the best that there are, so none where others have better ones.
 */
size_t plan_count_endpoints_on(const struct plan_ctx *ctx,
    const struct kube_object *svc, const char *node, uint8_t family);

/*
 * Find the candidates for the VIP that claims[0..n) share, as indexes into the
 * nodes; fill is_eligible and announce of *vip, and why_none where there are
 * no candidates.
 */
void plan_candidates(struct plan_ctx *ctx, const struct plan *plan,
    const struct plan_claim *claims, size_t n, struct plan_vip *vip,
    struct elect_vip *ballot);

/* Fill the plan's links. */
void plan_index_links(struct plan_ctx *ctx, struct plan *ret);

/* Is a node that lacks these bits without all of the advertisement's interfaces? */
bool plan_is_lacking(const struct plan *p, const struct kube_l2_advertisement *adv,
    uint32_t lacks);

/* Elect: fill owner and is_mine of every VIP from the ballots. */
void plan_owners(struct plan_ctx *ctx, struct plan *plan);

/* Does it announce the pool's VIPs for that Service? */
bool plan_scope_covers(const struct kube_scope *s, const struct plan_claim *c);

/* May the node attract traffic at all: not excluded, not cut off? */
bool plan_node_is_fit(const struct kube_object *node);

/* Is it asked to hand over what it attracts, and forward until that is gone? */
bool plan_node_is_drained(const struct plan_input *in, const struct kube_object *node);

/* Fill the plan's bgp_peers and bgp_routes, nothing where there is no BGPPeer. */
void plan_bgp(struct plan_ctx *ctx, struct plan *ret);

/* Add a line to the plan's warnings. */
void plan_warn(struct plan *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
