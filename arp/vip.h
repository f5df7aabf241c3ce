/*
 * vip.h - claim, announce, answer for, watch and defend one VIP on one link
 * (RFC 826, 4861, 4862, 5227).
 *
 * Pure: no socket, no clock, no allocation. Callers pass `now`, send the
 * frames that come back, and call arp_vip_tick() when arp_vip_deadline() is
 * reached; arp_io.c is the only caller outside the tests.
 *
 *	IDLE --start(NOW)--> OWNER <--nobody answered-- PROBING
 *	IDLE --start(PROBE)--> PROBING --taken--> WITHHELD --later--> PROBING
 *	OWNER --rival, policy WITHHOLD--> WITHHELD
 *	OWNER --rival, policy YIELD--> YIELDED
 *
 * A claim by another station while we own the VIP is answered by announcing
 * again at once, then a few times quickly, then at growing intervals (so that
 * two that will not give way do not flood the link, RFC 5227 section 2.4),
 * always after the rival's last word. It is reported only when confirmed by a
 * probe: for a moment there are two owners whenever a VIP moves between nodes.
 */
#ifndef HERALD_ARP_VIP_H
#define HERALD_ARP_VIP_H

#include "arp/frame.h"
#include "lib/mono.h"

enum arp_vip_state {
	ARP_VIP_IDLE,		/* silent */
	ARP_VIP_PROBING,	/* asking whether the address is free */
	ARP_VIP_OWNER,		/* announced; answering, watching */
	ARP_VIP_WITHHELD,	/* somebody else has it; silent, will probe again */
	ARP_VIP_YIELDED,	/* the next owner has spoken; silent for good */
};
const char *arp_vip_state_name(enum arp_vip_state s);

/* How to begin. */
enum arp_claim {
	ARP_CLAIM_NOW,		/* announce at once: failover */
	ARP_CLAIM_PROBE,	/* probe first: the VIP's first claim ever */
};

/* What to do about a rival once the VIP is ours. */
enum arp_policy {
	ARP_POLICY_DEFEND,	/* keep it */
	ARP_POLICY_WITHHOLD,	/* let the rival have it, probe again later */
	ARP_POLICY_YIELD,	/* we are leaving: the first claim ends it */
};

enum { ARP_BURST_MAX = 8 };

struct arp_vip_conf {
	uint8_t	nprobes;	/* before a claim; 1 or more */
	uint16_t probe_wait_ms;	/* random delay before the first, up to this */
	uint16_t probe_min_ms;	/* between probes ... */
	uint16_t probe_max_ms;	/* ... and at most this */
	uint16_t claim_wait_ms;	/* silence needed after the last probe */
	uint8_t	nburst;		/* announcements after a takeover; 1.. */
	uint16_t burst_gap_ms[ARP_BURST_MAX];	/* before the 2nd, 3rd, ... */
	uint32_t repeat_sec;	/* then every so often, +-25 % */
	uint8_t	ndefend_quick;	/* so many defences this far apart: */
	uint32_t defend_min_ms;	/* enough for an election to settle it ... */
	uint32_t defend_max_ms;	/* ... then the gap doubles up to this */
	uint32_t confirm_ms;	/* from a rival's first claim to the probe */
	uint32_t suspect_ms;	/* then forget it where it stays silent */
	uint32_t settle_sec;	/* confirmed rival silent this long: it is gone */
	uint32_t retry_min_sec;	/* withheld: probe again, doubling ... */
	uint32_t retry_max_sec;	/* ... up to this */
	uint32_t doubt_ms;	/* silence after a hang */
};

/*
 * Probes are quicker than RFC 5227's (7 s in all, for links of 1990's speed):
 * below 1 s. Repeats come well below 300 s, after which switches forget a MAC.
 */
extern const struct arp_vip_conf arp_vip_conf_default;

