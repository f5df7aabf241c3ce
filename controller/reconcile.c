#include <stdlib.h>
#include <string.h>

#include "controller/decide.h"
#include "controller/reconcile.h"
#include "kube/profile.h"

enum role {
	ROLE_OURS,	/* gets addresses */
	ROLE_LEAVING,	/* ours and being deleted: keeps what it has to the end */
	ROLE_CLEAR,	/* no load balancer any more: its status is emptied */
	ROLE_FOREIGN,	/* somebody else's: its addresses are taken */
	ROLE_REFUSED,	/* its object cannot be read: it keeps what it has */
	ROLE_NONE,
};

/* A Service in this pass, and what the shell will hear of it. */
struct item {
	struct work work;
	enum role role;
	size_t	nth;			/* in the store: by namespace and name */
	const struct ledger_entry *entry;	/* of this very object, or NULL */
	bool	is_blocked;		/* a namesake's write is still under way */
	struct ip had[2];		/* what it has: the promise, or the status */
	unsigned nhad;
	const char *released;
};

struct pass {
	const struct reconcile_in *in;
	struct arena *arena;
	struct alloc *alloc;
	struct item *items;
	size_t	n;
	const struct kube_object *ns;	/* the namespace looked up last */
};

static bool
class_is_ours(const struct reconcile_in *in, const char *lb_class)
{
	if (lb_class == NULL)
		return in->lb_class == NULL;
	return strcmp(lb_class,
	    in->lb_class != NULL ? in->lb_class : RECONCILE_LB_CLASS) == 0;
}

static enum role
role_of(const struct reconcile_in *in, const struct kube_object *o)
{
	const struct kube_service *svc = &o->service;

	if (svc->is_load_balancer && class_is_ours(in, svc->load_balancer_class))
		return o->meta.is_deleting ? ROLE_LEAVING : ROLE_OURS;
	if (svc->ningress == 0)
		return ROLE_NONE;
	if (svc->is_load_balancer || !class_is_ours(in, svc->load_balancer_class))
		return ROLE_FOREIGN;
	for (size_t i = 0; i < svc->ningress; i++) {
		const struct pool_set *pools = &in->config->pools;
		const struct pool_span *span = pool_set_span(pools, &svc->ingress[i].ip);

		if (span != NULL && !pools->pools[span->pool].is_unread)
			return ROLE_CLEAR;
	}
	return ROLE_FOREIGN;
}

static int
kv_cmp(const void *a, const void *b)
{
	return strcmp((*(struct kube_kv *const *)a)->key,
	    (*(struct kube_kv *const *)b)->key);
}

/* "" for policy Cluster; for Local the selector in one order. */
static const char *
backend_of(struct pass *p, const struct kube_service *svc)
{
	const struct kube_kv **kv;
	const char *text = "Local";

	if (svc->external_policy == KUBE_POLICY_CLUSTER)
		return "";
	kv = arena_array(p->arena, svc->selector.n, sizeof(const struct kube_kv *));
	for (size_t i = 0; i < svc->selector.n; i++)
		kv[i] = &svc->selector.kv[i];
	if (svc->selector.n > 1)
		qsort(kv, svc->selector.n, sizeof(*kv), kv_cmp);
	for (size_t i = 0; i < svc->selector.n; i++)
		text = arena_printf(p->arena, "%s,%s=%s", text, kv[i]->key, kv[i]->value);
	return text;
}

/* Neighbours in the store's order are mostly of one namespace. */
static const struct kube_map *
namespace_labels(struct pass *p, const char *ns)
{
	if (ns == NULL)
		return NULL;
	if (p->ns == NULL || strcmp(p->ns->meta.name, ns) != 0)
		p->ns = kube_store_get(p->in->store, KUBE_NAMESPACE, NULL, ns);
	return p->ns != NULL ? &p->ns->meta.labels : NULL;
}

static void
fill_user(struct pass *p, struct work *w)
{
	const struct kube_service *svc = &w->svc->service;
	struct alloc_port *ports = arena_array(p->arena, svc->nports, sizeof(*ports));

	for (size_t i = 0; i < svc->nports; i++)
		ports[i] = (struct alloc_port){ svc->ports[i].proto, svc->ports[i].port };
	w->user = (struct alloc_user){
		.name = arena_strdup(p->arena, KUBE_KEY(w->svc)),
		.ns = w->svc->meta.ns != NULL ? w->svc->meta.ns : "",
		.share_key = w->req.share_key,
		.backend = backend_of(p, svc),
		.ports = ports,
		.nports = svc->nports,
	};
	w->asker = (struct pool_asker){
		.ns = w->svc->meta.ns,
		.ns_labels = namespace_labels(p, w->svc->meta.ns),
		.labels = &w->svc->meta.labels,
	};
}

