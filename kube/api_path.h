/*
 * api_path.h - where the API server keeps each kind: paths and queries. Pure.
 */
#ifndef HERALD_KUBE_API_PATH_H
#define HERALD_KUBE_API_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/types.h"

/* What narrows a list or watch down. */
struct api_scope {
	const char *api_group;		/* of our custom resources */
	const char *ns;			/* of our custom resources and of Secrets;
					   NULL all */
	unsigned wide_kinds;		/* to which node_name does not apply */
	const char *node_name;		/* pods and reports of this node only; NULL
					   all */
};

/* "services", "endpointslices", ... */
const char *api_plural(enum kube_kind kind);

/* The API group, "" for the core. */
const char *api_group(enum kube_kind kind, const struct api_scope *scope);

/* True for kinds that are there only once our CRDs are applied. */
bool api_is_custom(enum kube_kind kind);

/* How many versions of the kind we can read; index 0 is the one to prefer. */
uint8_t api_nversions(enum kube_kind kind);

/* "v1" or "GROUP/VERSION"; heap. */
char *api_version(enum kube_kind kind, uint8_t version, const struct api_scope *scope);

/* A page of a list: limit 0 for all, cont NULL for the first; heap. */
char *api_list_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    unsigned limit, const char *cont);

/* A watch with bookmarks that the server ends after timeout_sec; heap. */
char *api_watch_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    const char *resource_version, unsigned timeout_sec);

/* Where objects of the namespace are created; heap. */
char *api_create_path(enum kube_kind kind, uint8_t version,
    const struct api_scope *scope, const char *ns);

/*
 * One object, or with subresource "/status" that; ns NULL or "" for
 * cluster-scoped kinds; heap.
 */
char *api_object_path(enum kube_kind kind, uint8_t version,
    const struct api_scope *scope, const char *ns, const char *name,
    const char *subresource);

/* A path of the HTTP server at that port of a node, by way of the API server; heap. */
char *api_proxy_path(const char *node, uint16_t port, const char *path);

/* A Lease; name NULL: where Leases of the namespace are created; heap. */
char *api_lease_path(const char *ns, const char *name);

/* Where Events of a namespace are created; heap. */
char *api_events_path(const char *ns);

#endif
