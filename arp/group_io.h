/*
 * group_io.h - membership of IPv6 VIPs' solicited-node groups, link by link.
 *
 * Solicitations for a VIP go to a group that the kernel, which does not have
 * the VIP as an address, would not be in. Joining by an IPv6 socket does two
 * things a packet socket cannot: it opens the hardware's filter and sends MLD
 * reports, without which a snooping switch keeps the solicitations away.
 * Used by arp_io.c only.
 */
#ifndef HERALD_ARP_GROUP_IO_H
#define HERALD_ARP_GROUP_IO_H

#include "arp/sock_io.h"
#include "lib/ip.h"

struct group_io;

/* sock: for links where IPv6 is off and only the hardware filter can be opened. */
struct group_io *group_io_new(struct sock_io *sock);
void group_io_free(struct group_io *g);

/*
 * Join the group of an IPv6 VIP on a link. VIPs share groups and are counted:
 * one leave for each join. Returns 0 or -errno; leave also after a failure.
 */
int group_io_join(struct group_io *g, int ifindex, const struct ip *vip);
void group_io_leave(struct group_io *g, int ifindex, const struct ip *vip);

#endif
