/* nft_set.c - the values of nft_set.h; nft_set_text.c has their text. */
#include "ipvs/nft_set.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/sort.h"

const struct nft_set_def nft_set_defs[NFT_NSETS] = {
	[NFT_HOST_VIPS] = { "vips", NFT_HOST, NFT_ADDR },
	[NFT_HOST_INNER] = { "inner", NFT_HOST, NFT_INNER },
	[NFT_HOST_ENDPOINTS] = { "endpoints", NFT_HOST, NFT_ADDR },
	[NFT_HOST_NODES] = { "nodes", NFT_HOST, NFT_ADDR },
	[NFT_HOST_CLIENTS] = { "clients", NFT_HOST, NFT_ADDR },
	[NFT_DIR_VIPS] = { "vips", NFT_DIRECTOR, NFT_ADDR },
	[NFT_DIR_CLIENTS] = { "clients", NFT_DIRECTOR, NFT_ADDR },
	[NFT_DIR_ENDPOINTS] = { "endpoints", NFT_DIRECTOR, NFT_ADDR },
	[NFT_DIR_TRACKED] = { "tracked", NFT_DIRECTOR, NFT_ADDR },
	[NFT_DIR_MASQ] = { "masqueraded", NFT_DIRECTOR, NFT_ADDR },
	[NFT_DIR_MARKS] = { "marks", NFT_DIRECTOR, NFT_MARK },
	[NFT_DIR_FLOWS] = { "flows", NFT_DIRECTOR, NFT_MARK },
	[NFT_DIR_REPLIES] = { "replies", NFT_DIRECTOR, NFT_MARK },
	[NFT_DIR_REPLY_VIPS] = { "reply_vips", NFT_DIRECTOR, NFT_MARK_ADDR },
	[NFT_DIR_REPLY_PORTS] = { "reply_ports", NFT_DIRECTOR, NFT_MARK_PORT },
	[NFT_DIR_RESTRICTED] = { "restricted", NFT_DIRECTOR, NFT_PORT },
	[NFT_DIR_ALLOWED] = { "allowed", NFT_DIRECTOR, NFT_SOURCE },
	[NFT_DIR_EMPTY] = { "empty", NFT_DIRECTOR, NFT_PORT },
	[NFT_DIR_ELSEWHERE] = { "elsewhere", NFT_DIRECTOR, NFT_PORT },
};

static int
cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

/* By what the kernel tells elements apart: everything but the mark, or that alone. */
static int
elem_key_cmp(const struct nft_elem *a, const struct nft_elem *b)
{
	int c;

	if (a->mark != 0 && a->proto == 0)
		return cmp_u32(a->mark, b->mark);
	c = ip_cmp(&a->addr, &b->addr);
	if (c == 0)
		c = cmp_u32(a->proto, b->proto);
	if (c == 0)
		c = cmp_u32(a->port, b->port);
	return c != 0 ? c : prefix_cmp(&a->source, &b->source);
}

static int
elem_item_cmp(const void *va, const void *vb)
{
	const struct nft_elem *a = va, *b = vb;
	int c = elem_key_cmp(a, b);

	if (c == 0)
		c = cmp_u32(a->mark, b->mark);
	if (c == 0)
		c = ip_cmp(&a->addr, &b->addr);
	return c != 0 ? c : cmp_u32(a->port, b->port);
}

enum { V4_LEN = sizeof(struct in_addr), V6_LEN = sizeof(struct in6_addr) };

static int
v4_item_cmp(const void *a, const void *b)
{
	return memcmp(a, b, V4_LEN);
}

static int
v6_item_cmp(const void *a, const void *b)
{
	return memcmp(a, b, V6_LEN);
}

static bool
has_addrs_only(const struct nft_set *set)
{
	return set->size <= V6_LEN;
}

typedef int item_cmp_fn(const void *a, const void *b);

/* The order of the set's items. */
static item_cmp_fn *
item_cmp_of(const struct nft_set *set)
{
	return set->size == V4_LEN ? v4_item_cmp :
	    set->size == V6_LEN ? v6_item_cmp : elem_item_cmp;
}

