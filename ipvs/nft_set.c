/* nft_set.c - see nft_set.h. */
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

int
nft_elem_cmp(const struct nft_elem *a, const struct nft_elem *b)
{
	int c = elem_key_cmp(a, b);

	if (c == 0)
		c = cmp_u32(a->mark, b->mark);
	if (c == 0)
		c = ip_cmp(&a->addr, &b->addr);
	return c != 0 ? c : cmp_u32(a->port, b->port);
}

static int
elem_item_cmp(const void *a, const void *b)
{
	return nft_elem_cmp(a, b);
}

static int
addr_item_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
has_addrs_only(const struct nft_set *set)
{
	return set->size == sizeof(struct ip);
}

/* Of two items of the set; a whole element may stand for one. */
static int
item_cmp(const struct nft_set *set, const void *a, const void *b)
{
	return has_addrs_only(set) ? ip_cmp(a, b) : nft_elem_cmp(a, b);
}

static void *
item_at(const struct nft_set *set, size_t i)
{
	return (unsigned char *)set->items + i * set->size;
}

const struct ip *
nft_set_addr(const struct nft_set *set, size_t i)
{
	return item_at(set, i);
}

struct nft_elem
nft_set_at(const struct nft_set *set, size_t i)
{
	struct nft_elem e = { 0 };

	_Static_assert(offsetof(struct nft_elem, addr) == 0, "an item begins with it");
	memcpy(&e, item_at(set, i), set->size);
	return e;
}

/* Make room for one more, of that form. */
static void
set_grow(struct nft_set *set, enum nft_form form)
{
	set->size = form == NFT_ADDR || form == NFT_INNER ? sizeof(struct ip) :
	    sizeof(struct nft_elem);
	set->items = mem_grow(set->items, set->n, &set->cap, set->size);
}

