#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "controller/controller_io.h"
#include "controller/reconcile.h"
#include "controller/report_io.h"
#include "controller/status.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "lib/clock.h"
#include "lib/httpd_io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	MAX_WRITES = 64,	/* status patches under way at once */
	PASS_SHARE = 10,	/* a pass may take one part in so many of the time, */
	QUEUE_SHARE = 50,	/* where what it decides must wait in a queue anyway */
	DRAIN_SEC = 3,		/* at the end, for the writes under way */
	SETTLE_MS = 1000,	/* unelected: for those of the process before us */
};

/* Read only to tell their owners what is wrong with them. */
#define ADVICE_KINDS (1u << KUBE_L2_ADVERTISEMENT | 1u << KUBE_BGP_ADVERTISEMENT | \
	1u << KUBE_BGP_PEER | 1u << KUBE_COMMUNITY | 1u << KUBE_BFD_PROFILE | \
	1u << KUBE_FORWARDING_PROFILE)

struct controller {
	struct ev_loop *loop;
	const char *lb_class;
	bool	has_conditions;		/* see report_new() */
	struct kube_store *store;
	struct kube_source *source;
	struct httpd *httpd;
	struct config config;
	struct ledger *ledger;
	struct write *writes;		/* under way */
	struct report *report;
	struct leader *leader;
	uint64_t term;			/* we work in this one; 0: standing by */
	bool	is_fresh;		/* the store is of this term */
	bool	is_config_told;		/* and the report knows config */
	bool	is_stopping;
	ev_timer drain;
	void	(*stopped)(void *arg);
	void	*stopped_arg;
	ev_prepare prepare;
	ev_timer timer;
	bool	is_dirty;		/* a pass is due */
	bool	is_config_dirty;	/* pools or nodes changed */
	struct mono passed;		/* when the last pass ended ... */
	int64_t	pass_ns;		/* ... and how long it took */
	struct mono due;		/* a pass is due then even if nothing changes */
};

static const struct metric m_passes = { "herald_reconcile_passes_total",
	"Reconcile passes over all Services.", METRIC_COUNTER };
static const struct metric m_pass_sec = { "herald_reconcile_seconds_total",
	"Time spent in reconcile passes.", METRIC_COUNTER };
static const struct metric m_writes = { "herald_status_writes_total",
	"Service status writes by outcome.", METRIC_COUNTER };
static void pump(struct controller *c);
static void finish_drain(struct controller *c);

/* May we decide and write? The clock is asked: time may have run out just now. */
static bool
is_working(const struct controller *c)
{
	return c->term != 0 && c->is_fresh && !c->is_stopping &&
	    leader_term(c->leader) == c->term;
}

/*
 * No pass before. While many writes wait, each echo of theirs from the server makes a
 * pass due, during which none is sent: they would wait for passes that decide nothing.
 */
static struct mono
next_pass(const struct controller *c)
{
	int share = c->ledger->head != NULL ? QUEUE_SHARE : PASS_SHARE;

	return mono_add_ns(c->passed, c->pass_ns * (share - 1));
}

