/*
 * lease_encode.h - a Lease as JSON, both ways. Pure.
 */
#ifndef HERALD_KUBE_LEASE_ENCODE_H
#define HERALD_KUBE_LEASE_ENCODE_H

#include <stddef.h>

#include "kube/lease.h"

/* coordination.k8s.io/v1 Lease; heap. A resource_version of "" is left out. */
char *lease_encode(const struct lease_record *r, const char *ns, const char *name);

/*
 * The record of a Lease. Absent fields are "" and 0. -EINVAL where it is no
 * Lease, *ret untouched.
 */
int lease_decode(const char *json, size_t len, struct lease_record *ret);

#endif
