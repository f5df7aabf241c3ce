/*
 * update_check.h - what is wrong with a received UPDATE, and what to do (RFC 7606).
 *
 * Pure; peer.c is the caller. Nothing of the message is kept, for this speaker
 * only announces: whatever a peer sends costs no memory.
 */
#ifndef HERALD_BGP_UPDATE_CHECK_H
#define HERALD_BGP_UPDATE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "bgp/msg.h"
#include "bgp/update.h"

enum bgp_update_verdict {		/* RFC 7606, 2, mildest first */
	BGP_UPDATE_FINE,
	BGP_UPDATE_DISCARD,		/* an attribute was discarded */
	BGP_UPDATE_WITHDRAW,		/* its routes count as withdrawn */
};

struct bgp_update_seen {
	enum bgp_update_verdict verdict;
	uint8_t	attr;			/* type of the attribute to blame, 0 none */
	unsigned nreach[BGP_NFAMILIES];	/* prefixes announced */
	unsigned nunreach[BGP_NFAMILIES]; /* and withdrawn */
	int	eor;			/* enum bgp_family of an End-of-RIB, else -1 */
};

/*
 * Judge the body of a received UPDATE. Returns 0, or -EBADMSG where the
 * session must be reset, with *err the NOTIFICATION and *ret untouched.
 */
int bgp_update_check(const uint8_t *body, size_t len, const struct bgp_session *s,
    struct bgp_update_seen *ret, struct bgp_error *err);

#endif
