/*
 * elect.h - which node owns which VIP (pure).
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998) with a bound on what one
 * node may hold. Each pair of a VIP and a candidate has a score, and pairs are
 * taken from the highest score down; a node that is full is passed over. So
 * every node computes the same owners from the same input with no message
 * between them, in whatever order the input comes.
 *
 * A node is full at 5/4 of its fair share, rounded up; its fair share is the
 * sum of 1/n over the VIPs that it is one of n candidates for, which is what
 * the hash alone gives it on average. The bound cuts off the chance by which
 * one node had more, and few VIPs feel it: with the bound, too, a node that
 * comes or goes moves what it wins or loses and next to nothing else (numbers
 * in tests/speaker/elect_test.c).
 */
#ifndef HERALD_SPEAKER_ELECT_H
#define HERALD_SPEAKER_ELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/ip.h"

#define ELECT_NOBODY UINT32_MAX

struct elect_vip {
	struct ip vip;
	const uint32_t *candidates;	/* indexes into the names, each once */
	size_t	ncandidates;
	bool	is_kept;		/* it has an owner, which is to stay; that counts
					   for how much the owner may hold */
	uint32_t owner;			/* filled in: one of them, or ELECT_NOBODY
					   where there is none */
};

/*
 * Fill the owner of every VIP. vips are distinct, in any order; so are names,
 * the nodes'. A VIP whose candidates are all full, which takes candidates that
 * differ much from VIP to VIP, goes to the first it would have chosen.
 */
void elect_owners(struct elect_vip *vips, size_t nvips, const char *const *names,
    size_t nnames, struct arena *scratch);

#endif
