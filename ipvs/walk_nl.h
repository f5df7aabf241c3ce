/*
 * walk_nl.h - all services of the kernel's IPVS table, some at a time.
 *
 * The kernel makes a dump while it is read, a message of some dozens of services for
 * each that is taken. So a walk over a table of any size can be left and gone on with
 * at will, at a small cost each time: what there is to skip grows with the table, but
 * that is nanoseconds a service. For director_look(), to find what others have added.
 */
#ifndef HERALD_IPVS_WALK_NL_H
#define HERALD_IPVS_WALK_NL_H

#include <stdbool.h>

#include "ipvs/table.h"

struct ipvs_walk;

/*
 * Open in the calling thread's network namespace, of whose table all walks are.
 * 0 or -errno: -ENOENT where the kernel has no IPVS, -ENOMEM, -EIO.
 */
int ipvs_walk_open(struct ipvs_walk **ret);
void ipvs_walk_close(struct ipvs_walk *w);

/* A service, without its servers; vs is good during the call. */
typedef void ipvs_walk_fn(void *arg, const struct ipvs_vs *vs);

/*
 * Go on, or begin: tell fn of the next services, as many as one message holds. Returns
 * their number; *ret_is_done where these were the last, then the next call begins anew.
 * What the kernel tells of may be as old as the call before; while services come and
 * go, a walk may miss one or meet it twice. -errno where it cannot be read: close.
 */
int ipvs_walk_on(struct ipvs_walk *w, ipvs_walk_fn *fn, void *arg, bool *ret_is_done);

#endif
