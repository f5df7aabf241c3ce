/* plan_mode.c - who forwards and how: delegation, schedulers, weights of nodes. */
#include <stdlib.h>
#include <string.h>

#include "speaker/plan_impl.h"

#define ANNOTATION_WEIGHT "heraldlb.io/weight"
enum { WEIGHT_MAX = 100 };

static bool
is_delegate(const struct plan_ctx *ctx, const struct plan_claim *c)
{
	const struct plan_choice *choice = plan_choice_of(ctx, c->svc);

	return choice != NULL && choice->profile->mode == KUBE_FORWARD_DELEGATE;
}

/*
 * A VIP is steered into the director as a whole, so those who share it are
 * delegated together or not at all.
 */
static void
settle_delegation(const struct plan_ctx *ctx, struct plan_claim *c, size_t n,
    struct plan *ret)
{
	size_t i, ndelegate = 0;

	for (i = 0; i < n; i++)
		ndelegate += is_delegate(ctx, &c[i]);
	for (i = 0; i < n; i++)
		c[i].is_delegated = ndelegate == n;
	for (i = 0; i < n && ndelegate > 0 && ndelegate < n; i++)
		if (is_delegate(ctx, &c[i]))
			plan_warn(ret, "%s/%s: its profile delegates it, but Herald "
			    "forwards for others at %s, so for this one, too; give it "
			    "an address of its own", c[i].svc->meta.ns,
			    c[i].svc->meta.name, IP_STR(&c[i].vip));
}

void
plan_settle_delegation(struct plan_ctx *ctx, struct plan *ret)
{
	size_t i, run;

	for (i = 0; ctx->nchoices > 0 && i < ctx->nclaims; i += run) {
		struct plan_claim *c = &ctx->claims[i];

		for (run = 1; i + run < ctx->nclaims &&
		    ip_eq(&c[run].vip, &c->vip); run++)
			;
		settle_delegation(ctx, c, run, ret);
	}
}

uint32_t
plan_slow_start_sec_of(const struct plan_choice *c)
{
	return c != NULL ? c->profile->slow_start_sec : 0;
}

uint32_t
plan_drain_sec_of(const struct plan_ctx *ctx, const struct plan_choice *c)
{
	return c != NULL && c->profile->has_drain ? c->profile->drain_sec :
	    ctx->in->drain_sec;
}

/* The Node's annotation; 0 where it has none, or a bad one, which is said. */
static uint16_t
read_weight(const struct kube_object *node, struct plan *ret)
{
	const char *s = kube_map_get(&node->meta.annotations, ANNOTATION_WEIGHT);
	unsigned long v;
	char *end;

	if (s == NULL)
		return 0;
	v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || v < 1 || v > WEIGHT_MAX) {
		plan_warn(ret, "Node %s: annotation " ANNOTATION_WEIGHT ": \"%s\" is no "
		    "number from 1 to %d, so its endpoints count for 1; correct it",
		    node->meta.name, s, WEIGHT_MAX);
		return 0;
	}
	return (uint16_t)v;
}

void
plan_read_weights(struct plan_ctx *ctx, struct plan *ret)
{
	ctx->weights = arena_array(&ctx->scratch, ctx->nodes.n, sizeof(*ctx->weights));
	for (size_t i = 0; i < ctx->nodes.n; i++) {
		uint16_t w = read_weight(ctx->nodes.items[i], ret);

		/* Nodes come sorted by name. */
		if (w != 0)
			ctx->weights[ctx->nweights++] = (struct plan_weight){
				.node = ctx->nodes.items[i]->meta.name, .weight = w };
	}
}

static int
weight_cmp(const void *key, const void *w)
{
	return strcmp(key, ((const struct plan_weight *)w)->node);
}

uint16_t
plan_weight_of(const struct plan_ctx *ctx, const char *node)
{
	const struct plan_weight *w;

	if (node == NULL || ctx->nweights == 0)
		return 1;
	w = bsearch(node, ctx->weights, ctx->nweights, sizeof(*w), weight_cmp);
	return w != NULL ? w->weight : 1;
}

enum ipvs_sched
plan_sched_of(const struct plan_choice *c)
{
	static const enum ipvs_sched scheds[] = {
		[KUBE_SCHED_MH] = IPVS_SCHED_MH,
		[KUBE_SCHED_WRR] = IPVS_SCHED_WRR,
		[KUBE_SCHED_WLC] = IPVS_SCHED_WLC,
		[KUBE_SCHED_LC] = IPVS_SCHED_LC,
		[KUBE_SCHED_SH] = IPVS_SCHED_SH,
		[KUBE_SCHED_FO] = IPVS_SCHED_FO,
	};

	return c != NULL ? scheds[c->profile->scheduler] : IPVS_SCHED_MH;
}
