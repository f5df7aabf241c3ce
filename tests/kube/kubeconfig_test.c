/* Kubeconfigs as kubectl reads them, and the pod's own account. */
#include <check.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/kubeconfig.h"
#include "kube/kubeconfig_decode.h"
#include "kube/token.h"
#include "lib/mem.h"
#include "tests/check.h"

static char dir[] = "/tmp/herald-kubeconfig.XXXXXX";

static char *
path_of(const char *name)
{
	return mem_printf("%s/%s", dir, name);
}

static void
put_file(const char *name, const char *text)
{
	char *path = path_of(name), *slash;
	FILE *f;

	for (slash = strchr(path + strlen(dir) + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

/* A certificate and its key, made for this run. */
static void
put_pair(const char *cert_name, const char *key_name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	char *path;
	FILE *f;

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	ck_assert_int_ne(X509_sign(cert, key, EVP_sha256()), 0);
	path = path_of(cert_name);
	f = fopen(path, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	free(path);
	path = path_of(key_name);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	free(path);
	X509_free(cert);
	EVP_PKEY_free(key);
}

#define CONTEXT(cluster, user) \
	"current-context: c\n" \
	"contexts: [{name: c, context: {cluster: " cluster ", user: " user \
	", namespace: here}}]\n"
#define CLUSTER(fields) "clusters: [{name: k, cluster: {" fields "}}]\n"
#define USER(fields) "users: [{name: u, user: {" fields "}}]\n"
#define SERVER "server: \"https://k:6443\""

static const struct {
	const char *why;
	const char *file;
	int	error;
	const char *says;		/* part of the message */
} bad[] = {
	{ "no YAML", "a: [", -EINVAL, "/config:" },
	{ "empty", "", -EINVAL, "empty" },
	{ "a list", "[]", -EINVAL, "object" },
	{ "no current-context", CLUSTER(SERVER), -EINVAL, "current-context names no context" },
	{ "current-context of nothing", "current-context: x\n", -EINVAL, "\"x\"" },
	{ "a context of no cluster", CONTEXT("x", "u") USER("token: t"), -EINVAL,
	    "cluster \"x\"" },
	{ "a context of no user", CONTEXT("k", "x") CLUSTER(SERVER), -EINVAL,
	    "user \"x\"" },
	{ "no server", CONTEXT("k", "u") CLUSTER("") USER("token: t"), -EINVAL,
	    "has no server" },
	{ "a server that is a number", CONTEXT("k", "u") CLUSTER("server: 7")
	    USER("token: t"), -EINVAL, "server" },
	{ "clusters is no list", "clusters: 7\n", -EINVAL, "clusters" },
	{ "a cluster without a name", "clusters: [{cluster: {" SERVER "}}]\n", -EINVAL,
	    "name" },
	{ "an exec plugin", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("exec: {command: aws}"), -ENOTSUP, "exec aws" },
	{ "an auth provider", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("auth-provider: {name: gcp}"), -ENOTSUP, "auth-provider gcp" },
	{ "a CA file that is not there", CONTEXT("k", "u")
	    CLUSTER(SERVER ", certificate-authority: absent.crt") USER("token: t"),
	    -EINVAL, "absent.crt: No such file" },
	{ "a CA file that is none", CONTEXT("k", "u")
	    CLUSTER(SERVER ", certificate-authority: text") USER("token: t"),
	    -EINVAL, "no valid certificate" },
	{ "CA data that is no base64", CONTEXT("k", "u")
	    CLUSTER(SERVER ", certificate-authority-data: \"%%%\"") USER("token: t"),
	    -EINVAL, "not base64" },
	{ "CA data that is base64 of nothing", CONTEXT("k", "u")
	    CLUSTER(SERVER ", certificate-authority-data: aGVsbG8=") USER("token: t"),
	    -EINVAL, "no valid certificate" },
	{ "a certificate without its key", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("client-certificate: a.crt"), -EINVAL, "without its client-key" },
	{ "a key without its certificate", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("client-key: a.key"), -EINVAL, "without its client-certificate" },
	{ "the key of another certificate", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("client-certificate: a.crt, client-key: b.key"), -EINVAL,
	    "another certificate" },
	{ "a key that is a certificate", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("client-certificate: a.crt, client-key: a.crt"), -EINVAL,
	    "no private key" },
	{ "a token file that is not there", CONTEXT("k", "u") CLUSTER(SERVER)
	    USER("tokenFile: absent"), -EINVAL, "absent: No such file" },
};

static int
load(const char *spec_name, const char *context, const struct kube_env *env,
    struct kube_access *ret, struct kube_error *err)
{
	char *spec = spec_name != NULL ? mem_printf("kubeconfig:%s/%s", dir, spec_name)
	    : NULL;
	int r = kube_access_load(spec != NULL ? spec : "kubeconfig:", context, env, ret,
	    err);

	free(spec);
	return r;
}

START_TEST(refused)
{
	struct kube_env env = { 0 };
	struct kube_access a;
	struct kube_error err = { "" };
	char *path = path_of("config");
	int r;

	put_file("config", bad[_i].file);
	put_file("text", "no certificate\n");
	r = load("config", NULL, &env, &a, &err);
	ck_assert_msg(r == bad[_i].error, "%s: %d", bad[_i].why, r);
	ck_assert_msg(strstr(err.text, bad[_i].says) != NULL, "%s: says \"%s\"",
	    bad[_i].why, err.text);
	ck_assert_msg(strstr(err.text, path) != NULL, "%s: names no file: \"%s\"",
	    bad[_i].why, err.text);
	free(path);
}
END_TEST

START_TEST(everything)
{
	struct kube_env env = { 0 };
	struct kube_access a;
	struct kube_error err = { "" };
	char *want = path_of("sub/../a.crt");

	put_file("sub/config", CONTEXT("k", "u")
	    CLUSTER("server: \"https://k:6443/\", certificate-authority: ../a.crt, "
	    "tls-server-name: name, proxy-url: \"http://p:3128\"")
	    USER("token: t, tokenFile: token, username: me, password: pw, "
	    "client-certificate: ../a.crt, client-key: ../a.key"));
	put_file("sub/token", "secret");
	ck_assert_msg(load("sub/config", NULL, &env, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(a.server, "https://k:6443");
	ck_assert_str_eq(a.ns, "here");
	ck_assert_str_eq(a.ca.path, want);
	ck_assert_str_eq(a.cert.path, want);
	ck_assert_ptr_null(a.ca.text);
	ck_assert_str_eq(a.tls_server_name, "name");
	ck_assert_str_eq(a.proxy_url, "http://p:3128");
	ck_assert_ptr_null(a.token);	/* the file is the fresher one */
	ck_assert_ptr_nonnull(strstr(a.token_file, "sub/token"));
	ck_assert_str_eq(a.username, "me");
	ck_assert_str_eq(a.password, "pw");
	ck_assert(!a.is_insecure);
	kube_access_fini(&a);
	free(want);
}
END_TEST

START_TEST(embedded_data)
{
	char *path = path_of("a.crt"), text[4096], *b64, *config;
	struct kube_env env = { 0 };
	struct kube_access a;
	struct kube_error err = { "" };
	size_t n;
	FILE *f = fopen(path, "r");

	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	b64 = mem_zalloc(2 * n + 8);
	EVP_EncodeBlock((unsigned char *)b64, (unsigned char *)text, (int)n);
	config = mem_printf(CONTEXT("k", "u")
	    CLUSTER(SERVER ", certificate-authority: absent, "
	    "certificate-authority-data: \"%s\"") USER("token: t"), b64);
	put_file("config", config);
	ck_assert_msg(load("config", NULL, &env, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(a.ca.text, text);	/* data wins over the path */
	ck_assert_ptr_null(a.ca.path);
	ck_assert_str_eq(a.token, "t");
	kube_access_fini(&a);
	free(config);
	free(b64);
	free(path);
}
END_TEST

/* The first file to name a thing wins; files that are missing do not matter. */
START_TEST(merged)
{
	char *list = mem_printf("%s/one:%s/absent:%s/two", dir, dir, dir);
	struct kube_env env = { .kubeconfig = list };
	struct kube_access a;
	struct kube_error err = { "" };

	put_file("one", "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
	    CLUSTER("server: \"https://first\""));
	put_file("two", "current-context: c\n"
	    "contexts: [{name: d, context: {cluster: l, user: u}}]\n"
	    "clusters: [{name: k, cluster: {server: \"https://second\"}},"
	    " {name: l, cluster: {server: \"https://other\"}}]\n" USER("token: t"));
	ck_assert_msg(load(NULL, NULL, &env, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(a.server, "https://first");
	ck_assert_str_eq(a.token, "t");
	kube_access_fini(&a);
	ck_assert_msg(load(NULL, "d", &env, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(a.server, "https://other");
	kube_access_fini(&a);
	ck_assert_int_eq(load(NULL, "e", &env, &a, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "\"e\""));
	free(list);
}
END_TEST

START_TEST(home)
{
	struct kube_env env = { .home = dir, .kubeconfig = "" };
	struct kube_access a;
	struct kube_error err = { "" };

	ck_assert_int_eq(load(NULL, NULL, &env, &a, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, ".kube/config"));
	ck_assert_ptr_nonnull(strstr(err.text, "--source"));
	put_file(".kube/config", CONTEXT("k", "u") CLUSTER(SERVER) USER("token: t"));
	ck_assert_msg(load(NULL, NULL, &env, &a, &err) == 0, "%s", err.text);
	kube_access_fini(&a);
}
END_TEST

/* In a pod, without a word about it, the pod's own account is used. */
START_TEST(in_cluster)
{
	char *account = path_of("account");
	struct kube_env env = { .service_host = "fd00::1", .service_port = "443",
	    .account_dir = account, .home = dir };
	struct kube_access a;
	struct kube_error err = { "" };

	ck_assert_int_eq(kube_access_load(NULL, NULL, &env, &a, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "automountServiceAccountToken"));
	put_file("account/token", "secret");
	ck_assert_int_eq(kube_access_load(NULL, NULL, &env, &a, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "ca.crt"));
	put_pair("account/ca.crt", "account/ca.key");
	put_file("account/namespace", "herald-system\n");
	ck_assert_msg(kube_access_load(NULL, NULL, &env, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(a.server, "https://[fd00::1]:443");
	ck_assert_str_eq(a.ns, "herald-system");
	ck_assert_ptr_nonnull(strstr(a.token_file, "account/token"));
	kube_access_fini(&a);
	env.service_host = NULL;
	ck_assert_int_eq(kube_access_load("in-cluster", NULL, &env, &a, &err), -ENOENT);
	ck_assert_int_eq(kube_access_load("nonsense", NULL, &env, &a, &err), -EINVAL);
	free(account);
}
END_TEST

/* As the kubelet does it: a new file, renamed over the old one. */
START_TEST(token_is_read_again)
{
	char *path = path_of("t"), *next = path_of("t.new");
	struct token t;

	token_init(&t, NULL, path);
	ck_assert(!token_refresh(&t, false));
	ck_assert_ptr_null(t.text);
	put_file("t", "one\n");
	ck_assert(token_refresh(&t, false));
	ck_assert_str_eq(t.text, "one");
	ck_assert(!token_refresh(&t, false));
	ck_assert(!token_refresh(&t, true));	/* read, but no other */
	put_file("t.new", "two");
	ck_assert_int_eq(rename(next, path), 0);
	ck_assert(token_refresh(&t, false));
	ck_assert_str_eq(t.text, "two");
	put_file("t.new", "\n");
	ck_assert_int_eq(rename(next, path), 0);
	ck_assert(!token_refresh(&t, false));
	ck_assert_str_eq(t.text, "two");	/* an empty file is no token */
	unlink(path);
	ck_assert(!token_refresh(&t, true));
	ck_assert_str_eq(t.text, "two");
	token_fini(&t);
	free(path);
	free(next);
}
END_TEST

/* Whatever of a file is there, nothing breaks. */
START_TEST(prefixes)
{
	static const char text[] = CONTEXT("k", "u") CLUSTER(SERVER
	    ", insecure-skip-tls-verify: true") USER("token: t, exec: {command: x}");
	struct kubeconfig k;

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len > 0 ? len : 1);

		memcpy(copy, text, len);
		if (kubeconfig_decode(copy, len, "f", &k, NULL) == 0)
			kubeconfig_fini(&k);
		free(copy);
	}
}
END_TEST

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put_pair("a.crt", "a.key");
	put_pair("b.crt", "b.key");
}

static void
teardown(void)
{
	char *cmd = mem_printf("rm -rf %s", dir);

	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
}

static void
fill(TCase *tc)
{
	/* Once for all: making keys takes its time. */
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, refused, 0, (int)nitems(bad));
	tcase_add_test(tc, everything);
	tcase_add_test(tc, embedded_data);
	tcase_add_test(tc, merged);
	tcase_add_test(tc, home);
	tcase_add_test(tc, in_cluster);
	tcase_add_test(tc, token_is_read_again);
	tcase_add_test(tc, prefixes);
}

TEST_MAIN("kubeconfig", fill)
