/* backoff.c - see backoff.h. */
#include "kube/backoff.h"

int64_t
backoff_next_ms(struct backoff *b, uint64_t random, int64_t asked_ms)
{
	unsigned shift = b->nfailed < 31 ? b->nfailed : 31;
	uint64_t full = (uint64_t)b->base_ms << shift;
	int64_t own;

	if (full > b->cap_ms)
		full = b->cap_ms;
	if (b->nfailed < UINT32_MAX)
		b->nfailed++;
	own = (int64_t)(full - full / 2 + random % (full / 2 + 1));
	if (asked_ms <= own)
		return own;
	if (asked_ms > BACKOFF_ASKED_MAX_MS)
		asked_ms = BACKOFF_ASKED_MAX_MS;
	return asked_ms + (int64_t)(random % (uint64_t)(asked_ms / 10 + 1));
}
