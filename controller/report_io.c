#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "controller/report_io.h"
#include "controller/status.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/stamp.h"

enum {
	WRITE_SEC = 1,		/* least time between two rounds of writes */
	RETRY_SEC = 10,		/* what failed is written again then */
};

/* The status that an object of ours has, as far as is known; kept to the end. */
struct written {
	struct report *r;
	char	*key;			/* "Kind ns/name" */
	char	*uid;
	char	*patch;			/* with an empty time: for comparison; NULL
					   where nothing is known */
	bool	was_refused;
	char	since[STAMP_LEN];	/* of the condition */
	UT_hash_handle hh;
};

struct report {
	struct kube_source *source;
	const struct kube_store *store;
	bool	has_conditions;		/* our CRDs, not MetalLB's */
	struct written *written;	/* by key */
	struct reconcile_usage *usage;	/* of the last pass, one a pool in force */
	bool	is_dirty;		/* usage is newer than what is written */
	struct mono next_write;		/* not before */
	struct mono retry;		/* something could not be written: again then */
};

static const struct metric m_pending = { "herald_services_pending",
	"Services that have no address and want one.", METRIC_GAUGE };
static const struct metric m_assigned = { "herald_pool_addresses_assigned",
	"Addresses of a pool in use.", METRIC_GAUGE };
static const struct metric m_available = { "herald_pool_addresses_available",
	"Addresses of a pool that are free.", METRIC_GAUGE };
static const struct metric m_refused = { "herald_pools_refused",
	"IPAddressPools whose object is refused.", METRIC_GAUGE };

struct report *
report_new(struct kube_source *source, const struct kube_store *s, bool has_conditions)
{
	struct report *r = mem_zalloc(sizeof(*r));

	r->source = source;
	r->store = s;
	r->has_conditions = has_conditions;
	r->retry = MONO_NEVER;
	return r;
}

void
report_free(struct report *r)
{
	struct written *w, *tmp;

	if (r == NULL)
		return;
	/* Another may lead from now on, and know better. */
	metrics_drop(&m_pending, NULL);
	metrics_drop(&m_refused, NULL);
	metrics_drop(&m_assigned, NULL);
	metrics_drop(&m_available, NULL);
	HASH_ITER(hh, r->written, w, tmp) {
		HASH_DEL(r->written, w);
		free(w->key);
		free(w->uid);
		free(w->patch);
		free(w);
	}
	free(r->usage);
	free(r);
}

static bool
was_known(const struct config *old, const struct config_problem *p)
{
	for (size_t i = 0; i < old->nproblems; i++) {
		if (old->problems[i].kind == p->kind &&
		    strcmp(old->problems[i].name, p->name) == 0 &&
		    strcmp(old->problems[i].text, p->text) == 0)
			return true;
	}
	return false;
}

static void
tell_problem(struct report *r, const struct config_problem *p)
{
	const struct kube_object *stub = kube_store_stub(r->store, p->kind, p->ns, p->name);
	const struct kube_object *o = stub != NULL ? stub :
	    kube_store_get(r->store, p->kind, p->ns, p->name);
	struct kube_event ev = {
		.kind = p->kind,
		.ns = p->ns,
		.name = p->name,
		.is_warning = true,
		.reason = p->is_refused ? "Refused" : "Doubtful",
		.message = p->text,
	};

	log_warn(LOG_OBJ("kind", kube_kind_name(p->kind), "name", p->name, "file",
	    o != NULL ? o->origin : NULL), "%s%s",
	    p->is_refused ? "refused, what was before stays in force: " : "", p->text);
	if (o == NULL)
		return;
	ev.uid = o->meta.uid;
	kube_source_event(r->source, &ev);
}

void
report_config(struct report *r, const struct config *old, const struct config *fresh)
{
	size_t nrefused = 0;

	for (size_t i = 0; i < fresh->nproblems; i++) {
		nrefused += fresh->problems[i].is_refused &&
		    fresh->problems[i].kind == KUBE_IP_ADDRESS_POOL;
		if (!was_known(old, &fresh->problems[i]))
			tell_problem(r, &fresh->problems[i]);
	}
	metrics_set(&m_refused, NULL, (double)nrefused);
	metrics_drop(&m_assigned, NULL);
	metrics_drop(&m_available, NULL);
	/* What it says is by the old pools' order. */
	free(r->usage);
	r->usage = NULL;
	r->is_dirty = false;
}

void
report_usage(struct report *r, const struct config *c, const struct reconcile *pass)
{
	size_t n = c->pools.n;

	metrics_set(&m_pending, NULL, (double)pass->npending);
	for (size_t i = 0; i < n; i++) {
		for (int f = 0; f < 2; f++) {
			char labels[512];

			metrics_labels(labels, sizeof(labels), "pool",
			    c->pools.pools[i].name, "family",
			    f == 0 ? "ipv4" : "ipv6", NULL);
			metrics_set(&m_assigned, labels,
			    (double)pass->usage[i].assigned[f]);
			metrics_set(&m_available, labels,
			    (double)pass->usage[i].available[f]);
		}
	}
	free(r->usage);
	r->usage = mem_zalloc((n + 1) * sizeof(*r->usage));
	memcpy(r->usage, pass->usage, n * sizeof(*r->usage));
	r->is_dirty = true;
}

