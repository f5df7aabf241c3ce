/*
 * nft_listing.c - see nft_listing.h.
 *
 * The listing is one block a set, map or chain, each opened by a line with one
 * tab and closed by "\t}". Anything that we would not have written ourselves
 * makes the reader give up; the caller then loads the table anew.
 */
#include "ipvs/nft_listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

enum { WORD_MAX = 64 };

static int
slot_by_name(const char *name, size_t len, enum nft_side side)
{
	int slot;

	for (slot = 0; slot < NFT_NSLOTS; slot++) {
		const struct nft_set_def *def = &nft_set_defs[slot / 2];

		if (def->side == side && strlen(def->name) + 1 == len &&
		    strncmp(name, def->name, len - 1) == 0 &&
		    name[len - 1] == (slot % 2 == 0 ? '4' : '6'))
			return slot;
	}
	return -1;
}

/* The next word of *p into buf; false at the end or where it is too long. */
static bool
next_word(const char **p, char buf[WORD_MAX])
{
	size_t len;

	*p += strspn(*p, " \t\n");
	len = strcspn(*p, " \t\n,}");
	if (len == 0 || len >= WORD_MAX)
		return false;
	memcpy(buf, *p, len);
	buf[len] = '\0';
	*p += len;
	return true;
}

static bool
next_is(const char **p, const char *word)
{
	char buf[WORD_MAX];

	return next_word(p, buf) && strcmp(buf, word) == 0;
}

