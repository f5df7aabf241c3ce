/* rtnl_route_io.h - routes and rules, by the sockets and manners of rtnl_io.h. */
#ifndef HERALD_IPVS_RTNL_ROUTE_IO_H
#define HERALD_IPVS_RTNL_ROUTE_IO_H

#include "ipvs/rtnl_io.h"

/* A route by way of a neighbour. */
struct rtnl_route {
	struct ip dst;		/* one address; unset: the default route */
	struct ip via;
	int	index;		/* of the link */
	uint32_t table;		/* RT_TABLE_MAIN: 254 */
	uint32_t mtu;		/* what may be sent by it, in bytes, whatever becomes of
				   the link's; 0: as the link says */
};
int rtnl_route_add(struct rtnl *r, const struct rtnl_route *route);
int rtnl_route_delete(struct rtnl *r, const struct rtnl_route *route);

/* Each route of a family that could be a struct rtnl_route, of all tables. */
int rtnl_route_each(struct rtnl *r, uint8_t family,
    void (*fn)(void *arg, const struct rtnl_route *route), void *arg);

/*
 * An IPv4 address that is the node's own by a route of type local on a link, as if
 * the link had it. Each of those that are ours.
 */
int rtnl_local_add(struct rtnl *r, int index, const struct ip *a);
int rtnl_local_delete(struct rtnl *r, int index, const struct ip *a);
int rtnl_local_each(struct rtnl *r, int index,
    void (*fn)(void *arg, const struct ip *a, unsigned len), void *arg);

/*
 * Rule: packets with all bits of mark look into table. To delete one with mark 0:
 * whatever its mark.
 */
int rtnl_rule_add(struct rtnl *r, uint8_t family, uint32_t pref, uint32_t mark,
    uint32_t table);
int rtnl_rule_delete(struct rtnl *r, uint8_t family, uint32_t pref, uint32_t mark,
    uint32_t table);

/* A rule that looks at packets' marks. */
struct rtnl_rule {
	uint32_t pref, mark, mask, table;
};

/* Each rule of both families that has a mark. */
int rtnl_rule_each(struct rtnl *r,
    void (*fn)(void *arg, const struct rtnl_rule *rule), void *arg);

#endif
