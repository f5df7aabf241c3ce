/*
 * decode_crd.c - our own resources, in MetalLB's v1beta1 form: IPAddressPool
 * and L2Advertisement. Those of BGP are in decode_bgp.c.
 */
#include <errno.h>
#include <string.h>

#include "kube/decode_impl.h"

static struct kube_pool_entry
pool_entry(struct dec *d, const struct dec_at *at)
{
	struct kube_pool_entry e = { .text = dec_str(d, at) };

	if (e.text == NULL) {
		dec_fail(d, at, "is empty; remove the item");
		return e;
	}
	e.is_cidr = strchr(e.text, '/') != NULL;
	switch (ip_range_parse(e.text, &e.range)) {
	case 0:
		break;
	case -ERANGE:
		dec_fail(d, at, "the range ends before it starts; swap the two "
		    "addresses");
		return e;
	case -EAFNOSUPPORT:
		dec_fail(d, at, "the range goes from one IP family to the other; "
		    "write one range for each");
		return e;
	default:
		dec_fail(d, at, "is neither a block (192.0.2.0/28) nor a range "
		    "(192.0.2.10-192.0.2.20); for one address write 192.0.2.10/32");
		return e;
	}
	if (ip_is_special(&e.range.first) || ip_is_special(&e.range.last))
		dec_fail(d, at, "holds loopback, multicast or unspecified "
		    "addresses, which no Service can have; take them out");
	return e;
}

static struct kube_pool_entry *
pool_entries(struct dec *d, const struct dec_at *at, size_t *ret_n)
{
	size_t n = dec_count(d, at, DEC_LIST_MAX);
	struct kube_pool_entry *e = arena_array(d->arena, n, sizeof(*e));

	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		e[it.index] = pool_entry(d, &it);
	*ret_n = n;
	return e;
}

static void
pool_allocation(struct dec *d, const struct dec_at *at,
    struct kube_ip_address_pool *p)
{
	struct dec_at priority = dec_field(at, "priority");
	struct dec_at namespaces = dec_field(at, "namespaces");
	struct dec_at ns_selectors = dec_field(at, "namespaceSelectors");
	struct dec_at svc_selectors = dec_field(at, "serviceSelectors");

	if (!dec_is_object(d, at))
		return;
	p->has_allocation = true;
	p->priority = dec_int(d, &priority, INT32_MIN, INT32_MAX, 0);
	p->namespaces = dec_strings(d, &namespaces, DEC_LIST_MAX, &p->nnamespaces);
	p->namespace_selectors = dec_selectors(d, &ns_selectors,
	    &p->nnamespace_selectors);
	p->service_selectors = dec_selectors(d, &svc_selectors,
	    &p->nservice_selectors);
}

static const struct dec_word strategies[] = {
	{ "lowest", KUBE_STRATEGY_LOWEST },
	{ "spread", KUBE_STRATEGY_SPREAD },
	{ "sticky", KUBE_STRATEGY_STICKY },
	{ NULL, 0 },
};

static const struct dec_word sharings[] = {
	{ "SameNamespace", KUBE_SHARING_SAME_NAMESPACE },
	{ "AnyNamespace", KUBE_SHARING_ANY_NAMESPACE },
	{ NULL, 0 },
};

/* What is ours alone; MetalLB's CRDs drop these fields, and its users expect
   the defaults they know. */
static void
pool_extras(struct dec *d, const struct dec_at *spec, struct kube_ip_address_pool *p)
{
	struct dec_at reserved = dec_field(spec, "reserved");
	struct dec_at strategy = dec_field(spec, "strategy");
	struct dec_at sharing = dec_field(spec, "sharing");

	p->reserved = pool_entries(d, &reserved, &p->nreserved);
	p->strategy = (enum kube_pool_strategy)dec_word(d, &strategy, strategies,
	    KUBE_STRATEGY_LOWEST);
	p->sharing = (enum kube_pool_sharing)dec_word(d, &sharing, sharings,
	    d->is_metallb ? KUBE_SHARING_ANY_NAMESPACE : KUBE_SHARING_SAME_NAMESPACE);
}

/* Status is no user's input: what makes no sense there is not there. */
static int64_t
status_count(const struct dec_at *status, const char *key)
{
	struct dec_at at = dec_field(status, key);
	double v = cJSON_IsNumber(at.node) ? at.node->valuedouble : -1;

	return v >= 0 && v < 0x1p53 ? (int64_t)v : -1;
}

static const char *
status_text(struct dec *d, const struct dec_at *at, const char *key)
{
	struct dec_at it = dec_field(at, key);

	return cJSON_IsString(it.node) ? arena_strdup(d->arena, it.node->valuestring) :
	    NULL;
}

