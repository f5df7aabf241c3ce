/*
 * bgp_hop_io.c - which addresses of ours a peer can reach beside the one it
 * talks to: those of the same interface.
 */
#include <ifaddrs.h>
#include <net/if.h>

#include "bgp/bgp_impl.h"

/* The name of the interface with this address, in buf; "" where there is none. */
static const char *
name_of(const struct ifaddrs *all, const struct ip *local, unsigned scope,
    char buf[IF_NAMESIZE])
{
	buf[0] = '\0';
	if (scope != 0)
		return if_indextoname(scope, buf) != NULL ? buf : "";
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct ip addr;

		if (i->ifa_addr == NULL)
			continue;
		addr = ip_from_sockaddr(i->ifa_addr);
		if (ip_eq(&addr, local))
			return i->ifa_name;
	}
	return buf;
}

struct bgp_hops
bgp_hops_of(const struct ip *local, unsigned scope)
{
	struct bgp_hops h = { 0 };
	struct ifaddrs *all = NULL;
	char buf[IF_NAMESIZE];
	const char *name;

	if (getifaddrs(&all) < 0)
		all = NULL;
	name = name_of(all, local, scope, buf);
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct ip addr, *slot;

		if (i->ifa_addr == NULL || strcmp(i->ifa_name, name) != 0)
			continue;
		addr = ip_from_sockaddr(i->ifa_addr);
		slot = ip_is_v4(&addr) ? &h.v4 : ip_is_link_local(&addr) ?
		    &h.v6_link_local : &h.v6;
		if (ip_is_set(&addr) && !ip_is_special(&addr) && !ip_is_set(slot))
			*slot = addr;
	}
	freeifaddrs(all);
	if (ip_is_v4(local))
		h.v4 = *local;
	else if (ip_is_link_local(local))
		h.v6_link_local = *local;
	else
		h.v6 = *local;
	return h;
}