static void
on_done(void *arg, int error, const char *text)
{
	struct written *w = arg;
	struct report *r = w->r;

	if (error == 0 || error == -ENOENT)
		return;
	log_warn(LOG_OBJ("object", w->key), "cannot write its status, will try again "
	    "in %d seconds: %s%s", RETRY_SEC, text != NULL ? text : strerror(-error),
	    error == -EACCES ? "; allow this account to patch the status of this kind" :
	    "");
	free(w->patch);
	w->patch = NULL;
	r->retry = mono_add_sec(clock_mono(), RETRY_SEC);
}

/* What is known to be o's status; new where nothing is. */
static struct written *
written_get(struct report *r, const struct kube_object *o)
{
	const char *uid = o->meta.uid != NULL ? o->meta.uid : "";
	char *key = mem_printf("%s %s", kube_kind_name(o->kind), KUBE_KEY(o));
	struct written *w;

	HASH_FIND_STR(r->written, key, w);
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->r = r;
		w->key = key;
		HASH_ADD_KEYPTR(hh, r->written, w->key, strlen(w->key), w);
	} else {
		free(key);
		if (strcmp(w->uid, uid) == 0)
			return w;
	}
	/* Another object of that name, perhaps: nothing is known of it. */
	free(w->uid);
	free(w->patch);
	w->uid = mem_strdup(uid);
	w->patch = NULL;
	return w;
}

/* When the condition took its present value: as it says itself, or now. */
static void
set_since(struct written *w, const struct kube_object *o, bool is_refused)
{
	const struct kube_condition *c = status_condition(o);
	bool is_new = w->patch == NULL;

	if (is_new && c != NULL && c->status != NULL && c->since != NULL &&
	    strlen(c->since) < sizeof(w->since) &&
	    strcmp(c->status, is_refused ? "False" : "True") == 0)
		(void)strcpy(w->since, c->since);
	else if (is_new || w->was_refused != is_refused)
		(void)stamp_sec(clock_wall_ns(), w->since);
	w->was_refused = is_refused;
}

static void
write_one(struct report *r, const struct kube_object *o,
    const struct reconcile_usage *use, const struct config_problem *p)
{
	struct written *w = written_get(r, o);
	char *patch = status_patch(use, p, o->meta.generation, ""), *body;
	bool is_known = w->patch != NULL && strcmp(w->patch, patch) == 0;

	if (is_known) {
		free(patch);
		return;
	}
	set_since(w, o, p != NULL && p->is_refused);
	/* After a start it mostly says so already. */
	is_known = w->patch == NULL && status_is_shown(o, use, p, r->has_conditions);
	free(w->patch);
	w->patch = patch;
	if (is_known)
		return;
	body = status_patch(use, p, o->meta.generation, w->since);
	kube_source_patch_status(r->source, o->kind, o->meta.ns, o->meta.name, NULL,
	    body, on_done, w);
	free(body);
}

/* How much of the pool is used; NULL for objects of other kinds. */
static const struct reconcile_usage *
usage_of(const struct report *r, const struct config *c, const struct kube_object *o)
{
	static const struct reconcile_usage nothing;
	const struct pool *p;

	if (o->kind != KUBE_IP_ADDRESS_POOL)
		return NULL;
	p = pool_set_named(&c->pools, o->meta.name);
	return p != NULL ? &r->usage[p - c->pools.pools] : &nothing;
}

static void
write_kind(struct report *r, const struct config *c, enum kube_kind kind)
{
	struct kube_list objs = kube_store_list(r->store, kind);
	struct kube_list stubs = kube_store_stubs(r->store, kind);

	for (size_t i = 0; i < stubs.n; i++)
		write_one(r, stubs.items[i], usage_of(r, c, stubs.items[i]),
		    config_problem(c, stubs.items[i]));
	for (size_t i = 0; i < objs.n; i++) {
		const struct kube_object *o = objs.items[i];

		/* The stub is the newer. */
		if (kube_store_stub(r->store, kind, o->meta.ns, o->meta.name) == NULL)
			write_one(r, o, usage_of(r, c, o), config_problem(c, o));
	}
}

void
report_write(struct report *r, const struct config *c, struct mono now)
{
	if (mono_before(now, report_deadline(r)))
		return;
	r->is_dirty = false;
	r->retry = MONO_NEVER;
	r->next_write = mono_add_sec(now, WRITE_SEC);
	write_kind(r, c, KUBE_IP_ADDRESS_POOL);
	/* It is of our own group in either case. */
	write_kind(r, c, KUBE_FORWARDING_PROFILE);
	if (!r->has_conditions)
		return;
	write_kind(r, c, KUBE_L2_ADVERTISEMENT);
	write_kind(r, c, KUBE_BGP_ADVERTISEMENT);
	write_kind(r, c, KUBE_BGP_PEER);
}

struct mono
report_deadline(const struct report *r)
{
	if (r->usage == NULL)
		return MONO_NEVER;
	return r->is_dirty ? mono_min(r->next_write, r->retry) : r->retry;
}