static void
fill_had(struct pass *p, struct item *it)
{
	const struct kube_object *o = it->work.svc;
	const struct ledger_entry *e = ledger_find(p->in->ledger, o->meta.ns,
	    o->meta.name);

	if (e != NULL && !ledger_is_of(e, o)) {
		it->is_blocked = e->state == LEDGER_SENT;
		e = NULL;
	}
	it->entry = e;
	if (e != NULL && ledger_is_promise(e)) {
		for (unsigned i = 0; i < e->naddrs; i++)
			it->had[it->nhad++] = e->addrs[i];
		return;
	}
	for (size_t i = 0; i < o->service.ningress && it->nhad < 2; i++) {
		if (ip_is_set(&o->service.ingress[i].ip))
			it->had[it->nhad++] = o->service.ingress[i].ip;
	}
}

static void
add_item(struct pass *p, const struct kube_object *o, enum role role, size_t nth)
{
	struct item *it = &p->items[p->n];
	struct kube_error err;

	it->work.svc = o;
	fill_had(p, it);
	/* Not ours any more, but a write to it may still be on its way. */
	if (role == ROLE_NONE && it->nhad > 0)
		role = ROLE_FOREIGN;
	if (role == ROLE_NONE) {
		*it = (struct item){ 0 };
		return;
	}
	it->role = role;
	it->nth = nth;
	if (request_parse(o, &it->work.req, &err) < 0)
		it->work.req_problem = arena_strdup(p->arena, err.text);
	fill_user(p, &it->work);
	p->n++;
}

static void
collect(struct pass *p)
{
	const struct kube_store *s = p->in->store;
	struct kube_list services = kube_store_list(s, KUBE_SERVICE);
	struct kube_list stubs = kube_store_stubs(s, KUBE_SERVICE);

	p->items = arena_array(p->arena, services.n + stubs.n, sizeof(*p->items));
	for (size_t i = 0; i < services.n; i++)
		add_item(p, services.items[i], role_of(p->in, services.items[i]), i);
	/* Where there is a good version, that is what counts. */
	for (size_t i = 0; i < stubs.n; i++) {
		const struct kube_object *o = stubs.items[i];

		if (kube_store_get(s, KUBE_SERVICE, o->meta.ns, o->meta.name) == NULL)
			add_item(p, o, ROLE_REFUSED, services.n + i);
	}
}

static int
age_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->work.svc->meta.created_sec != y->work.svc->meta.created_sec)
		return x->work.svc->meta.created_sec < y->work.svc->meta.created_sec ?
		    -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

/* Why the Service cannot keep ip by the rules in force; NULL where it can. */
static const char *
unfit(struct pass *p, const struct item *it, const struct ip *ip)
{
	const struct pool_set *pools = &p->in->config->pools;
	const struct pool_span *span = pool_set_span(pools, ip);
	const struct work *w = &it->work;
	const struct pool *r;

	if (span == NULL && (r = pool_set_reserving(pools, ip)) != NULL)
		return arena_printf(p->arena, "IPAddressPool %s now reserves it "
		    "(spec.reserved)", r->name);
	if (span == NULL)
		return "no IPAddressPool holds it any more";
	if (pool_avoids(&pools->pools[span->pool], ip))
		return "its IPAddressPool now has avoidBuggyIPs";
	if (!pool_serves(&pools->pools[span->pool], &w->asker))
		return arena_printf(p->arena, "the serviceAllocation of IPAddressPool "
		    "%s does not select this Service any more",
		    pools->pools[span->pool].name);
	if (!request_wants(&w->req, (enum ip_family)ip->family))
		return "the Service does not have that family any more";
	if (w->nkeep > 0 && (w->req.stack == REQUEST_EITHER ||
	    w->keep[0].family == ip->family))
		return "the Service has another address already";
	return NULL;
}

static void
add_released(struct pass *p, struct item *it, const struct ip *ip, const char *why)
{
	it->released = arena_printf(p->arena, "%s%s%s: %s",
	    it->released != NULL ? it->released : "",
	    it->released != NULL ? "; " : "", IP_STR(ip), why);
}

static void
claim_own(struct pass *p, struct item *it)
{
	struct work *w = &it->work;

	for (unsigned i = 0; i < it->nhad; i++) {
		const struct ip *ip = &it->had[i];
		const char *why = unfit(p, it, ip);
		struct alloc_verdict v = alloc_claim(p->alloc, ip, &w->user);

		if (why == NULL && v.clash != ALLOC_OK)
			why = arena_printf(p->arena, "%s has it too and came first (%s)",
			    v.holder->name, alloc_clash_name(v.clash));
		if (why == NULL)
			w->keep[w->nkeep++] = *ip;
		else
			add_released(p, it, ip, why);
	}
}

/* Whatever the store shows is in use, rightly or not; a clash is none here. */
static void
claim_shown(struct pass *p, struct item *it)
{
	const struct kube_service *svc = &it->work.svc->service;

	for (size_t i = 0; i < svc->ningress; i++) {
		if (ip_is_set(&svc->ingress[i].ip))
			(void)alloc_claim(p->alloc, &svc->ingress[i].ip, &it->work.user);
	}
	for (unsigned i = 0; i < it->nhad; i++)
		(void)alloc_claim(p->alloc, &it->had[i], &it->work.user);
}

