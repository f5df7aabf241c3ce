/*
 * bgp_listen_io.h - the listening sockets: one for each family and device.
 *
 * Shared by all peers. A caller costs one accept(); who is none of ours is
 * closed by the owner at once. For the BGP shell only.
 */
#ifndef HERALD_BGP_BGP_LISTEN_IO_H
#define HERALD_BGP_BGP_LISTEN_IO_H

#include <stddef.h>
#include <stdint.h>

#include "bgp/bgp_tcp_io.h"

struct ev_loop;
struct bgp_listener;

/* A caller on a listener bound to device ("" for none); fd is the callee's. */
typedef void bgp_listen_fn(void *arg, int fd, const struct bgp_tcp_ends *ends,
    const char *device);

struct bgp_listen {
	struct ev_loop *loop;
	uint16_t port;			/* 0: never listen */
	bgp_listen_fn *call;
	void	*arg;
	struct bgp_listener *all;
};

/* Who is expected to call: his address, where, and with which key. */
struct bgp_listen_want {
	struct ip addr;			/* IP_NONE: not known yet, of IPv6 */
	const char *device;
	struct bgp_tcp_key key;
};

/*
 * Listen for exactly these. A socket that cannot be had is logged, and tried
 * again by the next call and every BGP_LISTEN_RETRY_SEC.
 */
enum { BGP_LISTEN_RETRY_SEC = 30 };
void bgp_listen_set(struct bgp_listen *l, const struct bgp_listen_want *wants,
    size_t n);
void bgp_listen_fini(struct bgp_listen *l);

#endif
