#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "speaker/alive.h"

static const char *const state_names[] = {
	[ALIVE_UNKNOWN] = "unknown",
	[ALIVE_UP] = "up",
	[ALIVE_WAITING] = "waiting",
	[ALIVE_CUT_OFF] = "cut-off",
	[ALIVE_LEAVING] = "leaving",
	[ALIVE_SILENT] = "silent",
	[ALIVE_ABSENT] = "absent",
	[ALIVE_DEAD] = "dead",
};

const char *
alive_state_name(enum alive_state s)
{
	return state_names[s];
}

void
alive_init(struct alive *a)
{
	*a = (struct alive){ 0 };
}

void
alive_fini(struct alive *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->nodes[i].name);
	free(a->nodes);
	alive_init(a);
}

/* The place of name: its index, or where it would stand. */
static size_t
place(const struct alive *a, const char *name, bool *ret_found)
{
	size_t lo = 0, hi = a->n, mid;
	int c;

	*ret_found = false;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = strcmp(a->nodes[mid].name, name);
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
alive_begin_nodes(struct alive *a)
{
	for (size_t i = 0; i < a->n; i++)
		a->nodes[i].is_kept = false;
}

bool
alive_put_node(struct alive *a, const char *name, const struct ip *ip,
    bool is_ready, struct mono now)
{
	bool is_found;
	size_t i = place(a, name, &is_found);
	struct alive_node *n;

	if (!is_found) {
		a->nodes = mem_grow(a->nodes, a->n, &a->cap, sizeof(*a->nodes));
		memmove(a->nodes + i + 1, a->nodes + i,
		    (a->n - i) * sizeof(*a->nodes));
		a->n++;
		a->nodes[i] = (struct alive_node){ .name = mem_strdup(name) };
	}
	n = &a->nodes[i];
	n->is_kept = true;
	n->is_ready = is_ready;
	if (is_found && ip_eq(&n->ip, ip))
		return false;
	n->ip = *ip;
	n->was_up = false;
	n->lacks = 0;
	n->is_sticky = false;
	n->heard = ALIVE_HEARD_NOTHING;
	n->known = n->since = now;
	return true;
}

bool
alive_end_nodes(struct alive *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (a->nodes[i].is_kept)
			a->nodes[kept++] = a->nodes[i];
		else
			free(a->nodes[i].name);
	}
	if (kept == a->n)
		return false;
	a->n = kept;
	return true;
}

static bool
is_session_up(enum alive_report heard)
{
	return heard == ALIVE_HEARD_UP || heard == ALIVE_HEARD_WAITING ||
	    heard == ALIVE_HEARD_CUT_OFF;
}

/* The end of the time in which nothing heard means nothing yet. */
static struct mono
window_end(const struct alive_node *n)
{
	return mono_add_ms(n->known, ALIVE_WINDOW_MS);
}

static enum alive_state
node_state(const struct alive_node *n, struct mono now)
{
	switch (n->heard) {
	case ALIVE_HEARD_UP:
		return ALIVE_UP;
	case ALIVE_HEARD_WAITING:
		return ALIVE_WAITING;
	case ALIVE_HEARD_CUT_OFF:
		return ALIVE_CUT_OFF;
	case ALIVE_HEARD_LEAVING:
		return ALIVE_LEAVING;
	case ALIVE_HEARD_NOTHING:
	case ALIVE_HEARD_REFUSED:
	case ALIVE_HEARD_DOWN:
		break;
	}
	if (!n->was_up) {
		/* A refusal, too, may only mean that it is starting with us. */
		if (n->is_ready && !mono_reached(now, window_end(n)))
			return ALIVE_UNKNOWN;
		return n->is_ready || n->heard == ALIVE_HEARD_REFUSED ?
		    ALIVE_ABSENT : ALIVE_DEAD;
	}
	if (n->heard == ALIVE_HEARD_REFUSED)
		return ALIVE_SILENT;
	return n->is_ready &&
	    mono_reached(now, mono_add_sec(n->since, ALIVE_READY_TRUST_SEC)) ?
	    ALIVE_SILENT : ALIVE_DEAD;
}

bool
alive_is_heard(const struct alive_node *n)
{
	return is_session_up(n->heard);
}

bool
alive_report(struct alive *a, const struct ip *ip, enum alive_report heard,
    struct mono now)
{
	bool is_changed = false;

	for (size_t i = 0; i < a->n; i++) {
		struct alive_node *n = &a->nodes[i];
		enum alive_state was;

		if (!ip_eq(&n->ip, ip))
			continue;
		was = node_state(n, now);
		/* A speaker that took its leave falls silent: no news. */
		if (n->heard == heard || (n->heard == ALIVE_HEARD_LEAVING &&
		    heard == ALIVE_HEARD_DOWN && n->is_ready))
			continue;
		n->since = now;
		n->heard = heard;
		n->was_up |= is_session_up(heard);
		is_changed |= node_state(n, now) != was;
	}
	return is_changed;
}

bool
alive_set_note(struct alive *a, const struct ip *ip, uint32_t note)
{
	uint32_t lacks = note & ~ALIVE_STICKY;
	bool is_sticky = (note & ALIVE_STICKY) != 0, is_changed = false;

	for (size_t i = 0; i < a->n; i++) {
		struct alive_node *n = &a->nodes[i];

		if (!ip_eq(&n->ip, ip))
			continue;
		is_changed |= n->lacks != lacks || n->is_sticky != is_sticky;
		n->lacks = lacks;
		n->is_sticky = is_sticky;
	}
	return is_changed;
}

bool
alive_is_sticky(const struct alive *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (is_session_up(a->nodes[i].heard) && !a->nodes[i].is_sticky)
			return false;
	}
	return true;
}

uint32_t
alive_lacks(const struct alive *a, const char *name)
{
	bool is_found;
	size_t i = place(a, name, &is_found);

	return is_found ? a->nodes[i].lacks : 0;
}

enum alive_state
alive_state(const struct alive *a, const char *name, struct mono now)
{
	bool is_found;
	size_t i = place(a, name, &is_found);

	return is_found ? node_state(&a->nodes[i], now) : ALIVE_ABSENT;
}

const char *
alive_name(const struct alive *a, const struct ip *ip)
{
	for (size_t i = 0; i < a->n; i++) {
		if (ip_eq(&a->nodes[i].ip, ip))
			return a->nodes[i].name;
	}
	return NULL;
}

bool
alive_has_unknown(const struct alive *a, struct mono now)
{
	for (size_t i = 0; i < a->n; i++) {
		if (node_state(&a->nodes[i], now) == ALIVE_UNKNOWN)
			return true;
	}
	return false;
}

struct mono
alive_deadline(const struct alive *a, struct mono now)
{
	struct mono next = MONO_NEVER, due;

	for (size_t i = 0; i < a->n; i++) {
		const struct alive_node *n = &a->nodes[i];

		if (is_session_up(n->heard) || n->heard == ALIVE_HEARD_LEAVING)
			continue;
		due = n->was_up ? mono_add_sec(n->since, ALIVE_READY_TRUST_SEC) :
		    window_end(n);
		if (mono_before(now, due))
			next = mono_min(next, due);
	}
	return next;
}
