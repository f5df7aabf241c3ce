/*
 * plan_impl.h - shared by the files of the plan, for nobody else:
 *
 *	plan.c		which VIPs there are, and the whole in order
 *	plan_backend.c	a Service's ports and endpoints -> director services
 *	plan_update.c	a few Services' endpoints anew
 *	plan_packet.c	whose datagrams are scheduled one by one
 *	plan_mode.c	who forwards: delegation, schedulers, weights of nodes
 *	plan_profile.c	ForwardingProfiles -> checks, verdicts
 *	plan_quorum.c	who serves without quorum: nobody, or the fallback
 *	plan_hints.c	endpoints that are meant for other zones or nodes
 *	plan_scope.c	what an advertisement covers, which nodes are fit
 *	plan_links.c	the interfaces of L2Advertisements -> bits to tell of them
 *	plan_sticky.c	who announces a Service already, for failback never
 *	plan_owner.c	L2Advertisements, preferences -> candidates -> owner
 *	plan_bgp.c	BGPPeers and BGPAdvertisements -> peers and routes
 */
#ifndef HERALD_SPEAKER_PLAN_IMPL_H
#define HERALD_SPEAKER_PLAN_IMPL_H

#include "speaker/elect.h"
#include "speaker/plan.h"

/* What an endpoint is good for, best first. */
enum use {
	USE_READY,	/* new connections */
	USE_SERVING,	/* new ones only where nobody is ready (KEP-1669) */
	USE_NONE,	/* keeps the connections it has */
};

/* One Service at one VIP. */
struct plan_claim {
	struct ip vip;
	const struct kube_object *svc;
	const struct kube_object *pool;
	bool	is_delegated;			/* as are all that share the VIP */
};

/* What the endpoints of one node count for. */
struct plan_weight {
	const char *node;
	uint16_t weight;
};

/* A Service that a ForwardingProfile is for. */
struct plan_choice {
	const struct kube_object *svc;
	const struct kube_forwarding_profile *profile;
	struct probe_conf *conf;		/* NULL: no checks */
	uint64_t id;				/* vouch_service() */
	/* By family, IPv4 first: a port of it has endpoints to serve it, or only
	   the fallback; filled by plan_backends(). */
	bool	is_served[2], is_falling_back[2];
};

struct plan_ctx {
	const struct plan_input *in;
	struct arena *arena;			/* the plan's */
	struct arena scratch;			/* until plan_build() returns */
	struct plan_claim *claims;		/* scratch; sorted by vip, then Service */
	size_t	nclaims;
	struct plan_choice *choices;		/* sorted by namespace, Service */
	size_t	nchoices;
	struct plan_check *checks;		/* heap, until plan_checks() */
	size_t	nchecks, checks_cap;
	struct kube_list nodes;
	struct plan_weight *weights;		/* of nodes that have one, sorted */
	size_t	nweights;
	struct elect_vip *ballots;		/* one for each of the plan's VIPs */
	/* plan_candidates()'s, with room for every advertisement, every node. */
	const struct kube_l2_advertisement **adverts;
	uint32_t *field, *holders;
	const struct kube_object **reports;	/* ServiceL2Statuses by Service, node */
	size_t	nreports;
};

/* Find out which Services have a ForwardingProfile. */
void plan_choose_profiles(struct plan_ctx *ctx, struct plan *ret);

/* The Service's, NULL where it has none. */
struct plan_choice *plan_choice_of(const struct plan_ctx *ctx,
    const struct kube_object *svc);

/* With profiles chosen: who is left to kube-proxy. */
void plan_settle_delegation(struct plan_ctx *ctx, struct plan *ret);

/* The scheduler; c may be NULL. */
enum ipvs_sched plan_sched_of(const struct plan_choice *c);

/* How long its endpoints take to start, and drain; c may be NULL. */
uint32_t plan_slow_start_sec_of(const struct plan_choice *c);
uint32_t plan_drain_sec_of(const struct plan_ctx *ctx, const struct plan_choice *c);

