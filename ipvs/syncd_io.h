/*
 * syncd_io.h - the director's side of connection sync: the kernel's two daemons, and
 * the socket by which a speaker hears the one and speaks to the other.
 *
 *	master --> sync-k ======= sync-s --> the speaker's socket --> other nodes
 *	backup <-- sync-k ======= sync-s <-- the speaker's socket <-- other nodes
 *
 * The daemons know only multicast, unsigned, on one link. That link is a veth pair
 * of which both ends are in the director, so that nobody else hears or speaks on it.
 */
#ifndef HERALD_IPVS_SYNCD_IO_H
#define HERALD_IPVS_SYNCD_IO_H

#include <stdbool.h>

#include "ipvs/net_io.h"

#define SYNCD_IF_KERNEL "sync-k"
#define SYNCD_IF_SPEAKER "sync-s"

/*
 * Link, parameters and daemons, made where they are missing; *count grows by each.
 * *ret_link is the index of the speaker's end, another one where it had to be made.
 * Returns 0, or -errno with *ret_err.
 */
int syncd_ensure(struct director_net *net, unsigned *count, int *ret_link,
    struct director_error *ret_err);

/* End them, and take the link away, of an earlier start; fine where there is none. */
int syncd_remove(struct director_net *net, struct director_error *ret_err);

/* Are both daemons at work? To be called within the director's namespace. */
bool syncd_is_running(void);

/*
 * A socket on the speaker's end: each datagram read is one of the master's messages,
 * each sent to SYNCD_GROUP and SYNCD_PORT goes to the backup. Non-blocking; the
 * descriptor, or -errno.
 */
int syncd_socket(struct director_net *net);

#endif
