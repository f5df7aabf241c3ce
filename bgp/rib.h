/*
 * rib.h - the adj-RIB-out of one peer: what it should know and what it was told.
 *
 * Pure but for memory, which grows with what we announce and never with what a
 * peer sends. The caller sets the whole wanted set, as often as it likes; only
 * differences go out, many prefixes to an UPDATE. peer.c is the caller.
 */
#ifndef HERALD_BGP_RIB_H
#define HERALD_BGP_RIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/update.h"
#include "lib/ip.h"
#include "lib/wire.h"

struct bgp_route {
	struct prefix prefix;
	const struct bgp_attrs *attrs;	/* read during the call only; never NULL */
};

/* Sent, but the peer has asked to be told again. */
#define BGP_RIB_AGAIN UINT16_MAX

/* One prefix; attributes by number, 0 for none. It is pending where they differ. */
struct bgp_rib_entry {
	struct prefix prefix;
	uint16_t want, sent;
};

struct bgp_rib {
	struct bgp_rib_entry *entries;	/* sorted by prefix */
	size_t	n;
	struct bgp_attrs **attrs;	/* number i + 1 is attrs[i]; NULL free */
	size_t	nattrs, attrs_cap;
	size_t	npending[BGP_NFAMILIES];
	size_t	nsent[BGP_NFAMILIES];	/* prefixes the peer has from us */
	uint8_t	begin_due, end_due;	/* families owed a BoRR, an EoRR (RFC 7313) */
	uint8_t	eor_due;		/* families owed an End-of-RIB */
	uint8_t	again;			/* families owed again as a whole: who asks
					   again meanwhile costs nothing more */
};

void bgp_rib_init(struct bgp_rib *r);
void bgp_rib_fini(struct bgp_rib *r);

/*
 * Want exactly these from now on, in any order; of routes with the same prefix
 * the last counts. 0, or -E2BIG past 65534 different sets of attributes, and
 * then nothing has changed.
 */
int bgp_rib_set(struct bgp_rib *r, const struct bgp_route *routes, size_t n);

/* A session begins: the peer knows nothing. eor: families owed an End-of-RIB. */
void bgp_rib_restart(struct bgp_rib *r, uint8_t eor);

/* The peer asks for a family again, with BoRR and EoRR where is_enhanced. */
void bgp_rib_refresh(struct bgp_rib *r, enum bgp_family f, bool is_enhanced);

/* Would bgp_rib_write() write? */
bool bgp_rib_is_pending(const struct bgp_rib *r, const struct bgp_session *s);

/*
 * Append whole messages to w, withdrawals first, while there is something to
 * tell and room for the largest message; what was written counts as told.
 * Returns how many messages.
 */
unsigned bgp_rib_write(struct bgp_rib *r, const struct bgp_session *s,
    struct wire_out *w);

#endif
