/*
 * rtnl_io.h - links and addresses: as much of rtnetlink as the director needs,
 * with rtnl_route_io.h. A socket works in the namespace in which it was opened.
 *
 * The *_add functions are exclusive: -EEXIST tells that the thing is there, so
 * that making sure and finding out are one request.
 */
#ifndef HERALD_IPVS_RTNL_IO_H
#define HERALD_IPVS_RTNL_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ip.h"

struct rtnl;

int rtnl_open(struct rtnl **ret);
void rtnl_close(struct rtnl *r);

struct rtnl_link {
	int	index;
	int	peer_index;	/* of a veth, in its peer's namespace; 0 none */
	char	name[16];
	char	kind[16];	/* "veth", "ipip", ...; "" for hardware */
	bool	is_up;		/* administratively */
	bool	is_loopback;
	uint32_t mtu;
};

/* By name; -ENODEV where there is none. */
int rtnl_link_find(struct rtnl *r, const char *name, struct rtnl_link *ret);

/* Each link in turn. */
int rtnl_link_each(struct rtnl *r,
    void (*fn)(void *arg, const struct rtnl_link *link), void *arg);

/* A veth pair: name here, peer in the namespace ns_fd. */
int rtnl_veth_add(struct rtnl *r, const char *name, const char *peer, int ns_fd);

/* A device that unpacks tunnel packets sent to local, from anywhere. */
int rtnl_tunnel_add(struct rtnl *r, const char *name, const struct ip *local);

int rtnl_link_set_up(struct rtnl *r, int index);
int rtnl_link_set_mtu(struct rtnl *r, int index, uint32_t mtu);
int rtnl_link_delete(struct rtnl *r, int index);

/* Addresses are usable at once: no duplicate address detection. */
int rtnl_addr_add(struct rtnl *r, int index, const struct ip *a, unsigned len);
int rtnl_addr_delete(struct rtnl *r, int index, const struct ip *a, unsigned len);
/* Each address of a link, of all links with index 0. */
int rtnl_addr_each(struct rtnl *r, int index,
    void (*fn)(void *arg, const struct ip *a, unsigned len), void *arg);

#endif
