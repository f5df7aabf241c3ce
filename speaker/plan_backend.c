#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/subset.h"
#include "lib/sort.h"
#include "speaker/plan_impl.h"

static struct kube_list
slices_of(const struct plan_ctx *ctx, const struct kube_object *svc)
{
	return kube_store_slices(ctx->in->store, svc->meta.ns, svc->meta.name);
}

static enum use
endpoint_use(const struct kube_service *svc, const struct kube_endpoint *ep)
{
	if (ep->is_ready || svc->publish_not_ready)
		return USE_READY;
	return ep->is_serving && ep->is_terminating ? USE_SERVING : USE_NONE;
}

uint16_t
plan_slice_port(const struct kube_endpoint_slice *s, const struct kube_service_port *port)
{
	const char *name = port->name != NULL ? port->name : "";

	for (size_t i = 0; i < s->nports; i++) {
		if (s->ports[i].proto == port->proto &&
		    strcmp(s->ports[i].name, name) == 0)
			return s->ports[i].port;
	}
	return 0;
}

/* Is the endpoint down on every port that the Service has there? */
static bool
is_out(const struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_endpoint_slice *s, const struct kube_endpoint *ep)
{
	const struct kube_service *svc = &c->svc->service;
	bool is_down = false;

	for (size_t i = 0; i < svc->nports; i++) {
		uint16_t number = plan_slice_port(s, &svc->ports[i]);

		if (number == 0)
			continue;
		if (!plan_is_down(ctx, c, ep, number))
			return false;
		is_down = true;
	}
	return is_down;
}

size_t
plan_count_endpoints_on(const struct plan_ctx *ctx, const struct kube_object *svc,
    const char *node, uint8_t family)
{
	const struct plan_choice *c = plan_choice_of(ctx, svc);
	struct kube_list slices = slices_of(ctx, svc);
	size_t here[USE_NONE + 1] = { 0 }, f = family == IP_V4 ? 0 : 1;
	enum use best = USE_NONE;

	if (c != NULL && !c->is_served[f])
		return node == NULL && c->is_falling_back[f] ? 1 : 0;
	for (size_t i = 0; i < slices.n; i++) {
		const struct kube_endpoint_slice *s = &slices.items[i]->slice;

		for (size_t j = 0; s->family == family && j < s->nendpoints; j++) {
			const struct kube_endpoint *ep = &s->endpoints[j];
			enum use use = endpoint_use(&svc->service, ep);

			if (c != NULL && is_out(ctx, c, s, ep))
				use = USE_NONE;
			best = use < best ? use : best;
			here[use] += node == NULL || (ep->node_name != NULL &&
			    strcmp(ep->node_name, node) == 0);
		}
	}
	return best != USE_NONE ? here[best] : 0;
}

static enum ipvs_reach
reach_of(const struct plan_ctx *ctx, const struct plan_choice *c, const char *node,
    enum alive_state *ret_state)
{
	const struct plan_input *in = ctx->in;

	*ret_state = ALIVE_ABSENT;
	if (node == NULL)
		return IPVS_REACH_MASQ;
	if (strcmp(node, in->self) == 0) {
		*ret_state = ALIVE_UP;
		return IPVS_REACH_LOCAL;
	}
	*ret_state = alive_state(in->alive, node, in->now);
	if (c != NULL && c->profile->mode == KUBE_FORWARD_MASQUERADE)
		return IPVS_REACH_MASQ;
	/* DEAD: how to reach it no longer matters; do not rewrite the row. */
	return alive_has_director(*ret_state) || *ret_state == ALIVE_DEAD ?
	    IPVS_REACH_TUNNEL : IPVS_REACH_MASQ;
}

/* An endpoint on its way into a service: .weight holds its enum use first. */
static int
endpoint_cmp(const void *va, const void *vb)
{
	const struct ipvs_endpoint *a = va, *b = vb;
	int c = ipvs_endpoint_cmp(a, b);

	/* Twice the same (slices in mid-change): the better one comes first. */
	return c != 0 ? c : (int)a->weight - (int)b->weight;
}

/*
 * An endpoint that takes nothing new stays in the table at weight 0: it keeps
 * its slots, so that the other endpoints keep theirs on every node, and what
 * it still has runs out. That also holds for endpoints on a dead node. With
 * policy Local the director uses this node's alone, so the best is one of them.
 */
