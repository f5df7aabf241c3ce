#include <stdio.h>
#include <string.h>

#include "controller/decide.h"
#include "lib/hash.h"

/* What one family of a Service comes to. */
struct slot {
	struct ip ip;			/* IP_NONE: nothing */
	const char *problem;		/* NULL: as wished */
	bool	is_asked;		/* the problem is about what it asked for */
};

/* Where its owner finds out why. */
#define SEE "(see its condition Accepted, or the controller's log)"

static const char *
family_name(enum ip_family f)
{
	return f == IP_V4 ? "IPv4" : "IPv6";
}

static const struct ip *
kept(const struct work *w, enum ip_family f)
{
	for (unsigned i = 0; i < w->nkeep; i++) {
		if (w->keep[i].family == f)
			return &w->keep[i];
	}
	return NULL;
}

static uint64_t
seed_of(const struct pool *p, const struct work *w)
{
	if (p->strategy == KUBE_STRATEGY_SPREAD && w->svc->meta.uid != NULL)
		return hash_str(w->svc->meta.uid, 0);
	return hash_str(w->user.name, 0);
}

static bool
pick(const struct decide_in *in, const struct work *w, size_t pool,
    enum ip_family f, struct ip *ret)
{
	const struct pool *p = &in->pools->pools[pool];

	return !p->is_frozen && pool_serves(p, &w->asker) &&
	    alloc_pick(in->alloc, (uint32_t)pool, f, &w->user, seed_of(p, w), ret) == 0;
}

/* Why the holder is in the way, and what to do about it. */
static const char *
clash_text(const struct decide_in *in, const struct ip *ip,
    const struct alloc_verdict *v)
{
	const char *addr = IP_STR(ip), *holder = v->holder->name;

	switch (v->clash) {
	case ALLOC_PORT_TAKEN:
		return arena_printf(in->arena, "port %s/%u is already in use on %s by "
		    "%s: use another port or address",
		    kube_proto_name(v->port.proto), v->port.port, addr, holder);
	case ALLOC_KEYS_DIFFER:
		return arena_printf(in->arena, "%s is in use by %s under another "
		    "sharing key: give both the same allow-shared-ip annotation, or "
		    "ask for another address", addr, holder);
	case ALLOC_BACKENDS_DIFFER:
		return arena_printf(in->arena, "%s is in use by %s: to share it, both "
		    "need externalTrafficPolicy Cluster, or Local and the same "
		    "selector", addr, holder);
	case ALLOC_NS_DIFFER:
		return arena_printf(in->arena, "%s is in use by %s, and its "
		    "IPAddressPool lets no address be shared across namespaces: ask "
		    "for another", addr, holder);
	case ALLOC_OK:
	case ALLOC_HOLDER_ALONE:
	case ALLOC_ASKER_ALONE:
		break;
	}
	return arena_printf(in->arena, "%s is already in use by %s: ask for another "
	    "address, or give both the same allow-shared-ip annotation", addr, holder);
}

/* An address asked for by name. */
static struct slot
give_asked(const struct decide_in *in, const struct work *w, const struct ip *ip)
{
	const struct pool_span *span = pool_set_span(in->pools, ip);
	const struct pool *p = span != NULL ? &in->pools->pools[span->pool] : NULL;
	const char *from = w->req.ips_from, *addr = IP_STR(ip);
	const struct pool *r = p == NULL ? pool_set_reserving(in->pools, ip) : NULL;
	struct slot s = { .is_asked = true };
	struct alloc_verdict v;

	if (r != NULL)
		s.problem = arena_printf(in->arena, "%s: %s is not allowed in config: "
		    "IPAddressPool %s reserves it (spec.reserved); ask for another "
		    "address", from, addr, r->name);
	else if (p == NULL || pool_avoids(p, ip))
		s.problem = arena_printf(in->arena, "%s: %s is not allowed in config: "
		    "%s; ask for an address of an IPAddressPool", from, addr,
		    p == NULL ? "no IPAddressPool holds it" :
		    "its pool has avoidBuggyIPs");
	else if (w->req.pool != NULL && strcmp(w->req.pool, p->name) != 0)
		s.problem = arena_printf(in->arena, "%s: requested loadBalancer IP %s "
		    "is not compatible with requested address pool %s: it is of %s; "
		    "change or remove %s", from, addr, w->req.pool, p->name,
		    w->req.pool_from);
	else if (!pool_serves(p, &w->asker))
		s.problem = arena_printf(in->arena, "%s: pool %s, which holds %s, is "
		    "not compatible for IP assignment: its serviceAllocation does not "
		    "select this Service", from, p->name, addr);
	else if (p->is_unread)
		s.problem = arena_printf(in->arena, "%s: %s is not allowed in config: no "
		    "IPAddressPool in force holds it; IPAddressPool %s cannot be read "
		    "until it is corrected " SEE, from, addr, p->name);
	else if (p->is_frozen)
		s.problem = arena_printf(in->arena, "%s: IPAddressPool %s, which holds "
		    "%s, is refused and gives out nothing until it is corrected " SEE,
		    from, p->name, addr);
	if (s.problem != NULL)
		return s;
	v = alloc_claim(in->alloc, ip, &w->user);
	if (v.clash != ALLOC_OK)
		s.problem = arena_printf(in->arena, "%s: %s", from,
		    clash_text(in, ip, &v));
	else
		s.ip = *ip;
	return s;
}