static bool
parse_u32(const char *s, int base, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long v = strtoul(s, &end, base);

	if (end == s || *end != '\0' || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* "0xa000032" to an address: hexadecimal, leading zeros left out. */
static bool
parse_inner(const char *s, int family, struct ip *ret)
{
	struct ip a = { .family = (uint8_t)family };
	size_t i, len, width = ip_len(&a) * 2;
	char digit[2] = { 0 };
	uint32_t v;

	if (strncmp(s, "0x", 2) != 0)
		return false;
	s += 2;
	len = strlen(s);
	if (len == 0 || len > width)
		return false;
	for (i = 0; i < len; i++) {
		size_t at = width - len + i;

		digit[0] = s[i];
		if (strchr("0123456789abcdef", s[i]) == NULL ||
		    !parse_u32(digit, 16, 15, &v))
			return false;
		a.b[at / 2] |= (uint8_t)(at % 2 == 0 ? v << 4 : v);
	}
	*ret = a;
	return true;
}

/* "10.0.0.0/8" or a single address. */
static bool
parse_source(const char *s, struct prefix *ret)
{
	struct ip a;

	if (prefix_parse(s, ret) == 0)
		return true;
	if (ip_parse(s, &a) < 0)
		return false;
	*ret = prefix_of(&a);
	return true;
}

/* "0x00001234 : 10.0.0.50" or "0x00001234 : 53", of which `word` is the first. */
static bool
parse_by_mark(const char **p, const char *word, enum nft_form form, int family,
    struct nft_elem *ret)
{
	struct nft_elem e = { .addr.family = (uint8_t)family };
	char value[WORD_MAX];
	uint32_t v;

	if (!parse_u32(word, 16, UINT32_MAX, &e.mark) || e.mark == 0 ||
	    !next_is(p, ":") || !next_word(p, value))
		return false;
	if (form == NFT_MARK_ADDR) {
		if (ip_parse(value, &e.addr) < 0 || e.addr.family != family)
			return false;
	} else {
		if (!parse_u32(value, 10, UINT16_MAX, &v))
			return false;
		e.port = (uint16_t)v;
	}
	*ret = e;
	return true;
}

static bool
parse_elem(const char **p, enum nft_form form, int family, struct nft_elem *ret)
{
	struct nft_elem e = { 0 };
	char word[WORD_MAX];
	uint32_t v;

	if (!next_word(p, word))
		return false;
	if (form == NFT_INNER)
		return parse_inner(word, family, &ret->addr);
	if (form == NFT_MARK_ADDR || form == NFT_MARK_PORT)
		return parse_by_mark(p, word, form, family, ret);
	if (ip_parse(word, &e.addr) < 0 || e.addr.family != family)
		return false;
	if (form != NFT_ADDR) {
		if (!next_is(p, ".") || !next_word(p, word) ||
		    !parse_u32(word, 10, UINT8_MAX, &v))
			return false;
		e.proto = (uint8_t)v;
		if (!next_is(p, ".") || !next_word(p, word) ||
		    !parse_u32(word, 10, UINT16_MAX, &v))
			return false;
		e.port = (uint16_t)v;
	}
	if (form == NFT_SOURCE && (!next_is(p, ".") || !next_word(p, word) ||
	    !parse_source(word, &e.source) || e.source.addr.family != family))
		return false;
	if (form == NFT_MARK && (!next_is(p, ":") || !next_word(p, word) ||
	    !parse_u32(word, 16, UINT32_MAX, &e.mark)))
		return false;
	*ret = e;
	return true;
}

/* "{ a, b }" of a set that the kernel fills, or of one that changes the digest. */
static void
skip_elems(const char **p)
{
	*p += strcspn(*p, "}");
	*p += **p == '}';
}

/* "{ a, b }" behind "elements ="; *p is left behind the brace. */
static bool
parse_elems(const char **p, int slot, struct nft_state *s)
{
	const struct nft_set_def *def = &nft_set_defs[slot / 2];
	int family = slot % 2 == 0 ? IP_V4 : IP_V6;
	struct nft_elem e;

	*p += strspn(*p, " ");
	if (**p != '{')
		return false;
	do {
		e = (struct nft_elem){ 0 };
		(*p)++;
		if (!parse_elem(p, def->form, family, &e))
			return false;
		nft_state_add(s, (enum nft_set_id)(slot / 2), &e);
		*p += strspn(*p, " \t\n");
	} while (**p == ',');
	if (**p != '}')
		return false;
	(*p)++;
	return true;
}

static uint64_t
marker_value(const char *name, char letter)
{
	char *end;
	uint64_t v;

	if (name[0] != letter || name[1] != '_')
		return 0;
	v = strtoull(name + 2, &end, 16);
	return end > name + 2 && *end == ' ' ? v : 0;
}

/*
 * What one line opens: the slot of a set or map, or a marker chain in *ret. A
 * set that is none of ours changes the digest like any other line.
 */
static int
open_block(const char *line, enum nft_side side, struct nft_listing *ret,
    bool *ret_is_marker)
{
	const char *name;

	*ret_is_marker = false;
	if (strncmp(line, "\tset ", 5) == 0 || strncmp(line, "\tmap ", 5) == 0) {
		name = line + 5;
		return slot_by_name(name, strcspn(name, " \n"), side);
	}
	if (strncmp(line, "\tchain ", 7) == 0) {
		uint64_t v = marker_value(line + 7, 'v');
		uint64_t s = marker_value(line + 7, 's');

		if (v != 0)
			ret->version = v;
		if (s != 0)
			ret->seal = s;
		*ret_is_marker = s != 0;
	}
	return -1;
}

static bool
listing_read(const char *p, enum nft_side side, struct nft_listing *ret)
{
	static const char elements[] = "\t\telements =";
	bool is_marker = false;
	int slot = -1;
	size_t len;

	while (*p != '\0') {
		if (strncmp(p, elements, sizeof(elements) - 1) == 0) {
			p += sizeof(elements) - 1;
			if (slot < 0)
				skip_elems(&p);
			else if (!parse_elems(&p, slot, &ret->state))
				return false;
			continue;
		}
		if (p[0] == '\t' && p[1] != '\t' && p[1] != '}')
			slot = open_block(p, side, ret, &is_marker);
		len = strcspn(p, "\n");
		/* Blank lines stand between blocks: as many as there are blocks. */
		if (len > 0 && !is_marker)
			ret->digest = hash_bytes(p, len, ret->digest);
		if (strncmp(p, "\t}", 2) == 0)
			is_marker = false;
		p += len + (p[len] == '\n');
	}
	return true;
}

int
nft_listing_parse(const char *text, enum nft_side side, struct nft_listing *ret)
{
	struct nft_listing l = { 0 };

	if (!listing_read(text, side, &l)) {
		nft_state_fini(&l.state);
		return -EBADMSG;
	}
	nft_state_sort(&l.state);
	*ret = l;
	return 0;
}
