/*
 * report_io.h - tells the owners of pools how their pools do.
 *
 * What is refused or doubtful goes to the log and into an Event, once; how
 * much is used goes to the metrics and into the object's status, at most once
 * a second a pool.
 */
#ifndef HERALD_CONTROLLER_REPORT_IO_H
#define HERALD_CONTROLLER_REPORT_IO_H

#include "controller/config.h"
#include "controller/reconcile.h"
#include "kube/source.h"

struct report;

/* Both outlive the report; a source must be closed before report_free(). */
struct report *report_new(struct kube_source *source, const struct kube_store *s);
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
