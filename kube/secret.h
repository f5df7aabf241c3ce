/*
 * secret.h - passwords that objects take from Secrets. Pure; for the speaker, and
 * for heraldctl lint.
 */
#ifndef HERALD_KUBE_SECRET_H
#define HERALD_KUBE_SECRET_H

#include "kube/error.h"
#include "kube/store.h"

enum { KUBE_MD5_PASSWORD_MAX = 80 };	/* what TCP MD5 takes, RFC 2385 */

/* The item of that key, or NULL. */
const struct kube_secret_item *kube_secret_get(const struct kube_secret *s,
    const char *key);

/*
 * The password of a BGPPeer, spec.password or that of spec.passwordSecret, in
 * *ret; NULL where it has none. It is the store's. -ENOENT where the Secret is not
 * in s, -EINVAL where it is no good; then *ret_err says what to do about it.
 */
int kube_peer_password(const struct kube_store *s, const struct kube_object *peer,
    const char **ret, struct kube_error *ret_err);

#endif
