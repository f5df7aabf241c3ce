/*
 * bfd_echo.c - when Echo packets go out, what they are, and what their absence means.
 */
#include <assert.h>
#include <errno.h>

#include "bgp/bfd_echo.h"
#include "lib/wire.h"

enum {
	IPV4_LEN	= 20,
	IPV6_LEN	= 40,
	UDP_LEN		= 8,
	BODY_LEN	= 16,		/* the packet says what struct bfd_echo_pkt does */
	PROTO_UDP	= 17,
	CLASS_CS6	= 0xc0,		/* network control (RFC 2474) */
	TTL_SENT	= 255,
	TTL_BACK	= 254,		/* forwarded once, on the link */
};

void
bfd_echo_init(struct bfd_echo *e, uint32_t discr, uint64_t token)
{
	*e = (struct bfd_echo){
		.discr = discr, .token = token,
		.tx_due = MONO_NEVER, .detect_due = MONO_NEVER,
	};
}

void
bfd_echo_run(struct bfd_echo *e, uint32_t interval_us, uint8_t mult, struct mono now)
{
	assert(interval_us != 0 && mult != 0);
	e->mult = mult;
	if (interval_us == e->interval_us)
		return;
	if (e->interval_us == 0) {
		/* What an earlier run sent and lost is no failure of this one. */
		e->seq_back = e->seq;
		e->tx_due = now;
	}
	e->interval_us = interval_us;
}

void
bfd_echo_stop(struct bfd_echo *e)
{
	e->interval_us = 0;
	e->is_active = false;
	e->tx_due = e->detect_due = MONO_NEVER;
}

/* Sum of 16-bit words, folded; the complement of it is the checksum (RFC 1071). */
static uint16_t
sum(const uint8_t *p, size_t len, uint32_t start)
{
	for (size_t i = 0; i < len; i += 2)
		start += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (start > UINT16_MAX)
		start = (start & UINT16_MAX) + (start >> 16);
	return (uint16_t)start;
}

/* A header of IPv4 or IPv6. Its own checksum, where it has one, is the kernel's. */
static void
put_ip(struct wire_out *w, const struct ip *self)
{
	if (ip_is_v4(self)) {
		wire_put_u8(w, 0x45);
		wire_put_u8(w, CLASS_CS6);
		wire_put_u16(w, IPV4_LEN + UDP_LEN + BODY_LEN);
		wire_put_u32(w, 0);		/* identification, no fragment */
		wire_put_u8(w, TTL_SENT);
		wire_put_u8(w, PROTO_UDP);
		wire_put_u16(w, 0);
	} else {
		wire_put_u32(w, 6u << 28 | CLASS_CS6 << 20);
		wire_put_u16(w, UDP_LEN + BODY_LEN);
		wire_put_u8(w, PROTO_UDP);
		wire_put_u8(w, TTL_SENT);
	}
	wire_put_bytes(w, self->b, ip_len(self));
	wire_put_bytes(w, self->b, ip_len(self));
}

static size_t
encode(const struct bfd_echo *e, const struct ip *self, uint8_t buf[BFD_ECHO_MAX])
{
	struct wire_out w = wire_out(buf, BFD_ECHO_MAX);
	size_t udp_at, addrs_len = 2 * ip_len(self);
	uint16_t check;

	put_ip(&w, self);
	udp_at = w.len;
	wire_put_u16(&w, BFD_ECHO_PORT);
	wire_put_u16(&w, BFD_ECHO_PORT);
	wire_put_u16(&w, UDP_LEN + BODY_LEN);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, e->discr);
	wire_put_u32(&w, e->seq);
	wire_put_u64(&w, e->token);
	assert(!w.is_bad);
	/* From the addresses on; the pseudo-header has length and protocol, too. */
	check = (uint16_t)~sum(buf + udp_at - addrs_len, w.len - udp_at + addrs_len,
	    UDP_LEN + BODY_LEN + PROTO_UDP);
	wire_patch_u16(&w, udp_at + 6, check != 0 ? check : UINT16_MAX);
	return w.len;
}

size_t
bfd_echo_tx(struct bfd_echo *e, const struct ip *self, struct mono now,
    uint8_t buf[BFD_ECHO_MAX])
{
	if (!mono_reached(now, e->tx_due))
		return 0;
	e->seq++;
	e->tx_due = mono_add_us(now, e->interval_us);
	/* The last one is given half an interval for its way, for delays that vary. */
	if (e->is_proven && e->seq - e->seq_back >= e->mult &&
	    e->detect_due.ns == MONO_NEVER.ns)
		e->detect_due = mono_add_us(now, e->interval_us / 2);
	return encode(e, self, buf);
}

/* Steps over the header to what follows it; false where that is not for us. */
static bool
get_ip(struct wire_in *w)
{
	uint8_t first = wire_get_u8(w), ttl, proto;

	if (first == 0x45) {
		wire_get(w, 7);
		ttl = wire_get_u8(w);
		proto = wire_get_u8(w);
		wire_get(w, 2 + 2 * 4);
	} else {
		wire_get(w, 5);
		proto = wire_get_u8(w);
		ttl = wire_get_u8(w);
		wire_get(w, 2 * 16);
	}
	return (first == 0x45 || first >> 4 == 6) && proto == PROTO_UDP &&
	    ttl >= TTL_BACK;
}

int
bfd_echo_decode(const uint8_t *buf, size_t len, struct bfd_echo_pkt *ret)
{
	struct wire_in w = wire_in(buf, len);
	struct bfd_echo_pkt p;
	uint16_t port, udp_len;

	if (!get_ip(&w))
		return -EBADMSG;
	wire_get_u16(&w);
	port = wire_get_u16(&w);
	udp_len = wire_get_u16(&w);
	wire_get_u16(&w);
	p.discr = wire_get_u32(&w);
	p.seq = wire_get_u32(&w);
	p.token = wire_get_u64(&w);
	if (w.is_bad || port != BFD_ECHO_PORT || udp_len != UDP_LEN + BODY_LEN)
		return -EBADMSG;
	*ret = p;
	return 0;
}

int
bfd_echo_rx(struct bfd_echo *e, const struct bfd_echo_pkt *p)
{
	uint32_t ahead = p->seq - e->seq_back;

	if (p->discr != e->discr || p->token != e->token)
		return -EACCES;
	if (e->interval_us == 0 || ahead == 0 || ahead > e->seq - e->seq_back)
		return -ESTALE;
	e->seq_back = p->seq;
	e->is_proven = e->is_active = true;
	if (e->seq - e->seq_back < e->mult)
		e->detect_due = MONO_NEVER;
	return 0;
}

bool
bfd_echo_has_failed(const struct bfd_echo *e, struct mono now)
{
	return mono_reached(now, e->detect_due);
}

struct mono
bfd_echo_deadline(const struct bfd_echo *e)
{
	return mono_min(e->tx_due, e->detect_due);
}

uint64_t
bfd_echo_detect_us(const struct bfd_echo *e)
{
	return e->is_active ? e->interval_us * (2 * e->mult + 1ull) / 2 : 0;
}
