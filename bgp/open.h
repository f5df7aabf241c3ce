/*
 * open.h - the OPEN message and its capabilities.
 *
 * Pure; peer.c is the caller. RFC 4271 4.2, 5492, 4760, 2918, 7313, 4724,
 * 8538, 6793, 8654, 8950, 9072, 9234.
 */
#ifndef HERALD_BGP_OPEN_H
#define HERALD_BGP_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/msg.h"

enum { BGP_AS_TRANS = 23456 };

enum bgp_role {				/* RFC 9234; on the wire but for NONE */
	BGP_ROLE_PROVIDER	= 0,
	BGP_ROLE_RS		= 1,
	BGP_ROLE_RS_CLIENT	= 2,
	BGP_ROLE_CUSTOMER	= 3,
	BGP_ROLE_PEER		= 4,
	BGP_ROLE_NONE		= 255,
};

/* Sets of families are bits 1 << enum bgp_family. */
struct bgp_open {
	uint32_t asn;			/* 4 bytes where the peer has them */
	uint32_t router_id;		/* host order, never 0 */
	uint16_t hold_sec;		/* 0, or 3 and more */
	bool	has_mp;			/* any multiprotocol capability */
	uint8_t	families;		/* unicast families (RFC 4760); IPv4 where
					   has_mp is false */
	uint8_t	v6_next_hops;		/* families with an IPv6 next hop (RFC 8950) */
	bool	has_as4;		/* RFC 6793 */
	bool	has_refresh;		/* RFC 2918 */
	bool	has_enhanced_refresh;	/* RFC 7313 */
	bool	has_extended;		/* RFC 8654 */
	bool	has_gr;			/* RFC 4724 */
	bool	is_restarting;		/* R */
	bool	has_gr_notification;	/* N (RFC 8538) */
	uint16_t restart_sec;		/* 0..4095 */
	uint8_t	gr_families;		/* families kept over a restart ... */
	uint8_t	gr_forwarding;		/* ... and those with the F bit */
	uint8_t	role;			/* enum bgp_role */
};

/* The whole message, capabilities in one parameter (RFC 5492, 4). */
void bgp_open_encode(struct wire_out *w, const struct bgp_open *o);

/*
 * body: the message past its header. Returns 0, or -EBADMSG with *err the
 * NOTIFICATION to send and *ret untouched.
 */
int bgp_open_decode(const uint8_t *body, size_t len, struct bgp_open *ret,
    struct bgp_error *err);

/*
 * Does theirs fit ours? peer_as 0 takes any AS. With is_strict_role a peer
 * that says no role is refused where we say one. Returns 0, or -EBADMSG with
 * *err the NOTIFICATION to send.
 */
int bgp_open_check(const struct bgp_open *ours, const struct bgp_open *theirs,
    uint32_t peer_as, bool is_strict_role, struct bgp_error *err);

#endif
