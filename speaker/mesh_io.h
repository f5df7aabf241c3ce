/*
 * mesh_io.h - the liveness mesh: BFD with the speaker of every other node, what
 * they say of themselves, and what this one says to them.
 */
#ifndef HERALD_SPEAKER_MESH_IO_H
#define HERALD_SPEAKER_MESH_IO_H

#include <ev.h>

#include "kube/store.h"
#include "speaker/alive.h"
#include "speaker/conf.h"
#include "speaker/keys.h"

struct bfd_io;

enum {
	/*
	 * BFD packets a second to all speakers together, and as many from them: at
	 * 100 ms it is reached with 398 of them. See bfd_interval_us(), and
	 * tests/bench/mesh_bench.c for what they cost.
	 */
	MESH_MAX_PPS = 4000,
	/*
	 * Enough to keep speakers out of step, and no more than what VRRP has to spare:
	 * it waits up to 1.2 % of an interval longer for the third packet after two
	 * that were lost, BFD 1.5 % in the mean. A wider range has a death noticed
	 * later, for the last packet is nearer to it: from 3 % on later than by VRRP.
	 */
	MESH_JITTER_PCT = 1,
};

struct mesh {
	struct ev_loop *loop;
	const struct speaker_conf *conf;
	struct bfd_io *bfd;
	struct alive alive;		/* the other nodes; for reading */
	struct ip self[2];		/* this node's addresses, IPv4 first; likewise */
	struct keys keys;		/* in force; likewise */
	struct mono settled_at;		/* SETTLE_SEC after nodes last found each other
					   again without a start; 0 never */
	bool	is_reunited;		/* a speaker has come up; the reader's to clear */
	bool	is_bereft;		/* one has gone, or links of its; likewise */
	void	(*changed)(void *arg);	/* alive has; from the loop */
	void	*arg;
	/* For mesh_io.c alone. */
	struct keyring ring;
	ev_timer tick;			/* read the key file again */
};

/*
 * Open, with no other node known yet; we are WAITING. conf outlives it. Returns 0,
 * or -1 with what was wrong and the remedy in err; mesh_close() it in both cases.
 */
int mesh_open(struct mesh *m, struct ev_loop *loop, const struct speaker_conf *conf,
    void (*changed)(void *arg), void *arg, char err[256]);
void mesh_close(struct mesh *m);

/* Have sessions with exactly the Nodes in store, but for our own. */
void mesh_set_nodes(struct mesh *m, const struct kube_store *store);

/* Tell the others what we are worth, ALIVE_UP, WAITING or CUT_OFF ... */
void mesh_tell_state(struct mesh *m, enum alive_state state);

/* ... and which links we lack; see plan_lacks(). */
void mesh_tell_lacks(struct mesh *m, uint32_t lacks);

/* Say farewell; sent when it returns. */
void mesh_leave(struct mesh *m);

#endif
