/*
 * encode.h - the JSON that Herald writes into an object's status. (Events and
 * conditional patches, which only the sources write, are in api_encode.h.)
 *
 * Pure: values in, a heap string out, the caller's to free().
 */
#ifndef HERALD_KUBE_ENCODE_H
#define HERALD_KUBE_ENCODE_H

#include <stddef.h>

#include "kube/error.h"
#include "kube/types.h"

/*
 * The body for kube_source_patch_status() that makes these the addresses of a
 * Service: {"status":{"loadBalancer":{"ingress":[...]}}}. n 0 takes them away.
 * An item without ip must have a hostname.
 */
char *kube_encode_service_status(const struct kube_ingress *ingress, size_t n);

/*
 * RFC 7386: target with patch merged in. Returns NULL and fills *ret_err where
 * one of them is no JSON. A NULL target is an empty object.
 */
char *kube_merge_patch(const char *target, const char *patch,
    struct kube_error *ret_err);

#endif
