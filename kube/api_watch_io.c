/*
 * api_watch_io.c - list, then watch, one kind at a time; see api_impl.h.
 *
 * reflect.c says what to do next; here it is done, and what came of it is
 * told to reflect.c. Each kind has at most one request under way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/api_impl.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum { COMPLAIN_AGAIN_SEC = 300 };

static const struct metric relists = {
	"herald_kube_relists_total",
	"Complete lists of a kind that were begun.",
	METRIC_COUNTER,
};
static const struct metric watches = {
	"herald_kube_watches_total",
	"Watches of a kind that were begun, to resume where the last one ended.",
	METRIC_COUNTER,
};
static const struct metric objects = {
	"herald_kube_objects",
	"Objects of a kind that are held.",
	METRIC_GAUGE,
};
static const struct metric refused = {
	"herald_kube_objects_refused_total",
	"Objects of a kind that could not be decoded.",
	METRIC_COUNTER,
};

static void step(struct api_kind *k, const struct reflect_event *ev);

static void
count(const struct metric *m, const struct api_kind *k)
{
	char labels[64];

	metrics_add(m, metrics_labels(labels, sizeof(labels), "kind",
	    kube_kind_name(k->kind), NULL), 1);
}

static void
publish_objects(const struct api_kind *k)
{
	char labels[64];

	metrics_set(&objects, metrics_labels(labels, sizeof(labels), "kind",
	    kube_kind_name(k->kind), NULL),
	    (double)kube_store_list(k->api->store, k->kind).n);
}

/* Say what is wrong once, and again while it lasts; not at every attempt. */
static void
complain(struct api_kind *k, const struct kube_error *why)
{
	struct mono now = clock_mono();

	if (strcmp(k->complaint.text, why->text) == 0 &&
	    !mono_reached(now, mono_add_sec(k->complained, COMPLAIN_AGAIN_SEC)))
		return;
	k->complaint = *why;
	k->complained = now;
	log_warn(LOG_OBJ("kind", kube_kind_name(k->kind)), "%s", why->text);
}

static void
all_is_well(struct api_kind *k)
{
	if (k->complaint.text[0] != '\0')
		log_info(LOG_OBJ("kind", kube_kind_name(k->kind)),
		    "in step with the API server again");
	k->complaint.text[0] = '\0';
}

/* --- the store ---------------------------------------------------------- */

static void
put(struct api_kind *k, struct kube_object *o)
{
	if (kube_store_put(k->api->store, o))
		api_mark_dirty(k->api, k->kind);
}

static void
refuse(struct api_kind *k, const struct kube_ident *id, struct kube_object *stub,
    const struct kube_error *why)
{
	count(&refused, k);
	log_warn(LOG_OBJ("kind", kube_kind_name(k->kind), "namespace",
	    id->ns[0] != '\0' ? id->ns : NULL, "name", id->name), "%s; what was "
	    "known of it stays in force", why->text);
	if (stub != NULL)
		put(k, stub);
}

static void
delete(struct api_kind *k, const char *ns, const char *name)
{
	if (kube_store_delete(k->api->store, k->kind, ns[0] != '\0' ? ns : NULL, name))
		api_mark_dirty(k->api, k->kind);
}

static int
mark_cmp(const void *a, const void *b)
{
	const struct api_mark *x = a, *y = b;
	int c = strcmp(x->ns, y->ns);

	return c != 0 ? c : strcmp(x->name, y->name);
}

static void
marks_add(struct api_marks *m, const struct kube_ident *id)
{
	m->items = mem_grow(m->items, m->n, &m->cap, sizeof(*m->items));
	m->items[m->n++] = (struct api_mark){
		.ns = arena_strdup(&m->arena, id->ns),
		.name = arena_strdup(&m->arena, id->name),
	};
}

static void
marks_fini(struct api_marks *m)
{
	arena_fini(&m->arena);
	free(m->items);
	*m = (struct api_marks){ 0 };
}

/* Add to gone what l holds and the marks do not. */
static void
find_gone(const struct api_marks *m, struct kube_list l, struct api_marks *gone)
{
	for (size_t i = 0; i < l.n; i++) {
		const struct kube_meta *meta = &l.items[i]->meta;
		struct api_mark key = { meta->ns != NULL ? meta->ns : "", meta->name };

		if (m->n > 0 && bsearch(&key, m->items, m->n, sizeof(key), mark_cmp) != NULL)
			continue;
		gone->items = mem_grow(gone->items, gone->n, &gone->cap, sizeof(key));
		gone->items[gone->n++] = (struct api_mark){
			arena_strdup(&gone->arena, key.ns),
			arena_strdup(&gone->arena, key.name),
		};
	}
}

/*
 * The list is complete: delete what it did not hold. Names are copied first,
 * for a deletion moves the list under our feet.
 */
