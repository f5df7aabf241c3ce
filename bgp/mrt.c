#include "bgp/mrt.h"
#include "bgp/open.h"

enum {
	BGP4MP_ET		= 17,	/* RFC 6396, 3: with microseconds */
	SUB_MESSAGE		= 1,	/* 4.4 */
	SUB_MESSAGE_AS4		= 4,
	SUB_STATE_CHANGE_AS4	= 5,
	SUB_MESSAGE_LOCAL	= 6,
	SUB_MESSAGE_AS4_LOCAL	= 7,
};

static void
put_as(struct wire_out *w, uint32_t as, bool has_as4)
{
	if (has_as4)
		wire_put_u32(w, as);
	else
		wire_put_u16(w, as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)as);
}

static void
put_addr(struct wire_out *w, const struct ip *addr, size_t len)
{
	if (ip_len(addr) == len)
		wire_put_bytes(w, addr->b, len);
	else
		wire_put_zeros(w, len);
}

/* All that comes before a message or a pair of states of `rest` bytes. */
static void
put_head(struct wire_out *w, int64_t wall_ns, unsigned subtype,
    const struct mrt_peer *p, bool has_as4, size_t rest)
{
	bool is_v4 = ip_is_v4(&p->peer);
	size_t addr_len = is_v4 ? 4 : 16;
	size_t len = 4 + (has_as4 ? 8u : 4u) + 4 + 2 * addr_len + rest;

	wire_put_u32(w, (uint32_t)(wall_ns / NSEC_PER_SEC));
	wire_put_u16(w, BGP4MP_ET);
	wire_put_u16(w, (uint16_t)subtype);
	wire_put_u32(w, (uint32_t)len);
	wire_put_u32(w, (uint32_t)(wall_ns % NSEC_PER_SEC / 1000));
	put_as(w, p->peer_as, has_as4);
	put_as(w, p->local_as, has_as4);
	wire_put_u16(w, p->ifindex);
	wire_put_u16(w, is_v4 ? BGP_AFI_IPV4 : BGP_AFI_IPV6);
	put_addr(w, &p->peer, addr_len);
	put_addr(w, &p->local, addr_len);
}

void
mrt_message_encode(struct wire_out *w, int64_t wall_ns, const struct mrt_peer *p,
    bool is_sent, const uint8_t *msg, size_t len)
{
	unsigned subtype = p->has_as4 ?
	    (is_sent ? SUB_MESSAGE_AS4_LOCAL : SUB_MESSAGE_AS4) :
	    (is_sent ? SUB_MESSAGE_LOCAL : SUB_MESSAGE);

	put_head(w, wall_ns, subtype, p, p->has_as4, len);
	wire_put_bytes(w, msg, len);
}

void
mrt_state_encode(struct wire_out *w, int64_t wall_ns, const struct mrt_peer *p,
    enum bgp_state from, enum bgp_state to)
{
	put_head(w, wall_ns, SUB_STATE_CHANGE_AS4, p, true, 4);
	/* 4.4.1 counts from 1, Idle, in the order of the FSM. */
	wire_put_u16(w, (uint16_t)(from + 1));
	wire_put_u16(w, (uint16_t)(to + 1));
}
