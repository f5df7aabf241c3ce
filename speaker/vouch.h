/*
 * vouch.h - how the nodes tell one another which endpoints are down (pure).
 *
 * Each node checks the endpoints it hosts, and it alone: what N nodes would
 * all have to find out, one says. An endpoint that is down must leave the
 * table of every node, and all tables should be the same again at once, so
 * news cannot go by the API server. What was weighed:
 *
 *	everybody probes everything: N probes for one, and N verdicts that differ
 *	a resource per node: the API's latency and load, and none without the API
 *	asking every node's HTTP port: N * N requests as often as delay is short
 *	a datagram to every node at the moment of the change: what is done here
 *
 * A node's *statement* is the whole list of its endpoints that are down, by id,
 * with a sequence number: mostly it is empty, and whoever has the last one has
 * it all. It goes to every other node whenever it changes, and again with
 * back-off to those that have not acknowledged it. Nothing is sent while
 * nothing changes. A speaker that starts has an epoch of its own, by which the
 * others see that it knows nothing, and send it their statements. Until its
 * checks have come to their first verdicts it makes none itself (sequence number
 * 0), so that the others go on by what it said before.
 *
 * Statements of a node that falls silent stand for VOUCH_TRUST_SEC: its speaker
 * may only be restarting. After that readiness alone counts, until it is heard.
 *
 * Authenticated with the speakers' keys where there are any, as their BFD is; the
 * sender's address is part of what is signed, an older statement is no news. A
 * node can speak of its own endpoints only (plan_profile.c asks for no others).
 */
#ifndef HERALD_SPEAKER_VOUCH_H
#define HERALD_SPEAKER_VOUCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"
#include "lib/mono.h"
#include "speaker/keys.h"

enum {
	VOUCH_DOWN_MAX = 8000,		/* endpoints a statement can name */
	VOUCH_PACKET_MAX = 40 + VOUCH_DOWN_MAX * 8,	/* one datagram has it all */
	VOUCH_TRUST_SEC = 60,
	VOUCH_RESEND_MIN_MS = 20,
	VOUCH_RESEND_MAX_MS = 1000,
};

/* The name of an endpoint of a Service, the same on every node. */
uint64_t vouch_service(const char *ns, const char *name);
uint64_t vouch_id(uint64_t service, const struct ip *ip, uint16_t port);

/* A sorted list of ids. */
struct vouch_list {
	uint64_t *ids;
	size_t	n;
};

struct vouch_peer {
	char	*name;			/* the Node's; owned */
	struct ip ip;			/* where its speaker is, and sends from */
	bool	is_kept;		/* scratch of vouch_end_peers() */
	bool	is_up;			/* by vouch_set_up() */
	/* What it says. */
	uint64_t epoch;			/* 0: nothing heard since it was last lost */
	uint32_t seq;
	struct vouch_list down;
	struct mono forget;		/* what it said; MONO_NEVER: not to be forgotten */
	/* What it has of ours. */
	struct mono send;		/* our statement; MONO_NEVER: it has it */
	uint32_t backoff_ms;
	bool	is_owed_ack;		/* for what it has told us */
};

struct vouch {
	uint64_t epoch;
	uint32_t seq;			/* 0: vouch_begin() is to come */
	struct vouch_list down;		/* ours */
	struct vouch_peer *peers;	/* sorted by name */
	size_t	n, cap;
	const struct keys *keys;	/* the caller's, who may change them */
};

/*
 * epoch: larger at every start of this node's speaker, such as the wall clock
 * in nanoseconds.
 */
void vouch_init(struct vouch *v, uint64_t epoch, const struct keys *keys);
void vouch_fini(struct vouch *v);

/* Declare the other nodes: begin, put each, end; those not put are forgotten. */
void vouch_begin_peers(struct vouch *v);
void vouch_put_peer(struct vouch *v, const char *name, const struct ip *ip,
    struct mono now);
void vouch_end_peers(struct vouch *v);

/* Is the session with the peer up? No news counts for nothing. */
void vouch_set_up(struct vouch *v, const struct ip *ip, bool is_up, struct mono now);

/*
 * Say what is down of ours from now on, to this node itself at once and to the
 * others from vouch_begin() on; ids sorted, copied. More than VOUCH_DOWN_MAX are
 * not told to the others: returns false then.
 */
void vouch_begin(struct vouch *v, struct mono now);
bool vouch_say(struct vouch *v, const uint64_t *ids, size_t n, struct mono now);

/* A datagram from ip. */
enum vouch_heard {
	VOUCH_OLD,		/* nothing new; perhaps something to send */
	VOUCH_NEWS,		/* the peer's list is another now */
	VOUCH_STRANGER,		/* from nobody who was put */
	VOUCH_UNSIGNED,		/* the keys differ, or only one has one */
	VOUCH_BROKEN,
};
enum vouch_heard vouch_hear(struct vouch *v, const struct ip *ip, const uint8_t *buf,
    size_t len, struct mono now);

/*
 * What is to be sent now: call until it returns 0. The datagram, of at most
 * VOUCH_PACKET_MAX bytes, goes to buf, whom it is for to *ret_to; self is this
 * node's address in that family, as the others know it.
 */
size_t vouch_next(struct vouch *v, const struct ip self[2], struct mono now,
    uint8_t *buf, struct ip *ret_to);

/* Forget what is too old to stand; true where that is news. */
bool vouch_tick(struct vouch *v, struct mono now);

/* When vouch_next() or vouch_tick() has something to do; MONO_NEVER. */
struct mono vouch_deadline(const struct vouch *v);

/* Does the node say so of its endpoint? node NULL: what this one says. */
bool vouch_is_down(const struct vouch *v, const char *node, uint64_t id);

#endif
