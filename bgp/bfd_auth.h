/*
 * bfd_auth.h - the authentication of a session's packets (RFC 5880, 6.7). Pure; for
 * bfd.c.
 */
#ifndef HERALD_BGP_BFD_AUTH_H
#define HERALD_BGP_BFD_AUTH_H

#include "bgp/bfd.h"

/*
 * p was decoded from buf. Returns 0, -EACCES where type, key or digest is not the
 * session's, or -ESTALE where the sequence number is out of its window.
 */
int bfd_auth_check(const struct bfd *s, const uint8_t *buf, const struct bfd_pkt *p);

/* Is its digest of one of the session's keys? p->len is BFD_PKT_MAX. */
bool bfd_auth_is_right(const struct bfd *s, const uint8_t buf[BFD_PKT_MAX],
    const struct bfd_pkt *p);

#endif
