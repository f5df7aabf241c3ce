/*
 * open.c - OPEN. A capability we know is checked for its length; one with a
 * wrong length is an error (RFC 5492, 5), one we do not know is passed over.
 */
#include <errno.h>
#include <string.h>

#include "bgp/open.h"
#include "lib/mem.h"

enum { PARAM_CAPABILITIES = 2, PARAM_EXTENDED = 255 };

enum capability {
	CAP_MP		= 1,
	CAP_REFRESH	= 2,
	CAP_V6_NEXT_HOP	= 5,
	CAP_EXTENDED	= 6,
	CAP_ROLE	= 9,
	CAP_GR		= 64,
	CAP_AS4		= 65,
	CAP_ENHANCED_REFRESH = 70,
};

static void
put_cap(struct wire_out *w, enum capability code, size_t len)
{
	wire_put_u8(w, (uint8_t)code);
	wire_put_u8(w, (uint8_t)len);
}

static void
put_family_caps(struct wire_out *w, const struct bgp_open *o)
{
	for (unsigned f = 0; f < BGP_NFAMILIES; f++) {
		if (!(o->families & 1u << f))
			continue;
		put_cap(w, CAP_MP, 4);
		wire_put_u16(w, bgp_family_afi(f));
		wire_put_u16(w, BGP_SAFI_UNICAST);	/* a reserved byte first */
	}
	for (unsigned f = 0; f < BGP_NFAMILIES; f++) {
		if (!(o->v6_next_hops & 1u << f))
			continue;
		put_cap(w, CAP_V6_NEXT_HOP, 6);
		wire_put_u16(w, bgp_family_afi(f));
		wire_put_u16(w, BGP_SAFI_UNICAST);
		wire_put_u16(w, BGP_AFI_IPV6);
	}
}

static void
put_gr_cap(struct wire_out *w, const struct bgp_open *o)
{
	unsigned n = (unsigned)__builtin_popcount(o->gr_families);
	unsigned flags = (o->is_restarting ? 8u : 0) | (o->has_gr_notification ? 4u : 0);

	put_cap(w, CAP_GR, 2 + 4 * n);
	wire_put_u16(w, (uint16_t)(flags << 12 | (o->restart_sec & 0xfff)));
	for (unsigned f = 0; f < BGP_NFAMILIES; f++) {
		if (!(o->gr_families & 1u << f))
			continue;
		wire_put_u16(w, bgp_family_afi(f));
		wire_put_u8(w, BGP_SAFI_UNICAST);
		wire_put_u8(w, (uint8_t)(o->gr_forwarding & 1u << f ? 0x80 : 0));
	}
}

static void
put_caps(struct wire_out *w, const struct bgp_open *o)
{
	if (o->has_mp)
		put_family_caps(w, o);
	if (o->has_refresh)
		put_cap(w, CAP_REFRESH, 0);
	if (o->has_extended)
		put_cap(w, CAP_EXTENDED, 0);
	if (o->role != BGP_ROLE_NONE) {
		put_cap(w, CAP_ROLE, 1);
		wire_put_u8(w, o->role);
	}
	if (o->has_gr)
		put_gr_cap(w, o);
	if (o->has_as4) {
		put_cap(w, CAP_AS4, 4);
		wire_put_u32(w, o->asn);
	}
	if (o->has_enhanced_refresh)
		put_cap(w, CAP_ENHANCED_REFRESH, 0);
}

void
bgp_open_encode(struct wire_out *w, const struct bgp_open *o)
{
	size_t start = w->len, at;

	bgp_msg_begin(w, BGP_OPEN);
	wire_put_u8(w, 4);
	wire_put_u16(w, o->asn > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)o->asn);
	wire_put_u16(w, o->hold_sec);
	wire_put_u32(w, o->router_id);
	at = w->len;
	wire_put_u8(w, 0);
	wire_put_u8(w, PARAM_CAPABILITIES);
	wire_put_u8(w, 0);
	put_caps(w, o);
	if (w->is_bad)
		return;
	if (w->len == at + 3) {		/* nothing to say: no parameter at all */
		w->len = at + 1;
	} else {
		wire_patch_u8(w, at, (uint8_t)(w->len - at - 1));
		wire_patch_u8(w, at + 2, (uint8_t)(w->len - at - 3));
	}
	bgp_msg_end(w, start);
}

static void
read_gr(struct wire_in *v, struct bgp_open *o)
{
	unsigned head = wire_get_u16(v);

	o->has_gr = true;
	o->is_restarting = head & 0x8000;
	o->has_gr_notification = head & 0x4000;
	o->restart_sec = head & 0xfff;
	o->gr_families = o->gr_forwarding = 0;
	while (v->left > 0 && !v->is_bad) {
		unsigned afi = wire_get_u16(v);
		unsigned safi = wire_get_u8(v);
		unsigned flags = wire_get_u8(v);
		int f = bgp_family_of(afi, safi);

		if (v->is_bad || f < 0)
			continue;
		o->gr_families |= (uint8_t)(1u << f);
		if (flags & 0x80)
			o->gr_forwarding |= (uint8_t)(1u << f);
	}
}

static void
read_v6_next_hops(struct wire_in *v, struct bgp_open *o)
{
	while (v->left > 0 && !v->is_bad) {
		unsigned afi = wire_get_u16(v);
		unsigned safi = wire_get_u16(v);
		unsigned next_hop_afi = wire_get_u16(v);
		int f = bgp_family_of(afi, safi);

		if (!v->is_bad && f >= 0 && next_hop_afi == BGP_AFI_IPV6)
			o->v6_next_hops |= (uint8_t)(1u << f);
	}
}

