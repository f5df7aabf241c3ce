/*
 * conn_sync.h - what the kernel's IPVS sync daemon says of connections, and to whom it
 * is worth saying (pure).
 *
 * The kernel's master daemon writes messages, its backup daemon takes them; both only
 * within one director (syncd_io.h). Between nodes they travel with the speakers
 * (speaker/relay_io.h), which look at each connection on its way out and in, since
 * the daemons would not: they tell of the second tier's as well, which on another
 * node would stand in the way of the first tier's, and take what anybody says.
 *
 * Format: the kernel's, version 1, which is the same in all kernels since 2.6.39.
 * A message is 8 bytes (0, syncid, size 2, count, version 1, 0 2) and connections of
 * 36 or 72 bytes, in network order:
 *
 *	type 1 (1: IPv6), protocol 1, size 2, flags 4, state 2, client port 2,
 *	VIP port 2, endpoint port 2, mark 4, timeout in seconds 4,
 *	addresses of the client, the VIP and the endpoint, 4 or 16 each
 *
 * What follows in a connection's size are options of protocols that we never use.
 */
#ifndef HERALD_IPVS_CONN_SYNC_H
#define HERALD_IPVS_CONN_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipvs/director.h"
#include "lib/ip.h"

enum {
	/* What the master daemon sends at a time (its sync_maxlen): with a speaker's
	   header and signature a datagram that passes every link whole. */
	CONN_SYNC_MESSAGE_MAX = 1024,
	CONN_SYNC_MAX = 28,		/* connections in one */
	CONN_SYNC_ID = 1,		/* the daemons' syncid; the backup takes no other */
};

/* A connection; or, is_template, the endpoint of a client by session affinity. */
struct sync_conn {
	struct ip client, vip, endpoint;
	uint16_t client_port;		/* host order, as all here; of a template 0 */
	uint16_t vip_port, endpoint_port;
	uint16_t state;			/* the kernel's, by protocol */
	uint8_t	proto;
	uint8_t	fwd;			/* enum ipvs_fwd; set by conn_sync_take() */
	bool	is_template;
	bool	is_inactive;		/* not counted among its endpoint's active ones */
	uint32_t timeout_sec;		/* from its last packet */
};

/*
 * The first tier's connections of a message, at most CONN_SYNC_MAX, to ret. All
 * others are passed over. Returns 0, or -EBADMSG where buf is no whole message;
 * outputs untouched then.
 */
int conn_sync_decode(const uint8_t *buf, size_t len,
    struct sync_conn ret[CONN_SYNC_MAX], size_t *ret_n);

/* A message of n connections, at most CONN_SYNC_MAX and CONN_SYNC_MESSAGE_MAX; its
   length. */
size_t conn_sync_encode(const struct sync_conn *conns, size_t n,
    uint8_t buf[CONN_SYNC_MESSAGE_MAX]);

/*
 * Of n connections keep, in their order, those that another node can make use of:
 * of a service of want's, to an endpoint of its, where the policy is not Local; and
 * of several words about one only the last. Where a client uses its port again the
 * kernel first tells of the earlier connection once more, which would take the place
 * of the new one at the endpoint's node, whose second tier has that already.
 * Returns how many.
 */
size_t conn_sync_give(const struct director_want *want, struct sync_conn *conns,
    size_t n);

/*
 * Keep those that this node can make use of, and see how it reaches the endpoint.
 * What goes on at an endpoint of its own the second tier knows better: it may even
 * have made another choice among the node's endpoints; of those, templates alone.
 *
 * TCP connections are taken as in TIME_WAIT, whatever they are: what is in mid-stream
 * goes on as it would, but a SYN, of a client that uses its port again, starts anew
 * (conn_reuse_mode). As established it would go where the earlier connection went;
 * on the node that it has come to by tunnel, never to the endpoint.
 */
size_t conn_sync_take(const struct director_want *want, struct sync_conn *conns,
    size_t n);

#endif
