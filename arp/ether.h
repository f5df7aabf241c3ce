/*
 * ether.h - the Ethernet header both codecs stand on; used by arp.c, ndp.c
 * and frame.c only.
 */
#ifndef HERALD_ARP_ETHER_H
#define HERALD_ARP_ETHER_H

#include "arp/frame.h"
#include "lib/wire.h"

enum {
	ETHER_TYPE_ARP	= 0x0806,
	ETHER_TYPE_IPV6	= 0x86dd,
};

extern const uint8_t ether_broadcast[ARP_MAC_LEN];

struct ether {
	uint8_t	dst[ARP_MAC_LEN];
	uint8_t	src[ARP_MAC_LEN];
	uint16_t type;		/* of what follows, tags stepped over */
	uint16_t vlan_id;	/* outermost 802.1Q or 802.1ad VID, 0 for none */
};

/*
 * Read header and up to two VLAN tags. The kernel takes the tag off what a
 * packet socket sees, but not off every driver's frames.
 */
struct ether ether_get(struct wire_in *w);

/* Write a header without a tag. */
void ether_put(struct wire_out *w, const uint8_t dst[ARP_MAC_LEN],
    const uint8_t src[ARP_MAC_LEN], uint16_t type);

#endif
