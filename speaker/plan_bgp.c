/*
 * plan_bgp.c - BGPPeers and BGPAdvertisements to peers and routes.
 *
 * Every node that can forward announces: with externalTrafficPolicy Cluster
 * where the Service has an endpoint anywhere, with Local where it has one on
 * this node. Advertisements that overlap on a prefix and a peer combine:
 * communities add up, and of each number what attracts most stands. A drained
 * node's routes go marked GRACEFUL_SHUTDOWN, and apply_bgp.c withdraws them in a
 * while.
 */
#include <stdlib.h>
#include <string.h>

#include "kube/secret.h"
#include "lib/hash.h"
#include "speaker/plan_impl.h"

enum {
	DEFAULT_HOLD_SEC = 90,		/* RFC 4271, section 10 */
	DEFAULT_CONNECT_SEC = 5,
	RESTART_SEC = 120,		/* as FRR's default */
	DEFAULT_LOCAL_PREF = 100,
	BYTES_PER_MBIT = 125000,
};

/* One VIP by one advertisement. */
struct offer {
	struct prefix prefix;
	struct ip vip;
	const struct kube_bgp_advertisement *adv;
	size_t	adv_at;			/* its index among all */
	size_t	nready;			/* endpoints on this node */
	bool	is_retiring;
};

struct bgp_ctx {
	struct plan_ctx *ctx;
	struct plan *plan;
	const struct kube_object *self;
	struct offer *offers;		/* sorted by prefix */
	size_t	noffers;
	size_t	*nready;		/* by adv_at: endpoints of the prefix in hand */
	const struct bgp_attrs **last;	/* a peer's attributes of the prefix before */
};

/* RFC 6286: any number but 0 that no other speaker of the AS has. */
static uint32_t
router_id(const struct kube_bgp_peer *p, const struct kube_object *self)
{
	uint64_t h = hash_str(self->meta.name, 0);

	if (ip_is_set(&p->router_id))
		return ip_to_v4(&p->router_id);
	for (size_t i = 0; i < self->node.ninternal_ips; i++) {
		if (ip_is_v4(&self->node.internal_ips[i]))
			return ip_to_v4(&self->node.internal_ips[i]);
	}
	return (uint32_t)h != 0 ? (uint32_t)h : 1;
}

static struct bgp_peer_conf
session_of(const struct kube_bgp_peer *p, const struct kube_object *self)
{
	static const uint8_t roles[] = {
		[KUBE_ROLE_NONE] = BGP_ROLE_NONE, [KUBE_ROLE_PROVIDER] = BGP_ROLE_PROVIDER,
		[KUBE_ROLE_RS] = BGP_ROLE_RS, [KUBE_ROLE_RS_CLIENT] = BGP_ROLE_RS_CLIENT,
		[KUBE_ROLE_CUSTOMER] = BGP_ROLE_CUSTOMER, [KUBE_ROLE_PEER] = BGP_ROLE_PEER,
	};
	struct bgp_peer_conf c = {
		.local_as = p->local_asn != 0 ? p->local_asn : p->my_asn,
		.as_rule = BGP_AS_EXACT,
		.peer_as = p->peer_asn,
		.router_id = router_id(p, self),
		.hold_sec = p->has_hold_time ? (uint16_t)(p->hold_ms / 1000) :
		    DEFAULT_HOLD_SEC,
		.keepalive_sec = p->has_keepalive_time ?
		    (uint16_t)((p->keepalive_ms + 999) / 1000) : 0,
		.connect_sec = p->connect_sec != 0 ? (uint16_t)p->connect_sec :
		    DEFAULT_CONNECT_SEC,
		.restart_sec = p->graceful_restart ? RESTART_SEC : 0,
		.is_passive = p->is_passive,
		.is_strict_role = p->is_role_strict,
		.has_extended = p->has_extended_messages,
		.role = roles[p->role],
		.families = 1u << BGP_IPV4_UNICAST | 1u << BGP_IPV6_UNICAST,
		.has_v6_next_hop = true,
	};

	if (p->dynamic_asn != KUBE_ASN_FIXED)
		c.as_rule = p->dynamic_asn == KUBE_ASN_INTERNAL ? BGP_AS_INTERNAL :
		    BGP_AS_EXTERNAL;
	/* One family by default, that of the session, as MetalLB. */
	if (ip_is_set(&p->address) && !p->is_dual_stack)
		c.families = ip_is_v4(&p->address) ? 1u << BGP_IPV4_UNICAST :
		    1u << BGP_IPV6_UNICAST;
	return c;
}

