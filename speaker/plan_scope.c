#include <string.h>

#include "speaker/plan_impl.h"

#define EXCLUDE_LABEL "node.kubernetes.io/exclude-from-external-load-balancers"

bool
plan_scope_covers(const struct kube_scope *s, const struct plan_claim *c)
{
	bool is_named = false;

	for (size_t i = 0; i < s->npools; i++)
		is_named |= strcmp(s->pools[i], c->pool->meta.name) == 0;
	/* No pool named and none selected: every pool. */
	if (s->npools + s->npool_selectors > 0 && !is_named &&
	    (s->npool_selectors == 0 || !kube_any_selector_matches(
	    s->pool_selectors, s->npool_selectors, &c->pool->meta.labels)))
		return false;
	return kube_any_selector_matches(s->service_selectors, s->nservice_selectors,
	    &c->svc->meta.labels);
}

bool
plan_node_is_fit(const struct kube_object *node)
{
	return !node->meta.is_deleting && !node->node.is_network_unavailable &&
	    kube_map_get(&node->meta.labels, EXCLUDE_LABEL) == NULL;
}

static bool
is_said(const struct kube_map *m, const char *key)
{
	const char *value = kube_map_get(m, key);

	return value != NULL && strcmp(value, "false") != 0;
}

bool
plan_node_is_drained(const struct plan_input *in, const struct kube_object *node)
{
	return is_said(&node->meta.annotations, KUBE_DRAIN_KEY) ||
	    is_said(&node->meta.labels, KUBE_DRAIN_KEY) ||
	    (in->yields_on_cordon && node->node.is_unschedulable);
}
