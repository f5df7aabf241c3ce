/*
 * update_check.c - RFC 7606, section by section.
 *
 * One table says what each attribute must look like and what to do where it
 * does not; the two multiprotocol attributes, which carry prefixes, have
 * functions of their own.
 */
#include <errno.h>
#include <string.h>

#include "bgp/update_check.h"
#include "lib/mem.h"

enum {
	OPTIONAL	= 0x80,
	TRANSITIVE	= 0x40,
	EXTENDED	= 0x10,
};

/* One UPDATE being judged. */
struct check {
	const struct bgp_session *s;
	struct bgp_update_seen seen;
	struct bgp_error *err;
	uint8_t	have[256 / 8];		/* attribute types met */
	unsigned nattrs;
	int	unreach_family;		/* of MP_UNREACH_NLRI; -1 none or not known */
	bool	has_reach;		/* any reachable prefix, known family or not */
};

static void
blame(struct check *c, enum bgp_update_verdict verdict, unsigned type)
{
	if (verdict <= c->seen.verdict)
		return;
	c->seen.verdict = verdict;
	c->seen.attr = (uint8_t)type;
}

static bool
has(const struct check *c, unsigned type)
{
	return c->have[type / 8] & 1u << type % 8;
}

static int
reset(struct check *c, enum bgp_update_error subcode, const void *data, size_t len)
{
	return bgp_error_set(c->err, BGP_ERR_UPDATE, subcode, data, len);
}

/* Count prefixes; false where a length is impossible or the last is cut off. */
static bool
count_prefixes(struct wire_in *w, unsigned max_len, unsigned *count)
{
	while (w->left > 0) {
		unsigned len = wire_get_u8(w);

		if (len > max_len || wire_get(w, (len + 7u) / 8) == NULL)
			return false;
		(*count)++;
	}
	return true;
}

/* 7.2: whole segments of known kinds, none empty. */
static bool
is_as_path_sound(struct wire_in v, unsigned as_size)
{
	while (v.left > 0) {
		unsigned kind = wire_get_u8(&v);
		unsigned n = wire_get_u8(&v);

		/* AS_SET, AS_SEQUENCE, and the two of confederations (RFC 5065). */
		if (kind < 1 || kind > 4 || n == 0)
			return false;
		wire_get(&v, (size_t)n * as_size);
		if (v.is_bad)
			return false;
	}
	return !v.is_bad;
}

enum shape { EXACT, MULTIPLE, PATH, ANY };

/* Section 7. Flags are Optional and Transitive as they must be. */
static const struct rule {
	uint8_t	type, flags;
	enum shape shape;
	uint8_t	size;			/* exact, or what the length is a multiple of */
	enum bgp_update_verdict verdict; /* on a wrong length or value */
	bool	is_internal_only;	/* from an external peer: discard, unread */
} rules[] = {
	{ BGP_ATTR_ORIGIN, TRANSITIVE, EXACT, 1, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_AS_PATH, TRANSITIVE, PATH, 0, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_NEXT_HOP, TRANSITIVE, EXACT, 4, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_MED, OPTIONAL, EXACT, 4, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_LOCAL_PREF, TRANSITIVE, EXACT, 4, BGP_UPDATE_WITHDRAW, true },
	{ BGP_ATTR_ATOMIC_AGGREGATE, TRANSITIVE, EXACT, 0, BGP_UPDATE_DISCARD, false },
	{ BGP_ATTR_AGGREGATOR, OPTIONAL | TRANSITIVE, EXACT, 8, BGP_UPDATE_DISCARD,
	    false },
	{ BGP_ATTR_COMMUNITIES, OPTIONAL | TRANSITIVE, MULTIPLE, 4,
	    BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_ORIGINATOR_ID, OPTIONAL, EXACT, 4, BGP_UPDATE_WITHDRAW, true },
	{ BGP_ATTR_CLUSTER_LIST, OPTIONAL, MULTIPLE, 4, BGP_UPDATE_WITHDRAW, true },
	{ BGP_ATTR_MP_REACH, OPTIONAL, ANY, 0, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_MP_UNREACH, OPTIONAL, ANY, 0, BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_EXT_COMMUNITIES, OPTIONAL | TRANSITIVE, MULTIPLE, 8,
	    BGP_UPDATE_WITHDRAW, false },
	{ BGP_ATTR_AS4_PATH, OPTIONAL | TRANSITIVE, PATH, 4, BGP_UPDATE_DISCARD, false },
	{ BGP_ATTR_AS4_AGGREGATOR, OPTIONAL | TRANSITIVE, EXACT, 8,
	    BGP_UPDATE_DISCARD, false },
	{ BGP_ATTR_LARGE_COMMUNITIES, OPTIONAL | TRANSITIVE, MULTIPLE, 12,
	    BGP_UPDATE_WITHDRAW, false },	/* RFC 8092, 6 */
	{ BGP_ATTR_OTC, OPTIONAL | TRANSITIVE, EXACT, 4, BGP_UPDATE_WITHDRAW,
	    false },				/* RFC 9234, 5 */
};

