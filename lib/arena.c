#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/arena.h"
#include "lib/mem.h"

enum {
	BLOCK_MIN = 256 - 8,	/* with what malloc adds: a small object fits in two */
	/*
	 * Larger ones are the kernel's own pages: none that is not used is touched,
	 * where malloc() would clear what others have left there; and all go back
	 * when it is freed, for nothing that stays lies among them.
	 */
	MAPPED_MIN = 128 << 10,
	ALIGN = _Alignof(uint64_t),
};

/* Text needs no alignment: it comes from the top, so that nothing lies between. */
struct arena_block {
	struct arena_block *next;
	size_t	size;			/* bytes of data */
	size_t	used;			/* from the bottom, a multiple of ALIGN */
	size_t	text;			/* from the top */
	_Alignas(uint64_t) unsigned char data[];
};

static struct arena_block *
block_add(struct arena *a, size_t size)
{
	size_t all = sizeof(struct arena_block) + size;
	struct arena_block *b = all >= MAPPED_MIN ? mem_map(all) : mem_zalloc(all);

	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

/* A block with room for n bytes. */
static struct arena_block *
block_with(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	size_t size;

	if (n > SIZE_MAX / 4)
		abort();
	if (b != NULL && b->size - b->used - b->text >= n)
		return b;
	size = b == NULL || b->next == NULL ? BLOCK_MIN - sizeof(*b) : b->size * 2;
	return block_add(a, size > n ? size : n);
}

void
arena_reserve(struct arena *a, size_t n)
{
	(void)block_add(a, n);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t room = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct arena_block *b = block_with(a, room < n ? n : room);
	void *p = b->data + b->used;

	b->used += room;
	return p;
}

static char *
text_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = block_with(a, n);

	b->text += n;
	return (char *)b->data + b->size - b->text;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		abort();
	return arena_alloc(a, n);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy;

	if (s == NULL)
		return NULL;
	n = strnlen(s, n);
	copy = text_alloc(a, n + 1);
	memcpy(copy, s, n);
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	s = text_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

size_t
arena_size(const struct arena *a)
{
	size_t n = 0;

	for (const struct arena_block *b = a->blocks; b != NULL; b = b->next)
		n += sizeof(*b) + b->size;
	return n;
}

size_t
arena_used(const struct arena *a)
{
	size_t n = 0;

	for (const struct arena_block *b = a->blocks; b != NULL; b = b->next)
		n += b->used + b->text;
	return n;
}

void
arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->blocks; b != NULL; b = b->next)
		explicit_bzero(b->data, b->size);
	arena_fini(a);
}

void
arena_fini(struct arena *a)
{
	struct arena_block *next;

	for (struct arena_block *b = a->blocks; b != NULL; b = next) {
		size_t all = sizeof(*b) + b->size;

		next = b->next;
		if (all >= MAPPED_MIN)
			(void)munmap(b, all);
		else
			free(b);
	}
	a->blocks = NULL;
}
