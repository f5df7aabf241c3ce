/* What speakers write: names, labels, JSON and back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "kube/report.h"
#include "kube/report_encode.h"
#include "tests/check.h"
#include "tests/kube/json.h"
#include "tests/kube/kinds.h"

#define LONG_NODE "a-node-with-a-name-of-more-than-sixty-three-characters.example.com"

static const char *two[] = { "eth0", "eth1" };
static const char *one[] = { "eth0" };

static struct kube_object
l2(const char *node, const char *ns, const char *name, const char **names, size_t n)
{
	return (struct kube_object){ .kind = KUBE_SERVICE_L2_STATUS,
	    .meta = { .ns = "lb", .name = "web-1" },
	    .service_status = { .node = node, .svc_ns = ns, .svc_name = name,
		.names = names, .nnames = n } };
}

/* The same with a condition. */
static struct kube_object
conflict(const char *status, const char *message, const char *since)
{
	struct kube_object o = l2("n1", "d", "web", two, 2);

	o.service_status.conflict = (struct kube_condition){ .status = status,
		.reason = "DuplicateAddress", .message = message, .since = since };
	return o;
}

static struct kube_object
session(const char *vrf, const char *bgp, const char *bfd)
{
	return (struct kube_object){ .kind = KUBE_BGP_SESSION_STATE,
	    .meta = { .ns = "lb", .name = "tor-1" },
	    .session_state = { "n1", "10.0.0.254", "tor", vrf, bgp, bfd } };
}

/* As it is written, and read back. */
static struct kube_object *
through(const struct kube_object *o, const char *group)
{
	const char *of = o->kind == KUBE_BGP_SESSION_STATE ? "heraldlb.io" : group;
	char *version = mem_printf("%s/v1beta1", of);
	char *text = kube_encode_report(o, of, version, "u-1");
	struct kube_object *got = NULL;
	struct kube_error err = { "" };

	ck_assert_msg(kube_decode(text, strlen(text), group, KUBE_NKINDS, &got, &err) == 0,
	    "%s\n%s", err.text, text);
	for (size_t len = 0; len < strlen(text); len++) {
		struct kube_object *none = NULL;
		char *copy = malloc(len + 1);

		memcpy(copy, text, len);
		ck_assert_int_ne(kube_decode(copy, len, group, KUBE_NKINDS, &none, &err), 0);
		free(copy);
	}
	free(text);
	free(version);
	return got;
}

START_TEST(round_trip)
{
	const struct kube_object all[] = {
		l2("n1", "d", "web", two, 2), l2("n1", "d", "web", NULL, 0),
		session(NULL, "Established", "up"), session("red", "Active", "N/A"),
		conflict("True", "by 02:00", "2026-11-21T06:00:00Z"),
		conflict("False", "by nobody", "2026-11-21T06:00:00Z"),
	};
	const struct kube_condition *c;
	struct kube_object *got;

	for (size_t i = 0; i < nitems(all); i++) {
		got = through(&all[i], "heraldlb.io");
		ck_assert_int_eq(got->kind, all[i].kind);
		ck_assert_str_eq(got->meta.name, all[i].meta.name);
		ck_assert_str_eq(kube_report_node(got), "n1");
		ck_assert_msg(kube_report_hash(got) == kube_report_hash(&all[i]),
		    "row %zu", i);
		kube_object_free(got);
	}
	got = through(&all[4], "heraldlb.io");
	c = &got->service_status.conflict;
	ck_assert_str_eq(c->status, "True");
	ck_assert_str_eq(c->reason, "DuplicateAddress");
	ck_assert_str_eq(c->message, "by 02:00");
	ck_assert_str_eq(c->since, "2026-11-21T06:00:00Z");
	kube_object_free(got);
	got = through(&all[0], "metallb.io");
	ck_assert_ptr_null(got->service_status.conflict.status);
	ck_assert_uint_eq(got->service_status.nnames, 2);
	ck_assert_str_eq(got->service_status.names[1], "eth1");
	ck_assert_msg(got->meta.labels.n == 0, "labels are for others: none is kept");
	kube_object_free(got);
}
END_TEST

