/*
 * bgp_link_io.h - one TCP connection of a peer: bytes in, bytes out, the end.
 *
 * For bgp_nbr_io.c, which it tells of nothing: all that happens goes into the
 * neighbour's engine, and bgp_nbr_settle() follows.
 */
#ifndef HERALD_BGP_BGP_LINK_IO_H
#define HERALD_BGP_BGP_LINK_IO_H

#include <stdbool.h>

#include "bgp/bgp_impl.h"

void bgp_link_init(struct bgp_link *l, struct bgp_nbr *n, enum bgp_slot slot);

/* Take over fd, which is connected or (is_connecting) about to be. */
void bgp_link_open(struct bgp_link *l, int fd, bool is_connecting);

static inline bool
bgp_link_is_open(const struct bgp_link *l)
{
	return l->rd.fd >= 0;
}

/*
 * Send what there is to say, as far as the peer takes it. False where the
 * connection has failed: then it is cut and the engine knows.
 */
bool bgp_link_send(struct bgp_link *l);

/* Close at once; no connection is fine. */
void bgp_link_cut(struct bgp_link *l);

/* Close once the last words are out. */
void bgp_link_end(struct bgp_link *l);

#endif