/* Read the weights of nodes; then the weight of one, 1 where it has none. */
void plan_read_weights(struct plan_ctx *ctx, struct plan *ret);
uint16_t plan_weight_of(const struct plan_ctx *ctx, const char *node);

/*
 * An endpoint of the Service that is ready or serving, at the port number that
 * its slice gives: have it checked, if that is for this node to do.
 */
void plan_check_endpoint(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_endpoint *ep, uint16_t number);

/* Does the node that vouches for it say that it is down? c may be NULL. */
bool plan_is_down(const struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_endpoint *ep, uint16_t number);

/* The fallback of a Service's port in one family: usable ones, of the scratch arena. */
struct plan_sorry {
	struct ipvs_endpoint *eps;
	size_t	n;
};
void plan_find_fallback(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_service_port *port, const struct ipvs_service *s,
    struct plan *plan, struct plan_sorry *ret);

/*
 * nup of the service's endpoints could serve: without the quorum that its profile
 * wants, take them all out and put the fallback in. *n endpoints are in eps, which has
 * room for the fallback; true where it is to be sorted again.
 */
bool plan_apply_quorum(struct plan_ctx *ctx, struct plan_choice *c,
    const struct ipvs_service *s, unsigned nup, const struct plan_sorry *sorry,
    struct ipvs_endpoint *eps, size_t *n, struct plan *ret);

/* Is the Service the fallback of any profile? */
bool plan_is_fallback(const struct kube_store *store, const char *ns, const char *name);

/* Order of a plan's quorums, for qsort(). */
int plan_quorum_cmp(const void *a, const void *b);

/* Sort and finish the plan's checks and quorums. */
void plan_finish_profiles(struct plan_ctx *ctx, struct plan *ret);

/* Director services of every claim, sorted as director.h wants them. */
void plan_backends(struct plan_ctx *ctx, struct plan *ret);

/*
 * The endpoints that svc's slices give for its port, sorted, each once, in an array
 * with room for nspare more; their weight is what they are good for, until
 * plan_set_weights(). They are reached as c, which may be NULL and another Service's,
 * has it; its own profile has them checked.
 */
size_t plan_collect(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_object *svc, const struct kube_service_port *port,
    uint8_t family, struct arena *a, size_t nspare, struct ipvs_endpoint **ret);
void plan_set_weights(struct ipvs_endpoint *eps, size_t n, bool is_local_only);

/* The port number that a slice gives for the named Service port, 0 none. */
uint16_t plan_slice_port(const struct kube_endpoint_slice *s,
    const struct kube_service_port *port);

/*
 * Pass over those of plan_collect()'s that are meant for others than this node, by the
 * hints of svc's slices. Before plan_set_weights().
 */
void plan_pass_over(const struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, struct ipvs_endpoint *eps, size_t n);

/* Is the port's is_one_packet asked for? c may be NULL. */
bool plan_wants_one_packet(const struct plan_choice *c,
    const struct kube_service_port *port);

/* Take it from those of the sorted services that ask for it and cannot have it. */
void plan_settle_one_packet(struct plan_ctx *ctx, struct plan *p,
    struct ipvs_service *services, size_t n);

/* The canonical endpoint list of one Service port in one family: fills *ret's. */
void plan_endpoints(struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, struct ipvs_service *ret,
    struct plan *plan);

/* What the director's service is called. */
const char *plan_port_name(struct arena *a, const struct kube_object *svc,
    const struct kube_service_port *port);

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

/* Index the store's ServiceL2Statuses; none where in->is_sticky is not set. */
void plan_index_reports(struct plan_ctx *ctx);

/* Does the node say of one of the claims' Services that it announces it? */
bool plan_holds(const struct plan_ctx *ctx, const struct plan_claim *claims, size_t n,
    const char *node);

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
