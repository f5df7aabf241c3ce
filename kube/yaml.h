/*
 * yaml.h - YAML text to the tree JSON would give, one document at a time. For
 * the decode files alone.
 *
 * Scalars mean what they mean to kubectl: quoted is a string; plain is null, a
 * boolean (yes and on too), a number (0x, 0b, 0o and leading-zero octal too)
 * or a string. Every node carries its line in valueint. Files may be hostile:
 * depth, nodes and what aliases copy are bounded; merge keys, unknown tags and
 * a key given twice are refused.
 */
#ifndef HERALD_KUBE_YAML_H
#define HERALD_KUBE_YAML_H

#include <cjson/cJSON.h>

#include "kube/error.h"

enum {
	YAML_DEPTH_MAX = 100,
	YAML_NODES_MAX = 2000000,	/* of one document */
	YAML_ALIASED_MAX = 10000,	/* of these, by aliases */
	YAML_ANCHORS_MAX = 256,
};

/*
 * One document: its tree, the callee's to cJSON_Delete(), and the line it
 * begins on; or NULL, the line of the fault, and why.
 */
typedef void kube_yaml_fn(void *arg, cJSON *tree, unsigned line,
    const struct kube_error *err);

/*
 * Call fn for every document of the text in order. A broken one does not keep
 * the others from being read; empty ones are left out.
 */
void kube_yaml_read(const char *text, size_t len, kube_yaml_fn *fn, void *arg);

#endif