static int
item_cmp(const struct nft_set *set, const void *a, const void *b)
{
	return item_cmp_of(set)(a, b);
}

/* What the set keeps of e. */
static const void *
item_of(const struct nft_set *set, const struct nft_elem *e)
{
	return has_addrs_only(set) ? (const void *)e->addr.b : e;
}

static void *
item_at(const struct nft_set *set, size_t i)
{
	return (unsigned char *)set->items + i * set->size;
}

struct nft_elem
nft_set_at(const struct nft_set *set, size_t i)
{
	struct nft_elem e = { 0 };

	if (!has_addrs_only(set))
		return *(const struct nft_elem *)item_at(set, i);
	e.addr.family = set->size == V4_LEN ? IP_V4 : IP_V6;
	memcpy(e.addr.b, item_at(set, i), set->size);
	return e;
}

int
nft_set_cmp(const struct nft_set *a, size_t i, const struct nft_set *b, size_t j)
{
	return item_cmp(a, item_at(a, i), item_at(b, j));
}

/* Make room for one more, of that form and family. */
static void
set_grow(struct nft_set *set, enum nft_form form, uint8_t family)
{
	set->size = form != NFT_ADDR && form != NFT_INNER ? sizeof(struct nft_elem) :
	    family == IP_V4 ? V4_LEN : V6_LEN;
	set->items = mem_grow(set->items, set->n, &set->cap, set->size);
}

void
nft_state_add(struct nft_state *s, enum nft_set_id id, const struct nft_elem *e)
{
	struct nft_set *set = &s->set[id * 2 + (ip_is_v4(&e->addr) ? 0 : 1)];

	set_grow(set, nft_set_defs[id].form, e->addr.family);
	memcpy(item_at(set, set->n++), item_of(set, e), set->size);
}

/* True where b says nothing that a, which sorts before it, does not say. */
static bool
elem_covers(const struct nft_elem *a, const struct nft_elem *b)
{
	if (!ip_is_set(&a->source.addr))
		return elem_key_cmp(a, b) == 0;
	if (ip_cmp(&a->addr, &b->addr) != 0 || a->proto != b->proto ||
	    a->port != b->port)
		return false;
	return a->source.len <= b->source.len &&
	    prefix_contains(&a->source, &b->source.addr);
}

/*
 * Sorted, a prefix stands before those within it, and whatever stands between
 * them lies within it, too: so it is enough to look at the last one kept.
 */
static void
set_sort(struct nft_set *set)
{
	size_t i, n = 0;

	sort_items(set->items, set->n, set->size, item_cmp_of(set));
	for (i = 0; i < set->n; i++) {
		if (n > 0 && (has_addrs_only(set) ?
		    item_cmp(set, item_at(set, n - 1), item_at(set, i)) == 0 :
		    elem_covers(item_at(set, n - 1), item_at(set, i))))
			continue;
		memmove(item_at(set, n++), item_at(set, i), set->size);
	}
	set->n = n;
}

void
nft_state_sort(struct nft_state *s)
{
	size_t i;

	for (i = 0; i < NFT_NSLOTS; i++)
		set_sort(&s->set[i]);
}

void
nft_state_fini(struct nft_state *s)
{
	size_t i;

	for (i = 0; i < NFT_NSLOTS; i++)
		free(s->set[i].items);
	*s = (struct nft_state){ 0 };
}

struct nft_state
nft_state_replies(const struct nft_state *s)
{
	static const enum nft_set_id ids[] = { NFT_DIR_REPLIES, NFT_DIR_REPLY_VIPS,
		NFT_DIR_REPLY_PORTS };
	struct nft_state ret = { 0 };
	size_t i;

	for (i = 0; i < nitems(ids) * 2; i++)
		ret.set[ids[i / 2] * 2 + i % 2] = s->set[ids[i / 2] * 2 + i % 2];
	return ret;
}

bool
nft_set_has(const struct nft_set *set, const struct nft_elem *e)
{
	return set->n > 0 && bsearch(item_of(set, e), set->items, set->n, set->size,
	    item_cmp_of(set)) != NULL;
}

