#include <string.h>

#include "lib/hash.h"

/*
 * FNV-1a over the bytes, then the 64-bit finaliser of MurmurHash3: FNV alone
 * leaves the high bits of short, similar keys (node-1, node-2) related, which
 * rendezvous hashing would turn into an uneven spread.
 */
uint64_t
hash_bytes(const void *p, size_t len, uint64_t seed)
{
	const unsigned char *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}

uint64_t
hash_str(const char *s, uint64_t seed)
{
	return hash_bytes(s, strlen(s) + 1, seed);
}
