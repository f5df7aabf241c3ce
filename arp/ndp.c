/* ndp.c - see ndp.h. */
#include "arp/ndp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "arp/ether.h"
#include "lib/wire.h"

enum {
	IPV6_HEADER_LEN	= 40,
	IPV6_SRC_AT	= 8,
	NDP_HOP_LIMIT	= 255,	/* RFC 4861, 7.1: nothing routed gets through */
	NDP_FIXED_LEN	= 24,	/* ICMPv6 header, flags, target */
	NDP_CHECKSUM_AT	= 2,

	NDP_FLAG_ROUTER	   = 0x80,
	NDP_FLAG_SOLICITED = 0x40,
	NDP_FLAG_OVERRIDE  = 0x20,

	NDP_OPT_SOURCE_MAC = 1,
	NDP_OPT_TARGET_MAC = 2,
	NDP_OPT_UNIT	   = 8,	/* option lengths count these */
};

static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };

static struct ip
ip_from_b16(const uint8_t b[16])
{
	struct ip a = { .family = IP_V6 };

	memcpy(a.b, b, 16);
	return a;
}

static bool
is_unspecified(const struct ip *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, 16) == 0;
}

static bool
is_multicast(const struct ip *a)
{
	return a->b[0] == 0xff;
}

struct ip
ndp_solicited_node(const struct ip *a)
{
	struct ip group = { .family = IP_V6,
		.b = { 0xff, 2, [11] = 1, 0xff, a->b[13], a->b[14], a->b[15] } };

	return group;
}

/* RFC 2464 section 7: 33:33 and the last four bytes. */
static void
multicast_mac(const struct ip *group, uint8_t ret_mac[ARP_MAC_LEN])
{
	ret_mac[0] = ret_mac[1] = 0x33;
	memcpy(ret_mac + 2, group->b + 12, 4);
}

/* Sum of big-endian 16-bit words, a last odd byte as if a zero followed. */
static uint32_t
sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len % 2 != 0)
		sum += (uint32_t)p[len - 1] << 8;
	return sum;
}

