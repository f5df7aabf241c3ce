#include <stdlib.h>
#include <string.h>

#include "controller/config_impl.h"
#include "lib/mem.h"

enum { TEXT_MAX = 1000 };

/* Where no VIP can live, and why. */
static const struct {
	const char *block, *why;
} forbidden[] = {
	{ "0.0.0.0/8", "\"this network\"" },
	{ "127.0.0.0/8", "loopback" },
	{ "169.254.0.0/16", "link-local" },
	{ "224.0.0.0/4", "multicast" },
	{ "240.0.0.0/4", "reserved" },
	{ "::/128", "the unspecified address" },
	{ "::1/128", "loopback" },
	{ "fe80::/10", "link-local" },
	{ "ff00::/8", "multicast" },
};

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

const struct config_problem *
config_problem(const struct config *c, const struct kube_object *o)
{
	for (size_t i = 0; i < c->nproblems; i++) {
		const struct config_problem *p = &c->problems[i];

		if (p->kind == o->kind && strcmp(p->name, o->meta.name) == 0 &&
		    same(p->ns, o->meta.ns))
			return p;
	}
	return NULL;
}

void
config_tell(struct config *c, const struct kube_object *o, bool is_refused,
    const char *text)
{
	struct arena *a = &c->pools.arena;
	struct config_problem *p = (struct config_problem *)config_problem(c, o);

	/* Of what is refused nothing else matters. */
	if (p != NULL && p->is_refused)
		return;
	if (p != NULL) {
		/* Enough to go on with; a status has to stay readable. */
		if (strlen(p->text) > TEXT_MAX)
			return;
		p->text = arena_printf(a, "%s; also %s", p->text, text);
		return;
	}
	if (c->nproblems == c->problems_cap) {
		size_t cap = c->problems_cap > 0 ? c->problems_cap * 2 : 16;

		p = arena_array(a, cap, sizeof(*p));
		for (size_t i = 0; i < c->nproblems; i++)
			p[i] = c->problems[i];
		c->problems = p;
		c->problems_cap = cap;
	}
	c->problems[c->nproblems++] = (struct config_problem){
		.kind = o->kind,
		.ns = arena_strdup(a, o->meta.ns),
		.name = arena_strdup(a, o->meta.name),
		.is_refused = is_refused,
		.text = text,
	};
}

static int
age_cmp(const void *a, const void *b)
{
	const struct kube_object *x = *(struct kube_object *const *)a;
	const struct kube_object *y = *(struct kube_object *const *)b;
	int c;

	if (x->meta.created_sec != y->meta.created_sec)
		return x->meta.created_sec < y->meta.created_sec ? -1 : 1;
	c = strcmp(x->meta.name, y->meta.name);
	if (c != 0 || x->meta.ns == NULL || y->meta.ns == NULL)
		return c;
	return strcmp(x->meta.ns, y->meta.ns);
}

static const char *
refuse_forbidden(struct config *c, const struct kube_object *o)
{
	for (size_t i = 0; i < o->pool.naddresses; i++) {
		const struct kube_pool_entry *e = &o->pool.addresses[i];

		for (size_t j = 0; j < nitems(forbidden); j++) {
			struct prefix p;
			struct ip_range r;

			if (prefix_parse(forbidden[j].block, &p) < 0)
				continue;
			r = ip_range_of_prefix(&p);
			if (!ip_range_overlaps(&e->range, &r))
				continue;
			return arena_printf(&c->pools.arena,
			    "spec.addresses[%zu]: %s reaches into %s (%s), which no "
			    "Service can use: choose addresses of the nodes' networks",
			    i, e->text, forbidden[j].block, forbidden[j].why);
		}
	}
	return NULL;
}

static const char *
refuse_overlap(struct config *c, const struct pool *p)
{
	struct ip_range mine, theirs;

	for (size_t i = 0; i < c->pools.n; i++) {
		const struct pool *q = &c->pools.pools[i];

		if (strcmp(q->name, p->name) == 0)
			return arena_printf(&c->pools.arena,
			    "there is an older IPAddressPool \"%s\" in another "
			    "namespace: rename or delete this one", q->name);
		if (!rangeset_overlaps(p->own, q->usable, &mine, &theirs))
			continue;
		return arena_printf(&c->pools.arena,
		    "spec.addresses: %s overlaps %s of the older IPAddressPool "
		    "\"%s\": take the common addresses out of one of the two",
		    IP_RANGE_STR(&mine), IP_RANGE_STR(&theirs), q->name);
	}
	return NULL;
}

static const struct pool *
last_good(const struct config *prev, const struct pool *p)
{
	const struct pool *q;

	q = prev != NULL ? pool_set_named(&prev->pools, p->name) : NULL;
	if (q == NULL || q->is_frozen)
		return NULL;
	if (q->uid != NULL && p->uid != NULL && strcmp(q->uid, p->uid) != 0)
		return NULL;	/* another object of that name */
	return q;
}

static struct rangeset
minus_forbidden(struct arena *a, struct rangeset set)
{
	for (size_t i = 0; i < nitems(forbidden); i++) {
		struct prefix p;
		struct ip_range r;

		if (prefix_parse(forbidden[i].block, &p) < 0)
			continue;
		r = ip_range_of_prefix(&p);
		set = rangeset_minus(a, set, (struct rangeset){ .v = &r, .n = 1 });
	}
	return set;
}

