/*
 * bgp_encode.h - BGP sessions and their routes as JSON, for /bgp, /bgp/routes and
 * heraldctl bgp.
 */
#ifndef HERALD_SPEAKER_BGP_ENCODE_H
#define HERALD_SPEAKER_BGP_ENCODE_H

#include <stdio.h>

#include "bgp/bgp_io.h"

/*
 * One JSON object to f; io may be NULL, where there is no peer.
 *
 *	{"node":..., "peers":[{"name":..., "address":..., "interface":..., "vrf":...,
 *	 "state":..., "since":..., "reason":..., "localAS":n, "localAddress":...,
 *	 "peerAS":n, "routerID":..., "holdTime":sec, "families":[...],
 *	 "capabilities":[...], "announced":n, "pending":n, "established":times,
 *	 "bfd":{"state":..., "detectMs":n, "echo":"active"|"unanswered"|"not-taken"},
 *	 "messages":{"sent":{TYPE:n}, "received":{TYPE:n}, "discarded":n,
 *	 "withdrawn":n}}]}
 *
 * What a session that is up alone has is absent of others; "reason" is why it is
 * not up, or last was not.
 */
void bgp_encode_peers(FILE *f, const char *node, const struct bgp_io *io);

/*
 *	{"node":..., "peers":[{"name":..., "routes":[{"prefix":...,
 *	 "state":"announced"|"pending"|"withdrawing", "nextHop":..., "localPref":n,
 *	 "med":n, "prepend":n, "communities":[...], "largeCommunities":[...],
 *	 "extendedCommunities":[...]}]}]}
 *
 * The attributes are those that are to be announced; "announced" is what the peer
 * was sent in this session. A withdrawing route has none.
 */
void bgp_encode_routes(FILE *f, const char *node, const struct bgp_io *io);

#endif