static struct bgp_io_bfd
bfd_of(struct bgp_ctx *b, const struct kube_object *peer)
{
	const char *name = peer->bgp_peer.bfd_profile;
	const struct kube_object *o;

	if (name == NULL)
		return (struct bgp_io_bfd){ 0 };
	o = kube_store_get(b->ctx->in->store, KUBE_BFD_PROFILE, peer->meta.ns, name);
	if (o == NULL) {
		plan_warn(b->plan, "BGPPeer %s: spec.bfdProfile: there is no "
		    "BFDProfile \"%s\", so it runs without BFD; create it or correct "
		    "the name", KUBE_KEY(peer), name);
		return (struct bgp_io_bfd){ 0 };
	}
	return (struct bgp_io_bfd){
		.min_tx_us = o->bfd_profile.transmit_ms * 1000,
		.min_rx_us = o->bfd_profile.receive_ms * 1000,
		.detect_mult = o->bfd_profile.detect_multiplier,
		.min_ttl = o->bfd_profile.minimum_ttl,
		.is_passive = o->bfd_profile.passive_mode,
		.echo_us = o->bfd_profile.echo_mode ? o->bfd_profile.echo_ms * 1000 : 0,
	};
}

static void
add_peer(struct bgp_ctx *b, const struct kube_object *o)
{
	const struct kube_bgp_peer *p = &o->bgp_peer;
	struct arena *a = &b->plan->arena;
	const char *password = NULL;
	struct kube_error err = { "" };

	if (!kube_any_selector_matches(p->node_selectors, p->nnode_selectors,
	    &b->self->meta.labels))
		return;
	/* Without the password the peer would drop us anyway: that one waits. */
	(void)kube_peer_password(b->ctx->in->store, o, &password, &err);
	b->plan->bgp_peers[b->plan->nbgp_peers++] = (struct bgp_io_peer){
		.name = arena_strdup(a, o->meta.name),
		.fault = err.text[0] != '\0' ? arena_strdup(a, err.text) : NULL,
		.addr = p->address,
		.ifname = arena_strdup(a, p->interface),
		.vrf = arena_strdup(a, p->vrf),
		.port = p->port,
		.source = p->source,
		.hops = p->ebgp_multi_hop ? 255 : 0,
		.has_gtsm = p->has_ttl_security,
		.auth = password == NULL ? BGP_IO_AUTH_NONE :
		    p->is_tcp_ao ? BGP_IO_AUTH_AO : BGP_IO_AUTH_MD5,
		.key_id = p->key_id,
		.password = arena_strdup(&b->plan->secrets, password),
		.session = session_of(p, b->self),
		.bfd = bfd_of(b, o),
	};
}

static bool
is_local(const struct plan_claim *c)
{
	return c->svc->service.external_policy == KUBE_POLICY_LOCAL;
}

/* May that node announce the VIP for that Service? */
static bool
is_offered(const struct bgp_ctx *b, const struct plan_claim *c, const char *node)
{
	return plan_count_endpoints_on(b->ctx, c->svc, is_local(c) ? node : NULL,
	    c->vip.family) > 0;
}

/*
 * Drained, with somebody else to attract what this node withdraws: routers then
 * hash to the other nodes, which choose the same endpoints.
 */
static bool
is_retiring(const struct bgp_ctx *b, const struct plan_claim *c,
    const struct kube_bgp_advertisement *a)
{
	const struct plan_input *in = b->ctx->in;

	for (size_t i = 0; b->plan->is_drained && i < b->ctx->nodes.n; i++) {
		const struct kube_object *n = b->ctx->nodes.items[i];

		if (n != b->self && plan_node_is_fit(n) && !plan_node_is_drained(in, n) &&
		    alive_state(in->alive, n->meta.name, in->now) == ALIVE_UP &&
		    kube_any_selector_matches(a->scope.node_selectors, a->scope.nnode_selectors,
		    &n->meta.labels) && is_offered(b, c, n->meta.name))
			return true;
	}
	return false;
}

static int
offer_cmp(const void *va, const void *vb)
{
	const struct offer *a = va, *b = vb;
	int c = prefix_cmp(&a->prefix, &b->prefix);

	return c != 0 ? c : ip_cmp(&a->vip, &b->vip);
}