/* What a step did, for the caller to count or pass on. */
enum arp_did {
	ARP_DID_ANSWER	 = 1u << 0,
	ARP_DID_ANNOUNCE = 1u << 1,
	ARP_DID_DEFEND	 = 1u << 2,	/* an announcement because of a rival */
	ARP_DID_PROBE	 = 1u << 3,
	ARP_DID_CHANGE	 = 1u << 4,	/* v->is_announced changed */
	ARP_DID_CONFLICT = 1u << 5,	/* there is a rival: v->rival.mac */
	ARP_DID_SETTLE	 = 1u << 6,	/* the reported rival is gone */
};

enum { ARP_OUT_MAX = 3 };	/* both announcements and a probe */

struct arp_out {
	unsigned did;		/* enum arp_did */
	uint8_t	nframes;
	struct arp_frame frame[ARP_OUT_MAX];	/* send in this order */
};

struct arp_rival {
	uint8_t	mac[ARP_MAC_LEN];	/* the last that claimed our VIP */
	bool	is_seen;	/* suspected; the rest is of no meaning without */
	bool	is_reported;
	bool	is_probed;	/* the confirming probe is out */
	struct mono confirm_at;	/* a claim from then on confirms it */
	struct mono forget_at;
	struct mono report_at;	/* no new report before */
};

/* There are thousands of these: in an order that leaves no gaps. */
struct arp_vip {
	const struct arp_vip_conf *conf;	/* not owned; outlives v */
	uint64_t rng;		/* state of the generator for jitter */
	struct mono next;	/* next probe, announcement or retry */
	struct mono defend_at;	/* no defence before */
	struct mono doubt_until;	/* silent before; see arp_vip_doubt() */
	struct arp_rival rival;
	enum arp_vip_state state;
	enum arp_policy policy;
	uint32_t defend_wait_ms;	/* the gap that led to defend_at */
	struct ip addr;		/* the VIP; fixed by arp_vip_init() */
	uint8_t	mac[ARP_MAC_LEN];	/* source of every frame */
	bool	is_announced;	/* OWNER, and the first announcement is out */
	uint8_t	nsent;		/* probes, or announcements of this burst */
	uint8_t	nretries;	/* times withheld in a row */
	uint8_t	ndefences;	/* in this quarrel, counted up to ndefend_quick */
	bool	is_defence_due;	/* a claim came before defend_at */
};

/* seed: randomness for jitter, another for each VIP and link. IDLE, DEFEND. */
void arp_vip_init(struct arp_vip *v, const struct arp_vip_conf *conf,
    const struct ip *addr, const uint8_t mac[ARP_MAC_LEN], uint64_t seed);

/* Claim the VIP: tick is due at once, or after the first probe's delay. */
void arp_vip_start(struct arp_vip *v, enum arp_claim claim, struct mono now);

/* A YIELDED VIP whose policy becomes another is claimed again at once. */
void arp_vip_set_policy(struct arp_vip *v, enum arp_policy policy, struct mono now);

/*
 * The link came up, has another MAC, or another path beneath (a bond's
 * switch): begin again from the first probe or announcement.
 */
void arp_vip_link_up(struct arp_vip *v, const uint8_t mac[ARP_MAC_LEN],
    struct mono now);

/*
 * This process was stopped or starved for so long that it may have been
 * declared dead and the VIP taken over: say nothing for conf->doubt_ms, in which
 * the election will end our part or leave us the owner.
 */
void arp_vip_doubt(struct arp_vip *v, struct mono now);

/* Announce anew, as after a takeover; nothing where v is not the owner. */
void arp_vip_announce(struct arp_vip *v, struct mono now);

/*
 * One event whose target is v's address. Our own frames may come back and are
 * ignored. *ret is overwritten, did 0 and nframes 0 where there is nothing.
 */
void arp_vip_rx(struct arp_vip *v, const struct arp_event *ev, struct mono now,
    struct arp_out *ret);

/* What is due by now. *ret as above. */
void arp_vip_tick(struct arp_vip *v, struct mono now, struct arp_out *ret);

/* When to tick, or MONO_NEVER. */
struct mono arp_vip_deadline(const struct arp_vip *v);

#endif
