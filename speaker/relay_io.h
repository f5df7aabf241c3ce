/*
 * relay_io.h - connection sync between directors: from the kernel's master daemon of
 * this node to the other speakers, and from them to its backup daemon. See relay.h,
 * ipvs/conn_sync.h and, for the daemons, ipvs/syncd_io.h.
 */
#ifndef HERALD_SPEAKER_RELAY_IO_H
#define HERALD_SPEAKER_RELAY_IO_H

#include "ipvs/director.h"
#include "speaker/alive.h"
#include "speaker/keys.h"

struct ev_loop;
struct relay_io;

struct relay_io_conf {
	uint16_t port;			/* UDP, of every speaker */
	const struct keys *keys;	/* of the speakers; may change while we run */
	const struct director_want *want;	/* of the plan in force; likewise */
};

/* NULL with the reason and the remedy in err. */
struct relay_io *relay_io_new(struct ev_loop *loop, const struct relay_io_conf *conf,
    char err[256]);
void relay_io_free(struct relay_io *r);

/* The other speakers that run. self: this node's addresses, IPv4 first. */
void relay_io_set_nodes(struct relay_io *r, const struct ip self[2],
    const struct alive *nodes);

/*
 * The director may have made its link anew: listen there. Not while another thread
 * works on it.
 */
void relay_io_follow(struct relay_io *r, struct director *d);

#endif
