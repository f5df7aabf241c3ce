/*
 * bfd_io.h - the BFD shell: sockets and timers around bgp/bfd.h sessions.
 *
 * One instance is the liveness mesh among speakers, others have the sessions
 * of BGP peers; the caller declares the peers and is told when one goes up or
 * down and what kind of down it is.
 */
#ifndef HERALD_BGP_BFD_IO_H
#define HERALD_BGP_BFD_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

struct ev_loop;
struct bfd_io;

struct bfd_io_conf {
	uint16_t port;			/* UDP; of what we send both source and
					   destination, but for ... */
	bool	is_ephemeral;		/* ... sending from a port of 49152 and above,
					   as routers want it (RFC 5881, 4) */
	const char *device;		/* bind to it (a VRF); NULL or "": none */
	bool	is_shared;		/* others have the port for other devices; see
					   bfd_io_share() */
	uint32_t min_tx_us;		/* desired min TX interval once up */
	uint32_t min_rx_us;		/* required min RX interval */
	uint32_t slow_tx_us;		/* min TX interval until up; 0: a second, as RFC
					   5880, 6.8.3, has it */
	uint8_t	detect_mult;		/* 1..255 */
	uint8_t	jitter_pct;		/* packets go out up to so much early, 1..25;
					   0: 25. See bfd.h */
	uint8_t	min_ttl;		/* received TTL at least this (GTSM), 0 any */
	struct ip source4, source6;	/* this node's addresses as its peers know
					   them; IP_NONE: the kernel's choice */
	uint32_t max_pps;		/* packets a second to all peers together, see
					   bfd_interval_us(); 0: as many as they are */
	uint8_t	key_id;			/* meticulous keyed SHA-1 ... */
	const uint8_t *key;		/* ... 1..20 bytes, NULL for none; copied */
	size_t	key_len;
	bool	has_path;		/* peers tell by bfd_io_set_path() and
					   bfd_io_set_note(), too: report BFD_PEER_WAITING
					   and BFD_PEER_CUT_OFF, and other notes */
	bool	is_realtime;		/* try SCHED_FIFO and mlockall, best effort */
};

enum bfd_peer_state {
	BFD_PEER_UNKNOWN,	/* never up yet, and not seen to fail either */
	BFD_PEER_UP,
	BFD_PEER_DOWN,		/* detection time expired, or the peer said Down */
	BFD_PEER_ADMIN_DOWN,	/* the peer is leaving on purpose; once it has left,
				   REFUSED or DOWN */
	BFD_PEER_REFUSED,	/* down, but its host answers "port unreachable":
				   the speaker is gone, the node lives. Reported
				   before the detection time has passed where the
				   quotes prove it (see bfd.h) */
	BFD_PEER_WAITING,	/* up, by bfd_io_set_path(): not in service yet */
	BFD_PEER_CUT_OFF,	/* up, likewise: out of service */
};
const char *bfd_peer_state_name(enum bfd_peer_state s);

/* Another state, or in the same one another note (has_path). */
typedef void bfd_io_changed_fn(void *arg, const struct ip *peer,
    enum bfd_peer_state state);

/*
 * Open. Returns NULL with an error text that names the remedy (port in use,
 * ...). changed runs from the event loop, never from inside a call; it may
 * call bfd_io_set_peers(), but not bfd_io_free().
 */
struct bfd_io *bfd_io_new(struct ev_loop *loop, const struct bfd_io_conf *conf,
    bfd_io_changed_fn *changed, void *arg, char err[256]);
void bfd_io_free(struct bfd_io *b);

/*
 * Before another is opened with the same port for another device, and with is_shared:
 * let it have the port too; after that: no longer.
 */
void bfd_io_share(struct bfd_io *b, bool is_shared);

/*
 * Send from these addresses from now on (IP_NONE: the kernel's choice): for a
 * caller that learns its own only after it has opened.
 */
