/* conn_sync.c - see conn_sync.h. */
#include "ipvs/conn_sync.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "ipvs/table.h"
#include "lib/wire.h"

enum {
	VERSION = 1,
	HEADER_LEN = 8,
	FIXED_LEN = 24,			/* of a connection, before its addresses */
	V4_LEN = FIXED_LEN + 3 * 4,
	V6_LEN = FIXED_LEN + 3 * 16,
	TYPE_V6 = 1,
	SIZE_MASK = 0x0fff,		/* above it a version, which is 0 */
	/* IP_VS_CONN_F_INACTIVE and _TEMPLATE; the lowest bits are an enum ipvs_fwd. */
	FLAG_INACTIVE = 0x0100,
	FLAG_TEMPLATE = 0x1000,
	TCP_S_TIME_WAIT = 5,		/* IP_VS_TCP_S_TIME_WAIT */
};
static_assert(HEADER_LEN + CONN_SYNC_MAX * V4_LEN <= CONN_SYNC_MESSAGE_MAX &&
    HEADER_LEN + (CONN_SYNC_MAX + 1) * V4_LEN > CONN_SYNC_MESSAGE_MAX,
    "CONN_SYNC_MAX is what a message can hold");

static struct ip
get_ip(struct wire_in *w, bool is_v4)
{
	struct ip a = { .family = is_v4 ? IP_V4 : IP_V6 };

	if (is_v4)
		return ip_from_v4(wire_get_u32(w));
	wire_get_bytes(w, a.b, sizeof(a.b));
	return a;
}

/* Take one connection from *m. False where it is none of the first tier's. */
static bool
get_conn(struct wire_in *m, struct sync_conn *ret)
{
	struct wire_in head = *m, w;
	uint32_t flags, mark;
	uint16_t size;
	uint8_t type;

	(void)wire_get_u16(&head);
	size = wire_get_u16(&head);
	w = wire_get_sub(m, size & SIZE_MASK);
	type = wire_get_u8(&w);
	*ret = (struct sync_conn){ .proto = wire_get_u8(&w) };
	(void)wire_get_u16(&w);
	flags = wire_get_u32(&w);
	ret->state = wire_get_u16(&w);
	ret->client_port = wire_get_u16(&w);
	ret->vip_port = wire_get_u16(&w);
	ret->endpoint_port = wire_get_u16(&w);
	mark = wire_get_u32(&w);
	ret->timeout_sec = wire_get_u32(&w);
	ret->client = get_ip(&w, type == 0);
	ret->vip = get_ip(&w, type == 0);
	ret->endpoint = get_ip(&w, type == 0);
	ret->is_template = (flags & FLAG_TEMPLATE) != 0;
	ret->is_inactive = (flags & FLAG_INACTIVE) != 0;
	/* Connections stand on multiples of four bytes. */
	if (m->left > 0)
		(void)wire_get(m, -(size_t)size & 3);
	m->is_bad |= w.is_bad || size > SIZE_MASK || (type != 0 && type != TYPE_V6);
	return !m->is_bad && mark == 0 && w.left == 0;
}

int
conn_sync_decode(const uint8_t *buf, size_t len, struct sync_conn ret[CONN_SYNC_MAX],
    size_t *ret_n)
{
	struct sync_conn conns[CONN_SYNC_MAX] = { 0 };
	struct wire_in w = wire_in(buf, len);
	bool is_ours = wire_get_u8(&w) == 0;
	size_t count, n = 0;

	(void)wire_get_u8(&w);
	is_ours &= wire_get_u16(&w) == len;
	count = wire_get_u8(&w);
	is_ours &= wire_get_u8(&w) == VERSION;
	is_ours &= wire_get_u16(&w) == 0 && count <= CONN_SYNC_MAX;
	if (w.is_bad || !is_ours || len > CONN_SYNC_MESSAGE_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++)
		n += get_conn(&w, &conns[n]);
	if (w.is_bad || w.left != 0)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		ret[i] = conns[i];
	*ret_n = n;
	return 0;
}

