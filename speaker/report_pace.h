/*
 * report_pace.h - which reports to write when (pure): what is wanted minus what is
 * there, at a pace that the API server bears.
 *
 * A change is written at once, as long as there are few: a VIP that moves shows
 * within a moment. Of one object there is one write at a time and at most one a
 * second, and what has been written is believed for a while, for the watch that
 * shows it lags. Whoever is not allowed to write asks again rarely.
 */
#ifndef HERALD_SPEAKER_REPORT_PACE_H
#define HERALD_SPEAKER_REPORT_PACE_H

#include "kube/store.h"
#include "lib/mono.h"
#include "speaker/report.h"

enum {
	/* The death of a node may move thousands of VIPs, on all nodes at a time. */
	REPORT_BURST = 500,
	REPORT_PER_SEC = 50,
	REPORT_QUIET_MS = 1000,		/* between two writes to an object */
	REPORT_BELIEVE_SEC = 5,
	REPORT_RETRY_SEC = 5,		/* after a failure; twice that after two ... */
	REPORT_RETRY_MAX_SEC = 300,
	/* After a refusal, of the kind; likewise. An API server that has just started
	   refuses all, until it has read its roles. */
	REPORT_DENIED_SEC = 5,
	REPORT_DENIED_MAX_SEC = 600,
};

struct report_write;

struct report_pace {
	const char *node;		/* whose reports are ours to delete; not owned */
	struct report_write *writes;	/* under way, or of late */
	double	credit;			/* writes that may be begun now */
	struct mono credit_at;		/* when credit was so much */
	struct mono denied_until[KUBE_NKINDS];
	unsigned ndenied[KUBE_NKINDS];	/* refusals in a row */
	struct mono deadline;		/* call report_pace_step() then; MONO_NEVER */
};

void report_pace_init(struct report_pace *p, const char *node, struct mono now);
void report_pace_fini(struct report_pace *p);

struct report_step {
	bool	is_delete;
	bool	is_new;			/* nothing of that name was there */
	const struct kube_object *o;	/* to put, of want; or to delete, of have */
};

/*
 * Fill ret with up to max writes to begin now, of the kinds (1u << kind) given; each
 * must be ended with report_pace_done(). Returns how many, and sets p->deadline.
 */
size_t report_pace_step(struct report_pace *p, const struct report_set *want,
    const struct kube_store *have, unsigned kinds, struct mono now,
    struct report_step *ret, size_t max);

/* A write has come to an end; error as of kube_done_fn. */
void report_pace_done(struct report_pace *p, enum kube_kind kind, const char *name,
    int error, struct mono now);

#endif
