/*
 * store.h - the current state of the world, one array of objects a kind.
 *
 * Filled by a source, read by reconcile and plan. Objects are held sorted by
 * namespace, then name, so that whoever walks them sees the same order on
 * every node. Pure data, single-threaded.
 *
 * Of an object that was refused there is a stub (see types.h), kept apart; the
 * last version that was good, if this process has seen one, stays in its list
 * and in force. So what was refused is level-triggered as all else is.
 */
#ifndef HERALD_KUBE_STORE_H
#define HERALD_KUBE_STORE_H

#include "kube/types.h"

struct kube_store;

struct kube_store *kube_store_new(void);
void kube_store_free(struct kube_store *s);

/*
 * Put o in, or in place of the object of its kind, namespace and name, which
 * is freed. Takes o over. Returns true where this is news: nothing was there,
 * or it had another resourceVersion (or none). A stub goes among the stubs; an
 * object that is none ends the stub of its name.
 */
bool kube_store_put(struct kube_store *s, struct kube_object *o);

/*
 * Remove and free, stub and last good version; false where there was neither.
 * ns may be NULL.
 */
bool kube_store_delete(struct kube_store *s, enum kube_kind kind,
    const char *ns, const char *name);

/* Remove the stub alone; false where there was none. */
bool kube_store_delete_stub(struct kube_store *s, enum kube_kind kind,
    const char *ns, const char *name);

/* Take the last object of a kind out, for kube_object_free(); NULL: none is left. */
struct kube_object *kube_store_take(struct kube_store *s, enum kube_kind kind);

/* NULL where there is none; valid until the next put or delete of the kind. */
const struct kube_object *kube_store_get(const struct kube_store *s,
    enum kube_kind kind, const char *ns, const char *name);

/* All objects of a kind, sorted; valid until the next put or delete of it. */
struct kube_list {
	struct kube_object *const *items;
	size_t	n;
};
struct kube_list kube_store_list(const struct kube_store *s, enum kube_kind kind);

/* The stubs of a kind, and one of them, likewise. */
struct kube_list kube_store_stubs(const struct kube_store *s, enum kube_kind kind);
const struct kube_object *kube_store_stub(const struct kube_store *s,
    enum kube_kind kind, const char *ns, const char *name);

/* The EndpointSlices of a Service, sorted by name; valid as kube_store_list()'s. */
struct kube_list kube_store_slices(const struct kube_store *s, const char *ns,
    const char *service);

enum { KUBE_TOUCHED_MAX = 64 };

/* Services of which an EndpointSlice has come, changed or gone, each once. */
struct kube_touched {
	struct kube_service_name {
		char *ns, *name;
	} services[KUBE_TOUCHED_MAX];
	size_t	n;
	bool	has_more;		/* than fit: it may be any Service */
};

/* Those since they were last forgotten; valid until the next put or delete. */
const struct kube_touched *kube_store_touched(const struct kube_store *s);
void kube_store_forget_touched(struct kube_store *s);

#endif
