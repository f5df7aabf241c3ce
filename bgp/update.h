/*
 * update.h - writing UPDATE messages. update_check.h judges received ones.
 *
 * Pure; rib.c is the caller. RFC 4271 4.3 and 5, 4760, 1997, 4360, 8092, 6793,
 * 8950, 9234.
 */
#ifndef HERALD_BGP_UPDATE_H
#define HERALD_BGP_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/msg.h"
#include "lib/ip.h"

enum {
	BGP_COMMUNITIES_MAX = 64,	/* of each kind on one route */
	BGP_PREPEND_MAX	= 16,
};

enum bgp_attr_type {
	BGP_ATTR_ORIGIN		= 1,
	BGP_ATTR_AS_PATH	= 2,
	BGP_ATTR_NEXT_HOP	= 3,
	BGP_ATTR_MED		= 4,
	BGP_ATTR_LOCAL_PREF	= 5,
	BGP_ATTR_ATOMIC_AGGREGATE = 6,
	BGP_ATTR_AGGREGATOR	= 7,
	BGP_ATTR_COMMUNITIES	= 8,
	BGP_ATTR_ORIGINATOR_ID	= 9,
	BGP_ATTR_CLUSTER_LIST	= 10,
	BGP_ATTR_MP_REACH	= 14,
	BGP_ATTR_MP_UNREACH	= 15,
	BGP_ATTR_EXT_COMMUNITIES = 16,
	BGP_ATTR_AS4_PATH	= 17,
	BGP_ATTR_AS4_AGGREGATOR	= 18,
	BGP_ATTR_LARGE_COMMUNITIES = 32,
	BGP_ATTR_OTC		= 35,
};

/*
 * What a route carries beyond what its session decides. Routes with the same
 * bytes here share UPDATEs, so zero the whole struct before filling it.
 */
struct bgp_attrs {
	uint32_t local_pref;		/* sent to internal peers only */
	uint32_t med;			/* where has_med */
	uint8_t	has_med;
	uint8_t	nprepend;		/* times our AS is put before itself */
	uint8_t	ncommunities, nlarge, next; /* items used below */
	uint32_t communities[BGP_COMMUNITIES_MAX];
	uint32_t large[BGP_COMMUNITIES_MAX][3];
	uint64_t ext[BGP_COMMUNITIES_MAX];	/* whole 8 bytes, big-endian value */
};

/*
 * The link bandwidth extended community (draft-ietf-idr-link-bandwidth), for
 * unequal shares of traffic: transitive to external peers, for others drop what is
 * not; non-transitive to internal ones, as it began.
 */
uint64_t bgp_link_bandwidth(uint32_t local_as, bool is_internal,
    double bytes_per_sec);

/*
 * Mark a route as about to go (RFC 8326): GRACEFUL_SHUTDOWN, which external peers
 * may act upon, and the lowest LOCAL_PREF for internal ones.
 */
void bgp_attrs_retire(struct bgp_attrs *a);

/* What both OPENs and the configuration say of a session. */
struct bgp_session {
	uint32_t local_as;
	bool	is_internal;		/* the peer's AS is ours */
	bool	has_as4;		/* both sides */
	bool	has_refresh, has_enhanced_refresh;
	bool	has_gr;			/* the peer wants End-of-RIB */
	uint8_t	role;			/* ours, enum bgp_role */
	uint8_t	families;		/* agreed on, bits 1 << enum bgp_family */
	uint16_t msg_max;		/* BGP_MSG_MAX or BGP_MSG_MAX_EXT */
	/*
	 * Ours as the peer may use it; of the other family only where that was
	 * agreed on (RFC 8950). IP_NONE: this family cannot be announced.
	 */
	struct ip next_hop[BGP_NFAMILIES];
	struct ip next_hop_ll;		/* beside a global IPv6 one, or IP_NONE */
};

/* An UPDATE being filled with prefixes of one family. */
struct bgp_update_out {
	struct wire_out *w;
	size_t	start;			/* of the message in w */
	size_t	at;			/* of the length field that is still open */
	size_t	limit;			/* w->len may not pass this */
	bool	is_mp;			/* prefixes are inside an MP attribute */
	uint16_t nattrs;		/* bytes of attrs, put at the end if is_mp */
	uint8_t	attrs[2048];
};

/*
 * Begin a message in w that announces family with attrs, or that withdraws
 * where attrs is NULL. w->len may be above 0: messages can follow each other.
 */
void bgp_update_begin(struct bgp_update_out *u, struct wire_out *w,
    const struct bgp_session *s, enum bgp_family family,
    const struct bgp_attrs *attrs);

/* Add one prefix; false where it does not fit, and then nothing has changed. */
bool bgp_update_put(struct bgp_update_out *u, const struct prefix *p);
void bgp_update_end(struct bgp_update_out *u);

/* End-of-RIB (RFC 4724, 2). */
void bgp_update_eor(struct wire_out *w, enum bgp_family family);

#endif
