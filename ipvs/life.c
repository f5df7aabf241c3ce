/* life.c - see life.h. */
#include "ipvs/life.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "ipvs/subset.h"
#include "lib/mem.h"

/* One endpoint of one service; hashed as bytes, so made by key_of() only. */
struct life_key {
	struct ip vip, ip;
	uint16_t port, rs_port;
	uint8_t	proto;
};

enum life_phase {
	PHASE_STARTS,			/* slowly */
	PHASE_TERMINATES,
	PHASE_LEFT,			/* nobody wants it */
};

struct life_entry {
	struct life_key key;
	enum life_phase phase;
	struct mono since;		/* when that was first seen */
	struct mono until;		/* when it is out, MONO_NEVER where it is; or
					   when its weight grows next */
	unsigned round;			/* the last that came across it */
	UT_hash_handle hh;
};

struct run {
	struct life *life;
	const struct director_want *want;
	const struct goal *have;
	struct mono now;
	struct arena *arena;
};

static void
key_of(const struct ipvs_service *s, const struct ip *ip, uint16_t port,
    struct life_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->vip = s->vip;
	ret->ip = *ip;
	ret->port = s->port;
	ret->rs_port = port;
	ret->proto = s->proto;
}

static struct life_entry *
entry_find(const struct run *r, const struct life_key *key)
{
	struct life_entry *e;

	HASH_FIND(hh, r->life->entries, key, sizeof(*key), e);
	return e;
}

/* The clock starts when a phase is first asked for. */
static struct life_entry *
entry_get(const struct run *r, const struct life_key *key, enum life_phase phase)
{
	struct life_entry *e = entry_find(r, key);

	if (e == NULL) {
		e = mem_zalloc(sizeof(*e));
		e->key = *key;
		e->since = r->now;
		e->phase = phase;
		HASH_ADD(hh, r->life->entries, key, sizeof(e->key), e);
	} else if (e->phase != phase) {
		e->since = r->now;
		e->phase = phase;
	}
	e->round = r->life->round;
	return e;
}

/* Does it drain still? */
static bool
drains(const struct run *r, const struct ipvs_service *s, const struct life_key *key,
    enum life_phase phase)
{
	struct life_entry *e = entry_get(r, key, phase);

	e->until = mono_add_sec(e->since, s->drain_sec);
	if (mono_reached(r->now, e->until))
		e->until = MONO_NEVER;
	return e->until.ns != MONO_NEVER.ns;
}

/* Is a wanted endpoint to be in the table? */
static bool
stays(const struct run *r, const struct ipvs_service *s, const struct ipvs_endpoint *ep)
{
	struct life_key key;

	if (ep->life == IPVS_GONE)
		return false;
	if (ep->life == IPVS_LIVES || ep->weight != 0)
		return true;
	key_of(s, &ep->ip, ep->port, &key);
	return drains(r, s, &key, PHASE_TERMINATES);
}

static bool
has_ip(const struct ip *list, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&list[i], ip))
			return true;
	return false;
}

/* Is it one of this node's addresses or of its pods'? */
static bool
is_here(const struct run *r, const struct ip *ip)
{
	const struct director_want *w = r->want;

	return has_ip(w->node_ips, w->nnode_ips, ip) ||
	    has_ip(w->local_clients, w->nlocal_clients, ip);
}

static bool
was_local(const struct run *r, const struct ip *ip)
{
	const struct nft_set *set =
	    &r->have->nft.set[NFT_HOST_ENDPOINTS * 2 + (ip_is_v4(ip) ? 0 : 1)];

	return nft_set_has(set, &(struct nft_elem){ .addr = *ip });
}

/*
 * A server of the table that nobody wants: does it go on, and as what? Not where
 * it has been terminating, which ends with its pod, and not where its pod was
 * here and is no more.
 */
static bool
lingers(const struct run *r, const struct ipvs_service *s, const struct ipvs_rs *rs,
    struct ipvs_endpoint *ret)
{
	const struct life_entry *e;
	struct life_key key;
	bool is_ours = is_here(r, &rs->ip);

