/*
 * api_write_io.c - what is written to the API server: patches, whole objects of
 * our own, and Events; see api_impl.h.
 *
 * A bounded number is under way at a time. Writes to one object never
 * overtake one another. They go before Events, so that a mass start is told
 * of once it is done: Events wait in a small form and are encoded when their
 * turn comes. Of more than EVENTS_MAX the oldest are dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kube/api_encode.h"
#include "kube/api_impl.h"
#include "kube/report_encode.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	ACTIVE_MAX = 16,
	ACTIVE_EVENTS_MAX = 4,	/* of those, so that patches get through */
	EVENTS_MAX = 16384,	/* some 300 bytes each */
	PATCH_TRIES_MAX = 8,	/* about half a minute of a dead server */
	EVENT_TRIES_MAX = 3,
	BASE_MS = 200,
	CAP_MS = 10 * 1000,
	ANSWER_MAX = 4 << 20,
};

static const struct metric events_dropped = {
	"herald_kube_events_dropped_total",
	"Events that were not recorded: too many at once, or refused.",
	METRIC_COUNTER,
};

/* What a write does next. */
enum step {
	STEP_EVENT,
	STEP_PATCH,			/* of a status */
	STEP_CREATE,			/* then STEP_PATCH */
	STEP_DELETE,
};

struct api_write {
	struct api_write *prev, *next;	/* in one of the lists of api_writes */
	struct api *api;
	enum step step;
	enum kube_kind kind;		/* of the object concerned */
	char	*path;			/* the object's, and so its identity; of an
					   Event, where they are created */
	char	*body;			/* of an Event or a patch */
	char	*create_path, *create_body;	/* NULL: it must be there */
	bool	has_created;		/* or tried to */
	struct kube_event *event;	/* in one block; NULL: none */
	int64_t	event_ns;		/* when it happened, wall clock */
	const char *subresource;	/* of a patch: "" or "/status" */
	unsigned ntries;
	struct backoff backoff;
	ev_timer timer;			/* until the next try */
	struct http_call *call;
	kube_done_fn *done;		/* NULL for nobody */
	void	*arg;
};

static void send_now(struct api_write *w);

static void
write_free(struct api_write *w)
{
	ev_timer_stop(w->api->loop, &w->timer);
	if (w->call != NULL)
		http_cancel(w->call);
	free(w->path);
	free(w->body);
	free(w->create_path);
	free(w->create_body);
	free(w->event);
	free(w);
}

/* --- which goes next ---------------------------------------------------- */

static bool
is_busy(const struct api_writes *ws, const char *path)
{
	const struct api_write *w;

	DL_FOREACH(ws->active, w)
		if (w->event == NULL && strcmp(w->path, path) == 0)
			return true;
	return false;
}

static struct api_write *
next_patch(struct api_writes *ws)
{
	struct api_write *w;

	DL_FOREACH(ws->patches, w)
		if (!is_busy(ws, w->path))
			break;
	if (w != NULL) {
		DL_DELETE(ws->patches, w);
		ws->npatches--;
	}
	return w;
}

static struct api_write *
next_event(struct api_writes *ws)
{
	struct api_write *w = ws->events;
	const struct api_write *a;
	unsigned n = 0;

	DL_FOREACH(ws->active, a)
		n += a->event != NULL;
	if (w == NULL || n >= ACTIVE_EVENTS_MAX)
		return NULL;
	DL_DELETE(ws->events, w);
	ws->nevents--;
	return w;
}

static void
send_waiting(struct api *api)
{
	struct api_writes *ws = &api->writes;
	struct api_write *w;

	while (ws->nactive < ACTIVE_MAX) {
		w = next_patch(ws);
		if (w == NULL)
			w = next_event(ws);
		if (w == NULL)
			return;
		DL_APPEND(ws->active, w);
		ws->nactive++;
		send_now(w);
	}
}

/* --- one write ---------------------------------------------------------- */

static const struct {
	const char *method, *verb, *content_type;
} steps[] = {
	[STEP_EVENT] = { "POST", "create", "application/json" },
	[STEP_PATCH] = { "PATCH", "patch", "application/merge-patch+json" },
	[STEP_CREATE] = { "POST", "create", "application/json" },
	[STEP_DELETE] = { "DELETE", "delete", NULL },
};

static const char *
subresource_of(const struct api_write *w)
{
	return w->step == STEP_PATCH ? w->subresource : "";
}

int
api_write_error(const struct http_answer *ans)
{
	struct kube_status st;

	switch (ans->status) {
	case 200:
	case 201:
	case 202:
		return 0;
	case 400:
	case 422:
		return -EINVAL;
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		if (kube_decode_status(ans->body, ans->len, &st) == 0 &&
		    strcmp(st.reason, "AlreadyExists") == 0)
			return -EEXIST;
		return -ESTALE;
	default:
		return -EIO;
	}
}