/* As MetalLB writes it, down to the letter. */
START_TEST(as_text)
{
	struct kube_object o = l2("n1", "d", "web", one, 1);
	char *got = kube_encode_report(&o, "metallb.io", "metallb.io/v1beta1", "u-1");
	char *want = json("{'apiVersion':'metallb.io/v1beta1','kind':'ServiceL2Status',"
	    "'metadata':{'name':'web-1','namespace':'lb','labels':{"
	    "'metallb.io/node':'n1','metallb.io/service-name':'web',"
	    "'metallb.io/service-namespace':'d'},'ownerReferences':[{'apiVersion':'v1',"
	    "'kind':'Node','name':'n1','uid':'u-1'}]},'status':{'node':'n1',"
	    "'serviceName':'web','serviceNamespace':'d','interfaces':[{'name':'eth0'}]}}");

	ck_assert_str_eq(got, want);
	free(got);
	free(want);
	got = kube_encode_report(&o, "metallb.io", "metallb.io/v1beta1", NULL);
	ck_assert_ptr_null(strstr(got, "ownerReferences"));
	free(got);
	o = conflict("False", "nobody", "2026-11-21T06:00:00Z");
	got = kube_encode_report_status(&o);
	want = json("{'status':{'node':'n1','serviceName':'web','serviceNamespace':'d',"
	    "'interfaces':[{'name':'eth0'},{'name':'eth1'}],'conditions':[{"
	    "'type':'AddressConflict','status':'False','reason':'DuplicateAddress',"
	    "'message':'nobody','lastTransitionTime':'2026-11-21T06:00:00Z'}]}}");
	ck_assert_str_eq(got, want);
	free(got);
	free(want);
	o = l2("n1", "d", "web", one, 1);
	o.kind = KUBE_SERVICE_BGP_STATUS;
	got = kube_encode_report_status(&o);
	want = json("{'status':{'node':'n1','serviceName':'web','serviceNamespace':'d',"
	    "'peers':['eth0']}}");
	ck_assert_str_eq(got, want);
	free(got);
	free(want);
	o = session(NULL, "Active", "N/A");
	got = kube_encode_report_status(&o);
	want = json("{'status':{'node':'n1','peer':'10.0.0.254','peerName':'tor',"
	    "'vrf':null,'bgpStatus':'Active','bfdStatus':'N/A'}}");
	ck_assert_msg(strcmp(got, want) == 0, "no VRF any more: %s", got);
	free(got);
	got = kube_encode_report(&o, "g", "g/v1beta1", NULL);
	ck_assert_msg(strstr(got, "vrf") == NULL, "no VRF: %s", got);
	free(got);
	free(want);
}
END_TEST

START_TEST(hashes)
{
	const struct kube_object differ[] = {
		l2("n1", "d", "web", two, 2), l2("n2", "d", "web", two, 2),
		l2("n1", "e", "web", two, 2), l2("n1", "d", "wet", two, 2),
		l2("n1", "d", "web", one, 1), l2("n1", "d", "web", NULL, 0),
		l2("n1", "dw", "eb", two, 2), l2(NULL, NULL, NULL, NULL, 0),
		session(NULL, "Active", "up"), session(NULL, "Idle", "up"),
		session(NULL, "Active", "down"), session("red", "Active", "up"),
		conflict("True", "by 02:00", NULL), conflict("True", "by 02:01", NULL),
	};
	/* What an API server without the field, or an earlier speaker, has of it. */
	struct kube_object none = conflict("False", "nobody", "2026-11-21T06:00:00Z");
	struct kube_object later = conflict("True", "by 02:00", "2026-11-21T06:00:00Z");
	struct kube_object empty = session("", "Active", "up");

	for (size_t i = 0; i < nitems(differ); i++) {
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(kube_report_hash(&differ[i]) !=
			    kube_report_hash(&differ[j]), "rows %zu and %zu", i, j);
	}
	ck_assert_msg(kube_report_hash(&empty) == kube_report_hash(&differ[8]),
	    "no VRF, however it is said");
	ck_assert_msg(kube_report_hash(&none) == kube_report_hash(&differ[0]),
	    "no conflict, however it is said");
	ck_assert_msg(kube_report_hash(&later) == kube_report_hash(&differ[12]),
	    "since when is not looked at");
}
END_TEST

