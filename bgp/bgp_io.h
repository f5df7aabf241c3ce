/*
 * bgp_io.h - the BGP shell: TCP sessions, listeners and BFD around bgp/peer.h.
 *
 * Declarative: the caller says which peers there are and which routes each of
 * them should know, as often as it likes; only what differs is touched. It
 * works in the network namespace it was opened in.
 *
 * Who does what: bgp_nbr_io.c runs one peer's engine over its connections,
 * bgp_tcp_io.c knows sockets and their options, bgp_listen_io.c takes calls,
 * bgp_call_io.c sees whose they are, bgp_leave_io.c ends all, bgp_linger_io.c lets
 * last words out, bgp_ra_io.c finds peers by interface, bgp_bfd_io.c has their BFD
 * sessions, bgp_metric_io.c publishes what was counted, bgp_mrt_io.c dumps what was
 * said; bgp_io.c joins them.
 */
#ifndef HERALD_BGP_BGP_IO_H
#define HERALD_BGP_BGP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/bfd_io.h"
#include "bgp/peer.h"
#include "lib/ip.h"

struct ev_loop;
struct bgp_io;

enum {
	BGP_IO_KEY_MAX	= 80,		/* bytes of a TCP MD5 password */
	BGP_IO_NAME_MAX	= 16,		/* of a device, with its NUL (IFNAMSIZ) */
	BGP_IO_TEXT_MAX	= 320,		/* of a reason told to people */
};

struct bgp_io_conf {
	uint16_t port;			/* to take calls on; 0: only dial */
	/*
	 * The forwarding of an earlier process was adopted: say so to peers in
	 * the first session (RFC 4724: the R and F bits), and routes they kept
	 * from that process stay.
	 */
	bool	is_restarting;
	const char *mrt_path;		/* dump all messages there (RFC 6396), or NULL */
	uint64_t mrt_max_bytes;		/* of it and of its forerunner, each */
};

/* The BFD session of a peer (RFC 5882). */
struct bgp_io_bfd {
	uint32_t min_tx_us, min_rx_us;	/* at least 1 */
	uint8_t	detect_mult;		/* 0: no BFD */
	uint8_t	min_ttl;		/* where hops > 1: least TTL accepted, 0 any;
					   on the link it is 255 */
	bool	is_passive;
	uint32_t echo_us;		/* between Echo packets, ours and the peer's; on
					   the link; 0 none */
};

enum bgp_io_auth {
	BGP_IO_AUTH_NONE,
	BGP_IO_AUTH_MD5,		/* RFC 2385 */
	BGP_IO_AUTH_AO,			/* RFC 5925, HMAC-SHA-1-96 */
};

struct bgp_io_peer {
	const char *name;		/* unique; who it is across calls */
	/* What is wrong with what it was made from, and the remedy: it is refused
	   for that. NULL or "": nothing. */
	const char *fault;
	/*
	 * Where it is. A link-local address needs ifname. With IP_NONE the peer
	 * is whoever sends router advertisements on ifname (unnumbered).
	 */
	struct ip addr;
	const char *ifname;		/* NULL or "": none */
	const char *vrf;		/* device to bind to, or NULL or "" */
	uint16_t port;			/* to dial; 0: 179 */
	struct ip source;		/* ours, or IP_NONE: the kernel's choice */
	/*
	 * Hops to the peer: 1 on the link, 255 anywhere; 0 is 1 for external and
	 * 255 for internal peers.
	 */
	uint8_t	hops;
	bool	has_gtsm;		/* take nothing from further away (RFC 5082) */
	enum bgp_io_auth auth;
	const char *password;		/* 1..BGP_IO_KEY_MAX bytes, where auth */
	uint8_t	key_id;			/* SendID and RecvID of TCP-AO */
	struct bgp_peer_conf session;	/* random, is_restarting, tap: bgp_io's */
	/*
	 * Next hops to announce. IP_NONE: the session's own address, and of the
	 * other family an address of the same interface.
	 */
	struct ip next_hop4, next_hop6;
	struct bgp_io_bfd bfd;
};

