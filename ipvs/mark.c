/* mark.c - see mark.h. */
#include "ipvs/mark.h"

enum { FIRST = 0x10, KUBE_PROXY = 0x4000 | 0x8000 };

/*
 * Who compares the whole mark with a value means that value's bits; to treat all 32
 * as taken would leave none.
 */
void
mark_note(struct mark_use *u, uint32_t mark, uint32_t mask, bool is_ours)
{
	if (is_ours && mark == mask && (mark & (mark - 1)) == 0)
		u->ours = mark;
	else
		u->taken |= mask == UINT32_MAX ? mark : mask;
}

bool
mark_is_taken(const struct mark_use *u, uint32_t bit)
{
	return (u->taken & bit) != 0;
}

uint32_t
mark_choose(const struct mark_use *u)
{
	uint32_t bit;

	if (u->ours != 0 && !mark_is_taken(u, u->ours))
		return u->ours;
	for (bit = FIRST; bit != 0; bit <<= 1)
		if (!mark_is_taken(u, bit) && (bit & KUBE_PROXY) == 0)
			return bit;
	return FIRST;
}
