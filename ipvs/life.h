/*
 * life.h - what time makes of endpoints: one that leaves is drained, one that comes
 * gets its share bit by bit, where that is asked for (pure).
 *
 * The director passes what its caller wants through here before it builds its
 * tables. An endpoint that is terminating, or that the caller no longer names,
 * takes no new connections but goes on with those it has, for its service's
 * drain_sec; then it is out, and the kernel forgets its connections. An endpoint
 * that is gone, or left a UDP service, which has no connections to lose, is out
 * at once, and its flows move on.
 *
 * What is wanted shapes the mh table, on every node the same, so one that is
 * terminating keeps its slots; one that has left has none, for a node that starts
 * now knows nothing of it.
 *
 * With slow_start_sec an endpoint that comes, or comes back, where others serve
 * begins with a hundredth of its weight, which grows with time to all of it.
 *
 * Who has left is read off the kernel's table, so a drain outlives the speaker:
 * one that starts drains what it finds there and nobody wants, from the
 * beginning, and goes on with a slow start where its weight is.
 */
#ifndef HERALD_IPVS_LIFE_H
#define HERALD_IPVS_LIFE_H

#include "ipvs/director.h"
#include "ipvs/goal.h"
#include "lib/arena.h"
#include "lib/mono.h"

struct life_entry;

/* Zeroed is empty. */
struct life {
	struct life_entry *entries;	/* who drains, or did and is out, or starts
					   slowly; hashed */
	size_t	ndraining;		/* endpoints that drain, as of the last call */
	struct mono next;		/* when a drain ends or a weight grows; MONO_NEVER */
	unsigned round;
};

/*
 * What to build of want at this time, where have is what was built last or the
 * kernel was found with. *ret shares what is unchanged with want; what is new is
 * the arena's. Endpoints of *ret are IPVS_LIVES, in canonical order, and behind
 * those IPVS_LEFT.
 */
void life_apply(struct life *l, const struct director_want *want,
    const struct goal *have, struct mono now, struct arena *a,
    struct director_want *ret);

/*
 * The same of a few services that have other endpoints now, as director_update()
 * has it: ret_updates, of n, is what have has of them, and what to build. False
 * where that does not do, for an endpoint that drains, or is out, in another service
 * shares an address with these; then it takes life_apply().
 */
bool life_update(struct life *l, const struct director_want *want,
    const struct director_update *updates, size_t n, const struct goal *have,
    struct mono now, struct arena *a, struct director_update *ret_updates);

void life_fini(struct life *l);

#endif
