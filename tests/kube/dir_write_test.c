/* What is written to the dir source: statuses, reports, Events. */
#include <errno.h>
#include <unistd.h>

#include "kube/encode.h"
#include "kube/report.h"
#include "tests/kube/dir_rig.h"

/* The address Service web has, "none" without. */
static const char *
vip(const struct rig *r)
{
	static char buf[IP_STRLEN];
	const struct kube_object *o = kube_store_get(r->store, KUBE_SERVICE, "default",
	    "web");

	if (o == NULL || o->service.ningress == 0)
		return "none";
	return ip_format(&o->service.ingress[0].ip, buf);
}

static bool has_1(const struct rig *r) { return strcmp(vip(r), "192.0.2.1") == 0; }
static bool has_2(const struct rig *r) { return strcmp(vip(r), "192.0.2.2") == 0; }
static bool has_no(const struct rig *r) { return strcmp(vip(r), "none") == 0; }

static void
patch(struct rig *r, const char *ip, const char *version)
{
	struct kube_ingress in = { .ip_mode = "Proxy" };
	char *body;

	if (ip != NULL)
		ck_assert_int_eq(ip_parse(ip, &in.ip), 0);
	body = kube_encode_service_status(&in, ip != NULL);
	r->ndone = 0;
	kube_source_patch_status(r->src, KUBE_SERVICE, "default", "web", version, body,
	    on_done, r);
	free(body);
	ck_assert_msg(r->ndone == 0 && kube_source_pending(r->src) == 1,
	    "not inside the call");
}

static bool
is_status_gone(const struct rig *r)
{
	(void)r;
	return access(at(".status/Service_default_web.json"), F_OK) != 0;
}

START_TEST(statuses)
{
	struct rig writer, reader;
	char *text;

	put("a.yaml", SVC("web", "80"));
	rig_open(&writer);
	rig_open(&reader);
	/* Before the first scan: it waits for that. */
	patch(&writer, "192.0.2.1", NULL);
	run_until(&writer, is_done);
	ck_assert_msg(writer.ndone == 1 && writer.error == 0, "%s", writer.text);
	ck_assert(has_1(&writer));
	text = get(".status/Service_default_web.json");
	ck_assert_str_eq(text, "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":"
	    "\"192.0.2.1\",\"ipMode\":\"Proxy\"}]}}}");
	free(text);
	run_until(&reader, has_1);

	/* Somebody else writes; a writer that has not seen it yet is told. */
	put(".status/Service_default_web.json", "{\"status\":{\"loadBalancer\":{"
	    "\"ingress\":[{\"ip\":\"192.0.2.2\"}]}}}");
	text = mem_strdup(kube_store_get(writer.store, KUBE_SERVICE, "default",
	    "web")->meta.resource_version);
	patch(&writer, "192.0.2.1", text);
	free(text);
	run_until(&writer, is_done);
	ck_assert_int_eq(writer.error, -ESTALE);
	ck_assert(has_2(&writer));
	run_until(&reader, has_2);

	patch(&writer, NULL, NULL);
	run_until(&writer, is_done);
	ck_assert(writer.error == 0 && has_no(&writer));
	run_until(&reader, has_no);
	patch(&writer, "192.0.2.1", NULL);
	run_until(&writer, is_done);
	ck_assert_int_eq(unlink(at("a.yaml")), 0);
	run_until(&reader, is_none);
	ck_assert_msg(!is_status_gone(&reader), "a reader leaves it alone");
	run_until(&writer, is_status_gone);
	patch(&writer, "192.0.2.1", NULL);
	run_until(&writer, is_done);
	ck_assert_int_eq(writer.error, -ENOENT);
	rig_close(&writer);
	rig_close(&reader);
}
END_TEST

