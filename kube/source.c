/* source.c - chooses the kind of source and passes every call on to it. */
#include <string.h>

#include "kube/source_impl.h"

static bool
spec_is(const char *spec, const char *prefix)
{
	return strncmp(spec, prefix, strlen(prefix)) == 0;
}

struct kube_source *
kube_source_open(struct ev_loop *loop, const struct kube_source_conf *conf,
    struct kube_store *store, const struct kube_source_handler *handler,
    struct kube_error *ret_err)
{
	if (conf->spec == NULL || strcmp(conf->spec, "in-cluster") == 0 ||
	    spec_is(conf->spec, "kubeconfig:"))
		return api_source_open(loop, conf, store, handler, ret_err);
	if (spec_is(conf->spec, "dir:"))
		return dir_source_open(loop, conf, store, handler, ret_err);
	kube_error_set(ret_err, "source \"%s\" is of no known form; write "
	    "dir:PATH, in-cluster, or kubeconfig:PATH", conf->spec);
	return NULL;
}

void
kube_source_close(struct kube_source *src)
{
	if (src != NULL)
		src->ops->close(src);
}

bool
kube_source_is_synced(const struct kube_source *src)
{
	return src->ops->is_synced(src);
}

void
kube_source_patch_status(struct kube_source *src, enum kube_kind kind,
    const char *ns, const char *name, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg)
{
	src->ops->patch_status(src, kind, ns, name, resource_version, body,
	    done, arg);
}

void
kube_source_patch(struct kube_source *src, enum kube_kind kind,
    const char *ns, const char *name, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg)
{
	src->ops->patch(src, kind, ns, name, resource_version, body, done, arg);
}

void
kube_source_put(struct kube_source *src, const struct kube_object *o,
    const char *node_uid, kube_done_fn *done, void *arg)
{
	src->ops->put(src, o, node_uid, done, arg);
}

void
kube_source_delete(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, kube_done_fn *done, void *arg)
{
	src->ops->delete(src, kind, ns, name, done, arg);
}

bool
kube_source_has_listed(const struct kube_source *src, enum kube_kind kind)
{
	return src->ops->has_listed(src, kind);
}

void
kube_source_event(struct kube_source *src, const struct kube_event *ev)
{
	src->ops->event(src, ev);
}

void
kube_source_cancel_writes(struct kube_source *src)
{
	src->ops->cancel_writes(src);
}

void
kube_source_refresh(struct kube_source *src, kube_refreshed_fn *done, void *arg)
{
	src->ops->refresh(src, done, arg);
}

void
kube_source_lease(struct kube_source *src, enum lease_do op, const char *ns,
    const char *name, const struct lease_record *record, kube_lease_fn *done,
    void *arg)
{
	src->ops->lease(src, op, ns, name, record, done, arg);
}

int
kube_source_ask(struct kube_source *src, const char *node, uint16_t port,
    const char *path, kube_done_fn *done, void *arg)
{
	return src->ops->ask(src, node, port, path, done, arg);
}

unsigned
kube_source_pending(const struct kube_source *src)
{
	return src->ops->pending(src);
}