static void
put_ip(struct wire_out *w, const struct ip *a)
{
	if (ip_is_v4(a))
		wire_put_u32(w, ip_to_v4(a));
	else
		wire_put_bytes(w, a->b, sizeof(a->b));
}

static void
put_conn(struct wire_out *w, const struct sync_conn *c)
{
	bool is_v4 = ip_is_v4(&c->vip);

	wire_put_u8(w, is_v4 ? 0 : TYPE_V6);
	wire_put_u8(w, c->proto);
	wire_put_u16(w, is_v4 ? V4_LEN : V6_LEN);
	wire_put_u32(w, c->fwd | (c->is_template ? FLAG_TEMPLATE : 0u) |
	    (c->is_inactive ? FLAG_INACTIVE : 0u));
	wire_put_u16(w, c->state);
	wire_put_u16(w, c->client_port);
	wire_put_u16(w, c->vip_port);
	wire_put_u16(w, c->endpoint_port);
	wire_put_u32(w, 0);
	wire_put_u32(w, c->timeout_sec);
	put_ip(w, &c->client);
	put_ip(w, &c->vip);
	put_ip(w, &c->endpoint);
}

size_t
conn_sync_encode(const struct sync_conn *conns, size_t n,
    uint8_t buf[CONN_SYNC_MESSAGE_MAX])
{
	struct wire_out w = wire_out(buf, CONN_SYNC_MESSAGE_MAX);

	wire_put_u8(&w, 0);
	wire_put_u8(&w, CONN_SYNC_ID);
	wire_put_u16(&w, 0);
	wire_put_u8(&w, (uint8_t)n);
	wire_put_u8(&w, VERSION);
	wire_put_u16(&w, 0);
	for (size_t i = 0; i < n; i++)
		put_conn(&w, &conns[i]);
	wire_patch_u16(&w, 2, (uint16_t)w.len);
	assert(!w.is_bad);
	return w.len;
}

/* NULL where it is not for other nodes to know. */
static const struct ipvs_endpoint *
endpoint_of(const struct director_want *want, const struct sync_conn *c)
{
	const struct ipvs_service *s, key = { .vip = c->vip, .proto = c->proto,
		.port = c->vip_port };
	const struct ipvs_endpoint ep = { .ip = c->endpoint, .port = c->endpoint_port };

	s = want->nservices == 0 ? NULL : bsearch(&key, want->services,
	    want->nservices, sizeof(key), ipvs_service_cmp);
	if (s == NULL || s->is_local_only || s->nendpoints == 0)
		return NULL;
	return bsearch(&ep, s->endpoints, s->nendpoints, sizeof(ep),
	    ipvs_endpoint_cmp);
}

static bool
is_same_conn(const struct sync_conn *a, const struct sync_conn *b)
{
	return a->client_port == b->client_port && a->vip_port == b->vip_port &&
	    a->proto == b->proto && a->is_template == b->is_template &&
	    ip_eq(&a->client, &b->client) && ip_eq(&a->vip, &b->vip);
}

/* Do the n that follow *c say more of the same connection? */
static bool
is_outdated(const struct sync_conn *c, size_t n)
{
	for (const struct sync_conn *later = c + 1; later <= c + n; later++)
		if (is_same_conn(c, later))
			return true;
	return false;
}

size_t
conn_sync_give(const struct director_want *want, struct sync_conn *conns, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (endpoint_of(want, &conns[i]) != NULL &&
		    !is_outdated(&conns[i], n - 1 - i))
			conns[kept++] = conns[i];
	return kept;
}

size_t
conn_sync_take(const struct director_want *want, struct sync_conn *conns, size_t n)
{
	const struct ipvs_endpoint *ep;
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		ep = endpoint_of(want, &conns[i]);
		if (ep == NULL || (ep->reach == IPVS_REACH_LOCAL && !conns[i].is_template))
			continue;
		conns[kept] = conns[i];
		if (conns[i].proto == IPPROTO_TCP && !conns[i].is_template)
			conns[kept].state = TCP_S_TIME_WAIT;
		conns[kept++].fwd = ep->reach == IPVS_REACH_TUNNEL ? IPVS_FWD_TUNNEL :
		    IPVS_FWD_MASQ;
	}
	return kept;
}
