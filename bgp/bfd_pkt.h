/*
 * bfd_pkt.h - the BFD control packet on the wire (RFC 5880, 4.1 to 4.4).
 *
 * Pure. bfd.c is the main caller; bfd_io.c decodes too, to find the session a
 * packet belongs to. What needs no session to be judged wrong (6.8.6, first
 * half) is refused here.
 */
#ifndef HERALD_BGP_BFD_PKT_H
#define HERALD_BGP_BFD_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bfd_state {		/* 4.1, Sta */
	BFD_ADMIN_DOWN	= 0,
	BFD_DOWN	= 1,
	BFD_INIT	= 2,
	BFD_UP		= 3,
};

enum bfd_diag {			/* 4.1, Diag: why the sender last changed state */
	BFD_DIAG_NONE		= 0,
	BFD_DIAG_TIME_EXPIRED	= 1,
	BFD_DIAG_ECHO_FAILED	= 2,
	BFD_DIAG_NEIGHBOR_DOWN	= 3,
	BFD_DIAG_FORWARDING_RESET = 4,
	BFD_DIAG_PATH_DOWN	= 5,
	BFD_DIAG_CONCAT_DOWN	= 6,
	BFD_DIAG_ADMIN_DOWN	= 7,
	BFD_DIAG_REVERSE_CONCAT	= 8,
};

enum bfd_flag {			/* 4.1, the second byte below Sta */
	BFD_MULTIPOINT	= 1u << 0,
	BFD_DEMAND	= 1u << 1,
	BFD_AUTH	= 1u << 2,
	BFD_CPI		= 1u << 3,	/* C: BFD does not die with the control plane */
	BFD_FINAL	= 1u << 4,
	BFD_POLL	= 1u << 5,
};

enum bfd_auth_type {		/* 4.1 */
	BFD_AUTH_NONE		= 0,
	BFD_AUTH_SIMPLE		= 1,
	BFD_AUTH_MD5		= 2,
	BFD_AUTH_METICULOUS_MD5	= 3,
	BFD_AUTH_SHA1		= 4,
	BFD_AUTH_METICULOUS_SHA1 = 5,
};

enum {
	BFD_VERSION	= 1,
	BFD_PKT_MIN	= 24,		/* without authentication */
	BFD_AUTH_SHA1_LEN = 28,
	BFD_PKT_MAX	= BFD_PKT_MIN + BFD_AUTH_SHA1_LEN,
	BFD_DIGEST_LEN	= 20,		/* SHA-1; also the longest key */
	BFD_DIGEST_AT	= BFD_PKT_MAX - BFD_DIGEST_LEN,
};

/* One packet, all numbers in host order, all intervals in microseconds. */
struct bfd_pkt {
	uint8_t	diag;			/* enum bfd_diag, 0..31 */
	uint8_t	state;			/* enum bfd_state */
	uint8_t	flags;			/* enum bfd_flag */
	uint8_t	detect_mult;		/* 1..255 */
	uint8_t	len;			/* bytes of the packet; the rest is not BFD */
	uint32_t my_discr;		/* never 0 */
	uint32_t your_discr;		/* 0: not yet known to the sender */
	uint32_t desired_min_tx_us;
	uint32_t required_min_rx_us;	/* 0: send me nothing periodically */
	uint32_t required_min_echo_rx_us; /* 0: no echo */
	/* Only where BFD_AUTH is set. */
	uint8_t	auth_type;		/* enum bfd_auth_type, or unknown */
	uint8_t	auth_len;
	/* Only for the two SHA-1 types with auth_len BFD_AUTH_SHA1_LEN. */
	uint8_t	auth_key_id;
	uint32_t auth_seq;
	uint8_t	auth_digest[BFD_DIGEST_LEN];
};

/*
 * Decode one UDP payload. Returns 0, or -EBADMSG with *ret untouched where
 * 6.8.6 has it discarded whatever the session: wrong version, impossible
 * lengths, Detect Mult or My Discriminator 0, the M bit, or Your
 * Discriminator 0 in a state other than Down and AdminDown.
 */
int bfd_pkt_decode(const uint8_t *buf, size_t len, struct bfd_pkt *ret);

/*
 * Encode; p->len, p->auth_len and the reserved byte follow from flags and
 * auth_type, which is one of the SHA-1 types where BFD_AUTH is set. Returns
 * the length.
 */
size_t bfd_pkt_encode(const struct bfd_pkt *p, uint8_t buf[BFD_PKT_MAX]);

/*
 * The digest of 6.7.4: SHA-1 over the packet of BFD_PKT_MAX bytes with the
 * key, padded with zeros, in the place of the digest. buf is not changed.
 */
void bfd_pkt_digest(const uint8_t buf[BFD_PKT_MAX], const uint8_t key[BFD_DIGEST_LEN],
    uint8_t ret_digest[BFD_DIGEST_LEN]);

/* "up", "down", ...; "?" for numbers that are none. */
const char *bfd_state_name(enum bfd_state s);
const char *bfd_diag_name(enum bfd_diag d);

#endif
