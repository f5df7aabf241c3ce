/*
 * api_encode.h - the bodies that are sent to the API server. Pure.
 */
#ifndef HERALD_KUBE_API_ENCODE_H
#define HERALD_KUBE_API_ENCODE_H

#include <stdint.h>

#include "kube/source.h"

enum {
	/* core/v1 takes no longer message. */
	API_EVENT_MESSAGE_MAX = 1024,
	/* How much of a name generateName can keep beside its random part. */
	API_EVENT_NAME_MAX = 57,
};

/*
 * A core/v1 Event about ev's object, whose apiVersion is given. An Event of a
 * cluster-scoped object lives in "default". now_ns is wall-clock time. Heap.
 */
char *api_event_encode(const struct kube_event *ev, const char *api_version,
    const char *component, const char *host, int64_t now_ns);

/*
 * The merge patch `patch` made conditional on resource_version (NULL: as it
 * is). NULL where patch is no JSON object. Heap.
 */
char *api_patch_encode(const char *patch, const char *resource_version);

#endif
