/*
 * Any bytes as a frame. What either decoder accepts keeps its promises, and
 * encodes to what decodes the same.
 */
#include <stdlib.h>
#include <string.h>

#include "arp/arp.h"
#include "arp/ndp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
try_arp(const uint8_t *buf, size_t len)
{
	struct arp_msg m = { .vlan_id = 0 }, again = { .vlan_id = 0 };
	struct arp_frame f;

	if (arp_decode(buf, len, &m) < 0)
		return;
	f = arp_encode(&m);
	expect(arp_decode(f.buf, f.len, &again) == 0);
	expect(again.op == m.op && ip_eq(&again.sender, &m.sender) &&
	    ip_eq(&again.target, &m.target) && again.vlan_id == 0);
	expect(arp_mac_eq(again.sender_mac, m.sender_mac) &&
	    arp_mac_eq(again.target_mac, m.target_mac));
}

static void
try_ndp(const uint8_t *buf, size_t len)
{
	struct ndp_msg m = { .vlan_id = 0 }, again = { .vlan_id = 0 };
	struct arp_frame f;

	if (ndp_decode(buf, len, &m) < 0)
		return;
	f = ndp_encode(&m);
	expect(ndp_decode(f.buf, f.len, &again) == 0);
	expect(again.type == m.type && ip_eq(&again.src, &m.src) &&
	    ip_eq(&again.dst, &m.dst) && ip_eq(&again.target, &m.target));
	expect(again.is_router == m.is_router && again.is_solicited == m.is_solicited &&
	    again.is_override == m.is_override && again.has_mac == m.has_mac);
	expect(!m.has_mac || arp_mac_eq(again.mac, m.mac));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf = malloc(size > 0 ? size : 1);
	struct arp_events e;

	memcpy(buf, data, size);
	try_arp(buf, size);
	try_ndp(buf, size);
	if (arp_frame_decode(buf, size, &e) == 0) {
		expect(e.n <= 2);
		for (int i = 0; i < e.n; i++) {
			expect(ip_is_set(&e.ev[i].target));
			expect(arp_mac_is_station(e.ev[i].mac));
			expect(ip_is_set(&e.ev[i].asker) ==
			    (e.ev[i].kind == ARP_EVENT_ASK));
		}
	}
	free(buf);
	return 0;
}
