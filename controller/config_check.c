/*
 * config_check.c - what is doubtful about objects that are in force.
 */
#include <string.h>

#include "controller/config_impl.h"
#include "kube/profile.h"

static void
check_node_ips(struct config *c, const struct kube_object *o, const struct pool *p)
{
	for (size_t i = 0; i < c->nnode_ips; i++) {
		if (rangeset_find(p->usable, &c->node_ips[i]) == NULL)
			continue;
		config_tell(c, o, false, arena_printf(&c->pools.arena,
		    "spec.addresses: %s is a node's own address and is never given to "
		    "a Service: take it out of the pool, or list it in spec.reserved",
		    IP_STR(&c->node_ips[i])));
		return;
	}
}

static void
check_reserved(struct config *c, const struct kube_object *o, const struct pool *p)
{
	const struct kube_ip_address_pool *spec = &o->pool;

	for (size_t i = 0; i < spec->nreserved; i++) {
		bool is_hit = false;

		for (size_t j = 0; j < spec->naddresses && !is_hit; j++)
			is_hit = ip_range_overlaps(&spec->reserved[i].range,
			    &spec->addresses[j].range);
		if (is_hit)
			continue;
		config_tell(c, o, false, arena_printf(&c->pools.arena,
		    "spec.reserved[%zu]: %s: none of the pool's addresses is in it: "
		    "correct it, or remove it", i, spec->reserved[i].text));
	}
	if (p->own.n == 0)
		config_tell(c, o, false, "spec.reserved: leaves nothing of the pool: "
		    "add addresses, or reserve fewer");
}

static void
check_pools(struct config *c, const struct kube_store *s)
{
	struct kube_list objs = kube_store_list(s, KUBE_IP_ADDRESS_POOL);

	for (size_t i = 0; i < objs.n; i++) {
		const struct kube_object *o = objs.items[i];
		const struct pool *p = pool_set_named(&c->pools, o->meta.name);

		if (p == NULL || p->is_refused)
			continue;
		check_node_ips(c, o, p);
		check_reserved(c, o, p);
	}
}

/* There is an object of that kind and name, in whatever namespace is read. */
static const struct kube_object *
find_named(const struct kube_store *s, enum kube_kind kind, const char *name)
{
	struct kube_list objs = kube_store_list(s, kind);

	for (size_t i = 0; i < objs.n; i++) {
		if (strcmp(objs.items[i]->meta.name, name) == 0)
			return objs.items[i];
	}
	return NULL;
}

static void
check_names(struct config *c, const struct kube_store *s, const struct kube_object *o,
    const char *field, enum kube_kind kind, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (find_named(s, kind, names[i]) != NULL)
			continue;
		config_tell(c, o, false, arena_printf(&c->pools.arena,
		    "%s[%zu]: there is no %s \"%s\": create it, or correct the name",
		    field, i, kube_kind_name(kind), names[i]));
	}
}

/* Selectors that match none of the pools that are there. */
static void
check_pool_selectors(struct config *c, const struct kube_store *s,
    const struct kube_object *o, const struct kube_selector *sel, size_t n)
{
	struct kube_list pools = kube_store_list(s, KUBE_IP_ADDRESS_POOL);

	for (size_t i = 0; i < n; i++) {
		bool is_hit = false;

		for (size_t j = 0; j < pools.n && !is_hit; j++)
			is_hit = kube_selector_matches(&sel[i],
			    &pools.items[j]->meta.labels);
		if (!is_hit)
			config_tell(c, o, false, arena_printf(&c->pools.arena,
			    "spec.ipAddressPoolSelectors[%zu]: no IPAddressPool has such "
			    "labels: label one, or correct the selector", i));
	}
}

static bool
has_alias(const struct kube_store *s, const char *name)
{
	struct kube_list all = kube_store_list(s, KUBE_COMMUNITY);

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_community *c = &all.items[i]->community;

		for (size_t j = 0; j < c->naliases; j++) {
			if (strcmp(c->aliases[j].name, name) == 0)
				return true;
		}
	}
	return false;
}

static bool
covers(const struct kube_scope *a, const struct kube_object *pool)
{
	for (size_t i = 0; i < a->npools; i++) {
		if (strcmp(a->pools[i], pool->meta.name) == 0)
			return true;
	}
	if (a->npool_selectors == 0)
		return a->npools == 0;
	return kube_any_selector_matches(a->pool_selectors, a->npool_selectors,
	    &pool->meta.labels);
}

/* The entry of pool that aggregation would reach beyond, or NULL. */
static const struct kube_pool_entry *
beyond(const struct kube_bgp_advertisement *a, const struct kube_ip_address_pool *pool)
{
	for (size_t i = 0; i < pool->naddresses; i++) {
		const struct ip_range *r = &pool->addresses[i].range;
		unsigned len = ip_is_v4(&r->first) ? a->aggregation_len :
		    a->aggregation_len_v6;
		struct prefix first = prefix_make(&r->first, len);
		struct prefix last = prefix_make(&r->last, len);
		struct ip_range end = ip_range_of_prefix(&last);

		if (ip_cmp(&first.addr, &r->first) < 0 ||
		    ip_cmp(&end.last, &r->last) > 0)
			return &pool->addresses[i];
	}
	return NULL;
}

