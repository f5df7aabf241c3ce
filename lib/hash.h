/*
 * hash.h - a stable, well-mixed 64-bit hash.
 *
 * The same on every machine and in every release: election and marks depend
 * on all nodes computing the same. Not for secrets.
 */
#ifndef HERALD_LIB_HASH_H
#define HERALD_LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Hash of len bytes; chain calls by passing the last result as seed. */
uint64_t hash_bytes(const void *p, size_t len, uint64_t seed);

/* The same of a string, its final NUL included so that chains are unambiguous. */
uint64_t hash_str(const char *s, uint64_t seed);

#endif
