/*
 * link.h - which links of the node may carry a VIP, and why the others not.
 *
 * Pure: link_io.c fills the table from rtnetlink, arp_io.c asks it. Memory
 * grows with the kernel's links only.
 */
#ifndef HERALD_ARP_LINK_H
#define HERALD_ARP_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arp/frame.h"

/* The first reason that applies, the more lasting ones first. */
enum link_why {
	LINK_ELIGIBLE,
	LINK_LOOPBACK,
	LINK_NOT_ETHERNET,	/* tunnels, wireguard, infiniband: no Ethernet ARP */
	LINK_NO_ARP,		/* IFF_NOARP: dummies, ipvs, some overlays */
	LINK_EXCLUDED,		/* its name matches an exclusion */
	LINK_ENSLAVED,		/* to a bond, bridge or team: the master speaks */
	LINK_DOWN,		/* administratively */
	LINK_NO_CARRIER,
};

/* For people: "eligible", "enslaved: its master speaks for it", ... */
const char *link_why_text(enum link_why why);

/* As rtnetlink has it; all but `why` are the caller's to fill. */
struct link {
	int	ifindex;
	char	name[IF_NAMESIZE];
	unsigned flags;		/* IFF_* */
	uint16_t type;		/* ARPHRD_* */
	int	master;		/* ifindex of the master, 0 none */
	char	slave_kind[16];	/* what the master is: "bridge", "bond", "vrf" */
	uint8_t	operstate;	/* IF_OPER_*: 0 unknown, 6 up */
	bool	has_carrier;
	uint8_t	mac[ARP_MAC_LEN];	/* zero where it has none of 6 bytes */
	int	active_slave;	/* of a bond, 0 none */
	enum link_why why;	/* set by link_table_put() */
	bool	is_stale;	/* not seen since link_table_mark() */
};

struct link_table {
	struct link *links;	/* sorted by ifindex */
	size_t	n, cap;
	char	**exclude;	/* the caller's patterns, copied */
	size_t	nexclude;
};

/* What a change means for those who announce. */
enum link_change {
	LINK_CHANGE_SET	 = 1u << 0,	/* an eligible link came, went, was renamed */
	LINK_CHANGE_PATH = 1u << 1,	/* an eligible one: MAC or active slave */
	LINK_CHANGE_INFO = 1u << 2,	/* why a link is not eligible changed */
};

/*
 * exclude: fnmatch(3) patterns of names never used, besides the built-in ones
 * (container and overlay devices). A veth may be a node's uplink, so it is
 * excluded by name, not by kind.
 */
void link_table_init(struct link_table *t, const char *const *exclude,
    size_t nexclude);
void link_table_fini(struct link_table *t);

/* Add l or update the link of its ifindex; enum link_change bits. */
unsigned link_table_put(struct link_table *t, const struct link *l);

/* Forget a link; unknown ones are fine. */
unsigned link_table_del(struct link_table *t, int ifindex);

/* For a resync: mark all, put what is there, sweep what was not put. */
void link_table_mark(struct link_table *t);
unsigned link_table_sweep(struct link_table *t);

/* NULL where there is none. Valid until the next put, del or sweep. */
const struct link *link_table_find(const struct link_table *t, int ifindex);

/* Is mac the address of any link here, eligible or not? */
bool link_table_has_mac(const struct link_table *t, const uint8_t mac[ARP_MAC_LEN]);

/* Does name match one of the patterns? n 0: every name does. */
bool link_name_matches(const char *name, const char *const *patterns, size_t n);

#endif
