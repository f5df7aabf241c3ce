#include <string.h>

#include "kube/encode.h"
#include "tests/check.h"
#include "tests/kube/json.h"

static const struct {
	const char *why;
	struct kube_ingress ingress[2];
	const char *ips[2];
	size_t n;
	const char *want;
} statuses[] = {
	{ "none clears", { { .ip_mode = NULL } }, { NULL }, 0,
	    "{'status':{'loadBalancer':{'ingress':[]}}}" },
	{ "both families", { { .ip_mode = "Proxy" }, { .ip_mode = "VIP" } },
	    { "192.0.2.1", "2001:db8::1" }, 2, "{'status':{'loadBalancer':{'ingress':["
	    "{'ip':'192.0.2.1','ipMode':'Proxy'},{'ip':'2001:db8::1','ipMode':'VIP'}]}}}" },
	{ "no mode for servers that know none", { { .ip_mode = NULL } }, { "192.0.2.1" },
	    1, "{'status':{'loadBalancer':{'ingress':[{'ip':'192.0.2.1'}]}}}" },
	{ "a name", { { .hostname = "lb.example" } }, { NULL }, 1,
	    "{'status':{'loadBalancer':{'ingress':[{'hostname':'lb.example'}]}}}" },
};

START_TEST(service_status)
{
	struct kube_ingress in[2];
	char *want = json(statuses[_i].want), *text;

	memcpy(in, statuses[_i].ingress, sizeof(in));
	for (size_t i = 0; i < statuses[_i].n; i++)
		if (statuses[_i].ips[i] != NULL)
			ck_assert_int_eq(ip_parse(statuses[_i].ips[i], &in[i].ip), 0);
	text = kube_encode_service_status(in, statuses[_i].n);
	ck_assert_msg(strcmp(text, want) == 0, "%s: %s", statuses[_i].why, text);
	free(text);
	free(want);
}
END_TEST

/* The cases of RFC 7386, appendix A. */
static const struct {
	const char *target, *patch, *want;
} merges[] = {
	{ "{'a':'b'}", "{'a':'c'}", "{'a':'c'}" },
	{ "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}" },
	{ "{'a':'b'}", "{'a':null}", "{}" },
	{ "{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}" },
	{ "{'a':['b']}", "{'a':'c'}", "{'a':'c'}" },
	{ "{'a':'c'}", "{'a':['b']}", "{'a':['b']}" },
	{ "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}" },
	{ "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}" },
	{ "['a','b']", "['c','d']", "['c','d']" },
	{ "{'a':'b'}", "['c']", "['c']" },
	{ "{'a':'foo'}", "null", "null" },
	{ "{'a':'foo'}", "'bar'", "'bar'" },
	{ "{'e':null}", "{'a':1}", "{'e':null,'a':1}" },
	{ "[1,2]", "{'a':'b','c':null}", "{'a':'b'}" },
	{ "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}" },
	/* Ours: no target is an empty object; no JSON is no patch. */
	{ NULL, "{'a':1}", "{'a':1}" },
	{ "{}", "{'a':", NULL },
	{ "{'a'", "{}", NULL },
};

START_TEST(merge_patch)
{
	char *target = merges[_i].target != NULL ? json(merges[_i].target) : NULL;
	char *patch = json(merges[_i].patch);
	struct kube_error err = { "" };
	char *text = kube_merge_patch(target, patch, &err);

	if (merges[_i].want == NULL) {
		ck_assert_ptr_null(text);
		ck_assert_str_ne(err.text, "");
	} else {
		char *want = json(merges[_i].want);

		ck_assert_msg(text != NULL, "%s", err.text);
		ck_assert_str_eq(text, want);
		free(want);
	}
	free(text);
	free(patch);
	free(target);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, service_status, 0, nitems(statuses));
	tcase_add_loop_test(tc, merge_patch, 0, nitems(merges));
}

TEST_MAIN("kube encode", fill)
