/*
 * bgp_conf.h - the configuration of a peer: keep it, compare it, judge it.
 *
 * Pure but for the memory of strings. For the BGP shell.
 */
#ifndef HERALD_BGP_BGP_CONF_H
#define HERALD_BGP_BGP_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "bgp/bgp_io.h"

/* *to becomes a copy whose strings are its own, "" where they were NULL. */
void bgp_conf_copy(struct bgp_io_peer *to, const struct bgp_io_peer *from);
void bgp_conf_free(struct bgp_io_peer *c);

/*
 * May a session of `ours`, a copy, go on under `theirs`? It may with other BFD, other
 * next hops, and another key of TCP-AO under another ID.
 */
bool bgp_conf_is_same(const struct bgp_io_peer *ours, const struct bgp_io_peer *theirs);

/* How far away the peer may be: hops or its default. */
uint8_t bgp_conf_hops(const struct bgp_io_peer *c);

/* What is wrong with c and what to do about it, or NULL. */
const char *bgp_conf_fault(const struct bgp_io_peer *c, bool has_ao);

/* Two whose calls could not be told apart? Both are copies. */
bool bgp_conf_conflicts(const struct bgp_io_peer *a, const struct bgp_io_peer *b);

#endif
