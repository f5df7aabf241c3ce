/*
 * slices.h - the store's EndpointSlices by Service, for store.c alone.
 *
 * A Service's slices may have any names, so what is sorted by name does not find
 * them; and whose slices have changed is what a plan has to know to look at no
 * others.
 */
#ifndef HERALD_KUBE_SLICES_H
#define HERALD_KUBE_SLICES_H

#include "kube/store.h"

struct slices {
	struct kube_object **items;	/* sorted by namespace, Service, name */
	size_t	n;
	size_t	cap;
	struct kube_touched touched;
};

/* One that is put, in or out of its place. A slice of no Service is no matter. */
void slices_add(struct slices *x, struct kube_object *slice);
void slices_remove(struct slices *x, const struct kube_object *slice);

/* Note that its Service's endpoints are others now. */
void slices_touch(struct slices *x, const struct kube_object *slice);
void slices_forget_touched(struct slices *x);

/* Those of one Service; valid until the next change. */
struct kube_list slices_of(const struct slices *x, const char *ns,
    const char *service);

void slices_fini(struct slices *x);

#endif
