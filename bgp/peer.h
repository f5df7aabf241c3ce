/*
 * peer.h - one BGP neighbour: two connections at most, one session, one RIB.
 *
 * Pure. The shell (bgp_io.c) owns the sockets; it tells of TCP with
 * bgp_peer_tcp_up() and _down(), feeds bytes to bgp_peer_read(), sends what
 * bgp_peer_write() gives, calls bgp_peer_tick() once bgp_peer_deadline() has
 * come, and after any of these does what bgp_peer_steps() says.
 *
 * Memory is taken by bgp_peer_init() and bgp_peer_set_routes(), never for
 * anything that a peer sends.
 */
#ifndef HERALD_BGP_PEER_H
#define HERALD_BGP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/fsm.h"
#include "bgp/msg.h"
#include "bgp/open.h"
#include "bgp/rib.h"
#include "bgp/update.h"
#include "lib/mono.h"

enum bgp_slot {
	BGP_DIALLED,		/* the connection we start */
	BGP_ACCEPTED,		/* the one the peer starts */
	BGP_NSLOTS,
};

enum bgp_as_rule {
	BGP_AS_EXACT,		/* peer_as */
	BGP_AS_INTERNAL,	/* ours */
	BGP_AS_EXTERNAL,	/* any but ours */
};

struct bgp_peer_conf {
	uint32_t local_as;		/* not 0 */
	enum bgp_as_rule as_rule;
	uint32_t peer_as;		/* for BGP_AS_EXACT */
	uint32_t router_id;		/* host order, not 0 */
	uint16_t hold_sec;		/* 0, or at least 3 */
	uint16_t keepalive_sec;		/* 0: a third of the hold time */
	uint16_t connect_sec;		/* at least 1 */
	uint16_t restart_sec;		/* graceful restart, 1..4095; 0 not offered */
	bool	is_restarting;		/* the process adopted its forwarding: the R bit
					   until a session is up, the F bit always. An
					   other process has the F bit once a session
					   was up, for forwarding outlives sessions */
	bool	is_passive;
	bool	is_strict_role;
	bool	has_extended;		/* offer messages of up to 65535 bytes */
	uint8_t	role;			/* enum bgp_role */
	uint8_t	families;		/* to offer, bits 1 << enum bgp_family */
	bool	has_v6_next_hop;	/* offer IPv4 with an IPv6 next hop */
	uint64_t random;
	/*
	 * Told of each whole message, as it has come and before anything comes of
	 * it, or as bgp_peer_write() gives it; NULL: nobody listens.
	 */
	void	(*tap)(void *arg, enum bgp_slot slot, bool is_sent, const uint8_t *msg,
		    size_t len);
	void	*tap_arg;
};

struct bgp_counts {
	uint64_t rx[BGP_REFRESH + 1];	/* messages by enum bgp_msg_type */
	uint64_t tx[BGP_REFRESH + 1];
	uint64_t discarded;		/* UPDATEs with an attribute discarded */
	uint64_t withdrawn;		/* UPDATEs treated as withdrawals */
	uint64_t established;		/* times */
};

struct bgp_conn {
	struct bgp_fsm fsm;
	struct bgp_open theirs;		/* from OpenConfirm on */
	uint8_t	*rx;			/* one message, or its beginning */
	size_t	rx_len, rx_need;	/* bytes there; bytes to wait for */
	unsigned steps;			/* enum bgp_do, not yet done */
};

/* Read freely, change by calls only. */
struct bgp_peer {
	struct bgp_peer_conf conf;
	bool	is_started;
	struct bgp_conn conn[BGP_NSLOTS];
	int	up;			/* enum bgp_slot that is Established, or -1 */
	struct bgp_session session;	/* valid while up >= 0 */
	struct ip next_hop[BGP_NFAMILIES]; /* ours, IP_NONE where we have none */
	struct ip next_hop_ll;
	struct bgp_rib rib;
	struct bgp_counts counts;
};

void bgp_peer_init(struct bgp_peer *p, const struct bgp_peer_conf *conf);
void bgp_peer_fini(struct bgp_peer *p);

/* Begin to dial, or to wait where passive. */
void bgp_peer_start(struct bgp_peer *p, struct mono now);

/*
 * End both connections; err is the NOTIFICATION to send, or has code 0 to end
 * without one, as before a graceful restart.
 */
void bgp_peer_stop(struct bgp_peer *p, const struct bgp_error *err, struct mono now);

/* End the session with err, and try anew (BFD down, an operator's reset). */
void bgp_peer_reset(struct bgp_peer *p, const struct bgp_error *err, struct mono now);

/*
 * The peer has dialled. True: do what bgp_peer_steps() says of both slots, then
 * call bgp_peer_tcp_up() for BGP_ACCEPTED. False: close it.
 */
bool bgp_peer_accept(struct bgp_peer *p, struct mono now);

void bgp_peer_tcp_up(struct bgp_peer *p, enum bgp_slot slot, struct mono now);
void bgp_peer_tcp_down(struct bgp_peer *p, enum bgp_slot slot, struct mono now);

/*
 * The address routes point at, before the session is up or when it changes;
 * each may be IP_NONE. Routes already told are told again.
 */
void bgp_peer_set_next_hops(struct bgp_peer *p, const struct ip *v4,
    const struct ip *v6, const struct ip *v6_link_local);

/* As bgp_rib_set(). */
int bgp_peer_set_routes(struct bgp_peer *p, const struct bgp_route *routes, size_t n);

void bgp_peer_read(struct bgp_peer *p, enum bgp_slot slot, const uint8_t *buf,
    size_t len, struct mono now);

/*
 * Whole messages into buf, whose size is at least BGP_MSG_MAX, or
 * BGP_MSG_MAX_EXT where conf.has_extended. Returns their bytes, 0: nothing to
 * say. A NOTIFICATION is the last of a connection.
 */
size_t bgp_peer_write(struct bgp_peer *p, enum bgp_slot slot, uint8_t *buf,
    size_t size);

/* All that was written has left (false), or not one byte of it moves (true). */
void bgp_peer_sent(struct bgp_peer *p, enum bgp_slot slot, bool is_stuck,
    struct mono now);

void bgp_peer_tick(struct bgp_peer *p, struct mono now);
struct mono bgp_peer_deadline(const struct bgp_peer *p);

/*
 * What is to be done about a slot since the last call: BGP_DO_DIAL, _ABORT,
 * _CLOSE (after writing what bgp_peer_write() still gives), _UP and _DOWN.
 * ABORT concerns the old connection where DIAL is there too.
 */
unsigned bgp_peer_steps(struct bgp_peer *p, enum bgp_slot slot);

/* The furthest state of the two connections, for status. */
enum bgp_state bgp_peer_state(const struct bgp_peer *p);

#endif
