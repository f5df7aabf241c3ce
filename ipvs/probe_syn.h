/*
 * probe_syn.h - the SYN of a half-open check, and what its answer amounts to
 * (RFC 9293). Pure; probe_syn_io.c sends and receives.
 *
 * Whom an answer is for shows by the number it acknowledges: a SYN's own sequence
 * number tells the slot that its probe has in the caller's table, and nobody who has
 * not seen the SYN can guess it.
 */
#ifndef HERALD_IPVS_PROBE_SYN_H
#define HERALD_IPVS_PROBE_SYN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

enum {
	PROBE_SYN_MAX = 40 + 24,	/* bytes of the packet over IPv6 */
	PROBE_SYN_NSLOTS = 1 << 20,
};

struct probe_syn {
	struct ip from, to;		/* of one family */
	uint16_t from_port, to_port;	/* host order */
	uint32_t seq;
};

/* The other side's words on one, as they say. */
struct probe_syn_answer {
	struct ip to;			/* whom the SYN went to; IP_NONE: no telling from
					   what was received */
	uint16_t from_port, to_port;	/* of the SYN, as seq: to_port is the endpoint's */
	uint32_t seq;
};

/*
 * A sequence number for the probe of that slot, and back. secret: the same for both,
 * drawn once; random: for each SYN anew.
 */
uint32_t probe_syn_seq(uint32_t slot, uint32_t secret, uint32_t random);
uint32_t probe_syn_slot(uint32_t seq, uint32_t secret);

/*
 * The whole IP packet, but for IPv4's header checksum, which the kernel fills in.
 * Returns its length.
 */
size_t probe_syn_encode(const struct probe_syn *s, uint8_t buf[PROBE_SYN_MAX]);

enum probe_syn_verdict {
	PROBE_SYN_OTHER,	/* not an answer to a SYN: wait on */
	PROBE_SYN_OPEN,		/* SYN-ACK */
	PROBE_SYN_REFUSED,	/* RST */
};

/*
 * Judge what a raw socket received: over IPv4 with the IP header, over IPv6 without.
 * *ret_answer is untouched for PROBE_SYN_OTHER. The checksum is not looked at: that of
 * a packet from this machine is often left to hardware that it never gets to.
 */
enum probe_syn_verdict probe_syn_judge(enum ip_family family, const uint8_t *buf,
    size_t len, struct probe_syn_answer *ret_answer);

/*
 * The SYN that an ICMP error is about, by what it quotes from the TCP header on: 8
 * bytes at least (RFC 792). 0, or -EBADMSG with *ret_answer untouched.
 */
int probe_syn_quoted(const uint8_t *buf, size_t len, struct probe_syn_answer *ret_answer);

bool probe_syn_is_answer(const struct probe_syn *s, const struct probe_syn_answer *a);

#endif
