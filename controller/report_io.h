/*
 * report_io.h - tells the owners of pools, advertisements and peers how these
 * do.
 *
 * What is refused or doubtful goes to the log and into an Event, once, and
 * into the object's condition Accepted; how much of a pool is used goes to the
 * metrics and into its status. Statuses are written at most once a second, and
 * only where they do not say so already.
 */
#ifndef HERALD_CONTROLLER_REPORT_IO_H
#define HERALD_CONTROLLER_REPORT_IO_H

#include "controller/config.h"
#include "controller/reconcile.h"
#include "kube/source.h"

struct report;

/*
 * Both outlive the report; a source must be closed before report_free().
 * has_conditions: false where the objects are MetalLB's, whose CRDs have none.
 */
struct report *report_new(struct kube_source *source, const struct kube_store *s,
    bool has_conditions);
void report_free(struct report *r);

/* fresh takes the place of old: tell the problems that are new. */
void report_config(struct report *r, const struct config *old,
    const struct config *fresh);

/* Take note of a pass; c is the configuration it ran with. */
void report_usage(struct report *r, const struct config *c,
    const struct reconcile *pass);

/* Write the statuses that are due. */
void report_write(struct report *r, const struct config *c, struct mono now);

/* When report_write() has something to do, or MONO_NEVER. */
struct mono report_deadline(const struct report *r);

#endif