struct kube_condition
dec_condition(struct dec *d, const struct dec_at *root, const char *type)
{
	struct dec_at status = dec_field(root, "status");
	struct dec_at list = dec_field(&status, "conditions");
	struct kube_condition c = { .status = NULL };

	for (struct dec_at it = dec_first(&list); it.node != NULL; it = dec_next(&it)) {
		struct dec_at its = dec_field(&it, "type");
		int64_t generation = status_count(&it, "observedGeneration");

		if (!cJSON_IsString(its.node) ||
		    strcmp(its.node->valuestring, type) != 0)
			continue;
		c.status = status_text(d, &it, "status");
		c.reason = status_text(d, &it, "reason");
		c.message = status_text(d, &it, "message");
		c.since = status_text(d, &it, "lastTransitionTime");
		c.observed_generation = generation > 0 ? generation : 0;
		break;
	}
	return c;
}

void
dec_pool_status(struct dec *d, const struct dec_at *root,
    struct kube_ip_address_pool *p)
{
	struct dec_at status = dec_field(root, "status");

	p->assigned[0] = status_count(&status, "assignedIPv4");
	p->assigned[1] = status_count(&status, "assignedIPv6");
	p->available[0] = status_count(&status, "availableIPv4");
	p->available[1] = status_count(&status, "availableIPv6");
	p->accepted = dec_condition(d, root, "Accepted");
}

void
dec_pool(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at addresses = dec_field(&spec, "addresses");
	struct dec_at auto_assign = dec_field(&spec, "autoAssign");
	struct dec_at avoid = dec_field(&spec, "avoidBuggyIPs");
	struct dec_at allocation = dec_field(&spec, "serviceAllocation");
	struct kube_ip_address_pool *p = &o->pool;

	(void)dec_is_object(d, &spec);
	p->addresses = pool_entries(d, &addresses, &p->naddresses);
	if (p->naddresses == 0) {
		dec_fail(d, &addresses, "a pool needs at least one block or range");
		return;
	}
	p->auto_assign = dec_bool(d, &auto_assign, true);
	p->avoid_buggy_ips = dec_bool(d, &avoid, false);
	pool_extras(d, &spec, p);
	pool_allocation(d, &allocation, p);
}

static void
preferred_nodes(struct dec *d, const struct dec_at *at,
    struct kube_l2_advertisement *a)
{
	a->npreferred = dec_count(d, at, DEC_SELECTORS_MAX);
	a->preferred = arena_array(d->arena, a->npreferred, sizeof(*a->preferred));
	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at weight = dec_field(&it, "weight");
		struct dec_at selector = dec_field(&it, "preference");
		struct kube_preferred_node *p = &a->preferred[it.index];

		if (weight.node == NULL)
			dec_fail(d, &weight, "is missing; give a weight from 1 to 100");
		if (selector.node == NULL)
			dec_fail(d, &selector, "is missing; say which nodes are "
			    "preferred, {} is all");
		p->weight = (uint32_t)dec_int(d, &weight, 1, 100, 1);
		p->selector = dec_selector(d, &selector);
	}
}

struct kube_scope
dec_scope(struct dec *d, const struct dec_at *spec)
{
	struct dec_at pools = dec_field(spec, "ipAddressPools");
	struct dec_at pool_selectors = dec_field(spec, "ipAddressPoolSelectors");
	struct dec_at node_selectors = dec_field(spec, "nodeSelectors");
	struct dec_at svc_selectors = dec_field(spec, "serviceSelectors");
	struct kube_scope s = { .pools = NULL };

	s.pools = dec_strings(d, &pools, DEC_LIST_MAX, &s.npools);
	s.pool_selectors = dec_selectors(d, &pool_selectors, &s.npool_selectors);
	s.node_selectors = dec_selectors(d, &node_selectors, &s.nnode_selectors);
	s.service_selectors = dec_selectors(d, &svc_selectors, &s.nservice_selectors);
	return s;
}

void
dec_l2adv(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at interfaces = dec_field(&spec, "interfaces");
	struct dec_at preferred = dec_field(&spec, "preferredNodeSelectors");
	struct kube_l2_advertisement *a = &o->l2adv;

	/* No spec at all is every pool, on every node, on every interface. */
	(void)dec_is_object(d, &spec);
	a->scope = dec_scope(d, &spec);
	a->interfaces = dec_strings(d, &interfaces, DEC_LIST_MAX, &a->ninterfaces);
	preferred_nodes(d, &preferred, a);
}
