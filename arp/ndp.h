/*
 * ndp.h - neighbour solicitation and advertisement (RFC 4861) over Ethernet:
 * the wire format and the few messages Herald sends. Pure.
 */
#ifndef HERALD_ARP_NDP_H
#define HERALD_ARP_NDP_H

#include "arp/frame.h"

enum ndp_type {
	NDP_SOLICIT	= 135,
	NDP_ADVERTISE	= 136,
};

struct ndp_msg {
	uint8_t	eth_dst[ARP_MAC_LEN];
	uint8_t	eth_src[ARP_MAC_LEN];
	uint16_t vlan_id;	/* decoded only; see struct arp_events */
	enum ndp_type type;
	struct ip src;		/* :: in a DAD solicitation */
	struct ip dst;
	struct ip target;
	bool	is_router;	/* R, S and O of an advertisement */
	bool	is_solicited;
	bool	is_override;
	bool	has_mac;	/* the link-layer address option is there: */
	uint8_t	mac[ARP_MAC_LEN];	/* source's in an NS, target's in an NA */
};

/*
 * 0, or -EBADMSG where buf is no solicitation or advertisement that passes
 * the tests of RFC 4861 sections 7.1.1 and 7.1.2 (hop limit, checksum, code,
 * lengths, addresses); then *ret is untouched. Options other than the
 * link-layer addresses are stepped over.
 */
int ndp_decode(const void *buf, size_t len, struct ndp_msg *ret);

struct arp_frame ndp_encode(const struct ndp_msg *m);

/* What m claims and asks. */
struct arp_events ndp_events(const struct ndp_msg *m);

/* ff02::1:ffXX:XXXX of a (RFC 4291 section 2.7.1). */
struct ip ndp_solicited_node(const struct ip *a);

/* "Does anyone have vip?" (RFC 4862 section 5.4.2) */
struct arp_frame ndp_probe(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN]);

/*
 * "vip is at mac" to all nodes: Override set, so that entries move; R clear,
 * so that no host takes the node for a router (RFC 4861 section 7.2.6). All
 * routers hear it too and may make an entry ahead of need (RFC 9131).
 */
struct arp_frame ndp_announce(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN]);

/*
 * "vip is at mac": to the asker, Solicited; or, where the ask is a DAD probe
 * and so has no address, to all nodes (RFC 4861 section 7.2.4).
 */
struct arp_frame ndp_answer(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN],
    const struct arp_event *ask);

#endif
