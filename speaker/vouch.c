/*
 * vouch.c - see vouch.h. A datagram, in network order:
 *
 *	magic 4, version 1, type 1, count 2,
 *	STATE: epoch 8, seq 4, zero 4, count ids of 8
 *	ACK:   epoch 8, seq 4, zero 4	as they were in the STATE
 *	then, with a key, 16 bytes of HMAC-SHA256 over the sender's address (family
 *	1, bytes 16) and all of the above
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/wire.h"
#include "speaker/vouch.h"

enum {
	MAGIC = 0x48564348,		/* "HVCH" */
	VERSION = 1,
	TYPE_STATE = 1,
	TYPE_ACK = 2,
	HEADER_LEN = 24,
	MAC_LEN = KEYS_MAC_LEN,
};
static_assert(HEADER_LEN + MAC_LEN + VOUCH_DOWN_MAX * 8 <= VOUCH_PACKET_MAX,
    "a full statement fits");
static_assert(VOUCH_PACKET_MAX < 65507, "and a UDP datagram holds it");

uint64_t
vouch_service(const char *ns, const char *name)
{
	return hash_str(name, hash_str(ns, 0));
}

uint64_t
vouch_id(uint64_t service, const struct ip *ip, uint16_t port)
{
	uint8_t text[1 + sizeof(ip->b) + 2] = { ip->family };

	memcpy(text + 1, ip->b, sizeof(ip->b));
	text[sizeof(text) - 2] = (uint8_t)(port >> 8);
	text[sizeof(text) - 1] = (uint8_t)port;
	return hash_bytes(text, sizeof(text), service);
}

/* --- peers ----------------------------------------------------------------- */

void
vouch_init(struct vouch *v, uint64_t epoch, const struct keys *keys)
{
	*v = (struct vouch){ .epoch = epoch, .keys = keys };
}

static void
peer_fini(struct vouch_peer *p)
{
	free(p->name);
	free(p->down.ids);
}

void
vouch_fini(struct vouch *v)
{
	for (size_t i = 0; i < v->n; i++)
		peer_fini(&v->peers[i]);
	free(v->peers);
	free(v->down.ids);
	*v = (struct vouch){ 0 };
}

