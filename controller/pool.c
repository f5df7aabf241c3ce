#include <stdlib.h>
#include <string.h>

#include "controller/pool.h"

static const char **
copy_strings(struct arena *a, const char *const *v, size_t n)
{
	const char **out = arena_array(a, n, sizeof(*out));

	for (size_t i = 0; i < n; i++)
		out[i] = arena_strdup(a, v[i]);
	return out;
}

static struct kube_selector *
copy_selectors(struct arena *a, const struct kube_selector *v, size_t n)
{
	struct kube_selector *out = arena_array(a, n, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		const struct kube_map *from = &v[i].match_labels;
		struct kube_map *to = &out[i].match_labels;

		to->n = from->n;
		to->kv = arena_array(a, from->n, sizeof(*to->kv));
		for (size_t j = 0; j < from->n; j++) {
			to->kv[j].key = arena_strdup(a, from->kv[j].key);
			to->kv[j].value = arena_strdup(a, from->kv[j].value);
		}
		out[i].nexprs = v[i].nexprs;
		out[i].exprs = arena_array(a, v[i].nexprs, sizeof(*out[i].exprs));
		for (size_t j = 0; j < v[i].nexprs; j++) {
			const struct kube_requirement *r = &v[i].exprs[j];

			out[i].exprs[j] = (struct kube_requirement){
				.key = arena_strdup(a, r->key),
				.op = r->op,
				.values = copy_strings(a, r->values, r->nvalues),
				.nvalues = r->nvalues,
			};
		}
	}
	return out;
}

void
pool_copy(struct arena *a, const struct pool *p, struct pool *ret)
{
	*ret = *p;
	ret->name = arena_strdup(a, p->name);
	ret->uid = arena_strdup(a, p->uid);
	ret->own = rangeset_make(a, p->own.v, p->own.n);
	ret->usable = rangeset_make(a, p->usable.v, p->usable.n);
	ret->reserved = rangeset_make(a, p->reserved.v, p->reserved.n);
	ret->by_name = rangeset_make(a, p->by_name.v, p->by_name.n);
	ret->namespaces = copy_strings(a, p->namespaces, p->nnamespaces);
	ret->ns_selectors = copy_selectors(a, p->ns_selectors, p->nns_selectors);
	ret->svc_selectors = copy_selectors(a, p->svc_selectors, p->nsvc_selectors);
}

static struct rangeset
entries_set(struct arena *a, const struct kube_pool_entry *e, size_t n)
{
	struct ip_range *r = arena_array(a, n, sizeof(*r));

	for (size_t i = 0; i < n; i++)
		r[i] = e[i].range;
	return rangeset_make(a, r, n);
}

/*
 * The first addresses of IPv6 blocks. Blocks of one and of two have none: the
 * latter are point-to-point links (RFC 6164).
 */
static struct rangeset
anycast_set(struct arena *a, const struct kube_pool_entry *e, size_t n)
{
	struct ip_range *r = arena_array(a, n, sizeof(*r));
	size_t nr = 0;

	for (size_t i = 0; i < n; i++) {
		if (e[i].is_cidr && !ip_is_v4(&e[i].range.first) &&
		    ip_range_size(&e[i].range) > 2)
			r[nr++] = (struct ip_range){ e[i].range.first,
			    e[i].range.first };
	}
	return rangeset_make(a, r, nr);
}

void
pool_from_object(struct arena *a, const struct kube_object *o, struct pool *ret)
{
	const struct kube_ip_address_pool *spec = &o->pool;
	struct rangeset all = entries_set(a, spec->addresses, spec->naddresses);
	struct pool p = {
		.name = o->meta.name,
		.uid = o->meta.uid,
		.auto_assign = spec->auto_assign,
		.avoid_buggy = spec->avoid_buggy_ips,
		.is_pinned = spec->has_allocation,
		.is_shared_across = spec->sharing == KUBE_SHARING_ANY_NAMESPACE,
		.strategy = spec->strategy,
		.reserved = entries_set(a, spec->reserved, spec->nreserved),
		.by_name = anycast_set(a, spec->addresses, spec->naddresses),
		.priority = spec->priority,
		.namespaces = spec->namespaces,
		.nnamespaces = spec->nnamespaces,
		.ns_selectors = spec->namespace_selectors,
		.nns_selectors = spec->nnamespace_selectors,
		.svc_selectors = spec->service_selectors,
		.nsvc_selectors = spec->nservice_selectors,
	};

	p.own = rangeset_minus(a, all, p.reserved);
	p.usable = p.own;
	pool_copy(a, &p, ret);
}

/* 0 and below are "no priority", which comes last. */
static uint64_t
rank(const struct pool *p)
{
	return p->priority > 0 ? (uint64_t)p->priority : UINT64_MAX;
}

