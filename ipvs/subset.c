/* subset.c - see subset.h. */
#include "ipvs/subset.h"

#include <stdlib.h>

#include "lib/hash.h"
#include "lib/mem.h"

struct rank {
	uint64_t score;
	size_t	at;			/* index of the endpoint */
	bool	is_chosen;
};

static bool
is_in_table(const struct ipvs_service *s, const struct ipvs_endpoint *ep)
{
	return ep->life != IPVS_GONE &&
	    (!s->is_local_only || ep->reach == IPVS_REACH_LOCAL);
}

static uint64_t
score_of(const struct ipvs_endpoint *ep, uint64_t seed)
{
	const uint8_t tail[3] = { ep->ip.family, (uint8_t)(ep->port >> 8),
		(uint8_t)ep->port };

	return hash_bytes(tail, sizeof(tail), hash_bytes(ep->ip.b, sizeof(ep->ip.b),
	    seed));
}

/* The highest score first. */
static int
score_cmp(const void *va, const void *vb)
{
	const struct rank *a = va, *b = vb;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static int
at_cmp(const void *va, const void *vb)
{
	const struct rank *a = va, *b = vb;

	return a->at < b->at ? -1 : a->at > b->at;
}

/*
 * One that is not ready for a while keeps its place, as it does in a smaller service:
 * only half of the places are kept for those that are.
 */
static void
choose(struct rank *ranks, size_t n, const struct ipvs_endpoint *eps)
{
	size_t nchosen = 0, i;

	for (i = 0; i < n && nchosen < IPVS_MH_MOST / 2; i++) {
		ranks[i].is_chosen = eps[ranks[i].at].weight > 0;
		nchosen += ranks[i].is_chosen;
	}
	for (i = 0; i < n && nchosen < IPVS_MH_MOST; i++) {
		nchosen += !ranks[i].is_chosen;
		ranks[i].is_chosen = true;
	}
}

size_t
ipvs_subset_choose(const struct ipvs_service *s, struct ipvs_endpoint *eps, size_t n)
{
	uint64_t seed = hash_str(s->name, 0);
	size_t nranks = 0, kept = 0, i, k = 0;
	struct rank *ranks;

	if (n <= IPVS_MH_MOST)
		return n;
	ranks = mem_zalloc(n * sizeof(*ranks));
	for (i = 0; i < n; i++)
		if (is_in_table(s, &eps[i]))
			ranks[nranks++] = (struct rank){ score_of(&eps[i], seed), i,
			    false };
	qsort(ranks, nranks, sizeof(*ranks), score_cmp);
	choose(ranks, nranks, eps);
	qsort(ranks, nranks, sizeof(*ranks), at_cmp);
	for (i = 0; i < n; i++) {
		bool is_ranked = k < nranks && ranks[k].at == i;

		if (!is_ranked || ranks[k].is_chosen)
			eps[kept++] = eps[i];
		k += is_ranked;
	}
	free(ranks);
	return kept;
}

size_t
ipvs_subset_size(const struct ipvs_service *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nendpoints; i++)
		n += is_in_table(s, &s->endpoints[i]);
	return n;
}