void bfd_io_set_source(struct bfd_io *b, const struct ip *source4,
    const struct ip *source6);

/*
 * From now on send with keys[0] and accept all n, 1 to BFD_IO_KEYS_MAX of them,
 * 20 bytes each with zeros behind. Only where conf.key was given; sessions stay.
 */
enum { BFD_IO_KEYS_MAX = 4, BFD_IO_KEY_LEN = 20 };
void bfd_io_set_keys(struct bfd_io *b, const uint8_t (*keys)[BFD_IO_KEY_LEN], size_t n);

/* Have sessions with exactly these peers; sessions that stay are untouched. */
void bfd_io_set_peers(struct bfd_io *b, const struct ip *peers, size_t n);

/* A peer with a configuration of its own. */
struct bfd_io_peer {
	struct ip addr;
	unsigned scope;			/* interface of a link-local address, else 0 */
	struct ip source;		/* IP_NONE: as for all */
	uint32_t min_tx_us, min_rx_us;	/* 0: as for all */
	uint8_t	detect_mult;		/* 0: as for all */
	uint8_t	min_ttl;		/* in place of the instance's */
	bool	is_passive;		/* silent until the peer is heard */
	/*
	 * Echo packets (RFC 5880, 6.4), 0 none: the peer may send them so often, and
	 * is sent them so often where it takes them; on the link only, and not where
	 * has_path. The peer's are sent back by the kernel's forwarding: that is what
	 * they are to test.
	 */
	uint32_t echo_us;
};

/* As bfd_io_set_peers(); what changed of a peer takes effect in its session. */
void bfd_io_set_peer_confs(struct bfd_io *b, const struct bfd_io_peer *peers,
    size_t n);

enum bfd_peer_state bfd_io_state(const struct bfd_io *b, const struct ip *peer);

/* What Echo is to a session. */
enum bfd_io_echo {
	BFD_IO_ECHO_OFF,	/* not wanted, or the session is not up */
	BFD_IO_ECHO_NOT_TAKEN,	/* the peer does not want any */
	BFD_IO_ECHO_UNANSWERED,	/* none has come back yet: no failure, see bfd_echo.h */
	BFD_IO_ECHO_ACTIVE,	/* they come back; once they do not, it goes down */
};
const char *bfd_io_echo_name(enum bfd_io_echo e);

/* All there is to know of a session; false where there is none. */
struct bfd_io_view {
	enum bfd_peer_state state;
	uint32_t detect_us;		/* as bfd_io_detect_us() */
	uint32_t note;			/* by bfd_io_set_note(), as last heard; 0 */
	enum bfd_io_echo echo;
	bool	is_independent;		/* the peer's C bit: its BFD outlives its
					   control plane */
};
bool bfd_io_view(const struct bfd_io *b, const struct ip *peer, unsigned scope,
    struct bfd_io_view *ret);

/*
 * Tell every peer, now and in every packet, what this end is worth beyond the
 * session itself, which stays up (RFC 5880, 6.8.17). To begin with it is well.
 */
enum bfd_io_path {
	BFD_IO_PATH_WELL,
	BFD_IO_PATH_WAITING,	/* Reverse Concatenated Path Down */
	BFD_IO_PATH_CUT_OFF,	/* Concatenated Path Down */
};
void bfd_io_set_path(struct bfd_io *b, enum bfd_io_path path);

/* Tell every peer, likewise, a word of the caller's. To begin with it is 0. */
void bfd_io_set_note(struct bfd_io *b, uint32_t note);

/*
 * Tell every peer AdminDown, now, detect_mult times; before a planned exit.
 * Sent before it returns. `changed` is not called from then on.
 */
void bfd_io_admin_down(struct bfd_io *b);

/* Detection time in microseconds agreed with peer, 0 while not up. */
uint32_t bfd_io_detect_us(const struct bfd_io *b, const struct ip *peer);

#endif
