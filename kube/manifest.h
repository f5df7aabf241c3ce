/*
 * manifest.h - the objects in a file of manifests, as `kubectl apply -f` would
 * read them: several documents, List kinds taken apart, namespaces filled in.
 *
 * Pure. Called by the dir source and by heraldctl lint.
 */
#ifndef HERALD_KUBE_MANIFEST_H
#define HERALD_KUBE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/decode.h"

/* A longer file is nobody's manifest. */
enum { KUBE_MANIFEST_MAX = 16 << 20 };

struct kube_manifest_conf {
	const char *api_group;		/* as in decode.h */
	const char *own_ns;		/* where our own resources go that name no
					   namespace; NULL "default", where all
					   others go */
};

struct kube_manifest_item {
	/*
	 * 0: object and json are there. -EINVAL: refused, id as far as it is
	 * known; with id.name "" anything may have been meant; with json there
	 * kube_manifest_stub() makes a stub of it. -ENOTSUP: of a kind Herald
	 * does not read, which is no fault. -EPROTONOSUPPORT: of one that looks
	 * like ours and is not.
	 */
	int	error;
	unsigned line;			/* of the object, or of the fault; from 1 */
	struct kube_ident id;
	struct kube_object *object;
	char	*json;			/* the manifest, less what is never read;
					   NULL where there is no object in it */
	const char *why;		/* "" without error */
};

/* object and json, where not NULL, are the callee's to free. */
typedef void kube_manifest_fn(void *arg, const struct kube_manifest_item *item);

/*
 * Call fn for every object in the text, in order, and for every document that
 * is none. is_json: the text is JSON values one after the other, else YAML.
 */
void kube_manifest_read(const char *text, size_t len, bool is_json,
    const struct kube_manifest_conf *conf, kube_manifest_fn *fn, void *arg);

/*
 * The object of an item's json again (kind is the item's), with what overlay
 * has over it: {"status":...} takes the place of its own, and the annotations
 * of {"metadata":{"annotations":{...}}} are added to its own. NULL: nothing.
 * Returns as kube_decode() does.
 */
int kube_manifest_decode(const char *json, enum kube_kind kind,
    const char *overlay, const struct kube_manifest_conf *conf,
    struct kube_object **ret_obj, struct kube_error *ret_err);

/* Likewise the stub of an object that is refused (types.h), or NULL. Heap. */
struct kube_object *kube_manifest_stub(const char *json, enum kube_kind kind,
    const char *overlay, const struct kube_manifest_conf *conf);

/*
 * What a patch of status or annotations (RFC 7386) makes of the overlay: heap,
 * "" where nothing lies over the manifest any more. NULL where the patch is
 * none, or the object would be refused for it; *ret_err then says why. An
 * annotation of the manifest's own cannot be patched away.
 */
char *kube_manifest_patch(const char *json, enum kube_kind kind,
    const char *overlay, const char *patch,
    const struct kube_manifest_conf *conf, struct kube_error *ret_err);

#endif
