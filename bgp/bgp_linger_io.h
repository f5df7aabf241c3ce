/*
 * bgp_linger_io.h - connections that have been given up but not yet closed.
 *
 * A close() with bytes unread becomes a reset, and a reset may overtake and
 * destroy the NOTIFICATION just sent. So what is left is sent, then the end,
 * and what still comes is read and dropped until the peer closes too, for a
 * few seconds at most. For the BGP shell only.
 */
#ifndef HERALD_BGP_BGP_LINGER_IO_H
#define HERALD_BGP_BGP_LINGER_IO_H

#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct bgp_lingerer;

struct bgp_linger {
	struct ev_loop *loop;
	struct bgp_lingerer *all;	/* oldest first */
	unsigned n;
	void	(*emptied)(void *arg);	/* the last is gone; may be NULL */
	void	*arg;
};

/* Take over fd, with n bytes that are still to be sent; they are copied. */
void bgp_linger_add(struct bgp_linger *l, int fd, const uint8_t *rest, size_t n);

/* Close them all as they are, without a call of emptied. */
void bgp_linger_fini(struct bgp_linger *l);

#endif