void
plan_set_weights(struct ipvs_endpoint *eps, size_t n, bool is_local_only)
{
	uint16_t best = USE_NONE;

	for (size_t i = 0; i < n; i++) {
		if (!is_local_only || eps[i].reach == IPVS_REACH_LOCAL)
			best = eps[i].weight < best ? eps[i].weight : best;
	}
	for (size_t i = 0; i < n; i++)
		eps[i].weight = eps[i].weight == best && best != USE_NONE ?
		    eps[i].drain_weight : 0;
}

/* How many serve, on whatever node; .weight is still their enum use. */
static unsigned
count_best(const struct ipvs_endpoint *eps, size_t n)
{
	unsigned count[USE_NONE] = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (eps[i].weight < USE_NONE)
			count[eps[i].weight]++;
	}
	return count[USE_READY] > 0 ? count[USE_READY] : count[USE_SERVING];
}

/*
 * A UDP endpoint that serves nothing has no connections that could end by
 * themselves: its flows are to move on.
 */
static enum ipvs_life
life_of(const struct kube_service_port *port, const struct kube_endpoint *ep,
    enum use use)
{
	if (use == USE_NONE && port->proto == KUBE_UDP)
		return IPVS_GONE;
	return ep->is_terminating ? IPVS_DRAINS : IPVS_LIVES;
}

size_t
plan_collect(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_object *svc, const struct kube_service_port *port,
    uint8_t family, struct arena *a, size_t nspare, struct ipvs_endpoint **ret)
{
	const struct plan_choice *own = plan_choice_of(ctx, svc);
	struct kube_list slices = slices_of(ctx, svc);
	size_t max = nspare, n = 0, kept = 0;
	struct ipvs_endpoint *eps;

	for (size_t i = 0; i < slices.n; i++)
		max += slices.items[i]->slice.nendpoints;
	*ret = eps = arena_array(a, max, sizeof(*eps));
	for (size_t i = 0; i < slices.n; i++) {
		const struct kube_endpoint_slice *s = &slices.items[i]->slice;
		uint16_t number = plan_slice_port(s, port);

		if (s->family != family || number == 0)
			continue;
		for (size_t j = 0; j < s->nendpoints; j++) {
			const struct kube_endpoint *ep = &s->endpoints[j];
			enum use use = endpoint_use(&svc->service, ep);
			enum alive_state state;
			enum ipvs_reach reach = reach_of(ctx, c, ep->node_name,
			    &state);

			if (own != NULL && use != USE_NONE)
				plan_check_endpoint(ctx, own, ep, number);
			if (state == ALIVE_DEAD || plan_is_down(ctx, own, ep, number))
				use = USE_NONE;
			eps[n++] = (struct ipvs_endpoint){
				.ip = ep->ip, .port = number,
				.reach = (uint8_t)reach,
				.weight = (uint16_t)use,
				.life = (uint8_t)life_of(port, ep, use),
				.drain_weight = plan_weight_of(ctx, ep->node_name),
			};
		}
	}
	sort_items(eps, n, sizeof(*eps), endpoint_cmp);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !ip_eq(&eps[i].ip, &eps[kept - 1].ip) ||
		    eps[i].port != eps[kept - 1].port)
			eps[kept++] = eps[i];
	}
	return kept;
}

void
plan_endpoints(struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, struct ipvs_service *ret, struct plan *plan)
{
	struct plan_choice *c = plan_choice_of(ctx, svc);
	struct plan_sorry sorry = { .n = 0 };
	struct ipvs_endpoint *eps;
	unsigned nup;
	size_t n;

	if (c != NULL)
		plan_find_fallback(ctx, c, port, ret, plan, &sorry);
	n = plan_collect(ctx, c, svc, port, ret->vip.family, ctx->arena, sorry.n, &eps);
	nup = count_best(eps, n);
	if (c != NULL && c->profile->has_hints && !ret->is_local_only)
		plan_pass_over(ctx, svc, port, eps, n);
	plan_set_weights(eps, n, ret->is_local_only);
	if (c != NULL && plan_apply_quorum(ctx, c, ret, nup, &sorry, eps, &n, plan))
		sort_items(eps, n, sizeof(*eps), endpoint_cmp);
	ret->endpoints = eps;
	ret->nendpoints = ret->sched == IPVS_SCHED_MH ?
	    ipvs_subset_choose(ret, eps, n) : n;
	ret->nomitted = n - ret->nendpoints;
}

