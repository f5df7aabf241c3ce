/*
 * import.h - heraldctl import metallb: MetalLB's objects as Herald's.
 *
 * Pure: decoded objects in, YAML out. Field by field the same, in our API
 * group and namespace; what MetalLB does by default and Herald does not is
 * written out, and what has no counterpart is said in a comment.
 */
#ifndef HERALD_CTL_IMPORT_H
#define HERALD_CTL_IMPORT_H

#include <stdio.h>

#include "kube/types.h"

struct import_conf {
	const char *ns;		/* where Herald's objects are to be */
	FILE	*out;
};

/* True for the kinds that import_object() writes. */
bool import_takes(enum kube_kind kind);

/* Write o, which import_takes(), as one YAML document. */
void import_object(const struct import_conf *conf, const struct kube_object *o);

/* Say in a comment what could not be written; text may be of several lines. */
void import_comment(const struct import_conf *conf, const char *text);

#endif
