/*
 * plan_packet.c - which Services have their datagrams scheduled one by one.
 *
 * A ForwardingProfile asks for it, of UDP. The endpoint's node finds the VIP to put
 * into a reply by the endpoint's address and port alone, so these must serve one VIP
 * and port of such Services. Where it cannot be, flows are scheduled as ever; what
 * decides is seen alike by all nodes, but for who is alive.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sort.h"
#include "speaker/plan_impl.h"

/* An endpoint of a service that is to have it. */
struct place {
	const struct ipvs_endpoint *ep;
	struct ipvs_service *of;
};

bool
plan_wants_one_packet(const struct plan_choice *c, const struct kube_service_port *port)
{
	return c != NULL && c->profile->is_one_packet && port->proto == KUBE_UDP;
}

static void
refuse(struct plan *p, struct ipvs_service *s, const char *why)
{
	s->is_one_packet = false;
	plan_warn(p, "%s at %s: its datagrams are not scheduled one by one, as its profile's "
	    "onePacket has it, but by flow: %s", s->name, IP_STR(&s->vip), why);
}

/* An endpoint that is out has nothing sent to it. */
static bool
counts(const struct ipvs_endpoint *ep)
{
	return ep->life != IPVS_GONE;
}

/* What one service shows by itself; NULL: nothing is in the way. */
static const char *
why_alone(struct plan_ctx *ctx, const struct ipvs_service *s)
{
	if (s->affinity_sec != 0)
		return "its sessionAffinity ClientIP keeps a client at one endpoint; "
		    "remove that, or onePacket";
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].reach == IPVS_REACH_MASQ && counts(&s->endpoints[i]))
			return arena_printf(ctx->arena, "endpoint %s is on no node with a "
			    "speaker and is reached by masquerading, which takes flows; "
			    "run a speaker on its node, or have it leave the Service",
			    IP_STR(&s->endpoints[i].ip));
	return NULL;
}

static int
place_cmp(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;
	int c = ipvs_endpoint_cmp(a->ep, b->ep);

	/* By service, too: the same answer from every node. */
	return c != 0 ? c : ipvs_service_cmp(a->of, b->of);
}

static void
refuse_shared(struct plan_ctx *ctx, struct plan *p, const struct place *at,
    const struct place *other)
{
	/* One endpoint is told of; the rest is much the same. */
	if (!at->of->is_one_packet)
		return;
	refuse(p, at->of, arena_printf(ctx->arena, "endpoint %s port %u serves %s at %s in "
	    "the same way, and its replies could not be told apart; give one of the two "
	    "a targetPort of its own, or a profile without onePacket",
	    IP_STR(&at->ep->ip), at->ep->port, other->of->name,
	    IP_STR(&other->of->vip)));
}

/* Both of two that share an endpoint: neither is the first for all of time. */
static void
settle_shared(struct plan_ctx *ctx, struct plan *p, struct place *places, size_t n)
{
	sort_items(places, n, sizeof(*places), place_cmp);
	for (size_t i = 1; i < n; i++) {
		if (ipvs_endpoint_cmp(places[i].ep, places[i - 1].ep) != 0)
			continue;
		refuse_shared(ctx, p, &places[i - 1], &places[i]);
		refuse_shared(ctx, p, &places[i], &places[i - 1]);
	}
}

void
plan_settle_one_packet(struct plan_ctx *ctx, struct plan *p, struct ipvs_service *services,
    size_t n)
{
	struct place *places;
	size_t nplaces = 0;

	for (size_t i = 0; i < n; i++) {
		struct ipvs_service *s = &services[i];
		const char *why = s->is_one_packet ? why_alone(ctx, s) : NULL;

		if (why != NULL)
			refuse(p, s, why);
		if (s->is_one_packet)
			nplaces += s->nendpoints;
	}
	places = arena_array(&ctx->scratch, nplaces, sizeof(*places));
	nplaces = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; services[i].is_one_packet &&
		    j < services[i].nendpoints; j++)
			if (counts(&services[i].endpoints[j]))
				places[nplaces++] = (struct place){
					&services[i].endpoints[j], &services[i] };
	settle_shared(ctx, p, places, nplaces);
}
