#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "speaker/keys.h"

static bool
is_same(const struct key *a, const struct key *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool
has(const struct key *keys, size_t n, const struct key *key)
{
	for (size_t i = 0; i < n; i++) {
		if (is_same(&keys[i], key))
			return true;
	}
	return false;
}

int
keys_parse(const char *text, size_t len, struct keys *ret, unsigned *ret_line)
{
	struct keys keys = { .n = 0 };
	const char *at = text, *end = text + len;

	for (unsigned line = 1; at < end || line == 1; line++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((stop != NULL ? stop : end) - at);

		if (n == 0 || n > KEYS_LEN_MAX || keys.n == KEYS_MAX) {
			*ret_line = line;
			return -EINVAL;
		}
		memcpy(keys.key[keys.n].bytes, at, n);
		keys.key[keys.n++].len = (uint8_t)n;
		at = stop != NULL ? stop + 1 : end;
	}
	*ret = keys;
	return 0;
}

void
keyring_init(struct keyring *k, const struct keys *file)
{
	*k = (struct keyring){ .file = *file, .send_at = MONO_NEVER };
	k->sending = file->key[0];
}

static void
forget_old(struct keyring *k, size_t i)
{
	k->nold--;
	memmove(&k->old[i], &k->old[i + 1], (k->nold - i) * sizeof(k->old[0]));
	memmove(&k->old_until[i], &k->old_until[i + 1],
	    (k->nold - i) * sizeof(k->old_until[0]));
}

/* The oldest makes room. */
static void
keep_old(struct keyring *k, const struct key *key, struct mono until)
{
	if (k->nold == KEYS_MAX)
		forget_old(k, 0);
	k->old[k->nold] = *key;
	k->old_until[k->nold++] = until;
}

void
keyring_update(struct keyring *k, const struct keys *file, struct mono now)
{
	struct key first = file->key[0];
	struct keys known;

	keyring_now(k, now, &known);
	k->sending = known.key[0];
	for (size_t i = 0; i < k->file.n; i++) {
		if (!has(file->key, file->n, &k->file.key[i]))
			keep_old(k, &k->file.key[i], mono_add_sec(now, KEYS_ACCEPT_SEC));
	}
	for (size_t i = k->nold; i > 0; i--) {
		if (has(file->key, file->n, &k->old[i - 1]))
			forget_old(k, i - 1);
	}
	if (is_same(&first, &k->sending))
		k->send_at = MONO_NEVER;
	else if (!is_same(&first, &k->file.key[0]))
		k->send_at = has(known.key, known.n, &first) ? now :
		    mono_add_sec(now, KEYS_SEND_SEC);
	k->file = *file;
}

static void
add(struct keys *ret, const struct key *key)
{
	if (ret->n < KEYS_MAX && !has(ret->key, ret->n, key))
		ret->key[ret->n++] = *key;
}

void
keyring_now(const struct keyring *k, struct mono now, struct keys *ret)
{
	*ret = (struct keys){ .n = 0 };
	if (k->file.n == 0)
		return;
	add(ret, mono_reached(now, k->send_at) ? &k->file.key[0] : &k->sending);
	for (size_t i = 0; i < k->file.n; i++)
		add(ret, &k->file.key[i]);
	for (size_t i = k->nold; i > 0; i--) {
		if (mono_before(now, k->old_until[i - 1]))
			add(ret, &k->old[i - 1]);
	}
}

static void
sign(const struct key *key, const struct ip *from, const uint8_t *buf, size_t len,
    uint8_t ret_mac[KEYS_MAC_LEN])
{
	uint8_t text[1 + sizeof(from->b)], inner[EVP_MAX_MD_SIZE], full[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	/* The address first, by a MAC of its own that keys the other: no copy. */
	text[0] = from->family;
	memcpy(text + 1, from->b, sizeof(from->b));
	HMAC(EVP_sha256(), key->bytes, key->len, text, sizeof(text), inner, &n);
	HMAC(EVP_sha256(), inner, (int)n, buf, len, full, &n);
	memcpy(ret_mac, full, KEYS_MAC_LEN);
}

void
keys_sign(const struct keys *keys, const struct ip *from, const uint8_t *buf, size_t len,
    uint8_t ret_mac[KEYS_MAC_LEN])
{
	sign(&keys->key[0], from, buf, len, ret_mac);
}

bool
keys_is_signed(const struct keys *keys, const struct ip *from, const uint8_t *buf,
    size_t len)
{
	uint8_t mac[KEYS_MAC_LEN];
	bool is_good = keys->n == 0;

	for (uint32_t i = 0; i < keys->n && !is_good && len >= KEYS_MAC_LEN; i++) {
		sign(&keys->key[i], from, buf, len - KEYS_MAC_LEN, mac);
		is_good = CRYPTO_memcmp(mac, buf + len - KEYS_MAC_LEN, KEYS_MAC_LEN) == 0;
	}
	return is_good;
}