struct bgp_io_route {
	struct prefix prefix;
	const struct bgp_attrs *attrs;	/* read during the call only */
	const char *const *peers;	/* names; unknown ones are passed over */
	size_t	npeers;			/* 0: all */
};

/* Called from the event loop, never from inside a call. Any may be NULL. */
struct bgp_io_handler {
	/* A session went up or down, or what bgp_io_each() tells of one did. */
	void	(*changed)(void *arg);
	/* After bgp_io_shutdown(): all is said and closed. */
	void	(*stopped)(void *arg);
	void	*arg;
};

/*
 * Open. Never fails for want of a port: a listener that cannot be had is
 * logged and tried again, and peers are dialled all the same.
 */
struct bgp_io *bgp_io_new(struct ev_loop *loop, const struct bgp_io_conf *conf,
    const struct bgp_io_handler *handler);

/* Close all connections as they are. NULL is fine. Not from inside a handler. */
void bgp_io_free(struct bgp_io *b);

/*
 * Have exactly these peers; strings are copied. A session whose peer is as it
 * was is not touched; one whose BFD, next hops or TCP-AO key (with its ID) changed
 * goes on with the new.
 * One that cannot be (two with the same address, no TCP-AO in the kernel, ...)
 * is refused alone: bgp_io_each() tells why. Dropped peers are told
 * (Cease, Peer De-configured), changed ones too (Other Configuration Change).
 */
void bgp_io_set_peers(struct bgp_io *b, const struct bgp_io_peer *peers, size_t n);

/*
 * Announce exactly these. A new peer is dialled by the first call after it was
 * set, so that the End-of-RIB it gets comes after its routes. 0, or -E2BIG
 * past 65534 different attributes; then that peer's routes are as they were.
 */
int bgp_io_set_routes(struct bgp_io *b, const struct bgp_io_route *routes, size_t n);

struct bgp_io_status {
	const char *name;
	struct ip addr;			/* IP_NONE: not found yet */
	const char *ifname, *vrf;	/* "" for none */
	enum bgp_state state;
	int64_t	since_wall_ns;		/* last time the session came up or went down */
	bool	is_refused;		/* its configuration: see reason */
	const char *reason;		/* why it is not up, or was not: "" for none */
	struct ip local;		/* our end while it is up */
	const struct bgp_peer *engine;	/* counts, rib.nsent, conn[up].theirs, ...;
					   NULL where is_refused */
	bool	has_bfd;
	enum bfd_peer_state bfd;
	uint32_t bfd_detect_us;		/* 0 while not up */
	enum bfd_io_echo bfd_echo;
};

/* Call fn for each peer, by name. */
void bgp_io_each(const struct bgp_io *b,
    void (*fn)(void *arg, const struct bgp_io_status *s), void *arg);

/* Where a session's end is to cost the peer our routes, they are marked
   GRACEFUL_SHUTDOWN first (RFC 8326), and a Cease follows. */
enum bgp_io_exit {
	/* Another process follows: peers with graceful restart keep our routes
	   and hear nothing; only to others it is as if we left. */
	BGP_IO_RESTART,
	BGP_IO_LEAVE,		/* the node leaves, for all peers */
};

/*
 * End all sessions, and with `stopped` say when that is done. drain_ms is how
 * long routes stay marked, where there are any to mark. text goes with the
 * Cease (RFC 9003, up to 255 bytes), NULL for none. Then only bgp_io_each()
 * and bgp_io_free() may follow.
 */
void bgp_io_shutdown(struct bgp_io *b, enum bgp_io_exit how, unsigned drain_ms,
    const char *text);

/* End one session (Cease, Administrative Reset) and dial anew; -ENOENT. */
int bgp_io_reset(struct bgp_io *b, const char *name, const char *text);

#endif