static void
sweep(struct api_kind *k)
{
	struct api_marks *m = &k->marks, gone = { 0 };

	if (m->n > 0)
		qsort(m->items, m->n, sizeof(*m->items), mark_cmp);
	find_gone(m, kube_store_list(k->api->store, k->kind), &gone);
	find_gone(m, kube_store_stubs(k->api->store, k->kind), &gone);
	for (size_t i = 0; i < gone.n; i++)
		delete(k, gone.items[i].ns, gone.items[i].name);
	marks_fini(&gone);
	marks_fini(m);
	/* The pages' text and trees lay between the objects kept. */
	mem_trim();
}

/* --- lists -------------------------------------------------------------- */

static void
list_item(void *arg, const struct kube_ident *id, struct kube_object *o,
    const struct kube_error *err)
{
	struct api_kind *k = arg;

	marks_add(&k->marks, id);
	if (o == NULL || o->why_refused != NULL)
		refuse(k, id, o, err);
	else
		put(k, o);
}

/* What a failed answer means to a reflector. */
static enum reflect_ev
event_of(int status)
{
	if (status == 0 || status == 429 || status >= 500)
		return REFLECT_EV_AWAY;
	if (status == 404)
		return REFLECT_EV_ABSENT;
	if (status == 410)
		return REFLECT_EV_GONE;
	return REFLECT_EV_FAIL;
}

static void
step_failed(struct api_kind *k, const char *verb, const struct http_answer *ans)
{
	struct reflect_event ev = { .type = event_of(ans->status) };
	bool is_last = k->reflect.version + 1 >= k->reflect.nversions;
	struct kube_error why;

	ev.asked_ms = api_explain(k->api, k->kind, verb, "", ans, &why);
	/* 410 is the server's good right, and an older API version may do. */
	if (ev.type != REFLECT_EV_GONE && (ev.type != REFLECT_EV_ABSENT || is_last))
		complain(k, &why);
	step(k, &ev);
	if (is_last && (ans->status == 404 || ans->status == 403)) {
		k->is_denied = true;
		api_check_synced(k->api);
	}
}

static void
list_done(void *arg, const struct http_answer *ans)
{
	struct api_kind *k = arg;
	struct reflect_event ev = { .type = REFLECT_EV_LAST_PAGE };
	struct kube_page page;
	struct kube_error why;

	k->call = NULL;
	api_count("list", ans->status);
	if (ans->status != 200 || ans->error != 0) {
		step_failed(k, "list", ans);
		return;
	}
	if (kube_decode_list(ans->body, ans->len, k->api->scope.api_group, k->kind,
	    list_item, k, &page, &why) != 0) {
		complain(k, &why);
		ev.type = REFLECT_EV_FAIL;
		step(k, &ev);
		return;
	}
	free(k->cont);
	k->cont = page.cont;
	if (k->cont != NULL)
		ev.type = REFLECT_EV_PAGE;
	ev.rv = page.resource_version;
	step(k, &ev);
}

static void
list_start(struct api_kind *k)
{
	struct api *api = k->api;
	unsigned limit = reflect_is_paged(&k->reflect) ? API_PAGE_LIMIT : 0;
	char *path = api_list_path(k->kind, k->reflect.version, &api->scope, limit,
	    k->cont);

	k->call = http_start(api->http, &(struct http_request){
		.method = "GET",
		.path = path,
		.timeout_sec = API_LIST_SEC,
		.max_body = API_PAGE_MAX,
		.done = list_done,
		.arg = k,
	});
	free(path);
}

/* --- watches ------------------------------------------------------------ */

static void
watch_error(struct api_kind *k, const struct kube_status *st)
{
	struct kube_error why;

	k->why_cut = event_of(st->code);
	if (strcmp(st->reason, "Expired") == 0 || strcmp(st->reason, "Gone") == 0)
		k->why_cut = REFLECT_EV_GONE;
	k->asked_ms = (int64_t)st->retry_after_sec * 1000;
	kube_error_set(&why, "the API server ended the watch: %d %s: %s", st->code,
	    st->reason, st->message);
	if (k->why_cut != REFLECT_EV_GONE)
		complain(k, &why);
}

/* Returns -ECANCELED where the stream is over. */
static int
watch_event(struct api_kind *k, const struct watch_frame *f)
{
	struct kube_watch_event ev;
	struct kube_error why;

	if (kube_decode_watch(f->json, f->len, k->api->scope.api_group, k->kind, &ev,
	    &why) != 0) {
		complain(k, &why);
		k->why_cut = REFLECT_EV_FAIL;
		return -ECANCELED;
	}
	switch (ev.type) {
	case KUBE_WATCH_ERROR:
		watch_error(k, &ev.status);
		return -ECANCELED;
	case KUBE_WATCH_ADDED:
	case KUBE_WATCH_MODIFIED:
		if (ev.object == NULL || ev.object->why_refused != NULL)
			refuse(k, &ev.id, ev.object, &ev.why);
		else
			put(k, ev.object);
		break;
	case KUBE_WATCH_DELETED:
		delete(k, ev.id.ns, ev.id.name);
		break;
	case KUBE_WATCH_BOOKMARK:
		break;
	}
	all_is_well(k);
	step(k, &(struct reflect_event){ .type = REFLECT_EV_OBJECT,
	    .rv = ev.id.resource_version });
	return 0;
}

