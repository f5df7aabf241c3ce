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

enum { WRITE_SEC = 1 };		/* least time between two rounds of writes */

/* The status last written to a pool. */
struct written {
	char	*name;
	char	*uid;
	char	*patch;			/* with an empty time: for comparison */
	bool	was_refused;
	char	since[STAMP_LEN];	/* of the condition */
	UT_hash_handle hh;
};

struct report {
	struct kube_source *source;
	const struct kube_store *store;
	struct written *written;	/* by name */
	struct reconcile_usage *usage;	/* of the last pass, one a pool in force */
	bool	is_dirty;		/* usage is newer than what is written */
	struct mono next_write;		/* not before */
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
report_new(struct kube_source *source, const struct kube_store *s)
{
	struct report *r = mem_zalloc(sizeof(*r));

	r->source = source;
	r->store = s;
	return r;
}

static void
written_free(struct report *r, struct written *w)
{
	HASH_DEL(r->written, w);
	free(w->name);
	free(w->uid);
	free(w->patch);
	free(w);
}

void
report_free(struct report *r)
{
	struct written *w, *tmp;

	if (r == NULL)
		return;
	HASH_ITER(hh, r->written, w, tmp)
		written_free(r, w);
	free(r->usage);
	free(r);
}

static bool
was_known(const struct config *old, const struct config_problem *p)
{
	for (size_t i = 0; i < old->nproblems; i++) {
		if (strcmp(old->problems[i].name, p->name) == 0 &&
		    strcmp(old->problems[i].text, p->text) == 0)
			return true;
	}
	return false;
}

static const struct kube_object *
pool_object(const struct report *r, const char *name)
{
	struct kube_list objs = kube_store_list(r->store, KUBE_IP_ADDRESS_POOL);

	for (size_t i = 0; i < objs.n; i++) {
		if (strcmp(objs.items[i]->meta.name, name) == 0)
			return objs.items[i];
	}
	return NULL;
}

static void
tell_problem(struct report *r, const struct config_problem *p)
{
	const struct kube_object *o = pool_object(r, p->name);
	struct kube_event ev = {
		.kind = KUBE_IP_ADDRESS_POOL,
		.is_warning = true,
		.reason = p->is_refused ? "Refused" : "Doubtful",
		.message = p->text,
	};

	log_warn(LOG_OBJ("pool", p->name, "file", o != NULL ? o->origin : NULL),
	    "%s%s", p->is_refused ? "refused, what was before stays in force: " : "",
	    p->text);
	if (o == NULL)
		return;
	ev.ns = o->meta.ns;
	ev.name = o->meta.name;
	ev.uid = o->meta.uid;
	kube_source_event(r->source, &ev);
}

void
report_config(struct report *r, const struct config *old, const struct config *fresh)
{
	size_t nrefused = 0;

	for (size_t i = 0; i < fresh->nproblems; i++) {
		nrefused += fresh->problems[i].is_refused;
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
	(void)arg;
	/* Nothing depends on it, and the next change writes it again. */
	if (error != 0 && error != -ENOENT && error != -ESTALE)
		log_warn(LOG_NONE, "cannot write the status of an IPAddressPool: %s",
		    text != NULL ? text : strerror(-error));
}

static struct written *
written_get(struct report *r, const struct kube_object *o)
{
	const char *uid = o->meta.uid != NULL ? o->meta.uid : "";
	struct written *w;

	HASH_FIND_STR(r->written, o->meta.name, w);
	if (w != NULL && strcmp(w->uid, uid) == 0)
		return w;
	if (w != NULL)
		written_free(r, w);
	w = mem_zalloc(sizeof(*w));
	w->name = mem_strdup(o->meta.name);
	w->uid = mem_strdup(uid);
	HASH_ADD_KEYPTR(hh, r->written, w->name, strlen(w->name), w);
	return w;
}

static void
write_one(struct report *r, const struct kube_object *o,
    const struct reconcile_usage *use, const struct config_problem *refusal)
{
	struct written *w = written_get(r, o);
	char *patch = status_pool_patch(use, refusal, o->meta.generation, "");
	char *body;

	if (w->patch != NULL && strcmp(w->patch, patch) == 0) {
		free(patch);
		return;
	}
	if (w->patch == NULL || w->was_refused != (refusal != NULL))
		(void)stamp_sec(clock_wall_ns(), w->since);
	w->was_refused = refusal != NULL;
	free(w->patch);
	w->patch = patch;
	body = status_pool_patch(use, refusal, o->meta.generation, w->since);
	kube_source_patch_status(r->source, KUBE_IP_ADDRESS_POOL, o->meta.ns,
	    o->meta.name, NULL, body, on_done, r);
	free(body);
}

void
report_write(struct report *r, const struct config *c, struct mono now)
{
	struct kube_list objs = kube_store_list(r->store, KUBE_IP_ADDRESS_POOL);
	static const struct reconcile_usage nothing;

	if (!r->is_dirty || mono_before(now, r->next_write))
		return;
	r->is_dirty = false;
	r->next_write = mono_add_sec(now, WRITE_SEC);
	for (size_t i = 0; i < objs.n; i++) {
		const char *name = objs.items[i]->meta.name;
		const struct pool *p = pool_set_named(&c->pools, name);

		write_one(r, objs.items[i], p != NULL ?
		    &r->usage[p - c->pools.pools] : &nothing, config_refusal(c, name));
	}
}

struct mono
report_deadline(const struct report *r)
{
	return r->is_dirty ? r->next_write : MONO_NEVER;
}
