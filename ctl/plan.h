/*
 * plan.h - heraldctl plan: what a change of pools would do to Services.
 *
 * The controller's own core runs over the objects as they are until nothing
 * changes any more, then once more with the change made; what differs is the
 * answer. Nothing is written anywhere. Pure.
 *
 * The controller's memory of what was in force before an object went wrong is
 * not known here: of a pool that is refused now, only what Services have is
 * counted as its.
 */
#ifndef HERALD_CTL_PLAN_H
#define HERALD_CTL_PLAN_H

#include "controller/reconcile.h"

enum plan_change {
	PLAN_KEEP,		/* the same addresses */
	PLAN_MOVE,		/* as many, but others */
	PLAN_LOSE,		/* fewer */
	PLAN_GAIN,		/* more */
	PLAN_WAIT,		/* none before, none after */
	PLAN_NCHANGES,
};
const char *plan_change_name(enum plan_change c);

struct plan_service {
	const struct kube_object *svc;
	enum plan_change change;
	struct ip before[2], after[2];
	unsigned nbefore, nafter;
	const char *why;	/* of what it loses or lacks; NULL nothing to say */
};

struct plan_conf {
	const char *lb_class;	/* as the controller's --lb-class; NULL */
	bool	is_all;		/* what the change does not have is deleted */
};

struct plan {
	struct arena arena;	/* owns the rest, but for the config's */
	struct plan_service *services;	/* by namespace and name */
	size_t	n;
	size_t	count[PLAN_NCHANGES];
	struct config config;	/* with the change made; its problems */
	size_t	nrefused;	/* objects refused then that were not before */
};

/*
 * What `change`, the new form of some of our resources, would do to the
 * world in `s`. Takes the objects out of `change` and puts them into s, and
 * lets Services in s have what they would have in the end.
 */
void plan_run(struct kube_store *s, struct kube_store *change,
    const struct plan_conf *conf, struct plan *ret);
void plan_fini(struct plan *p);

#endif