	key_of(s, &rs->ip, rs->port, &key);
	e = entry_find(r, &key);
	if (s->proto == IPPROTO_UDP || s->drain_sec == 0 ||
	    (e != NULL && e->phase == PHASE_TERMINATES) || (was_local(r, &rs->ip) && !is_ours) ||
	    !drains(r, s, &key, PHASE_LEFT))
		return false;
	*ret = (struct ipvs_endpoint){
		.ip = rs->ip,
		.port = rs->port,
		.life = IPVS_LEFT,
		.reach = rs->fwd == IPVS_FWD_TUNNEL ? IPVS_REACH_TUNNEL :
		    is_ours ? IPVS_REACH_LOCAL : IPVS_REACH_MASQ,
	};
	return true;
}

/* What the service wants of a server of the table; NULL: nothing. */
static const struct ipvs_endpoint *
endpoint_of(const struct ipvs_service *s, const struct ipvs_rs *rs)
{
	const struct ipvs_endpoint key = { .ip = rs->ip, .port = rs->port };

	return s->nendpoints == 0 ? NULL : bsearch(&key, s->endpoints, s->nendpoints,
	    sizeof(key), ipvs_endpoint_cmp);
}

/* Has the service an endpoint for each of vs' servers, and is none to leave? */
static bool
is_settled(const struct ipvs_service *s, const struct ipvs_vs *vs)
{
	size_t i, k = 0;

	if (s->slow_start_sec != 0)
		return false;
	for (i = 0; i < s->nendpoints; i++) {
		const struct ipvs_endpoint *ep = &s->endpoints[i];

		if (ep->life != IPVS_LIVES)
			return false;
		if (vs != NULL && k < vs->nrs && ep->port == vs->rs[k].port &&
		    ip_eq(&ep->ip, &vs->rs[k].ip))
			k++;
	}
	return vs == NULL || k == vs->nrs;
}

/*
 * Does it serve already, as rs, and is to go on? Weights that are no hundredfold are from
 * before the service had slow start: then all of it is new.
 */
static bool
goes_on(const struct ipvs_endpoint *ep, const struct ipvs_rs *rs)
{
	return rs != NULL && ep->weight != 0 && rs->weight > ep->weight;
}

/* What the table has of a service with slow start. */
struct slow {
	const struct ipvs_rs **rs;	/* of each endpoint of the service, or NULL */
	size_t	ngoing_on;
};

static void
slow_fill(const struct run *r, const struct ipvs_service *s, const struct ipvs_vs *vs,
    struct slow *ret)
{
	ret->rs = arena_array(r->arena, s->nendpoints, sizeof(*ret->rs));
	for (size_t i = 0; vs != NULL && i < vs->nrs; i++) {
		const struct ipvs_rs *rs = &vs->rs[i];
		const struct ipvs_endpoint *ep = endpoint_of(s, rs);

		if (ep == NULL)
			continue;
		ret->rs[ep - s->endpoints] = rs;
		ret->ngoing_on += goes_on(ep, rs);
	}
}

/* The weight of one that serves, of a service with slow start. */
static uint16_t
ramped(const struct run *r, const struct ipvs_service *s, const struct slow *slow,
    const struct ipvs_endpoint *ep)
{
	const struct ipvs_rs *rs = slow->rs[ep - s->endpoints];
	bool has_others = slow->ngoing_on > goes_on(ep, rs);
	uint16_t full = (uint16_t)(ep->weight * IPVS_RAMP), w;
	int64_t ramp_ns = s->slow_start_sec * NSEC_PER_SEC, step_ns, past_ns;
	struct life_entry *e;
	struct life_key key;

	/* Tier 1 shows no weight of it that could grow. */
	if (ep->is_passed_over)
		return full;
	key_of(s, &ep->ip, ep->port, &key);
	e = entry_find(r, &key);
	if (e == NULL || e->phase != PHASE_STARTS) {
		if ((rs != NULL && rs->weight >= full) || !has_others)
			return full;
		e = entry_get(r, &key, PHASE_STARTS);
		/* Who has some of its weight began before we did. */
		if (rs != NULL)
			e->since = mono_add_ns(r->now, -(ramp_ns / full * rs->weight));
	}
	past_ns = mono_sub_ns(r->now, e->since);
	if (past_ns >= ramp_ns)
		return full;
	e->round = r->life->round;
	step_ns = ramp_ns / IPVS_RAMP;
	e->until = mono_add_ns(r->now, step_ns > NSEC_PER_SEC ? step_ns : NSEC_PER_SEC);
	w = (uint16_t)(past_ns / (ramp_ns / full));
	return w > 0 ? w : 1;
}

