/* The API source: what is written, reports and Leases. */
#include <errno.h>

#include "tests/kube/api_rig.h"

#define STATUS(reason) "{\"kind\":\"Status\",\"apiVersion\":\"v1\"," \
	"\"message\":\"no\",\"reason\":\"" reason "\"}"

/* --- reports ---------------------------------------------------------------- */

#define REPORTS " /apis/heraldlb.io/v1beta1/namespaces/lb/servicel2statuses"
#define CREATED "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{}"

static const struct {
	const char *why;
	bool	is_known;		/* in the store */
	bool	is_delete;
	struct line lines[4];
	unsigned nlines;
	int	error;
	const char *says;
} report_rows[] = {
	{ "a new one is made, then its status written", false, false,
	    { { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 2, 0, "" },
	{ "one that is known is written at once", true, false,
	    { { "PATCH" REPORTS "/web/status ", OK_HEAD "{}" } }, 1, 0, "" },
	{ "known, and gone meanwhile", true, false,
	    { { "PATCH" REPORTS "/web/status ", FAIL_HEAD("404 Not Found") },
	      { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 3, 0, "" },
	{ "new, and there meanwhile", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("409 Conflict") STATUS("AlreadyExists") },
	      { "PATCH" REPORTS "/web/status ", OK_HEAD "{}" } }, 2, 0, "" },
	{ "made, and gone before its status was written: not for ever", false, false,
	    { { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      FAIL_HEAD("404 Not Found") } }, 2, -ENOENT, "HTTP 404" },
	{ "a sick server is asked again", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("500 Oops") },
	      { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 3, 0, "" },
	{ "a right to create that is missing is named", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "resources: [\"servicel2statuses\"], verbs: [\"create\"]" },
	{ "and one to write the status", true, false,
	    { { "PATCH" REPORTS "/web/status ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "resources: [\"servicel2statuses/status\"], verbs: [\"patch\"]" },
	{ "deleted", true, true, { { "DELETE" REPORTS "/web ", OK_HEAD "{}" } }, 1, 0, "" },
	{ "gone already is as good", true, true,
	    { { "DELETE" REPORTS "/web ", FAIL_HEAD("404 Not Found") } }, 1, 0, "" },
	{ "a right to delete that is missing", true, true,
	    { { "DELETE" REPORTS "/web ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "verbs: [\"delete\"]" },
};

static void
put_done(void *arg, int error, const char *text)
{
	struct rig *rig = arg;

	rig->ndone++;
	rig->error = error;
	snprintf(rig->text, sizeof(rig->text), "%s", text);
}

START_TEST(reports)
{
	struct kube_object o = { .kind = KUBE_SERVICE_L2_STATUS,
		.meta = { .ns = "lb", .name = "web" },
		.service_status = { .node = "n1", .svc_ns = "d", .svc_name = "web" } };
	struct kube_store *store = kube_store_new();
	const char *why = report_rows[_i].why;
	struct kube_object *known;
	struct rig rig;

	rig_init(&rig, report_rows[_i].lines);
	(void)open_source(&rig, store, 0, 0);
	if (report_rows[_i].is_known) {
		known = kube_object_new(o.kind, 0);
		known->meta = o.meta;
		kube_store_put(store, known);
	}
	if (report_rows[_i].is_delete)
		kube_source_delete(rig.src, o.kind, "lb", "web", put_done, &rig);
	else
		kube_source_put(rig.src, &o, "u-1", put_done, &rig);
	ck_assert_msg(rig.ndone == 0, "told from inside the call");
	while (rig.ndone == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	ck_assert_msg(rig.error == report_rows[_i].error, "%s: %d %s", why,
	    rig.error, rig.text);
	ck_assert_msg(strstr(rig.text, report_rows[_i].says) != NULL, "%s: %s", why, rig.text);
	ck_assert_msg(rig.at == report_rows[_i].nlines, "%s: %zu requests", why, (size_t)rig.at);
	ck_assert_uint_eq(kube_source_pending(rig.src), 0);
	kube_source_close(rig.src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* --- the Lease -------------------------------------------------------------- */

#define LEASES " /apis/coordination.k8s.io/v1/namespaces/n%20s/leases"
#define LEASE "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\"," \
	"\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}," \
	"\"spec\":{\"holderIdentity\":\"me\"}}"

/* Tried once, whatever comes. */
static const struct {
	const char *why;
	enum lease_do op;
	struct line lines[2];
	int	error;
	const char *says;
} leases[] = {
	{ "read", LEASE_GET, { { "GET" LEASES "/a ", OK_HEAD LEASE } }, 0, "" },
	{ "made", LEASE_CREATE, { { "POST" LEASES " ",
	    "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n" LEASE } }, 0, "" },
	{ "written", LEASE_UPDATE, { { "PUT" LEASES "/a ", OK_HEAD LEASE } }, 0, "" },
	{ "absent", LEASE_GET, { { "GET", FAIL_HEAD("404 Not Found")
	    STATUS("NotFound") } }, -ENOENT, "" },
	{ "made by another", LEASE_CREATE, { { "POST", FAIL_HEAD("409 Conflict")
	    STATUS("AlreadyExists") } }, -EEXIST, "" },
	{ "written by another", LEASE_UPDATE, { { "PUT", FAIL_HEAD("409 Conflict")
	    STATUS("Conflict") } }, -ESTALE, "" },
	{ "a namespace that is missing is no absent Lease", LEASE_CREATE,
	    { { "POST", FAIL_HEAD("404 Not Found") STATUS("NotFound") } }, -EIO,
	    "create the namespace" },
	{ "the rule that is missing is named", LEASE_UPDATE, { { "PUT",
	    FAIL_HEAD("403 Forbidden") STATUS("Forbidden") } }, -EACCES,
	    "resources: [\"leases\"]" },
	{ "a sick server", LEASE_UPDATE, { { "PUT", FAIL_HEAD("500 Oops") } }, -EIO,
	    "HTTP 500" },
	{ "no answer", LEASE_GET, { { "GET", NULL } }, -EIO, "cannot get the Lease n s/a" },
	{ "something else", LEASE_GET, { { "GET", OK_HEAD "<html>" } }, -EIO, "no Lease" },
	{ "half an answer", LEASE_GET, { { "GET", "HTTP/1.1 200 OK\r\n"
	    "Content-Length: 900\r\nConnection: close\r\n\r\n" LEASE } }, -EIO,
	    "cannot get the Lease" },
};

static void
lease_done(void *arg, int error, const char *text, const struct lease_record *record)
{
	struct rig *rig = arg;

	rig->ndone++;
	rig->error = error;
	snprintf(rig->text, sizeof(rig->text), "%s", text);
	ck_assert_int_eq(record != NULL, error == 0);
	if (record != NULL)
		rig->record = *record;
}

START_TEST(lease)
{
	struct lease_record record = { .holder = "me", .resource_version = "6" };
	struct kube_store *store = kube_store_new();
	const char *why = leases[_i].why;
	struct rig rig;

	rig_init(&rig, leases[_i].lines);
	(void)open_source(&rig, store, 0, 0);
	kube_source_lease(rig.src, leases[_i].op, "n s", "a", &record, lease_done, &rig);
	ck_assert_msg(rig.ndone == 0, "told from inside the call");
	while (rig.ndone == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	ck_assert_msg(rig.error == leases[_i].error, "%s: %d %s", why,
	    rig.error, rig.text);
	ck_assert_msg(strstr(rig.text, leases[_i].says) != NULL, "%s: %s", why, rig.text);
	ck_assert_uint_eq(rig.at, 1);
	if (rig.error == 0) {
		ck_assert_str_eq(rig.record.holder, "me");
		ck_assert_str_eq(rig.record.resource_version, "7");
	}
	/* One that is under way at the end goes quietly. */
	kube_source_lease(rig.src, LEASE_GET, "n", "a", NULL, lease_done, &rig);
	kube_source_close(rig.src);
	ck_assert_uint_eq(rig.ndone, 1);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, reports, 0, (int)nitems(report_rows));
	tcase_add_loop_test(tc, lease, 0, (int)nitems(leases));
}

TEST_MAIN("api, writing", fill)
