/*
 * Two controllers on one directory, in one process and on one loop: one of
 * them gives addresses, and the other when that one is stopped or gone. Waits
 * for a thing to come about, never for time to pass but where it must be seen
 * not to happen.
 */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/controller_io.h"
#include "kube/lease_encode.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "tests/check.h"

static const double LIMIT_SEC = 20.;

static char path[64];
static struct ev_loop *loop;
static bool is_late;

static void
put(const char *file, const char *text)
{
	char name[256];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s", path, file);
	f = fopen(name, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
put_service(const char *name)
{
	char text[256], file[64];

	snprintf(text, sizeof(text), "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\n"
	    "spec: {type: LoadBalancer, ports: [{port: 80}]}\n", name);
	snprintf(file, sizeof(file), "%s.yaml", name);
	put(file, text);
}

static void
drop_line(void *arg, const char *line, size_t len)
{
	(void)arg;
	(void)line;
	(void)len;
}

static void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/herald-leader-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	put("pool.yaml", "apiVersion: heraldlb.io/v1beta1\nkind: IPAddressPool\n"
	    "metadata: {name: p, namespace: herald-system}\n"
	    "spec: {addresses: [192.0.2.0/24]}\n");
	loop = ev_loop_new(0);
	log_set_sink(drop_line, NULL);
}

static void
teardown(void)
{
	char cmd[128];

	log_set_sink(NULL, NULL);
	ev_loop_destroy(loop);
	metrics_fini();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	ck_assert_int_eq(system(cmd), 0);
}

static struct controller *
start(bool is_elected)
{
	struct controller_conf conf = { .leader = { .is_elected = is_elected,
	    .name = "lead", .ns = "ns", .duration_sec = 1 } };
	struct kube_error err = { "" };
	struct controller *c;
	char spec[128];

	snprintf(spec, sizeof(spec), "dir:%s", path);
	conf.source.spec = spec;
	conf.source.ns = "herald-system";
	c = controller_new(loop, &conf, &err);
	ck_assert_msg(c != NULL, "%s", err.text);
	return c;
}

/* Has the Service an address? */
static bool
has_address(const char *name)
{
	char file[256], text[512] = "";
	FILE *f;

	snprintf(file, sizeof(file), "%s/.status/Service_default_%s.json", path, name);
	f = fopen(file, "r");
	if (f == NULL)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	return strstr(text, "192.0.2.") != NULL;
}

static void
read_lease(struct lease_record *ret)
{
	char file[256], text[1024] = "";
	FILE *f;

	snprintf(file, sizeof(file), "%s/.status/ns_lead.lease", path);
	f = fopen(file, "r");
	ck_assert_ptr_nonnull(f);
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	ck_assert_int_eq(lease_decode(text, strlen(text), ret), 0);
}

static void
on_late(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)l;
	(void)t;
	(void)revents;
	is_late = true;
}

/* Run until the Service has an address; false where that takes longer. */
static bool
run_until_given(const char *name, double limit_sec)
{
	ev_timer guard;

	is_late = false;
	ev_timer_init(&guard, on_late, limit_sec, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &guard);
	while (!is_late && !has_address(name))
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &guard);
	return has_address(name);
}

static void
on_stopped(void *arg)
{
	*(bool *)arg = true;
}

static void
stop(struct controller *c)
{
	bool is_stopped = false;

	controller_stop(c, on_stopped, &is_stopped);
	while (!is_stopped)
		ev_run(loop, EVRUN_ONCE);
	controller_free(c);
}

START_TEST(handover)
{
	struct lease_record first, second;
	struct controller *a, *b;

	put_service("one");
	a = start(true);
	ck_assert(run_until_given("one", LIMIT_SEC));
	read_lease(&first);
	ck_assert_uint_eq(first.duration_sec, 1);
	ck_assert_msg(strchr(first.holder, '_') != NULL, "HOST_UUID, not %s", first.holder);
	b = start(true);
	put_service("two");
	ck_assert(run_until_given("two", LIMIT_SEC));
	read_lease(&second);
	ck_assert_msg(strcmp(first.holder, second.holder) == 0, "the first goes on");

	stop(a);
	read_lease(&second);
	ck_assert_msg(strcmp(first.holder, second.holder) != 0, "it has let go");
	put_service("three");
	ck_assert(run_until_given("three", LIMIT_SEC));
	read_lease(&second);
	ck_assert_msg(second.holder[0] != '\0' &&
	    strcmp(first.holder, second.holder) != 0, "the second leads");
	ck_assert_uint_eq(second.transitions, first.transitions + 1);
	stop(b);
	read_lease(&second);
	ck_assert_str_eq(second.holder, "");
}
END_TEST

/* Gone without a word: nobody writes before the Lease has ended. */
START_TEST(gone)
{
	struct controller *a, *b;

	put_service("one");
	a = start(true);
	ck_assert(run_until_given("one", LIMIT_SEC));
	b = start(true);
	ck_assert_msg(!run_until_given("two", 0.3), "there is no such Service");
	controller_free(a);
	put_service("two");
	ck_assert_msg(!run_until_given("two", 0.2), "written while the Lease lasts");
	ck_assert(run_until_given("two", LIMIT_SEC));
	stop(b);
}
END_TEST

/* Without an election there is no Lease, and nothing to wait for. */
START_TEST(alone)
{
	struct controller *c;
	char file[256];

	put_service("one");
	c = start(false);
	ck_assert(run_until_given("one", LIMIT_SEC));
	snprintf(file, sizeof(file), "%s/.status/ns_lead.lease", path);
	ck_assert_int_ne(access(file, F_OK), 0);
	stop(c);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, handover);
	tcase_add_test(tc, gone);
	tcase_add_test(tc, alone);
}

TEST_MAIN("leader", fill)
