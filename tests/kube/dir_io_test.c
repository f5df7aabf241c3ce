/* The dir source on a real directory: manifests that come, change and go. */
#include <errno.h>
#include <unistd.h>

#include "tests/kube/dir_rig.h"

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

static void
on_refreshed(void *arg)
{
	++*(int *)arg;
}

/* What is there at the call is in the store when it is told. */
START_TEST(refresh)
{
	static const char status[] = "{\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[{\"ip\":\"192.0.2.7\"}]}}}";
	const struct kube_object *o;
	int ntold = 0;
	struct rig r;

	put("a.yaml", SVC("web", "80"));
	rig_open(&r);
	run_until(&r, is_synced);
	run_until(&r, is_80);
	ck_assert_int_eq(mkdir(at(".status"), 0755), 0);
	put(".status/Service_default_web.json", status);
	kube_source_refresh(r.src, on_refreshed, &ntold);
	ck_assert_int_eq(ntold, 0);
	while (ntold == 0)
		ev_run(r.loop, EVRUN_ONCE);
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_uint_eq(o->service.ningress, 1);
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
	tcase_add_test(tc, files);
	tcase_add_test(tc, refresh);
}

TEST_MAIN("kube dir source", fill)
