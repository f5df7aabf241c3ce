/*
 * apply.h - carry a plan out: the data plane first, the announcements last;
 * what is no longer wanted in the reverse order. A VIP is never announced before
 * this node forwards for it.
 *
 * A VIP that another live node is to own now is not dropped but yielded: this
 * node goes on answering until it hears the new owner's claim, for
 * APPLY_YIELD_MS at most. So a move between live nodes has no gap, whichever
 * of the two learns of it first.
 *
 * In three steps, because the middle one may take long and runs beside the
 * loop (worker_io.h): apply_begin() silences what must fall silent and takes
 * over what a dead node has left, apply_program() programs the kernel,
 * apply_finish() announces the rest.
 */
#ifndef HERALD_SPEAKER_APPLY_H
#define HERALD_SPEAKER_APPLY_H

#include "arp/arp_io.h"
#include "bgp/bgp_io.h"
#include "ipvs/director.h"
#include "speaker/plan.h"

enum {
	APPLY_MAX_ERRORS = 32,		/* a sync's further ones are only counted */
	APPLY_MAX_ADVICE = 8,		/* likewise */
	/* The next owner may see the API's news later than we do. */
	APPLY_YIELD_MS = 3000,
};

/* A set of VIPs, sorted. */
struct vip_set {
	struct ip *vips;
	size_t	n;
};

/* A VIP that is being handed over. */
struct apply_yielding {
	struct ip vip;
	struct mono until;		/* be silent from then on, claim or not */
};

/* How the BGP half works, from the command line. */
struct apply_bgp_conf {
	uint16_t port;			/* to take calls on, 0 none */
	uint32_t drain_ms;		/* how long routes stay marked before they go */
	const char *mrt_path;		/* see bgp_io_conf */
	uint64_t mrt_max_bytes;
	struct bgp_io_handler handler;
};

struct apply {
	struct director *director;
	struct arp_io *arp;
	struct ev_loop *loop;		/* for bgp */
	struct apply_bgp_conf bgp_conf;
	struct bgp_io *bgp;		/* NULL until there is a peer; owned */
	struct mono bgp_gone_at;	/* when a drained node's routes go; MONO_NEVER */
	bool	is_bgp_gone;		/* they have */
	enum arp_policy policy;		/* towards rivals; the caller's to set */
	struct vip_set announced;	/* what arp was last told to own */
	struct apply_yielding *yielding; /* and what to yield; sorted by vip */
	size_t	nyielding;
	struct vip_set known;		/* VIPs of the last plan */
	struct vip_set programmed;	/* by the last sync */
	struct vip_set held;		/* of these, those that are the host's own addresses */
	/* What of the host is in the way, as of the last look at all of it. */
	struct director_advice obstacles[APPLY_MAX_ADVICE];
	size_t	nobstacles;
	bool	has_applied;		/* known is that of a plan */
	bool	is_outdated;		/* apply_take_over() since apply_begin() */
	struct vip_set ceded;		/* others' by apply_hand_over() since then */
	uint64_t *said;			/* hashes of the last plan's warnings */
	size_t	nsaid;
	/* Of the sync under way or last done; apply_program() alone writes them. */
	const struct plan *plan;
	struct mono now;		/* of apply_begin() */
	bool	is_update;
	int	rc;
	struct director_changes changes;
	struct director_error errors[APPLY_MAX_ERRORS];
	size_t	nerrors;
	struct director_advice advice[APPLY_MAX_ADVICE];	/* new, with has_advice */
	size_t	nadvice;
	bool	has_advice;
};

/* director, arp and loop stay the caller's. */
void apply_init(struct apply *a, struct director *director, struct arp_io *arp,
    struct ev_loop *loop, const struct apply_bgp_conf *bgp);
void apply_fini(struct apply *a);

/* How to apply a plan. */
enum apply_how {
	/*
	 * A speaker has gone since the last plan: announce what comes to this node
	 * before programming anything. Not so where a live speaker hands over: it
	 * may not know yet that it is to, and would defend its VIP.
	 */
	APPLY_TAKEOVER	= 1u << 0,
	/* The plan is the last one and what plan_update() made of it: there is
	   nothing to announce or to silence. */
	APPLY_UPDATE	= 1u << 1,
};

/* Begin with p, which must stay as it is until apply_finish(). */
void apply_begin(struct apply *a, const struct plan *p, unsigned how,
    struct mono now);

/*
 * While apply_program() is at work with an older plan: announce what p, of which
 * nothing is kept, has come to this node. What it was at is carried through, and
 * apply_finish() announces nothing: p's like is to be applied next.
 */
void apply_take_over(struct apply *a, const struct plan *p, struct mono now);

/*
 * Likewise, but only: be ready to hand over what by p is another node's, which else
 * would be defended until this node gets round to p. apply_finish() leaves that alone.
 */
void apply_hand_over(struct apply *a, const struct plan *p, struct mono now);

/*
 * Program the kernel. The only step that may run on another thread: it touches
 * the director and the fields above, nothing else.
 */
void apply_program(struct apply *a);

/*
 * Between two plans, for once a minute or so: director_recheck(), and what of the host
 * is in the way. p is the plan last applied; on the worker's thread, as
 * apply_program(). True where a plan is to be applied; either way what it found is
 * kept by apply_rechecked().
 */
bool apply_recheck(struct apply *a, const struct plan *p);
void apply_rechecked(struct apply *a);

/*
 * Log what happened, and announce. Returns 0, or -EAGAIN where something
 * failed and another try is worth while.
 */
int apply_finish(struct apply *a, struct mono now);

/*
 * Before a planned exit: go on answering for each VIP until its next owner's
 * first announcement, and be silent from then on. Not while programming.
 */
void apply_yield(struct apply *a, const struct plan *p, struct mono now);

/*
 * Before a planned exit: end the BGP sessions, as a restart or, where p's node is
 * drained, for good. True where the conf's handler->stopped will say when that is
 * done, false where there is nothing to wait for.
 */
bool apply_bgp_leave(struct apply *a, const struct plan *p);

/*
 * When a VIP has been yielding, a route marked or an endpoint draining for long
 * enough: apply a plan then. MONO_NEVER. Not while programming.
 */
struct mono apply_deadline(const struct apply *a);

/*
 * The BGP half of announcing (apply_bgp.c), for apply.c alone: withdraw what p
 * no longer has; announce what p has and is programmed.
 */
void apply_bgp_withdraw(struct apply *a, const struct plan *p, struct mono now);
void apply_bgp_announce(struct apply *a, const struct plan *p);

/* Is the VIP announced from this node by ARP or NDP? */
bool apply_is_announced(const struct apply *a, const struct ip *vip);

/* Does this node forward for the VIP? */
bool apply_is_programmed(const struct apply *a, const struct ip *vip);

/* Is the VIP an address of the host, which then forwards in our place? */
bool apply_is_held(const struct apply *a, const struct ip *vip);

#endif
