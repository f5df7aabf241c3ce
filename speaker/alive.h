/*
 * alive.h - what this node believes of every other node (pure).
 *
 * Fed with the Nodes the API knows and with what BFD reports of each; read by
 * the plan. BFD tells in a fraction of a second that a speaker has fallen
 * silent; a "port unreachable" from its host's kernel, or the API's Ready
 * condition later on, tells a dead speaker from a dead node.
 *
 *	             speaker runs   VIPs may be there   director forwards
 *	UNKNOWN      presumed       yes                 presumed
 *	UP           yes            yes                 yes
 *	WAITING      yes            if nowhere else     yes
 *	CUT_OFF      yes            no                  yes
 *	LEAVING      not for long   no                  yes
 *	SILENT       no             no                  yes, it outlives the speaker
 *	ABSENT       never did      no                  no
 *	DEAD         no             no                  no
 *
 * What a speaker that is up says of itself comes with BFD, and so within one
 * packet: WAITING while it has not programmed its data plane yet, does not know
 * yet who else is there, or has not been up for --failback-delay; CUT_OFF while
 * none of its links can announce.
 *
 * A node is UNKNOWN for ALIVE_WINDOW_MS after this speaker first hears of it:
 * a speaker that has just started must not take every VIP before its sessions
 * have had time to come up.
 */
#ifndef HERALD_SPEAKER_ALIVE_H
#define HERALD_SPEAKER_ALIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ip.h"
#include "lib/mono.h"

enum {
	/* Speakers of nodes that boot together start seconds apart. */
	ALIVE_WINDOW_MS = 3500,
	/*
	 * Down by BFD, and yet Ready by the API for this long: kubelet's
	 * node-monitor-grace-period is 40 s, so the node itself must live.
	 */
	ALIVE_READY_TRUST_SEC = 60,
};

enum alive_state {
	ALIVE_UNKNOWN,
	ALIVE_UP,
	ALIVE_WAITING,
	ALIVE_CUT_OFF,
	ALIVE_LEAVING,
	ALIVE_SILENT,
	ALIVE_ABSENT,
	ALIVE_DEAD,
};

/* What BFD says of a peer; the shell translates from bgp/bfd_io.h. */
enum alive_report {
	ALIVE_HEARD_NOTHING,
	ALIVE_HEARD_UP,
	ALIVE_HEARD_WAITING,
	ALIVE_HEARD_CUT_OFF,
	ALIVE_HEARD_DOWN,
	ALIVE_HEARD_LEAVING,
	ALIVE_HEARD_REFUSED,	/* the host answers that the port is closed */
};

struct alive_node {
	char	*name;		/* owned */
	struct ip ip;		/* where its speaker is reached */
	bool	is_ready;	/* the API's Ready condition */
	uint32_t lacks;		/* see alive_set_note() */
	bool	is_sticky;	/* likewise */
	bool	was_up;		/* BFD has been up with this address */
	bool	is_kept;	/* scratch of alive_end_nodes() */
	enum alive_report heard;
	struct mono since;	/* of `heard` */
	struct mono known;	/* first seen */
};

struct alive {
	struct alive_node *nodes;	/* sorted by name; this node not among them */
	size_t	n, cap;
};

void alive_init(struct alive *a);
void alive_fini(struct alive *a);

/*
 * Declare the other nodes: begin, put each, end; nodes not put are forgotten.
 * A node whose address changes is a new node. Returns true from end where the
 * set of addresses has changed.
 */
void alive_begin_nodes(struct alive *a);
bool alive_put_node(struct alive *a, const char *name, const struct ip *ip,
    bool is_ready, struct mono now);
bool alive_end_nodes(struct alive *a);

/* Take a report; true where the state of some node changes by it. */
bool alive_report(struct alive *a, const struct ip *ip, enum alive_report heard,
    struct mono now);

/*
 * What a node says of itself besides its state: the links that it has none of up,
 * as bits (see struct plan_links), and ALIVE_STICKY where it runs with failback
 * never. True where that is news. 0 until it says so.
 */
#define ALIVE_STICKY (UINT32_C(1) << 31)
bool alive_set_note(struct alive *a, const struct ip *ip, uint32_t note);
uint32_t alive_lacks(const struct alive *a, const char *name);

/* Do all other speakers that run say ALIVE_STICKY? */
bool alive_is_sticky(const struct alive *a);

/* ALIVE_ABSENT for a node that is not known. */
enum alive_state alive_state(const struct alive *a, const char *name,
    struct mono now);
const char *alive_state_name(enum alive_state s);

/* The node whose speaker is reached there; NULL where that is none. */
const char *alive_name(const struct alive *a, const struct ip *ip);

/* Is BFD with it up, whatever it says of itself? */
bool alive_is_heard(const struct alive_node *n);

/* May the node own VIPs? One that is WAITING is to be the last resort. */
static inline bool
alive_may_own(enum alive_state s)
{
	return s == ALIVE_UNKNOWN || s == ALIVE_UP || s == ALIVE_WAITING;
}

/* Is there a director at the node that takes tunnelled packets? */
static inline bool
alive_has_director(enum alive_state s)
{
	return s != ALIVE_ABSENT && s != ALIVE_DEAD;
}

/*
 * Is some node's state ALIVE_UNKNOWN? Whoever starts must not take a VIP before
 * it has heard of all that may own it.
 */
bool alive_has_unknown(const struct alive *a, struct mono now);

/* When some state next changes by itself, or MONO_NEVER. */
struct mono alive_deadline(const struct alive *a, struct mono now);

#endif
