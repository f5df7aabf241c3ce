/*
 * drain_decode.h - how far a node is with handing over, out of its speaker's
 * /status (speaker/status_encode.h).
 */
#ifndef HERALD_CTL_DRAIN_DECODE_H
#define HERALD_CTL_DRAIN_DECODE_H

#include <stdbool.h>

struct drain_view {
	bool	is_drained;	/* it has seen the order, and acts on it */
	bool	is_retiring;	/* some of its routes are still to go */
	unsigned nowned;	/* VIPs that are its */
	unsigned nyielding;	/* VIPs it answers for until the next owner does */
	unsigned nroutes;	/* prefixes announced to BGP peers, of all peers */
	char	owned[256];	/* the VIPs of nowned, "A, B, ...", cut short */
};

/* 0, or -EINVAL with *ret untouched where json is no speaker's status. */
int drain_view_decode(const char *json, struct drain_view *ret);

#endif
