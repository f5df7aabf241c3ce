/*
 * decode.h - from the API's JSON to the structs of types.h.
 *
 * Pure: text in, objects out. What is refused is refused as a whole, and the
 * error names the field, its value and the remedy. Text comes from the API
 * server or from a person's file and is trusted in neither case: sizes are
 * capped, nesting is bounded, unknown fields are skipped.
 *
 * Wherever a kind is asked for, KUBE_NKINDS says "by the object's own
 * apiVersion and kind"; another one serves where the object has neither (the
 * items of a List) and is contradicted by none (else -EINVAL).
 */
#ifndef HERALD_KUBE_DECODE_H
#define HERALD_KUBE_DECODE_H

#include <stddef.h>

#include "kube/error.h"
#include "kube/types.h"

#define KUBE_API_GROUP_METALLB "metallb.io"	/* MetalLB's objects, as they are */

enum {
	KUBE_RV_LEN = 128,		/* a resourceVersion, NUL included */
	KUBE_NAME_LEN = 254,		/* a DNS subdomain, NUL included */
	KUBE_TEXT_MAX = 64 << 20,	/* no JSON text longer than this */
};

/* Who an object is; also known of most objects that were refused. */
struct kube_ident {
	enum kube_kind kind;		/* KUBE_NKINDS where unknown */
	char	ns[KUBE_NAME_LEN];	/* "" cluster-scoped or unknown */
	char	name[KUBE_NAME_LEN];	/* "" unknown */
	char	resource_version[KUBE_RV_LEN];	/* "" unknown */
};

/*
 * Decode one object. api_group is the group of IPAddressPool, L2Advertisement,
 * BGPPeer and their like, NULL for "heraldlb.io". Where it is MetalLB's, what
 * MetalLB does by default is the default.
 * Returns 0 and a heap object in *ret_obj for kube_object_free(); -ENOTSUP
 * for a kind Herald does not read; -EPROTONOSUPPORT for one it almost reads
 * (another version, a misspelt kind of our API group); -EINVAL where the
 * object is refused. *ret_obj is untouched on failure; *ret_err is then filled.
 */
int kube_decode(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, struct kube_object **ret_obj,
    struct kube_error *ret_err);

/* What a page of a List says beside its items. */
struct kube_page {
	char	resource_version[KUBE_RV_LEN];
	char	*cont;			/* heap; NULL on the last page */
	long	remaining;		/* remainingItemCount, -1 not given */
	size_t	nitems;
	size_t	nrefused;
};

/*
 * One item of a page. o is the callee's to keep. Where the item was refused it
 * is a stub, or NULL, and *err says why. Even so *id names it as far as it
 * could be read: what the store holds of it should stay.
 */
typedef void kube_item_fn(void *arg, const struct kube_ident *id,
    struct kube_object *o, const struct kube_error *err);

/*
 * Decode a page of a List of `kind`, calling fn for every item in order.
 * Returns 0, or -EINVAL (no JSON, no List, or a List of another kind) with
 * *ret_page untouched and fn never called. Free ret_page->cont.
 */
int kube_decode_list(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, kube_item_fn *fn, void *arg,
    struct kube_page *ret_page, struct kube_error *ret_err);

/* metav1.Status: why the server refused. */
struct kube_status {
	int	code;			/* HTTP status; 0 not given */
	int	retry_after_sec;	/* 0 not given */
	char	reason[64];		/* "Expired", "Conflict", ...; "" none */
	char	message[384];		/* "" none */
};

/* -EINVAL where the text is no Status; *ret untouched. */
int kube_decode_status(const char *json, size_t len, struct kube_status *ret);

enum kube_watch_type {
	KUBE_WATCH_ADDED,
	KUBE_WATCH_MODIFIED,
	KUBE_WATCH_DELETED,
	KUBE_WATCH_BOOKMARK,
	KUBE_WATCH_ERROR,
};

struct kube_watch_event {
	enum kube_watch_type type;
	struct kube_ident id;		/* resource_version: resume from here */
	struct kube_object *object;	/* heap, the receiver's to free; NULL for
					   DELETED, BOOKMARK and ERROR. Where it
					   was refused (see why), a stub or NULL */
	struct kube_error why;		/* "" unless refused */
	struct kube_status status;	/* of an ERROR */
};

/*
 * Decode one event of a watch of `kind`: a whole {"type":..,"object":..}.
 * Returns 0 also where only the object in it was refused, so that the watch
 * goes on behind it; -EINVAL where the text is no watch event at all.
 */
int kube_decode_watch(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, struct kube_watch_event *ret_ev,
    struct kube_error *ret_err);

#endif
