/*
 * report.h - the objects in which a speaker writes down what it does, as MetalLB
 * has them: ServiceL2Status, ServiceBGPStatus, BGPSessionState. One for each node
 * and Service (or peer), all in Herald's namespace. Pure.
 *
 * Their names follow from what they are about, so that whoever writes one needs
 * not look for it first; their labels, GROUP/node above all, from their status.
 */
#ifndef HERALD_KUBE_REPORT_H
#define HERALD_KUBE_REPORT_H

#include "kube/types.h"

/* The condition of a ServiceL2Status that says whether its address is used twice. */
#define KUBE_REPORT_CONFLICT "AddressConflict"

enum {
	KUBE_LABEL_LEN = 64,		/* a label's value, NUL included */
	KUBE_REPORT_NAME_LEN = 46 + 1 + 16 + 1,
};

/*
 * s as the value of a label: itself, or where it is too long its beginning and a
 * hash. Lives in buf.
 */
const char *kube_label_value(const char *s, char buf[KUBE_LABEL_LEN]);

/*
 * The name of the report of that node on the Service ns/name; or, ns "", on the
 * BGPPeer. Lives in buf.
 */
const char *kube_report_name(const char *node, const char *ns, const char *name,
    char buf[KUBE_REPORT_NAME_LEN]);

/* The node that a report is of; "" where it does not say, or is none. */
const char *kube_report_node(const struct kube_object *o);

/*
 * Equal where two reports of one name say the same; never 0. No conflict is no
 * conflict, whether a condition says so or there is none, as from a speaker or in a
 * CRD that knows none; and since when there is one is not looked at.
 */
uint64_t kube_report_hash(const struct kube_object *o);

#endif
