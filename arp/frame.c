/* frame.c - see frame.h and ether.h. */
#include "arp/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arp/arp.h"
#include "arp/ether.h"
#include "arp/ndp.h"

enum {
	ETHER_TYPE_8021Q  = 0x8100,
	ETHER_TYPE_8021AD = 0x88a8,
	ETHER_TAGS_MAX	  = 2,
	ETHER_VID_MASK	  = 0x0fff,
};

const uint8_t ether_broadcast[ARP_MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

struct ether
ether_get(struct wire_in *w)
{
	struct ether e = { .vlan_id = 0 };

	wire_get_bytes(w, e.dst, ARP_MAC_LEN);
	wire_get_bytes(w, e.src, ARP_MAC_LEN);
	e.type = wire_get_u16(w);
	for (int i = 0; i < ETHER_TAGS_MAX; i++) {
		uint16_t vid;

		if (e.type != ETHER_TYPE_8021Q && e.type != ETHER_TYPE_8021AD)
			break;
		vid = wire_get_u16(w) & ETHER_VID_MASK;
		if (e.vlan_id == 0)
			e.vlan_id = vid;
		e.type = wire_get_u16(w);
	}
	return e;
}

void
ether_put(struct wire_out *w, const uint8_t dst[ARP_MAC_LEN],
    const uint8_t src[ARP_MAC_LEN], uint16_t type)
{
	wire_put_bytes(w, dst, ARP_MAC_LEN);
	wire_put_bytes(w, src, ARP_MAC_LEN);
	wire_put_u16(w, type);
}

int
arp_frame_decode(const void *buf, size_t len, struct arp_events *ret)
{
	struct arp_msg arp;
	struct ndp_msg ndp;

	if (arp_decode(buf, len, &arp) == 0) {
		*ret = arp_events(&arp);
		return 0;
	}
	if (ndp_decode(buf, len, &ndp) == 0) {
		*ret = ndp_events(&ndp);
		return 0;
	}
	return -EBADMSG;
}

bool
arp_mac_is_station(const uint8_t mac[ARP_MAC_LEN])
{
	static const uint8_t zero[ARP_MAC_LEN];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, ARP_MAC_LEN) != 0;
}

bool
arp_mac_eq(const uint8_t a[ARP_MAC_LEN], const uint8_t b[ARP_MAC_LEN])
{
	return memcmp(a, b, ARP_MAC_LEN) == 0;
}

const char *
arp_mac_format(const uint8_t mac[ARP_MAC_LEN], char buf[ARP_MAC_STRLEN])
{
	snprintf(buf, ARP_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
	    mac[2], mac[3], mac[4], mac[5]);
	return buf;
}

const char *
arp_event_kind_name(enum arp_event_kind kind)
{
	switch (kind) {
	case ARP_EVENT_ASK:
		return "ask";
	case ARP_EVENT_PROBE:
		return "probe";
	case ARP_EVENT_CLAIM:
		return "claim";
	}
	return "?";
}
