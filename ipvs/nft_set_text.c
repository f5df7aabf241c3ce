/* nft_set_text.c - the text of nft_set.h: what libnftables is told of sets. */
#include "ipvs/nft_set.h"

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
		while (j < b->n && (c = nft_set_cmp(a, i, b, j)) > 0)
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
	return (struct nft_set){ .size = set->size, .n = set->n - n,
		.items = n < set->n ? (unsigned char *)set->items + n * set->size : NULL };
}

/* Are these two, of one set, about the same VIP and port, or the same mark? */
static bool
are_of_one(const struct nft_elem *a, const struct nft_elem *b)
{
	if (a->mark != 0 && a->proto == 0)
		return a->mark == b->mark;
	return ip_eq(&a->addr, &b->addr) && a->proto == b->proto && a->port == b->port;
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
		    nft_set_cmp(want, i, have, j);
		next = c <= 0 ? nft_set_at(want, i) : nft_set_at(have, j);
		if (ndiffs >= most && !are_of_one(&next, &last))
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
