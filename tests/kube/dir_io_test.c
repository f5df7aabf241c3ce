/*
 * The dir source on a real directory, driven by a real loop: what is asked is
 * that a thing comes about, within LIMIT_SEC; nothing waits for time to pass
 * but what must be seen not to happen.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/dir_file_io.h"
#include "kube/encode.h"
#include "kube/report.h"
#include "kube/source.h"
#include "lib/log.h"
#include "tests/check.h"

static const double LIMIT_SEC = 10.;
static const double QUIET_SEC = 0.1;	/* long enough to see nothing happen */

struct rig {
	struct ev_loop *loop;
	struct kube_store *store;
	struct kube_source *src;
	unsigned nchanged, nsynced;
	bool	is_late;		/* the guard went off */
	ev_timer guard;
	int	ndone, error;		/* the last patch */
	char	text[512];
};

static char path[64];
static char logged[8192];

static void
keep_log(void *arg, const char *line, size_t len)
{
	size_t n = strlen(logged);

	(void)arg;
	snprintf(logged + n, sizeof(logged) - n, "%.*s", (int)len, line);
}

/* FILE relative to the directory; in a ring, so that two may be had at once. */
static const char *
at(const char *file)
{
	static char ring[4][256];
	static unsigned next;
	char *p = ring[next++ % 4];

	snprintf(p, sizeof(ring[0]), "%s/%s", path, file);
	return p;
}