/* An address of the pool asked for. */
static struct slot
give_from_pool(const struct decide_in *in, const struct work *w, enum ip_family f)
{
	const struct pool *p = pool_set_named(in->pools, w->req.pool);
	const char *from = w->req.pool_from;
	struct slot s = { .is_asked = true };

	if (p == NULL)
		s.problem = arena_printf(in->arena, "%s: unknown pool \"%.100s\": name "
		    "an existing IPAddressPool, or create it", from, w->req.pool);
	else if (!pool_serves(p, &w->asker))
		s.problem = arena_printf(in->arena, "%s: pool %s is not compatible for "
		    "IP assignment: its serviceAllocation does not select this "
		    "Service", from, p->name);
	else if (!pick(in, w, (size_t)(p - in->pools->pools), f, &s.ip)) {
		s.problem = arena_printf(in->arena, "%s: no available IPs in pool \"%s\" "
		    "for %s IPFamily: %s", from, p->name, family_name(f),
		    p->is_frozen ? "its object is refused and has to be corrected "
		    SEE : pool_size(p, f) == 0 ?
		    "it has no such addresses" : "add addresses to it");
		/* Another family may do for those who prefer two. */
		s.is_asked = false;
	}
	return s;
}

/* Why none of the pools gave an address. */
static const char *
shortage_text(const struct decide_in *in, const struct work *w, enum ip_family f)
{
	const char *fam = family_name(f);
	size_t nfamily = 0, nserving = 0, nauto = 0;
	const struct pool *frozen = NULL;

	for (size_t i = 0; i < in->pools->n; i++) {
		const struct pool *p = &in->pools->pools[i];

		if (pool_size(p, f) == 0)
			continue;
		if (p->is_frozen) {
			frozen = p;
			continue;
		}
		nfamily++;
		if (!pool_serves(p, &w->asker))
			continue;
		nserving++;
		nauto += p->auto_assign;
	}
	if (nauto == 0 && frozen != NULL)
		return arena_printf(in->arena, "no available IPs: IPAddressPool %s is "
		    "refused and gives out nothing until it is corrected " SEE,
		    frozen->name);
	if (nfamily == 0)
		return arena_printf(in->arena, "no available IPs: no IPAddressPool has "
		    "%s addresses; create one", fam);
	if (nserving == 0)
		return arena_printf(in->arena, "no available IPs: no serviceAllocation "
		    "of an IPAddressPool with %s addresses selects this Service", fam);
	if (nauto == 0)
		return arena_printf(in->arena, "no available IPs: no IPAddressPool with "
		    "%s addresses assigns them by itself; name one in the annotation "
		    "heraldlb.io/address-pool, or set autoAssign", fam);
	return arena_printf(in->arena, "no available IPs: all %s addresses that this "
	    "Service may have are in use; add some to an IPAddressPool", fam);
}

/* An address of whichever pool, but better of `first` than of another. */
static struct slot
give_any(const struct decide_in *in, const struct work *w, enum ip_family f,
    const struct pool_span *first)
{
	struct slot s = { 0 };

	if (first != NULL && in->pools->pools[first->pool].auto_assign &&
	    pick(in, w, first->pool, f, &s.ip))
		return s;
	for (size_t i = 0; i < in->pools->n; i++) {
		if (in->pools->pools[i].auto_assign && pick(in, w, i, f, &s.ip))
			return s;
	}
	s.problem = shortage_text(in, w, f);
	return s;
}

