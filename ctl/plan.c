#include <stdlib.h>
#include <string.h>

#include "ctl/plan.h"
#include "lib/mem.h"

/* Address after address can change hands; far more rounds than ever needed. */
enum { ROUNDS_MAX = 100 };

const char *
plan_change_name(enum plan_change c)
{
	switch (c) {
	case PLAN_KEEP:
		return "keep";
	case PLAN_MOVE:
		return "move";
	case PLAN_LOSE:
		return "lose";
	case PLAN_GAIN:
		return "gain";
	case PLAN_WAIT:
		return "wait";
	case PLAN_NCHANGES:
		break;
	}
	return "unknown";
}

/* What is known of a Service on the way; found by its place in the store. */
struct track {
	bool	is_ours;
	const char *problem;	/* in the last round */
	const char *released;	/* the first reason */
};

static struct kube_object *
service_at(const struct kube_store *s, size_t nth)
{
	return kube_store_list(s, KUBE_SERVICE).items[nth];
}

static int
object_cmp(const void *key, const void *item)
{
	const struct kube_object *a = key, *b = *(struct kube_object *const *)item;
	int c = strcmp(a->meta.ns, b->meta.ns);

	return c != 0 ? c : strcmp(a->meta.name, b->meta.name);
}

/* The place of a Service in the store, which is sorted. */
static size_t
place_of(const struct kube_store *s, const struct kube_object *svc)
{
	struct kube_list all = kube_store_list(s, KUBE_SERVICE);
	struct kube_object *const *at = bsearch(svc, all.items, all.n,
	    sizeof(*all.items), object_cmp);

	return (size_t)(at - all.items);
}

/* Let the Service have what was decided, as the controller would write it. */
static void
give(struct kube_object *o, const struct decision *d)
{
	struct kube_ingress *in = arena_array(&o->arena, d->naddrs, sizeof(*in));

	for (unsigned i = 0; i < d->naddrs; i++)
		in[i] = (struct kube_ingress){ .ip = d->addrs[i], .ip_mode = d->ip_mode };
	o->service.ingress = in;
	o->service.ningress = d->naddrs;
}

/* One pass and what follows from it; false where nothing did. */
static bool
round_run(struct kube_store *s, const struct config *config,
    const struct plan_conf *conf, struct arena *a, struct track *tracks)
{
	struct ledger *ledger = ledger_new();
	struct reconcile r;
	bool is_news = false;

	reconcile_run(&(struct reconcile_in){ .store = s, .config = config,
	    .ledger = ledger, .lb_class = conf->lb_class }, &r);
	for (size_t i = 0; i < r.ndecisions; i++) {
		const struct decision *d = &r.decisions[i];
		size_t nth = place_of(s, d->svc);
		struct track *t = &tracks[nth];

		t->is_ours = true;
		t->problem = arena_strdup(a, d->problem);
		if (t->released == NULL)
			t->released = arena_strdup(a, d->released);
		if (!d->is_news)
			continue;
		give(service_at(s, nth), d);
		is_news = true;
	}
	reconcile_fini(&r);
	ledger_free(ledger);
	return is_news;
}

static void
settle(struct kube_store *s, const struct config *config, const struct plan_conf *conf,
    struct arena *a, struct track *tracks)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		if (!round_run(s, config, conf, a, tracks))
			return;
	}
}

static void
move_object(struct kube_store *from, struct kube_store *to, enum kube_kind kind)
{
	struct kube_object *o = kube_store_take(from, kind);
	const struct kube_object *old = kube_store_get(to, kind, o->meta.ns, o->meta.name);

	/* An applied manifest changes an object; it stays the same one. */
	if (old != NULL) {
		o->meta.uid = arena_strdup(&o->arena, old->meta.uid);
		o->meta.created_sec = old->meta.created_sec;
	} else {
		o->meta.uid = NULL;
		o->meta.created_sec = INT64_MAX;	/* younger than all there is */
	}
	o->meta.resource_version = NULL;
	(void)kube_store_put(to, o);
}

static void
apply(struct kube_store *s, struct kube_store *change, bool is_all)
{
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		enum kube_kind kind = (enum kube_kind)k;
		struct kube_list old = kube_store_list(s, kind);

		if (!kube_kind_is_custom(kind))
			continue;
		/* Backwards: what is behind moves up. */
		for (size_t i = old.n; is_all && kind == KUBE_IP_ADDRESS_POOL && i-- > 0;) {
			const struct kube_meta *m = &old.items[i]->meta;

			if (kube_store_get(change, kind, m->ns, m->name) == NULL)
				(void)kube_store_delete(s, kind, m->ns, m->name);
		}
		while (kube_store_list(change, kind).n > 0)
			move_object(change, s, kind);
	}
}

static enum plan_change
change_of(const struct plan_service *v)
{
	unsigned nsame = 0;

	for (unsigned i = 0; i < v->nbefore; i++) {
		for (unsigned j = 0; j < v->nafter; j++)
			nsame += ip_eq(&v->before[i], &v->after[j]);
	}
	if (v->nbefore == 0 && v->nafter == 0)
		return PLAN_WAIT;
	if (v->nafter < v->nbefore)
		return PLAN_LOSE;
	if (nsame < v->nbefore)
		return PLAN_MOVE;
	return v->nafter > v->nbefore ? PLAN_GAIN : PLAN_KEEP;
}

static unsigned
addrs_of(const struct kube_service *svc, struct ip ret[2])
{
	unsigned n = 0;

	for (size_t i = 0; i < svc->ningress && n < 2; i++) {
		if (ip_is_set(&svc->ingress[i].ip))
			ret[n++] = svc->ingress[i].ip;
	}
	return n;
}

static size_t
count_refused(const struct config *c, const struct config *before)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nproblems; i++)
		n += c->problems[i].is_refused &&
		    config_refusal(before, c->problems[i].name) == NULL;
	return n;
}

void
plan_run(struct kube_store *s, struct kube_store *change, const struct plan_conf *conf,
    struct plan *ret)
{
	size_t n = kube_store_list(s, KUBE_SERVICE).n;
	struct track *before = mem_zalloc((n + 1) * sizeof(*before));
	struct track *after = mem_zalloc((n + 1) * sizeof(*after));
	struct plan p = { 0 };
	struct config old;

	p.services = arena_array(&p.arena, n, sizeof(*p.services));
	config_build(s, NULL, &old);
	settle(s, &old, conf, &p.arena, before);
	for (size_t i = 0; i < n; i++)
		p.services[i].nbefore = addrs_of(&service_at(s, i)->service,
		    p.services[i].before);
	apply(s, change, conf->is_all);
	config_build(s, &old, &p.config);
	p.nrefused = count_refused(&p.config, &old);
	settle(s, &p.config, conf, &p.arena, after);
	for (size_t i = 0; i < n; i++) {
		struct plan_service v = p.services[i];

		if (!after[i].is_ours)
			continue;
		v.svc = service_at(s, i);
		v.nafter = addrs_of(&v.svc->service, v.after);
		v.change = change_of(&v);
		v.why = after[i].released != NULL ? after[i].released : after[i].problem;
		p.count[v.change]++;
		p.services[p.n++] = v;
	}
	config_fini(&old);
	free(before);
	free(after);
	*ret = p;
}

void
plan_fini(struct plan *p)
{
	config_fini(&p->config);
	arena_fini(&p->arena);
	*p = (struct plan){ 0 };
}
