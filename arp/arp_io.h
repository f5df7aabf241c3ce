/*
 * arp_io.h - the layer 2 shell: packet sockets, the links under them, timers.
 *
 * The speaker says which VIPs this node should answer for; the shell follows
 * the links by rtnetlink, runs one arp_vip engine per VIP and eligible link,
 * and moves frames. It is declarative: setting the same list again does
 * nothing.
 */
#ifndef HERALD_ARP_ARP_IO_H
#define HERALD_ARP_ARP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"
#include "lib/mono.h"

struct ev_loop;
struct arp_io;

struct arp_want {
	struct ip vip;
	const char *const *interfaces;	/* names; n 0: every eligible link */
	size_t	ninterfaces;
};

struct arp_io_handler {
	/* Somebody else answers for or uses a VIP of ours. */
	void	(*conflict)(void *arg, const struct ip *vip, const char *ifname,
		    const uint8_t mac[6]);
	/* The set of eligible links changed, or one went up or down. */
	void	(*links_changed)(void *arg);
	void	*arg;
};

/*
 * Open. exclude: glob patterns of interface names never used (n may be 0; the
 * built-in exclusions always apply). Returns NULL and an error text that names
 * the remedy (no CAP_NET_RAW, ...) in err.
 */
struct arp_io *arp_io_new(struct ev_loop *loop, const char *const *exclude,
    size_t nexclude, const struct arp_io_handler *handler, char err[256]);

/* Stops answering, sends nothing. */
void arp_io_free(struct arp_io *a);

/*
 * Answer for exactly these VIPs from now on. New ones are announced at once,
 * dropped ones fall silent. Strings are copied.
 */
void arp_io_set(struct arp_io *a, const struct arp_want *wants, size_t n);

/* Is there an eligible link that is up and allowed by want? */
bool arp_io_can_announce(const struct arp_io *a, const struct arp_want *want);

/* Call fn for each VIP and link that is announced now; for status. */
void arp_io_each(const struct arp_io *a,
    void (*fn)(void *arg, const struct ip *vip, const char *ifname), void *arg);

#endif
