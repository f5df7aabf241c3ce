/*
 * encode.h - the JSON that Herald writes: status patches and Events.
 *
 * Pure: values in, a heap string out, the caller's to free().
 */
#ifndef HERALD_KUBE_ENCODE_H
#define HERALD_KUBE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "kube/error.h"
#include "kube/types.h"

struct kube_event;

/*
 * The body for kube_source_patch_status() that makes these the addresses of a
 * Service: {"status":{"loadBalancer":{"ingress":[...]}}}. n 0 takes them away.
 * An item without ip must have a hostname.
 */
char *kube_encode_service_status(const struct kube_ingress *ingress, size_t n);

/* "v1", "discovery.k8s.io/v1", "heraldlb.io/v1beta1"; api_group as in decode.h. */
enum { KUBE_API_VERSION_LEN = 254 + 16 };
const char *kube_api_version(enum kube_kind kind, const char *api_group,
    char buf[KUBE_API_VERSION_LEN]);

/*
 * A core/v1 Event in the namespace of the object it is about ("default" for a
 * cluster-scoped one). component is who reports ("herald-controller"), host
 * where it runs (or NULL); stamp makes its name unique; wall_ns is now.
 * Texts longer than the API takes are cut.
 */
char *kube_encode_event(const struct kube_event *ev, const char *api_group,
    const char *component, const char *host, uint64_t stamp, int64_t wall_ns);

/*
 * RFC 7386: target with patch merged in. Returns NULL and fills *ret_err where
 * one of them is no JSON. A NULL target is an empty object.
 */
char *kube_merge_patch(const char *target, const char *patch,
    struct kube_error *ret_err);

#endif