/* ICMPv6 checksum over the pseudo-header and body (RFC 8200, 8.1); 0: valid. */
static uint16_t
icmp6_checksum(const uint8_t addrs[32], const uint8_t *body, size_t len)
{
	uint32_t sum = (uint32_t)len + IPPROTO_ICMPV6;

	sum = sum16(addrs, 32, sum);
	sum = sum16(body, len, sum);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The options: keep the link-layer address of type `want`. */
static void
get_options(struct wire_in *w, uint8_t want, struct ndp_msg *m)
{
	while (w->left > 0 && !w->is_bad) {
		uint8_t type = wire_get_u8(w);
		size_t len = (size_t)wire_get_u8(w) * NDP_OPT_UNIT;
		struct wire_in opt;

		if (len == 0) {		/* RFC 4861, 4.6: discard the packet */
			w->is_bad = true;
			return;
		}
		opt = wire_get_sub(w, len - 2);
		if (type == want && len == NDP_OPT_UNIT) {
			wire_get_bytes(&opt, m->mac, ARP_MAC_LEN);
			m->has_mac = !opt.is_bad;
		}
	}
}

/* The tests on addresses of RFC 4861 sections 7.1.1 and 7.1.2. */
static bool
has_valid_addresses(const struct ndp_msg *m)
{
	struct ip group;

	if (is_multicast(&m->target) || is_unspecified(&m->target))
		return false;
	if (is_multicast(&m->src))
		return false;
	if (m->type == NDP_ADVERTISE)
		return !is_unspecified(&m->src) &&
		    !(is_multicast(&m->dst) && m->is_solicited);
	if (!is_unspecified(&m->src))
		return true;
	group = ndp_solicited_node(&m->target);
	return ip_eq(&m->dst, &group) && !m->has_mac;
}

int
ndp_decode(const void *buf, size_t len, struct ndp_msg *ret)
{
	struct wire_in w = wire_in(buf, len);
	struct ether eth = ether_get(&w);
	struct ndp_msg m = { .vlan_id = eth.vlan_id };
	struct wire_in body;
	const uint8_t *ip6;
	uint16_t payload_len;
	uint8_t type, code, flags, target[16];

	memcpy(m.eth_dst, eth.dst, ARP_MAC_LEN);
	memcpy(m.eth_src, eth.src, ARP_MAC_LEN);
	ip6 = wire_get(&w, IPV6_HEADER_LEN);
	if (ip6 == NULL || eth.type != ETHER_TYPE_IPV6 || ip6[0] >> 4 != 6)
		return -EBADMSG;
	payload_len = (uint16_t)(ip6[4] << 8 | ip6[5]);
	if (ip6[6] != IPPROTO_ICMPV6 || ip6[7] != NDP_HOP_LIMIT)
		return -EBADMSG;
	m.src = ip_from_b16(ip6 + IPV6_SRC_AT);
	m.dst = ip_from_b16(ip6 + IPV6_SRC_AT + 16);

	body = wire_get_sub(&w, payload_len);
	if (body.is_bad || icmp6_checksum(ip6 + IPV6_SRC_AT, body.p, payload_len) != 0)
		return -EBADMSG;
	type = wire_get_u8(&body);
	code = wire_get_u8(&body);
	wire_get(&body, 2);		/* the checksum */
	flags = wire_get_u8(&body);
	wire_get(&body, 3);
	wire_get_bytes(&body, target, sizeof(target));
	if (body.is_bad || code != 0 || (type != NDP_SOLICIT && type != NDP_ADVERTISE))
		return -EBADMSG;
	m.type = (enum ndp_type)type;
	m.target = ip_from_b16(target);
	if (m.type == NDP_ADVERTISE) {
		m.is_router = (flags & NDP_FLAG_ROUTER) != 0;
		m.is_solicited = (flags & NDP_FLAG_SOLICITED) != 0;
		m.is_override = (flags & NDP_FLAG_OVERRIDE) != 0;
	}
	get_options(&body,
	    m.type == NDP_SOLICIT ? NDP_OPT_SOURCE_MAC : NDP_OPT_TARGET_MAC, &m);
	if (body.is_bad || !has_valid_addresses(&m))
		return -EBADMSG;
	*ret = m;
	return 0;
}

struct arp_frame
ndp_encode(const struct ndp_msg *m)
{
	struct arp_frame f = { .len = 0 };
	struct wire_out w = wire_out(f.buf, sizeof(f.buf));
	size_t body_len = NDP_FIXED_LEN + (m->has_mac ? NDP_OPT_UNIT : 0);
	size_t ip6_at, body_at;
	uint8_t flags = 0;

	if (m->type == NDP_ADVERTISE)
		flags = (uint8_t)((m->is_router ? NDP_FLAG_ROUTER : 0) |
		    (m->is_solicited ? NDP_FLAG_SOLICITED : 0) |
		    (m->is_override ? NDP_FLAG_OVERRIDE : 0));
	ether_put(&w, m->eth_dst, m->eth_src, ETHER_TYPE_IPV6);
	ip6_at = w.len;
	wire_put_u32(&w, 6u << 28);
	wire_put_u16(&w, (uint16_t)body_len);
	wire_put_u8(&w, IPPROTO_ICMPV6);
	wire_put_u8(&w, NDP_HOP_LIMIT);
	wire_put_bytes(&w, m->src.b, 16);
	wire_put_bytes(&w, m->dst.b, 16);

	body_at = w.len;
	wire_put_u8(&w, (uint8_t)m->type);
	wire_put_u8(&w, 0);
	wire_put_u16(&w, 0);
	wire_put_u8(&w, flags);
	wire_put_zeros(&w, 3);
	wire_put_bytes(&w, m->target.b, 16);
	if (m->has_mac) {
		wire_put_u8(&w, m->type == NDP_SOLICIT ? NDP_OPT_SOURCE_MAC :
		    NDP_OPT_TARGET_MAC);
		wire_put_u8(&w, 1);
		wire_put_bytes(&w, m->mac, ARP_MAC_LEN);
	}
	assert(!w.is_bad && w.len - body_at == body_len);
	wire_patch_u16(&w, body_at + NDP_CHECKSUM_AT,
	    icmp6_checksum(f.buf + ip6_at + IPV6_SRC_AT, f.buf + body_at, body_len));
	f.len = (uint8_t)w.len;
	return f;
}

static void
add_event(struct arp_events *out, enum arp_event_kind kind, const struct ip *target,
    const uint8_t mac[ARP_MAC_LEN])
{
	struct arp_event *e = &out->ev[out->n++];

	e->kind = kind;
	e->target = *target;
	memcpy(e->mac, mac, ARP_MAC_LEN);
}

struct arp_events
ndp_events(const struct ndp_msg *m)
{
	struct arp_events out = { .vlan_id = m->vlan_id };
	const uint8_t *mac = m->mac;

	/*
	 * The option may be absent (RFC 4861, 4.3: from a host that already
	 * knows us) or of no use; the frame was sent by somebody all the same.
	 */
	if (!m->has_mac || !arp_mac_is_station(mac))
		mac = m->eth_src;
	if (!arp_mac_is_station(mac))
		return out;
	if (m->type == NDP_ADVERTISE) {
		add_event(&out, ARP_EVENT_CLAIM, &m->target, mac);
		return out;
	}
	if (is_unspecified(&m->src)) {
		add_event(&out, ARP_EVENT_PROBE, &m->target, mac);
		return out;
	}
	/* Receivers learn src from a solicitation, so it is a claim (7.2.3). */
	add_event(&out, ARP_EVENT_CLAIM, &m->src, mac);
	if (!ip_eq(&m->src, &m->target)) {
		add_event(&out, ARP_EVENT_ASK, &m->target, mac);
		out.ev[1].asker = m->src;
	}
	return out;
}

struct arp_frame
ndp_probe(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct ndp_msg m = { .type = NDP_SOLICIT, .src = { .family = IP_V6 },
		.dst = ndp_solicited_node(vip), .target = *vip };

	multicast_mac(&m.dst, m.eth_dst);
	memcpy(m.eth_src, mac, ARP_MAC_LEN);
	return ndp_encode(&m);
}

/* An advertisement of vip to all nodes, Override set. */
static struct ndp_msg
advertise(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct ndp_msg m = { .type = NDP_ADVERTISE, .src = *vip,
		.dst = ip_from_b16(all_nodes), .target = *vip, .is_override = true,
		.has_mac = true };

	multicast_mac(&m.dst, m.eth_dst);
	memcpy(m.eth_src, mac, ARP_MAC_LEN);
	memcpy(m.mac, mac, ARP_MAC_LEN);
	return m;
}

struct arp_frame
ndp_announce(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN])
{
	struct ndp_msg m = advertise(vip, mac);

	return ndp_encode(&m);
}

struct arp_frame
ndp_answer(const struct ip *vip, const uint8_t mac[ARP_MAC_LEN],
    const struct arp_event *ask)
{
	struct ndp_msg m = advertise(vip, mac);

	if (ask->asker.family == IP_V6) {
		m.dst = ask->asker;
		m.is_solicited = true;
		memcpy(m.eth_dst, ask->mac, ARP_MAC_LEN);
	}
	return ndp_encode(&m);
}