static bool
is_worth_retrying(const struct api_write *w, const struct http_answer *ans)
{
	unsigned max = w->event != NULL ? EVENT_TRIES_MAX : PATCH_TRIES_MAX;

	return w->ntries < max &&
	    (ans->status == 0 || ans->status == 429 || ans->status >= 500);
}

static void
explain_event(const struct http_answer *ans, struct kube_error *ret)
{
	if (ans->status == 403)
		kube_error_set(ret, "not allowed to create events: add to the "
		    "ClusterRole bound to this account: apiGroups: [\"\"], resources: "
		    "[\"events\"], verbs: [\"create\", \"patch\"]");
	else
		kube_error_set(ret, "cannot record an event: HTTP %d%s%s", ans->status,
		    ans->text[0] != '\0' ? ": " : "", ans->text);
}

static void
finish(struct api_write *w, int error, const char *text)
{
	struct api *api = w->api;
	kube_done_fn *done = w->done;
	void *arg = w->arg;

	DL_DELETE(api->writes.active, w);
	api->writes.nactive--;
	if (w->event != NULL && error != 0 && error != -ENOENT) {
		metrics_add(&events_dropped, NULL, 1);
		log_warn(LOG_NONE, "%s", text);
	}
	write_free(w);
	if (done != NULL)
		done(arg, error, text);
	send_waiting(api);
}

static void
try_again_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	send_now(timer->data);
}

/* Is there more to do for the write after this answer? Then w->step says what. */
static bool
next_step(struct api_write *w, int error)
{
	/* Created, or there already: what counts is its status. */
	if (w->step == STEP_CREATE && (error == 0 || error == -EEXIST)) {
		w->step = STEP_PATCH;
		return true;
	}
	if (w->step == STEP_PATCH && error == -ENOENT && w->create_path != NULL &&
	    !w->has_created) {
		w->step = STEP_CREATE;
		return true;
	}
	return false;
}

static void
write_done(void *arg, const struct http_answer *ans)
{
	struct api_write *w = arg;
	struct kube_error why = { "" };
	int error = api_write_error(ans);
	int64_t asked_ms = ans->retry_after_ms, wait_ms;

	w->call = NULL;
	api_count(steps[w->step].verb, ans->status);
	if (w->step == STEP_DELETE && error == -ENOENT)
		error = 0;
	if (next_step(w, error)) {
		send_now(w);
		return;
	}
	if (error != 0 && w->event != NULL)
		explain_event(ans, &why);
	else if (error != 0)
		asked_ms = api_explain(w->api, w->kind, steps[w->step].verb,
		    subresource_of(w), ans, &why);
	if (!is_worth_retrying(w, ans)) {
		finish(w, error, why.text);
		return;
	}
	wait_ms = backoff_next_ms(&w->backoff, clock_random(), asked_ms);
	ev_now_update(w->api->loop);
	ev_timer_set(&w->timer, (double)wait_ms / 1e3, 0.);
	ev_timer_start(w->api->loop, &w->timer);
}

static void
encode_event(struct api_write *w)
{
	const struct kube_event *ev = w->event;
	const char *ns = ev->ns != NULL && ev->ns[0] != '\0' ? ev->ns : "default";
	char *version = api_version(ev->kind, 0, &w->api->scope);

	w->path = api_events_path(ns);
	w->body = api_event_encode(ev, version, w->api->component, w->api->host,
	    w->event_ns);
	free(version);
}

static void
send_now(struct api_write *w)
{
	const char *path, *body;
	char *patch_path = NULL;

	if (w->ntries++ == 0 && w->event != NULL)
		encode_event(w);
	path = w->path;
	body = w->body;
	if (w->step == STEP_CREATE) {
		path = w->create_path;
		body = w->create_body;
		w->has_created = true;
	} else if (w->step == STEP_PATCH) {
		path = patch_path = mem_printf("%s%s", w->path, w->subresource);
	}
	w->call = http_start(w->api->http, &(struct http_request){
		.method = steps[w->step].method,
		.path = path,
		.content_type = steps[w->step].content_type,
		.body = body,
		.timeout_sec = API_WRITE_SEC,
		.max_body = ANSWER_MAX,
		.done = write_done,
		.arg = w,
	});
	free(patch_path);
}

