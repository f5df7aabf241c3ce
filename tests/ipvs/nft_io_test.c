/*
 * Our tables in a real kernel, in a network namespace of the test's own:
 * loaded, adopted, changed by the difference, noticed when others alter them.
 * Where the kernel has no nftables, or namespaces are not allowed, the program
 * says so and is skipped; the lab shows the same with packets.
 */
#include <check.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipvs/nft_io.h"
#include "lib/mem.h"
#include "tests/check.h"

/* Into a network namespace of our own; is there nftables in it? */
static bool
enter(void)
{
	struct nft_ctx *ctx;
	bool has_nft;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	nft_ctx_buffer_error(ctx);
	has_nft = nft_run_cmd_from_buffer(ctx,
	    "add table inet probe; delete table inet probe") == 0;
	nft_ctx_free(ctx);
	return has_nft;
}

/* Runs in the child that Check forks for each test. */
static void
enter_namespace(void)
{
	ck_assert_msg(enter(), "a namespace of its own for each test");
}

/* What another program might do. */
static void
others(const char *command)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	ck_assert_int_eq(nft_run_cmd_from_buffer(ctx, command), 0);
	nft_ctx_free(ctx);
}

static bool
is_listed(const char *command, const char *word)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	bool is;

	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	is = nft_run_cmd_from_buffer(ctx, command) == 0 &&
	    strstr(nft_ctx_get_output_buffer(ctx), word) != NULL;
	nft_ctx_free(ctx);
	return is;
}

static struct ip
addr(const char *s)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(s, &a), 0);
	return a;
}

static struct nft_rules
rules(void)
{
	return (struct nft_rules){ .table = "herald", .host_if = "herald0",
		.fwmark = 0x10, .node4 = addr("10.0.0.1"), .node6 = addr("fd00::1"),
		.mtu = 1500 };
}

/* n elements in every set of both families. */
static struct nft_state
state(unsigned n)
{
	struct nft_state s = { 0 };

	for (unsigned id = 0; id < NFT_NSETS; id++)
		for (unsigned i = 0; i < n * 2; i++) {
			enum nft_form form = nft_set_defs[id].form;
			struct nft_elem e = { .addr = addr(i % 2 ? "fd00::50" :
				"10.0.0.50") };

			e.addr.b[i % 2 ? 15 : 3] = (uint8_t)(i / 2);
			if (form != NFT_ADDR && form != NFT_INNER) {
				e.proto = IPPROTO_UDP;
				e.port = (uint16_t)(80 + i);
			}
			if (form == NFT_SOURCE)
				e.source = prefix_make(&e.addr, i % 3 == 0 ? 0 : 30);
			if (form >= NFT_MARK)
				e.mark = 0x80000000 + i;
			if (form == NFT_MARK_ADDR || form == NFT_MARK_PORT)
				e.proto = 0;
			if (form == NFT_MARK_ADDR)
				e.port = 0;
			if (form == NFT_MARK_PORT)
				e.addr = (struct ip){ .family = e.addr.family };
			nft_state_add(&s, (enum nft_set_id)id, &e);
		}
	nft_state_sort(&s);
	return s;
}

static struct nft_state have;		/* what n is to know of the table */

static struct nft_io *
reopen(struct nft_io *n, enum nft_side side)
{
	struct director_error err;

	nft_io_close(n);
	nft_state_fini(&have);
	ck_assert_int_eq(nft_io_open(side, "herald", &have, &n, &err), 0);
	return n;
}

static void
close_and_forget(struct nft_io *n)
{
	nft_io_close(n);
	nft_state_fini(&have);
}

