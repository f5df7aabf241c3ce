/* arp.c - see arp.h. */
#include "arp/arp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arp/ether.h"
#include "lib/wire.h"

enum {
	ARP_HRD_ETHER	= 1,
	ARP_PRO_IPV4	= 0x0800,
	ARP_PLN_IPV4	= 4,
};

static struct ip
get_ipv4(struct wire_in *w)
{
	return ip_from_v4(wire_get_u32(w));
}

int
arp_decode(const void *buf, size_t len, struct arp_msg *ret)
{
	struct wire_in w = wire_in(buf, len);
	struct ether eth = ether_get(&w);
	struct arp_msg m = { .vlan_id = eth.vlan_id };
	uint16_t hrd, pro, op;
	uint8_t hln, pln;

	memcpy(m.eth_dst, eth.dst, ARP_MAC_LEN);
	memcpy(m.eth_src, eth.src, ARP_MAC_LEN);
	hrd = wire_get_u16(&w);
	pro = wire_get_u16(&w);
	hln = wire_get_u8(&w);
	pln = wire_get_u8(&w);
	op = wire_get_u16(&w);
	wire_get_bytes(&w, m.sender_mac, ARP_MAC_LEN);
	m.sender = get_ipv4(&w);
	wire_get_bytes(&w, m.target_mac, ARP_MAC_LEN);
	m.target = get_ipv4(&w);

	if (w.is_bad || eth.type != ETHER_TYPE_ARP)
		return -EBADMSG;
	if (hrd != ARP_HRD_ETHER || pro != ARP_PRO_IPV4)
		return -EBADMSG;
	if (hln != ARP_MAC_LEN || pln != ARP_PLN_IPV4)
		return -EBADMSG;
	if (op != ARP_OP_REQUEST && op != ARP_OP_REPLY)
		return -EBADMSG;
	m.op = (enum arp_op)op;
	*ret = m;
	return 0;
}

struct arp_frame
arp_encode(const struct arp_msg *m)
{
	struct arp_frame f = { .len = 0 };
	struct wire_out w = wire_out(f.buf, sizeof(f.buf));

	assert(ip_is_v4(&m->sender) && ip_is_v4(&m->target));
	ether_put(&w, m->eth_dst, m->eth_src, ETHER_TYPE_ARP);
	wire_put_u16(&w, ARP_HRD_ETHER);
	wire_put_u16(&w, ARP_PRO_IPV4);
	wire_put_u8(&w, ARP_MAC_LEN);
	wire_put_u8(&w, ARP_PLN_IPV4);
	wire_put_u16(&w, (uint16_t)m->op);
	wire_put_bytes(&w, m->sender_mac, ARP_MAC_LEN);
	wire_put_u32(&w, ip_to_v4(&m->sender));
	wire_put_bytes(&w, m->target_mac, ARP_MAC_LEN);
	wire_put_u32(&w, ip_to_v4(&m->target));
	assert(!w.is_bad);
	f.len = (uint8_t)w.len;
	return f;
}

struct arp_events
arp_events(const struct arp_msg *m)
{
	struct arp_events out = { .vlan_id = m->vlan_id };
	const uint8_t *mac = m->sender_mac;

	/* Without a sender of use, the frame itself says who spoke. */
	if (!arp_mac_is_station(mac))
		mac = m->eth_src;
	if (!arp_mac_is_station(mac))
		return out;
	if (ip_to_v4(&m->sender) != 0) {
		struct arp_event *e = &out.ev[out.n++];

		e->kind = ARP_EVENT_CLAIM;
		e->target = m->sender;
		memcpy(e->mac, mac, ARP_MAC_LEN);
	}
	/* An announcement, sender = target, asks nobody (RFC 5227, 2.3). */
	if (m->op == ARP_OP_REQUEST && ip_to_v4(&m->target) != 0 &&
	    !ip_eq(&m->sender, &m->target)) {
		struct arp_event *e = &out.ev[out.n++];

		e->kind = ip_to_v4(&m->sender) == 0 ? ARP_EVENT_PROBE : ARP_EVENT_ASK;
		e->target = m->target;
		if (e->kind == ARP_EVENT_ASK)
			e->asker = m->sender;
		memcpy(e->mac, mac, ARP_MAC_LEN);
	}
	return out;
}

/* A message from mac to everybody, target MAC still zero. */
static struct arp_msg
broadcast(enum arp_op op, const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct arp_msg m = { .op = op, .sender = *vip, .target = *vip };

	memcpy(m.eth_dst, ether_broadcast, ARP_MAC_LEN);
	memcpy(m.eth_src, mac, ARP_MAC_LEN);
	memcpy(m.sender_mac, mac, ARP_MAC_LEN);
	return m;
}

struct arp_frame
arp_probe(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct arp_msg m = broadcast(ARP_OP_REQUEST, vip, mac);

	m.sender = ip_from_v4(0);
	return arp_encode(&m);
}

struct arp_frame
arp_announce_request(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct arp_msg m = broadcast(ARP_OP_REQUEST, vip, mac);

	return arp_encode(&m);
}

struct arp_frame
arp_announce_reply(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct arp_msg m = broadcast(ARP_OP_REPLY, vip, mac);

	memcpy(m.target_mac, mac, ARP_MAC_LEN);
	return arp_encode(&m);
}

struct arp_frame
arp_answer(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN],
    const struct arp_event *ask)
{
	struct arp_msg m = { .op = ARP_OP_REPLY, .sender = *vip };

	memcpy(m.eth_dst, ask->mac, ARP_MAC_LEN);
	memcpy(m.eth_src, mac, ARP_MAC_LEN);
	memcpy(m.sender_mac, mac, ARP_MAC_LEN);
	memcpy(m.target_mac, ask->mac, ARP_MAC_LEN);
	m.target = ip_is_v4(&ask->asker) ? ask->asker : ip_from_v4(0);
	return arp_encode(&m);
}