START_TEST(a_status_survives_a_restart)
{
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	patch(&r, "192.0.2.1", NULL);
	run_until(&r, is_done);
	/* One that is under way is forgotten, its callback not called. */
	patch(&r, "192.0.2.2", NULL);
	rig_close(&r);
	ck_assert_int_eq(r.ndone, 0);
	rig_open(&r);
	run_until(&r, is_synced);
	ck_assert(has_1(&r));
	/* Garbage leaves the old one; taking all of it away resets. */
	put(".status/Service_default_web.json", "garbage");
	run_for(&r, NULL, QUIET_SEC);
	ck_assert(has_1(&r));
	ck_assert_ptr_nonnull(strstr(logged, "this status is not used"));
	ck_assert_int_eq(unlink(at(".status/Service_default_web.json")), 0);
	ck_assert_int_eq(rmdir(at(".status")), 0);
	run_until(&r, has_no);
	patch(&r, "192.0.2.2", NULL);
	run_until(&r, has_2);
	rig_close(&r);
}
END_TEST

START_TEST(many_patches)
{
	enum { N = 100 };
	struct rig r;
	FILE *f;

	f = fopen(at("a.yaml"), "w");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < N; i++)
		fprintf(f, "---\n" SVC("s%d", "80"), i);
	fclose(f);
	rig_open(&r);
	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		kube_source_patch_status(r.src, KUBE_SERVICE, "default", name, NULL,
		    "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}}",
		    on_done, &r);
	}
	ck_assert_uint_eq(kube_source_pending(r.src), N);
	run_until(&r, is_done);
	ck_assert_int_eq(r.ndone, N);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(kube_store_list(r.store,
		    KUBE_SERVICE).items[i]->service.ningress, 1);
	rig_close(&r);
}
END_TEST

START_TEST(a_status_that_cannot_be_written)
{
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	put(".status", "in the way");
	rig_open(&r);
	patch(&r, "192.0.2.1", NULL);
	run_until(&r, is_done);
	ck_assert_int_eq(r.error, -EIO);
	ck_assert_msg(strstr(r.text, "/.status/Service_default_web.json: Not a directory")
	    != NULL, "%s", r.text);
	ck_assert_msg(has_no(&r), "what is not on disk is not so");
	rig_close(&r);
}
END_TEST

static const struct kube_object *
report_of(const struct rig *r)
{
	return kube_store_get(r->store, KUBE_SERVICE_L2_STATUS, "herald-system", "web-1");
}

static bool has_report(const struct rig *r) { return report_of(r) != NULL; }
static bool has_no_report(const struct rig *r) { return report_of(r) == NULL; }

/* What speakers write of themselves is all in the status folder. */
START_TEST(reports)
{
	const char *names[] = { "eth0" };
	struct kube_object o = { .kind = KUBE_SERVICE_L2_STATUS,
		.meta = { .ns = "herald-system", .name = "web-1" },
		.service_status = { "n1", "d", "web", names, 1 } };
	const char *file = ".status/ServiceL2Status_herald-system_web-1.json";
	struct rig r, other;
	char *text;

	rig_open(&r);
	rig_open(&other);
	run_until(&other, is_synced);
	kube_source_put(r.src, &o, "u-1", on_done, &r);
	run_until(&r, is_done);
	ck_assert_msg(r.error == 0 && r.ndone == 1, "%d %s", r.error, r.text);
	ck_assert_msg(kube_source_has_listed(r.src, o.kind) && has_report(&r),
	    "at once for who wrote it");
	run_until(&other, has_report);
	ck_assert_uint_eq(kube_report_hash(report_of(&other)), kube_report_hash(&o));
	text = get(file);
	ck_assert_ptr_nonnull(strstr(text, "\"heraldlb.io/node\":\"n1\""));
	free(text);

	o.service_status.nnames = 0;
	kube_source_put(r.src, &o, "u-1", on_done, &r);
	run_until(&r, is_done);
	ck_assert_uint_eq(report_of(&r)->service_status.nnames, 0);
	kube_source_patch_status(r.src, o.kind, "herald-system", "web-1", NULL,
	    "{\"status\":{}}", on_done, &r);
	run_until(&r, is_done);
	ck_assert_msg(r.error == -ENOENT, "it is no manifest: %d", r.error);
	rig_close(&r);
	rig_open(&r);
	run_until(&r, has_report);

	kube_source_delete(r.src, o.kind, "herald-system", "web-1", on_done, &r);
	kube_source_delete(r.src, o.kind, "herald-system", "web-1", on_done, &r);
	run_until(&r, is_done);
	ck_assert_msg(r.error == 0 && r.ndone == 2, "gone is gone: %d", r.error);
	ck_assert(has_no_report(&r) && get(file) == NULL);
	run_until(&other, has_no_report);
	rig_close(&other);
	rig_close(&r);
}
END_TEST