static void
check_aggregation(struct config *c, const struct kube_store *s,
    const struct kube_object *o)
{
	struct kube_list pools = kube_store_list(s, KUBE_IP_ADDRESS_POOL);
	const struct kube_bgp_advertisement *a = &o->bgpadv;

	for (size_t i = 0; i < pools.n; i++) {
		const struct kube_pool_entry *e;
		bool is_v4;

		if (!covers(&a->scope, pools.items[i]))
			continue;
		e = beyond(a, &pools.items[i]->pool);
		if (e == NULL)
			continue;
		is_v4 = ip_is_v4(&e->range.first);
		config_tell(c, o, false, arena_printf(&c->pools.arena,
		    "spec.%s: %u: blocks of that size reach beyond %s of IPAddressPool "
		    "\"%s\" and would draw others' traffic: write a longer length, or "
		    "widen the pool", is_v4 ? "aggregationLength" :
		    "aggregationLengthV6", is_v4 ? a->aggregation_len :
		    a->aggregation_len_v6, e->text, pools.items[i]->meta.name));
		return;
	}
}

static void
check_scope(struct config *c, const struct kube_store *s, const struct kube_object *o,
    const struct kube_scope *scope)
{
	check_names(c, s, o, "spec.ipAddressPools", KUBE_IP_ADDRESS_POOL, scope->pools,
	    scope->npools);
	check_pool_selectors(c, s, o, scope->pool_selectors, scope->npool_selectors);
}

static void
check_l2_adverts(struct config *c, const struct kube_store *s)
{
	struct kube_list all = kube_store_list(s, KUBE_L2_ADVERTISEMENT);

	for (size_t i = 0; i < all.n; i++)
		check_scope(c, s, all.items[i], &all.items[i]->l2adv.scope);
}

static void
check_bgp_adverts(struct config *c, const struct kube_store *s)
{
	struct kube_list all = kube_store_list(s, KUBE_BGP_ADVERTISEMENT);

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_object *o = all.items[i];
		const struct kube_bgp_advertisement *a = &o->bgpadv;

		check_scope(c, s, o, &a->scope);
		check_names(c, s, o, "spec.peers", KUBE_BGP_PEER, a->peers, a->npeers);
		for (size_t j = 0; j < a->ncommunities; j++) {
			const char *name = a->communities[j].name;

			if (name != NULL && !has_alias(s, name))
				config_tell(c, o, false, arena_printf(&c->pools.arena,
				    "spec.communities[%zu]: no Community has an entry "
				    "\"%s\": add it, or write the value, as in "
				    "64512:100", j, name));
		}
		check_aggregation(c, s, o);
	}
}

static void
check_peers(struct config *c, const struct kube_store *s)
{
	struct kube_list all = kube_store_list(s, KUBE_BGP_PEER);

	for (size_t i = 0; i < all.n; i++) {
		const char *profile = all.items[i]->bgp_peer.bfd_profile;

		if (profile != NULL && find_named(s, KUBE_BFD_PROFILE, profile) == NULL)
			config_tell(c, all.items[i], false, arena_printf(
			    &c->pools.arena, "spec.bfdProfile: there is no BFDProfile "
			    "\"%s\": create it, or correct the name", profile));
	}
}

/* What of two profiles a Service has is for the owner of the other to know. */
static void
check_other(struct config *c, const struct kube_profile_choice *choice,
    const struct kube_object *svc)
{
	if (choice->other == NULL || config_problem(c, choice->other) != NULL)
		return;
	config_tell(c, choice->other, false, arena_printf(&c->pools.arena,
	    "spec.serviceSelectors: Service %s/%s is ForwardingProfile \"%s\"'s already, "
	    "the first by name: tell the two apart by their selectors, or name one in the "
	    "Service's annotation " KUBE_ANNOTATION_PROFILE, svc->meta.ns,
	    svc->meta.name, choice->profile->meta.name));
}

/* One Service's want of it is enough to tell. */
static void
check_fallback(struct config *c, const struct kube_store *s,
    const struct kube_object *profile, const struct kube_object *svc)
{
	const struct kube_forwarding_profile *p = &profile->profile;

	for (size_t i = 0; i < p->nfallback; i++) {
		const struct kube_fallback *f = &p->fallback[i];
		const char *ns = f->service_ns != NULL ? f->service_ns : svc->meta.ns;

		if (f->service == NULL || config_problem(c, profile) != NULL ||
		    kube_store_get(s, KUBE_SERVICE, ns, f->service) != NULL)
			continue;
		config_tell(c, profile, false, arena_printf(&c->pools.arena,
		    "spec.fallback[%zu].service: there is no Service %s/%s to serve for "
		    "%s/%s: create it, or correct the name", i, ns, f->service,
		    svc->meta.ns, svc->meta.name));
	}
}

static void
check_profiles(struct config *c, const struct kube_store *s)
{
	struct kube_list svcs = kube_store_list(s, KUBE_SERVICE);

	if (kube_store_list(s, KUBE_FORWARDING_PROFILE).n == 0)
		return;
	for (size_t i = 0; i < svcs.n; i++) {
		struct kube_profile_choice choice;

		if (!svcs.items[i]->service.is_load_balancer)
			continue;
		choice = kube_profile_of(s, svcs.items[i]);
		check_other(c, &choice, svcs.items[i]);
		if (choice.profile != NULL)
			check_fallback(c, s, choice.profile, svcs.items[i]);
	}
}

void
config_check(struct config *c, const struct kube_store *s)
{
	check_pools(c, s);
	check_l2_adverts(c, s);
	check_bgp_adverts(c, s);
	check_peers(c, s);
	check_profiles(c, s);
}
