/* goal_update.c - see goal.h: what a change of a few services makes of the goal. */
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
			if (nft_set_has(&is->set[slot], &old->elem[j]))
				continue;
			l.ips = mem_grow(l.ips, l.n, &l.cap, sizeof(l.ips[0]));
			l.ips[l.n++] = old->elem[j].addr;
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
		if (updates[i].is == s)
			return true;
	return false;
}

/*
 * An endpoint may serve several Services, and a VIP have several ports: what one
 * lets go, another may hold. What those contribute goes into both, and so stays.
 */
static void
keep_shared(const struct director_want *want, const uint32_t *marks,
    const struct director_update *updates, size_t n, struct nft_state *was,
    struct nft_state *is)
{
	struct ip_list gone = addrs_let_go(was, is);
	struct nft_state held = { 0 };
	size_t i;

	for (i = 0; gone.n > 0 && i < want->nservices; i++)
		if (has_any(&want->services[i], &gone) &&
		    !is_updated(updates, n, &want->services[i]))
			goal_add_sets(&held, &want->services[i], marks[i]);
	nft_state_sort(&held);
	nft_state_patch(was, &held, &held);
	nft_state_patch(is, &held, &held);
	nft_state_fini(&held);
	free(gone.ips);
}

void
goal_build_update(const struct director_want *want,
    const struct director_update *updates, size_t n, struct goal *ret_was,
    struct goal *ret_is)
{
	uint32_t *marks = mem_zalloc((want->nservices + 1) * sizeof(marks[0]));
	size_t i;

	tier2_marks(want->services, want->nservices, marks);
	for (i = 0; i < n; i++) {
		uint32_t mark = marks[updates[i].is - want->services];

		goal_add(ret_was, updates[i].was, mark);
		goal_add(ret_is, updates[i].is, mark);
	}
	goal_sort(ret_was);
	goal_sort(ret_is);
	keep_shared(want, marks, updates, n, &ret_was->nft, &ret_is->nft);
	free(marks);
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
	nft_state_patch(&g->nft, &was->nft, &is->nft);
}
