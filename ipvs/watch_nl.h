/*
 * watch_nl.h - has somebody else touched what is ours? Cheap to ask, often.
 *
 * A watch belongs to the network namespace in which it was opened, and tells
 * what the kernel tells by itself: links, their IPv4 parameters, addresses, routes
 * and rules that go or change, and the generation of the nftables ruleset. IPVS tells nothing;
 * director_look() reads it piece by piece.
 */
#ifndef HERALD_IPVS_WATCH_NL_H
#define HERALD_IPVS_WATCH_NL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ip.h"

struct watch;

/* What of a namespace is ours. */
struct watch_scope {
	bool	is_all;		/* everything; what follows does not matter */
	const char *ifname;	/* our link ... */
	struct ip addrs[2];	/* ... and its addresses */
	uint32_t table;		/* our routing table */
	uint32_t rule_pref;	/* our rules' priority */
};

/* scope is copied, the name in it is not. 0 or -errno. */
int watch_open(const struct watch_scope *scope, struct watch **ret);
void watch_close(struct watch *w);

/* What has been told, as bits. */
enum {
	WATCH_OURS	= 1u << 0,	/* a piece of ours was removed, or a link of
					   ours changed, whoever did it */
	WATCH_ADDRS	= 1u << 1,	/* an address came or went, not link-local */
	WATCH_RULES	= 1u << 2,	/* a routing rule did, not of our priority */
	WATCH_ALL	= WATCH_OURS | WATCH_ADDRS | WATCH_RULES,
};

/*
 * Take in what has been told since the last call. WATCH_ALL where that was so much
 * that the kernel has dropped some of it.
 */
unsigned watch_news(struct watch *w);

/*
 * The ruleset's generation, one more with every transaction of anybody; 0 where
 * it cannot be told, and then it never changes.
 */
uint32_t watch_nft_generation(struct watch *w);

#endif
