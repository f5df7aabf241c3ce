/*
 * explain.h - heraldctl explain: the way of a packet from the client to an
 * endpoint, step by step, and the step where it ends.
 *
 * Pure: the objects of the source and what speakers say of themselves go in, a
 * line a step comes out. What a daemon decides is decided by the daemon's own
 * code, or read from its answer, not by rules of another's making.
 */
#ifndef HERALD_CTL_EXPLAIN_H
#define HERALD_CTL_EXPLAIN_H

#include <stdio.h>

#include "kube/store.h"

/* What one speaker says of a VIP of the Service. */
struct explain_view {
	struct ip vip;
	const char *owner;		/* a node; NULL none */
	const char *reason;		/* why there is none; NULL */
	bool	is_programmed;
	bool	is_announced;		/* by that speaker, by ARP or NDP */
	bool	is_held;		/* an address of the node's own */
};

struct explain_obstacle {		/* on the node, in the way of VIP traffic */
	const char *step;		/* "host"; "plan": what the speaker warns of */
	const char *text;		/* with the remedy */
	bool	is_of_held;		/* about VIPs that the node holds, no others */
	bool	is_stop;		/* nothing passes */
};

struct explain_session {
	const char *peer;		/* the BGPPeer's name */
	const char *state;
	const char *reason;		/* NULL none */
};

struct explain_conflict {		/* somebody else uses the VIP */
	struct ip vip;
	const char *ifname, *mac;
};

struct explain_quorum {			/* of a port that has health checks */
	const char *port;		/* "NS/NAME:PORT/PROTOCOL" */
	unsigned nup, nneeded;		/* endpoints */
	const char *served;		/* by "endpoints", "fallback" or "nobody" */
};

struct explain_crowd {			/* a port whose endpoints crowd mh's table */
	const char *port;		/* as above */
	unsigned nserving, nomitted;	/* endpoints */
	unsigned nslots;		/* of the table */
};

struct explain_far {			/* an endpoint, for others are nearer to the node */
	const char *ip;
	unsigned port;
};

struct explain_check {			/* one that fails */
	const char *ip;
	unsigned port;
	const char *error;		/* NULL not known */
};

struct explain_speaker {
	const char *node;
	const char *trouble;		/* why it could not be asked; NULL: it was */
	struct explain_view *views;
	size_t	nviews;
	struct explain_session *sessions;
	size_t	nsessions;
	struct explain_conflict *conflicts;
	size_t	nconflicts;
	struct explain_quorum *quorums;
	size_t	nquorums;
	struct explain_crowd *crowds;
	size_t	ncrowds;
	struct explain_far *passed_over;	/* of one port of the Service or more */
	size_t	npassed_over;
	struct explain_check *failing;	/* of endpoints that this node checks */
	size_t	nfailing;
	struct explain_obstacle *obstacles;
	size_t	nobstacles;
};

struct explain_input {
	const struct kube_store *store;
	const char *ns, *name;		/* of the Service */
	const char *lb_class;		/* as the controller's --lb-class; NULL */
	const struct explain_speaker *speakers;	/* those asked */
	size_t	nspeakers;
};

enum explain_mark {
	EXPLAIN_OK,
	EXPLAIN_WARN,			/* traffic goes on */
	EXPLAIN_UNKNOWN,		/* nobody could be asked */
	EXPLAIN_STOP,			/* traffic ends here */
};

struct explain_line {
	enum explain_mark mark;
	const char *step;		/* "endpoints" */
	const char *text;		/* what there is; or the reason and the remedy */
};

struct explain {
	struct explain_line *lines;
	size_t	n;
	const char *stop;		/* the first step marked so; NULL none */
	struct arena arena;
};

void explain_run(const struct explain_input *in, struct explain *ret);
void explain_fini(struct explain *e);

/*
 * The nodes whose speakers to ask, most telling first, of which max are put into
 * ret: those that say they announce the Service, those with endpoints, the rest.
 * Returns how many.
 */
size_t explain_whom(const struct explain_input *in, const char **ret, size_t max);

/* One line a step, "MARK STEP TEXT", and a last one with the result. */
void explain_print(const struct explain *e, FILE *out);

#endif