static struct slot
give(const struct decide_in *in, const struct work *w, enum ip_family f)
{
	const struct ip *have = kept(w, f), *asked = request_ip(&w->req, f);
	const struct pool_span *span;
	struct slot s;

	if (asked != NULL) {
		if (have != NULL && ip_eq(have, asked) && w->req.pool == NULL)
			return (struct slot){ .ip = *have };
		s = give_asked(in, w, asked);
	} else if (w->req.pool != NULL) {
		span = have != NULL ? pool_set_span(in->pools, have) : NULL;
		if (span != NULL &&
		    strcmp(in->pools->pools[span->pool].name, w->req.pool) == 0)
			return (struct slot){ .ip = *have };
		s = give_from_pool(in, w, f);
	} else if (have != NULL)
		return (struct slot){ .ip = *have };
	else
		s = give_any(in, w, f, w->nkeep > 0 ?
		    pool_set_span(in->pools, &w->keep[0]) : NULL);
	/* Until the wish can be met it keeps what it has. */
	if (!ip_is_set(&s.ip) && have != NULL)
		s.ip = *have;
	return s;
}

/* Both families of one pool, for who has neither yet and does not mind which. */
static bool
give_pair(const struct decide_in *in, const struct work *w, struct slot s[2])
{
	const enum ip_family *f = w->req.families;

	if (w->nkeep > 0 || w->req.nips > 0 || w->req.pool != NULL)
		return false;
	for (size_t i = 0; i < in->pools->n; i++) {
		struct ip a, b;

		if (!in->pools->pools[i].auto_assign || !pick(in, w, i, f[0], &a))
			continue;
		if (pick(in, w, i, f[1], &b)) {
			s[0] = (struct slot){ .ip = a };
			s[1] = (struct slot){ .ip = b };
			return true;
		}
		alloc_release(in->alloc, &a, &w->user);
	}
	return false;
}

static void
take(struct work *w, const struct slot *s)
{
	if (ip_is_set(&s->ip))
		w->addrs[w->naddrs++] = s->ip;
	if (s->problem != NULL && w->problem == NULL)
		w->problem = s->problem;
}

static void
decide_either(const struct decide_in *in, struct work *w)
{
	struct slot s[2] = { { .problem = NULL } };

	for (unsigned i = 0; i < 2; i++) {
		enum ip_family f = w->nkeep > 0 ? (enum ip_family)w->keep[0].family :
		    w->req.families[i];

		s[i] = give(in, w, f);
		if (ip_is_set(&s[i].ip)) {
			take(w, &s[i]);
			return;
		}
	}
	/* Neither: the first family's reason speaks for both. */
	take(w, &s[0]);
}

static void
decide_dual(const struct decide_in *in, struct work *w)
{
	struct slot s[2];
	unsigned ngot;

	if (!give_pair(in, w, s)) {
		for (unsigned i = 0; i < 2; i++)
			s[i] = give(in, w, w->req.families[i]);
	}
	ngot = ip_is_set(&s[0].ip) + ip_is_set(&s[1].ip);
	/* Who only prefers two is content with one. */
	for (unsigned i = 0; i < 2; i++) {
		if (w->req.stack == REQUEST_PREFER_DUAL && ngot > 0 && !s[i].is_asked)
			s[i].problem = NULL;
	}
	/* A new Service that requires two gets two or none. */
	if (w->req.stack == REQUEST_REQUIRE_DUAL && ngot == 1 && w->nkeep == 0) {
		for (unsigned i = 0; i < 2; i++) {
			if (ip_is_set(&s[i].ip))
				alloc_release(in->alloc, &s[i].ip, &w->user);
			s[i].ip.family = IP_NONE;
		}
	}
	take(w, &s[0]);
	take(w, &s[1]);
}

/* The addresses a Service keeps although it asks for others. */
static void
add_consolation(const struct decide_in *in, struct work *w)
{
	if (w->naddrs == 1)
		w->problem = arena_printf(in->arena, "%s; it has %s meanwhile",
		    w->problem, IP_STR(&w->addrs[0]));
	else if (w->naddrs == 2)
		w->problem = arena_printf(in->arena, "%s; it has %s and %s meanwhile",
		    w->problem, IP_STR(&w->addrs[0]), IP_STR(&w->addrs[1]));
}

void
decide_service(const struct decide_in *in, struct work *w)
{
	struct slot s;

	w->naddrs = 0;
	w->problem = NULL;
	if (w->req_problem != NULL) {
		for (unsigned i = 0; i < w->nkeep; i++)
			w->addrs[w->naddrs++] = w->keep[i];
		w->problem = w->req_problem;
	} else {
		switch (w->req.stack) {
		case REQUEST_EITHER:
			decide_either(in, w);
			break;
		case REQUEST_SINGLE:
			s = give(in, w, w->req.families[0]);
			take(w, &s);
			break;
		case REQUEST_PREFER_DUAL:
		case REQUEST_REQUIRE_DUAL:
			decide_dual(in, w);
			break;
		}
	}
	if (w->problem != NULL)
		add_consolation(in, w);
}
