#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "controller/alloc.h"
#include "controller/sparse.h"
#include "lib/mem.h"

#define NO_RANGE UINT32_MAX

/* One user of one address. */
struct hold {
	const struct alloc_user *user;
	unsigned nclaims;
	struct hold *next;
};

/* An address in use: it has at least one hold. */
struct addr {
	struct ip ip;
	uint32_t pool;		/* NO_RANGE: in none */
	uint32_t range;		/* of all, NO_RANGE: in none */
	struct hold *holds;
	struct addr *next, *prev;	/* of the same sharing key */
	UT_hash_handle hh;
};

/* The addresses in use under one sharing key. */
struct share {
	const char *key;	/* its own copy */
	struct addr *addrs;
	UT_hash_handle hh;
};

struct range {
	struct ip first;
	struct sparse taken;
};

/* A pool's part: where its ranges start in alloc.ranges, and what is used. */
struct part {
	uint32_t base;
	uint64_t used[2];	/* by family, IPv4 first */
	uint64_t odd[2];	/* likewise: used, though the pool passes over them */
	uint32_t hint[2];	/* likewise: no range below has a free address */
};

struct alloc {
	const struct pool_set *pools;
	struct part *parts;		/* one a pool */
	struct range *ranges;
	uint32_t nranges;
	struct addr *addrs;
	struct share *shares;
	struct addr *free_addrs;	/* by next */
	struct hold *free_holds;
	struct arena arena;		/* owns addrs and holds, used or free */
};

const char *
alloc_clash_name(enum alloc_clash c)
{
	switch (c) {
	case ALLOC_OK:
		return "ok";
	case ALLOC_HOLDER_ALONE:
		return "holder does not share";
	case ALLOC_ASKER_ALONE:
		return "asker does not share";
	case ALLOC_KEYS_DIFFER:
		return "sharing keys differ";
	case ALLOC_BACKENDS_DIFFER:
		return "backends differ";
	case ALLOC_PORT_TAKEN:
		return "port taken";
	case ALLOC_NS_DIFFER:
		return "namespaces differ";
	}
	return "unknown";
}

struct alloc *
alloc_new(const struct pool_set *pools)
{
	struct alloc *a = mem_zalloc(sizeof(*a));
	uint32_t n = 0;

	a->pools = pools;
	a->parts = mem_zalloc((pools->n + 1) * sizeof(*a->parts));
	a->ranges = mem_zalloc((pools->nspans + 1) * sizeof(*a->ranges));
	a->nranges = (uint32_t)pools->nspans;
	for (size_t i = 0; i < pools->n; i++) {
		const struct rangeset *x = &pools->pools[i].usable;

		a->parts[i].base = n;
		for (size_t j = 0; j < x->n; j++, n++) {
			uint64_t size = ip_range_size(&x->v[j]);

			a->ranges[n].first = x->v[j].first;
			sparse_init(&a->ranges[n].taken,
			    size < SPARSE_MAX ? (uint32_t)size : SPARSE_MAX);
		}
	}
	return a;
}

void
alloc_free(struct alloc *a)
{
	struct share *s, *tmp;

	if (a == NULL)
		return;
	HASH_CLEAR(hh, a->addrs);
	HASH_ITER(hh, a->shares, s, tmp) {
		HASH_DEL(a->shares, s);
		free((char *)s->key);
		free(s);
	}
	for (uint32_t i = 0; i < a->nranges; i++)
		sparse_fini(&a->ranges[i].taken);
	arena_fini(&a->arena);
	free(a->ranges);
	free(a->parts);
	free(a);
}

static struct addr *
addr_find(const struct alloc *a, const struct ip *ip)
{
	struct addr *x;

	HASH_FIND(hh, a->addrs, ip, sizeof(*ip), x);
	return x;
}

/* Offset of ip in its range's sparse set; false where it lies beyond. */
static bool
addr_offset(const struct alloc *a, const struct addr *x, uint32_t *ret)
{
	uint64_t off;

	if (x->range == NO_RANGE)
		return false;
	off = ip_distance(&a->ranges[x->range].first, &x->ip);
	if (off >= a->ranges[x->range].taken.size)
		return false;
	*ret = (uint32_t)off;
	return true;
}

static void
share_link(struct alloc *a, struct addr *x, const char *key)
{
	struct share *s;

	HASH_FIND_STR(a->shares, key, s);
	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->key = mem_strdup(key);
		HASH_ADD_KEYPTR(hh, a->shares, s->key, strlen(s->key), s);
	}
	x->prev = NULL;
	x->next = s->addrs;
	if (s->addrs != NULL)
		s->addrs->prev = x;
	s->addrs = x;
}

static void
share_unlink(struct alloc *a, struct addr *x, const char *key)
{
	struct share *s;

	if (x->next != NULL)
		x->next->prev = x->prev;
	if (x->prev != NULL) {
		x->prev->next = x->next;
		return;
	}
	HASH_FIND_STR(a->shares, key, s);
	s->addrs = x->next;
	if (s->addrs != NULL)
		return;
	HASH_DEL(a->shares, s);
	free((char *)s->key);
	free(s);
}