/* One capability's value; v is bad afterwards where its length is wrong. */
static void
read_cap(unsigned code, struct wire_in *v, struct bgp_open *o)
{
	unsigned afi, safi;
	int f;

	switch (code) {
	case CAP_MP:
		afi = wire_get_u16(v);
		wire_get_u8(v);
		safi = wire_get_u8(v);
		f = bgp_family_of(afi, safi);
		if (!o->has_mp)
			o->families = 0;
		o->has_mp = true;
		if (f >= 0)
			o->families |= (uint8_t)(1u << f);
		break;
	case CAP_REFRESH:
		o->has_refresh = true;
		break;
	case CAP_V6_NEXT_HOP:
		read_v6_next_hops(v, o);
		break;
	case CAP_EXTENDED:
		o->has_extended = true;
		break;
	case CAP_ROLE:
		o->role = wire_get_u8(v);
		break;
	case CAP_GR:
		read_gr(v, o);
		break;
	case CAP_AS4:
		o->has_as4 = true;
		o->asn = wire_get_u32(v);
		break;
	case CAP_ENHANCED_REFRESH:
		o->has_enhanced_refresh = true;
		break;
	default:
		wire_get(v, v->left);
	}
	if (v->left > 0)
		v->is_bad = true;
}

/* Two Role capabilities that differ are a mismatch (RFC 9234, 4.2). */
static int
read_caps(struct wire_in *w, struct bgp_open *o, struct bgp_error *err)
{
	while (w->left > 0) {
		const uint8_t *cap = w->p;
		unsigned code = wire_get_u8(w);
		size_t len = wire_get_u8(w);
		struct wire_in v = wire_get_sub(w, len);
		uint8_t role = o->role;

		if (w->is_bad)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_UNSPECIFIC,
			    NULL, 0);
		read_cap(code, &v, o);
		if (v.is_bad)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_UNSPECIFIC,
			    cap, 2 + len);
		if (role != BGP_ROLE_NONE && o->role != role)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_ROLE, NULL, 0);
	}
	return 0;
}

/* The parameters, in the usual or the extended form (RFC 9072). */
static int
read_params(struct wire_in *w, struct bgp_open *o, struct bgp_error *err)
{
	size_t len = wire_get_u8(w);
	bool is_extended = len > 0 && w->left > 0 && w->p[0] == PARAM_EXTENDED;

	if (is_extended) {
		wire_get_u8(w);
		len = wire_get_u16(w);
	}
	if (w->is_bad || len != w->left)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_UNSPECIFIC, NULL, 0);
	while (w->left > 0) {
		const uint8_t *param = w->p;
		unsigned type = wire_get_u8(w);
		size_t n = is_extended ? wire_get_u16(w) : wire_get_u8(w);
		struct wire_in v = wire_get_sub(w, n);
		int e;

		if (w->is_bad)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_UNSPECIFIC,
			    NULL, 0);
		if (type != PARAM_CAPABILITIES)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_PARAMETER,
			    param, (size_t)(w->p - param));
		e = read_caps(&v, o, err);
		if (e < 0)
			return e;
	}
	return 0;
}

int
bgp_open_decode(const uint8_t *body, size_t len, struct bgp_open *ret,
    struct bgp_error *err)
{
	static const uint8_t version[2] = { 0, 4 };
	struct bgp_open o = {
		.families = 1u << BGP_IPV4_UNICAST, .role = BGP_ROLE_NONE,
	};
	struct wire_in w = wire_in(body, len);
	uint32_t as2;
	int e;

	if (wire_get_u8(&w) != 4 && !w.is_bad)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_VERSION, version, 2);
	as2 = o.asn = wire_get_u16(&w);
	o.hold_sec = wire_get_u16(&w);
	o.router_id = wire_get_u32(&w);
	e = read_params(&w, &o, err);
	if (e < 0)
		return e;
	/* AS 0 is nobody's (RFC 7607). Where there are two, the long one counts. */
	if (o.asn == 0 || as2 == 0)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_BAD_AS, NULL, 0);
	if (o.router_id == 0)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_BAD_ID, NULL, 0);
	if (o.hold_sec == 1 || o.hold_sec == 2)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_HOLD_TIME, NULL, 0);
	*ret = o;
	return 0;
}

/* RFC 9234, table 2. */
static bool
is_role_pair(uint8_t ours, uint8_t theirs)
{
	switch (ours) {
	case BGP_ROLE_PROVIDER:
		return theirs == BGP_ROLE_CUSTOMER;
	case BGP_ROLE_CUSTOMER:
		return theirs == BGP_ROLE_PROVIDER;
	case BGP_ROLE_RS:
		return theirs == BGP_ROLE_RS_CLIENT;
	case BGP_ROLE_RS_CLIENT:
		return theirs == BGP_ROLE_RS;
	default:
		return ours == theirs;
	}
}

int
bgp_open_check(const struct bgp_open *ours, const struct bgp_open *theirs,
    uint32_t peer_as, bool is_strict_role, struct bgp_error *err)
{
	bool is_internal = theirs->asn == ours->asn;

	if (peer_as != 0 && theirs->asn != peer_as)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_BAD_AS, NULL, 0);
	/* Within one AS identifiers are unique (RFC 6286, 2.2). */
	if (is_internal && theirs->router_id == ours->router_id)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_BAD_ID, NULL, 0);
	if (!is_internal && ours->role != BGP_ROLE_NONE) {
		bool is_told = theirs->role != BGP_ROLE_NONE;

		if (is_told ? !is_role_pair(ours->role, theirs->role) : is_strict_role)
			return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_ROLE, NULL, 0);
	}
	return 0;
}
