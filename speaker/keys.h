/*
 * keys.h - the keys that speakers authenticate their BFD with, while they are
 * being changed (pure).
 *
 * All that stand in the key file are accepted; the first is the one to send
 * with. A file is not replaced on all nodes at once (of a mounted Secret it
 * takes the kubelets a minute or two), so what it says takes effect with care:
 * a key that is gone from it is accepted for KEYS_ACCEPT_SEC yet, and a first
 * key that was not there before is sent with only after KEYS_SEND_SEC, when all
 * nodes have read it. One that stood further down is known to all already.
 */
#ifndef HERALD_SPEAKER_KEYS_H
#define HERALD_SPEAKER_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"
#include "lib/mono.h"

enum {
	KEYS_MAX = 4,			/* in the file, and accepted at a time */
	KEYS_LEN_MAX = 20,		/* RFC 5880, section 4.4 */
	KEYS_SEND_SEC = 300,
	KEYS_ACCEPT_SEC = 900,
};

struct key {
	uint8_t	bytes[KEYS_LEN_MAX];	/* zeros behind len */
	uint8_t	len;
};

struct keys {
	struct key key[KEYS_MAX];	/* the first is sent with, all are accepted */
	uint32_t n;			/* 0: no authentication; no padding: compared */
};

/*
 * The signature of what speakers send one another besides BFD: HMAC-SHA256, cut to
 * KEYS_MAC_LEN bytes, over the sender's address and the datagram. keys_sign() is with
 * the first key, of which there must be one; with keys_is_signed() the datagram ends
 * with a signature by any of them, which is always so where there are none.
 */
enum { KEYS_MAC_LEN = 16 };
void keys_sign(const struct keys *keys, const struct ip *from, const uint8_t *buf,
    size_t len, uint8_t ret_mac[KEYS_MAC_LEN]);
bool keys_is_signed(const struct keys *keys, const struct ip *from, const uint8_t *buf,
    size_t len);

/* One key a line. 0, or -EINVAL, and *ret_line counts from 1; others untouched. */
int keys_parse(const char *text, size_t len, struct keys *ret, unsigned *ret_line);

struct keyring {
	struct keys file;		/* as last read */
	struct key sending;
	struct mono send_at;		/* when to send with file.key[0]; MONO_NEVER */
	struct key old[KEYS_MAX];	/* gone from the file */
	struct mono old_until[KEYS_MAX];
	size_t	nold;
};

/* What the file says at the start: at once in force. */
void keyring_init(struct keyring *k, const struct keys *file);

/* The file was read again. n must not be 0: a file without a key is no file. */
void keyring_update(struct keyring *k, const struct keys *file, struct mono now);

/* What to send with, first, and to accept now. */
void keyring_now(const struct keyring *k, struct mono now, struct keys *ret);

#endif
