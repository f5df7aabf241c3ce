/*
 * arena.h - memory that is freed all at once.
 *
 * A decoded object keeps all its strings and arrays in one arena, so that it
 * is freed with one call and costs one or two blocks. Allocation failure ends
 * the process with a message: a few MB that cannot be had leave nothing to do.
 */
#ifndef HERALD_LIB_ARENA_H
#define HERALD_LIB_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;	/* newest first; NULL while empty */
};

/* n bytes, zeroed, aligned for pointers and 64-bit numbers; never NULL. */
void *arena_alloc(struct arena *a, size_t n);

/* count x size bytes, zeroed; ends the process where that overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* Copies; NULL for a NULL s. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes held from malloc, for accounting; and those that have been given out. */
size_t arena_size(const struct arena *a);
size_t arena_used(const struct arena *a);

/*
 * Before the first allocation: have room for n bytes in one block. Where the same was
 * allocated in another arena, its arena_used() is enough, and nothing is left over.
 */
void arena_reserve(struct arena *a, size_t n);

/* Free everything; the arena is empty and usable again. */
void arena_fini(struct arena *a);

/* The same for what is secret: overwritten before it is freed. */
void arena_wipe(struct arena *a);

#endif