static int
pool_cmp(const void *a, const void *b)
{
	const struct pool *x = a, *y = b;

	if (x->is_pinned != y->is_pinned)
		return x->is_pinned ? -1 : 1;
	if (rank(x) != rank(y))
		return rank(x) < rank(y) ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
span_cmp(const void *a, const void *b)
{
	const struct pool_span *x = a, *y = b;

	return ip_cmp(&x->range.first, &y->range.first);
}

void
pool_set_seal(struct pool_set *s)
{
	size_t total = 0;

	if (s->n > 1)
		qsort(s->pools, s->n, sizeof(*s->pools), pool_cmp);
	for (size_t i = 0; i < s->n; i++) {
		struct pool *p = &s->pools[i];

		total += p->usable.n;
		p->nby_name = rangeset_size(p->by_name, IP_V6) - rangeset_size(
		    rangeset_minus(&s->arena, p->by_name, p->usable), IP_V6);
	}
	s->spans = arena_array(&s->arena, total, sizeof(*s->spans));
	s->nspans = 0;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t j = 0; j < s->pools[i].usable.n; j++)
			s->spans[s->nspans++] = (struct pool_span){
				.range = s->pools[i].usable.v[j],
				.pool = (uint32_t)i,
				.nth = (uint32_t)j,
			};
	}
	if (total > 1)
		qsort(s->spans, total, sizeof(*s->spans), span_cmp);
}

void
pool_set_fini(struct pool_set *s)
{
	arena_fini(&s->arena);
	*s = (struct pool_set){ 0 };
}

const struct pool_span *
pool_set_span(const struct pool_set *s, const struct ip *ip)
{
	size_t lo = 0, hi = s->nspans;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_range_contains(&s->spans[mid].range, ip))
			return &s->spans[mid];
		if (ip_cmp(&s->spans[mid].range.last, ip) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct pool *
pool_set_named(const struct pool_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->pools[i].name, name) == 0)
			return &s->pools[i];
	}
	return NULL;
}

static bool
serves_namespace(const struct pool *p, const struct pool_asker *who)
{
	/* What the API server gives every namespace; a directory may have none. */
	struct kube_kv name = { "kubernetes.io/metadata.name", who->ns };
	struct kube_map only_name = { .kv = &name, .n = who->ns != NULL };

	if (p->nnamespaces == 0 && p->nns_selectors == 0)
		return true;
	for (size_t i = 0; i < p->nnamespaces; i++) {
		if (who->ns != NULL && strcmp(p->namespaces[i], who->ns) == 0)
			return true;
	}
	for (size_t i = 0; i < p->nns_selectors; i++) {
		if (kube_selector_matches(&p->ns_selectors[i],
		    who->ns_labels != NULL ? who->ns_labels : &only_name))
			return true;
	}
	return false;
}

bool
pool_serves(const struct pool *p, const struct pool_asker *who)
{
	return serves_namespace(p, who) &&
	    kube_any_selector_matches(p->svc_selectors, p->nsvc_selectors,
	    who->labels);
}

const struct pool *
pool_set_reserving(const struct pool_set *s, const struct ip *ip)
{
	for (size_t i = 0; i < s->n; i++) {
		if (rangeset_find(s->pools[i].reserved, ip) != NULL)
			return &s->pools[i];
	}
	return NULL;
}

bool
pool_avoids(const struct pool *p, const struct ip *ip)
{
	return p->avoid_buggy && ip_is_v4(ip) && (ip->b[3] == 0 || ip->b[3] == 255);
}

bool
pool_passes_over(const struct pool *p, const struct ip *ip)
{
	return pool_avoids(p, ip) || rangeset_find(p->by_name, ip) != NULL;
}

/* Addresses up to and with v that end in 0 or 255. */
static uint64_t
nbuggy_upto(uint32_t v)
{
	return (v >> 8) * UINT64_C(2) + 1 + ((v & 0xff) == 0xff);
}

uint64_t
pool_size(const struct pool *p, enum ip_family family)
{
	uint64_t size = rangeset_size(p->usable, family);

	if (!p->avoid_buggy || family != IP_V4)
		return size;
	for (size_t i = 0; i < p->usable.n; i++) {
		const struct ip_range *r = &p->usable.v[i];
		uint32_t first;

		if (r->first.family != IP_V4)
			continue;
		first = ip_to_v4(&r->first);
		size -= nbuggy_upto(ip_to_v4(&r->last)) -
		    (first > 0 ? nbuggy_upto(first - 1) : 0);
	}
	return size;
}

uint64_t
pool_size_by_itself(const struct pool *p, enum ip_family family)
{
	uint64_t size = pool_size(p, family);

	/* A size that is no more than "very many" stays that. */
	if (family == IP_V4 || size == UINT64_MAX)
		return size;
	return size - p->nby_name;
}
