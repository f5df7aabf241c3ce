/*
 * syn_sock_io.h - the sockets of half-open checks, one family's: SYNs leave by a raw one,
 * answers are heard by another.
 *
 * The ports that SYNs come from are held by TCP sockets that are bound and no more:
 * nobody else gets them, and since nothing is open there the kernel itself answers a
 * SYN-ACK with a reset, and the endpoint forgets. There are a few, taken by chance: an
 * endpoint that missed the reset answers a SYN from the same port with an ACK for the
 * connection it believes in (RFC 9293, 3.5.1), which is no answer to us.
 */
#ifndef HERALD_IPVS_SYN_SOCK_IO_H
#define HERALD_IPVS_SYN_SOCK_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ip.h"

enum {
	SYN_NPORTS = 4,
	SYN_HEARD_MAX = 128,	/* bytes of an answer: headers, options and all */
};

struct syn_sock {
	int	out, in;		/* raw; -1: not open */
	uint16_t ports[SYN_NPORTS];
	int	held[SYN_NPORTS];	/* TCP, bound to these ports */
	struct ip source;		/* in is bound to it; IP_NONE: to none */
	bool	has_sources;		/* SYNs come from several: it must not be bound */
};

/* Not open. */
void syn_sock_init(struct syn_sock *s);

/*
 * Needs CAP_NET_RAW. ICMP errors come to the queue of in, with what they quote. 0, or
 * -errno with all closed again.
 */
int syn_sock_open(struct syn_sock *s, enum ip_family family);
void syn_sock_close(struct syn_sock *s);	/* one that is not open, too */

/*
 * SYNs come from this address. While there is one, what is sent to others is not heard:
 * each packet, such as the SYN to an endpoint of this namespace, would be cloned for the
 * socket before its filter says no. With a second, and where the one is no address to
 * bind to (a link-local one), all is heard.
 */
void syn_sock_add_source(struct syn_sock *s, const struct ip *from);

#endif