static struct api_write *
write_new(struct api *api, enum step step, enum kube_kind kind)
{
	struct api_write *w = mem_zalloc(sizeof(*w));

	w->api = api;
	w->step = step;
	w->kind = kind;
	w->backoff = (struct backoff){ .base_ms = BASE_MS, .cap_ms = CAP_MS };
	ev_init(&w->timer, try_again_cb);
	w->timer.data = w;
	return w;
}

/* --- what the source offers --------------------------------------------- */

static void
queue(struct api_write *w, kube_done_fn *done, void *arg)
{
	struct api *api = w->api;

	w->done = done;
	w->arg = arg;
	DL_APPEND(api->writes.patches, w);
	api->writes.npatches++;
	send_waiting(api);
}

void
api_write_patch(struct api *api, enum kube_kind kind, const char *ns,
    const char *name, const char *subresource, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg)
{
	uint8_t version = api->kind[kind].reflect.version;
	char *text = api_patch_encode(body, resource_version);
	struct api_write *w;

	if (text == NULL)	/* no JSON: never sent without its condition */
		text = mem_strdup("");
	w = write_new(api, STEP_PATCH, kind);
	w->path = api_object_path(kind, version, &api->scope, ns, name, "");
	w->subresource = subresource;
	w->body = text;
	queue(w, done, arg);
}

void
api_write_put(struct api *api, const struct kube_object *o, const char *node_uid,
    kube_done_fn *done, void *arg)
{
	uint8_t version = api->kind[o->kind].reflect.version;
	char *api_ver = api_version(o->kind, version, &api->scope);
	bool is_known = kube_store_get(api->store, o->kind, o->meta.ns,
	    o->meta.name) != NULL;
	struct api_write *w = write_new(api, is_known ? STEP_PATCH : STEP_CREATE, o->kind);

	w->path = api_object_path(o->kind, version, &api->scope, o->meta.ns, o->meta.name,
	    "");
	w->subresource = "/status";
	w->body = kube_encode_report_status(o);
	w->create_path = api_create_path(o->kind, version, &api->scope, o->meta.ns);
	w->create_body = kube_encode_report(o, api_group(o->kind, &api->scope), api_ver,
	    node_uid);
	free(api_ver);
	queue(w, done, arg);
}

void
api_write_delete(struct api *api, enum kube_kind kind, const char *ns, const char *name,
    kube_done_fn *done, void *arg)
{
	struct api_write *w = write_new(api, STEP_DELETE, kind);

	w->path = api_object_path(kind, api->kind[kind].reflect.version, &api->scope, ns,
	    name, "");
	queue(w, done, arg);
}

static size_t
text_size(const char *s)
{
	return s != NULL ? strlen(s) + 1 : 0;
}

/* Append s behind *at, which moves on. */
static const char *
text_put(char **at, const char *s)
{
	char *start = *at;

	if (s == NULL)
		return NULL;
	*at = stpcpy(start, s) + 1;
	return start;
}

/* Event and strings in one block of the heap. */
static struct kube_event *
event_copy(const struct kube_event *ev)
{
	struct kube_event *copy = mem_zalloc(sizeof(*copy) + text_size(ev->ns) +
	    text_size(ev->name) + text_size(ev->uid) + text_size(ev->reason) +
	    text_size(ev->message));
	char *at = (char *)(copy + 1);

	*copy = *ev;
	copy->ns = text_put(&at, ev->ns);
	copy->name = text_put(&at, ev->name);
	copy->uid = text_put(&at, ev->uid);
	copy->reason = text_put(&at, ev->reason);
	copy->message = text_put(&at, ev->message);
	return copy;
}

void
api_write_event(struct api *api, const struct kube_event *ev)
{
	struct api_writes *ws = &api->writes;
	struct api_write *w, *oldest = ws->events;

	if (ws->nevents >= EVENTS_MAX) {
		DL_DELETE(ws->events, oldest);
		write_free(oldest);
		ws->nevents--;
		metrics_add(&events_dropped, NULL, 1);
	}
	w = write_new(api, STEP_EVENT, ev->kind);
	w->event = event_copy(ev);
	w->event_ns = clock_wall_ns();
	DL_APPEND(ws->events, w);
	ws->nevents++;
	send_waiting(api);
}

unsigned
api_write_pending(const struct api *api)
{
	return api->writes.npatches + api->writes.nevents + api->writes.nactive;
}

static void
free_all(struct api_write **list)
{
	struct api_write *w, *next;

	DL_FOREACH_SAFE(*list, w, next) {
		DL_DELETE(*list, w);
		write_free(w);
	}
}

void
api_write_stop(struct api *api)
{
	struct api_writes *ws = &api->writes;

	free_all(&ws->patches);
	free_all(&ws->events);
	free_all(&ws->active);
	ws->npatches = ws->nevents = ws->nactive = 0;
}
