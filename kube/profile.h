/*
 * profile.h - which ForwardingProfile a Service has. Pure.
 *
 * The Service's annotation names one; else, of those whose selectors and
 * namespaces both take it in, the first by name. All nodes and the controller
 * have to come to the same answer, for it shapes every node's table and the
 * ipMode in the Service's status.
 */
#ifndef HERALD_KUBE_PROFILE_H
#define HERALD_KUBE_PROFILE_H

#include "kube/store.h"

#define KUBE_ANNOTATION_PROFILE "heraldlb.io/forwarding-profile"

struct kube_profile_choice {
	const struct kube_object *profile;	/* NULL: the defaults */
	const struct kube_object *other;	/* selects it as well; NULL none */
	const char *missing;		/* what the annotation names in vain, or NULL */
};

/* Pointers are the store's and the Service's. */
struct kube_profile_choice kube_profile_of(const struct kube_store *s,
    const struct kube_object *svc);

/*
 * Who is to forward what comes to the Service's addresses, as its status says:
 * "VIP" where its profile leaves that to kube-proxy or the CNI (mode delegate),
 * else "Proxy". A literal.
 */
const char *kube_profile_ip_mode(const struct kube_store *s,
    const struct kube_object *svc);

#endif
