/*
 * bgp_impl.h - what the files of the BGP shell share with each other.
 */
#ifndef HERALD_BGP_BGP_IMPL_H
#define HERALD_BGP_BGP_IMPL_H

#include <string.h>

#include <ev.h>

#include "bgp/bgp_bfd_io.h"
#include "bgp/bgp_io.h"
#include "bgp/bgp_linger_io.h"
#include "bgp/bgp_listen_io.h"
#include "bgp/bgp_mrt_io.h"
#include "bgp/bgp_ra_io.h"
#include "bgp/bgp_tcp_io.h"

/* One TCP connection of a peer. */
struct bgp_link {
	struct bgp_nbr *nbr;
	enum bgp_slot slot;
	bool	is_connecting;
	ev_io	rd, wr;			/* fd -1: no connection */
	uint8_t	*out;			/* whole messages on their way */
	size_t	at, len;		/* sent of them; all of them */
	uint64_t acked;			/* see bgp_tcp_is_waiting() */
};

/* A neighbour: one peer's engine and what connects it to the world. */
struct bgp_nbr {
	struct bgp_io *io;
	struct bgp_io_peer conf;	/* strings are ours */
	struct ip addr;			/* conf.addr, or as found on ifname */
	unsigned scope;			/* index of ifname; 0 not known */
	bool	is_refused;		/* then there is no engine */
	bool	is_wanted;		/* scratch of bgp_io_set_peers() */
	bool	has_routes;		/* bgp_io_set_routes() was called: may start */
	struct bgp_peer engine;
	struct bgp_link links[BGP_NSLOTS];
	ev_timer timer;
	char	reason[BGP_IO_TEXT_MAX];
	int64_t	since_wall_ns;
	struct ip local;		/* while it is up */
	char	last_error[512];	/* labels of its metric, "" for none yet */
	int	old_key;		/* ID of TCP-AO that connections may still use;
					   -1 none */
	unsigned ncalls;		/* taken since calls_at; see bgp_nbr_call() */
	struct mono calls_at;
	enum bfd_peer_state bfd;	/* as last acted upon */
	enum bgp_state dumped;		/* as the MRT dump last had it */
	struct bgp_nbr *prev, *next;	/* io->nbrs */
};

struct bgp_io {
	struct ev_loop *loop;
	struct bgp_io_conf conf;
	struct bgp_io_handler handler;
	struct bgp_nbr *nbrs;		/* sorted by name */
	struct bgp_listen listen;
	struct bgp_linger linger;
	struct bgp_ra ra;
	struct bgp_bfd bfd;
	struct bgp_mrt *mrt;		/* NULL: no dump */
	ev_timer notify;		/* handler->changed is due */
	ev_timer publish;		/* metrics are due */
	ev_timer drain;			/* the second half of bgp_io_shutdown() */
	bool	is_moved;		/* an interface is not what it was: BFD must
					   follow */
	bool	is_leaving;
	enum bgp_io_exit exit_how;	/* while is_leaving */
	bool	has_stopped;		/* handler->stopped is due or was called */
	char	exit_text[BGP_ERROR_DATA_MAX];
	struct mono strangers_at;	/* when one was last logged */
	unsigned nstrangers;		/* since then */
	uint8_t	*buf;			/* one read's worth; for all */
};

enum { BGP_IO_READ = 65536 };

/* bgp_io.c */
void bgp_io_mark_changed(struct bgp_io *b);	/* handler->changed is due */
void bgp_io_mark_counted(struct bgp_io *b);	/* metrics are due */

/* A router of an interface: whoever waits for one there takes it. */
void bgp_io_found(struct bgp_io *b, const char *ifname, const struct ip *addr);

/* bgp_call_io.c: of a listener (bgp_listen_io.h), whose `arg` is a bgp_io. */
void bgp_call_taken(void *arg, int fd, const struct bgp_tcp_ends *ends,
    const char *device);

/* bgp_nbr_io.c */

/* conf's strings are copied; the engine starts by bgp_nbr_start(). */
struct bgp_nbr *bgp_nbr_new(struct bgp_io *b, const struct bgp_io_peer *conf);

/* Cut all connections as they are. */
void bgp_nbr_free(struct bgp_nbr *n);

/* Once it has routes and an address; again is fine. */
void bgp_nbr_start(struct bgp_nbr *n);

/* End for good; code 0: without a word. What is to be said lingers. */
void bgp_nbr_stop(struct bgp_nbr *n, unsigned code, unsigned subcode, const char *text);

/* Its address was found. */
void bgp_nbr_found(struct bgp_nbr *n, const struct ip *addr);

/* Somebody with its address calls; takes fd. */
void bgp_nbr_call(struct bgp_nbr *n, int fd);

/* Its BFD session may have changed. */
void bgp_nbr_bfd_changed(struct bgp_nbr *n);

/* After any call of its engine: do what it says, send, set the timer. */
void bgp_nbr_settle(struct bgp_nbr *n);

/* Its next hops, BFD or key: what may change without a new session. */
void bgp_nbr_change(struct bgp_nbr *n, const struct bgp_io_peer *conf);

/* Wanted routes once more, marked GRACEFUL_SHUTDOWN (RFC 8326). */
void bgp_nbr_drain(struct bgp_nbr *n);

/* Cease with a text (RFC 9003), and try again. */
void bgp_nbr_reset(struct bgp_nbr *n, unsigned subcode, const char *text);

/* bgp_metric_io.c: its counts as metrics; a NOTIFICATION that ended a connection;
   forget all of them. */
void bgp_nbr_publish(struct bgp_nbr *n);
void bgp_nbr_publish_error(struct bgp_nbr *n, bool is_theirs, unsigned code,
    unsigned subcode);
void bgp_nbr_unpublish(const struct bgp_nbr *n);

/* bgp_mrt_io.c: a message of its engine, and its state where that is another one. */
void bgp_nbr_dump(void *arg, enum bgp_slot slot, bool is_sent, const uint8_t *msg,
    size_t len);
void bgp_nbr_dump_state(struct bgp_nbr *n);

struct bgp_tcp_key bgp_nbr_key(const struct bgp_nbr *n);

/* bgp_hop_io.c: the addresses routes of an interface should point at. */
struct bgp_hops {
	struct ip v4, v6, v6_link_local; /* IP_NONE where there is none */
};

/*
 * Those of the interface that has `local` (whose index is `scope` where it is
 * link-local); local itself for its family unless it is link-local.
 */
struct bgp_hops bgp_hops_of(const struct ip *local, unsigned scope);

#endif
