/*
 * report.h - what this node has to say of itself in the API (pure): a
 * ServiceL2Status for each Service it announces on the local network, a
 * ServiceBGPStatus for each that it tells BGP peers of, a BGPSessionState for each
 * peer. report_pace.h brings what is there in line with it.
 *
 * Decided anew each time from what leaves this node now, not from events: what a
 * crash or a lost write left behind is found and mended like everything else.
 */
#ifndef HERALD_SPEAKER_REPORT_H
#define HERALD_SPEAKER_REPORT_H

#include "kube/types.h"
#include "speaker/plan.h"

/* A VIP that is announced on a link now. */
struct report_link {
	struct ip vip;
	const char *ifname;
};

/* A VIP that somebody else uses, too, as far as is known now. */
struct report_conflict {
	struct ip vip;
	const char *ifname;
	const uint8_t *mac;		/* of the other; 6 bytes */
	const char *node;		/* that it is of; "" no node of the cluster */
};

struct report_session {
	const char *name;		/* of the BGPPeer */
	struct ip addr;			/* IP_NONE: not found yet */
	const char *ifname;		/* NULL or "": none */
	bool	is_up;			/* Established */
	bool	is_refused;		/* its configuration cannot be used */
	bool	has_bfd, is_bfd_up;
};

struct report_input {
	const struct plan *plan;
	const char *node;		/* this one */
	const char *ns;			/* where reports are kept */
	const struct report_link *links;	/* in any order */
	size_t	nlinks;
	const struct report_conflict *conflicts;	/* in any order */
	size_t	nconflicts;
	bool	has_conditions;		/* the API keeps them: in our own group */
	const struct ip *programmed;	/* VIPs forwarded for, sorted */
	size_t	nprogrammed;
	bool	is_bgp_gone;		/* routes of the plan are withdrawn */
	const struct report_session *sessions;
	size_t	nsessions;
};

/* Reports, sorted by kind, then name. They point into what they were made from. */
struct report_set {
	struct kube_object **items;	/* each of kube_object_size() */
	size_t	n;
	struct arena arena;		/* holds them, but for the array */
};

/*
 * A Service whose VIP this node should announce and does not, for another machine
 * has it, has a ServiceL2Status, too: of no interface, with the condition.
 */
void report_want(const struct report_input *in, struct report_set *ret);
void report_set_fini(struct report_set *s);

/* The report of that kind and name, or NULL. */
const struct kube_object *report_set_get(const struct report_set *s,
    enum kube_kind kind, const char *name);

/*
 * o, which is to be written in place of have (NULL: nothing is there): since when
 * its condition holds, which is now unless have says the same. now lives on in o.
 */
void report_date(struct kube_object *o, const struct kube_object *have, const char *now);

#endif
