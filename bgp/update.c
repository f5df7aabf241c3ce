/*
 * update.c - writing UPDATEs. Prefixes inside MP_REACH_NLRI come first and the
 * other attributes after them, as RFC 7606 (5.1) asks.
 */
#include <assert.h>
#include <string.h>

#include "bgp/open.h"
#include "bgp/update.h"

enum attr_flag {
	OPTIONAL	= 0x80,
	TRANSITIVE	= 0x40,
	EXTENDED	= 0x10,
};

enum { AS_SEQUENCE = 2 };

static const uint32_t GRACEFUL_SHUTDOWN = 0xffff0000;

static void
put_attr(struct wire_out *w, unsigned flags, enum bgp_attr_type type, size_t len)
{
	wire_put_u8(w, (uint8_t)(flags | (len > UINT8_MAX ? EXTENDED : 0u)));
	wire_put_u8(w, (uint8_t)type);
	if (len > UINT8_MAX)
		wire_put_u16(w, (uint16_t)len);
	else
		wire_put_u8(w, (uint8_t)len);
}

uint64_t
bgp_link_bandwidth(uint32_t local_as, bool is_internal, double bytes_per_sec)
{
	uint64_t type = is_internal ? 0x4004 : 0x0004;
	uint64_t as = local_as > UINT16_MAX ? BGP_AS_TRANS : local_as;
	float rate = (float)bytes_per_sec;
	uint32_t bits;

	memcpy(&bits, &rate, sizeof(bits));	/* IEEE 754, as on the wire */
	return type << 48 | as << 32 | bits;
}

void
bgp_attrs_retire(struct bgp_attrs *a)
{
	unsigned i = 0;

	a->local_pref = 0;
	while (i < a->ncommunities && a->communities[i] != GRACEFUL_SHUTDOWN)
		i++;
	if (i == BGP_COMMUNITIES_MAX)
		i--;		/* of so many, one has to give way */
	a->communities[i] = GRACEFUL_SHUTDOWN;
	if (i == a->ncommunities)
		a->ncommunities++;
}

/* Empty within our AS, else our AS nprepend + 1 times. */
static void
put_as_path(struct wire_out *w, const struct bgp_session *s, unsigned nprepend)
{
	unsigned n = s->is_internal ? 0 : nprepend + 1;
	bool is_long = s->local_as > UINT16_MAX;

	put_attr(w, TRANSITIVE, BGP_ATTR_AS_PATH,
	    n == 0 ? 0 : 2 + n * (s->has_as4 ? 4 : 2));
	if (n > 0) {
		wire_put_u8(w, AS_SEQUENCE);
		wire_put_u8(w, (uint8_t)n);
	}
	for (unsigned i = 0; i < n; i++) {
		if (s->has_as4)
			wire_put_u32(w, s->local_as);
		else
			wire_put_u16(w, is_long ? BGP_AS_TRANS : (uint16_t)s->local_as);
	}
}

/* What AS_PATH could not say to a peer with 2-byte AS numbers (RFC 6793, 4.2.2). */
static void
put_as4_path(struct wire_out *w, const struct bgp_session *s, unsigned nprepend)
{
	unsigned n = nprepend + 1;

	if (s->is_internal || s->has_as4 || s->local_as <= UINT16_MAX)
		return;
	put_attr(w, OPTIONAL | TRANSITIVE, BGP_ATTR_AS4_PATH, 2 + 4 * n);
	wire_put_u8(w, AS_SEQUENCE);
	wire_put_u8(w, (uint8_t)n);
	for (unsigned i = 0; i < n; i++)
		wire_put_u32(w, s->local_as);
}

static void
put_communities(struct wire_out *w, const struct bgp_attrs *a)
{
	if (a->ncommunities > 0)
		put_attr(w, OPTIONAL | TRANSITIVE, BGP_ATTR_COMMUNITIES,
		    4u * a->ncommunities);
	for (unsigned i = 0; i < a->ncommunities; i++)
		wire_put_u32(w, a->communities[i]);
	if (a->next > 0)
		put_attr(w, OPTIONAL | TRANSITIVE, BGP_ATTR_EXT_COMMUNITIES,
		    8u * a->next);
	for (unsigned i = 0; i < a->next; i++)
		wire_put_u64(w, a->ext[i]);
}

static void
put_large_communities(struct wire_out *w, const struct bgp_attrs *a)
{
	if (a->nlarge > 0)
		put_attr(w, OPTIONAL | TRANSITIVE, BGP_ATTR_LARGE_COMMUNITIES,
		    12u * a->nlarge);
	for (unsigned i = 0; i < a->nlarge; i++)
		for (int j = 0; j < 3; j++)
			wire_put_u32(w, a->large[i][j]);
}

/* RFC 9234, 5, egress: whom we announce to must not pass it upwards. */
static bool
is_otc_due(const struct bgp_session *s)
{
	return !s->is_internal && (s->role == BGP_ROLE_PROVIDER ||
	    s->role == BGP_ROLE_PEER || s->role == BGP_ROLE_RS);
}

