/*
 * bgp_ra_io.h - finding the peer on a link by its router advertisements.
 *
 * Unnumbered peers have no configured address: each side learns the other's
 * link-local one from the router advertisements (RFC 4861) it sends. Ours
 * have a router lifetime of 0: they say that we are here, and that nobody
 * should take us for a default gateway. For the BGP shell only.
 */
#ifndef HERALD_BGP_BGP_RA_IO_H
#define HERALD_BGP_BGP_RA_IO_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

struct ev_loop;
struct bgp_ra_impl;

struct bgp_ra {
	struct ev_loop *loop;
	/* A router of interface ifname; from the event loop. */
	void	(*found)(void *arg, const char *ifname, const struct ip *addr);
	void	*arg;
	struct bgp_ra_impl *impl;	/* NULL while there is nothing to find */
};

/* Do so on exactly these interfaces; names are copied. */
void bgp_ra_set(struct bgp_ra *r, const char *const *ifnames, size_t n);
void bgp_ra_fini(struct bgp_ra *r);

#endif