bool
nft_state_is_equal(const struct nft_state *a, const struct nft_state *b,
    enum nft_side side)
{
	size_t slot, i;

	for (slot = 0; slot < NFT_NSLOTS; slot++) {
		const struct nft_set *x = &a->set[slot], *y = &b->set[slot];

		if (nft_set_defs[slot / 2].side != side)
			continue;
		if (x->n != y->n)
			return false;
		for (i = 0; i < x->n; i++)
			if (nft_set_cmp(x, i, y, i) != 0)
				return false;
	}
	return true;
}

static void
set_union(const struct nft_set *want, const struct nft_set *have, enum nft_set_id id,
    struct nft_state *ret)
{
	struct nft_elem w, h;
	size_t i, j = 0;
	int c;

	for (i = 0; i < want->n; i++) {
		w = nft_set_at(want, i);
		nft_state_add(ret, id, &w);
	}
	for (i = 0; i < have->n; i++) {
		h = nft_set_at(have, i);
		for (c = -1; j < want->n; j++) {
			w = nft_set_at(want, j);
			if ((c = elem_key_cmp(&w, &h)) >= 0)
				break;
		}
		if (j == want->n || c != 0)
			nft_state_add(ret, id, &h);
	}
}

void
nft_state_union(const struct nft_state *want, const struct nft_state *have,
    enum nft_side side, struct nft_state *ret)
{
	size_t slot;

	for (slot = 0; slot < NFT_NSLOTS; slot++)
		if (nft_set_defs[slot / 2].side == side)
			set_union(&want->set[slot], &have->set[slot],
			    (enum nft_set_id)(slot / 2), ret);
	nft_state_sort(ret);
}

void
nft_state_take(struct nft_state *to, enum nft_side side, struct nft_state *from)
{
	size_t slot;

	for (slot = 0; slot < NFT_NSLOTS; slot++) {
		if (nft_set_defs[slot / 2].side != side)
			continue;
		free(to->set[slot].items);
		to->set[slot] = from->set[slot];
		from->set[slot] = (struct nft_set){ 0 };
	}
}

/* The first element that does not sort before e. */
static size_t
set_find(const struct nft_set *set, const struct nft_elem *e)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (item_cmp(set, item_at(set, mid), item_of(set, e)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
set_remove(struct nft_set *set, const struct nft_elem *e)
{
	size_t at = set_find(set, e);

	if (at == set->n || item_cmp(set, item_at(set, at), item_of(set, e)) != 0)
		return;
	set->n--;
	memmove(item_at(set, at), item_at(set, at + 1), (set->n - at) * set->size);
}

static void
set_insert(struct nft_set *set, enum nft_form form, const struct nft_elem *e)
{
	size_t at = set_find(set, e);

	if (at < set->n && item_cmp(set, item_at(set, at), item_of(set, e)) == 0)
		return;
	set_grow(set, form, e->addr.family);
	memmove(item_at(set, at + 1), item_at(set, at), (set->n - at) * set->size);
	memcpy(item_at(set, at), item_of(set, e), set->size);
	set->n++;
}

static void
set_patch(struct nft_set *s, enum nft_form form, const struct nft_set *was,
    const struct nft_set *is)
{
	struct nft_elem e;
	size_t i;

	for (i = 0; i < was->n; i++) {
		e = nft_set_at(was, i);
		if (!nft_set_has(is, &e))
			set_remove(s, &e);
	}
	for (i = 0; i < is->n; i++) {
		e = nft_set_at(is, i);
		set_insert(s, form, &e);
	}
}

void
nft_state_patch(struct nft_state *s, enum nft_side side, const struct nft_state *was,
    const struct nft_state *is)
{
	size_t slot;

	for (slot = 0; slot < NFT_NSLOTS; slot++)
		if (nft_set_defs[slot / 2].side == side)
			set_patch(&s->set[slot], nft_set_defs[slot / 2].form,
			    &was->set[slot], &is->set[slot]);
}
