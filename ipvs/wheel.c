/* wheel.c - see wheel.h. */
#include "ipvs/wheel.h"

#include <stdbool.h>

#define SLOT_NS (WHEEL_SLOT_MS * NSEC_PER_MSEC)

static int64_t
slot_of(struct mono t)
{
	return t.ns / SLOT_NS;
}

static void
link_before(struct wheel_entry *head, struct wheel_entry *e)
{
	e->next = head;
	e->prev = head->prev;
	e->prev->next = e;
	head->prev = e;
}

static void
unlink_entry(struct wheel_entry *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	e->prev = e->next = NULL;
}

void
wheel_init(struct wheel *w, struct mono now)
{
	for (size_t i = 0; i < WHEEL_NSLOTS; i++)
		w->slot[i].prev = w->slot[i].next = &w->slot[i];
	w->late.prev = w->late.next = &w->late;
	w->at = slot_of(now);
	w->n = 0;
}

void
wheel_drop(struct wheel *w, struct wheel_entry *e)
{
	if (e->next == NULL)
		return;
	unlink_entry(e);
	w->n--;
}

void
wheel_put(struct wheel *w, struct wheel_entry *e, struct mono due)
{
	int64_t slot = slot_of(due);

	wheel_drop(w, e);
	e->due = due;
	/* Slots before at are not looked into any more in this round. */
	if (slot < w->at)
		slot = w->at;
	link_before(&w->slot[slot % WHEEL_NSLOTS], e);
	w->n++;
}

/* Move what is due into the ring of the late. */
static void
collect(struct wheel *w, struct mono now)
{
	int64_t last = slot_of(now), first = w->at;

	if (last - first >= WHEEL_NSLOTS)
		first = last - WHEEL_NSLOTS + 1;
	for (int64_t s = first; s <= last; s++) {
		struct wheel_entry *head = &w->slot[s % WHEEL_NSLOTS];

		for (struct wheel_entry *e = head->next, *next; e != head; e = next) {
			next = e->next;
			if (!mono_reached(now, e->due))
				continue;
			unlink_entry(e);
			link_before(&w->late, e);
		}
	}
	if (last > w->at)
		w->at = last;
}

struct wheel_entry *
wheel_next(struct wheel *w, struct mono now)
{
	struct wheel_entry *e;

	if (w->late.next == &w->late)
		collect(w, now);
	e = w->late.next;
	if (e == &w->late)
		return NULL;
	wheel_drop(w, e);
	return e;
}

/* Is anything in this slot for this round? */
static bool
has_due(const struct wheel *w, int64_t slot)
{
	const struct wheel_entry *head = &w->slot[slot % WHEEL_NSLOTS];

	for (const struct wheel_entry *e = head->next; e != head; e = e->next) {
		if (slot_of(e->due) <= slot)
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
	if (w->late.next != &w->late)
		return w->late.next->due;
	while (s < w->at + WHEEL_NSLOTS && !has_due(w, s))
		s++;
	/* The end of the slot, when all that is in it is due. */
	return (struct mono){ .ns = (s + 1) * SLOT_NS };
}
