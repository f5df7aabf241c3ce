/*
 * relay.h - connections on their way from one node's director to the others' (pure).
 *
 * A director's kernel tells of its connections, see ipvs/conn_sync.h. The speaker
 * sends what it says on, to every other speaker that runs, by unicast: multicast
 * would go as far as the link, and anybody there could speak. Who takes it looks at
 * the sender's address, which must be a node's, and, where speakers have keys, at the
 * signature; what is older than what it has had from that node it drops.
 *
 * Nothing is acknowledged. A connection that goes on is told of again.
 */
#ifndef HERALD_SPEAKER_RELAY_H
#define HERALD_SPEAKER_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "ipvs/conn_sync.h"
#include "lib/ip.h"
#include "speaker/keys.h"

enum {
	RELAY_HEADER_LEN = 24,
	RELAY_PACKET_MAX = RELAY_HEADER_LEN + CONN_SYNC_MESSAGE_MAX + KEYS_MAC_LEN,
};

struct relay_peer {
	struct ip ip;			/* where its speaker is, and sends from */
	uint64_t epoch;			/* of the last datagram taken; 0: none yet */
	uint64_t seq;
};

struct relay {
	uint64_t epoch;
	uint64_t seq;			/* of the last datagram sent */
	const struct keys *keys;	/* the caller's, who may change them */
	struct relay_peer *peers;
	size_t	n;
};

/*
 * epoch: larger at every start of this node's speaker, such as the wall clock in
 * nanoseconds.
 */
void relay_init(struct relay *r, uint64_t epoch, const struct keys *keys);
void relay_fini(struct relay *r);

/* Exchange connections with these nodes; of those that stay what was had is known. */
void relay_set_peers(struct relay *r, const struct ip *ips, size_t n);

/* A datagram of the message, from this node's address self; its length. */
size_t relay_wrap(struct relay *r, const struct ip *self, const uint8_t *msg, size_t len,
    uint8_t buf[RELAY_PACKET_MAX]);

enum relay_heard {
	RELAY_NEWS,
	RELAY_OLD,		/* had already, or overtaken on the way */
	RELAY_STRANGER,		/* from nobody who was set */
	RELAY_UNSIGNED,		/* the keys differ, or only one has one */
	RELAY_BROKEN,
};

/* Take a datagram from ip apart: with RELAY_NEWS, *ret_msg is within buf. */
enum relay_heard relay_unwrap(struct relay *r, const struct ip *ip, const uint8_t *buf,
    size_t len, const uint8_t **ret_msg, size_t *ret_len);

#endif