static void
put(const char *file, const char *text)
{
	FILE *f = fopen(at(file), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static char *
get(const char *file)
{
	char *text = NULL;
	struct stat st;
	size_t len;

	if (dir_file_read(AT_FDCWD, at(file), 1 << 22, &text, &len, &st) != 0)
		return NULL;
	return text;
}

static void
on_changed(void *arg, enum kube_kind kind)
{
	(void)kind;
	((struct rig *)arg)->nchanged++;
}

static void
on_synced(void *arg)
{
	((struct rig *)arg)->nsynced++;
}

static void
on_guard(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	((struct rig *)t->data)->is_late = true;
}

static void
on_done(void *arg, int error, const char *text)
{
	struct rig *r = arg;

	r->ndone++;
	r->error = error;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

typedef bool check_fn(const struct rig *r);

/* Run the loop until it holds, or for limit seconds; true where it does. */
static bool
run_for(struct rig *r, check_fn *holds, double limit)
{
	r->is_late = false;
	ev_timer_init(&r->guard, on_guard, limit, 0.);
	r->guard.data = r;
	ev_now_update(r->loop);
	ev_timer_start(r->loop, &r->guard);
	while (!r->is_late && (holds == NULL || !holds(r)))
		ev_run(r->loop, EVRUN_ONCE);
	ev_timer_stop(r->loop, &r->guard);
	return holds != NULL && holds(r);
}

#define run_until(r, holds) \
	ck_assert_msg(run_for((r), (holds), LIMIT_SEC), "not within %g s: " #holds \
	    "\n%s", LIMIT_SEC, logged)

static bool
is_synced(const struct rig *r)
{
	return r->nsynced > 0;
}

static bool
is_done(const struct rig *r)
{
	return kube_source_pending(r->src) == 0;
}

static void
rig_open_conf(struct rig *r, bool needs_all)
{
	struct kube_source_handler h = { on_changed, on_synced, r };
	struct kube_source_conf conf = { .kinds = (1u << KUBE_NKINDS) - 1,
		.component = "test", .needs_all = needs_all };
	struct kube_error err = { "" };
	char spec[128];

	snprintf(spec, sizeof(spec), "dir:%s", path);
	*r = (struct rig){ .loop = ev_loop_new(0), .store = kube_store_new() };
	conf.spec = spec;
	r->src = kube_source_open(r->loop, &conf, r->store, &h, &err);
	ck_assert_msg(r->src != NULL, "%s", err.text);
	memset(spec, 'x', sizeof(spec));	/* it may go: a copy was taken */
}

static void
rig_open(struct rig *r)
{
	rig_open_conf(r, false);
}

static void
rig_close(struct rig *r)
{
	kube_source_close(r->src);
	kube_store_free(r->store);
	ev_loop_destroy(r->loop);
}

static void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/herald-dir-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	logged[0] = '\0';
	log_set_sink(keep_log, NULL);
}

static void
teardown(void)
{
	char cmd[128];

	log_set_sink(NULL, NULL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	ck_assert_int_eq(system(cmd), 0);
}

#define SVC(name, port) "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n" \
	"spec: {ports: [{port: " port "}]}\n"

/* The first port of Service `name`, 0 where there is none. */
static unsigned
port_of(const struct rig *r, const char *name)
{
	const struct kube_object *o = kube_store_get(r->store, KUBE_SERVICE, "default",
	    name);

	return o != NULL ? o->service.ports[0].port : 0;
}

static bool is_80(const struct rig *r) { return port_of(r, "web") == 80; }
static bool is_81(const struct rig *r) { return port_of(r, "web") == 81; }
static bool is_82(const struct rig *r) { return port_of(r, "web") == 82; }
static bool is_other(const struct rig *r) { return port_of(r, "other") != 0; }
static bool is_none(const struct rig *r) { return port_of(r, "web") == 0; }

START_TEST(opening)
{
	struct kube_source_conf conf = { .spec = "dir:/nonexistent/dir", .kinds = 1,
		.component = "test" };
	struct kube_source_handler h = { on_changed, on_synced, NULL };
	struct kube_store *store = kube_store_new();
	struct ev_loop *loop = ev_loop_new(0);
	struct kube_error err = { "" };
	struct rig r;

	ck_assert_ptr_null(kube_source_open(loop, &conf, store, &h, &err));
	ck_assert_str_eq(err.text, "/nonexistent/dir: No such file or directory; create "
	    "the directory, or correct --source dir:PATH");
	conf.spec = "directory";
	ck_assert_ptr_null(kube_source_open(loop, &conf, store, &h, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "is of no known form"));
	kube_store_free(store);
	ev_loop_destroy(loop);

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	ck_assert_msg(r.nchanged == 0 && r.nsynced == 0 && is_none(&r),
	    "nothing happens inside the call");
	ck_assert(!kube_source_is_synced(r.src));
	run_until(&r, is_synced);
	ck_assert(kube_source_is_synced(r.src) && is_80(&r));
	ck_assert_uint_eq(r.nchanged, 1);
	run_for(&r, NULL, QUIET_SEC);
	ck_assert_msg(r.nsynced == 1 && r.nchanged == 1, "and then it is quiet");
	rig_close(&r);
}
END_TEST

START_TEST(following)
{
	struct rig r;
	FILE *f;

	rig_open(&r);
	run_until(&r, is_synced);
	put("a.yaml", SVC("web", "80"));
	run_until(&r, is_80);
	put(".a.yaml.swp", SVC("web", "81"));
	put("a.yaml~", SVC("web", "81"));
	put("a.txt", SVC("web", "81"));
	run_for(&r, NULL, QUIET_SEC);
	ck_assert_msg(is_80(&r), "editors' files are no manifests");
	ck_assert_int_eq(rename(at("a.yaml~"), at("a.yaml")), 0);
	run_until(&r, is_81);

	/* A file that is still being written is not read. */
	f = fopen(at("a.yaml"), "w");
	ck_assert_ptr_nonnull(f);
	fputs("apiVersion: v1\n", f);
	fflush(f);
	run_for(&r, NULL, QUIET_SEC);
	ck_assert_msg(is_81(&r), "half a file takes nothing away");
	fputs("kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 82}]}\n", f);
	fclose(f);
	run_until(&r, is_82);

	put("a.yaml", "kind: [");
	run_for(&r, NULL, QUIET_SEC);
	ck_assert_msg(is_82(&r), "a broken file takes nothing away");
	ck_assert_msg(strstr(logged, "/a.yaml:1") != NULL, "%s", logged);
	put("a.yaml", SVC("web", "80"));
	run_until(&r, is_80);
	ck_assert_int_eq(rename(at("a.yaml"), at("a.off")), 0);
	run_until(&r, is_none);
	ck_assert_int_eq(link(at("a.off"), at("b.yml")), 0);
	run_until(&r, is_80);
	ck_assert_int_eq(unlink(at("b.yml")), 0);
	run_until(&r, is_none);
	rig_close(&r);
}
END_TEST

/*
 * Whoever decides on what is there must know all of it: not in step before every
 * file could be read once. Afterwards a broken one holds nobody up.
 */
START_TEST(a_file_that_nobody_knows)
{
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	put("b.yaml", "kind: [");
	put("c.yaml", "");
	ck_assert_int_eq(truncate(at("c.yaml"), 1 << 30), 0);
	rig_open(&r);
	run_until(&r, is_synced);
	rig_close(&r);

	rig_open_conf(&r, true);
	run_until(&r, is_80);
	run_for(&r, NULL, QUIET_SEC);
	ck_assert(!is_synced(&r) && !kube_source_is_synced(r.src));
	ck_assert_msg(strstr(logged, "error what it holds is not known: no address is "
	    "given or taken back until it is mended or removed") != NULL, "%s", logged);
	put("b.yaml", SVC("other", "80"));
	run_until(&r, is_other);
	run_for(&r, NULL, QUIET_SEC);
	ck_assert_msg(!is_synced(&r), "one too large to be read is no better");
	ck_assert_int_eq(unlink(at("c.yaml")), 0);
	run_until(&r, is_synced);
	put("b.yaml", "kind: [");
	put("c.yaml", "kind: [");
	put("a.yaml", SVC("web", "81"));
	run_until(&r, is_81);
	ck_assert(is_other(&r) && r.nsynced == 1);
	rig_close(&r);
}
END_TEST

/* A mounted ConfigMap: a.yaml -> ..data/a.yaml, ..data -> ..1. */
START_TEST(links_that_are_turned)
{
	struct rig r;

	ck_assert_int_eq(mkdir(at("..1"), 0755), 0);
	ck_assert_int_eq(mkdir(at("..2"), 0755), 0);
	put("..1/a.yaml", SVC("web", "80"));
	put("..2/a.yaml", SVC("web", "81"));
	ck_assert_int_eq(symlink("..1", at("..data")), 0);
	ck_assert_int_eq(symlink("..data/a.yaml", at("a.yaml")), 0);
	rig_open(&r);
	run_until(&r, is_80);
	ck_assert_int_eq(symlink("..2", at("..tmp")), 0);
	ck_assert_int_eq(rename(at("..tmp"), at("..data")), 0);
	run_until(&r, is_81);
	rig_close(&r);
}
END_TEST

static bool
is_lost(const struct rig *r)
{
	(void)r;
	return strstr(logged, "the directory is gone") != NULL;
}

START_TEST(a_lost_directory)
{
	char away[96];
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_80);
	snprintf(away, sizeof(away), "%s.away", path);
	ck_assert_int_eq(rename(path, away), 0);
	run_until(&r, is_lost);
	ck_assert_msg(is_80(&r), "its objects stay");
	kube_source_patch_status(r.src, KUBE_SERVICE, "default", "web", NULL,
	    "{\"status\":{}}", on_done, &r);
	run_until(&r, is_done);
	ck_assert_msg(r.error == -EIO, "%d %s", r.error, r.text);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	put("b.yaml", SVC("web", "81"));
	run_until(&r, is_81);
	ck_assert_int_eq(unlink(at("b.yaml")), 0);
	run_until(&r, is_none);
	rig_close(&r);
	snprintf(logged, sizeof(logged), "rm -rf %s", away);
	ck_assert_int_eq(system(logged), 0);
}
END_TEST

/* A scan comes upon a file in the midst of being written. */
START_TEST(a_directory_that_is_being_filled)
{
	char away[96];
	struct rig r;
	FILE *f;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_80);
	snprintf(away, sizeof(away), "%s.away", path);
	ck_assert_int_eq(rename(path, away), 0);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	f = fopen(at("a.yaml"), "w");
	ck_assert_ptr_nonnull(f);
	/* For longer than a new directory is given to be filled. */
	for (int i = 0; i < 20; i++) {
		fputs("# more to come\n", f);
		fflush(f);
		run_for(&r, NULL, 0.05);
		ck_assert_msg(is_80(&r), "half a file takes nothing away");
	}
	fputs(SVC("web", "81"), f);
	fclose(f);
	run_until(&r, is_81);
	rig_close(&r);
	snprintf(logged, sizeof(logged), "rm -rf %s", away);
	ck_assert_int_eq(system(logged), 0);
}
END_TEST

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

START_TEST(files)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	char *text = NULL;
	struct stat st;
	size_t len;

	ck_assert_int_eq(mkfifo(at("fifo.yaml"), 0644), 0);
	ck_assert_msg(dir_file_read(fd, "fifo.yaml", 10, &text, &len, &st) == -EINVAL,
	    "and does not hang");
	put("big.yaml", "12345678901");
	ck_assert_int_eq(dir_file_read(fd, "big.yaml", 10, &text, &len, &st), -EFBIG);
	ck_assert_int_eq(dir_file_read(fd, "none.yaml", 10, &text, &len, &st), -ENOENT);
	ck_assert_ptr_null(text);

	ck_assert_int_eq(dir_file_append(fd, "log", "123", 10), 0);
	ck_assert_int_eq(dir_file_append(fd, "log", "456", 10), 0);
	ck_assert_int_eq(dir_file_append(fd, "log", "789", 10), 0);
	text = get("log");
	ck_assert_str_eq(text, "789\n");
	free(text);
	text = get("log.1");
	ck_assert_str_eq(text, "123\n456\n");
	free(text);
	ck_assert_int_eq(dir_file_replace(fd, "log", "new"), 0);
	text = get("log");
	ck_assert_str_eq(text, "new");
	free(text);
	ck_assert_int_eq(mkdir(at("sub"), 0755), 0);
	ck_assert_int_eq(dir_file_replace(fd, "sub", "x"), -EISDIR);
	text = mem_printf("ls -A %s | grep -q '^[.]tmp'", path);
	ck_assert_msg(system(text) != 0, "a temporary is left");
	free(text);
	close(fd);
}
END_TEST