/* Is there no room left in mh's table, so that no more endpoints may drain? */
static bool
is_full(const struct ipvs_service *s, size_t n)
{
	return s->sched == IPVS_SCHED_MH && n >= IPVS_MH_SLOTS;
}

static void
follow(const struct run *r, const struct ipvs_vs *vs, struct ipvs_service *s)
{
	size_t i, n = 0, nrs = vs != NULL ? vs->nrs : 0;
	struct ipvs_endpoint *eps;
	struct slow slow = { 0 };

	if (s->slow_start_sec != 0)
		slow_fill(r, s, vs, &slow);
	eps = arena_array(r->arena, s->nendpoints + nrs, sizeof(*eps));
	for (i = 0; i < s->nendpoints; i++) {
		if (!stays(r, s, &s->endpoints[i]))
			continue;
		eps[n] = s->endpoints[i];
		if (s->slow_start_sec != 0 && eps[n].weight != 0)
			eps[n].weight = ramped(r, s, &slow, &s->endpoints[i]);
		eps[n++].life = IPVS_LIVES;
	}
	for (i = 0; i < nrs && !is_full(s, n); i++)
		if (endpoint_of(s, &vs->rs[i]) == NULL &&
		    lingers(r, s, &vs->rs[i], &eps[n]))
			n++;
	s->endpoints = eps;
	s->nendpoints = n;
}

static bool
is_of(const struct life_entry *e, const struct ipvs_service *s)
{
	return e->key.proto == s->proto && e->key.port == s->port &&
	    ip_eq(&e->key.vip, &s->vip);
}

static bool
is_any_of(const struct life_entry *e, const struct director_update *updates, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_of(e, updates[i].is))
			return true;
	return false;
}

/*
 * Forget those whom this round did not come across, of all services or of the
 * updated: they are out, or back for good. See what is left.
 */
static void
sweep(struct life *l, const struct director_update *updates, size_t n)
{
	struct life_entry *e, *next;

	l->ndraining = 0;
	l->next = MONO_NEVER;
	HASH_ITER(hh, l->entries, e, next) {
		bool is_out = e->phase == PHASE_LEFT && e->until.ns == MONO_NEVER.ns;

		if (e->round != l->round &&
		    (updates == NULL || is_out || is_any_of(e, updates, n))) {
			HASH_DEL(l->entries, e);
			free(e);
			continue;
		}
		l->ndraining += e->phase != PHASE_STARTS &&
		    e->until.ns != MONO_NEVER.ns;
		l->next = mono_min(l->next, e->until);
	}
}

static struct ipvs_key
table_key(const struct ipvs_service *s)
{
	return (struct ipvs_key){ .vip = s->vip, .family = s->vip.family,
		.proto = s->proto, .port = s->port };
}

void
life_apply(struct life *l, const struct director_want *want, const struct goal *have,
    struct mono now, struct arena *a, struct director_want *ret)
{
	const struct ipvs_table *t = &have->table;
	const struct run r = { .life = l, .want = want, .have = have, .now = now,
		.arena = a };
	struct ipvs_service *services;
	size_t i, j = 0;

	services = arena_array(a, want->nservices, sizeof(*services));
	l->round++;
	for (i = 0; i < want->nservices; i++) {
		const struct ipvs_key key = table_key(&want->services[i]);
		const struct ipvs_vs *vs = NULL;

		services[i] = want->services[i];
		while (j < t->n && ipvs_key_cmp(&t->vs[j].key, &key) < 0)
			j++;
		if (j < t->n && ipvs_key_cmp(&t->vs[j].key, &key) == 0)
			vs = &t->vs[j];
		if (!is_settled(&services[i], vs))
			follow(&r, vs, &services[i]);
	}
	sweep(l, NULL, 0);
	*ret = *want;
	ret->services = services;
}

/* The service as it was built: its endpoints are those of the table. */
static struct ipvs_service *
as_built(const struct run *r, const struct ipvs_service *s, const struct ipvs_vs *vs)
{
	struct ipvs_service *ret = arena_alloc(r->arena, sizeof(*ret));
	struct ipvs_endpoint *eps;
	size_t nrs = vs != NULL ? vs->nrs : 0;

	eps = arena_array(r->arena, nrs, sizeof(*eps));
	for (size_t i = 0; i < nrs; i++) {
		const struct ipvs_rs *rs = &vs->rs[i];
		const struct ipvs_endpoint *ep = endpoint_of(s, rs);

		eps[i] = ep != NULL ? *ep : (struct ipvs_endpoint){
			.ip = rs->ip, .port = rs->port, .life = IPVS_LEFT,
			.reach = rs->fwd == IPVS_FWD_TUNNEL ? IPVS_REACH_TUNNEL :
			    was_local(r, &rs->ip) ? IPVS_REACH_LOCAL :
			    IPVS_REACH_MASQ };
		eps[i].weight = rs->weight;
	}
	*ret = *s;
	ret->endpoints = eps;
	ret->nendpoints = nrs;
	return ret;
}

