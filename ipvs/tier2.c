/* tier2.c - see tier2.h. */
#include "ipvs/tier2.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/mem.h"

static uint64_t
key_hash(const struct ipvs_service *s, uint64_t seed)
{
	uint8_t tail[3] = { s->proto, (uint8_t)(s->port >> 8), (uint8_t)s->port };
	uint64_t h = hash_bytes(s->vip.b, sizeof(s->vip.b), seed + s->vip.family);

	return hash_bytes(tail, sizeof(tail), h);
}

/* Put mark into the table unless it is there; table size is a power of 2. */
static bool
mark_take(uint32_t *table, size_t size, uint32_t mark)
{
	size_t i;

	if (mark == 0 || mark == TIER2_MARK_CUT)
		return false;
	for (i = mark & (size - 1); table[i] != 0; i = (i + 1) & (size - 1))
		if (table[i] == mark)
			return false;
	table[i] = mark;
	return true;
}

void
tier2_marks(const struct ipvs_service *services, size_t n, uint32_t *ret_marks)
{
	size_t i, size = 16;
	uint32_t *table;
	uint64_t seed;

	while (size < n * 2)
		size *= 2;
	table = mem_zalloc(size * sizeof(table[0]));
	for (i = 0; i < n; i++) {
		seed = 0;
		do
			ret_marks[i] = (uint32_t)key_hash(&services[i], seed++);
		while (!mark_take(table, size, ret_marks[i]));
	}
	free(table);
}