/* All attributes but MP_REACH_NLRI, in the order of their types. */
static void
put_attrs(struct wire_out *w, const struct bgp_session *s, const struct bgp_attrs *a,
    const struct ip *next_hop4)
{
	put_attr(w, TRANSITIVE, BGP_ATTR_ORIGIN, 1);
	wire_put_u8(w, 0);			/* IGP */
	put_as_path(w, s, a->nprepend);
	if (next_hop4 != NULL) {
		put_attr(w, TRANSITIVE, BGP_ATTR_NEXT_HOP, 4);
		wire_put_bytes(w, next_hop4->b, 4);
	}
	if (a->has_med) {
		put_attr(w, OPTIONAL, BGP_ATTR_MED, 4);
		wire_put_u32(w, a->med);
	}
	if (s->is_internal) {
		put_attr(w, TRANSITIVE, BGP_ATTR_LOCAL_PREF, 4);
		wire_put_u32(w, a->local_pref);
	}
	put_communities(w, a);
	put_as4_path(w, s, a->nprepend);
	put_large_communities(w, a);
	if (is_otc_due(s)) {
		put_attr(w, OPTIONAL | TRANSITIVE, BGP_ATTR_OTC, 4);
		wire_put_u32(w, s->local_as);
	}
}

/* The head of an MP attribute, its length left open; returns where that is. */
static size_t
begin_mp(struct wire_out *w, enum bgp_attr_type type, enum bgp_family family)
{
	size_t at;

	wire_put_u8(w, OPTIONAL | EXTENDED);
	wire_put_u8(w, (uint8_t)type);
	at = w->len;
	wire_put_u16(w, 0);
	wire_put_u16(w, bgp_family_afi(family));
	wire_put_u8(w, BGP_SAFI_UNICAST);
	return at;
}

static void
put_mp_next_hop(struct wire_out *w, const struct ip *next_hop, const struct ip *ll)
{
	bool has_ll = !ip_is_v4(next_hop) && ip_is_set(ll);

	wire_put_u8(w, (uint8_t)(ip_len(next_hop) + (has_ll ? 16 : 0)));
	wire_put_bytes(w, next_hop->b, ip_len(next_hop));
	if (has_ll)
		wire_put_bytes(w, ll->b, 16);
	wire_put_u8(w, 0);			/* reserved */
}

void
bgp_update_begin(struct bgp_update_out *u, struct wire_out *w,
    const struct bgp_session *s, enum bgp_family family, const struct bgp_attrs *attrs)
{
	const struct ip *next_hop = &s->next_hop[family];
	struct wire_out attrs_out = wire_out(u->attrs, sizeof(u->attrs));

	u->w = w;
	u->start = w->len;
	u->is_mp = family != BGP_IPV4_UNICAST || next_hop->family == IP_V6;
	if (attrs != NULL)
		put_attrs(&attrs_out, s, attrs, u->is_mp ? NULL : next_hop);
	assert(!attrs_out.is_bad);	/* u->attrs holds the most there can be */
	u->nattrs = (uint16_t)attrs_out.len;
	u->limit = w->len + s->msg_max < w->cap ? w->len + s->msg_max : w->cap;

	bgp_msg_begin(w, BGP_UPDATE);
	if (u->is_mp) {
		wire_put_u32(w, 0);		/* no withdrawn, attributes' length open */
		if (attrs != NULL) {
			u->at = begin_mp(w, BGP_ATTR_MP_REACH, family);
			put_mp_next_hop(w, next_hop, &s->next_hop_ll);
		} else {
			u->at = begin_mp(w, BGP_ATTR_MP_UNREACH, family);
		}
		return;
	}
	u->at = w->len;
	wire_put_u16(w, 0);
	if (attrs != NULL) {
		wire_put_u16(w, u->nattrs);
		wire_put_bytes(w, u->attrs, u->nattrs);
	}
}

bool
bgp_update_put(struct bgp_update_out *u, const struct prefix *p)
{
	size_t nbytes = (p->len + 7u) / 8;
	/* What follows the prefixes; of a plain withdrawal the attributes' length. */
	size_t tail = u->is_mp ? u->nattrs : u->nattrs == 0 ? 2 : 0;

	if (u->w->is_bad || u->w->len + 1 + nbytes + tail > u->limit)
		return false;
	wire_put_u8(u->w, p->len);
	wire_put_bytes(u->w, p->addr.b, nbytes);
	return true;
}

void
bgp_update_end(struct bgp_update_out *u)
{
	struct wire_out *w = u->w;
	size_t attrs_at = u->start + BGP_HEADER_LEN + 2;

	if (w->is_bad)
		return;
	if (u->is_mp) {
		wire_patch_u16(w, u->at, (uint16_t)(w->len - u->at - 2));
		wire_put_bytes(w, u->attrs, u->nattrs);
		wire_patch_u16(w, attrs_at, (uint16_t)(w->len - attrs_at - 2));
	} else if (u->nattrs == 0) {
		wire_patch_u16(w, u->at, (uint16_t)(w->len - u->at - 2));
		wire_put_u16(w, 0);
	}
	bgp_msg_end(w, u->start);
}

void
bgp_update_eor(struct wire_out *w, enum bgp_family family)
{
	size_t start = w->len;

	bgp_msg_begin(w, BGP_UPDATE);
	wire_put_u16(w, 0);
	if (family == BGP_IPV4_UNICAST) {
		wire_put_u16(w, 0);
	} else {
		wire_put_u16(w, 7);
		wire_patch_u16(w, begin_mp(w, BGP_ATTR_MP_UNREACH, family), 3);
	}
	bgp_msg_end(w, start);
}
