/* goal_update.c - see goal.h: what a change of a few services makes of the goal. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/goal.h"
#include "ipvs/tier2.h"
#include "lib/mem.h"

static int
cmp_ip(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

struct ip_list {
	struct ip *ips;			/* sorted */
	size_t	n, cap;
};

static bool
list_has(const struct ip_list *l, const struct ip *a)
{
	return l->n > 0 && bsearch(a, l->ips, l->n, sizeof(*a), cmp_ip) != NULL;
}

/* The addresses that sets lose to which several services may contribute them. */
static struct ip_list
addrs_let_go(const struct nft_state *was, const struct nft_state *is)
{
	static const enum nft_set_id shared[] = { NFT_HOST_ENDPOINTS,
		NFT_DIR_ENDPOINTS, NFT_DIR_MASQ, NFT_DIR_TRACKED };
	struct ip_list l = { NULL, 0, 0 };
	size_t i, j;

	for (i = 0; i < nitems(shared) * 2; i++) {
		size_t slot = shared[i / 2] * 2 + i % 2;
		const struct nft_set *old = &was->set[slot];

		for (j = 0; j < old->n; j++) {
			struct nft_elem e = nft_set_at(old, j);

			if (nft_set_has(&is->set[slot], &e))
				continue;
			l.ips = mem_grow(l.ips, l.n, &l.cap, sizeof(l.ips[0]));
			l.ips[l.n++] = e.addr;
		}
	}
	if (l.n > 1)
		qsort(l.ips, l.n, sizeof(l.ips[0]), cmp_ip);
	return l;
}

static bool
has_any(const struct ipvs_service *s, const struct ip_list *l)
{
	size_t i;

	for (i = 0; i < s->nendpoints; i++)
		if (list_has(l, &s->endpoints[i].ip))
			return true;
	return list_has(l, &s->vip);
}

static bool
is_updated(const struct director_update *updates, size_t n,
    const struct ipvs_service *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ipvs_service_cmp(updates[i].is, s) == 0)
			return true;
	return false;
}

static size_t
index_of(const struct director_want *want, const struct ipvs_service *s)
{
	const struct ipvs_service *at = bsearch(s, want->services, want->nservices,
	    sizeof(*s), ipvs_service_cmp);

	assert(at != NULL);
	return (size_t)(at - want->services);
}

/* Those of all services hang together, and few services need any. */
struct marks {
	const struct director_want *want;
	struct tier2_marks *marks;	/* NULL until some are asked for */
};

/* Those of the want's service at `at`, which s is or was. */
static const struct tier2_marks *
marks_of(struct marks *m, const struct ipvs_service *s, size_t at)
{
	static const struct tier2_marks none;

	if (!goal_needs_marks(s))
		return &none;
	if (m->marks == NULL) {
		m->marks = mem_zalloc(m->want->nservices * sizeof(m->marks[0]));
		tier2_marks(m->want->services, m->want->nservices, m->marks);
	}
	return &m->marks[at];
}

static void
patch_sets(struct nft_state *s, const struct nft_state *was, const struct nft_state *is)
{
	nft_state_patch(s, NFT_HOST, was, is);
	nft_state_patch(s, NFT_DIRECTOR, was, is);
}

/*
 * An endpoint may serve several Services, and a VIP have several ports: what one
 * lets go, another may hold. What those contribute goes into both, and so stays.
 */
static void
keep_shared(struct marks *marks, const struct director_update *updates, size_t n,
    struct nft_state *was, struct nft_state *is)
{
	const struct director_want *want = marks->want;
	struct ip_list gone = addrs_let_go(was, is);
	struct nft_state held = { 0 };
	size_t i;

	for (i = 0; gone.n > 0 && i < want->nservices; i++) {
		const struct ipvs_service *s = &want->services[i];

		if (has_any(s, &gone) && !is_updated(updates, n, s))
			goal_add_sets(&held, s, marks_of(marks, s, i));
	}
	nft_state_sort(&held);
	patch_sets(was, &held, &held);
	patch_sets(is, &held, &held);
	nft_state_fini(&held);
	free(gone.ips);
}

void
goal_build_update(const struct director_want *want,
    const struct director_update *updates, size_t n, struct goal *ret_was,
    struct goal *ret_is)
{
	struct marks marks = { .want = want };
	size_t i;

	for (i = 0; i < n; i++) {
		const struct ipvs_service *was = updates[i].was, *is = updates[i].is;
		size_t at = index_of(want, is);

		goal_add(ret_was, was, marks_of(&marks, was, at));
		goal_add(ret_is, is, marks_of(&marks, is, at));
	}
	goal_sort(ret_was);
	goal_sort(ret_is);
	keep_shared(&marks, updates, n, &ret_was->nft, &ret_is->nft);
	free(marks.marks);
}

static void
put_copy(struct ipvs_table *t, const struct ipvs_vs *vs)
{
	struct ipvs_vs copy = *vs;

	copy.name = arena_strdup(&t->arena, vs->name);
	copy.rs = arena_array(&t->arena, vs->nrs, sizeof(copy.rs[0]));
	memcpy(copy.rs, vs->rs, vs->nrs * sizeof(copy.rs[0]));
	ipvs_table_put(t, &copy);
}

void
goal_patch(struct goal *g, const struct goal *was, const struct goal *is)
{
	size_t i;

	for (i = 0; i < was->table.n; i++)
		if (ipvs_table_find(&is->table, &was->table.vs[i].key) == NULL)
			ipvs_table_remove(&g->table, &was->table.vs[i].key);
	for (i = 0; i < is->table.n; i++)
		put_copy(&g->table, &is->table.vs[i]);
	patch_sets(&g->nft, &was->nft, &is->nft);
}
