/*
 * source_impl.h - what a kind of source has to offer. Included by source.c
 * and the sources themselves (api_io.c, dir_io.c), by nobody else.
 *
 * A source embeds struct kube_source as its first member and sets ops. Each
 * operation does what the function of the same name in source.h promises.
 */
#ifndef HERALD_KUBE_SOURCE_IMPL_H
#define HERALD_KUBE_SOURCE_IMPL_H

#include "kube/source.h"

#define KUBE_API_GROUP_DEFAULT "heraldlb.io"

struct kube_source_ops {
	void	(*close)(struct kube_source *src);
	bool	(*is_synced)(const struct kube_source *src);
	void	(*patch_status)(struct kube_source *src, enum kube_kind kind,
		    const char *ns, const char *name,
		    const char *resource_version, const char *body,
		    kube_done_fn *done, void *arg);
	void	(*patch)(struct kube_source *src, enum kube_kind kind,
		    const char *ns, const char *name,
		    const char *resource_version, const char *body,
		    kube_done_fn *done, void *arg);
	void	(*put)(struct kube_source *src, const struct kube_object *o,
		    const char *node_uid, kube_done_fn *done, void *arg);
	void	(*delete)(struct kube_source *src, enum kube_kind kind, const char *ns,
		    const char *name, kube_done_fn *done, void *arg);
	bool	(*has_listed)(const struct kube_source *src, enum kube_kind kind);
	void	(*event)(struct kube_source *src, const struct kube_event *ev);
	void	(*cancel_writes)(struct kube_source *src);
	void	(*refresh)(struct kube_source *src, kube_refreshed_fn *done,
		    void *arg);
	void	(*lease)(struct kube_source *src, enum lease_do op, const char *ns,
		    const char *name, const struct lease_record *record,
		    kube_lease_fn *done, void *arg);
	int	(*ask)(struct kube_source *src, const char *node, uint16_t port,
		    const char *path, kube_done_fn *done, void *arg);
	unsigned (*pending)(const struct kube_source *src);
};

struct kube_source {
	const struct kube_source_ops *ops;
};

/*
 * The two openers, with the contract of kube_source_open(). conf and what it
 * points at may be gone after the call: copy what is kept. handler is copied
 * too. conf->spec is "dir:PATH" for the one, any other form for the other.
 */
struct kube_source *api_source_open(struct ev_loop *loop,
    const struct kube_source_conf *conf, struct kube_store *store,
    const struct kube_source_handler *handler, struct kube_error *ret_err);
struct kube_source *dir_source_open(struct ev_loop *loop,
    const struct kube_source_conf *conf, struct kube_store *store,
    const struct kube_source_handler *handler, struct kube_error *ret_err);

#endif