static void
collect_offers(struct bgp_ctx *b)
{
	struct kube_list advs = kube_store_list(b->ctx->in->store,
	    KUBE_BGP_ADVERTISEMENT);

	b->offers = arena_array(&b->plan->arena, advs.n * b->ctx->nclaims,
	    sizeof(*b->offers));
	for (size_t i = 0; i < b->ctx->nclaims; i++) {
		const struct plan_claim *c = &b->ctx->claims[i];

		if (!is_offered(b, c, b->ctx->in->self))
			continue;
		for (size_t j = 0; j < advs.n; j++) {
			const struct kube_bgp_advertisement *a = &advs.items[j]->bgpadv;

			if (!kube_any_selector_matches(a->scope.node_selectors,
			    a->scope.nnode_selectors, &b->self->meta.labels) ||
			    !plan_scope_covers(&a->scope, c))
				continue;
			b->offers[b->noffers++] = (struct offer){
				.prefix = prefix_make(&c->vip, ip_is_v4(&c->vip) ?
				    a->aggregation_len : a->aggregation_len_v6),
				.vip = c->vip, .adv = a, .adv_at = j,
				.nready = a->endpoint_mbps == 0 ? 0 :
				    plan_count_endpoints_on(b->ctx, c->svc,
				    b->ctx->in->self, c->vip.family),
				.is_retiring = is_retiring(b, c, a),
			};
		}
	}
	qsort(b->offers, b->noffers, sizeof(*b->offers), offer_cmp);
}

static bool
is_for_peer(const struct kube_bgp_advertisement *a, const char *peer)
{
	for (size_t i = 0; i < a->npeers; i++) {
		if (strcmp(a->peers[i], peer) == 0)
			return true;
	}
	return a->npeers == 0;
}

/* The value of a Community's entry; NULL where no Community has it. */
static const struct kube_bgp_community *
find_alias(const struct kube_store *store, const char *name)
{
	struct kube_list all = kube_store_list(store, KUBE_COMMUNITY);

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_community *c = &all.items[i]->community;

		for (size_t j = 0; j < c->naliases; j++) {
			if (strcmp(c->aliases[j].name, name) == 0)
				return &c->aliases[j].value;
		}
	}
	return NULL;
}

/* Sets with few members: keep them sorted, so that equal ones are equal bytes. */
static void
add_community(struct bgp_attrs *attrs, const struct kube_bgp_community *c)
{
	uint32_t v = c->part[0] << 16 | c->part[1];
	size_t i = 0;

	if (c->is_large) {
		while (i < attrs->nlarge &&
		    memcmp(attrs->large[i], c->part, sizeof(c->part)) != 0)
			i++;
		if (i == attrs->nlarge && i < BGP_COMMUNITIES_MAX)
			memcpy(attrs->large[attrs->nlarge++], c->part, sizeof(c->part));
		return;
	}
	while (i < attrs->ncommunities && attrs->communities[i] < v)
		i++;
	if ((i < attrs->ncommunities && attrs->communities[i] == v) ||
	    attrs->ncommunities == BGP_COMMUNITIES_MAX)
		return;
	memmove(attrs->communities + i + 1, attrs->communities + i,
	    (attrs->ncommunities - i) * sizeof(v));
	attrs->communities[i] = v;
	attrs->ncommunities++;
}

static void
add_communities(struct bgp_ctx *b, const struct kube_bgp_advertisement *a,
    struct bgp_attrs *attrs)
{
	for (size_t i = 0; i < a->ncommunities; i++) {
		const struct kube_community_ref *ref = &a->communities[i];
		const struct kube_bgp_community *value = &ref->value;

		if (ref->name != NULL)
			value = find_alias(b->ctx->in->store, ref->name);
		if (value != NULL)
			add_community(attrs, value);
		else
			plan_warn(b->plan, "BGPAdvertisement: spec.communities[%zu]: no "
			    "Community has an entry \"%s\"; it is left out", i, ref->name);
	}
}

/* Which numbers some advertisement has given a route. */
struct given {
	bool	pref, prepend;
	double	mbps;
};

/* Of each number what attracts most stands, among those who give it. */
static void
add_numbers(const struct bgp_ctx *b, const struct offer *o, struct given *given,
    struct bgp_attrs *attrs)
{
	const struct kube_bgp_advertisement *a = o->adv;
	/* A node without endpoints forwards all the same: let it not be left out. */
	size_t n = b->nready[o->adv_at] > 0 ? b->nready[o->adv_at] : 1;

	if (a->has_local_pref && (!given->pref || a->local_pref > attrs->local_pref))
		attrs->local_pref = a->local_pref;
	if (a->has_med && (!attrs->has_med || a->med < attrs->med))
		attrs->med = a->med;
	if (a->has_prepend && (!given->prepend || a->prepend < attrs->nprepend))
		attrs->nprepend = a->prepend;
	if ((double)a->endpoint_mbps * (double)n > given->mbps)
		given->mbps = (double)a->endpoint_mbps * (double)n;
	given->pref |= a->has_local_pref;
	attrs->has_med |= a->has_med;
	given->prepend |= a->has_prepend;
}