static struct addr *
addr_new(struct alloc *a, const struct ip *ip, const char *share_key)
{
	const struct pool_span *span = pool_set_span(a->pools, ip);
	struct addr *x = a->free_addrs;
	uint32_t off;

	if (x != NULL)
		a->free_addrs = x->next;
	else
		x = arena_alloc(&a->arena, sizeof(*x));
	*x = (struct addr){ .ip = *ip, .pool = NO_RANGE, .range = NO_RANGE };
	if (span != NULL) {
		x->pool = span->pool;
		x->range = a->parts[span->pool].base + span->nth;
		a->parts[span->pool].used[!ip_is_v4(ip)]++;
		a->parts[span->pool].odd[!ip_is_v4(ip)] +=
		    pool_passes_over(&a->pools->pools[span->pool], ip);
	}
	if (addr_offset(a, x, &off))
		sparse_add(&a->ranges[x->range].taken, off);
	if (share_key != NULL)
		share_link(a, x, share_key);
	HASH_ADD(hh, a->addrs, ip, sizeof(x->ip), x);
	return x;
}

static void
addr_drop(struct alloc *a, struct addr *x, const char *share_key)
{
	uint32_t off;

	if (x->pool != NO_RANGE) {
		struct part *part = &a->parts[x->pool];
		uint32_t nth = x->range - part->base;
		int fam = !ip_is_v4(&x->ip);

		part->used[fam]--;
		part->odd[fam] -= pool_passes_over(&a->pools->pools[x->pool], &x->ip);
		if (nth < part->hint[fam])
			part->hint[fam] = nth;
	}
	if (addr_offset(a, x, &off))
		sparse_remove(&a->ranges[x->range].taken, off);
	if (share_key != NULL)
		share_unlink(a, x, share_key);
	HASH_DEL(a->addrs, x);
	x->next = a->free_addrs;
	a->free_addrs = x;
}

static struct hold *
addr_hold_of(const struct addr *x, const struct alloc_user *u)
{
	struct hold *h = x->holds;

	while (h != NULL && h->user != u)
		h = h->next;
	return h;
}

static void
addr_hold(struct alloc *a, struct addr *x, const struct alloc_user *u)
{
	struct hold *h = addr_hold_of(x, u);

	if (h != NULL) {
		h->nclaims++;
		return;
	}
	h = a->free_holds;
	if (h != NULL)
		a->free_holds = h->next;
	else
		h = arena_alloc(&a->arena, sizeof(*h));
	*h = (struct hold){ .user = u, .nclaims = 1, .next = x->holds };
	x->holds = h;
}

static bool
shares_port(const struct alloc_user *u, const struct alloc_user *v,
    struct alloc_port *ret)
{
	for (size_t i = 0; i < u->nports; i++) {
		for (size_t j = 0; j < v->nports; j++) {
			if (u->ports[i].port != v->ports[j].port ||
			    u->ports[i].proto != v->ports[j].proto)
				continue;
			*ret = u->ports[i];
			return true;
		}
	}
	return false;
}

/* May u stand beside the holder v on an address of pool? */
static enum alloc_clash
clash_of(const struct alloc *a, uint32_t pool, const struct alloc_user *u,
    const struct alloc_user *v, struct alloc_port *ret_port)
{
	if (v->share_key == NULL)
		return ALLOC_HOLDER_ALONE;
	if (u->share_key == NULL)
		return ALLOC_ASKER_ALONE;
	if (strcmp(u->share_key, v->share_key) != 0)
		return ALLOC_KEYS_DIFFER;
	if (strcmp(u->backend, v->backend) != 0)
		return ALLOC_BACKENDS_DIFFER;
	if (pool != NO_RANGE && !a->pools->pools[pool].is_shared_across &&
	    strcmp(u->ns, v->ns) != 0)
		return ALLOC_NS_DIFFER;
	if (shares_port(u, v, ret_port))
		return ALLOC_PORT_TAKEN;
	return ALLOC_OK;
}

static struct alloc_verdict
addr_judge(const struct alloc *a, const struct addr *x, const struct alloc_user *u)
{
	struct alloc_verdict v = { .clash = ALLOC_OK };

	for (const struct hold *h = x->holds; h != NULL; h = h->next) {
		if (h->user == u)
			continue;
		v.clash = clash_of(a, x->pool, u, h->user, &v.port);
		if (v.clash == ALLOC_OK)
			continue;
		v.holder = h->user;
		return v;
	}
	return v;
}

struct alloc_verdict
alloc_claim(struct alloc *a, const struct ip *ip, const struct alloc_user *u)
{
	struct alloc_verdict v = { .clash = ALLOC_OK };
	struct addr *x = addr_find(a, ip);

	if (x != NULL) {
		v = addr_judge(a, x, u);
		if (v.clash != ALLOC_OK)
			return v;
	} else
		x = addr_new(a, ip, u->share_key);
	addr_hold(a, x, u);
	return v;
}