static bool
has_endpoint_ip(const struct ipvs_service *s, const struct ip *ip)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		if (ip_eq(&s->endpoints[i].ip, ip))
			return true;
	return false;
}

/*
 * The builder of updates sees from want what other services hold on to when these let
 * it go. Has another service what want does not tell: one that has left and drains?
 */
static bool
holds_untold(const struct life *l, const struct director_update *updates, size_t n)
{
	const struct life_entry *e;

	for (e = l->entries; e != NULL; e = e->hh.next) {
		if (e->phase != PHASE_LEFT || is_any_of(e, updates, n))
			continue;
		for (size_t i = 0; i < n; i++)
			if (ip_eq(&e->key.vip, &updates[i].is->vip) ||
			    has_endpoint_ip(updates[i].is, &e->key.ip) ||
			    has_endpoint_ip(updates[i].was, &e->key.ip))
				return true;
	}
	return false;
}

static bool
is_let_go(const struct director_update *built, size_t n, const struct ip *ip)
{
	bool is_held = false, was_held = false;

	for (size_t i = 0; i < n; i++) {
		was_held |= has_endpoint_ip(built[i].was, ip);
		is_held |= has_endpoint_ip(built[i].is, ip);
	}
	return was_held && !is_held;
}

static bool
lets_go(const struct director_update *built, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < built[i].was->nendpoints; j++)
			if (is_let_go(built, n, &built[i].was->endpoints[j].ip))
				return true;
	return false;
}

static bool
is_leaving(const struct ipvs_service *s)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].life != IPVS_LIVES)
			return true;
	return false;
}

/* Is it another service than these, and asked for what they let go? */
static bool
is_asked(const struct ipvs_service *s, const struct director_update *built, size_t n)
{
	bool has_vip = false;

	for (size_t i = 0; i < n; i++) {
		const struct ipvs_service *is = built[i].is;

		if (ip_eq(&s->vip, &is->vip) && s->proto == is->proto &&
		    s->port == is->port)
			return false;
		has_vip |= ip_eq(&s->vip, &is->vip);
	}
	for (size_t i = 0; i < s->nendpoints && !has_vip; i++)
		if (is_let_go(built, n, &s->endpoints[i].ip))
			return true;
	return has_vip;
}

/* Or does want tell of one that may be out, where it is asked? */
static bool
tells_too_much(const struct director_want *want, const struct director_update *built,
    size_t n)
{
	if (!lets_go(built, n))
		return false;
	for (size_t i = 0; i < want->nservices; i++)
		if (is_leaving(&want->services[i]) &&
		    is_asked(&want->services[i], built, n))
			return true;
	return false;
}

bool
life_update(struct life *l, const struct director_want *want,
    const struct director_update *updates, size_t n, const struct goal *have,
    struct mono now, struct arena *a, struct director_update *ret_updates)
{
	const struct run r = { .life = l, .want = want, .have = have, .now = now,
		.arena = a };

	if (holds_untold(l, updates, n))
		return false;
	l->round++;
	for (size_t i = 0; i < n; i++) {
		const struct ipvs_key key = table_key(updates[i].is);
		const struct ipvs_vs *vs = ipvs_table_find(&have->table, &key);
		struct ipvs_service *is = arena_alloc(a, sizeof(*is));

		*is = *updates[i].is;
		if (!is_settled(is, vs))
			follow(&r, vs, is);
		ret_updates[i] = (struct director_update){
			.was = as_built(&r, updates[i].was, vs), .is = is };
	}
	/* Who was terminating has to be known as that when all is looked at. */
	if (tells_too_much(want, ret_updates, n))
		return false;
	sweep(l, updates, n);
	return true;
}

void
life_fini(struct life *l)
{
	struct life_entry *e, *next;

	HASH_ITER(hh, l->entries, e, next) {
		HASH_DEL(l->entries, e);
		free(e);
	}
	*l = (struct life){ .next = MONO_NEVER };
}
