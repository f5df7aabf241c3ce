/* probe_syn.c - see probe_syn.h. Sections are RFC 9293's unless said otherwise. */
#include "ipvs/probe_syn.h"

#include <errno.h>
#include <string.h>

#include "lib/wire.h"

enum {
	TCP_LEN = 24,			/* with the one option */
	TCP_CHECKSUM_AT = 16,
	FLAG_SYN = 0x02,
	FLAG_RST = 0x04,
	FLAG_ACK = 0x10,
	OPTION_MSS = 2,			/* 3.2 */
	IPV4_LEN = 20,
	IPV6_LEN = 40,
	IPV4_DONT_FRAGMENT = 0x4000,
	HOPS = 64,
	WINDOW = 0xffff,		/* never filled */
};

uint32_t
probe_syn_seq(uint32_t slot, uint32_t secret, uint32_t random)
{
	return (slot | random * PROBE_SYN_NSLOTS) ^ secret;
}

uint32_t
probe_syn_slot(uint32_t seq, uint32_t secret)
{
	return (seq ^ secret) % PROBE_SYN_NSLOTS;
}

/* RFC 1071: the sum of 16-bit words, not yet folded. */
static uint32_t
add_words(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

/* 3.1: over a pseudo-header, too; that of IPv6 (RFC 8200, 8.1) adds up alike. */
static uint16_t
checksum(const struct probe_syn *s, const uint8_t *tcp)
{
	uint32_t sum = IPPROTO_TCP + TCP_LEN;

	sum = add_words(sum, s->from.b, sizeof(s->from.b));
	sum = add_words(sum, s->to.b, sizeof(s->to.b));
	sum = add_words(sum, tcp, TCP_LEN);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
put_ip_header(struct wire_out *w, const struct probe_syn *s)
{
	if (ip_is_v4(&s->to)) {
		wire_put_u16(w, 0x4500);	/* version 4, 5 words */
		wire_put_u16(w, IPV4_LEN + TCP_LEN);
		/* RFC 6864: of no meaning with DF. Were it 0 the kernel would choose. */
		wire_put_u16(w, 1);
		wire_put_u16(w, IPV4_DONT_FRAGMENT);
		wire_put_u8(w, HOPS);
		wire_put_u8(w, IPPROTO_TCP);
		wire_put_u16(w, 0);
	} else {
		wire_put_u32(w, 6u << 28);
		wire_put_u16(w, TCP_LEN);
		wire_put_u8(w, IPPROTO_TCP);
		wire_put_u8(w, HOPS);
	}
	wire_put_bytes(w, s->from.b, ip_len(&s->from));
	wire_put_bytes(w, s->to.b, ip_len(&s->to));
}

size_t
probe_syn_encode(const struct probe_syn *s, uint8_t buf[PROBE_SYN_MAX])
{
	struct wire_out w = wire_out(buf, PROBE_SYN_MAX);
	size_t tcp;

	put_ip_header(&w, s);
	tcp = w.len;
	wire_put_u16(&w, s->from_port);
	wire_put_u16(&w, s->to_port);
	wire_put_u32(&w, s->seq);
	wire_put_u32(&w, 0);
	wire_put_u8(&w, TCP_LEN / 4 << 4);
	wire_put_u8(&w, FLAG_SYN);
	wire_put_u16(&w, WINDOW);
	wire_put_u32(&w, 0);		/* checksum, urgent pointer */
	wire_put_u8(&w, OPTION_MSS);
	wire_put_u8(&w, 4);
	/* 3.7.1: what an Ethernet link takes, less the headers. */
	wire_put_u16(&w, (uint16_t)(1500 - tcp - 20));
	wire_patch_u16(&w, tcp + TCP_CHECKSUM_AT, checksum(s, buf + tcp));
	return w.len;
}

/* Step over the IPv4 header, options and all; returns its source. */
static struct ip
get_ipv4_source(struct wire_in *w)
{
	struct wire_in at = *w;
	uint8_t first = wire_get_u8(&at);
	size_t len = (first & 0x0fu) * 4u;

	(void)wire_get(&at, 11);
	if (first >> 4 != 4 || len < IPV4_LEN)
		w->is_bad = true;
	(void)wire_get(w, len);
	return ip_from_v4(wire_get_u32(&at));
}

enum probe_syn_verdict
probe_syn_judge(enum ip_family family, const uint8_t *buf, size_t len,
    struct probe_syn_answer *ret_answer)
{
	struct wire_in w = wire_in(buf, len);
	struct probe_syn_answer a = { .to = { .family = IP_NONE } };
	uint8_t flags;

	if (family == IP_V4)
		a.to = get_ipv4_source(&w);
	a.to_port = wire_get_u16(&w);
	a.from_port = wire_get_u16(&w);
	(void)wire_get_u32(&w);
	a.seq = wire_get_u32(&w) - 1;
	(void)wire_get_u8(&w);
	flags = wire_get_u8(&w) & (FLAG_SYN | FLAG_RST | FLAG_ACK);
	(void)wire_get(&w, 6);
	/*
	 * An ACK alone is of an endpoint that missed the reset of an earlier probe
	 * (3.5.1); the kernel resets it, so that it knows the next SYN.
	 */
	if (w.is_bad || (flags != (FLAG_SYN | FLAG_ACK) && flags != (FLAG_RST | FLAG_ACK)))
		return PROBE_SYN_OTHER;
	*ret_answer = a;
	return (flags & FLAG_RST) != 0 ? PROBE_SYN_REFUSED : PROBE_SYN_OPEN;
}

int
probe_syn_quoted(const uint8_t *buf, size_t len, struct probe_syn_answer *ret_answer)
{
	struct wire_in w = wire_in(buf, len);
	struct probe_syn_answer a = { .to = { .family = IP_NONE } };

	a.from_port = wire_get_u16(&w);
	a.to_port = wire_get_u16(&w);
	a.seq = wire_get_u32(&w);
	if (w.is_bad)
		return -EBADMSG;
	*ret_answer = a;
	return 0;
}

bool
probe_syn_is_answer(const struct probe_syn *s, const struct probe_syn_answer *a)
{
	return s->seq == a->seq && s->from_port == a->from_port &&
	    s->to_port == a->to_port && ip_eq(&s->to, &a->to);
}
