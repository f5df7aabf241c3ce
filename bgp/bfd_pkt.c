/*
 * bfd_pkt.c - RFC 5880 section 4 and the stateless checks of 6.8.6.
 */
#include <errno.h>
#include <string.h>

#include <openssl/sha.h>

#include "bgp/bfd_pkt.h"
#include "lib/mem.h"
#include "lib/wire.h"

_Static_assert(SHA_DIGEST_LENGTH == BFD_DIGEST_LEN, "SHA-1 gives 20 bytes");

static bool
is_sha1(uint8_t auth_type)
{
	return auth_type == BFD_AUTH_SHA1 || auth_type == BFD_AUTH_METICULOUS_SHA1;
}

/* 4.2 to 4.4. Other types keep only their type, for bfd_rx() to refuse. */
static void
auth_decode(struct wire_in *w, struct bfd_pkt *p)
{
	struct wire_in section;

	p->auth_type = wire_get_u8(w);
	p->auth_len = wire_get_u8(w);
	if (p->auth_len < 2) {
		w->is_bad = true;
		return;
	}
	section = wire_get_sub(w, (size_t)p->auth_len - 2);
	if (!is_sha1(p->auth_type) || p->auth_len != BFD_AUTH_SHA1_LEN)
		return;
	p->auth_key_id = wire_get_u8(&section);
	wire_get_u8(&section);		/* reserved, ignored on receipt (4.4) */
	p->auth_seq = wire_get_u32(&section);
	wire_get_bytes(&section, p->auth_digest, sizeof(p->auth_digest));
}

int
bfd_pkt_decode(const uint8_t *buf, size_t len, struct bfd_pkt *ret)
{
	struct bfd_pkt p = { 0 };
	struct wire_in w = wire_in(buf, len);
	uint8_t vers_diag = wire_get_u8(&w);
	uint8_t sta_flags = wire_get_u8(&w);

	p.diag = vers_diag & 0x1f;
	p.state = (uint8_t)(sta_flags >> 6);
	p.flags = sta_flags & 0x3f;
	p.detect_mult = wire_get_u8(&w);
	p.len = wire_get_u8(&w);
	if (w.is_bad || vers_diag >> 5 != BFD_VERSION || p.len < BFD_PKT_MIN ||
	    p.len > len)
		return -EBADMSG;

	w = wire_in(buf + 4, (size_t)p.len - 4);
	p.my_discr = wire_get_u32(&w);
	p.your_discr = wire_get_u32(&w);
	p.desired_min_tx_us = wire_get_u32(&w);
	p.required_min_rx_us = wire_get_u32(&w);
	p.required_min_echo_rx_us = wire_get_u32(&w);
	if (p.flags & BFD_AUTH)
		auth_decode(&w, &p);
	if (w.is_bad || p.detect_mult == 0 || p.flags & BFD_MULTIPOINT ||
	    p.my_discr == 0)
		return -EBADMSG;
	if (p.your_discr == 0 && p.state != BFD_DOWN && p.state != BFD_ADMIN_DOWN)
		return -EBADMSG;
	*ret = p;
	return 0;
}

size_t
bfd_pkt_encode(const struct bfd_pkt *p, uint8_t buf[BFD_PKT_MAX])
{
	struct wire_out w = wire_out(buf, BFD_PKT_MAX);
	bool is_auth = p->flags & BFD_AUTH;

	wire_put_u8(&w, (uint8_t)(BFD_VERSION << 5 | (p->diag & 0x1f)));
	wire_put_u8(&w, (uint8_t)(p->state << 6 | (p->flags & 0x3f)));
	wire_put_u8(&w, p->detect_mult);
	wire_put_u8(&w, is_auth ? BFD_PKT_MAX : BFD_PKT_MIN);
	wire_put_u32(&w, p->my_discr);
	wire_put_u32(&w, p->your_discr);
	wire_put_u32(&w, p->desired_min_tx_us);
	wire_put_u32(&w, p->required_min_rx_us);
	wire_put_u32(&w, p->required_min_echo_rx_us);
	if (is_auth) {
		wire_put_u8(&w, p->auth_type);
		wire_put_u8(&w, BFD_AUTH_SHA1_LEN);
		wire_put_u8(&w, p->auth_key_id);
		wire_put_u8(&w, 0);
		wire_put_u32(&w, p->auth_seq);
		wire_put_bytes(&w, p->auth_digest, sizeof(p->auth_digest));
	}
	return w.len;
}

void
bfd_pkt_digest(const uint8_t buf[BFD_PKT_MAX], const uint8_t key[BFD_DIGEST_LEN],
    uint8_t ret_digest[BFD_DIGEST_LEN])
{
	uint8_t keyed[BFD_PKT_MAX];

	memcpy(keyed, buf, BFD_DIGEST_AT);
	memcpy(keyed + BFD_DIGEST_AT, key, BFD_DIGEST_LEN);
	SHA1(keyed, sizeof(keyed), ret_digest);
}

const char *
bfd_state_name(enum bfd_state s)
{
	static const char *const names[] = {
		[BFD_ADMIN_DOWN] = "admin-down", [BFD_DOWN] = "down",
		[BFD_INIT] = "init", [BFD_UP] = "up",
	};

	return s < nitems(names) ? names[s] : "?";
}

const char *
bfd_diag_name(enum bfd_diag d)
{
	static const char *const names[] = {
		[BFD_DIAG_NONE] = "none",
		[BFD_DIAG_TIME_EXPIRED] = "detection time expired",
		[BFD_DIAG_ECHO_FAILED] = "echo failed",
		[BFD_DIAG_NEIGHBOR_DOWN] = "neighbor signaled down",
		[BFD_DIAG_FORWARDING_RESET] = "forwarding plane reset",
		[BFD_DIAG_PATH_DOWN] = "path down",
		[BFD_DIAG_CONCAT_DOWN] = "concatenated path down",
		[BFD_DIAG_ADMIN_DOWN] = "administratively down",
		[BFD_DIAG_REVERSE_CONCAT] = "reverse concatenated path down",
	};

	return d < nitems(names) ? names[d] : "?";
}
