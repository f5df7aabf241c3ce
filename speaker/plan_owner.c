#include <string.h>

#include "speaker/plan_impl.h"

/* The advertisements that cover the VIP, by any of the Services at it. */
static size_t
find_adverts(struct plan_ctx *ctx, const struct plan_claim *claims, size_t n,
    const struct kube_l2_advertisement **ret)
{
	struct kube_list all = kube_store_list(ctx->in->store, KUBE_L2_ADVERTISEMENT);
	size_t found = 0;

	for (size_t i = 0; i < all.n; i++) {
		for (size_t j = 0; j < n; j++) {
			if (plan_scope_covers(&all.items[i]->l2adv.scope,
			    &claims[j])) {
				ret[found++] = &all.items[i]->l2adv;
				break;
			}
		}
	}
	return found;
}

/* Might this node answer for the VIP at all, alive or not? */
static bool
is_eligible(const struct kube_object *node,
    const struct kube_l2_advertisement *const *adverts, size_t nadverts)
{
	if (!plan_node_is_fit(node))
		return false;
	for (size_t i = 0; i < nadverts; i++) {
		if (kube_any_selector_matches(adverts[i]->scope.node_selectors,
		    adverts[i]->scope.nnode_selectors, &node->meta.labels))
			return true;
	}
	return false;
}

/* How good a candidate: the best there are elect among themselves. */
enum rank {
	RANK_NONE,		/* cannot announce */
	RANK_DRAINED,		/* asked to hand over: only where nobody else can */
	RANK_WAITING,		/* would take over later: likewise */
	RANK_FULL,
};

static enum rank
rank_of(const struct plan_ctx *ctx, const struct kube_object *node)
{
	enum alive_state state = strcmp(node->meta.name, ctx->in->self) == 0 ?
	    ctx->in->self_state :
	    alive_state(ctx->in->alive, node->meta.name, ctx->in->now);

	if (!alive_may_own(state))
		return RANK_NONE;
	if (plan_node_is_drained(ctx->in, node))
		return RANK_DRAINED;
	return state == ALIVE_WAITING ? RANK_WAITING : RANK_FULL;
}

/* The weights of all that prefer the node, of advertisements that select it. */
static uint64_t
weight_of(const struct kube_object *node,
    const struct kube_l2_advertisement *const *adverts, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_eligible(node, &adverts[i], 1))
			continue;
		for (size_t j = 0; j < adverts[i]->npreferred; j++) {
			const struct kube_preferred_node *p = &adverts[i]->preferred[j];

			if (kube_selector_matches(&p->selector, &node->meta.labels))
				sum += p->weight;
		}
	}
	return sum;
}

/* externalTrafficPolicy Local: only nodes with an endpoint for all of them. */
static bool
has_local_endpoints(const struct plan_ctx *ctx, const struct plan_claim *claims,
    size_t n, const char *node)
{
	for (size_t i = 0; i < n; i++) {
		if (claims[i].svc->service.external_policy == KUBE_POLICY_LOCAL &&
		    plan_count_endpoints_on(ctx, claims[i].svc, node,
		    claims[i].vip.family) == 0)
			return false;
	}
	return true;
}

/*
 * Interfaces of the advertisements that select this node, all together; an
 * advertisement that names none means every interface. Where none selects it
 * (any more), those of all, for a VIP that it has still to hand over.
 */
static void
announce_where(struct plan_ctx *ctx, const struct kube_object *self,
    const struct kube_l2_advertisement *const *adverts, size_t n,
    struct plan_vip *vip)
{
	const char **names;
	size_t max = 0, count = 0;

	vip->is_eligible = is_eligible(self, adverts, n);
	vip->announce = (struct arp_want){ .vip = vip->ip };
	for (size_t i = 0; i < n; i++)
		max += adverts[i]->ninterfaces;
	names = arena_array(ctx->arena, max, sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		if (vip->is_eligible && !is_eligible(self, &adverts[i], 1))
			continue;
		if (adverts[i]->ninterfaces == 0)
			return;
		for (size_t j = 0; j < adverts[i]->ninterfaces; j++)
			names[count++] = arena_strdup(ctx->arena,
			    adverts[i]->interfaces[j]);
	}
	vip->announce.interfaces = names;
	vip->announce.ninterfaces = count;
}

/* Has the node, by its own word, a link up to announce the VIP on? */
static bool
has_link(const struct plan_ctx *ctx, const struct plan *plan,
    const struct kube_object *node,
    const struct kube_l2_advertisement *const *adverts, size_t n)
{
	uint32_t lacks = strcmp(node->meta.name, ctx->in->self) == 0 ?
	    ctx->in->self_lacks : alive_lacks(ctx->in->alive, node->meta.name);

	for (size_t i = 0; i < n && lacks != 0; i++) {
		if (is_eligible(node, &adverts[i], 1) &&
		    !plan_is_lacking(plan, adverts[i], lacks))
			return true;
	}
	return lacks == 0;
}

