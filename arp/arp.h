/*
 * arp.h - ARP for IPv4 over Ethernet (RFC 826): the wire format and the few
 * messages Herald sends. Pure.
 */
#ifndef HERALD_ARP_ARP_H
#define HERALD_ARP_ARP_H

#include "arp/frame.h"

enum arp_op {
	ARP_OP_REQUEST	= 1,
	ARP_OP_REPLY	= 2,
};

/* RFC 826 names in brackets. */
struct arp_msg {
	uint8_t	eth_dst[ARP_MAC_LEN];
	uint8_t	eth_src[ARP_MAC_LEN];
	uint16_t vlan_id;		/* decoded only; see struct arp_events */
	enum arp_op op;			/* [ar$op] */
	uint8_t	sender_mac[ARP_MAC_LEN];	/* [ar$sha] */
	struct ip sender;		/* [ar$spa] IPv4; 0.0.0.0 in a probe */
	uint8_t	target_mac[ARP_MAC_LEN];	/* [ar$tha] */
	struct ip target;		/* [ar$tpa] IPv4 */
};

/*
 * 0, or -EBADMSG where buf is no ARP packet for Ethernet and IPv4 with a
 * request or reply in it; then *ret is untouched. Bytes after it are padding.
 */
int arp_decode(const void *buf, size_t len, struct arp_msg *ret);

struct arp_frame arp_encode(const struct arp_msg *m);

/* What m claims and asks. */
struct arp_events arp_events(const struct arp_msg *m);

/* "Does anyone have vip?" (RFC 5227 section 2.1.1) */
struct arp_frame arp_probe(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN]);

/*
 * "vip is at mac", to everyone, as the request of RFC 5227 section 2.3 ...
 */
struct arp_frame arp_announce_request(const struct ip *vip,
    const uint8_t mac[ARP_MAC_LEN]);

/*
 * ... and as a reply. Its target MAC is the sender's: Linux takes a reply as
 * gratuitous, and so past the lock time of a fresh entry, only then.
 */
struct arp_frame arp_announce_reply(const struct ip *vip,
    const uint8_t mac[ARP_MAC_LEN]);

/* "vip is at mac", to the sender of an ASK or PROBE. */
struct arp_frame arp_answer(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN],
    const struct arp_event *ask);

#endif
