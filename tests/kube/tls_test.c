/*
 * What a ForwardingProfile's checks need for TLS, and what is told of it where it is
 * missing or no good. Certificates are made here: $C and $K are one with its key, $D
 * and $L another pair.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "kube/tls.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define PROFILE(tls) "{'apiVersion':'heraldlb.io/v1beta1','kind':'ForwardingProfile'," \
	"'metadata':{'name':'p','namespace':'lb'},'spec':{'healthCheck':{'type':'https'," \
	"'tls':{" tls "}}}}"
#define OBJECT(kind, ns, name, rest) "{'apiVersion':'v1','kind':'" kind "'," \
	"'metadata':{'name':'" name "','namespace':'" ns "'}," rest "}"
#define CONFIG_MAP(data) OBJECT("ConfigMap", "lb", "m", "'data':{" data "}")
#define TLS(data) OBJECT("Secret", "lb", "s", "'type':'kubernetes.io/tls','stringData':{" \
	data "}")
#define CA_MAP "'caConfigMap':{'name':'m'}"
#define CA_SECRET "'caSecret':{'name':'s'}"
#define CLIENT "'clientSecret':{'name':'s'}"

enum { NPAIRS = 2 };
static char certs[NPAIRS][2048], keys[NPAIRS][2048];

static void
bio_text(BIO *bio, char *ret)
{
	int n = BIO_read(bio, ret, 2047);

	ck_assert_int_gt(n, 0);
	ret[n] = '\0';
	BIO_free(bio);
}

static void
make_pair(char *ret_cert, char *ret_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	X509 *cert = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	PEM_write_bio_X509(cert_bio, cert);
	PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	bio_text(cert_bio, ret_cert);
	bio_text(key_bio, ret_key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* $C, $K, $D, $L and $X (64 KB and one byte) become text, in JSON; heap. */
static char *
expand(const char *quoted)
{
	static const char names[] = "CKDL";
	char *plain = json(quoted), *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	for (const char *p = plain; *p != '\0'; p++) {
		const char *which = *p == '$' ? strchr(names, p[1]) : NULL;
		const char *pem;

		if (*p != '$') {
			fputc(*p, f);
			continue;
		}
		p++;
		for (int i = 0; which == NULL && i <= KUBE_PEM_MAX; i++)
			fputc('x', f);
		if (which == NULL)
			continue;
		pem = (which - names) % 2 == 0 ? certs[(which - names) / 2] :
		    keys[(which - names) / 2];
		for (; *pem != '\0'; pem++)
			fputs(*pem == '\n' ? "\\n" : (char[]){ *pem, '\0' }, f);
	}
	fclose(f);
	free(plain);
	return out;
}

