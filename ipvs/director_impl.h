/*
 * director_impl.h - shared by the files of the director, for nobody else:
 *
 *	director.c	open, and a sync in its order
 *	director_update.c	a sync of a few services alone
 *	director_table.c	the IPVS part: know the table, change it, say what failed
 *	director_advise_io.c	what of the host is in the way
 *	director_look.c	what others have changed, and the counters, bit by bit
 */
#ifndef HERALD_IPVS_DIRECTOR_IMPL_H
#define HERALD_IPVS_DIRECTOR_IMPL_H

#include "ipvs/diff.h"
#include "ipvs/director.h"
#include "ipvs/goal.h"
#include "ipvs/ipvs_nl.h"
#include "ipvs/life.h"
#include "ipvs/net_list_io.h"
#include "ipvs/nft_io.h"
#include "ipvs/watch_nl.h"

/* One side's nftables and what its namespace tells. */
struct director_side {
	struct nft_io *nft;
	struct watch *watch;
	/* The ruleset's generation less our own transactions, when the table was
	   last looked at: it moves when others change anything. */
	uint32_t others;
};

struct director {
	struct director_conf conf;
	char	*name, *host_if;	/* what conf points at */
	struct director_net net;
	int	sync_link;		/* see director_sync_link() */
	struct ipvs_nl *ipvs;		/* NULL after a failure: open again */
	struct director_side side[2];	/* by enum nft_side */
	uint16_t mtu;			/* of the node's links; 0: look again */
	bool	is_net_known;		/* links and routes were looked at */
	unsigned nmended;		/* by director_recheck(), and not yet counted */
	bool	is_table_known;		/* have.table is what the kernel has, but for
					   the services of stale */
	bool	is_table_complete;	/* the last sync had no failure: what differs
					   from have.table is others' work */
	struct goal have;		/* what the last sync brought about; of nft,
					   what the kernel has: see nft_io_open() */
	struct ip *addrs;		/* the host's own, sorted */
	size_t	naddrs, addrs_cap;
	bool	is_addrs_known;		/* addrs is what the host has */
	bool	has_host_news;		/* see director_has_host_news() */
	struct life life;		/* of the endpoints that leave it */
	struct ipvs_key *stale;		/* services to be read again */
	size_t	nstale, stale_cap;
	size_t	look_at;		/* of have.table: where the next look begins */
	size_t	look_due;		/* how many services are due to be read */
	struct ipvs_walk *walk;		/* over all there are; NULL: open at a look */
	size_t	walk_due;		/* how many are due to be met on it */
	size_t	nforeign;		/* of stale: services that others have added */
	struct ip *failed;		/* VIPs that are not complete, unsorted */
	size_t	nfailed, failed_cap;
};

/* One sync under way. */
struct director_run {
	struct director *d;
	const struct director_want *want;
	struct goal goal;
	struct nft_rules rules;
	struct director_changes *changes;
	void	(*fail)(void *arg, const struct director_error *err);
	void	*arg;
	bool	has_failed;
};

/* With conf.fwmark 0: choose one; director_advise_io.c. */
int director_choose_mark(struct director *d, struct director_error *ret_err);

/* Hand err to the caller's fail(). */
void director_report(struct director_run *s, const struct director_error *err);

/* Note that this VIP is not complete. */
void director_vip_failed(struct director *d, const struct ip *vip);

/* Read the host's addresses, unless they are known; director_look.c. */
void director_read_addrs(struct director *d);

/* Give this node's IPv6 endpoints of g their routes: net_list_io.h. */
void director_sync_endpoints(struct director_run *s, const struct goal *g);

/* The netlink socket within the namespace, unless there is one. */
int director_open_ipvs(struct director *d, struct director_error *ret_err);

/*
 * Close it after a failure: an answer left unread would be taken for the next
 * one's.
 */
void director_close_ipvs(struct director *d);

/* Know what is in the kernel's table. On failure *ret_err says why. */
int director_table_examine(struct director_run *s, struct director_error *ret_err);

/* The next sync is to take out this service, which somebody else has added. */
void director_mark_foreign(struct director *d, const struct ipvs_key *key);

/* Do the operations, count them, report those that failed. */
void director_table_run(struct director_run *s, const struct ipvs_op *ops, size_t n);

#endif