static void
claim_all(struct pass *p)
{
	static const struct alloc_user node = { .name = "a node", .ns = "",
	    .backend = "" };

	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].role == ROLE_OURS)
			claim_own(p, &p->items[i]);
		else if (p->items[i].role == ROLE_LEAVING)
			claim_shown(p, &p->items[i]);
	}
	for (size_t i = 0; i < p->n; i++)
		claim_shown(p, &p->items[i]);
	for (size_t i = 0; i < p->in->config->nnode_ips; i++)
		(void)alloc_claim(p->alloc, &p->in->config->node_ips[i], &node);
}

static bool
shows_addrs(const struct kube_service *svc, const struct ip *addrs, unsigned n)
{
	if (svc->ningress != n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!ip_eq(&svc->ingress[i].ip, &addrs[i]))
			return false;
	}
	return true;
}

static bool
shows_mode(const struct kube_service *svc, const char *ip_mode)
{
	for (size_t i = 0; i < svc->ningress; i++) {
		if (svc->ingress[i].ip_mode == NULL ||
		    strcmp(svc->ingress[i].ip_mode, ip_mode) != 0)
			return false;
	}
	return true;
}

static void
conclude(const struct pass *p, const struct item *it, struct decision *d)
{
	const struct work *w = &it->work;
	const struct kube_service *svc = &w->svc->service;

	*d = (struct decision){ .svc = w->svc, .naddrs = w->naddrs,
	    .ip_mode = kube_profile_ip_mode(p->in->store, w->svc),
	    .nhad = it->nhad, .problem = w->problem, .released = it->released };
	memcpy(d->addrs, w->addrs, sizeof(d->addrs));
	memcpy(d->had, it->had, sizeof(d->had));
	if (it->is_blocked || it->role == ROLE_REFUSED ||
	    (it->entry != NULL && ledger_is_busy(it->entry, p->in->now)))
		return;
	d->is_news = !shows_addrs(svc, w->addrs, w->naddrs);
	/* A server older than ipMode drops it; writing it once is enough. */
	d->must_write = d->is_news || (!shows_mode(svc, d->ip_mode) &&
	    !(it->entry != NULL && it->entry->is_mode_written));
}

static void
decide_item(struct pass *p, const struct decide_in *in, struct item *it)
{
	struct work *w = &it->work;

	if (it->role == ROLE_CLEAR)
		return;		/* to no addresses */
	if (it->role == ROLE_REFUSED)
		w->problem = arena_printf(p->arena, "the Service is refused, and keeps "
		    "what it has: %s", w->svc->why_refused);
	else if (it->entry == NULL || !it->entry->is_uncertain) {
		decide_service(in, w);
		return;
	}
	/* The same again, until it is known what became of it: see ledger.h. */
	for (unsigned i = 0; i < it->nhad; i++)
		w->addrs[w->naddrs++] = it->had[i];
	it->released = NULL;
}

static void
fill_usage(struct pass *p, struct reconcile *r)
{
	const struct pool_set *pools = &p->in->config->pools;

	r->usage = arena_array(&r->arena, pools->n, sizeof(*r->usage));
	for (size_t i = 0; i < pools->n; i++) {
		for (int f = 0; f < 2; f++) {
			enum ip_family family = f == 0 ? IP_V4 : IP_V6;

			r->usage[i].assigned[f] = alloc_used(p->alloc, (uint32_t)i,
			    family);
			if (!pools->pools[i].is_frozen)
				r->usage[i].available[f] = alloc_available(p->alloc,
				    (uint32_t)i, family);
		}
	}
}

void
reconcile_run(const struct reconcile_in *in, struct reconcile *ret)
{
	struct reconcile r = { 0 };
	struct pass p = { .in = in, .arena = &r.arena };
	struct decide_in di = { .pools = &in->config->pools, .arena = &r.arena };

	p.alloc = di.alloc = alloc_new(&in->config->pools);
	collect(&p);
	if (p.n > 1)
		qsort(p.items, p.n, sizeof(*p.items), age_cmp);
	claim_all(&p);

	r.decisions = arena_array(&r.arena, p.n, sizeof(*r.decisions));
	for (size_t i = 0; i < p.n; i++) {
		struct item *it = &p.items[i];

		if (it->role != ROLE_OURS && it->role != ROLE_CLEAR &&
		    it->role != ROLE_REFUSED)
			continue;
		decide_item(&p, &di, it);
		conclude(&p, it, &r.decisions[r.ndecisions++]);
		r.npending += it->role == ROLE_OURS && it->work.naddrs == 0;
	}
	fill_usage(&p, &r);
	alloc_free(p.alloc);
	*ret = r;
}

void
reconcile_fini(struct reconcile *r)
{
	arena_fini(&r->arena);
	*r = (struct reconcile){ 0 };
}