const char *
plan_port_name(struct arena *a, const struct kube_object *svc,
    const struct kube_service_port *port)
{
	return arena_printf(a, "%s/%s:%u/%s", svc->meta.ns, svc->meta.name, port->port,
	    kube_proto_name(port->proto));
}

static void
build_service(struct plan_ctx *ctx, const struct plan_claim *claim,
    const struct kube_service_port *port, struct ipvs_service *ret, struct plan *plan)
{
	const struct kube_service *svc = &claim->svc->service;
	struct prefix *ranges;

	ranges = arena_array(ctx->arena, svc->nsource_ranges, sizeof(*ranges));
	for (size_t i = 0; i < svc->nsource_ranges; i++)
		ranges[i] = svc->source_ranges[i];
	*ret = (struct ipvs_service){
		.vip = claim->vip,
		.proto = (uint8_t)port->proto,
		.port = port->port,
		.sched = plan_sched_of(plan_choice_of(ctx, claim->svc)),
		.affinity_sec = svc->affinity_sec,
		.slow_start_sec = plan_slow_start_sec_of(plan_choice_of(ctx,
		    claim->svc)),
		.drain_sec = plan_drain_sec_of(ctx, plan_choice_of(ctx, claim->svc)),
		.is_local_only = svc->external_policy == KUBE_POLICY_LOCAL,
		.is_one_packet = plan_wants_one_packet(plan_choice_of(ctx, claim->svc),
		    port),
		.source_ranges = ranges,
		.nsource_ranges = svc->nsource_ranges,
		.name = plan_port_name(ctx->arena, claim->svc, port),
	};
	plan_endpoints(ctx, claim->svc, port, ret, plan);
}

/* It is for kube-proxy to know whether it has endpoints. */
static void
pass_over(struct plan_ctx *ctx, const struct plan_claim *claim)
{
	struct plan_choice *c = plan_choice_of(ctx, claim->svc);

	if (c != NULL)
		c->is_served[ip_is_v4(&claim->vip) ? 0 : 1] = true;
}

static int
service_cmp(const void *va, const void *vb)
{
	const struct ipvs_service *a = va, *b = vb;
	int c = ipvs_service_cmp(a, b);

	return c != 0 ? c : strcmp(a->name, b->name);
}

/* Without numbers, which are others at every change: it is to be logged once. */
static void
warn_of_omitted(struct plan *p)
{
	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];

		if (s->nomitted > 0)
			plan_warn(p, "%s at %s: it has more endpoints than the scheduler "
			    "mh serves: %u of them are used, on all nodes the same; "
			    "choose another scheduler by a ForwardingProfile, or give "
			    "it fewer", s->name, IP_STR(&s->vip), IPVS_MH_MOST);
	}
}

void
plan_backends(struct plan_ctx *ctx, struct plan *ret)
{
	struct ipvs_service *out;
	size_t max = 0, n = 0, kept = 0;

	for (size_t i = 0; i < ctx->nclaims; i++)
		max += ctx->claims[i].svc->service.nports;
	out = arena_array(ctx->arena, max, sizeof(*out));
	ret->quorums = arena_array(ctx->arena, ctx->nchoices > 0 ? max : 0,
	    sizeof(*ret->quorums));
	for (size_t i = 0; i < ctx->nclaims; i++) {
		const struct kube_service *s = &ctx->claims[i].svc->service;

		if (ctx->claims[i].is_delegated) {
			pass_over(ctx, &ctx->claims[i]);
			continue;
		}
		for (size_t j = 0; j < s->nports; j++)
			build_service(ctx, &ctx->claims[i], &s->ports[j], &out[n++],
			    ret);
	}
	sort_items(out, n, sizeof(*out), service_cmp);
	for (size_t i = 0; i < n; i++) {
		const struct ipvs_service *last = &out[kept > 0 ? kept - 1 : 0];

		if (kept > 0 && ip_eq(&out[i].vip, &last->vip) &&
		    out[i].proto == last->proto && out[i].port == last->port) {
			plan_warn(ret, "%s: %s already serves this port of %s; "
			    "give one of the two another address or port",
			    out[i].name, last->name, IP_STR(&last->vip));
			continue;
		}
		out[kept++] = out[i];
	}
	plan_settle_one_packet(ctx, ret, out, kept);
	ret->want.services = out;
	ret->want.nservices = kept;
	warn_of_omitted(ret);
}