/* The place of name: its index, or where it would stand. */
static size_t
place(const struct vouch *v, const char *name, bool *ret_found)
{
	size_t lo = 0, hi = v->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(v->peers[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = lo < v->n && strcmp(v->peers[lo].name, name) == 0;
	return lo;
}

static struct vouch_peer *
by_ip(struct vouch *v, const struct ip *ip)
{
	for (size_t i = 0; i < v->n; i++) {
		if (ip_eq(&v->peers[i].ip, ip))
			return &v->peers[i];
	}
	return NULL;
}

static void
send_anew(struct vouch_peer *p, struct mono now)
{
	p->send = now;
	p->backoff_ms = VOUCH_RESEND_MIN_MS;
}

void
vouch_begin_peers(struct vouch *v)
{
	for (size_t i = 0; i < v->n; i++)
		v->peers[i].is_kept = false;
}

void
vouch_put_peer(struct vouch *v, const char *name, const struct ip *ip, struct mono now)
{
	bool is_found;
	size_t i = place(v, name, &is_found);
	struct vouch_peer *p;

	if (!is_found) {
		v->peers = mem_grow(v->peers, v->n, &v->cap, sizeof(*v->peers));
		memmove(v->peers + i + 1, v->peers + i, (v->n - i) * sizeof(*v->peers));
		v->n++;
		v->peers[i] = (struct vouch_peer){ .name = mem_strdup(name),
			.forget = MONO_NEVER };
	}
	p = &v->peers[i];
	p->is_kept = true;
	if (is_found && ip_eq(&p->ip, ip))
		return;
	p->ip = *ip;
	p->epoch = 0;
	send_anew(p, now);
}

void
vouch_end_peers(struct vouch *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (v->peers[i].is_kept)
			v->peers[kept++] = v->peers[i];
		else
			peer_fini(&v->peers[i]);
	}
	v->n = kept;
}

void
vouch_set_up(struct vouch *v, const struct ip *ip, bool is_up, struct mono now)
{
	struct vouch_peer *p = by_ip(v, ip);

	if (p == NULL || p->is_up == is_up)
		return;
	p->is_up = is_up;
	if (is_up) {
		/* It may have lost ours; and a back-off may have become long. */
		p->forget = MONO_NEVER;
		send_anew(p, now);
	} else {
		p->forget = mono_add_sec(now, VOUCH_TRUST_SEC);
		/* Its clock may be another when it comes back. */
		p->epoch = 0;
	}
}

/* --- lists ------------------------------------------------------------------ */

static int
id_cmp(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

static bool
list_set(struct vouch_list *l, const uint64_t *ids, size_t n)
{
	if (l->n == n && (n == 0 || memcmp(l->ids, ids, n * sizeof(*ids)) == 0))
		return false;
	free(l->ids);
	l->ids = NULL;
	l->n = n;
	if (n == 0)
		return true;
	l->ids = mem_zalloc(n * sizeof(*ids));
	memcpy(l->ids, ids, n * sizeof(*ids));
	return true;
}

static bool
list_has(const struct vouch_list *l, uint64_t id)
{
	return l->n > 0 && bsearch(&id, l->ids, l->n, sizeof(id), id_cmp) != NULL;
}

bool
vouch_is_down(const struct vouch *v, const char *node, uint64_t id)
{
	bool is_found;
	size_t i;

	if (node == NULL)
		return list_has(&v->down, id);
	i = place(v, node, &is_found);
	return is_found && list_has(&v->peers[i].down, id);
}

static void
state_anew(struct vouch *v, struct mono now)
{
	v->seq++;
	for (size_t i = 0; i < v->n; i++)
		send_anew(&v->peers[i], now);
}

void
vouch_begin(struct vouch *v, struct mono now)
{
	if (v->seq == 0)
		state_anew(v, now);
}

bool
vouch_say(struct vouch *v, const uint64_t *ids, size_t n, struct mono now)
{
	if (list_set(&v->down, ids, n) && v->seq > 0)
		state_anew(v, now);
	return n <= VOUCH_DOWN_MAX;
}

bool
vouch_tick(struct vouch *v, struct mono now)
{
	bool is_news = false;

	for (size_t i = 0; i < v->n; i++) {
		struct vouch_peer *p = &v->peers[i];

		if (!mono_reached(now, p->forget))
			continue;
		p->forget = MONO_NEVER;
		is_news |= list_set(&p->down, NULL, 0);
	}
	return is_news;
}

struct mono
vouch_deadline(const struct vouch *v)
{
	struct mono next = MONO_NEVER;

	for (size_t i = 0; i < v->n; i++) {
		if (v->peers[i].is_owed_ack)
			return (struct mono){ 0 };
		next = mono_min(next, mono_min(v->peers[i].send, v->peers[i].forget));
	}
	return next;
}

/* --- datagrams --------------------------------------------------------------- */

static size_t
put(const struct vouch *v, const struct ip *self, uint8_t type, uint64_t epoch,
    uint32_t seq, const struct vouch_list *down, uint8_t *buf)
{
	struct wire_out w = wire_out(buf, VOUCH_PACKET_MAX);
	size_t n = down->n < VOUCH_DOWN_MAX ? down->n : VOUCH_DOWN_MAX;
	uint8_t mac[MAC_LEN];

	wire_put_u32(&w, MAGIC);
	wire_put_u8(&w, VERSION);
	wire_put_u8(&w, type);
	wire_put_u16(&w, (uint16_t)n);
	wire_put_u64(&w, epoch);
	wire_put_u32(&w, seq);
	wire_put_zeros(&w, 4);
	for (size_t i = 0; i < n; i++)
		wire_put_u64(&w, down->ids[i]);
	if (v->keys->n > 0) {
		keys_sign(v->keys, self, buf, w.len, mac);
		wire_put_bytes(&w, mac, sizeof(mac));
	}
	return w.len;
}

size_t
vouch_next(struct vouch *v, const struct ip self[2], struct mono now, uint8_t *buf,
    struct ip *ret_to)
{
	static const struct vouch_list nothing;

	for (size_t i = 0; i < v->n; i++) {
		struct vouch_peer *p = &v->peers[i];
		const struct ip *from = &self[ip_is_v4(&p->ip) ? 0 : 1];

		*ret_to = p->ip;
		if (p->is_owed_ack) {
			p->is_owed_ack = false;
			return put(v, from, TYPE_ACK, p->epoch, p->seq, &nothing, buf);
		}
		if (mono_reached(now, p->send)) {
			p->send = mono_add_ms(now, p->backoff_ms);
			p->backoff_ms = p->backoff_ms * 2 < VOUCH_RESEND_MAX_MS ?
			    p->backoff_ms * 2 : VOUCH_RESEND_MAX_MS;
			return put(v, from, TYPE_STATE, v->epoch, v->seq,
			    v->seq > 0 ? &v->down : &nothing, buf);
		}
	}
	return 0;
}

static enum vouch_heard
hear_state(struct vouch_peer *p, uint64_t epoch, uint32_t seq, const uint64_t *ids,
    size_t n, struct mono now)
{
	if (epoch < p->epoch || (epoch == p->epoch && seq < p->seq))
		return VOUCH_OLD;
	p->is_owed_ack = true;
	if (epoch == p->epoch && seq == p->seq)
		return VOUCH_OLD;
	/* It has started, or we have not heard it since it did: it knows nothing. */
	if (epoch != p->epoch)
		send_anew(p, now);
	p->epoch = epoch;
	p->seq = seq;
	if (seq == 0)
		return VOUCH_OLD;
	return list_set(&p->down, ids, n) ? VOUCH_NEWS : VOUCH_OLD;
}

enum vouch_heard
vouch_hear(struct vouch *v, const struct ip *ip, const uint8_t *buf, size_t len,
    struct mono now)
{
	struct vouch_peer *p = by_ip(v, ip);
	struct wire_in w = wire_in(buf, len);
	uint64_t ids[VOUCH_DOWN_MAX], epoch;
	size_t tail = v->keys->n > 0 ? MAC_LEN : 0;
	bool is_ours = wire_get_u32(&w) == MAGIC && wire_get_u8(&w) == VERSION;
	uint8_t type = wire_get_u8(&w);
	uint16_t n = wire_get_u16(&w);
	uint32_t seq;

	if (p == NULL)
		return VOUCH_STRANGER;
	epoch = wire_get_u64(&w);
	seq = wire_get_u32(&w);
	(void)wire_get_u32(&w);
	if (!is_ours || w.is_bad || n > VOUCH_DOWN_MAX || epoch == 0)
		return VOUCH_BROKEN;
	if (!keys_is_signed(v->keys, ip, buf, len) || w.left != (size_t)n * 8 + tail)
		return v->keys->n > 0 || w.left == (size_t)n * 8 + MAC_LEN ?
		    VOUCH_UNSIGNED : VOUCH_BROKEN;
	for (size_t i = 0; i < n; i++) {
		ids[i] = wire_get_u64(&w);
		if (i > 0 && ids[i] <= ids[i - 1])
			return VOUCH_BROKEN;
	}
	if (type == TYPE_STATE)
		return hear_state(p, epoch, seq, ids, n, now);
	if (type != TYPE_ACK || n != 0)
		return VOUCH_BROKEN;
	if (epoch == v->epoch && seq == v->seq)
		p->send = MONO_NEVER;
	return VOUCH_OLD;
}
