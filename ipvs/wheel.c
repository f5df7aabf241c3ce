/* wheel.c - see wheel.h. */
#include "ipvs/wheel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define SLOT_NS (WHEEL_SLOT_MS * NSEC_PER_MSEC)

static int64_t
slot_of(struct mono t)
{
	return t.ns / SLOT_NS;
}

void
wheel_init(struct wheel *w, struct mono now)
{
	memset(w, 0, sizeof(*w));
	w->at = slot_of(now);
}

void
wheel_fini(struct wheel *w)
{
	for (size_t i = 0; i < WHEEL_NSLOTS; i++)
		free(w->slots[i].items);
}

/* The last one takes its place. The one removed is written to, and not waited for. */
static void
remove_item(struct wheel *w, struct wheel_slot *s, size_t i)
{
	struct wheel_item *last = &s->items[--s->n];

	s->items[i].entry->place = 0;
	if (i < s->n) {
		last->entry->place = (uint32_t)i + 1;
		s->items[i] = *last;
	}
	w->n--;
}

void
wheel_drop(struct wheel *w, struct wheel_entry *e)
{
	if (e->place > 0)
		remove_item(w, &w->slots[e->slot], e->place - 1);
}

void
wheel_put(struct wheel *w, struct wheel_entry *e, struct mono due)
{
	int64_t slot = slot_of(due);
	struct wheel_slot *s;

	wheel_drop(w, e);
	/* Slots before at are not looked into any more in this round. */
	if (slot < w->at)
		slot = w->at;
	e->slot = (uint32_t)(slot % WHEEL_NSLOTS);
	s = &w->slots[e->slot];
	s->items = mem_grow(s->items, s->n, &s->cap, sizeof(s->items[0]));
	s->items[s->n++] = (struct wheel_item){ due, e };
	e->place = (uint32_t)s->n;
	w->n++;
}

size_t
wheel_take(struct wheel *w, struct mono now, struct wheel_entry **ret, size_t max)
{
	int64_t last = slot_of(now);
	size_t n = 0;

	if (last - w->at >= WHEEL_NSLOTS)
		w->at = last - WHEEL_NSLOTS + 1;
	for (;; w->at++) {
		struct wheel_slot *s = &w->slots[w->at % WHEEL_NSLOTS];

		/* From the end, where removing one moves no other. */
		for (size_t i = s->n; i-- > 0 && n < max;) {
			if (!mono_reached(now, s->items[i].due))
				continue;
			ret[n++] = s->items[i].entry;
			remove_item(w, s, i);
		}
		if (n == max || w->at >= last)
			return n;
	}
}

/* Is anything in this slot for this round? */
static bool
has_due(const struct wheel *w, int64_t slot)
{
	const struct wheel_slot *s = &w->slots[slot % WHEEL_NSLOTS];

	for (size_t i = 0; i < s->n; i++) {
		if (slot_of(s->items[i].due) <= slot)
			return true;
	}
	return false;
}

struct mono
wheel_deadline(const struct wheel *w)
{
	int64_t s = w->at;

	if (w->n == 0)
		return MONO_NEVER;
	while (s < w->at + WHEEL_NSLOTS && !has_due(w, s))
		s++;
	/* The end of the slot, when all that is in it is due. */
	return (struct mono){ .ns = (s + 1) * SLOT_NS };
}
