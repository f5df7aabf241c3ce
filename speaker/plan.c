#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sort.h"
#include "speaker/plan_impl.h"

enum { MAX_WARNINGS = 64 };

void
plan_warn(struct plan *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (p->nwarnings >= MAX_WARNINGS)
		return;
	if (p->warnings == NULL)
		p->warnings = arena_array(&p->arena, MAX_WARNINGS, sizeof(char *));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->warnings[p->nwarnings++] = arena_strdup(&p->arena, text);
}

static bool
entries_hold(const struct kube_pool_entry *e, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++) {
		if (ip_range_contains(&e[i].range, ip))
			return true;
	}
	return false;
}

/* The first pool of which no version could be read, NULL for none. */
static const struct kube_object *
pool_unread(const struct kube_store *store)
{
	struct kube_list stubs = kube_store_stubs(store, KUBE_IP_ADDRESS_POOL);

	for (size_t i = 0; i < stubs.n; i++) {
		if (kube_store_get(store, KUBE_IP_ADDRESS_POOL, stubs.items[i]->meta.ns,
		    stubs.items[i]->meta.name) == NULL)
			return stubs.items[i];
	}
	return NULL;
}

/*
 * The pool that holds ip, NULL for none. Pools do not overlap but for what one
 * of them reserves; where ip is reserved by all, it was given before that, and
 * the controller is about to take it back. One that none holds, and that our
 * controller gave (ipMode says so), is of the pool that cannot be read: who
 * started after the mistake must come to the same owners as who knew the pool.
 */
static const struct kube_object *
pool_of(const struct kube_store *store, const struct kube_ingress *in)
{
	const struct ip *ip = &in->ip;
	struct kube_list pools = kube_store_list(store, KUBE_IP_ADDRESS_POOL);
	const struct kube_object *reserving = NULL;

	for (size_t i = 0; i < pools.n; i++) {
		const struct kube_ip_address_pool *p = &pools.items[i]->pool;

		if (!entries_hold(p->addresses, p->naddresses, ip))
			continue;
		if (!entries_hold(p->reserved, p->nreserved, ip))
			return pools.items[i];
		reserving = pools.items[i];
	}
	if (reserving == NULL && in->ip_mode != NULL && strcmp(in->ip_mode, "Proxy") == 0)
		return pool_unread(store);
	return reserving;
}

static int
claim_cmp(const void *va, const void *vb)
{
	const struct plan_claim *a = va, *b = vb;
	int c = ip_cmp(&a->vip, &b->vip);

	if (c == 0)
		c = strcmp(a->svc->meta.ns, b->svc->meta.ns);
	return c != 0 ? c : strcmp(a->svc->meta.name, b->svc->meta.name);
}

/*
 * The VIPs in Services' status. An address outside every pool is not ours: it
 * was given by somebody else, or its pool is gone and the controller is about
 * to take it back.
 */
static void
collect_claims(struct plan_ctx *ctx)
{
	struct kube_list svcs = kube_store_list(ctx->in->store, KUBE_SERVICE);
	size_t max = 0;

	for (size_t i = 0; i < svcs.n; i++)
		max += svcs.items[i]->service.ningress;
	ctx->claims = arena_array(&ctx->scratch, max, sizeof(*ctx->claims));
	for (size_t i = 0; i < svcs.n; i++) {
		const struct kube_service *s = &svcs.items[i]->service;

		if (!s->is_load_balancer || svcs.items[i]->meta.is_deleting)
			continue;
		for (size_t j = 0; j < s->ningress; j++) {
			const struct kube_ingress *in = &s->ingress[j];
			const struct kube_object *pool;

			if (!ip_is_set(&in->ip) ||
			    (pool = pool_of(ctx->in->store, in)) == NULL)
				continue;
			ctx->claims[ctx->nclaims++] = (struct plan_claim){
				.vip = in->ip, .svc = svcs.items[i], .pool = pool };
		}
	}
	sort_items(ctx->claims, ctx->nclaims, sizeof(*ctx->claims), claim_cmp);
}

static void
name_services(struct plan *ret, const struct plan_claim *claims, size_t n,
    struct plan_vip *vip)
{
	vip->services = arena_array(&ret->arena, n, sizeof(*vip->services));
	vip->nservices = n;
	for (size_t i = 0; i < n; i++) {
		const struct kube_object *svc = claims[i].svc;

		vip->services[i] = (struct plan_service){
			.ns = arena_strdup(&ret->arena, svc->meta.ns),
			.name = arena_strdup(&ret->arena, svc->meta.name),
		};
		vip->is_local |= svc->service.external_policy == KUBE_POLICY_LOCAL;
	}
}

