/* plan_update.c - plan_update() of plan.h. */
#include <stdlib.h>
#include <string.h>

#include "kube/profile.h"
#include "speaker/plan_impl.h"

/* What updates leave behind goes with the next whole plan: one is made then. */
enum { ARENA_MAX_BYTES = 1 << 20 };

/* The plan's service for that port; NULL where it is delegated, or another's. */
static struct ipvs_service *
find_service(struct plan_ctx *ctx, const struct plan *p, const struct ip *vip,
    const struct kube_object *svc, const struct kube_service_port *port)
{
	const struct ipvs_service key = { .vip = *vip, .proto = (uint8_t)port->proto,
		.port = port->port };
	struct ipvs_service *s;

	s = p->want.nservices == 0 ? NULL : bsearch(&key, p->want.services,
	    p->want.nservices, sizeof(key), ipvs_service_cmp);
	return s != NULL && strcmp(s->name, plan_port_name(&ctx->scratch, svc, port)) == 0 ?
	    s : NULL;
}

static bool
has_usable(const struct ipvs_service *s)
{
	for (size_t i = 0; i < s->nendpoints; i++) {
		if (s->endpoints[i].weight > 0)
			return true;
	}
	return false;
}

/* Do a node's BGP routes tell how many endpoints it has? */
static bool
has_bandwidth(const struct kube_store *store)
{
	struct kube_list advs = kube_store_list(store, KUBE_BGP_ADVERTISEMENT);

	for (size_t i = 0; i < advs.n; i++) {
		if (advs.items[i]->bgpadv.endpoint_mbps != 0)
			return true;
	}
	return false;
}

/* Can nothing but its own services hang on its endpoints? Sets *ret_choice. */
static bool
is_plain(const struct plan_ctx *ctx, const struct kube_object *svc,
    struct plan_choice *ret_choice)
{
	struct kube_profile_choice c = kube_profile_of(ctx->in->store, svc);
	const struct kube_forwarding_profile *p = NULL;

	if (svc->service.external_policy == KUBE_POLICY_LOCAL)
		return false;
	if (c.profile != NULL) {
		p = &c.profile->profile;
		if (p->check.type != KUBE_CHECK_NONE || p->quorum_up > 0 ||
		    p->nfallback > 0 || p->is_one_packet)
			return false;
	}
	*ret_choice = (struct plan_choice){ .svc = svc, .profile = p };
	return true;
}

/* An address may be in the status twice. */
static bool
is_updated(const struct plan *p, const struct ipvs_service *s)
{
	for (size_t i = 0; i < p->nupdates; i++) {
		if (p->updates[i].is == s)
			return true;
	}
	return false;
}

/* One port at one VIP. False where a route may come or go with it. */
static bool
update_port(struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, const struct ip *vip, struct plan *p)
{
	struct ipvs_service *s = find_service(ctx, p, vip, svc, port), *was;

	/* Who forwards nothing for it itself may announce it all the same. */
	if (s == NULL)
		return p->nbgp_peers == 0;
	if (is_updated(p, s))
		return true;
	if (p->nbgp_peers > 0 && !has_usable(s))
		return false;
	was = arena_alloc(ctx->arena, sizeof(*was));
	*was = *s;
	plan_endpoints(ctx, svc, port, s, p);
	p->updates[p->nupdates++] = (struct director_update){ .was = was, .is = s };
	return p->nbgp_peers == 0 || has_usable(s);
}

static bool
update_service(struct plan_ctx *ctx, const struct kube_object *svc, struct plan *p)
{
	struct plan_choice choice;

	if (!svc->service.is_load_balancer || svc->meta.is_deleting)
		return true;
	if (!is_plain(ctx, svc, &choice))
		return false;
	ctx->choices = &choice;
	ctx->nchoices = choice.profile != NULL;
	for (size_t i = 0; i < svc->service.ningress; i++) {
		for (size_t j = 0; j < svc->service.nports; j++) {
			if (!update_port(ctx, svc, &svc->service.ports[j],
			    &svc->service.ingress[i].ip, p))
				return false;
		}
	}
	return true;
}

static size_t
count_ports(const struct plan_input *in, const struct kube_touched *touched)
{
	size_t n = 0;

	for (size_t i = 0; i < touched->n; i++) {
		const struct kube_object *svc = kube_store_get(in->store, KUBE_SERVICE,
		    touched->services[i].ns, touched->services[i].name);

		if (svc != NULL)
			n += svc->service.nports * svc->service.ningress;
	}
	return n;
}

bool
plan_update(const struct plan_input *in, const struct kube_touched *touched,
    struct plan *p)
{
	struct plan_ctx ctx = {
		.in = in,
		.arena = &p->update_arena,
		.nodes = kube_store_list(in->store, KUBE_NODE),
	};
	struct plan unused = { 0 };
	bool is_done = true;

	p->nupdates = 0;
	if (touched->has_more || arena_size(&p->update_arena) > ARENA_MAX_BYTES ||
	    (p->nbgp_peers > 0 && has_bandwidth(in->store)))
		return false;
	p->updates = arena_array(ctx.arena, count_ports(in, touched),
	    sizeof(*p->updates));
	plan_read_weights(&ctx, &unused);
	for (size_t i = 0; is_done && i < touched->n; i++) {
		const struct kube_service_name *name = &touched->services[i];
		const struct kube_object *svc = kube_store_get(in->store, KUBE_SERVICE,
		    name->ns, name->name);

		is_done = !plan_is_fallback(in->store, name->ns, name->name);
		if (svc != NULL && is_done)
			is_done = update_service(&ctx, svc, p);
	}
	plan_fini(&unused);
	arena_fini(&ctx.scratch);
	return is_done;
}
