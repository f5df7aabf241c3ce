/*
 * link_io.h - keeps a link_table as rtnetlink has it, in this network
 * namespace. Used by arp_io.c only.
 */
#ifndef HERALD_ARP_LINK_IO_H
#define HERALD_ARP_LINK_IO_H

#include "arp/link.h"

struct ev_loop;
struct link_io;

/*
 * changed: from the event loop, once for each link that changed, with enum
 * link_change bits; ifindex 0 where a resync touched any number of them.
 */
typedef void link_io_changed_fn(void *arg, int ifindex, unsigned changes);

/*
 * Fill t and follow the links from then on. Returns 0 or -errno, with t
 * untouched. t outlives the link_io.
 */
int link_io_new(struct ev_loop *loop, struct link_table *t,
    link_io_changed_fn *changed, void *arg, struct link_io **ret);
void link_io_free(struct link_io *l);

#endif
