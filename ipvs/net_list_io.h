/*
 * net_list_io.h - what the director's namespace holds address by address, and what
 * comes and goes with Services.
 *
 *	NET_VIPS	VIPs, as local addresses; IPv4, as local routes
 *	NET_ENDPOINTS	this node's IPv6 endpoints, each with a route of its own by
 *			which IPVS thinks packets of any size will pass: those that
 *			do not are cut behind it (nft_rules.c, "cut"). It would drop
 *			them otherwise, also where the client had sent fragments.
 */
#ifndef HERALD_IPVS_NET_LIST_IO_H
#define HERALD_IPVS_NET_LIST_IO_H

#include "ipvs/net_io.h"

enum net_list_id { NET_VIPS, NET_ENDPOINTS };

/*
 * Add what is missing of want, which is sorted; take away what is not in it. What
 * fails goes to fail, one each; the return value counts those that were changed.
 */
typedef void net_fail_fn(void *arg, enum net_list_id id, const struct ip *a,
    const struct director_error *err);
unsigned net_list_add(struct director_net *n, enum net_list_id id,
    const struct ip *want, size_t nwant, net_fail_fn *fail, void *arg);
unsigned net_list_remove(struct director_net *n, enum net_list_id id,
    const struct ip *want, size_t nwant, net_fail_fn *fail, void *arg);

/* Look at the kernel again before the next change; and need we not? */
void net_lists_forget(struct director_net *n);
bool net_lists_are_known(const struct director_net *n);

void net_lists_fini(struct director_net *n);

#endif