/* Runs of claims with one VIP become the plan's VIPs. */
static void
build_vips(struct plan_ctx *ctx, struct plan *ret)
{
	struct ip *vips = arena_array(&ret->arena, ctx->nclaims, sizeof(*vips));
	size_t run;

	ret->vips = arena_array(&ret->arena, ctx->nclaims, sizeof(*ret->vips));
	ctx->ballots = arena_array(&ctx->scratch, ctx->nclaims, sizeof(*ctx->ballots));
	ctx->adverts = arena_array(&ctx->scratch, kube_store_list(ctx->in->store,
	    KUBE_L2_ADVERTISEMENT).n, sizeof(struct kube_l2_advertisement *));
	ctx->holders = arena_array(&ctx->scratch, ctx->nodes.n, sizeof(*ctx->holders));
	ctx->field = arena_array(&ctx->scratch, ctx->nodes.n, sizeof(*ctx->field));
	for (size_t i = 0; i < ctx->nclaims; i += run) {
		const struct plan_claim *c = &ctx->claims[i];
		struct plan_vip *vip = &ret->vips[ret->nvips];

		for (run = 1; i + run < ctx->nclaims &&
		    ip_eq(&c[run].vip, &c->vip); run++)
			;
		vip->ip = c->vip;
		/* Pools are few, and their VIPs stand together: one copy does. */
		vip->pool = i > 0 && c[-1].pool == c->pool ? vip[-1].pool :
		    arena_strdup(&ret->arena, c->pool->meta.name);
		name_services(ret, c, run, vip);
		plan_candidates(ctx, ret, c, run, vip, &ctx->ballots[ret->nvips]);
		vip->is_delegated = c->is_delegated;
		ret->nvips++;
		if (!vip->is_delegated)
			vips[ret->want.nvips++] = c->vip;
	}
	ret->want.vips = vips;
}

/* This node's addresses, and the nodes whose tunnels it accepts. */
static void
build_nodes(struct plan_ctx *ctx, struct plan *ret)
{
	struct ip *own = NULL, *peers;
	size_t npeers = 0;

	for (size_t i = 0; i < ctx->nodes.n; i++)
		npeers += ctx->nodes.items[i]->node.ninternal_ips;
	peers = arena_array(&ret->arena, npeers, sizeof(*peers));
	npeers = 0;
	for (size_t i = 0; i < ctx->nodes.n; i++) {
		const struct kube_object *o = ctx->nodes.items[i];
		const struct kube_node *n = &o->node;

		if (strcmp(o->meta.name, ctx->in->self) != 0) {
			for (size_t j = 0; j < n->ninternal_ips; j++)
				peers[npeers++] = n->internal_ips[j];
			continue;
		}
		own = arena_array(&ret->arena, n->ninternal_ips, sizeof(*own));
		for (size_t j = 0; j < n->ninternal_ips; j++)
			own[j] = n->internal_ips[j];
		ret->want.nnode_ips = n->ninternal_ips;
	}
	ret->want.node_ips = own;
	ret->want.peers = peers;
	ret->want.npeers = npeers;
}

/* This node's pods with addresses of their own. */
static void
build_clients(struct plan_ctx *ctx, struct plan *ret)
{
	struct kube_list pods = kube_store_list(ctx->in->store, KUBE_POD);
	struct ip *clients;
	size_t n = 0;

	for (size_t i = 0; i < pods.n; i++)
		n += pods.items[i]->pod.nips;
	clients = arena_array(&ret->arena, n, sizeof(*clients));
	n = 0;
	for (size_t i = 0; i < pods.n; i++) {
		const struct kube_pod *p = &pods.items[i]->pod;

		if (p->is_host_network || p->node_name == NULL ||
		    strcmp(p->node_name, ctx->in->self) != 0)
			continue;
		for (size_t j = 0; j < p->nips; j++)
			clients[n++] = p->ips[j];
	}
	ret->want.local_clients = clients;
	ret->want.nlocal_clients = n;
}

void
plan_build(const struct plan_input *in, struct plan *ret)
{
	struct plan_ctx ctx = {
		.in = in,
		.arena = &ret->arena,
		.nodes = kube_store_list(in->store, KUBE_NODE),
	};

	*ret = (struct plan){ 0 };
	collect_claims(&ctx);
	plan_choose_profiles(&ctx, ret);
	plan_settle_delegation(&ctx, ret);
	plan_read_weights(&ctx, ret);
	plan_backends(&ctx, ret);
	plan_finish_profiles(&ctx, ret);
	plan_index_links(&ctx, ret);
	plan_index_reports(&ctx);
	build_vips(&ctx, ret);
	plan_owners(&ctx, ret);
	plan_bgp(&ctx, ret);
	build_nodes(&ctx, ret);
	build_clients(&ctx, ret);
	arena_fini(&ctx.scratch);
}

void
plan_fini(struct plan *p)
{
	arena_fini(&p->arena);
	arena_fini(&p->update_arena);
	arena_wipe(&p->secrets);
	*p = (struct plan){ 0 };
}
