/* heraldctl lint by table: manifests in, the lines about them out. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/lint.h"
#include "ctl/status_decode.h"
#include "tests/check.h"

#define POOL(name, address) \
	"apiVersion: heraldlb.io/v1beta1\nkind: IPAddressPool\n" \
	"metadata: {name: " name ", namespace: herald-system}\n" \
	"spec: {addresses: ['" address "']}\n"
#define SVC(name, spec) \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: d}\n" \
	"spec: {type: LoadBalancer, " spec "ports: [{port: 80}]}\n"
#define BY_SECRET "apiVersion: heraldlb.io/v1beta2\nkind: BGPPeer\n" \
	"metadata: {name: p, namespace: herald-system}\n" \
	"spec: {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, passwordSecret: {name: s}}\n"
#define SECRET(key) "apiVersion: v1\nkind: Secret\n" \
	"metadata: {name: s, namespace: herald-system}\n" \
	"type: kubernetes.io/basic-auth\nstringData: {" key ": x}\n"

#define BY_CONFIG_MAP "apiVersion: heraldlb.io/v1beta1\nkind: ForwardingProfile\n" \
	"metadata: {name: f, namespace: herald-system}\n" \
	"spec: {healthCheck: {type: https, tls: {caConfigMap: {name: m}}}}\n"
#define CONFIG_MAP(data) "apiVersion: v1\nkind: ConfigMap\n" \
	"metadata: {name: m, namespace: herald-system}\ndata: {" data "}\n"

static const struct {
	const char *why, *text;
	int nproblems;
	const char *says[2];	/* each in some line of the output */
} rows[] = {
	{ "all is well", POOL("a", "10.0.0.0/24") SVC("s", ""), 0,
	    { "2 objects, 0 problems" } },
	{ "other kinds are nobody's business",
	    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n", 0,
	    { "0 objects, 0 problems" } },
	{ "broken YAML is named by line, the rest is read",
	    "a: [1,\n---\n" POOL("a", "10.0.0.0/24"), 1, { ":1: ", "1 object" } },
	{ "a reversed range", POOL("a", "10.0.0.9-10.0.0.1"), 1,
	    { "spec.addresses[0]", "10.0.0.9-10.0.0.1" } },
	{ "pools that overlap", POOL("a", "10.0.0.0/24") "---\n"
	    POOL("b", "10.0.0.128-10.0.1.5"), 1, { ":6: IPAddressPool", "overlap" } },
	{ "an address outside every pool",
	    POOL("a", "10.0.0.0/24") SVC("s", "loadBalancerIP: 10.0.9.9, "), 1,
	    { ":6: Service d/s: ", "10.0.9.9" } },
	{ "a pool that is not there", POOL("a", "10.0.0.0/24")
	    "---\napiVersion: heraldlb.io/v1beta1\nkind: L2Advertisement\n"
	    "metadata: {name: l, namespace: herald-system}\n"
	    "spec: {ipAddressPools: [a, b]}\n", 1,
	    { "L2Advertisement herald-system/l: spec.ipAddressPools[1]", "\"b\"" } },
	{ "more Services than addresses",
	    POOL("a", "10.0.0.1/32") SVC("s", "") SVC("t", ""), 1, { "Service d/t" } },
	{ "a Secret whose password is no good", BY_SECRET "---\n" SECRET("pass"), 1,
	    { ":1: BGPPeer herald-system/p: ", "key \"password\" is not there" } },
	{ "one that is", BY_SECRET "---\n" SECRET("password"), 0,
	    { "2 objects, 0 problems" } },
	{ "one that may be in the cluster", BY_SECRET, 0, { "1 object, 0 problems" } },
	{ "a ConfigMap that is no good", BY_CONFIG_MAP "---\n" CONFIG_MAP("ca.crt: x"), 1,
	    { ":1: ForwardingProfile herald-system/f: spec.healthCheck.tls.caConfigMap: "
	      "ConfigMap herald-system/m: key \"ca.crt\" holds no certificate" } },
	{ "one that may be in the cluster", BY_CONFIG_MAP, 0, { "1 object, 0 problems" } },
	{ "one object twice", POOL("a", "10.0.0.0/24") SVC("s", "") SVC("s", ""), 1,
	    { "defined before" } },
};

static char *
run(const char *text, int *ret_nproblems)
{
	char path[] = "/tmp/lint_test_XXXXXX", *paths[] = { path }, *out = NULL;
	struct lint_conf conf = { 0 };
	int fd = mkstemp(path);
	size_t len = 0;
	FILE *f;

	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	f = open_memstream(&out, &len);
	*ret_nproblems = lint_run(&conf, paths, 1, f);
	fclose(f);
	unlink(path);
	return out;
}

START_TEST(lint)
{
	int n;
	char *out = run(rows[_i].text, &n);

	ck_assert_msg(n == rows[_i].nproblems, "%s: %d\n%s", rows[_i].why, n, out);
	for (size_t i = 0; i < nitems(rows[_i].says) && rows[_i].says[i] != NULL; i++)
		ck_assert_msg(strstr(out, rows[_i].says[i]) != NULL, "%s: no \"%s\" in\n%s",
		    rows[_i].why, rows[_i].says[i], out);
	free(out);
}
END_TEST

START_TEST(no_such_file)
{
	char path[] = "/nonexistent/x.yaml", *paths[] = { path };

	ck_assert_int_lt(lint_run(&(struct lint_conf){ 0 }, paths, 1, stdout), 0);
}
END_TEST

START_TEST(status_table)
{
	static const char status[] = "{\"node\":\"n1\",\"version\":\"1\",\"nodes\":["
	    "{\"name\":\"n2\",\"address\":\"10.0.0.2\",\"state\":\"up\"}],\"vips\":["
	    "{\"ip\":\"10.0.9.1\",\"pool\":\"p\",\"reason\":\"because\","
	    "\"programmed\":true,\"announced\":false}],\"services\":[]}";
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	ck_assert_int_eq(status_decode(status, f), 0);
	fflush(f);
	ck_assert_ptr_nonnull(strstr(out, "n2"));
	ck_assert_ptr_nonnull(strstr(out, "nobody announces it: because"));
	len = strlen(out);
	ck_assert_int_ne(status_decode("{}", f), 0);
	ck_assert_int_ne(status_decode("no JSON", f), 0);
	fclose(f);
	ck_assert_msg(strlen(out) == len, "nothing written for what is no status");
	free(out);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, lint, 0, nitems(rows));
	tcase_add_test(tc, no_such_file);
	tcase_add_test(tc, status_table);
}

TEST_MAIN("ctl", fill)
