/*
 * tls.h - what the health checks of a ForwardingProfile need for TLS, in the profile
 * or in objects beside it. Pure; for the speaker, and for heraldctl lint.
 */
#ifndef HERALD_KUBE_TLS_H
#define HERALD_KUBE_TLS_H

#include "kube/error.h"
#include "kube/store.h"

enum { KUBE_PEM_MAX = 64 << 10 };	/* bytes of certificates: each probe reads them */

/* PEM text of the store's objects. */
struct kube_tls {
	const char *ca;			/* NULL: any certificate will do */
	const char *cert, *key;		/* the client's; both NULL: it shows none */
};

/*
 * -ENOENT where an object that the profile names is not in s, -EINVAL where it is no
 * good; then *ret_err says which, and what to do about it.
 */
int kube_profile_tls(const struct kube_store *s, const struct kube_object *profile,
    struct kube_tls *ret, struct kube_error *ret_err);

#endif
