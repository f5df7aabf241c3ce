/*
 * status.h - the status of a pool, and how addresses are listed.
 *
 * Pure: text into a heap string, freed by the caller.
 */
#ifndef HERALD_CONTROLLER_STATUS_H
#define HERALD_CONTROLLER_STATUS_H

#include "controller/config.h"
#include "controller/reconcile.h"

/*
 * An IPAddressPool's status: MetalLB's four counters and the condition
 * Accepted. Equal for equal input, so that it tells whether there is news.
 * since: RFC 3339, when the condition took its present value.
 */
char *status_pool_patch(const struct reconcile_usage *use,
    const struct config_problem *refusal, int64_t generation, const char *since);

/* As MetalLB's events list them: ["192.0.2.1" "2001:db8::1"]; lives in buf. */
enum { STATUS_LIST_LEN = 2 * (IP_STRLEN + 3) + 3 };
const char *status_list(const struct ip *addrs, unsigned n,
    char buf[STATUS_LIST_LEN]);

#endif