static int
watch_data(void *arg, const char *buf, size_t len)
{
	struct api_kind *k = arg;
	struct watch_frame frame;
	struct kube_error why;
	ssize_t n;
	int r;

	while (len > 0) {
		n = watch_feed(&k->frames, buf, len, &frame);
		if (n < 0) {
			kube_error_set(&why, n == -EMSGSIZE
			    ? "the API server sent an event of more than %d bytes"
			    : "the API server's watch is no stream of JSON objects "
			    "(is there a proxy before it?)", WATCH_EVENT_MAX);
			complain(k, &why);
			k->why_cut = REFLECT_EV_FAIL;
			return (int)n;
		}
		if (frame.len > 0 && (r = watch_event(k, &frame)) != 0)
			return r;
		buf += n;
		len -= (size_t)n;
	}
	publish_objects(k);
	return 0;
}

static void
watch_done(void *arg, const struct http_answer *ans)
{
	struct api_kind *k = arg;
	struct reflect_event ev = { .type = k->why_cut, .asked_ms = k->asked_ms };
	bool is_cut = watch_is_partial(&k->frames);

	k->call = NULL;
	watch_reset(&k->frames);
	publish_objects(k);
	api_count("watch", ans->status);
	if (ans->status != 200) {
		step_failed(k, "watch", ans);
		return;
	}
	/* Cut in the middle, or by the connection: resume, quietly. */
	if (ev.type == REFLECT_EV_TICK)
		ev.type = is_cut || ans->error != 0 ? REFLECT_EV_AWAY : REFLECT_EV_END;
	log_debug(LOG_OBJ("kind", kube_kind_name(k->kind)), "watch ended%s%s",
	    ans->text[0] != '\0' ? ": " : "", ans->text);
	step(k, &ev);
}

static void
watch_start(struct api_kind *k)
{
	struct api *api = k->api;
	unsigned sec = API_WATCH_MIN_SEC +
	    (unsigned)(clock_random() % API_WATCH_SPREAD_SEC);
	char *path = api_watch_path(k->kind, k->reflect.version, &api->scope,
	    k->reflect.rv, sec);

	k->why_cut = REFLECT_EV_TICK;
	k->asked_ms = 0;
	k->call = http_start(api->http, &(struct http_request){
		.method = "GET",
		.path = path,
		.timeout_sec = sec + API_WATCH_GRACE_SEC,
		.data = watch_data,
		.done = watch_done,
		.arg = k,
	});
	free(path);
}

/* --- step by step ------------------------------------------------------- */

static void
set_timer(struct api_kind *k, struct mono now)
{
	ev_timer_stop(k->api->loop, &k->timer);
	if (k->reflect.deadline.ns == MONO_NEVER.ns)
		return;
	/* The loop's own idea of now is older; without this it is early. */
	ev_now_update(k->api->loop);
	ev_timer_set(&k->timer, mono_delay_sec(now, k->reflect.deadline), 0.);
	ev_timer_start(k->api->loop, &k->timer);
}

static void
step(struct api_kind *k, const struct reflect_event *ev)
{
	struct mono now = clock_mono();
	struct reflect_event with_random = *ev;
	unsigned todo;

	with_random.random = clock_random();
	todo = reflect_step(&k->reflect, &with_random, now);
	if (ev->type != REFLECT_EV_OBJECT)
		set_timer(k, now);
	if (todo & REFLECT_DO_SWEEP) {
		sweep(k);
		k->is_refreshing = false;
		all_is_well(k);
		publish_objects(k);
		api_check_synced(k->api);
	}
	if (todo & REFLECT_DO_LIST) {
		count(&relists, k);
		marks_fini(&k->marks);
		free(k->cont);
		k->cont = NULL;
	}
	if (todo & (REFLECT_DO_LIST | REFLECT_DO_PAGE))
		list_start(k);
	if (todo & REFLECT_DO_WATCH) {
		count(&watches, k);
		watch_start(k);
	}
}

static void
timer_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	step(timer->data, &(struct reflect_event){ .type = REFLECT_EV_TICK });
}

void
api_kind_start(struct api *api, enum kube_kind kind)
{
	struct api_kind *k = &api->kind[kind];
	struct mono now = clock_mono();

	k->api = api;
	k->kind = kind;
	watch_init(&k->frames, WATCH_EVENT_MAX);
	reflect_init(&k->reflect, api_nversions(kind), now);
	ev_init(&k->timer, timer_cb);
	k->timer.data = k;
	set_timer(k, now);
}

void
api_kind_refresh(struct api_kind *k)
{
	if (k->call != NULL)
		http_cancel(k->call);
	k->call = NULL;
	watch_reset(&k->frames);
	k->is_refreshing = true;
	step(k, &(struct reflect_event){ .type = REFLECT_EV_ANEW });
}

void
api_kind_stop(struct api_kind *k)
{
	ev_timer_stop(k->api->loop, &k->timer);
	if (k->call != NULL)
		http_cancel(k->call);
	watch_fini(&k->frames);
	marks_fini(&k->marks);
	free(k->cont);
}
