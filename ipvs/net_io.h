/*
 * net_io.h - what joins the director to its host: the namespace, the veth
 * pair, addresses, routes, rules, tunnel devices and kernel parameters. What
 * comes and goes with Services is in net_list_io.h.
 *
 * Each piece is made where it is missing, left alone where it is there.
 */
#ifndef HERALD_IPVS_NET_IO_H
#define HERALD_IPVS_NET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipvs/director.h"
#include "ipvs/rtnl_io.h"

struct director_net {
	int	ns;		/* the director's namespace */
	int	home;		/* the host's: ours when it was opened */
	struct rtnl *host;	/* sockets in either */
	struct rtnl *inside;
	bool	has_v6;		/* the kernel has IPv6 */
	int	inner;		/* index of the veth's end inside */
	struct net_list {	/* see net_list_io.h; by enum net_list_id */
		struct ip *ip;		/* sorted */
		size_t	n, cap;
		bool	is_known;	/* ip is what the kernel has */
		unsigned nlost;		/* that others had removed, at the last look */
	} list[2];
};

/*
 * Find or make the namespace and open what is needed in both. *n is filled
 * from zero; net_close() undoes it, also after a failure.
 */
int net_open(struct director_net *n, const struct director_conf *conf,
    struct director_error *ret_err);
void net_close(struct director_net *n);

/*
 * Everything but the lists, as it should be. mtu, of the node's links, is that of the
 * veth pair, too: who sends more is told of it there, before the director. *ret_made
 * counts the pieces that had to be made or put right.
 */
int net_ensure(struct director_net *n, const struct director_conf *conf, uint16_t mtu,
    unsigned *ret_made, struct director_error *ret_err);

/* With ip_vs loaded: its parameters; how many had to be put right, or -errno. */
int net_ensure_ipvs(struct director_net *n, struct director_error *ret_err);

/* Let the host forward IPv6, as the first IPv6 VIP needs; keeps accepting RAs. */
int net_forward_v6(struct director_net *n, struct director_error *ret_err);

/* The smallest MTU among the host's links that are up, loopback not counted. */
uint16_t net_uplink_mtu(struct director_net *n, const struct director_conf *conf);

/* Whether `expire_nodest_conn` is on: off while endpoints change places. */
int net_expire_nodest(struct director_net *n, bool is_on);

/* Take away rule, route, veth pair and namespace; fine where there are none. */
int net_destroy(const struct director_conf *conf, struct director_error *ret_err);

#endif
