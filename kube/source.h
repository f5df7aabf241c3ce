/*
 * source.h - where objects come from and status goes: the Kubernetes API, or
 * a directory of manifests. The two daemons and heraldctl see only this.
 *
 * A source fills a kube_store and says when it has changed. It reconnects,
 * resumes and relists by itself, for ever, with back-off; nothing it meets
 * after kube_source_open() ends it.
 */
#ifndef HERALD_KUBE_SOURCE_H
#define HERALD_KUBE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/error.h"
#include "kube/lease.h"
#include "kube/store.h"

struct ev_loop;
struct kube_source;

struct kube_source_conf {
	/*
	 * "dir:PATH": manifests under PATH. "in-cluster": the pod's service
	 * account. "kubeconfig:PATH", or "kubeconfig:" for $KUBECONFIG and then
	 * ~/.kube/config. NULL: in-cluster where its environment is there,
	 * else "kubeconfig:".
	 */
	const char *spec;
	unsigned kinds;			/* 1u << KUBE_SERVICE | ... */
	/*
	 * Those among them to do without where the server has no such resource
	 * or does not let us read it: `synced` does not wait for them.
	 */
	unsigned spare_kinds;
	/*
	 * Of a directory: `synced` waits until every file could be read once. Until
	 * then one may hold what addresses have been given to, or from.
	 */
	bool	needs_all;
	const char *node_name;		/* Pods and reports: only this node's; NULL
					   all */
	unsigned wide_kinds;		/* reports of all nodes nevertheless */
	const char *ns;			/* of our custom resources and Secrets */
	const char *api_group;		/* NULL: "heraldlb.io" */
	const char *component;		/* Events' source and the user agent */
	const char *kube_context;	/* of the kubeconfig; NULL: its current */
};

/* All callbacks run from the event loop, never from inside a call. */
struct kube_source_handler {
	/* Something of that kind changed in the store. */
	void	(*changed)(void *arg, enum kube_kind kind);
	/* Every kind asked for has been listed once; from now on the store is
	   the whole world. Called once. */
	void	(*synced)(void *arg);
	void	*arg;
};

/*
 * Connect s to the source and begin. store and loop outlive the source.
 * Returns NULL and fills *ret_err where the configuration itself is unusable
 * (no such directory, no kubeconfig, a bad certificate file).
 */
struct kube_source *kube_source_open(struct ev_loop *loop,
    const struct kube_source_conf *conf, struct kube_store *store,
    const struct kube_source_handler *handler, struct kube_error *ret_err);

/* Cancels what is under way (its `done` callbacks are not called) and frees. */
void kube_source_close(struct kube_source *src);

bool kube_source_is_synced(const struct kube_source *src);

/*
 * The outcome of a write: 0; -ENOENT (object gone), -EEXIST and -ESTALE (409,
 * someone else was first), -EACCES (401, 403), -EINVAL (400, 422), -EIO (all
 * else, after retries). text is the server's message.
 */
typedef void kube_done_fn(void *arg, int error, const char *text);

/*
 * Merge-patch the status subresource of an object: body is the whole patch,
 * {"status":{...}}. A resource_version (or NULL) makes it conditional: -ESTALE
 * where the object has changed since. The status of a Service in a dir source
 * is merged over the manifest's and so comes back through the store.
 */
void kube_source_patch_status(struct kube_source *src, enum kube_kind kind,
    const char *ns, const char *name, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg);

/*
 * Merge-patch an object itself, else the same. In a dir source only annotations
 * can be patched; they are kept beside the manifest, and those of its own stay.
 */
void kube_source_patch(struct kube_source *src, enum kube_kind kind,
    const char *ns, const char *name, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg);

/*
 * Make it so that o, of a kind that speakers write (report.h), is there and its
 * status is o's, whatever is there now. It belongs to o's Node, which has that uid
 * (NULL: to nobody). o is read during the call only.
 */
void kube_source_put(struct kube_source *src, const struct kube_object *o,
    const char *node_uid, kube_done_fn *done, void *arg);

/* Make it so that no such report is there; 0 also where none was. */
void kube_source_delete(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, kube_done_fn *done, void *arg);

/*
 * Has this kind been listed? Of one among spare_kinds it may never be: there is
 * no telling then what the server has of it.
 */
bool kube_source_has_listed(const struct kube_source *src, enum kube_kind kind);

struct kube_event {
	enum kube_kind kind;		/* of the object it is about */
	const char *ns, *name, *uid;
	bool	is_warning;
	const char *reason;		/* "IPAllocated" */
	const char *message;
};

/*
 * Record an Event; best effort, failures are logged and forgotten. Events go
 * after status patches.
 */
void kube_source_event(struct kube_source *src, const struct kube_event *ev);

/*
 * Forget every write and Event that waits or is under way; their done() is not
 * called. What has been sent already may come about all the same.
 */
void kube_source_cancel_writes(struct kube_source *src);

typedef void kube_refreshed_fn(void *arg);

/*
 * Read everything anew from where it is kept, past every cache. done() once
 * the store is at least as new as the moment of this call, however far behind
 * the watch was; it goes on retrying till then. A second call takes the place
 * of the first. The store is not emptied meanwhile.
 */
void kube_source_refresh(struct kube_source *src, kube_refreshed_fn *done,
    void *arg);

/*
 * The outcome of kube_source_lease(): 0 and the Lease as it is kept now;
 * -ENOENT, -EEXIST, -ESTALE as above; -EACCES, -EINVAL; -EIO for all else,
 * and then a write may have been done or not. record is NULL unless 0.
 */
typedef void kube_lease_fn(void *arg, int error, const char *text,
    const struct lease_record *record);

/*
 * Get, create or update the Lease ns/name; record is what to write, an UPDATE
 * is conditional on its resource_version. One at a time. It goes before all
 * other writes and is tried once, for KUBE_LEASE_SEC at most: whoever asks
 * (lease.h) tries again.
 */
enum { KUBE_LEASE_SEC = 5 };
void kube_source_lease(struct kube_source *src, enum lease_do op, const char *ns,
    const char *name, const struct lease_record *record, kube_lease_fn *done,
    void *arg);

/*
 * GET what the HTTP server at that port of a node has under path, by way of the
 * API server, so that nobody but that need be reachable from here. done() gets
 * the body in text, or the reason. One at a time, and tried once. Returns
 * -ENOTSUP where the source has no such way (a directory); done() is not called
 * then.
 */
enum { KUBE_ASK_SEC = 5 };
int kube_source_ask(struct kube_source *src, const char *node, uint16_t port,
    const char *path, kube_done_fn *done, void *arg);

/* Requests under way or queued, for back-pressure and tests. */
unsigned kube_source_pending(const struct kube_source *src);

#endif
