/*
 * bfd_auth.c - RFC 5880, 6.7: is a packet the peer's, and new?
 */
#include <errno.h>

#include "bgp/bfd_auth.h"

/* 6.7.4. Compares in circular 32-bit space. */
static bool
is_seq_in_window(const struct bfd *s, const struct bfd_pkt *p)
{
	uint32_t ahead = p->auth_seq - s->rcv_seq;
	uint32_t window = s->conf.seq_window;

	if (!s->is_seq_known)
		return true;
	if (window == 0)
		window = 3u * s->conf.detect_mult;
	if (ahead == 0)
		return p->auth_type == BFD_AUTH_SHA1;
	return ahead <= window;
}

/* All bits are looked at, whatever the first difference, so time tells nothing. */
static bool
is_digest_of(const uint8_t key[BFD_DIGEST_LEN], const uint8_t buf[BFD_PKT_MAX],
    const struct bfd_pkt *p)
{
	uint8_t want[BFD_DIGEST_LEN], diff = 0;

	bfd_pkt_digest(buf, key, want);
	for (size_t i = 0; i < sizeof(want); i++)
		diff |= want[i] ^ p->auth_digest[i];
	return diff == 0;
}

bool
bfd_auth_is_right(const struct bfd *s, const uint8_t buf[BFD_PKT_MAX],
    const struct bfd_pkt *p)
{
	bool is_right = is_digest_of(s->conf.auth_key, buf, p);

	for (size_t i = 0; i < s->conf.nauth_also && !is_right; i++)
		is_right = is_digest_of(s->conf.auth_also[i], buf, p);
	return is_right;
}

/* The A bit and 6.7. */
int
bfd_auth_check(const struct bfd *s, const uint8_t *buf, const struct bfd_pkt *p)
{
	bool is_signed = p->flags & BFD_AUTH;

	if (is_signed != (s->conf.auth_type != BFD_AUTH_NONE))
		return -EACCES;
	if (!is_signed)
		return 0;
	if (p->auth_type != s->conf.auth_type || p->auth_len != BFD_AUTH_SHA1_LEN ||
	    p->len != BFD_PKT_MAX || p->auth_key_id != s->conf.auth_key_id)
		return -EACCES;
	if (!is_seq_in_window(s, p))
		return -ESTALE;
	return bfd_auth_is_right(s, buf, p) ? 0 : -EACCES;
}
