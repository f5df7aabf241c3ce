/* slices.c - see slices.h. */
#include <stdlib.h>
#include <string.h>

#include "kube/slices.h"
#include "lib/mem.h"

/* name NULL: before all of the Service's. */
static int
slice_cmp(const struct kube_object *o, const char *ns, const char *service,
    const char *name)
{
	int c = strcmp(o->meta.ns, ns);

	if (c == 0)
		c = strcmp(o->slice.service, service);
	if (c == 0)
		c = name == NULL ? 1 : strcmp(o->meta.name, name);
	return c;
}

/* The first that does not sort before that name. */
static size_t
find(const struct slices *x, const char *ns, const char *service, const char *name)
{
	size_t lo = 0, hi = x->n;

	/* A list from the API comes in order. */
	if (hi > 0 && slice_cmp(x->items[hi - 1], ns, service, name) < 0)
		return hi;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(x->items[mid], ns, service, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
slices_add(struct slices *x, struct kube_object *slice)
{
	size_t at;

	if (slice->slice.service == NULL)
		return;
	at = find(x, slice->meta.ns, slice->slice.service, slice->meta.name);
	x->items = mem_grow(x->items, x->n, &x->cap, sizeof(x->items[0]));
	memmove(&x->items[at + 1], &x->items[at], (x->n - at) * sizeof(x->items[0]));
	x->items[at] = slice;
	x->n++;
}

void
slices_remove(struct slices *x, const struct kube_object *slice)
{
	size_t at;

	if (slice->slice.service == NULL)
		return;
	at = find(x, slice->meta.ns, slice->slice.service, slice->meta.name);
	x->n--;
	memmove(&x->items[at], &x->items[at + 1], (x->n - at) * sizeof(x->items[0]));
}

struct kube_list
slices_of(const struct slices *x, const char *ns, const char *service)
{
	size_t from = find(x, ns, service, NULL), n = 0;

	while (from + n < x->n && strcmp(x->items[from + n]->meta.ns, ns) == 0 &&
	    strcmp(x->items[from + n]->slice.service, service) == 0)
		n++;
	return (struct kube_list){ x->items + from, n };
}

void
slices_touch(struct slices *x, const struct kube_object *slice)
{
	struct kube_touched *t = &x->touched;
	const char *ns = slice->meta.ns, *service = slice->slice.service;

	if (service == NULL || t->has_more)
		return;
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->services[i].ns, ns) == 0 &&
		    strcmp(t->services[i].name, service) == 0)
			return;
	}
	if (t->n == KUBE_TOUCHED_MAX) {
		t->has_more = true;
		return;
	}
	t->services[t->n].ns = mem_strdup(ns);
	t->services[t->n++].name = mem_strdup(service);
}

void
slices_forget_touched(struct slices *x)
{
	for (size_t i = 0; i < x->touched.n; i++) {
		free(x->touched.services[i].ns);
		free(x->touched.services[i].name);
	}
	x->touched.n = 0;
	x->touched.has_more = false;
}

void
slices_fini(struct slices *x)
{
	slices_forget_touched(x);
	free(x->items);
}
