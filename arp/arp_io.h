/*
 * arp_io.h - the layer 2 shell: packet sockets, the links under them, timers.
 *
 * The speaker says which VIPs this node should answer for; the shell follows
 * the links by rtnetlink, runs one arp_vip engine per VIP and eligible link,
 * and moves frames. It is declarative: setting the same list again does
 * nothing. It works in the network namespace it was opened in.
 *
 * Who does what: link_io.c keeps the table of links (link.c says which are
 * eligible), sock_io.c has the packet sockets, group_io.c the memberships of
 * IPv6 groups; arp_io.c joins them with the engines (vip.c).
 *
 * A planned move: the leaver keeps its wants and sets their policy to YIELD;
 * it goes on answering until the next owner's first announcement arrives and
 * is silent from then on.
 */
#ifndef HERALD_ARP_ARP_IO_H
#define HERALD_ARP_ARP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arp/vip.h"
#include "lib/ip.h"

struct ev_loop;
struct arp_io;

struct arp_want {
	struct ip vip;		/* IPv4 or IPv6 */
	/* fnmatch(3) patterns of link names; n 0: every eligible link */
	const char *const *interfaces;
	size_t	ninterfaces;
	/*
	 * The VIP was never announced by anyone: probe before claiming it (RFC
	 * 5227, 4862), below a second. Where somebody answers, it is withheld,
	 * reported, and probed again from time to time. False: announce at once.
	 * Of meaning only for a VIP that was not in the list before.
	 */
	bool	is_first_claim;
	enum arp_policy policy;	/* towards rivals; 0: defend */
};

/*
 * All are called from the event loop, never from inside a call (but see
 * settled), and must not call back: mark what is to be done and do it later in
 * the turn. Any may be NULL.
 */
struct arp_io_handler {
	/*
	 * Somebody else answers for or uses a VIP of ours; mac is the rival's.
	 * Called once, and again where the MAC changes (at most every 10 s).
	 */
	void	(*conflict)(void *arg, const struct ip *vip, const char *ifname,
		    const uint8_t mac[6]);
	/* The set of eligible links changed, or one went up or down. */
	void	(*links_changed)(void *arg);
	void	*arg;
	/*
	 * The rival has not been heard for some minutes, or the VIP or link is
	 * gone; arp_io_set() itself calls this for what it drops.
	 */
	void	(*settled)(void *arg, const struct ip *vip, const char *ifname);
	/* What arp_io_each() reports changed. */
	void	(*announced_changed)(void *arg);
};

struct arp_io_conf {
	/* Patterns of names of links never used, besides the built-in ones. */
	const char *const *exclude;
	size_t	nexclude;
	uint32_t repeat_sec;	/* between repeated announcements, +-25 %; 0: 60 */
	uint8_t	nannounce;	/* announcements at a takeover, 1..9; 0: 3 */
	uint8_t	nprobes;	/* before a first claim; 0: 3 */
	/*
	 * Having stood still for so long, this process takes itself for one that
	 * others have declared dead, and is silent for a second: the time in which
	 * they do. At least 3; 0: 300.
	 */
	uint32_t hung_ms;
	bool	is_unprobed;	/* claim even a new VIP without a probe */
};

/*
 * Open. conf is not needed any longer then. Returns NULL and an error text that
 * names the remedy (no CAP_NET_RAW, ...) in err.
 */
struct arp_io *arp_io_new(struct ev_loop *loop, const struct arp_io_conf *conf,
    const struct arp_io_handler *handler, char err[256]);

/* Stops answering, sends nothing. NULL is fine. */
void arp_io_free(struct arp_io *a);

/*
 * Answer for exactly these VIPs, each once, from now on. New ones are announced at
 * once, dropped ones fall silent. Strings are copied. Not from within the handler.
 */
void arp_io_set(struct arp_io *a, const struct arp_want *wants, size_t n);

/* Is there an eligible link that is up and allowed by want? */
bool arp_io_can_announce(const struct arp_io *a, const struct arp_want *want);

/* Is the VIP announced on some link, and answered for? */
bool arp_io_is_announced(const struct arp_io *a, const struct ip *vip);

/*
 * Announce a VIP anew, or with NULL all that are ours: for when listeners may
 * hold an older owner's address (a partition healed).
 */
void arp_io_announce(struct arp_io *a, const struct ip *vip);

/* Call fn for each link of the node and say why it is used or not. */
void arp_io_each_link(const struct arp_io *a,
    void (*fn)(void *arg, const char *ifname, bool is_eligible, const char *why),
    void *arg);

/* Call fn for each VIP and link that is announced now; for status. */
void arp_io_each(const struct arp_io *a,
    void (*fn)(void *arg, const struct ip *vip, const char *ifname), void *arg);

#endif