/* Candidates found so far: all of one rank and one weight, the highest seen. */
struct field {
	uint32_t *nodes;
	size_t	n;
	enum rank rank;
	uint64_t weight;
};

static void
enter(struct field *f, uint32_t node, enum rank rank, uint64_t weight)
{
	if (f->n > 0 && (rank < f->rank || (rank == f->rank && weight < f->weight)))
		return;
	if (rank > f->rank || weight > f->weight)
		f->n = 0;
	f->rank = rank;
	f->weight = weight;
	f->nodes[f->n++] = node;
}

static const char *
why_none(size_t nadverts, size_t neligible, size_t nlive, size_t nlinked)
{
	if (nadverts == 0)
		return "no L2Advertisement covers its pool and Service";
	if (neligible == 0)
		return "no node is selected by an L2Advertisement and fit to announce";
	if (nlive == 0)
		return "no live speaker on any node that may announce it";
	if (nlinked == 0)
		return "no node that may announce it has an interface up that its "
		    "L2Advertisement names";
	return "externalTrafficPolicy is Local and no node that may announce it has "
	    "a ready endpoint";
}

/* VIPs of one advertisement have the same candidates: keep them once. */
static const uint32_t *
keep(struct plan_ctx *ctx, const struct field *f, const struct elect_vip *ballot)
{
	const struct elect_vip *last = ballot - 1;
	uint32_t *copy;

	if (ballot > ctx->ballots && last->ncandidates == f->n && f->n > 0 &&
	    memcmp(last->candidates, f->nodes, f->n * sizeof(*f->nodes)) == 0)
		return last->candidates;
	copy = arena_array(&ctx->scratch, f->n, sizeof(*copy));
	for (size_t i = 0; i < f->n; i++)
		copy[i] = f->nodes[i];
	return copy;
}

void
plan_candidates(struct plan_ctx *ctx, const struct plan *plan,
    const struct plan_claim *claims, size_t n, struct plan_vip *vip,
    struct elect_vip *ballot)
{
	const struct kube_l2_advertisement **adverts = ctx->adverts;
	size_t nadverts = find_adverts(ctx, claims, n, adverts);
	struct field f = { .nodes = ctx->field }, h = { .nodes = ctx->holders };
	bool is_kept;
	size_t neligible = 0, nlive = 0, nlinked = 0;

	for (size_t i = 0; i < ctx->nodes.n; i++) {
		const struct kube_object *node = ctx->nodes.items[i];
		enum rank rank;

		if (strcmp(node->meta.name, ctx->in->self) == 0)
			announce_where(ctx, node, adverts, nadverts, vip);
		if (!is_eligible(node, adverts, nadverts))
			continue;
		neligible++;
		rank = rank_of(ctx, node);
		if (rank == RANK_NONE)
			continue;
		nlive++;
		if (!has_link(ctx, plan, node, adverts, nadverts))
			continue;
		nlinked++;
		if (!has_local_endpoints(ctx, claims, n, node->meta.name))
			continue;
		enter(&f, (uint32_t)i, rank, weight_of(node, adverts, nadverts));
		if (plan_holds(ctx, claims, n, node->meta.name))
			enter(&h, (uint32_t)i, rank, 0);
	}
	/* Of several the first by name: while it moves, or after a split. */
	is_kept = h.n > 0 && h.rank == f.rank;
	*ballot = (struct elect_vip){ .vip = vip->ip, .ncandidates = f.n,
	    .is_kept = is_kept, .owner = is_kept ? h.nodes[0] : ELECT_NOBODY };
	ballot->candidates = keep(ctx, &f, ballot);
	if (f.n == 0)
		vip->why_none = why_none(nadverts, neligible, nlive, nlinked);
}

void
plan_owners(struct plan_ctx *ctx, struct plan *plan)
{
	const char **names = arena_array(&ctx->scratch, ctx->nodes.n, sizeof(*names));

	for (size_t i = 0; i < ctx->nodes.n; i++)
		names[i] = arena_strdup(ctx->arena, ctx->nodes.items[i]->meta.name);
	elect_owners(ctx->ballots, plan->nvips, names, ctx->nodes.n, &ctx->scratch);
	for (size_t i = 0; i < plan->nvips; i++) {
		struct plan_vip *vip = &plan->vips[i];

		if (ctx->ballots[i].owner == ELECT_NOBODY)
			continue;
		vip->owner = names[ctx->ballots[i].owner];
		vip->is_mine = strcmp(vip->owner, ctx->in->self) == 0;
	}
}