/* --- the Lease -------------------------------------------------------------- */

struct asked {
	unsigned ndone;
	int	error;
	char	text[512];
	struct lease_record record;
};

static void
on_lease(void *arg, int error, const char *text, const struct lease_record *record)
{
	struct asked *a = arg;

	a->ndone++;
	a->error = error;
	snprintf(a->text, sizeof(a->text), "%s", text);
	ck_assert_int_eq(record != NULL, error == 0);
	if (record != NULL)
		a->record = *record;
}

static struct asked
ask(struct rig *r, enum lease_do op, const char *holder, const char *version)
{
	struct lease_record record = { .duration_sec = 15 };
	struct asked a = { 0 };

	snprintf(record.holder, sizeof(record.holder), "%s", holder);
	snprintf(record.resource_version, sizeof(record.resource_version), "%s", version);
	kube_source_lease(r->src, op, "ns", "name", &record, on_lease, &a);
	ck_assert_msg(a.ndone == 0, "told from inside the call");
	while (a.ndone == 0)
		ev_run(r->loop, EVRUN_ONCE);
	return a;
}

/* Two controllers on one directory: who comes second is told so. */
START_TEST(lease)
{
	static const struct {
		const char *why;
		unsigned who;
		enum lease_do op;
		const char *holder, *version;
		int	error;
		const char *has;	/* the holder it then knows of */
	} steps[] = {
		{ "there is none", 0, LEASE_GET, "", "", -ENOENT, NULL },
		{ "nor one to update", 1, LEASE_UPDATE, "b", "1", -ENOENT, NULL },
		{ "the first makes it", 0, LEASE_CREATE, "a", "", 0, "a" },
		{ "the second cannot", 1, LEASE_CREATE, "b", "", -EEXIST, NULL },
		{ "but sees who did", 1, LEASE_GET, "", "", 0, "a" },
		{ "the first renews", 0, LEASE_UPDATE, "a", "1", 0, "a" },
		{ "the second is too late", 1, LEASE_UPDATE, "b", "1", -ESTALE, NULL },
		{ "the first lets go", 0, LEASE_UPDATE, "", "2", 0, "" },
		{ "the second takes over", 1, LEASE_UPDATE, "b", "3", 0, "b" },
		{ "the first sees it", 0, LEASE_GET, "", "", 0, "b" },
	};
	struct rig rigs[2];

	rig_open(&rigs[0]);
	rig_open(&rigs[1]);
	for (size_t i = 0; i < nitems(steps); i++) {
		struct asked a = ask(&rigs[steps[i].who], steps[i].op, steps[i].holder,
		    steps[i].version);

		ck_assert_msg(a.error == steps[i].error, "%s: %d %s", steps[i].why,
		    a.error, a.text);
		if (a.error == 0)
			ck_assert_msg(strcmp(a.record.holder, steps[i].has) == 0, "%s",
			    steps[i].why);
	}
	rig_close(&rigs[0]);
	rig_close(&rigs[1]);
}
END_TEST