static bool
is_name(const char *s, size_t max)
{
	size_t len = strlen(s);

	return len > 0 && len <= max && s[0] != '-' && s[len - 1] != '-' &&
	    strstr(s, ".-") == NULL && strstr(s, "-.") == NULL &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len;
}

START_TEST(names)
{
	char a[KUBE_REPORT_NAME_LEN], b[KUBE_REPORT_NAME_LEN], label[KUBE_LABEL_LEN];
	static const char *const objects[] = { "web", "tor-1.rack-7.example.com",
	    "0123456789012345678901234567890123456789-----------9",
	    "0123456789012345678901234567890123456789.....9" };

	for (size_t i = 0; i < nitems(objects); i++) {
		kube_report_name("n1", "d", objects[i], a);
		ck_assert_msg(is_name(a, 63), "%s", a);
		ck_assert_str_ne(a, kube_report_name("n2", "d", objects[i], b));
		ck_assert_str_ne(a, kube_report_name("n1", "e", objects[i], b));
		ck_assert_str_eq(a, kube_report_name("n1", "d", objects[i], b));
	}
	ck_assert_msg(strncmp(kube_report_name("n1", "d", "web", a), "web-", 4) == 0, "%s", a);
	ck_assert_str_eq(kube_label_value("n1.example.com", label), "n1.example.com");
	ck_assert_msg(is_name(kube_label_value(LONG_NODE, label), 63), "%s", label);
	ck_assert_msg(strncmp(label, LONG_NODE, 40) == 0, "%s", label);
}
END_TEST

/* Made, and its status not written yet; or written by somebody else. */
static const struct {
	const char *why, *text;
	int rc;
} partial[] = {
	{ "no status", "{'apiVersion':'heraldlb.io/v1beta1','kind':'ServiceL2Status',"
	    META "}", 0 },
	{ "an empty one", "{'apiVersion':'heraldlb.io/v1beta1','kind':'BGPSessionState',"
	    META ",'status':{}}", 0 },
	{ "an interface without a name", "{'apiVersion':'heraldlb.io/v1beta1',"
	    "'kind':'ServiceL2Status'," META ",'status':{'interfaces':[{}]}}", 0 },
	{ "no status at all", "{'apiVersion':'heraldlb.io/v1beta1',"
	    "'kind':'ServiceL2Status'," META ",'status':7}", -EINVAL },
	{ "peers that are no names", "{'apiVersion':'heraldlb.io/v1beta1',"
	    "'kind':'ServiceBGPStatus'," META ",'status':{'peers':[7]}}", -EINVAL },
};

START_TEST(partly)
{
	char *text = json(partial[_i].text);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	int rc = kube_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err);

	ck_assert_msg(rc == partial[_i].rc, "%s: %d %s", partial[_i].why, rc, err.text);
	if (rc == 0) {
		ck_assert_str_eq(kube_report_node(o), "");
		ck_assert_uint_ne(kube_report_hash(o), 0);
	}
	kube_object_free(o);
	free(text);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, as_text);
	tcase_add_test(tc, hashes);
	tcase_add_test(tc, names);
	tcase_add_loop_test(tc, partly, 0, nitems(partial));
}

TEST_MAIN("report", fill)
