#include <stdbool.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/elect.h"

enum { NONE = UINT32_MAX };

/* Shares are counted in parts of 2^32, so that all machines round alike. */
static const uint64_t one = UINT64_C(1) << 32;

struct elect_node {
	uint64_t hash;			/* of the name */
	uint64_t share;			/* fair share, in parts of `one` */
	uint64_t room;			/* VIPs it may take yet */
	uint32_t held;			/* a list of VIPs it has taken, or NONE */
};

struct elect {
	struct elect_vip *vips;
	const char *const *names;
	struct elect_node *nodes;
	uint64_t *hashes;		/* of the VIPs */
	uint32_t *next;			/* after a VIP in its owner's list */
};

/* The finalizer of splitmix64: every bit of either changes half of the result. */
static uint64_t
score(const struct elect *e, uint32_t vip, uint32_t node)
{
	uint64_t x = e->hashes[vip] +
	    e->nodes[node].hash * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Equal scores are next to impossible; the name settles them, then the VIP. */
static bool
prefers(const struct elect *e, uint32_t vip, uint32_t a, uint32_t b)
{
	uint64_t sa = score(e, vip, a), sb = score(e, vip, b);

	return sa != sb ? sa > sb : strcmp(e->names[a], e->names[b]) < 0;
}

static bool
is_weaker(const struct elect *e, uint32_t node, uint32_t a, uint32_t b)
{
	uint64_t sa = score(e, a, node), sb = score(e, b, node);

	return sa != sb ? sa < sb : ip_cmp(&e->vips[a].vip, &e->vips[b].vip) > 0;
}

/* The candidate the VIP likes best, of those below `than`; NONE: of all. */
static uint32_t
best_below(const struct elect *e, uint32_t vip, uint32_t than)
{
	const struct elect_vip *v = &e->vips[vip];
	uint32_t best = NONE;

	for (size_t i = 0; i < v->ncandidates; i++) {
		uint32_t c = v->candidates[i];

		if ((than == NONE || prefers(e, vip, than, c)) &&
		    (best == NONE || prefers(e, vip, c, best)))
			best = c;
	}
	return best;
}

static void
take(struct elect *e, uint32_t node, uint32_t vip)
{
	e->vips[vip].owner = node;
	e->next[vip] = e->nodes[node].held;
	e->nodes[node].held = vip;
}

/* The link to the VIP the node would give up first; NULL where it holds none. */
static uint32_t *
weakest(const struct elect *e, uint32_t node)
{
	uint32_t *ret = NULL;

	for (uint32_t *p = &e->nodes[node].held; *p != NONE; p = &e->next[*p]) {
		if (ret == NULL || is_weaker(e, node, *p, *ret))
			ret = p;
	}
	return ret;
}

/*
 * Find the VIP a place, in turn for whichever VIP it displaces (Gale and
 * Shapley's deferred acceptance, whose outcome no order of calls can change).
 */
static void
place(struct elect *e, uint32_t vip)
{
	uint32_t node = best_below(e, vip, NONE);

	while (node != NONE) {
		uint32_t *weak;

		if (e->nodes[node].room > 0) {
			e->nodes[node].room--;
			take(e, node, vip);
			return;
		}
		weak = weakest(e, node);
		if (weak != NULL && is_weaker(e, node, *weak, vip)) {
			uint32_t out = *weak;

			*weak = e->next[out];
			take(e, node, vip);
			vip = out;
		}
		node = best_below(e, vip, node);
	}
	/* It counts for nobody's room, and so moves no other VIP. */
	e->vips[vip].owner = best_below(e, vip, NONE);
}

/* How much each node may hold. */
static void
make_room(struct elect *e, size_t nvips, size_t nnames)
{
	for (size_t i = 0; i < nvips; i++) {
		const struct elect_vip *v = &e->vips[i];

		for (size_t j = 0; j < v->ncandidates; j++)
			e->nodes[v->candidates[j]].share += one / v->ncandidates;
	}
	for (size_t i = 0; i < nnames; i++) {
		struct elect_node *n = &e->nodes[i];

		n->room = (n->share + n->share / 4 + one - 1) / one;
	}
}

void
elect_owners(struct elect_vip *vips, size_t nvips, const char *const *names,
    size_t nnames, struct arena *scratch)
{
	struct elect e = {
		.vips = vips,
		.names = names,
		.nodes = arena_array(scratch, nnames, sizeof(*e.nodes)),
		.hashes = arena_array(scratch, nvips, sizeof(*e.hashes)),
		.next = arena_array(scratch, nvips, sizeof(*e.next)),
	};

	for (size_t i = 0; i < nnames; i++) {
		e.nodes[i].hash = hash_str(names[i], 0);
		e.nodes[i].held = NONE;
	}
	make_room(&e, nvips, nnames);
	/* Those that have no choice first: nobody may take their place. */
	for (size_t i = 0; i < nvips; i++) {
		e.hashes[i] = hash_bytes(vips[i].vip.b, ip_len(&vips[i].vip), 0);
		if (!vips[i].is_kept)
			vips[i].owner = vips[i].ncandidates == 1 ?
			    vips[i].candidates[0] : ELECT_NOBODY;
		if (vips[i].owner != ELECT_NOBODY && e.nodes[vips[i].owner].room > 0)
			e.nodes[vips[i].owner].room--;
	}
	for (size_t i = 0; i < nvips; i++) {
		if (vips[i].ncandidates > 1 && !vips[i].is_kept)
			place(&e, (uint32_t)i);
	}
}
