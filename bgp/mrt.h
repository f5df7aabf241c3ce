/*
 * mrt.h - records of a BGP message dump in the MRT format (RFC 6396), as route
 * collectors write them and bgpdump, tshark and the like read them.
 *
 * Pure. bgp_mrt_io.c is the caller.
 */
#ifndef HERALD_BGP_MRT_H
#define HERALD_BGP_MRT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/fsm.h"
#include "lib/ip.h"
#include "lib/wire.h"

enum {
	/* What a record has besides its message: headers and two IPv6 addresses. */
	MRT_OVERHEAD_MAX = 64,
};

/* Whose session a record is of. */
struct mrt_peer {
	uint32_t peer_as;		/* 0 while not known */
	uint32_t local_as;
	bool	has_as4;		/* AS numbers in its messages have 4 bytes */
	uint16_t ifindex;		/* of a link-local peer, else 0 */
	struct ip peer, local;		/* local is IP_NONE while there is no connection */
};

/* BGP4MP_ET, MESSAGE; of a message we sent, MESSAGE_LOCAL. */
void mrt_message_encode(struct wire_out *w, int64_t wall_ns, const struct mrt_peer *p,
    bool is_sent, const uint8_t *msg, size_t len);

/* BGP4MP_ET, STATE_CHANGE_AS4. */
void mrt_state_encode(struct wire_out *w, int64_t wall_ns, const struct mrt_peer *p,
    enum bgp_state from, enum bgp_state to);

#endif
