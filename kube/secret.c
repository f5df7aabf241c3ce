#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "kube/secret.h"

#define FIELD "spec.passwordSecret: "
#define KEY "password"			/* of a Secret of type basic-auth */

const struct kube_secret_item *
kube_secret_get(const struct kube_secret *s, const char *key)
{
	for (size_t i = 0; i < s->nitems; i++) {
		if (strcmp(s->items[i].key, key) == 0)
			return &s->items[i];
	}
	return NULL;
}

/* What is wrong with a password, NULL for nothing. */
static const char *
fault_of(const struct kube_secret_item *p)
{
	if (p == NULL)
		return "is not there";
	if (p->len == 0)
		return "is empty";
	if (p->len > KUBE_MD5_PASSWORD_MAX)
		return "is longer than the 80 bytes that TCP MD5 takes";
	for (size_t i = 0; i < p->len; i++) {
		if (iscntrl((unsigned char)p->value[i]))
			return "holds a control character (a line end behind it?)";
	}
	return NULL;
}

static int
check_secret(const struct kube_object *secret, struct kube_error *err)
{
	const struct kube_secret *s = &secret->secret;
	const char *fault;

	if (s->type == NULL || strcmp(s->type, KUBE_SECRET_BASIC_AUTH) != 0) {
		kube_error_set(err, FIELD "Secret %s is of type %.100s; make it anew with "
		    "type " KUBE_SECRET_BASIC_AUTH, KUBE_KEY(secret),
		    s->type != NULL ? s->type : "Opaque");
		return -EINVAL;
	}
	fault = fault_of(kube_secret_get(s, KEY));
	if (fault != NULL) {
		kube_error_set(err, FIELD "Secret %s: key \"" KEY "\" %s; write what the "
		    "router has, 1 to 80 characters", KUBE_KEY(secret), fault);
		return -EINVAL;
	}
	return 0;
}

int
kube_peer_password(const struct kube_store *s, const struct kube_object *peer,
    const char **ret, struct kube_error *ret_err)
{
	const struct kube_bgp_peer *p = &peer->bgp_peer;
	const char *ns = peer->meta.ns;
	const struct kube_object *secret;
	int rc;

	if (p->password_secret == NULL) {
		*ret = p->password;
		return 0;
	}
	if (p->password_secret_ns != NULL && strcmp(p->password_secret_ns, ns) != 0) {
		kube_error_set(ret_err, FIELD "only Secrets of namespace %s are read; "
		    "copy %.63s/%.253s there and correct spec.passwordSecret.namespace", ns,
		    p->password_secret_ns, p->password_secret);
		return -EINVAL;
	}
	secret = kube_store_get(s, KUBE_SECRET, ns, p->password_secret);
	if (secret == NULL) {
		kube_error_set(ret_err, FIELD "there is no Secret %s/%.200s of type "
		    KUBE_SECRET_BASIC_AUTH "; create it with the password under the key "
		    "\"" KEY "\"", ns, p->password_secret);
		return -ENOENT;
	}
	rc = check_secret(secret, ret_err);
	if (rc == 0)
		*ret = kube_secret_get(&secret->secret, KEY)->value;
	return rc;
}
