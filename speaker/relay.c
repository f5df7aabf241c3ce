/*
 * relay.c - see relay.h. A datagram, in network order:
 *
 *	magic 4, version 1, zero 1, message's length 2, epoch 8, seq 8, the message
 *	then, with a key, KEYS_MAC_LEN bytes of signature
 */
#include <assert.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "lib/wire.h"
#include "speaker/relay.h"

enum {
	MAGIC = 0x48434f4e,		/* "HCON" */
	VERSION = 1,
};

void
relay_init(struct relay *r, uint64_t epoch, const struct keys *keys)
{
	*r = (struct relay){ .epoch = epoch, .keys = keys };
}

void
relay_fini(struct relay *r)
{
	free(r->peers);
	*r = (struct relay){ 0 };
}

static struct relay_peer *
peer_of(const struct relay *r, const struct ip *ip)
{
	for (size_t i = 0; i < r->n; i++) {
		if (ip_eq(&r->peers[i].ip, ip))
			return &r->peers[i];
	}
	return NULL;
}

void
relay_set_peers(struct relay *r, const struct ip *ips, size_t n)
{
	struct relay_peer *peers = mem_zalloc((n + 1) * sizeof(*peers));

	for (size_t i = 0; i < n; i++) {
		const struct relay_peer *old = peer_of(r, &ips[i]);

		peers[i] = old != NULL ? *old : (struct relay_peer){ .ip = ips[i] };
	}
	free(r->peers);
	r->peers = peers;
	r->n = n;
}

size_t
relay_wrap(struct relay *r, const struct ip *self, const uint8_t *msg, size_t len,
    uint8_t buf[RELAY_PACKET_MAX])
{
	struct wire_out w = wire_out(buf, RELAY_PACKET_MAX);
	uint8_t mac[KEYS_MAC_LEN];

	wire_put_u32(&w, MAGIC);
	wire_put_u8(&w, VERSION);
	wire_put_u8(&w, 0);
	wire_put_u16(&w, (uint16_t)len);
	wire_put_u64(&w, r->epoch);
	wire_put_u64(&w, ++r->seq);
	wire_put_bytes(&w, msg, len);
	if (r->keys->n > 0) {
		keys_sign(r->keys, self, buf, w.len, mac);
		wire_put_bytes(&w, mac, sizeof(mac));
	}
	assert(!w.is_bad);
	return w.len;
}

enum relay_heard
relay_unwrap(struct relay *r, const struct ip *ip, const uint8_t *buf, size_t len,
    const uint8_t **ret_msg, size_t *ret_len)
{
	struct relay_peer *p = peer_of(r, ip);
	struct wire_in w = wire_in(buf, len);
	size_t tail = r->keys->n > 0 ? KEYS_MAC_LEN : 0, n;
	bool is_ours = wire_get_u32(&w) == MAGIC && wire_get_u8(&w) == VERSION;
	uint64_t epoch, seq;

	if (p == NULL)
		return RELAY_STRANGER;
	(void)wire_get_u8(&w);
	n = wire_get_u16(&w);
	epoch = wire_get_u64(&w);
	seq = wire_get_u64(&w);
	if (!is_ours || w.is_bad || n > CONN_SYNC_MESSAGE_MAX ||
	    (w.left != n && w.left != n + KEYS_MAC_LEN))
		return RELAY_BROKEN;
	if (w.left != n + tail || !keys_is_signed(r->keys, ip, buf, len))
		return RELAY_UNSIGNED;
	if (epoch < p->epoch || (epoch == p->epoch && seq <= p->seq))
		return RELAY_OLD;
	p->epoch = epoch;
	p->seq = seq;
	*ret_msg = w.p;
	*ret_len = n;
	return RELAY_NEWS;
}