static bool
is_internal(const struct bgp_peer_conf *c)
{
	return c->as_rule == BGP_AS_INTERNAL ||
	    (c->as_rule == BGP_AS_EXACT && c->peer_as == c->local_as);
}

/* The offers of one prefix, combined for one peer; false: none is for it. */
static bool
combine(struct bgp_ctx *b, const struct offer *o, size_t n,
    const struct bgp_io_peer *peer, struct bgp_attrs *attrs)
{
	const struct kube_bgp_advertisement *last = NULL;
	struct given given = { 0 };
	bool is_any = false;

	for (size_t i = 0; i < n; i++) {
		/* Neighbours in a prefix are mostly of one advertisement. */
		if (o[i].adv == last || !is_for_peer(o[i].adv, peer->name))
			continue;
		last = o[i].adv;
		is_any = true;
		add_communities(b, last, attrs);
		add_numbers(b, &o[i], &given, attrs);
	}
	if (!given.pref)
		attrs->local_pref = DEFAULT_LOCAL_PREF;
	if (given.mbps > 0)
		attrs->ext[attrs->next++] = bgp_link_bandwidth(peer->session.local_as,
		    is_internal(&peer->session), given.mbps * BYTES_PER_MBIT);
	return is_any;
}

/* Endpoints of the prefix on this node, as each advertisement counts them. */
static void
count_ready(struct bgp_ctx *b, const struct offer *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->nready[o[i].adv_at] = 0;
	for (size_t i = 0; i < n; i++)
		b->nready[o[i].adv_at] += o[i].nready;
}

static void
add_routes(struct bgp_ctx *b, const struct offer *o, size_t n)
{
	struct plan *plan = b->plan;
	struct ip *vips = arena_array(&plan->arena, n, sizeof(*vips));
	bool is_going = true;
	size_t nvips = 0;

	count_ready(b, o, n);
	for (size_t i = 0; i < n; i++) {
		is_going &= o[i].is_retiring;
		if (nvips == 0 || !ip_eq(&vips[nvips - 1], &o[i].vip))
			vips[nvips++] = o[i].vip;
	}
	for (size_t i = 0; i < plan->nbgp_peers; i++) {
		struct bgp_attrs attrs;

		memset(&attrs, 0, sizeof(attrs));	/* padding, too: compared below */
		if (!combine(b, o, n, &plan->bgp_peers[i], &attrs))
			continue;
		if (is_going)
			bgp_attrs_retire(&attrs);
		/* They are large, and mostly the same for all prefixes. */
		if (b->last[i] == NULL || memcmp(b->last[i], &attrs, sizeof(attrs)) != 0) {
			struct bgp_attrs *copy = arena_alloc(&plan->arena, sizeof(*copy));

			memcpy(copy, &attrs, sizeof(attrs));
			b->last[i] = copy;
		}
		plan->bgp_routes[plan->nbgp_routes++] = (struct plan_route){
			.route = { .prefix = o->prefix, .attrs = b->last[i],
			    .peers = &plan->bgp_peers[i].name, .npeers = 1 },
			.vips = vips, .nvips = nvips, .is_retiring = is_going,
		};
		plan->has_retiring |= is_going;
	}
}

void
plan_bgp(struct plan_ctx *ctx, struct plan *ret)
{
	struct kube_list peers = kube_store_list(ctx->in->store, KUBE_BGP_PEER);
	struct bgp_ctx b = { .ctx = ctx, .plan = ret };
	size_t run;

	b.self = kube_store_get(ctx->in->store, KUBE_NODE, NULL, ctx->in->self);
	if (b.self == NULL)
		return;
	ret->is_drained = plan_node_is_drained(ctx->in, b.self);
	if (peers.n == 0)
		return;
	ret->bgp_peers = arena_array(&ret->arena, peers.n, sizeof(*ret->bgp_peers));
	for (size_t i = 0; i < peers.n; i++)
		add_peer(&b, peers.items[i]);
	if (ret->nbgp_peers == 0 || !plan_node_is_fit(b.self))
		return;
	collect_offers(&b);
	b.nready = arena_array(&ret->arena, kube_store_list(ctx->in->store,
	    KUBE_BGP_ADVERTISEMENT).n, sizeof(*b.nready));
	b.last = arena_array(&ret->arena, ret->nbgp_peers, sizeof(*b.last));
	ret->bgp_routes = arena_array(&ret->arena, b.noffers * ret->nbgp_peers,
	    sizeof(*ret->bgp_routes));
	for (size_t i = 0; i < b.noffers; i += run) {
		for (run = 1; i + run < b.noffers && prefix_cmp(&b.offers[i].prefix,
		    &b.offers[i + run].prefix) == 0; run++)
			;
		add_routes(&b, &b.offers[i], run);
	}
}
