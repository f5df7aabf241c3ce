/* A table mended in single places, and when two services count as the same. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/diff.h"
#include "ipvs/table.h"
#include "tests/check.h"

static struct ipvs_vs
vs(uint16_t port)
{
	return (struct ipvs_vs){ .key = { .vip = ip_from_v4(0x0a000032),
		.family = IP_V4, .proto = IPPROTO_TCP, .port = port }, .sched = "mh" };
}

static struct ipvs_table
table(void)
{
	static const uint16_t ports[] = { 443, 80, 8080 };
	struct ipvs_table t = { 0 };

	for (size_t i = 0; i < nitems(ports); i++)
		*ipvs_table_add(&t) = vs(ports[i]);
	ipvs_table_sort(&t);
	return t;
}

static const struct {
	const char *why;
	uint16_t put, remove;	/* ports; 0: do not */
	const char *want;
} mends[] = {
	{ "a service there is replaced", 443, 0, "80 443* 8080" },
	{ "a new one comes in its place", 90, 0, "80 90* 443 8080" },
	{ "the first is taken away", 0, 80, "443 8080" },
	{ "the last is taken away", 0, 8080, "80 443" },
	{ "one that is not there is no matter", 0, 81, "80 443 8080" },
};

START_TEST(mends_in_place)
{
	struct ipvs_table t = table();
	struct ipvs_vs new = vs(mends[_i].put), gone = vs(mends[_i].remove);
	char text[64] = "";

	new.timeout_sec = 1;
	if (mends[_i].put != 0)
		ipvs_table_put(&t, &new);
	if (mends[_i].remove != 0)
		ipvs_table_remove(&t, &gone.key);
	for (size_t i = 0; i < t.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u%s",
		    i > 0 ? " " : "", t.vs[i].key.port,
		    t.vs[i].timeout_sec != 0 ? "*" : "");
	ck_assert_msg(strcmp(text, mends[_i].want) == 0, "%s: %s", mends[_i].why, text);
	ipvs_table_fini(&t);
}
END_TEST

START_TEST(removing_from_nothing)
{
	struct ipvs_table t = { 0 };
	struct ipvs_vs gone = vs(80);

	ipvs_table_remove(&t, &gone.key);
	ck_assert_uint_eq(t.n, 0);
}
END_TEST

static const struct {
	const char *why;
	const char *sched;
	uint16_t weight, slots;
	size_t	nrs;
	bool	is_equal;
} pairs[] = {
	{ "the same", "mh", 1, 1, 1, true },
	{ "slots do not count while it has a weight", "mh", 1, 0, 1, true },
	{ "another scheduler", "rr", 1, 1, 1, false },
	{ "another weight", "mh", 2, 2, 1, false },
	{ "none of the endpoints", "mh", 1, 1, 0, false },
};

START_TEST(what_counts_as_equal)
{
	struct ipvs_rs ours = { .ip = ip_from_v4(0x0a010002), .port = 80, .weight = 1,
		.slots = 1 }, theirs = ours;
	struct ipvs_vs want = vs(80), have = vs(80);

	theirs.weight = pairs[_i].weight;
	theirs.slots = pairs[_i].slots;
	want.rs = &ours;
	want.nrs = 1;
	have.rs = &theirs;
	have.nrs = pairs[_i].nrs;
	snprintf(have.sched, sizeof(have.sched), "%s", pairs[_i].sched);
	ck_assert_msg(ipvs_vs_is_equal(&want, &have) == pairs[_i].is_equal, "%s",
	    pairs[_i].why);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, mends_in_place, 0, nitems(mends));
	tcase_add_test(tc, removing_from_nothing);
	tcase_add_loop_test(tc, what_counts_as_equal, 0, nitems(pairs));
}

TEST_MAIN("table", fill)
