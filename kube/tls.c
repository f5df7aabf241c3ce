/* tls.c - see tls.h. No message shows what a Secret holds. */
#include <errno.h>
#include <string.h>

#include "kube/pem.h"
#include "kube/secret.h"
#include "kube/tls.h"

#define FIELD "spec.healthCheck.tls."

/* One key of an object: text is NULL where it is not there. */
struct found {
	const struct kube_object *o;
	const char *text;
	size_t	len;
};

static struct found
find(const struct kube_store *s, const struct kube_object *profile,
    const struct kube_key_ref *ref)
{
	struct found f = { .o = kube_store_get(s, ref->kind, profile->meta.ns, ref->name) };
	const struct kube_secret_item *item;

	if (f.o == NULL)
		return f;
	if (ref->kind == KUBE_CONFIG_MAP) {
		f.text = kube_map_get(&f.o->config_map.data, ref->key);
		f.len = f.text != NULL ? strlen(f.text) : 0;
		return f;
	}
	item = kube_secret_get(&f.o->secret, ref->key);
	f.text = item != NULL ? item->value : NULL;
	f.len = item != NULL ? item->len : 0;
	return f;
}

/* What is wrong with a text that is to be PEM, NULL for nothing that shows yet. */
static const char *
fault_of(const struct found *f)
{
	if (f->text == NULL)
		return "is not there";
	if (f->len == 0)
		return "is empty";
	if (f->len > KUBE_PEM_MAX)
		return "is longer than 65536 bytes";
	return strlen(f->text) != f->len ? "is no text" : NULL;
}

static int
get(const struct kube_store *s, const struct kube_object *profile, const char *field,
    const struct kube_key_ref *ref, const char **ret, struct kube_error *err)
{
	struct found f = find(s, profile, ref);
	bool is_secret = ref->kind == KUBE_SECRET;
	const char *fault;

	if (f.o == NULL) {
		kube_error_set(err, FIELD "%s: there is no %s %s/%.200s%s; create it with "
		    "PEM text under the key \"%.63s\"", field, kube_kind_name(ref->kind),
		    profile->meta.ns, ref->name, is_secret ? " of type " KUBE_SECRET_TLS :
		    "", ref->key);
		return -ENOENT;
	}
	if (is_secret && (f.o->secret.type == NULL ||
	    strcmp(f.o->secret.type, KUBE_SECRET_TLS) != 0)) {
		kube_error_set(err, FIELD "%s: Secret %s is of type %.100s; make it anew "
		    "with type " KUBE_SECRET_TLS, field, KUBE_KEY(f.o),
		    f.o->secret.type != NULL ? f.o->secret.type : "Opaque");
		return -EINVAL;
	}
	fault = fault_of(&f);
	if (fault == NULL && strcmp(ref->key, "tls.key") != 0 &&
	    pem_count_certs(f.text) < 0)
		fault = "holds no certificate, or a broken one";
	if (fault != NULL) {
		kube_error_set(err, FIELD "%s: %s %s: key \"%.63s\" %s; write PEM text, "
		    "from its -----BEGIN line on", field, kube_kind_name(ref->kind),
		    KUBE_KEY(f.o), ref->key, fault);
		return -EINVAL;
	}
	*ret = f.text;
	return 0;
}

static int
get_client(const struct kube_store *s, const struct kube_object *profile,
    struct kube_tls *ret, struct kube_error *err)
{
	const char *name = profile->profile.check.tls_client;
	const struct kube_key_ref cert = { KUBE_SECRET, name, "tls.crt" };
	const struct kube_key_ref key = { KUBE_SECRET, name, "tls.key" };
	int rc = get(s, profile, "clientSecret", &cert, &ret->cert, err);

	if (rc == 0)
		rc = get(s, profile, "clientSecret", &key, &ret->key, err);
	if (rc != 0)
		return rc;
	rc = pem_check_key(ret->cert, ret->key);
	if (rc != 0)
		kube_error_set(err, FIELD "clientSecret: Secret %s/%.200s: key \"tls.key\" "
		    "%s; write the private key of tls.crt, without a pass phrase",
		    profile->meta.ns, name, rc == -EKEYREJECTED ?
		    "belongs to another certificate than \"tls.crt\"" :
		    "holds no key that can be read");
	return rc == 0 ? 0 : -EINVAL;
}

int
kube_profile_tls(const struct kube_store *s, const struct kube_object *profile,
    struct kube_tls *ret, struct kube_error *ret_err)
{
	const struct kube_health_check *c = &profile->profile.check;
	struct kube_tls tls = { .ca = c->tls_ca };
	int rc = 0;

	if (c->tls_ca_from.name != NULL)
		rc = get(s, profile, c->tls_ca_from.kind == KUBE_SECRET ? "caSecret" :
		    "caConfigMap", &c->tls_ca_from, &tls.ca, ret_err);
	if (rc == 0 && c->tls_client != NULL)
		rc = get_client(s, profile, &tls, ret_err);
	if (rc == 0)
		*ret = tls;
	return rc;
}