START_TEST(lease_troubles)
{
	struct asked a;
	struct rig r;
	int fd;

	rig_open(&r);
	a = ask(&r, LEASE_CREATE, "a", "");
	ck_assert_int_eq(a.error, 0);
	/* Somebody stands still with the lock in hand: nobody waits for him. */
	fd = open(at(".status"), O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	a = ask(&r, LEASE_UPDATE, "a", "1");
	ck_assert_int_eq(a.error, -EIO);
	a = ask(&r, LEASE_GET, "", "");
	ck_assert_int_eq(a.error, 0);
	close(fd);
	a = ask(&r, LEASE_UPDATE, "a", "1");
	ck_assert_int_eq(a.error, 0);
	put(".status/ns_name.lease", "rubbish");
	a = ask(&r, LEASE_GET, "", "");
	ck_assert_int_eq(a.error, -EINVAL);
	ck_assert_msg(strstr(a.text, "ns_name.lease is no Lease: remove it") != NULL,
	    "%s", a.text);
	kube_source_lease(r.src, LEASE_GET, "ns", "name", NULL, on_lease, NULL);
	rig_close(&r);	/* and that one goes quietly */
}
END_TEST

/* --- reading anew ------------------------------------------------------------ */

static void
on_refreshed(void *arg)
{
	((struct asked *)arg)->ndone++;
}

/* What is there at the call is in the store when it is told. */
START_TEST(refresh)
{
	static const char status[] = "{\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[{\"ip\":\"192.0.2.7\"}]}}}";
	const struct kube_object *o;
	struct asked a = { 0 };
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_synced);
	run_until(&r, is_80);
	ck_assert_int_eq(mkdir(at(".status"), 0755), 0);
	put(".status/Service_default_web.json", status);
	kube_source_refresh(r.src, on_refreshed, &a);
	ck_assert_uint_eq(a.ndone, 0);
	while (a.ndone == 0)
		ev_run(r.loop, EVRUN_ONCE);
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_uint_eq(o->service.ningress, 1);
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
	tcase_add_test(tc, opening);
	tcase_add_test(tc, following);
	tcase_add_test(tc, a_file_that_nobody_knows);
	tcase_add_test(tc, links_that_are_turned);
	tcase_add_test(tc, a_lost_directory);
	tcase_add_test(tc, a_directory_that_is_being_filled);
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, a_status_survives_a_restart);
	tcase_add_test(tc, many_patches);
	tcase_add_test(tc, a_status_that_cannot_be_written);
	tcase_add_test(tc, reports);
	tcase_add_test(tc, bad_reports);
	tcase_add_test(tc, events);
	tcase_add_test(tc, files);
	tcase_add_test(tc, lease);
	tcase_add_test(tc, lease_troubles);
	tcase_add_test(tc, refresh);
	tcase_add_test(tc, cancelled_writes);
}

TEST_MAIN("kube dir source", fill)
