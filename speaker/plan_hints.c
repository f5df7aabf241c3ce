/*
 * plan_hints.c - the hints of EndpointSlices, where a profile wants them followed.
 *
 * Kubernetes makes them of a Service's trafficDistribution; they count as they do for
 * kube-proxy (KEP-2433, KEP-3015): where all ready endpoints have one, and one of these
 * is for this node, or else for its zone. Otherwise all serve, so that no zone is left
 * without an endpoint, or with an overloaded one while hints are on their way.
 *
 * What is ready is what the table takes for it: an endpoint that is down, or on a dead
 * node, leaves its zone to others before the API server knows.
 */
#include <stdlib.h>
#include <string.h>

#include "speaker/plan_impl.h"

#define LABEL_ZONE "topology.kubernetes.io/zone"

/* Whom hints are looked at for. */
struct here {
	const char *node, *zone;	/* zone NULL: not known */
};

/* How near: a bit for each kind of hint. */
enum {
	HAS_NODE = 1u << 0,		/* it has hints for nodes */
	FOR_NODE = 1u << 1,		/* ... this one among them */
	HAS_ZONE = 1u << 2,
	FOR_ZONE = 1u << 3,
};

static bool
has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (name != NULL && strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static unsigned
near(const struct kube_hints *h, const struct here *here)
{
	if (h == NULL)
		return 0;
	return (h->nnodes > 0 ? HAS_NODE : 0) | (h->nzones > 0 ? HAS_ZONE : 0) |
	    (has_name(h->nodes, h->nnodes, here->node) ? FOR_NODE : 0) |
	    (has_name(h->zones, h->nzones, here->zone) ? FOR_ZONE : 0);
}

/* What of eps the slice's endpoint has become. */
static struct ipvs_endpoint *
find(struct ipvs_endpoint *eps, size_t n, const struct kube_endpoint *ep, uint16_t port)
{
	const struct ipvs_endpoint key = { .ip = ep->ip, .port = port };

	return n == 0 ? NULL : bsearch(&key, eps, n, sizeof(key), ipvs_endpoint_cmp);
}

/* Pass over all that lack the bit, or with bit 0 find out which it is to be. */
static unsigned
walk(const struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, const struct here *here, unsigned bit,
    struct ipvs_endpoint *eps, size_t n)
{
	struct kube_list slices = kube_store_slices(ctx->in->store, svc->meta.ns,
	    svc->meta.name);
	unsigned all = HAS_NODE | HAS_ZONE, any = 0;

	for (size_t i = 0; i < slices.n; i++) {
		const struct kube_endpoint_slice *s = &slices.items[i]->slice;
		uint16_t number = plan_slice_port(s, port);

		for (size_t j = 0; j < s->nendpoints && number != 0; j++) {
			struct ipvs_endpoint *ep = find(eps, n, &s->endpoints[j], number);
			unsigned bits = near(s->endpoints[j].hints, here);

			if (ep == NULL || ep->weight != USE_READY)
				continue;
			ep->is_passed_over = bit != 0 && (bits & bit) == 0;
			all &= bits;
			any |= bits;
		}
	}
	return (all & HAS_NODE) && (any & FOR_NODE) ? FOR_NODE :
	    (all & HAS_ZONE) && (any & FOR_ZONE) ? FOR_ZONE : 0;
}

void
plan_pass_over(const struct plan_ctx *ctx, const struct kube_object *svc,
    const struct kube_service_port *port, struct ipvs_endpoint *eps, size_t n)
{
	const struct kube_object *self = kube_store_get(ctx->in->store, KUBE_NODE, NULL,
	    ctx->in->self);
	struct here here = { .node = ctx->in->self,
		.zone = self != NULL ? kube_map_get(&self->meta.labels, LABEL_ZONE) : NULL };
	unsigned bit = walk(ctx, svc, port, &here, 0, eps, n);

	if (bit != 0)
		(void)walk(ctx, svc, port, &here, bit, eps, n);
}