void
alloc_release(struct alloc *a, const struct ip *ip, const struct alloc_user *u)
{
	struct addr *x = addr_find(a, ip);
	struct hold **at, *h;

	if (x == NULL)
		return;
	for (at = &x->holds; *at != NULL && (*at)->user != u; at = &(*at)->next)
		;
	h = *at;
	if (h == NULL || --h->nclaims > 0)
		return;
	*at = h->next;
	h->next = a->free_holds;
	a->free_holds = h;
	if (x->holds == NULL)
		addr_drop(a, x, u->share_key);
}

bool
alloc_holds(const struct alloc *a, const struct ip *ip, const struct alloc_user *u)
{
	const struct addr *x = addr_find(a, ip);

	return x != NULL && addr_hold_of(x, u) != NULL;
}

uint64_t
alloc_used(const struct alloc *a, uint32_t pool, enum ip_family family)
{
	return a->parts[pool].used[family != IP_V4];
}

uint64_t
alloc_available(const struct alloc *a, uint32_t pool, enum ip_family family)
{
	const struct part *part = &a->parts[pool];
	uint64_t size = pool_size_by_itself(&a->pools->pools[pool], family);
	uint64_t used = part->used[family != IP_V4] - part->odd[family != IP_V4];

	return size > used ? size - used : 0;
}

/* The lowest address of the pool that u may join by its sharing key. */
static struct addr *
pick_shared(const struct alloc *a, uint32_t pool, enum ip_family family,
    const struct alloc_user *u)
{
	struct addr *best = NULL;
	struct share *s;

	HASH_FIND_STR(a->shares, u->share_key, s);
	for (struct addr *x = s != NULL ? s->addrs : NULL; x != NULL;
	    x = x->next) {
		if (x->pool != pool || x->ip.family != family ||
		    pool_avoids(&a->pools->pools[pool], &x->ip))
			continue;
		if (best != NULL && ip_cmp(&best->ip, &x->ip) < 0)
			continue;
		if (addr_judge(a, x, u).clash == ALLOC_OK)
			best = x;
	}
	return best;
}

/* The lowest free address of a range at or above offset from. */
static int
pick_in_range(const struct pool *p, struct range *r, uint32_t from, struct ip *ret)
{
	for (;;) {
		uint32_t off = sparse_gap(&r->taken, from);
		struct ip ip;

		if (off == SPARSE_NONE || ip_add(&r->first, off, &ip) < 0)
			return -ENOSPC;
		if (!pool_passes_over(p, &ip)) {
			*ret = ip;
			return 0;
		}
		from = off + 1;
	}
}

static int
pick_lowest(struct alloc *a, uint32_t pool, enum ip_family family, struct ip *ret)
{
	const struct pool *p = &a->pools->pools[pool];
	struct part *part = &a->parts[pool];
	uint32_t *hint = &part->hint[family != IP_V4];

	for (; *hint < p->usable.n; ++*hint) {
		struct range *r = &a->ranges[part->base + *hint];

		if (r->first.family == family && pick_in_range(p, r, 0, ret) == 0)
			return 0;
	}
	return -ENOSPC;
}

/*
 * A free address at or behind the start'th of the pool's family, as if all
 * ranges were one; the search wraps around.
 */
static int
pick_from(struct alloc *a, uint32_t pool, enum ip_family family, uint64_t start,
    struct ip *ret)
{
	const struct pool *p = &a->pools->pools[pool];
	struct range *ranges = &a->ranges[a->parts[pool].base];

	for (size_t i = 0; i < p->usable.n; i++) {
		if (ranges[i].first.family != family)
			continue;
		if (start >= ranges[i].taken.size) {
			start -= ranges[i].taken.size;
			continue;
		}
		if (pick_in_range(p, &ranges[i], (uint32_t)start, ret) == 0)
			return 0;
		start = 0;
	}
	return pick_lowest(a, pool, family, ret);
}

static uint64_t
pick_start(const struct alloc *a, uint32_t pool, enum ip_family family, uint64_t seed)
{
	const struct pool *p = &a->pools->pools[pool];
	const struct range *ranges = &a->ranges[a->parts[pool].base];
	uint64_t total = 0;

	for (size_t i = 0; i < p->usable.n; i++) {
		if (ranges[i].first.family == family)
			total += ranges[i].taken.size;
	}
	return total > 0 ? seed % total : 0;
}

int
alloc_pick(struct alloc *a, uint32_t pool, enum ip_family family,
    const struct alloc_user *u, uint64_t seed, struct ip *ret)
{
	struct addr *x = NULL;
	struct ip ip;
	int rc;

	if (u->share_key != NULL)
		x = pick_shared(a, pool, family, u);
	if (x == NULL) {
		if (a->pools->pools[pool].strategy == KUBE_STRATEGY_LOWEST)
			rc = pick_lowest(a, pool, family, &ip);
		else
			rc = pick_from(a, pool, family,
			    pick_start(a, pool, family, seed), &ip);
		if (rc < 0)
			return rc;
		x = addr_new(a, &ip, u->share_key);
	}
	/* No clash: it was free, or u has been judged fit for it. */
	addr_hold(a, x, u);
	*ret = x->ip;
	return 0;
}
