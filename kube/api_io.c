/* api_io.c - the API server as a source of objects; see api_impl.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/api_impl.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

static const struct metric requests = {
	"herald_kube_requests_total",
	"Requests to the API server by verb and HTTP status, 0 for no answer.",
	METRIC_COUNTER,
};

void
api_count(const char *verb, int status)
{
	char labels[64], code[16];

	snprintf(code, sizeof(code), "%d", status);
	metrics_add(&requests, metrics_labels(labels, sizeof(labels), "verb", verb,
	    "code", code, NULL), 1);
}

/* --- telling the owner -------------------------------------------------- */

/* A kind to do without, and it has turned out that we must. */
static bool
is_done_without(const struct api *api, unsigned kind)
{
	return (api->spare_kinds & 1u << kind) && api->kind[kind].is_denied;
}

static bool
all_listed(const struct api *api)
{
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if ((api->kinds & 1u << i) && !api->kind[i].reflect.is_listed &&
		    !is_done_without(api, i))
			return false;
	return true;
}

static bool
any_refreshing(const struct api *api)
{
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if ((api->kinds & 1u << i) && api->kind[i].is_refreshing &&
		    !is_done_without(api, i))
			return true;
	return false;
}

static void
tell_refreshed(struct api *api)
{
	kube_refreshed_fn *done = api->refreshed;

	if (done == NULL || any_refreshing(api))
		return;
	api->refreshed = NULL;
	done(api->refreshed_arg);
}

/* Runs once before the loop sleeps: many changes make one call a kind. */
static void
notify_cb(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	struct api *api = prepare->data;
	unsigned dirty = api->dirty;

	(void)revents;
	ev_prepare_stop(loop, prepare);
	api->dirty = 0;
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if ((dirty & 1u << i) && api->handler.changed != NULL)
			api->handler.changed(api->handler.arg, (enum kube_kind)i);
	if (!api->is_synced && all_listed(api)) {
		api->is_synced = true;
		if (api->handler.synced != NULL)
			api->handler.synced(api->handler.arg);
	}
	tell_refreshed(api);
}

void
api_mark_dirty(struct api *api, enum kube_kind kind)
{
	api->dirty |= 1u << kind;
	ev_prepare_start(api->loop, &api->notify);
}

void
api_check_synced(struct api *api)
{
	if ((!api->is_synced && all_listed(api)) || api->refreshed != NULL)
		ev_prepare_start(api->loop, &api->notify);
}

/* --- what went wrong ---------------------------------------------------- */

static void
explain_denied(const struct api *api, enum kube_kind kind, const char *verb,
    const char *subresource, const char *message, struct kube_error *ret)
{
	bool in_ns = kube_kind_is_local(kind) && api->scope.ns != NULL;
	bool is_read = strcmp(verb, "list") == 0 || strcmp(verb, "watch") == 0;
	char verbs[32];

	snprintf(verbs, sizeof(verbs), "\"%s\"", verb);
	kube_error_set(ret, "not allowed to %s %s%s: %s: add to the %s bound to this "
	    "account: apiGroups: [\"%s\"], resources: [\"%s%s\"], verbs: [%s]",
	    verb, api_plural(kind), subresource, message,
	    in_ns ? "Role (in its namespace)" : "ClusterRole",
	    api_group(kind, &api->scope), api_plural(kind), subresource,
	    is_read ? "\"get\", \"list\", \"watch\"" : verbs);
}

static void
explain_absent(const struct api *api, enum kube_kind kind, struct kube_error *ret)
{
	const char *group = api_group(kind, &api->scope);
	bool is_ours = strcmp(group, KUBE_API_GROUP_DEFAULT) == 0;

	kube_error_set(ret, "the API server has no %s.%s: apply %s",
	    api_plural(kind), group, is_ours ? "deploy/crds" : "the CRDs of the project "
	    "whose group it is, of a later version if they lack it");
}

int64_t
api_explain(const struct api *api, enum kube_kind kind, const char *verb,
    const char *subresource, const struct http_answer *ans, struct kube_error *ret)
{
	struct kube_status st = { 0 };
	const char *message;
	int64_t asked_ms = ans->retry_after_ms;

	if (ans->status == 0 || ans->text[0] != '\0') {
		kube_error_set(ret, "cannot %s %s: %s", verb, api_plural(kind),
		    ans->text);
		return asked_ms;
	}
	(void)kube_decode_status(ans->body, ans->len, &st);
	message = st.message[0] != '\0' ? st.message : "no reason given";
	if (asked_ms == 0)
		asked_ms = (int64_t)st.retry_after_sec * 1000;
	if (ans->status == 401)
		kube_error_set(ret, "cannot %s %s: the API server does not know us (401, "
		    "%s): renew the token or certificate of %s", verb,
		    api_plural(kind), message, api->origin);
	else if (ans->status == 403)
		explain_denied(api, kind, verb, subresource, message, ret);
	else if (ans->status == 404 && api_is_custom(kind) && subresource[0] == '\0')
		explain_absent(api, kind, ret);
	else
		kube_error_set(ret, "cannot %s %s%s: HTTP %d: %s", verb,
		    api_plural(kind), subresource, ans->status, message);
	return asked_ms;
}

/* --- the operations of a source ----------------------------------------- */

