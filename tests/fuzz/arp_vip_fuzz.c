/*
 * Frames and time in any order to the engines of an IPv4 and an IPv6 VIP. The
 * input is a row of records: how to go on (one byte), how long to wait (two
 * bytes, milliseconds), a length, that many bytes of frame. An engine never
 * sends when silent, never falls behind, and one that defends stays the owner.
 */
#include <stdlib.h>
#include <string.h>

#include "arp/vip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t mac[ARP_MAC_LEN] = { 2, 0, 0, 0, 0, 1 };

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
check(const struct arp_vip *v, enum arp_vip_state before, const struct arp_out *out)
{
	struct arp_events e;

	expect(out->nframes <= ARP_OUT_MAX);
	for (int i = 0; i < out->nframes; i++) {
		expect(arp_frame_decode(out->frame[i].buf, out->frame[i].len, &e) == 0);
		expect(e.n == 1 && ip_eq(&e.ev[0].target, &v->addr));
		expect(arp_mac_eq(e.ev[0].mac, mac));
	}
	if (before == ARP_VIP_IDLE || before == ARP_VIP_YIELDED)
		expect(out->nframes == 0);
	if (before == ARP_VIP_OWNER && v->policy == ARP_POLICY_DEFEND)
		expect(v->state == ARP_VIP_OWNER);
	expect(!v->is_announced || v->state == ARP_VIP_OWNER);
}

static void
step(struct arp_vip *v, const struct arp_events *e, struct mono now)
{
	enum arp_vip_state before;
	struct arp_out out;

	for (int i = 0; i < e->n; i++) {
		before = v->state;
		arp_vip_rx(v, &e->ev[i], now, &out);
		check(v, before, &out);
	}
	before = v->state;
	arp_vip_tick(v, now, &out);
	check(v, before, &out);
	expect(!mono_reached(now, arp_vip_deadline(v)));
}

static void
command(struct arp_vip *v, uint8_t what, struct mono now)
{
	switch (what & 7) {
	case 0:
		arp_vip_link_up(v, mac, now);
		break;
	case 2:
		arp_vip_start(v, ARP_CLAIM_PROBE, now);
		break;
	case 3:
		arp_vip_start(v, ARP_CLAIM_NOW, now);
		break;
	case 4:
		arp_vip_set_policy(v, (enum arp_policy)((what >> 3) % 3), now);
		break;
	case 5:
		arp_vip_announce(v, now);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mono now = { .ns = NSEC_PER_SEC };
	struct arp_vip v4, v6;
	struct ip addr = ip_from_v4(0xc0a8010a);

	arp_vip_init(&v4, &arp_vip_conf_default, &addr, mac, 1);
	expect(ip_parse("2001:db8::10", &addr) == 0);
	arp_vip_init(&v6, &arp_vip_conf_default, &addr, mac, 2);
	while (size >= 4) {
		size_t len = data[3] < size - 4 ? data[3] : size - 4;
		struct arp_events e = { .n = 0 };
		uint8_t *buf = malloc(len > 0 ? len : 1);

		memcpy(buf, data + 4, len);
		now = mono_add_ms(now, data[1] << 8 | data[2]);
		command(&v4, data[0], now);
		command(&v6, data[0], now);
		arp_frame_decode(buf, len, &e);
		/* Whatever it was about, let it be about this VIP. */
		for (int i = 0; i < e.n; i++)
			e.ev[i].target = v4.addr;
		step(&v4, &e, now);
		for (int i = 0; i < e.n; i++)
			e.ev[i].target = v6.addr;
		step(&v6, &e, now);
		free(buf);
		data += 4 + len;
		size -= 4 + len;
	}
	return 0;
}
