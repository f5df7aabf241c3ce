/*
 * agree.h - what we offer in an OPEN, what we ask of the peer's, and what session the
 * two make. Pure; for peer.c.
 */
#ifndef HERALD_BGP_AGREE_H
#define HERALD_BGP_AGREE_H

#include "bgp/peer.h"

/* The OPEN we send, now. */
struct bgp_open bgp_agree_offer(const struct bgp_peer *p);

/* Is theirs one for us? 0, or negative with the NOTIFICATION to send in *err. */
int bgp_agree_check(const struct bgp_peer *p, const struct bgp_open *theirs,
    struct bgp_error *err);

/* p->session becomes what both can do. */
void bgp_agree(struct bgp_peer *p, const struct bgp_open *theirs);

/*
 * Its next hops alone, from p->next_hop: IPv4 may go by an IPv6 next hop where both
 * said so (RFC 8950) and there is no other.
 */
void bgp_agree_next_hops(struct bgp_peer *p, const struct bgp_open *theirs);

#endif