static void
api_close(struct kube_source *src)
{
	struct api *api = (struct api *)src;

	api_write_stop(api);
	api_lease_stop(api);
	api_ask_stop(api);
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if (api->kinds & 1u << i)
			api_kind_stop(&api->kind[i]);
	http_free(api->http);
	ev_prepare_stop(api->loop, &api->notify);
	free((void *)(uintptr_t)api->scope.api_group);
	free((void *)(uintptr_t)api->scope.ns);
	free((void *)(uintptr_t)api->scope.node_name);
	free(api->component);
	free(api->host);
	free(api->origin);
	free(api);
}

static bool
api_is_synced(const struct kube_source *src)
{
	return ((const struct api *)src)->is_synced;
}

static void
api_patch_status(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, const char *resource_version, const char *body,
    kube_done_fn *done, void *arg)
{
	api_write_patch((struct api *)src, kind, ns, name, "/status",
	    resource_version, body, done, arg);
}

static void
api_patch(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, const char *resource_version, const char *body,
    kube_done_fn *done, void *arg)
{
	api_write_patch((struct api *)src, kind, ns, name, "", resource_version, body,
	    done, arg);
}

static void
api_put(struct kube_source *src, const struct kube_object *o, const char *node_uid,
    kube_done_fn *done, void *arg)
{
	api_write_put((struct api *)src, o, node_uid, done, arg);
}

static void
api_delete(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, kube_done_fn *done, void *arg)
{
	api_write_delete((struct api *)src, kind, ns, name, done, arg);
}

static bool
api_has_listed(const struct kube_source *src, enum kube_kind kind)
{
	return ((const struct api *)src)->kind[kind].reflect.is_listed;
}

static void
api_event(struct kube_source *src, const struct kube_event *ev)
{
	api_write_event((struct api *)src, ev);
}

static void
api_cancel_writes(struct kube_source *src)
{
	api_write_stop((struct api *)src);
}

static void
api_refresh(struct kube_source *src, kube_refreshed_fn *done, void *arg)
{
	struct api *api = (struct api *)src;

	api->refreshed = done;
	api->refreshed_arg = arg;
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if (api->kinds & 1u << i)
			api_kind_refresh(&api->kind[i]);
}

static void
api_source_lease(struct kube_source *src, enum lease_do op, const char *ns,
    const char *name, const struct lease_record *record, kube_lease_fn *done,
    void *arg)
{
	api_lease((struct api *)src, op, ns, name, record, done, arg);
}

static int
api_source_ask(struct kube_source *src, const char *node, uint16_t port,
    const char *path, kube_done_fn *done, void *arg)
{
	api_ask((struct api *)src, node, port, path, done, arg);
	return 0;
}

static unsigned
api_pending(const struct kube_source *src)
{
	return api_write_pending((const struct api *)src);
}

static const struct kube_source_ops api_ops = {
	.close = api_close,
	.is_synced = api_is_synced,
	.patch_status = api_patch_status,
	.patch = api_patch,
	.put = api_put,
	.delete = api_delete,
	.has_listed = api_has_listed,
	.event = api_event,
	.cancel_writes = api_cancel_writes,
	.refresh = api_refresh,
	.lease = api_source_lease,
	.ask = api_source_ask,
	.pending = api_pending,
};

static struct http *
connect_to(struct ev_loop *loop, const struct kube_source_conf *conf,
    char **ret_origin, struct kube_error *ret_err)
{
	struct kube_env env = kube_env_get();
	struct kube_access access;
	struct http *http;
	char *agent;

	if (kube_access_load(conf->spec, conf->kube_context, &env, &access,
	    ret_err) != 0)
		return NULL;
	log_info(LOG_NONE, "API server %s (%s)", access.server, access.origin);
	*ret_origin = mem_strdup(access.origin);
	agent = mem_printf("%s/%s", conf->component, HERALD_VERSION);
	http = http_new(loop, &access, agent, ret_err);
	free(agent);
	if (http == NULL)
		free(*ret_origin);
	return http;
}

struct kube_source *
api_source_open(struct ev_loop *loop, const struct kube_source_conf *conf,
    struct kube_store *store, const struct kube_source_handler *handler,
    struct kube_error *ret_err)
{
	const char *group = conf->api_group;
	struct http *http;
	struct api *api;
	char host[256] = "", *origin;

	http = connect_to(loop, conf, &origin, ret_err);
	if (http == NULL)
		return NULL;
	(void)gethostname(host, sizeof(host) - 1);
	api = mem_zalloc(sizeof(*api));
	api->source.ops = &api_ops;
	api->loop = loop;
	api->store = store;
	api->handler = *handler;
	api->http = http;
	api->origin = origin;
	api->scope.api_group = mem_strdup(group != NULL ? group : KUBE_API_GROUP_DEFAULT);
	api->scope.ns = mem_strdup(conf->ns);
	api->scope.node_name = mem_strdup(conf->node_name);
	api->scope.wide_kinds = conf->wide_kinds;
	api->component = mem_strdup(conf->component);
	api->host = mem_strdup(conf->node_name != NULL ? conf->node_name : host);
	api->kinds = conf->kinds;
	api->spare_kinds = conf->spare_kinds;
	ev_prepare_init(&api->notify, notify_cb);
	api->notify.data = api;
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if (api->kinds & 1u << i)
			api_kind_start(api, (enum kube_kind)i);
	return &api->source;
}