/* Broken, misplaced or in a manifest: told, and not used. */
START_TEST(bad_reports)
{
	struct rig r;

	ck_assert_int_eq(mkdir(at(".status"), 0700), 0);
	put(".status/ServiceL2Status_a_b.json", "{\"apiVersion\":\"heraldlb.io/v1beta1\","
	    "\"kind\":\"ServiceL2Status\",\"metadata\":{\"name\":\"c\","
	    "\"namespace\":\"a\"}}");
	put(".status/BGPSessionState_a_b.json", "{");
	put("a.yaml", "apiVersion: heraldlb.io/v1beta1\nkind: ServiceBGPStatus\n"
	    "metadata: {name: x}\n---\n" SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_80);
	run_for(&r, NULL, QUIET_SEC);
	for (unsigned k = KUBE_SERVICE_L2_STATUS; k <= KUBE_BGP_SESSION_STATE; k++)
		ck_assert_uint_eq(kube_store_list(r.store, (enum kube_kind)k).n, 0);
	ck_assert_msg(strstr(logged, "it holds a/c") != NULL &&
	    strstr(logged, "breaks off") != NULL &&
	    strstr(logged, "a ServiceBGPStatus is written by speakers; remove it") != NULL,
	    "%s", logged);
	rig_close(&r);
}
END_TEST

START_TEST(events)
{
	struct kube_event ev = { .kind = KUBE_SERVICE, .ns = "default", .name = "web",
		.reason = "IPAllocated", .message = "Assigned IP [\"192.0.2.1\"]" };
	struct rig r;
	char *text;

	rig_open(&r);
	kube_source_event(r.src, &ev);
	kube_source_event(r.src, &ev);
	text = get(".status/events.jsonl");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"IPAllocated\""));
	ck_assert_msg(strchr(text, '\n') != strrchr(text, '\n') &&
	    text[strlen(text) - 1] == '\n', "two lines: %s", text);
	free(text);
	rig_close(&r);
}
END_TEST

/* Patches that are given up are not told of, also by one that is. */
static struct rig *cancelling;

static void
on_done_cancel(void *arg, int error, const char *text)
{
	(void)error;
	(void)text;
	++*(int *)arg;
	kube_source_cancel_writes(cancelling->src);
}

START_TEST(cancelled_writes)
{
	int ndone = 0;
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_80);
	cancelling = &r;
	for (int i = 0; i < 100; i++)
		kube_source_patch_status(r.src, KUBE_SERVICE, "default", "web", NULL,
		    "{\"status\":{}}", on_done_cancel, &ndone);
	run_until(&r, is_done);
	ck_assert_int_eq(ndone, 1);
	rig_close(&r);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, a_status_survives_a_restart);
	tcase_add_test(tc, many_patches);
	tcase_add_test(tc, a_status_that_cannot_be_written);
	tcase_add_test(tc, reports);
	tcase_add_test(tc, bad_reports);
	tcase_add_test(tc, events);
	tcase_add_test(tc, cancelled_writes);
}

TEST_MAIN("kube dir source, writing", fill)
