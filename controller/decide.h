/*
 * decide.h - which addresses one Service shall have.
 *
 * Called by reconcile.c once everybody has claimed what he has. Pure.
 */
#ifndef HERALD_CONTROLLER_DECIDE_H
#define HERALD_CONTROLLER_DECIDE_H

#include "controller/alloc.h"
#include "controller/request.h"

/* A Service in one pass. */
struct work {
	const struct kube_object *svc;
	struct request req;
	const char *req_problem;	/* why req lacks addresses and pool */
	struct alloc_user user;
	struct pool_asker asker;
	struct ip keep[2];		/* claimed, and it may keep them */
	unsigned nkeep;
	struct ip addrs[2];		/* the decision, the primary family first */
	unsigned naddrs;
	const char *problem;		/* why it lacks something, or NULL */
};

struct decide_in {
	const struct pool_set *pools;
	struct alloc *alloc;
	struct arena *arena;		/* for messages */
};

/* Fill w->addrs and w->problem; claims what is given. */
void decide_service(const struct decide_in *in, struct work *w);

#endif
