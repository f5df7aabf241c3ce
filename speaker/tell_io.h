/*
 * tell_io.h - what is told in the API of VIPs on the local network: an Event
 * on each Service when this node begins to announce its VIP, and when somebody
 * else is found to use it; and of this host, on its Node, what is in the way.
 */
#ifndef HERALD_SPEAKER_TELL_IO_H
#define HERALD_SPEAKER_TELL_IO_H

#include <uthash.h>

#include "arp/arp_io.h"
#include "ipvs/director.h"
#include "kube/source.h"
#include "speaker/alive.h"
#include "speaker/plan.h"

/*
 * Events a speaker may write: so many at once, and then so many a second. The
 * death of a node may move thousands of VIPs, and a flapping one may do so again
 * and again; the API server has better to do. What is left out is counted.
 */
enum { TELL_BURST = 512, TELL_PER_SEC = 5 };

/* VIPs told of by one call: the loop has liveness to tell meanwhile. */
enum { TELL_A_CALL = 16 };

/* Somebody else uses a VIP, as far as is known now. */
struct tell_rival {
	struct tell_place {		/* the key; no byte of it is left to chance */
		struct ip vip;
		char	ifname[16];
	} at;
	uint8_t	mac[6];
	bool	has_news;		/* tell_rivals() has yet to tell of it */
	bool	is_told;		/* that it is there */
	bool	is_gone;		/* is told last, and forgotten */
	char	node[254];		/* once told: whose speaker it is; "" no node's */
	UT_hash_handle hh;
};

struct tell {
	struct kube_source *source;
	const struct kube_store *store;
	const char *node;		/* this node's name */
	const struct plan *plan;	/* the one in force */
	const struct alive *alive;
	struct ip *told;		/* VIPs last told as announced here; sorted */
	size_t	ntold;
	uint64_t *obstacles;		/* hashes of what was told of as in the way */
	size_t	nobstacles;
	uint64_t *omitted;		/* likewise, as too large for mh */
	size_t	nomitted;
	struct tell_rival *rivals;	/* of VIP and link one */
	size_t	nnews;			/* those among them that have news */
	double	credit;			/* Events that may be written now */
	struct mono credit_at;		/* when credit was so much */
};

/* All stay the caller's, and are looked at whenever there is something to tell. */
void tell_init(struct tell *t, struct kube_source *source,
    const struct kube_store *store, const char *node, const struct plan *plan,
    const struct alive *alive);
void tell_fini(struct tell *t);

/*
 * What leaves this node has changed: nodeAssigned for VIPs of ours that are new. True
 * where there are more: call it again, later.
 */
bool tell_announced(struct tell *t, const struct arp_io *arp);

/* The same, for the VIPs given, sorted: what leaves this node. */
bool tell_vips(struct tell *t, const struct ip *vips, size_t n);

/* Write the metric herald_vip_owner: one series for each VIP that was told of. */
void tell_write(const struct tell *t, FILE *f);

/*
 * Somebody else uses the VIP, or has fallen silent; for tell_rivals() to tell. Takes no
 * time: it may be of thousands of VIPs at once, with the answers to them yet to be sent.
 */
void tell_conflict(struct tell *t, const struct ip *vip, const char *ifname,
    const uint8_t mac[6]);
void tell_settled(struct tell *t, const struct ip *vip, const char *ifname);

/*
 * What is new of rivals: DuplicateAddress for a stranger, TwoOwners where the MAC is
 * that of a node with a speaker (as IPv4 neighbours tell), DuplicateAddressSettled for
 * one that was told of and is gone. True where there are more: call it again, later.
 */
bool tell_rivals(struct tell *t);

/*
 * fresh is about to take the plan's place: EndpointsLost and EndpointsBack for
 * each port of a Service whose quorum has gone or come. One node tells: the
 * VIP's owner or, where BGP alone announces it, the first by name that is alive.
 */
void tell_quorums(struct tell *t, const struct plan *fresh);

/*
 * The plan is another now: an Event EndpointsOmitted for each port of a Service that
 * has become one of which mh takes only some endpoints. One node tells, as of quorums.
 */
void tell_omitted(struct tell *t);

/*
 * What of this host is in the way now (director_advise()): what is new is logged, and
 * told by an Event HostInTheWay on the Node; that nothing is any more, by HostClear.
 */
void tell_obstacles(struct tell *t, const struct director_advice *advice, size_t n);

#endif