/* Have the loop wake up when there is something to do. */
static void
rearm(struct controller *c)
{
	struct mono at = c->is_dirty ? next_pass(c) : c->due;

	at = mono_min(at, report_deadline(c->report));
	ev_timer_stop(c->loop, &c->timer);
	if (at.ns == MONO_NEVER.ns)
		return;
	ev_timer_set(&c->timer, mono_delay_sec(clock_mono(), at), 0.);
	ev_timer_start(c->loop, &c->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;	/* waking up is all: on_prepare() runs next */
}

static void
mark_dirty(struct controller *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	rearm(c);
}

static void
send_event(struct controller *c, const struct ledger_entry *e,
    const struct kube_object *svc, bool is_warning, const char *reason,
    const char *message)
{
	struct kube_event ev = {
		.kind = KUBE_SERVICE,
		.ns = e != NULL ? e->ns : svc->meta.ns,
		.name = e != NULL ? e->name : svc->meta.name,
		.uid = e != NULL ? e->uid : svc->meta.uid,
		.is_warning = is_warning,
		.reason = reason,
		.message = message,
	};

	kube_source_event(c->source, &ev);
}

/* One write under way. */
struct write {
	struct controller *c;
	struct ledger_entry *e;
	struct write *prev, *next;
};

/* After the source is closed: their callbacks will not come any more. */
static void
writes_free(struct controller *c)
{
	struct write *w, *tmp;

	DL_FOREACH_SAFE(c->writes, w, tmp)
		free(w);
	c->writes = NULL;
}

static void
tell_written(struct controller *c, const struct ledger_entry *e)
{
	const char *list = status_list(e->addrs, e->naddrs, (char[STATUS_LIST_LEN]){ 0 });
	char *message;

	if (!e->is_news)
		return;
	if (e->naddrs == 0) {
		log_info(LOG_OBJ("svc", e->key), "address released");
		return;
	}
	log_info(LOG_OBJ("svc", e->key, "vip", IP_STR(&e->addrs[0])), "assigned IP %s",
	    list);
	message = mem_printf("Assigned IP %s", list);
	send_event(c, e, NULL, false, "IPAllocated", message);
	free(message);
}

static const char *
remedy(int error)
{
	switch (error) {
	case -EACCES:
		return "; allow this account to patch services/status";
	case -EINVAL:
		return "; the server refuses the status itself";
	default:
		return "";
	}
}

static void
on_written(void *arg, int error, const char *text)
{
	struct write *w = arg;
	struct controller *c = w->c;
	struct ledger_entry *e = w->e;
	struct mono now = clock_mono();
	char labels[64];

	metrics_add(&m_writes, metrics_labels(labels, sizeof(labels), "result",
	    error == 0 ? "ok" : error == -ESTALE ? "stale" : "error", NULL), 1);
	if (error == 0)
		tell_written(c, e);
	else if (error == -ESTALE || error == -ENOENT)
		log_debug(LOG_OBJ("svc", e->key), "status write came too late: %s",
		    text != NULL ? text : strerror(-error));
	else
		log_warn(LOG_OBJ("svc", e->key),
		    "cannot write status, will try again: %s%s",
		    text != NULL ? text : strerror(-error), remedy(error));
	if (error != 0 && error != -ENOENT)
		mark_dirty(c);
	ledger_done(c->ledger, e, error, now, clock_random());
	DL_DELETE(c->writes, w);
	free(w);
	if (c->is_stopping && c->writes == NULL)
		finish_drain(c);
	else
		pump(c);
}

/*
 * Each with its ipMode, which is Proxy where Herald forwards the traffic itself
 * and kube-proxy must leave the address alone.
 */
static char *
encode_addrs(const struct ip *addrs, unsigned n, const char *ip_mode)
{
	struct kube_ingress in[2];

	for (unsigned i = 0; i < n; i++)
		in[i] = (struct kube_ingress){ .ip = addrs[i], .ip_mode = ip_mode };
	return kube_encode_service_status(in, n);
}

/* Send queued writes up to the limit. */
static void
pump(struct controller *c)
{
	struct ledger_entry *e;

	while (c->ledger->nsent < MAX_WRITES && is_working(c) &&
	    (e = ledger_sent(c->ledger)) != NULL) {
		struct write *w = mem_zalloc(sizeof(*w));
		char *body = encode_addrs(e->addrs, e->naddrs, e->ip_mode);

		*w = (struct write){ .c = c, .e = e };
		DL_APPEND(c->writes, w);
		kube_source_patch_status(c->source, KUBE_SERVICE, e->ns, e->name,
		    e->resource_version, body, on_written, w);
		free(body);
	}
}

/* Enter a decision in the ledger and tell the Service's owner what is new. */
static void
apply(struct controller *c, const struct decision *d)
{
	const char *key = KUBE_KEY(d->svc);
	char *message;

	if (ledger_tell(c->ledger, d->svc, d->problem)) {
		log_warn(LOG_OBJ("svc", key), "%s", d->problem);
		message = mem_printf("Failed to allocate IP for \"%s\": %s", key,
		    d->problem);
		send_event(c, NULL, d->svc, true, "AllocationFailed", message);
		free(message);
	}
	if (!d->must_write)
		return;
	if (d->released != NULL) {
		log_warn(LOG_OBJ("svc", key), "address released: %s", d->released);
		message = mem_printf("Released %s", d->released);
		send_event(c, NULL, d->svc, false, "ClearAssignment", message);
		free(message);
	}
	ledger_promise(c->ledger, d->svc, d->addrs, d->naddrs, d->is_news)->ip_mode =
	    d->ip_mode;
}

/* Also while standing by: what was in force last may matter. */
static void
update_config(struct controller *c)
{
	static const struct config nothing;
	struct config fresh;

	config_build(c->store, &c->config, &fresh);
	if (is_working(c)) {
		report_config(c->report, c->is_config_told ? &c->config : &nothing,
		    &fresh);
		c->is_config_told = true;
	}
	config_fini(&c->config);
	c->config = fresh;
	c->is_config_dirty = false;
}

static void
pass(struct controller *c)
{
	struct mono start = clock_mono();
	struct reconcile_in in = { .store = c->store, .config = &c->config,
	    .ledger = c->ledger, .lb_class = c->lb_class, .now = start };
	struct reconcile r;

	if (c->is_config_dirty)
		update_config(c);
	ledger_sync(c->ledger, c->store, start);
	reconcile_run(&in, &r);
	for (size_t i = 0; i < r.ndecisions; i++)
		apply(c, &r.decisions[i]);
	report_usage(c->report, &c->config, &r);
	reconcile_fini(&r);

	c->passed = clock_mono();
	c->pass_ns = mono_sub_ns(c->passed, start);
	c->is_dirty = false;
	c->due = ledger_deadline(c->ledger);
	metrics_add(&m_passes, NULL, 1);
	metrics_add(&m_pass_sec, NULL, (double)c->pass_ns / 1e9);
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct controller *c = w->data;
	struct mono now = clock_mono();

	(void)loop;
	(void)revents;
	if (!kube_source_is_synced(c->source))
		return;
	if (!is_working(c)) {
		if (c->is_config_dirty)
			update_config(c);
		return;
	}
	if (mono_reached(now, c->due))
		c->is_dirty = true;
	if (c->is_dirty && mono_reached(now, next_pass(c)))
		pass(c);
	report_write(c->report, &c->config, now);
	pump(c);
	rearm(c);
}

static void
on_changed(void *arg, enum kube_kind kind)
{
	struct controller *c = arg;

	/* What is doubtful about profiles hangs on the Services that have them. */
	if (kube_kind_is_custom(kind) || kind == KUBE_NODE || (kind == KUBE_SERVICE &&
	    kube_store_list(c->store, KUBE_FORWARDING_PROFILE).n > 0))
		c->is_config_dirty = true;
	c->is_dirty = true;
}

static void
on_synced(void *arg)
{
	struct controller *c = arg;

	log_info(LOG_NONE, "synced: %zu Services, %zu IPAddressPools",
	    kube_store_list(c->store, KUBE_SERVICE).n,
	    kube_store_list(c->store, KUBE_IP_ADDRESS_POOL).n);
	c->is_config_dirty = true;
	c->is_dirty = true;
}

/* --- leading and standing by -------------------------------------------- */

/* Give up what is under way, and forget what only a leader knows. */
static void
resign(struct controller *c)
{
	kube_source_cancel_writes(c->source);
	writes_free(c);
	ledger_free(c->ledger);
	c->ledger = ledger_new();
	report_free(c->report);
	c->report = report_new(c->source, c->store, c->has_conditions);
	c->is_config_told = false;
	c->due = MONO_NEVER;
	ev_timer_stop(c->loop, &c->timer);
}

static void
on_refreshed(void *arg)
{
	struct controller *c = arg;

	if (c->term == 0)
		return;
	c->is_fresh = true;
	c->is_config_dirty = true;
	c->is_dirty = true;
	rearm(c);
}

static void
on_released(void *arg)
{
	struct controller *c = arg;

	c->stopped(c->stopped_arg);
}

static void
on_term(void *arg)
{
	struct controller *c = arg;
	bool was_working = c->term != 0;

	c->term = leader_term(c->leader);
	c->is_fresh = false;
	if (was_working)
		resign(c);
	if (was_working && ev_is_active(&c->drain))
		on_released(c);	/* what was sent may still come: not released */
	else if (c->term != 0)
		kube_source_refresh(c->source, on_refreshed, c);
}

/* Nothing is under way any more: the next controller may begin. */
static void
finish_drain(struct controller *c)
{
	if (!ev_is_active(&c->drain))
		return;		/* done already */
	ev_timer_stop(c->loop, &c->drain);
	leader_stop(c->leader, on_released, c);
}

/* What is under way may still come about: the Lease is not released, but ends. */
static void
on_drain_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct controller *c = w->data;

	(void)loop;
	(void)revents;
	log_warn(LOG_NONE, "%u status writes had no answer within %d seconds",
	    c->ledger->nsent, DRAIN_SEC);
	on_released(c);
}

