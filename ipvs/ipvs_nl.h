/*
 * ipvs_nl.h - the kernel's IPVS table over generic netlink (family "IPVS").
 *
 * A socket belongs to the network namespace in which it was opened, so one
 * ipvs_nl is one director's table. There are no events: what others change is
 * seen by reading again.
 */
#ifndef HERALD_IPVS_IPVS_NL_H
#define HERALD_IPVS_IPVS_NL_H

#include <stddef.h>

#include "ipvs/diff.h"
#include "ipvs/director.h"
#include "ipvs/table.h"

struct ipvs_nl;

/*
 * Open in the calling thread's network namespace. -ENOENT where the kernel has
 * no IPVS (module ip_vs), -EPERM without CAP_NET_ADMIN; *ret_err says so.
 */
int ipvs_nl_open(struct ipvs_nl **ret, struct director_error *ret_err);
void ipvs_nl_close(struct ipvs_nl *nl);

/* Read the whole table. ret is filled from empty; untouched on failure. */
int ipvs_nl_read(struct ipvs_nl *nl, struct ipvs_table *ret,
    struct director_error *ret_err);

/* Counters of a service (rs NULL), then of each of its real servers. */
typedef void ipvs_nl_stat_fn(void *arg, const struct ipvs_vs *vs,
    const struct ipvs_rs *rs, const struct ipvs_counters *c);

/*
 * Read one service: its real servers are put into *a. -ESRCH where there is
 * none of that key; *ret is untouched on failure. stat, unless NULL, is told the
 * counters.
 */
int ipvs_nl_read_one(struct ipvs_nl *nl, const struct ipvs_key *key, struct arena *a,
    struct ipvs_vs *ret, ipvs_nl_stat_fn *stat, void *arg);

/*
 * Do the operations in order, many a message. An operation that fails does not
 * keep those after it from being done. ret_errors[i] is 0 or -errno for each.
 * Returns 0 where all went well, else the first error.
 */
int ipvs_nl_apply(struct ipvs_nl *nl, const struct ipvs_op *ops, size_t n,
    int *ret_errors);

#endif
