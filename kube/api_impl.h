/*
 * api_impl.h - what the files of the API source share:
 * api_io.c opens it and calls the owner back, api_watch_io.c keeps the store
 * in step kind by kind, api_write_io.c sends patches and Events, api_lease_io.c
 * the one request about the Lease, api_ask_io.c the one question to a node.
 */
#ifndef HERALD_KUBE_API_IMPL_H
#define HERALD_KUBE_API_IMPL_H

#include <ev.h>

#include "kube/api_path.h"
#include "kube/http_io.h"
#include "kube/reflect.h"
#include "kube/source_impl.h"
#include "kube/watch.h"

enum {
	API_PAGE_LIMIT	= 500,
	API_PAGE_MAX	= 64 << 20,	/* bytes of one page */
	API_LIST_SEC	= 120,		/* for one page */
	API_WRITE_SEC	= 30,
	API_WATCH_MIN_SEC = 300,	/* the server ends a watch after this */
	API_WATCH_SPREAD_SEC = 300,	/* and up to so much more */
	API_WATCH_GRACE_SEC = 30,	/* when it does not, we do */
};

/* The names a list has held so far: what else the store has is to go. */
struct api_marks {
	struct arena arena;
	struct api_mark {
		const char *ns;		/* "" cluster-scoped */
		const char *name;
	} *items;
	size_t	n, cap;
};

/* One kind of objects, kept in step. */
struct api_kind {
	struct api *api;
	enum kube_kind kind;
	struct reflect reflect;
	struct watch frames;
	struct http_call *call;		/* the list or watch under way, or NULL */
	ev_timer timer;			/* reflect.deadline */
	char	*cont;			/* continue token of the next page */
	struct api_marks marks;
	bool	is_denied;		/* the server has none, or none for us */
	enum reflect_ev why_cut;	/* set by the stream when it ends itself */
	int64_t	asked_ms;
	bool	is_refreshing;		/* until the next complete list */
	struct kube_error complaint;	/* said last; "" once all is well */
	struct mono complained;
};

struct api_write;

struct api_writes {
	struct api_write *patches;	/* waiting, oldest first */
	struct api_write *events;	/* waiting, oldest first */
	struct api_write *active;	/* sent, or waiting to be sent again */
	unsigned npatches, nevents, nactive;
};

/* The request about the Lease that is under way. */
struct api_lease {
	struct http_call *call;		/* NULL: none */
	enum lease_do op;
	char	*name;			/* "ns/name", for messages */
	bool	is_troubled;		/* the last one got no answer */
	kube_lease_fn *done;
	void	*arg;
};

/* The question to a node that is under way. */
struct api_ask {
	struct http_call *call;		/* NULL: none */
	char	*node;			/* its name, for messages */
	kube_done_fn *done;
	void	*arg;
};

struct api {
	struct kube_source source;
	struct ev_loop *loop;
	struct kube_store *store;
	struct kube_source_handler handler;
	struct http *http;
	struct api_scope scope;		/* strings on the heap */
	char	*component;
	char	*host;			/* this machine's name, for Events */
	char	*origin;		/* kubeconfig and context, for messages */
	unsigned kinds;			/* 1u << kind, those asked for */
	unsigned spare_kinds;		/* those among them that need not be there */
	unsigned dirty;			/* 1u << kind, not yet told */
	bool	is_synced;		/* and told so */
	ev_prepare notify;		/* runs while dirty or newly synced */
	struct api_kind kind[KUBE_NKINDS];
	struct api_writes writes;
	struct api_lease lease;
	struct api_ask ask;
	kube_refreshed_fn *refreshed;	/* NULL: nobody waits for it */
	void	*refreshed_arg;
};

/* api_io.c: something in the store has changed; the owner is told soon. */
void api_mark_dirty(struct api *api, enum kube_kind kind);

/* api_io.c: a list is complete. */
void api_check_synced(struct api *api);

/* api_io.c: count a request; status 0 for none. */
void api_count(const char *verb, int status);

/*
 * api_io.c: why a request failed and what to do about it, from the answer to
 * `verb` ("list", "patch", ...) on `resource` of kind's group. Returns the
 * server's Retry-After in milliseconds, 0 for none.
 */
int64_t api_explain(const struct api *api, enum kube_kind kind, const char *verb,
    const char *subresource, const struct http_answer *ans, struct kube_error *ret);

/* api_watch_io.c */
void api_kind_start(struct api *api, enum kube_kind kind);
void api_kind_stop(struct api_kind *k);

/* List it anew; k->is_refreshing until that is done. */
void api_kind_refresh(struct api_kind *k);

/* api_lease_io.c */
void api_lease(struct api *api, enum lease_do op, const char *ns, const char *name,
    const struct lease_record *record, kube_lease_fn *done, void *arg);
void api_lease_stop(struct api *api);

/* api_ask_io.c */
void api_ask(struct api *api, const char *node, uint16_t port, const char *path,
    kube_done_fn *done, void *arg);
void api_ask_stop(struct api *api);

/* api_write_io.c; subresource is a literal, it is kept */
int api_write_error(const struct http_answer *ans);
void api_write_patch(struct api *api, enum kube_kind kind, const char *ns,
    const char *name, const char *subresource, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg);
void api_write_put(struct api *api, const struct kube_object *o, const char *node_uid,
    kube_done_fn *done, void *arg);
void api_write_delete(struct api *api, enum kube_kind kind, const char *ns,
    const char *name, kube_done_fn *done, void *arg);
void api_write_event(struct api *api, const struct kube_event *ev);
unsigned api_write_pending(const struct api *api);
void api_write_stop(struct api *api);

#endif
