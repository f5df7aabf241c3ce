/*
 * yaml_scalar.h - what a plain scalar means, to kubectl and so to us. For
 * yaml.c, whose header says it in words.
 */
#ifndef HERALD_KUBE_YAML_SCALAR_H
#define HERALD_KUBE_YAML_SCALAR_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* NULL for infinity and NaN, which JSON does not have. */
cJSON *yaml_plain_scalar(const char *s);

/* words end with a NULL one. */
bool yaml_is_one_of(const char *s, const char *const *words);

#endif
