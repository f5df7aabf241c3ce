/* tier2.c - see tier2.h. */
#include "ipvs/tier2.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/mem.h"

/* Far from what collisions use up of the seeds of the second tier's. */
enum { FLOWS_SEED = 1 << 16 };

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

static uint32_t
mark_new(uint32_t *table, size_t size, const struct ipvs_service *s, uint64_t seed)
{
	uint32_t mark;

	do
		mark = (uint32_t)key_hash(s, seed++);
	while (!mark_take(table, size, mark));
	return mark;
}

void
tier2_marks(const struct ipvs_service *services, size_t n,
    struct tier2_marks *ret_marks)
{
	size_t i, nmarks = n, size = 16;
	uint32_t *table;

	for (i = 0; i < n; i++)
		nmarks += services[i].is_one_packet;
	while (size < nmarks * 2)
		size *= 2;
	table = mem_zalloc(size * sizeof(table[0]));
	for (i = 0; i < n; i++)
		ret_marks[i] = (struct tier2_marks){
			.tunnel = mark_new(table, size, &services[i], 0) };
	for (i = 0; i < n; i++)
		if (services[i].is_one_packet)
			ret_marks[i].flows = mark_new(table, size, &services[i],
			    FLOWS_SEED);
	free(table);
}
