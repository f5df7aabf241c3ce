/*
 * bfd_impl.h - what the files of the BFD shell share with each other:
 *
 *	bfd_io.c	sockets, datagrams, the set of peers
 *	bfd_peer_io.c	one peer: its engine's wishes become packets, timers, reports
 *	bfd_echo_io.c	its Echo packets
 *	bfd_udp_io.c	the system calls (bfd_udp_io.h)
 */
#ifndef HERALD_BGP_BFD_IMPL_H
#define HERALD_BGP_BFD_IMPL_H

#include <net/if.h>

#include <ev.h>
#include <uthash.h>

#include "bgp/bfd.h"
#include "bgp/bfd_io.h"
#include "lib/alarm_io.h"

/* Bytes only, so that it can be hashed. */
struct bfd_key {
	struct ip addr;
	uint8_t	scope[4];		/* interface of a link-local address, else 0 */
};

struct bfd_peer {
	struct bfd_io *io;
	struct bfd_key key;		/* of by_key */
	struct bfd_io_peer conf;	/* with what is the same for all filled in */
	struct bfd bfd;			/* conf.local_discr is the key of by_discr */
	struct alarm alarm;		/* not later than bfd_deadline() */
	enum bfd_peer_state reported;	/* as `changed` was last told */
	uint32_t reported_note;		/* likewise */
	bool	is_wanted;		/* scratch of bfd_io_set_peers() */
	bool	is_queued;		/* on io->changed_peers */
	int	send_err;		/* -errno of the last send, 0 well */
	struct ip local;		/* ours, as the peer's last packet had it */
	enum bfd_io_echo told_echo;	/* as people were last told */
	UT_hash_handle hh_key, hh_discr;
	struct bfd_peer *prev, *next;	/* io->changed_peers */
};

struct bfd_io {
	struct ev_loop *loop;
	struct alarms *alarms;		/* the peers' */
	struct bfd_io_conf conf;	/* key: not past bfd_io_new(); device is here: */
	struct bfd_conf session;	/* of every session, but for its own fields */
	bfd_io_changed_fn *changed;
	void	*arg;
	/*
	 * By family, fd -1 where that is not there. What is sent goes out of
	 * `out`, which is `in` unless the source port is another one.
	 */
	ev_io	in[2], out[2];
	ev_io	echo_in[2];		/* likewise, and where no peer wants Echo -1 */
	int	echo_out[2];
	char	device[IFNAMSIZ];	/* "" none */
	struct bfd_peer *by_key, *by_discr;
	bool	is_leaving;		/* bfd_io_admin_down() was called */
	struct bfd_peer *changed_peers;	/* to be reported at the end of a callback */
};

struct bfd_peer *bfd_peer_by_key(const struct bfd_io *b, const struct ip *addr,
    unsigned scope);
struct bfd_peer *bfd_peer_by_discr(const struct bfd_io *b, uint32_t discr);

/* What its session is, for people and for the caller. */
enum bfd_peer_state bfd_peer_view(const struct bfd_peer *p);

/* Send one packet that is due; false: none is. A lost one is what the protocol is for. */
bool bfd_peer_send(struct bfd_peer *p, struct mono now);

/* After any call of its engine: send, set the timer, queue a report. */
void bfd_peer_settle(struct bfd_peer *p, struct mono now);

/* Give the caller what was queued; at the end of a callback, never inside a call. */
void bfd_io_report(struct bfd_io *b);

/* A peer that is not there yet. Its first packet goes out by the next turn. */
void bfd_peer_add(struct bfd_io *b, const struct bfd_io_peer *c);

/* What is new of c takes effect in the session. */
void bfd_peer_change(struct bfd_peer *p, const struct bfd_io_peer *c);
void bfd_peer_remove(struct bfd_peer *p);

/* bfd_echo_io.c: with no sockets; close those there are. */
void bfd_echo_io_init(struct bfd_io *b);
void bfd_echo_io_fini(struct bfd_io *b);

/* Have sockets for a peer of this address; false, and logged, where they cannot be. */
bool bfd_echo_io_open(struct bfd_io *b, const struct ip *peer);

/* Send what is due; tell people what is new; forget the metric. */
void bfd_echo_io_flush(struct bfd_peer *p, struct mono now);
void bfd_echo_io_tell(struct bfd_peer *p);
void bfd_echo_io_forget(const struct bfd_peer *p);
enum bfd_io_echo bfd_echo_io_view(const struct bfd_peer *p);

#endif
