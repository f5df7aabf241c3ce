/* Leases of the dir source. */
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/kube/dir_rig.h"

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

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lease);
	tcase_add_test(tc, lease_troubles);
}

TEST_MAIN("kube dir source, Lease", fill)
