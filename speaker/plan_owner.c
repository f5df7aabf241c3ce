#include <string.h>

#include "speaker/elect.h"
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
			struct plan_scope scope = PLAN_SCOPE(&all.items[i]->l2adv);

			if (plan_scope_covers(&scope, &claims[j])) {
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
		if (kube_any_selector_matches(adverts[i]->node_selectors,
		    adverts[i]->nnode_selectors, &node->meta.labels))
			return true;
	}
	return false;
}

static bool
is_alive(const struct plan_ctx *ctx, const char *node)
{
	if (strcmp(node, ctx->in->self) == 0)
		return true;
	return alive_may_own(alive_state(ctx->in->alive, node, ctx->in->now));
}

/* externalTrafficPolicy Local: only nodes with an endpoint for all of them. */
static bool
has_local_endpoints(const struct plan_ctx *ctx, const struct plan_claim *claims,
    size_t n, const char *node)
{
	for (size_t i = 0; i < n; i++) {
		if (claims[i].svc->service.external_policy == KUBE_POLICY_LOCAL &&
		    !plan_has_endpoint_on(ctx, claims[i].svc, node,
		    claims[i].vip.family))
			return false;
	}
	return true;
}

/*
 * Interfaces of the advertisements that select this node, all together; an
 * advertisement that names none means every interface.
 */
static void
announce_where(struct plan_ctx *ctx, const struct kube_object *self,
    const struct kube_l2_advertisement *const *adverts, size_t n,
    struct plan_vip *vip)
{
	const char **names;
	size_t max = 0, count = 0;

	vip->announce = (struct arp_want){ .vip = vip->ip };
	for (size_t i = 0; i < n; i++)
		max += adverts[i]->ninterfaces;
	names = arena_array(ctx->arena, max, sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		if (!is_eligible(self, &adverts[i], 1))
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

void
plan_owner(struct plan_ctx *ctx, const struct plan_claim *claims, size_t n,
    struct plan_vip *vip)
{
	size_t ncandidates = 0, neligible = 0, nlive = 0, nadverts, owner;
	const struct kube_l2_advertisement **adverts;
	const char **candidates;

	adverts = arena_array(ctx->arena,
	    kube_store_list(ctx->in->store, KUBE_L2_ADVERTISEMENT).n, sizeof(*adverts));
	nadverts = find_adverts(ctx, claims, n, adverts);
	candidates = arena_array(ctx->arena, ctx->nodes.n, sizeof(*candidates));
	for (size_t i = 0; i < ctx->nodes.n; i++) {
		const struct kube_object *node = ctx->nodes.items[i];

		if (!is_eligible(node, adverts, nadverts))
			continue;
		neligible++;
		if (strcmp(node->meta.name, ctx->in->self) == 0)
			announce_where(ctx, node, adverts, nadverts, vip);
		if (!is_alive(ctx, node->meta.name))
			continue;
		nlive++;
		if (has_local_endpoints(ctx, claims, n, node->meta.name))
			candidates[ncandidates++] = node->meta.name;
	}
	owner = elect_owner(&vip->ip, candidates, ncandidates);
	if (owner < ncandidates) {
		vip->owner = arena_strdup(ctx->arena, candidates[owner]);
		vip->is_mine = strcmp(vip->owner, ctx->in->self) == 0;
	} else if (nadverts == 0) {
		vip->why_none = "no L2Advertisement covers its pool and Service";
	} else if (neligible == 0) {
		vip->why_none = "no node is selected by an L2Advertisement and "
		    "fit to announce";
	} else if (nlive == 0) {
		vip->why_none = "no live speaker on any node that may announce it";
	} else {
		vip->why_none = "externalTrafficPolicy is Local and no node that "
		    "may announce it has a ready endpoint";
	}
}