static const struct {
	const char *why, *profile, *objects[2];
	int rc;
	const char *is;		/* which PEM texts, as above; or part of the message */
} rows[] = {
	{ "any certificate", PROFILE(""), { NULL }, 0, "" },
	{ "a CA written out", PROFILE("'ca':'$C'"), { NULL }, 0, "C" },
	{ "of a ConfigMap", PROFILE(CA_MAP), { CONFIG_MAP("'ca.crt':'$C'") }, 0, "C" },
	{ "two of them", PROFILE(CA_MAP), { CONFIG_MAP("'ca.crt':'$C$D'") }, 0, "CD" },
	{ "under another key", PROFILE("'caConfigMap':{'name':'m','key':'x.pem'}"),
	    { CONFIG_MAP("'x.pem':'$D'") }, 0, "D" },
	{ "of a Secret", PROFILE(CA_SECRET), { TLS("'ca.crt':'$C'") }, 0, "C" },
	{ "a client's", PROFILE(CLIENT), { TLS("'tls.crt':'$C','tls.key':'$K'") }, 0,
	    " C K" },
	{ "both, of one Secret", PROFILE(CA_SECRET "," CLIENT),
	    { TLS("'ca.crt':'$D','tls.crt':'$C','tls.key':'$K'") }, 0, "D C K" },
	{ "no ConfigMap", PROFILE(CA_MAP), { NULL }, -ENOENT,
	    "spec.healthCheck.tls.caConfigMap: there is no ConfigMap lb/m; create it with "
	    "PEM text under the key \"ca.crt\"" },
	{ "a ConfigMap of another namespace", PROFILE(CA_MAP),
	    { OBJECT("ConfigMap", "d", "m", "'data':{'ca.crt':'$C'}") }, -ENOENT,
	    "there is no ConfigMap lb/m" },
	{ "no Secret", PROFILE(CLIENT), { NULL }, -ENOENT,
	    "spec.healthCheck.tls.clientSecret: there is no Secret lb/s of type "
	    "kubernetes.io/tls; create it with PEM text under the key \"tls.crt\"" },
	{ "another type", PROFILE(CA_SECRET), { OBJECT("Secret", "lb", "s",
	    "'type':'kubernetes.io/basic-auth','stringData':{'ca.crt':'$C'}") }, -EINVAL,
	    "tls.caSecret: Secret lb/s is of type kubernetes.io/basic-auth; make it anew" },
	{ "another key", PROFILE(CA_MAP), { CONFIG_MAP("'ca':'$C'") }, -EINVAL,
	    "ConfigMap lb/m: key \"ca.crt\" is not there" },
	{ "no data at all", PROFILE(CA_MAP), { OBJECT("ConfigMap", "lb", "m", "'x':1") },
	    -EINVAL, "ConfigMap lb/m: key \"ca.crt\" is not there" },
	{ "empty, as kubectl makes it of no file", PROFILE(CLIENT),
	    { TLS("'tls.crt':'','tls.key':''") }, -EINVAL,
	    "Secret lb/s: key \"tls.crt\" is empty" },
	{ "a key where a certificate belongs", PROFILE(CA_MAP),
	    { CONFIG_MAP("'ca.crt':'$K'") }, -EINVAL, "holds no certificate, or a broken" },
	{ "junk", PROFILE(CA_MAP), { CONFIG_MAP("'ca.crt':'x'") }, -EINVAL,
	    "holds no certificate, or a broken one; write PEM text" },
	{ "more than each probe is to read", PROFILE(CA_MAP),
	    { CONFIG_MAP("'ca.crt':'$X'") }, -EINVAL, "is longer than 65536 bytes" },
	{ "a NUL in it", PROFILE(CA_SECRET), { OBJECT("Secret", "lb", "s",
	    "'type':'kubernetes.io/tls','data':{'ca.crt':'eAB4'}") }, -EINVAL, "is no text" },
	{ "another certificate's key", PROFILE(CLIENT),
	    { TLS("'tls.crt':'$C','tls.key':'$L'") }, -EINVAL, "Secret lb/s: key "
	    "\"tls.key\" belongs to another certificate than \"tls.crt\"; write" },
	{ "no key", PROFILE(CLIENT), { TLS("'tls.crt':'$C','tls.key':'hunter2'") },
	    -EINVAL, "key \"tls.key\" holds no key that can be read" },
	{ "the CA is looked at first", PROFILE(CA_MAP "," CLIENT), { NULL }, -ENOENT,
	    "caConfigMap" },
};

static void
put(struct kube_store *s, const char *quoted)
{
	char *text = expand(quoted);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };

	ck_assert_msg(json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err) == 0,
	    "%s", err.text);
	free(text);
	kube_store_put(s, o);
}

/* "C" for certs[0], ...; a pointer's whole text. */
static void
name(FILE *f, const char *pem)
{
	while (pem != NULL && *pem != '\0') {
		size_t before = strlen(pem);

		for (int i = 0; i < NPAIRS; i++) {
			if (strncmp(pem, certs[i], strlen(certs[i])) == 0) {
				fputc("CD"[i], f);
				pem += strlen(certs[i]);
			} else if (strncmp(pem, keys[i], strlen(keys[i])) == 0) {
				fputc("KL"[i], f);
				pem += strlen(keys[i]);
			}
		}
		ck_assert_msg(strlen(pem) < before, "unknown text: %s", pem);
	}
}

START_TEST(table)
{
	struct kube_store *s = kube_store_new();
	struct kube_tls tls = { .ca = "untouched" };
	struct kube_error err = { "" };
	char *got = NULL;
	size_t len = 0;
	FILE *f;
	int rc;

	for (int i = 0; i < NPAIRS; i++)
		make_pair(certs[i], keys[i]);
	put(s, rows[_i].profile);
	for (size_t i = 0; i < nitems(rows[_i].objects); i++) {
		if (rows[_i].objects[i] != NULL)
			put(s, rows[_i].objects[i]);
	}
	rc = kube_profile_tls(s, kube_store_list(s, KUBE_FORWARDING_PROFILE).items[0], &tls,
	    &err);
	ck_assert_msg(rc == rows[_i].rc, "%s: %d %s", rows[_i].why, rc, err.text);
	ck_assert_msg(strstr(err.text, "hunter2") == NULL, "a key is told: %s", err.text);
	if (rc != 0) {
		ck_assert_str_eq(tls.ca, "untouched");
		ck_assert_msg(strstr(err.text, rows[_i].is) != NULL, "%s: %s", rows[_i].why,
		    err.text);
	} else {
		f = open_memstream(&got, &len);
		name(f, tls.ca);
		fputs(tls.cert != NULL ? " " : "", f);
		name(f, tls.cert);
		fputs(tls.key != NULL ? " " : "", f);
		name(f, tls.key);
		fclose(f);
		ck_assert_msg(strcmp(got, rows[_i].is) == 0, "%s: %s", rows[_i].why, got);
		free(got);
	}
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
}

TEST_MAIN("kube tls", fill)