static struct nft_result
sync_to(struct nft_io *n, const struct nft_state *want, enum nft_step step)
{
	struct nft_rules r = rules();
	struct director_error err = { "" };
	struct nft_result res;
	int rc = nft_io_sync(n, &r, want, step, &res, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	return res;
}

START_TEST(loaded_once_then_adopted)
{
	enum nft_side side = (enum nft_side)_i;
	struct nft_state want = state(20);
	struct nft_io *n;

	n = reopen(NULL, side);
	ck_assert(sync_to(n, &want, NFT_EXACT).has_committed);
	ck_assert_msg(nft_state_is_equal(&have, &want, side), "and is known");
	ck_assert_msg(!sync_to(n, &want, NFT_EXACT).has_committed, "nothing new");
	nft_io_recheck(n);
	ck_assert_msg(!sync_to(n, &want, NFT_EXACT).has_committed, "read back");
	n = reopen(n, side);
	ck_assert_msg(!sync_to(n, &want, NFT_EXACT).has_committed, "adopted");
	close_and_forget(n);
	nft_state_fini(&want);
}
END_TEST

START_TEST(grows_then_shrinks)
{
	enum nft_side side = (enum nft_side)_i;
	struct nft_state few = state(2), many = state(5);
	struct nft_io *n;

	n = reopen(NULL, side);
	sync_to(n, &many, NFT_EXACT);
	ck_assert_msg(!sync_to(n, &few, NFT_ADD_ONLY).has_committed,
	    "nothing to add, and nothing is removed yet");
	ck_assert(sync_to(n, &few, NFT_EXACT).has_committed);
	n = reopen(n, side);
	ck_assert_msg(!sync_to(n, &few, NFT_EXACT).has_committed,
	    "the kernel has what we think it has");
	close_and_forget(n);
	nft_state_fini(&few);
	nft_state_fini(&many);
}
END_TEST

static const struct {
	const char *why;
	const char *command;
} meddling[] = {
	{ "everything flushed", "flush ruleset" },
	{ "the table deleted", "delete table inet herald" },
	{ "a chain emptied", "flush chain inet herald raw_in" },
	{ "a rule inserted", "insert rule inet herald raw_out drop" },
	{ "a chain added", "add chain inet herald other" },
	{ "a set emptied", "flush set inet herald vips4" },
	{ "an element added", "add element inet herald vips4 { 192.0.2.1 }" },
};

START_TEST(meddling_is_put_right)
{
	struct nft_state want = state(3);
	struct nft_result res;
	struct nft_io *n;

	n = reopen(NULL, NFT_HOST);
	sync_to(n, &want, NFT_EXACT);
	others(meddling[_i].command);
	nft_io_recheck(n);
	res = sync_to(n, &want, NFT_EXACT);
	ck_assert_msg(res.has_committed && res.has_repaired, "%s: put right, counted",
	    meddling[_i].why);
	n = reopen(n, NFT_HOST);
	ck_assert_msg(!sync_to(n, &want, NFT_EXACT).has_committed, "%s: as it was",
	    meddling[_i].why);
	close_and_forget(n);
	nft_state_fini(&want);
}
END_TEST

START_TEST(foreign_tables_are_left_alone)
{
	struct nft_state want = state(3);
	struct director_error err;
	struct nft_io *n;

	others("add table ip hostile; add chain ip hostile c; "
	    "add rule ip hostile c ip daddr 10.0.0.50 drop");
	n = reopen(NULL, NFT_HOST);
	sync_to(n, &want, NFT_EXACT);
	ck_assert_int_eq(nft_io_remove(n, &err), 0);
	ck_assert_int_eq(nft_io_remove(n, &err), 0);	/* fine twice */
	ck_assert(is_listed("list table ip hostile", "10.0.0.50 drop"));
	ck_assert(!is_listed("list tables", "inet herald"));
	close_and_forget(n);
	nft_state_fini(&want);
}
END_TEST

START_TEST(other_rules_are_loaded_anew)
{
	struct nft_state want = state(3);
	struct nft_rules r = rules();
	struct director_error err;
	struct nft_result res;
	struct nft_io *n;

	n = reopen(NULL, NFT_HOST);
	sync_to(n, &want, NFT_EXACT);
	r.node4 = addr("10.0.0.9");
	ck_assert_int_eq(nft_io_sync(n, &r, &want, NFT_EXACT, &res, &err), 0);
	ck_assert_msg(res.has_committed && !res.has_repaired, "our change, no repair");
	ck_assert(is_listed("list chain inet herald tunnel_source", "10.0.0.9"));
	ck_assert(!is_listed("list chain inet herald tunnel_source", "10.0.0.1"));
	close_and_forget(n);
	nft_state_fini(&want);
}
END_TEST

START_TEST(refused_change_is_reported_and_not_believed)
{
	struct nft_state want = state(1), twice = state(2);
	struct nft_rules r = rules();
	struct director_error err = { "" };
	struct nft_result res;
	struct nft_io *n;

	n = reopen(NULL, NFT_HOST);
	sync_to(n, &want, NFT_EXACT);
	/* Behind our back, so that our difference does not apply. */
	others("delete table inet herald");
	ck_assert_int_lt(nft_io_sync(n, &r, &twice, NFT_EXACT, &res, &err), 0);
	ck_assert(!res.has_committed);
	ck_assert_ptr_nonnull(strstr(err.text, "nft table inet herald (host)"));
	ck_assert_msg(sync_to(n, &twice, NFT_EXACT).has_repaired, "the next one looks");
	close_and_forget(n);
	nft_state_fini(&want);
	nft_state_fini(&twice);
}
END_TEST

/* n addresses of either family in each of the host's sets. */
static struct nft_state
many(unsigned n)
{
	struct nft_state s = { 0 };

	for (unsigned id = NFT_HOST_CLIENTS; id <= NFT_HOST_VIPS; id++)
		for (unsigned i = 0; i < n * 2; i++) {
			struct nft_elem e = { .addr = addr(i % 2 ? "fd00::" : "10.0.0.0") };

			e.addr.b[i % 2 ? 14 : 2] = (uint8_t)(i / 2 >> 8);
			e.addr.b[i % 2 ? 15 : 3] = (uint8_t)(i / 2);
			nft_state_add(&s, (enum nft_set_id)id, &e);
		}
	nft_state_sort(&s);
	return s;
}

START_TEST(many_elements_come_in_pieces)
{
	struct nft_state want = many(800), none = { 0 };
	struct nft_io *n;
	uint32_t ncommits;

	n = reopen(NULL, NFT_HOST);
	sync_to(n, &want, NFT_EXACT);
	ck_assert_uint_gt(nft_io_commits(n), 3);
	n = reopen(n, NFT_HOST);
	ck_assert_msg(!sync_to(n, &want, NFT_EXACT).has_committed, "and all are there");
	sync_to(n, &none, NFT_EXACT);
	ck_assert_uint_gt(nft_io_commits(n), 3);
	n = reopen(n, NFT_HOST);
	ck_assert_msg(!sync_to(n, &none, NFT_EXACT).has_committed, "and all are gone");

	sync_to(n, &want, NFT_EXACT);
	others("add chain inet herald other");
	nft_io_recheck(n);
	ncommits = nft_io_commits(n);
	ck_assert(sync_to(n, &want, NFT_EXACT).has_repaired);
	ck_assert_msg(nft_io_commits(n) == ncommits + 2,
	    "a table that steers packets is never without them: load, seal");
	close_and_forget(n);
	nft_state_fini(&want);
}
END_TEST

START_TEST(half_a_change_is_finished_by_the_next_sync)
{
	struct nft_state most = many(800), few = state(1);
	struct nft_rules r = rules();
	struct director_error err = { "" };
	struct nft_result res;
	struct nft_io *n;

	n = reopen(NULL, NFT_HOST);
	sync_to(n, &most, NFT_EXACT);
	/* Behind our back, so that the last transaction does not apply. */
	others("delete element inet herald clients4 { 10.0.0.7 }");
	ck_assert_int_lt(nft_io_sync(n, &r, &few, NFT_EXACT, &res, &err), 0);
	ck_assert_msg(res.has_committed, "those before it do");
	ck_assert(!nft_io_is_settled(n));
	res = sync_to(n, &few, NFT_EXACT);
	ck_assert_msg(res.has_committed && !res.has_repaired,
	    "what differed was our own doing, too");
	n = reopen(n, NFT_HOST);
	ck_assert_msg(!sync_to(n, &few, NFT_EXACT).has_committed, "and is right now");
	close_and_forget(n);
	nft_state_fini(&most);
	nft_state_fini(&few);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, enter_namespace, NULL);
	tcase_add_loop_test(tc, loaded_once_then_adopted, 0, 2);
	tcase_add_loop_test(tc, grows_then_shrinks, 0, 2);
	tcase_add_loop_test(tc, meddling_is_put_right, 0, nitems(meddling));
	tcase_add_test(tc, foreign_tables_are_left_alone);
	tcase_add_test(tc, other_rules_are_loaded_anew);
	tcase_add_test(tc, refused_change_is_reported_and_not_believed);
	tcase_add_test(tc, many_elements_come_in_pieces);
	tcase_add_test(tc, half_a_change_is_finished_by_the_next_sync);
}

/* As TEST_MAIN(), but first see in a child whether there is a kernel to test. */
int
main(void)
{
	Suite *suite = suite_create("ipvs/nft_io");
	TCase *tc = tcase_create("nft_io");
	SRunner *runner;
	pid_t child = fork();
	int status, failed;

	if (child == 0)
		_exit(enter() ? 0 : 77);
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
		puts("no nftables in a network namespace here");
		return 77;
	}
	fill(tc);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