void
nft_state_add(struct nft_state *s, enum nft_set_id id, const struct nft_elem *e)
{
	struct nft_set *set = &s->set[id * 2 + (ip_is_v4(&e->addr) ? 0 : 1)];

	set_grow(set, nft_set_defs[id].form);
	memcpy(item_at(set, set->n++), e, set->size);
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

	sort_items(set->items, set->n, set->size,
	    has_addrs_only(set) ? addr_item_cmp : elem_item_cmp);
	for (i = 0; i < set->n; i++) {
		if (n > 0 && (has_addrs_only(set) ?
		    ip_eq(item_at(set, n - 1), item_at(set, i)) :
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
	return set->n > 0 && bsearch(e, set->items, set->n, set->size,
	    has_addrs_only(set) ? addr_item_cmp : elem_item_cmp) != NULL;
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
			if (item_cmp(x, item_at(x, i), item_at(y, i)) != 0)
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

		if (item_cmp(set, item_at(set, mid), e) < 0)
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

	if (at == set->n || item_cmp(set, item_at(set, at), e) != 0)
		return;
	set->n--;
	memmove(item_at(set, at), item_at(set, at + 1), (set->n - at) * set->size);
}

static void
set_insert(struct nft_set *set, enum nft_form form, const struct nft_elem *e)
{
	size_t at = set_find(set, e);

	if (at < set->n && item_cmp(set, item_at(set, at), e) == 0)
		return;
	set_grow(set, form);
	memmove(item_at(set, at + 1), item_at(set, at), (set->n - at) * set->size);
	memcpy(item_at(set, at), e, set->size);
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

static void
write_inner(FILE *out, const struct ip *a)
{
	size_t i;

	fputs("0x", out);
	for (i = 0; i < ip_len(a); i++)
		fprintf(out, "%02x", a->b[i]);
}

static void
write_elem(FILE *out, enum nft_form form, const struct nft_elem *e, bool has_value)
{
	if (form == NFT_INNER) {
		write_inner(out, &e->addr);
		return;
	}
	if (form == NFT_MARK_ADDR || form == NFT_MARK_PORT) {
		fprintf(out, "0x%08x", e->mark);
		if (has_value && form == NFT_MARK_ADDR)
			fprintf(out, " : %s", IP_STR(&e->addr));
		else if (has_value)
			fprintf(out, " : %u", e->port);
		return;
	}
	fputs(IP_STR(&e->addr), out);
	if (form != NFT_ADDR)
		fprintf(out, " . %u . %u", e->proto, e->port);
	if (form == NFT_SOURCE)
		fprintf(out, " . %s", PREFIX_STR(&e->source));
	if (form == NFT_MARK && has_value)
		fprintf(out, " : 0x%08x", e->mark);
}

/* One command over the elements of a that b has not; how many there are. */
static size_t
write_minus(FILE *out, const char *verb, const char *table, size_t slot,
    const struct nft_set *a, const struct nft_set *b)
{
	const struct nft_set_def *def = &nft_set_defs[slot / 2];
	bool is_add = verb[0] == 'a';
	struct nft_elem e;
	size_t i, j = 0, n = 0;
	int c;

	for (i = 0; i < a->n; i++) {
		c = -1;
		while (j < b->n && (c = item_cmp(a, item_at(a, i), item_at(b, j))) > 0)
			j++;
		if (j < b->n && c == 0)
			continue;
		if (n++ == 0)
			fprintf(out, "%s element inet %s %s%d {", verb, table,
			    def->name, slot % 2 == 0 ? 4 : 6);
		fputs(n == 1 ? " " : ", ", out);
		e = nft_set_at(a, i);
		write_elem(out, def->form, &e, is_add);
	}
	if (n > 0)
		fputs(" }\n", out);
	return n;
}

/* What is left of a set behind its first n elements; a view. */
static struct nft_set
set_behind(const struct nft_set *set, size_t n)
{
	return (struct nft_set){ .items = n < set->n ? item_at(set, n) : NULL,
		.size = set->size, .n = set->n - n };
}

/* Is a, of a set, about the same VIP and port, or the same mark, as b? */
static bool
is_of_one(const struct nft_elem *a, const struct nft_elem *b)
{
	struct nft_elem x = *a, y = *b;

	x.source = y.source = (struct prefix){ 0 };
	return elem_key_cmp(&x, &y) == 0;
}

/*
 * Shorten both so that they differ by `most` elements, and those that belong to the last
 * of these. What is in the one alone comes in or goes out.
 */
static void
limit(struct nft_set *want, struct nft_set *have, size_t most)
{
	size_t i = 0, j = 0, ndiffs = 0;
	struct nft_elem last = { 0 }, next;
	int c;

	while (i < want->n || j < have->n) {
		c = i == want->n ? 1 : j == have->n ? -1 :
		    item_cmp(want, item_at(want, i), item_at(have, j));
		next = c <= 0 ? nft_set_at(want, i) : nft_set_at(have, j);
		if (ndiffs >= most && !is_of_one(&next, &last))
			break;
		i += c <= 0;
		j += c >= 0;
		ndiffs += c != 0;
		last = next;
	}
	want->n = i;
	have->n = j;
}

size_t
nft_state_write_diff(FILE *out, const char *table, enum nft_side side,
    const struct nft_state *want, const struct nft_state *have, struct nft_cursor *at,
    size_t most)
{
	size_t n = 0;

	for (; at->nsets < NFT_NSLOTS; at->nsets++, at->nwant = at->nhave = 0) {
		size_t slot = at->is_removal ? NFT_NSLOTS - 1 - at->nsets : at->nsets;
		struct nft_set w = set_behind(&want->set[slot], at->nwant);
		struct nft_set h = set_behind(&have->set[slot], at->nhave);

		if (nft_set_defs[slot / 2].side != side)
			continue;
		limit(&w, &h, most - n);
		n += write_minus(out, "delete", table, slot, &h, &w);
		n += write_minus(out, "add", table, slot, &w, &h);
		at->nwant += w.n;
		at->nhave += h.n;
		if (n >= most)
			break;
	}
	return n;
}

void
nft_state_write_defs(FILE *out, enum nft_side side)
{
	static const char *const types[][2] = {
		[NFT_ADDR] = { "type ipv4_addr", "type ipv6_addr" },
		/* Destination address of an IPv4 (IPv6) header that follows
		   another without options: bits 160 + 128 (320 + 192). */
		[NFT_INNER] = { "typeof @nh,288,32", "typeof @nh,512,128" },
		[NFT_PORT] = { "type ipv4_addr . inet_proto . inet_service",
		    "type ipv6_addr . inet_proto . inet_service" },
		[NFT_SOURCE] = {
		    "type ipv4_addr . inet_proto . inet_service . ipv4_addr",
		    "type ipv6_addr . inet_proto . inet_service . ipv6_addr" },
		[NFT_MARK] = { "type ipv4_addr . inet_proto . inet_service : mark",
		    "type ipv6_addr . inet_proto . inet_service : mark" },
		[NFT_MARK_ADDR] = { "type mark : ipv4_addr", "type mark : ipv6_addr" },
		[NFT_MARK_PORT] = { "type mark : inet_service",
		    "type mark : inet_service" },
	};
	size_t slot;

	for (slot = 0; slot < NFT_NSLOTS; slot++) {
		const struct nft_set_def *def = &nft_set_defs[slot / 2];

		if (def->side != side)
			continue;
		fprintf(out, "\t%s %s%d {\n\t\t%s\n",
		    def->form >= NFT_MARK ? "map" : "set", def->name,
		    slot % 2 == 0 ? 4 : 6, types[def->form][slot % 2]);
		if (def->form == NFT_SOURCE)
			fputs("\t\tflags interval\n", out);
		fputs("\t}\n", out);
	}
}