/*
 * What a refused object still stands for: see config.h. False where that is
 * nothing at all.
 */
static bool
pool_fall_back(struct config *c, const struct config *prev, struct pool *p)
{
	struct arena *a = &c->pools.arena;
	const struct pool *good = last_good(prev, p);

	if (good != NULL)
		pool_copy(a, good, p);
	p->is_refused = true;
	p->is_frozen = good == NULL;
	p->usable = p->own;
	for (size_t i = 0; i < c->pools.n; i++)
		p->usable = rangeset_minus(a, p->usable, c->pools.pools[i].usable);
	p->usable = minus_forbidden(a, p->usable);
	return p->usable.n > 0;
}

/* The pool that an unread object stands for: see config.h. */
static void
add_unread(struct config *c, const struct kube_object *stub)
{
	struct arena *a = &c->pools.arena;
	struct prefix all[] = { { .addr.family = IP_V4 }, { .addr.family = IP_V6 } };
	struct ip_range r[] = { ip_range_of_prefix(&all[0]), ip_range_of_prefix(&all[1]) };
	struct pool p = {
		.name = arena_strdup(a, stub->meta.name),
		.uid = arena_strdup(a, stub->meta.uid),
		.own = rangeset_make(a, r, nitems(r)),
		.is_refused = true,
		.is_frozen = true,
		.is_unread = true,
		.is_shared_across = true,
	};

	p.own = minus_forbidden(a, p.own);
	for (size_t i = 0; i < c->pools.n; i++) {
		p.own = rangeset_minus(a, p.own, c->pools.pools[i].usable);
		p.own = rangeset_minus(a, p.own, c->pools.pools[i].reserved);
	}
	p.usable = p.own;
	c->pools.pools[c->pools.n++] = p;
}

static void
tell_stubs(struct config *c, const struct kube_store *s)
{
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		struct kube_list stubs = kube_store_stubs(s, (enum kube_kind)k);

		for (size_t i = 0; i < stubs.n && kube_kind_is_custom((enum kube_kind)k);
		     i++)
			config_tell(c, stubs.items[i], true, arena_strdup(
			    &c->pools.arena, stubs.items[i]->why_refused));
	}
}

static int
cmp_ip(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void
collect_node_ips(struct config *c, const struct kube_store *s)
{
	struct kube_list nodes = kube_store_list(s, KUBE_NODE);
	size_t n = 0;

	for (size_t i = 0; i < nodes.n; i++)
		n += nodes.items[i]->node.ninternal_ips;
	c->node_ips = arena_array(&c->pools.arena, n, sizeof(*c->node_ips));
	for (size_t i = 0; i < nodes.n; i++) {
		const struct kube_node *node = &nodes.items[i]->node;

		for (size_t j = 0; j < node->ninternal_ips; j++)
			c->node_ips[c->nnode_ips++] = node->internal_ips[j];
	}
	if (c->nnode_ips > 1)
		qsort(c->node_ips, c->nnode_ips, sizeof(*c->node_ips), cmp_ip);
}

void
config_build(const struct kube_store *s, const struct config *prev,
    struct config *ret)
{
	struct kube_list objs = kube_store_list(s, KUBE_IP_ADDRESS_POOL);
	struct kube_list stubs = kube_store_stubs(s, KUBE_IP_ADDRESS_POOL);
	struct config c = { 0 };
	struct arena *a = &c.pools.arena;
	const struct kube_object **byage = arena_array(a, objs.n, sizeof(*byage));

	c.pools.pools = arena_array(a, objs.n + stubs.n, sizeof(*c.pools.pools));
	collect_node_ips(&c, s);
	tell_stubs(&c, s);
	for (size_t i = 0; i < objs.n; i++)
		byage[i] = objs.items[i];
	if (objs.n > 1)
		qsort(byage, objs.n, sizeof(const struct kube_object *), age_cmp);

	for (size_t i = 0; i < objs.n; i++) {
		const struct kube_object *o = byage[i];
		const char *why = refuse_forbidden(&c, o);
		struct pool p;

		pool_from_object(a, o, &p);
		if (why == NULL)
			why = refuse_overlap(&c, &p);
		if (why != NULL)
			config_tell(&c, o, true, why);
		if (why == NULL || pool_fall_back(&c, prev, &p))
			c.pools.pools[c.pools.n++] = p;
	}
	for (size_t i = 0; i < stubs.n; i++) {
		if (kube_store_get(s, KUBE_IP_ADDRESS_POOL, stubs.items[i]->meta.ns,
		    stubs.items[i]->meta.name) == NULL)
			add_unread(&c, stubs.items[i]);
	}
	pool_set_seal(&c.pools);
	config_check(&c, s);
	*ret = c;
}

void
config_fini(struct config *c)
{
	pool_set_fini(&c->pools);
	*c = (struct config){ 0 };
}

const struct config_problem *
config_refusal(const struct config *c, const char *pool)
{
	for (size_t i = 0; i < c->nproblems; i++) {
		if (c->problems[i].kind == KUBE_IP_ADDRESS_POOL &&
		    c->problems[i].is_refused &&
		    strcmp(c->problems[i].name, pool) == 0)
			return &c->problems[i];
	}
	return NULL;
}