void
controller_stop(struct controller *c, void (*done)(void *arg), void *arg)
{
	if (c->is_stopping)
		return;
	c->is_stopping = true;
	c->stopped = done;
	c->stopped_arg = arg;
	ev_now_update(c->loop);
	ev_timer_start(c->loop, &c->drain);
	if (c->writes == NULL)
		finish_drain(c);
}

/* --- start and end ------------------------------------------------------- */

static int
answer(void *arg, const char *path, FILE *f, const char **ret_type)
{
	const struct controller *c = arg;

	(void)ret_type;
	if (strcmp(path, "/readyz") != 0)
		return 404;
	if (!kube_source_is_synced(c->source)) {
		(void)fprintf(f, "not ready: not all objects have been read yet\n");
		return 503;
	}
	(void)fprintf(f, "ok\n");
	return 200;
}

struct controller *
controller_new(struct ev_loop *loop, const struct controller_conf *conf,
    struct kube_error *ret_err)
{
	struct controller *c = mem_zalloc(sizeof(*c));
	struct kube_source_conf source = conf->source;
	struct leader_conf leader = conf->leader;
	char err[256];

	source.kinds = 1u << KUBE_SERVICE | 1u << KUBE_NODE | 1u << KUBE_NAMESPACE |
	    1u << KUBE_IP_ADDRESS_POOL | ADVICE_KINDS;
	source.spare_kinds = ADVICE_KINDS;
	source.component = "herald-controller";
	source.needs_all = true;
	c->loop = loop;
	c->lb_class = conf->lb_class;
	c->due = MONO_NEVER;
	c->store = kube_store_new();
	c->ledger = ledger_new();
	ev_init(&c->timer, on_timer);
	ev_timer_init(&c->drain, on_drain_limit, DRAIN_SEC, 0.);
	c->drain.data = c;
	ev_prepare_init(&c->prepare, on_prepare);
	c->prepare.data = c;
	c->source = kube_source_open(loop, &source, c->store,
	    &(struct kube_source_handler){ on_changed, on_synced, c }, ret_err);
	if (c->source == NULL) {
		controller_free(c);
		return NULL;
	}
	c->has_conditions = source.api_group == NULL ||
	    strcmp(source.api_group, KUBE_API_GROUP_METALLB) != 0;
	c->report = report_new(c->source, c->store, c->has_conditions);
	/* What is written to a directory is written when write(2) returns. */
	if (source.spec == NULL || strncmp(source.spec, "dir:", 4) != 0)
		leader.settle_ms = SETTLE_MS;
	c->leader = leader_new(loop, c->source, &leader, on_term, c);
	if (conf->http != NULL) {
		c->httpd = httpd_new(loop, conf->http, answer, c, err);
		if (c->httpd == NULL) {
			kube_error_set(ret_err, "--http: %s", err);
			controller_free(c);
			return NULL;
		}
	}
	ev_prepare_start(loop, &c->prepare);
	return c;
}

void
controller_free(struct controller *c)
{
	if (c == NULL)
		return;
	ev_prepare_stop(c->loop, &c->prepare);
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_stop(c->loop, &c->drain);
	httpd_free(c->httpd);
	if (c->source != NULL)
		kube_source_close(c->source);
	leader_free(c->leader);
	writes_free(c);
	report_free(c->report);
	ledger_free(c->ledger);
	config_fini(&c->config);
	kube_store_free(c->store);
	free(c);
}
