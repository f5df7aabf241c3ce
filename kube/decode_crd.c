/*
 * decode_crd.c - our own resources, in MetalLB's v1beta1 form: IPAddressPool
 * and L2Advertisement.
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
	p->naddresses = dec_count(d, &addresses, DEC_LIST_MAX);
	if (p->naddresses == 0) {
		dec_fail(d, &addresses, "a pool needs at least one block or range");
		return;
	}
	p->addresses = arena_array(d->arena, p->naddresses, sizeof(*p->addresses));
	for (struct dec_at it = dec_first(&addresses); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		p->addresses[it.index] = pool_entry(d, &it);
	p->auto_assign = dec_bool(d, &auto_assign, true);
	p->avoid_buggy_ips = dec_bool(d, &avoid, false);
	pool_allocation(d, &allocation, p);
}

void
dec_l2adv(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at pools = dec_field(&spec, "ipAddressPools");
	struct dec_at pool_selectors = dec_field(&spec, "ipAddressPoolSelectors");
	struct dec_at node_selectors = dec_field(&spec, "nodeSelectors");
	struct dec_at svc_selectors = dec_field(&spec, "serviceSelectors");
	struct dec_at interfaces = dec_field(&spec, "interfaces");
	struct kube_l2_advertisement *a = &o->l2adv;

	/* No spec at all is every pool, on every node, on every interface. */
	(void)dec_is_object(d, &spec);
	a->pools = dec_strings(d, &pools, DEC_LIST_MAX, &a->npools);
	a->pool_selectors = dec_selectors(d, &pool_selectors, &a->npool_selectors);
	a->node_selectors = dec_selectors(d, &node_selectors, &a->nnode_selectors);
	a->service_selectors = dec_selectors(d, &svc_selectors,
	    &a->nservice_selectors);
	a->interfaces = dec_strings(d, &interfaces, DEC_LIST_MAX, &a->ninterfaces);
}
