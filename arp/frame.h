/*
 * frame.h - what all of arp/ shares: a frame to send, and what a received
 * frame means for a VIP.
 *
 * How a frame travels: sock_io.c receives it, frame_decode() (arp.c or ndp.c
 * below it) says what it is, arp_io.c finds the engines of the addresses it
 * is about, arp_vip_rx() (vip.c) answers with frames, sock_io.c sends them.
 *
 * ARP (RFC 826) and neighbour discovery (RFC 4861) differ in bytes only: both
 * ask who has an address, both tell. So the engine knows struct arp_event and
 * neither wire format.
 */
#ifndef HERALD_ARP_FRAME_H
#define HERALD_ARP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

enum {
	ARP_FRAME_MAX	= 86,	/* the longest we send: an NA with its option */
	ARP_MAC_LEN	= 6,
};

/* A whole Ethernet frame, without padding and FCS. */
struct arp_frame {
	uint8_t	buf[ARP_FRAME_MAX];
	uint8_t	len;		/* 0: nothing */
};

enum arp_event_kind {
	ARP_EVENT_ASK,		/* who has target? Tell asker at mac. */
	ARP_EVENT_PROBE,	/* does anyone have target? (ACD, DAD: no asker) */
	ARP_EVENT_CLAIM,	/* target is at mac */
};
const char *arp_event_kind_name(enum arp_event_kind kind);

struct arp_event {
	enum arp_event_kind kind;
	struct ip target;	/* the address this is about; never IP_NONE */
	struct ip asker;	/* ASK: whom to tell; else IP_NONE */
	uint8_t	mac[ARP_MAC_LEN];	/* whom to answer; who claims */
};

/*
 * One frame is about two addresses at most: an ARP request claims its sender's
 * and asks for its target's.
 */
struct arp_events {
	struct arp_event ev[2];
	uint8_t	n;
	uint16_t vlan_id;	/* of an 802.1Q tag left in the frame, 0 none */
};

/*
 * What the frame of len bytes says, padding allowed. Returns 0 (n may be 0:
 * well-formed and of no interest), or -EBADMSG where it is neither a valid
 * Ethernet/IPv4 ARP packet nor a valid neighbour solicitation or
 * advertisement; then *ret is untouched.
 */
int arp_frame_decode(const void *buf, size_t len, struct arp_events *ret);

/* A usable station address: neither zero nor a group address. */
bool arp_mac_is_station(const uint8_t mac[ARP_MAC_LEN]);
bool arp_mac_eq(const uint8_t a[ARP_MAC_LEN], const uint8_t b[ARP_MAC_LEN]);

enum { ARP_MAC_STRLEN = sizeof("00:00:00:00:00:00") };
const char *arp_mac_format(const uint8_t mac[ARP_MAC_LEN], char buf[ARP_MAC_STRLEN]);
#define ARP_MAC_STR(m) arp_mac_format((m), (char[ARP_MAC_STRLEN]){ 0 })

#endif