static const struct rule *
rule_of(unsigned type)
{
	for (size_t i = 0; i < nitems(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

static bool
is_shape_right(const struct check *c, const struct rule *r, const struct wire_in *v)
{
	unsigned as_size = c->s->has_as4 || r->type == BGP_ATTR_AS4_PATH ? 4 : 2;

	switch (r->shape) {
	case EXACT:
		if (r->type == BGP_ATTR_AGGREGATOR)
			return v->left == 4 + as_size;
		if (r->type == BGP_ATTR_ORIGIN)
			return v->left == 1 && v->p[0] <= 2;
		return v->left == r->size;
	case MULTIPLE:
		return v->left > 0 && v->left % r->size == 0;
	case PATH:
		return is_as_path_sound(*v, as_size);
	case ANY:
		break;
	}
	return true;
}

/* 7.11 and RFC 4760 3: where the prefixes cannot be found, no milder way is left. */
static int
check_mp_reach(struct check *c, struct wire_in v)
{
	unsigned afi = wire_get_u16(&v);
	unsigned safi = wire_get_u8(&v);
	size_t next_hop_len = wire_get_u8(&v);
	int f = bgp_family_of(afi, safi);

	wire_get(&v, next_hop_len);
	wire_get_u8(&v);
	if (v.is_bad)
		return reset(c, BGP_UPDATE_OPTIONAL, NULL, 0);
	if (f < 0) {			/* not asked for: passed over */
		c->has_reach |= v.left > 0;
		return 0;
	}
	if (next_hop_len != 16 && next_hop_len != 32 &&
	    (next_hop_len != 4 || f != BGP_IPV4_UNICAST))
		return reset(c, BGP_UPDATE_OPTIONAL, NULL, 0);
	if (!count_prefixes(&v, f == BGP_IPV4_UNICAST ? 32 : 128, &c->seen.nreach[f]))
		return reset(c, BGP_UPDATE_OPTIONAL, NULL, 0);
	c->has_reach |= c->seen.nreach[f] > 0;
	return 0;
}

static int
check_mp_unreach(struct check *c, struct wire_in v)
{
	unsigned afi = wire_get_u16(&v);
	unsigned safi = wire_get_u8(&v);
	int f = bgp_family_of(afi, safi);

	if (v.is_bad)
		return reset(c, BGP_UPDATE_OPTIONAL, NULL, 0);
	c->unreach_family = f;
	if (f < 0)
		return 0;
	if (!count_prefixes(&v, f == BGP_IPV4_UNICAST ? 32 : 128, &c->seen.nunreach[f]))
		return reset(c, BGP_UPDATE_OPTIONAL, NULL, 0);
	return 0;
}

static int
check_attr(struct check *c, unsigned flags, unsigned type, const struct wire_in *v,
    const uint8_t *raw, size_t raw_len)
{
	const struct rule *r = rule_of(type);
	bool is_mp = type == BGP_ATTR_MP_REACH || type == BGP_ATTR_MP_UNREACH;

	c->nattrs++;
	if (has(c, type)) {		/* 3 (g): the first counts */
		if (is_mp)
			return reset(c, BGP_UPDATE_ATTR_LIST, NULL, 0);
		blame(c, BGP_UPDATE_DISCARD, type);
		return 0;
	}
	c->have[type / 8] |= (uint8_t)(1u << type % 8);
	if (r == NULL) {
		if (flags & OPTIONAL)
			return 0;
		return reset(c, BGP_UPDATE_WELL_KNOWN, raw, raw_len);
	}
	if ((flags & (OPTIONAL | TRANSITIVE)) != r->flags)
		blame(c, BGP_UPDATE_WITHDRAW, type);	/* 3 (c) */
	else if (r->is_internal_only && !c->s->is_internal)
		blame(c, BGP_UPDATE_DISCARD, type);
	else if (!is_shape_right(c, r, v))
		blame(c, r->verdict, type);
	if (type == BGP_ATTR_MP_REACH)
		return check_mp_reach(c, *v);
	if (type == BGP_ATTR_MP_UNREACH)
		return check_mp_unreach(c, *v);
	return 0;
}

/* Section 4: an attribute that runs over the end costs the routes, not the session. */
static int
check_attrs(struct check *c, struct wire_in w)
{
	while (w.left > 0) {
		const uint8_t *raw = w.p;
		unsigned flags = wire_get_u8(&w);
		unsigned type = wire_get_u8(&w);
		size_t len = flags & EXTENDED ? wire_get_u16(&w) : wire_get_u8(&w);
		struct wire_in v = wire_get_sub(&w, len);
		int e;

		if (w.is_bad) {
			c->nattrs++;
			blame(c, BGP_UPDATE_WITHDRAW, type);
			return 0;
		}
		e = check_attr(c, flags, type, &v, raw, (size_t)(w.p - raw));
		if (e < 0)
			return e;
	}
	return 0;
}

/* 3 (d): announced prefixes need these. */
static void
check_mandatory(struct check *c, bool has_nlri)
{
	static const uint8_t always[] = { BGP_ATTR_ORIGIN, BGP_ATTR_AS_PATH };

	if (!c->has_reach)
		return;
	for (size_t i = 0; i < nitems(always); i++)
		if (!has(c, always[i]))
			blame(c, BGP_UPDATE_WITHDRAW, always[i]);
	if (has_nlri && !has(c, BGP_ATTR_NEXT_HOP))
		blame(c, BGP_UPDATE_WITHDRAW, BGP_ATTR_NEXT_HOP);
}

static int
eor_of(const struct check *c, bool has_withdrawn, bool has_nlri)
{
	if (has_withdrawn || has_nlri)
		return -1;
	if (c->nattrs == 0)
		return BGP_IPV4_UNICAST;
	if (c->nattrs == 1 && c->unreach_family >= 0 &&
	    c->seen.nunreach[c->unreach_family] == 0)
		return c->unreach_family;
	return -1;
}

int
bgp_update_check(const uint8_t *body, size_t len, const struct bgp_session *s,
    struct bgp_update_seen *ret, struct bgp_error *err)
{
	struct check c = { .s = s, .err = err, .seen.eor = -1,
		.unreach_family = -1 };
	struct wire_in w = wire_in(body, len);
	struct wire_in withdrawn = wire_get_sub(&w, wire_get_u16(&w));
	struct wire_in attrs = wire_get_sub(&w, wire_get_u16(&w));
	bool has_withdrawn = withdrawn.left > 0, has_nlri = w.left > 0;
	int e;

	if (w.is_bad)
		return reset(&c, BGP_UPDATE_ATTR_LIST, NULL, 0);
	if (!count_prefixes(&withdrawn, 32, &c.seen.nunreach[BGP_IPV4_UNICAST]))
		return reset(&c, BGP_UPDATE_NETWORK, NULL, 0);
	e = check_attrs(&c, attrs);
	if (e < 0)
		return e;
	if (!count_prefixes(&w, 32, &c.seen.nreach[BGP_IPV4_UNICAST]))
		return reset(&c, BGP_UPDATE_NETWORK, NULL, 0);
	c.has_reach |= has_nlri;
	check_mandatory(&c, has_nlri);
	/* 5.2: nothing to withdraw is in sight, so what was lost is unknown. */
	if (c.seen.verdict == BGP_UPDATE_WITHDRAW && !c.has_reach &&
	    (c.nattrs > 1 || !has(&c, BGP_ATTR_MP_UNREACH)))
		return reset(&c, BGP_UPDATE_ATTR_LIST, NULL, 0);
	if (c.seen.verdict == BGP_UPDATE_FINE)
		c.seen.eor = eor_of(&c, has_withdrawn, has_nlri);
	*ret = c.seen;
	return 0;
}
