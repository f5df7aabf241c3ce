#include <assert.h>
#include <stdlib.h>

#include "controller/sparse.h"
#include "lib/mem.h"

enum { WORD = 64, BLOCK = WORD * WORD };	/* members a word, a block */

struct sparse_block {
	uint64_t full;		/* a bit a word: all of it taken */
	uint64_t taken[WORD];
};

static inline uint64_t
bit(uint32_t n)
{
	return UINT64_C(1) << (n % WORD);
}

/* The lowest clear bit at or above `from` (0..63), WORD where there is none. */
static uint32_t
word_gap(uint64_t w, uint32_t from)
{
	uint64_t gaps = ~w & (UINT64_MAX << from);

	return gaps == 0 ? WORD : (uint32_t)__builtin_ctzll(gaps);
}

static uint32_t
nblocks(const struct sparse *s)
{
	return (s->size + BLOCK - 1) / BLOCK;
}

void
sparse_init(struct sparse *s, uint32_t size)
{
	assert(size <= SPARSE_MAX);
	*s = (struct sparse){ .size = size };
}

void
sparse_fini(struct sparse *s)
{
	if (s->blocks != NULL) {
		for (uint32_t i = 0; i < nblocks(s); i++)
			free(s->blocks[i]);
	}
	free(s->blocks);
	free(s->full);
	*s = (struct sparse){ 0 };
}

void
sparse_add(struct sparse *s, uint32_t off)
{
	uint32_t nth = off / BLOCK, word = off % BLOCK / WORD;
	struct sparse_block *b;

	assert(off < s->size);
	if (s->blocks == NULL) {
		s->blocks = mem_zalloc(nblocks(s) * sizeof(struct sparse_block *));
		s->full = mem_zalloc((nblocks(s) + WORD - 1) / WORD * sizeof(uint64_t));
	}
	if (s->blocks[nth] == NULL)
		s->blocks[nth] = mem_zalloc(sizeof(struct sparse_block));
	b = s->blocks[nth];
	b->taken[word] |= bit(off);
	if (b->taken[word] == UINT64_MAX)
		b->full |= bit(word);
	if (b->full == UINT64_MAX)
		s->full[nth / WORD] |= bit(nth);
	if (off == s->hint)
		s->hint = off + 1;
}

void
sparse_remove(struct sparse *s, uint32_t off)
{
	uint32_t nth = off / BLOCK, word = off % BLOCK / WORD;
	struct sparse_block *b;

	assert(off < s->size);
	if (!sparse_has(s, off))
		return;
	b = s->blocks[nth];
	b->taken[word] &= ~bit(off);
	b->full &= ~bit(word);
	s->full[nth / WORD] &= ~bit(nth);
	if (off < s->hint)
		s->hint = off;
}

bool
sparse_has(const struct sparse *s, uint32_t off)
{
	const struct sparse_block *b;

	if (off >= s->size || s->blocks == NULL)
		return false;
	b = s->blocks[off / BLOCK];
	return b != NULL && (b->taken[off % BLOCK / WORD] & bit(off)) != 0;
}

/* The lowest gap of block nth at or above offset `from` in it, or BLOCK. */
static uint32_t
block_gap(const struct sparse *s, uint32_t nth, uint32_t from)
{
	const struct sparse_block *b = s->blocks[nth];
	uint32_t word = from / WORD, at;

	if (b == NULL)
		return from;
	at = word_gap(b->taken[word], from % WORD);
	if (at < WORD)
		return word * WORD + at;
	if (word + 1 == WORD)
		return BLOCK;
	word = word_gap(b->full, word + 1);
	if (word == WORD)
		return BLOCK;
	return word * WORD + word_gap(b->taken[word], 0);
}

/* The lowest block at or above nth that has a gap, or the number of blocks. */
static uint32_t
next_block(const struct sparse *s, uint32_t nth)
{
	uint32_t n = nblocks(s), from = nth % WORD;

	for (uint32_t w = nth / WORD; w * WORD < n; w++, from = 0) {
		uint32_t at = word_gap(s->full[w], from);

		if (at < WORD)
			return w * WORD + at < n ? w * WORD + at : n;
	}
	return n;
}

uint32_t
sparse_gap(struct sparse *s, uint32_t from)
{
	bool is_lowest = from <= s->hint;
	uint32_t nth, at, off;

	if (is_lowest)
		from = s->hint;
	if (from >= s->size)
		return SPARSE_NONE;
	if (s->blocks == NULL)
		return from;
	nth = from / BLOCK;
	at = block_gap(s, nth, from % BLOCK);
	if (at == BLOCK) {
		nth = next_block(s, nth + 1);
		at = nth < nblocks(s) ? block_gap(s, nth, 0) : 0;
	}
	/* The last block may have room behind the end of the set. */
	off = nth < nblocks(s) && nth * BLOCK + at < s->size ? nth * BLOCK + at :
	    s->size;
	if (is_lowest)
		s->hint = off;
	return off < s->size ? off : SPARSE_NONE;
}
