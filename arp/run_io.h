/*
 * run_io.h - the parts of arp_io.c's state, and what steps the engines.
 *
 * arp_io.c decides which engines there are (wants and links); run_io.c drives
 * them (timer, frames) and passes on what they say. For these two files only.
 */
#ifndef HERALD_ARP_RUN_IO_H
#define HERALD_ARP_RUN_IO_H

#include <ev.h>

#include "arp/arp_io.h"
#include "arp/group_io.h"
#include "arp/link_io.h"
#include "arp/sock_io.h"

struct io_engine {
	int	ifindex;
	char	ifname[IF_NAMESIZE];
	struct arp_vip vip;
	bool	is_joined;		/* its solicited-node group; false for IPv4 */
	bool	is_in_conflict;		/* reported, not settled */
	bool	has_news;		/* is_in_conflict is to be passed on */
	uint8_t	rival[ARP_MAC_LEN];	/* the one reported last */
};

struct io_vip {
	struct ip addr;			/* the key */
	bool	is_first_claim;
	bool	was_announced;		/* by us, on any link: probe no more */
	bool	is_kept;		/* scratch of arp_io_set() */
	enum arp_policy policy;
	char	**interfaces;
	size_t	ninterfaces;
	struct io_engine *engines;	/* one a link; NULL while there are none */
	size_t	nengines;
};

struct arp_io {
	struct ev_loop *loop;
	struct arp_io_handler handler;
	struct arp_vip_conf conf;	/* of every engine */
	bool	is_unprobed;		/* as in arp_io_conf */
	struct link_table links;
	struct link_io *link_io;
	struct sock_io *sock;
	struct group_io *groups;
	struct io_vip *vips;		/* sorted by address */
	size_t	nvips;
	struct ev_timer timer;
	struct mono next;		/* what timer is set to */
	struct ev_timer heartbeat;
	uint32_t hung_ms;		/* as in arp_io_conf */
	struct mono beat;		/* when the loop last was seen to run */
	int64_t	credit;			/* frames that may be sent unasked ... */
	struct mono credit_at;		/* ... at that time */
	unsigned counts[2][4];		/* see count(); IPv4, IPv6 */
	bool	has_conflict_news;	/* some engine has has_news */
	bool	has_announced_news;
	bool	has_unjoined;		/* some IPv6 engine is not in its group yet */
};

/* Set up the timers; nothing is due yet. hung_ms as in arp_io_conf. */
void run_io_init(struct arp_io *a, uint32_t hung_ms);
void run_io_fini(struct arp_io *a);

/* Callbacks for the sockets. */
extern const struct sock_io_handler run_io_handler;

/*
 * Called first wherever control comes to us: has this process stood still? New
 * engines are added after it, for what is decided now is not in doubt.
 */
void run_io_beat(struct arp_io *a, struct mono now);

/* Order of io_vips, for each of which its address may stand: that is its first field. */
int run_io_vip_cmp(const void *a, const void *b);

/* NULL where there is none; good until arp_io_set(). */
struct io_vip *run_io_find_vip(const struct arp_io *a, const struct ip *addr);
struct io_engine *run_io_find_engine(const struct io_vip *v, int ifindex);

/* Have the timer fire no later than due. */
void run_io_need_by(struct arp_io *a, struct mono due, struct mono now);

/* Tick every engine that is due, as far as their frames find room. */
void run_io_run(struct arp_io *a, struct mono now);

/* Call the user's handler for what happened since; from the loop only. */
void run_io_tell(struct arp_io *a);

/* Before an engine is removed: settle a conflict it reported. */
void run_io_forget_conflict(struct arp_io *a, struct io_vip *v, struct io_engine *e);

#endif
