#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/plan_impl.h"

enum { NBITS = 31 };

/* Of a set of patterns, in whatever order; those named twice count once. */
static uint64_t
hash_of(const char *const *names, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		while (strcmp(names[first], names[i]) != 0)
			first++;
		if (first == i)
			sum += hash_str(names[i], 0);
	}
	return sum;
}

static const struct plan_links *
find(const struct plan *p, uint64_t hash)
{
	for (size_t i = 0; i < p->nlinks; i++) {
		if (p->links[i].hash == hash)
			return &p->links[i];
	}
	return NULL;
}

static void
add(struct plan *p, const struct kube_l2_advertisement *adv, uint64_t hash)
{
	const char **names = arena_array(&p->arena, adv->ninterfaces, sizeof(*names));

	for (size_t i = 0; i < adv->ninterfaces; i++)
		names[i] = arena_strdup(&p->arena, adv->interfaces[i]);
	p->links[p->nlinks++] = (struct plan_links){ .hash = hash,
	    .where = { .interfaces = names, .ninterfaces = adv->ninterfaces } };
}

static int
links_cmp(const void *va, const void *vb)
{
	const struct plan_links *a = va, *b = vb;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

void
plan_index_links(struct plan_ctx *ctx, struct plan *ret)
{
	struct kube_list all = kube_store_list(ctx->in->store, KUBE_L2_ADVERTISEMENT);
	uint32_t taken = 0;

	ret->links = arena_array(&ret->arena, all.n, sizeof(*ret->links));
	for (size_t i = 0; i < all.n; i++) {
		const struct kube_l2_advertisement *adv = &all.items[i]->l2adv;
		uint64_t hash = hash_of(adv->interfaces, adv->ninterfaces);

		if (adv->ninterfaces > 0 && find(ret, hash) == NULL)
			add(ret, adv, hash);
	}
	if (ret->nlinks > 0)
		qsort(ret->links, ret->nlinks, sizeof(*ret->links), links_cmp);
	/* By its hash, so that most keep their bit whatever else comes and goes. */
	for (size_t i = 0; i < ret->nlinks; i++) {
		unsigned bit = (unsigned)(ret->links[i].hash % NBITS);

		while (i < NBITS && (taken & UINT32_C(1) << bit) != 0)
			bit = (bit + 1) % NBITS;
		ret->links[i].bit = UINT32_C(1) << bit;
		taken |= ret->links[i].bit;
	}
}

bool
plan_is_lacking(const struct plan *p, const struct kube_l2_advertisement *adv,
    uint32_t lacks)
{
	const struct plan_links *l;

	if (lacks == 0 || adv->ninterfaces == 0)
		return false;
	l = find(p, hash_of(adv->interfaces, adv->ninterfaces));
	return l != NULL && (lacks & l->bit) != 0;
}

uint32_t
plan_lacks(const struct plan *p,
    bool (*has_link)(void *arg, const struct arp_want *where), void *arg)
{
	uint32_t lacks = 0;

	for (size_t i = 0; i < p->nlinks; i++) {
		if (!has_link(arg, &p->links[i].where))
			lacks |= p->links[i].bit;
	}
	return lacks;
}
