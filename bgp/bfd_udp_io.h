/*
 * bfd_udp_io.h - the datagrams under BFD: TTL, addresses, batches, ICMP errors.
 *
 * For bfd_io.c, and for speaker/health_io.c, whose datagrams go the same ways
 * but are too long for bfd_udp_recv(). One unconnected socket per family serves every peer; the
 * functions here know addresses and bytes, but no session.
 */
#ifndef HERALD_BGP_BFD_UDP_IO_H
#define HERALD_BGP_BFD_UDP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

struct bfd_datagram {
	struct ip from;			/* the sender; of an error, who refused */
	struct ip to;			/* our address; of an error, the peer's */
	unsigned scope;			/* interface where the peer's address is
					   link-local, else 0 */
	uint8_t	ttl;			/* as received; of an error 0 */
	const uint8_t *buf;		/* valid during the call only */
	size_t	len;
};
typedef void bfd_datagram_fn(void *arg, const struct bfd_datagram *d);

/*
 * A non-blocking socket bound to port on every address of family (AF_INET or
 * AF_INET6), of device unless that is "", sending with TTL 255 and class CS6.
 * Port BFD_UDP_EPHEMERAL: any free one that RFC 5881 allows as source.
 * is_shared: beside sockets of other devices that bfd_udp_share() has opened to it.
 * Returns the descriptor, or -errno with the reason and the remedy in err.
 */
enum { BFD_UDP_EPHEMERAL = 0 };
int bfd_udp_open(int family, uint16_t port, const char *device, bool is_shared,
    char err[256]);

/*
 * May a socket of another device be bound to fd's port? The kernel takes one of no
 * device and one of a VRF for two that are in each other's way, though it gives each
 * only what came by its own. Open to it no longer than the other takes to be bound:
 * another program's would be let in too.
 */
void bfd_udp_share(int fd, bool is_shared);

/*
 * Give fn everything that has arrived, at most max datagrams. Returns how
 * many those were.
 */
unsigned bfd_udp_recv(int fd, unsigned max, bfd_datagram_fn *fn, void *arg);

/*
 * Give fn every queued "port unreachable" with the datagram it quotes, at
 * most max; other errors are read and dropped.
 */
void bfd_udp_refused(int fd, unsigned max, bfd_datagram_fn *fn, void *arg);

/* Whom a packet is for. */
struct bfd_udp_dst {
	struct ip addr;
	unsigned scope;			/* interface of a link-local address, else 0 */
	uint16_t port;
};

/*
 * Send from src (IP_NONE: the kernel's choice). 0, or -errno; -EAGAIN where
 * the socket is full and the packet is lost.
 */
int bfd_udp_send(int fd, const struct ip *src, const struct bfd_udp_dst *dst,
    const uint8_t *buf, size_t len);

#endif
