/*
 * report_encode.h - a report (report.h) as the sources write it. Pure.
 */
#ifndef HERALD_KUBE_REPORT_ENCODE_H
#define HERALD_KUBE_REPORT_ENCODE_H

#include "kube/types.h"

/*
 * The whole object, with labels of that API group. It is owned by its Node, of
 * which node_uid is the uid (NULL: by nobody), so that it goes when that does.
 * Heap.
 */
char *kube_encode_report(const struct kube_object *o, const char *group,
    const char *version, const char *node_uid);

/* {"status":...}, a merge patch of its status subresource. Heap. */
char *kube_encode_report_status(const struct kube_object *o);

#endif
