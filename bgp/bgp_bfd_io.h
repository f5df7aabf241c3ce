/*
 * bgp_bfd_io.h - the BFD sessions of BGP peers (RFC 5881, 5882, 5883).
 *
 * One bfd_io for each port (3784 on the link, 4784 over hops) and VRF, opened
 * with its first session. For the BGP shell only.
 */
#ifndef HERALD_BGP_BGP_BFD_IO_H
#define HERALD_BGP_BGP_BFD_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "bgp/bfd_io.h"

struct ev_loop;
struct bgp_bfd_group;

enum { BGP_BFD_PORT = 3784, BGP_BFD_MULTIHOP_PORT = 4784 };

struct bgp_bfd {
	struct ev_loop *loop;
	void	(*changed)(void *arg);	/* some session: look at yours */
	void	*arg;
	struct bgp_bfd_group *groups;
};

struct bgp_bfd_want {
	struct bfd_io_peer peer;
	const char *vrf;		/* "" none */
	bool	is_multihop;
};

/* Have exactly these; those that stay are not disturbed. */
void bgp_bfd_set(struct bgp_bfd *b, const struct bgp_bfd_want *wants, size_t n);

/* False where there is no such session. Only addr and scope of peer are read. */
bool bgp_bfd_view(const struct bgp_bfd *b, const struct bgp_bfd_want *want,
    struct bfd_io_view *ret);

/* Tell every peer that this is no failure. */
void bgp_bfd_admin_down(struct bgp_bfd *b);
void bgp_bfd_fini(struct bgp_bfd *b);

#endif
