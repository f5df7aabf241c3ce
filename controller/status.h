/*
 * status.h - the status of our resources, and how addresses are listed.
 *
 * Pure: text into a heap string, freed by the caller.
 */
#ifndef HERALD_CONTROLLER_STATUS_H
#define HERALD_CONTROLLER_STATUS_H

#include "controller/config.h"
#include "controller/reconcile.h"

/* The condition Accepted as o's status shows it; NULL for kinds without one. */
const struct kube_condition *status_condition(const struct kube_object *o);

/*
 * An object's status: the condition Accepted and, where use is not NULL,
 * MetalLB's four counters of an IPAddressPool. Equal for equal input, so that
 * it tells whether there is news. since: RFC 3339, when the condition took
 * its present value.
 */
char *status_patch(const struct reconcile_usage *use, const struct config_problem *p,
    int64_t generation, const char *since);

/*
 * True where o's status is such already, but for the time. Servers whose CRD
 * (MetalLB's) has no conditions drop them: then the counters alone count.
 */
bool status_is_shown(const struct kube_object *o, const struct reconcile_usage *use,
    const struct config_problem *p, bool has_conditions);

/* As MetalLB's events list them: ["192.0.2.1" "2001:db8::1"]; lives in buf. */
enum { STATUS_LIST_LEN = 2 * (IP_STRLEN + 3) + 3 };
const char *status_list(const struct ip *addrs, unsigned n,
    char buf[STATUS_LIST_LEN]);

#endif
