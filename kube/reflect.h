/*
 * reflect.h - when to list, when to watch, when to wait: one kind of objects
 * kept in step with the API server (list, then watch from the list's version,
 * resume, relist when the server has forgotten that version).
 *
 * Pure: api_watch_io.c feeds what happened and does what comes back. Two rules
 * keep the store true: nothing is ever deleted but by a DELETED event or after
 * a *complete* list; and a watch always starts where the last list or event
 * ended, so that nothing falls between.
 */
#ifndef HERALD_KUBE_REFLECT_H
#define HERALD_KUBE_REFLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/backoff.h"
#include "kube/decode.h"
#include "lib/mono.h"

enum reflect_state {
	REFLECT_LISTING,		/* a page is under way */
	REFLECT_WATCHING,		/* a stream is open, or being opened */
	REFLECT_WAIT_LIST,		/* list again at the deadline */
	REFLECT_WAIT_WATCH,		/* watch again at the deadline */
};

enum reflect_ev {
	REFLECT_EV_TICK,		/* time has passed */
	REFLECT_EV_PAGE,		/* a page came, more follow */
	REFLECT_EV_LAST_PAGE,		/* the list is complete: rv is set */
	REFLECT_EV_OBJECT,		/* a watch event, bookmarks too: rv is set */
	REFLECT_EV_END,			/* the watch ended as watches do */
	REFLECT_EV_GONE,		/* 410: rv or continue token too old */
	REFLECT_EV_ABSENT,		/* 404: no such API on this server */
	REFLECT_EV_FAIL,		/* refused, or garbage came */
	REFLECT_EV_AWAY,		/* no answer, 429 or 5xx; asked_ms likewise */
	REFLECT_EV_ANEW,		/* a fresh list is wanted; what was under
					   way has been cancelled */
};

struct reflect_event {
	enum reflect_ev type;
	const char *rv;			/* NULL or "": not known */
	int64_t	asked_ms;		/* Retry-After, 0 none */
	uint64_t random;
};

/* What the shell must do after a step. */
enum reflect_do {
	REFLECT_DO_LIST	 = 1u << 0,	/* ask for the first page, forget marks */
	REFLECT_DO_PAGE	 = 1u << 1,	/* ask for the next page */
	REFLECT_DO_SWEEP = 1u << 2,	/* delete what the list did not hold */
	REFLECT_DO_WATCH = 1u << 3,	/* open a watch from r->rv */
};

enum {
	REFLECT_BASE_MS		= 200,
	REFLECT_CAP_MS		= 15 * 1000,
	/* A watch that lasted this long was a good one. */
	REFLECT_GOOD_SEC	= 10,
	/* Refused watches in a row before the version itself is suspected. */
	REFLECT_REFUSED_MAX	= 5,
	/* Lists in a row that outlived their token before one is asked for
	   in one piece. */
	REFLECT_EXPIRED_MAX	= 3,
};

struct reflect {
	enum reflect_state state;
	char	rv[KUBE_RV_LEN];	/* resume from here; "" list first */
	uint8_t	version;		/* index of the API version in use */
	uint8_t	nversions;		/* how many there are to try, >= 1 */
	uint8_t	nrefused;		/* watches refused since one was good */
	uint8_t	nexpired;		/* lists whose token expired, in a row */
	bool	is_listed;		/* a list was complete once */
	struct mono since;		/* WATCHING: when it was begun */
	struct mono deadline;		/* WAIT_*: when to go on, else MONO_NEVER */
	struct backoff backoff;
};

/* Waits for its first tick, due at once. */
void reflect_init(struct reflect *r, uint8_t nversions, struct mono now);

/* Returns a set of enum reflect_do. */
unsigned reflect_step(struct reflect *r, const struct reflect_event *ev,
    struct mono now);

/* False where lists must be asked for without a limit: see EXPIRED_MAX. */
bool reflect_is_paged(const struct reflect *r);

const char *reflect_state_name(enum reflect_state state);

#endif
