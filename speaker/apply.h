/*
 * apply.h - carry a plan out: the data plane first, the announcements last;
 * what is no longer wanted in the reverse order.
 */
#ifndef HERALD_SPEAKER_APPLY_H
#define HERALD_SPEAKER_APPLY_H

#include "arp/arp_io.h"
#include "ipvs/director.h"
#include "speaker/plan.h"

struct apply {
	struct director *director;
	struct arp_io *arp;
	struct ip *announced;		/* by the last apply; sorted */
	size_t	nannounced;
	struct ip *known;		/* VIPs of the last plan, sorted */
	size_t	nknown;
	bool	has_applied;		/* known is that of a plan */
};

/* Both engines stay the caller's. */
void apply_init(struct apply *a, struct director *director, struct arp_io *arp);
void apply_fini(struct apply *a);

/*
 * Carry p out. Errors are logged with their objects. Returns 0, or -EAGAIN
 * where something failed and another try is worth while.
 */
int apply_plan(struct apply *a, const struct plan *p);

/*
 * Before a planned exit: go on answering for each VIP until its next owner's
 * first announcement, and be silent from then on.
 */
void apply_yield(struct apply *a, const struct plan *p);

/* Is the VIP announced from this node? */
bool apply_is_announced(const struct apply *a, const struct ip *vip);

#endif
