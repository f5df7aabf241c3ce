#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/elect.h"
#include "tests/check.h"

enum { NVIPS_MAX = 3000, NNODES_MAX = 100, ROUNDS = 200 };

static char names_buf[NNODES_MAX][8];
static const char *names[NNODES_MAX];
static uint32_t everyone[NNODES_MAX], all_but_first[NNODES_MAX];

static void
make_names(void)
{
	for (uint32_t i = 0; i < NNODES_MAX; i++) {
		snprintf(names_buf[i], sizeof(names_buf[i]), "n%u", i);
		names[i] = names_buf[i];
		everyone[i] = i;
		all_but_first[i] = i + 1;
	}
}

/* n VIPs of round `r`, the same candidates for all. */
static void
make_vips(struct elect_vip *v, uint32_t r, uint32_t n, const uint32_t *candidates,
    uint32_t ncandidates)
{
	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct elect_vip){ .vip = ip_from_v4(0x0a000000 + (r << 12) + i),
		    .candidates = candidates, .ncandidates = ncandidates };
}

static void
elect(struct elect_vip *v, size_t n)
{
	struct arena scratch = { NULL };

	elect_owners(v, n, names, NNODES_MAX, &scratch);
	arena_fini(&scratch);
}

static unsigned
most_held(const struct elect_vip *v, size_t n)
{
	unsigned held[NNODES_MAX] = { 0 }, most = 0;

	for (size_t i = 0; i < n; i++)
		held[v[i].owner]++;
	for (size_t i = 0; i < NNODES_MAX; i++)
		most = held[i] > most ? held[i] : most;
	return most;
}

/* Of the n in both, those whose owner differs and was not `gone`. */
static unsigned
moved(const struct elect_vip *a, const struct elect_vip *b, size_t n, uint32_t gone)
{
	unsigned m = 0;

	for (size_t i = 0; i < n; i++)
		m += a[i].owner != b[i].owner && a[i].owner != gone;
	return m;
}

START_TEST(nobody)
{
	struct elect_vip v = { .vip = ip_from_v4(1), .owner = 7 };

	make_names();
	elect(&v, 1);
	ck_assert_uint_eq(v.owner, ELECT_NOBODY);
}
END_TEST

/*
 * The most that one node holds in any of 200 sets of VIPs, and how many VIPs move
 * for the bound's sake alone, on average: when a node leaves (its own VIPs not
 * counted), and when one VIP is added.
 */
static const struct {
	const char *why;
	uint32_t nvips, nnodes;
	unsigned most;			/* that one node holds, ever */
	unsigned leave, add;		/* at most, in hundredths of a VIP */
} spreads[] = {
	{ "the yardstick: 1.25 times the fair share of 60", 300, 5, 75, 20, 10 },
	{ "few VIPs: one and a half", 10, 5, 3, 45, 40 },
	{ "fewer VIPs than nodes: one each", 3, 5, 1, 15, 50 },
	{ "as many: two at most", 5, 5, 2, 15, 25 },
	{ "two nodes", 20, 2, 13, 0, 10 },
	{ "three", 100, 3, 42, 20, 10 },
	{ "a rack", 1000, 40, 32, 300, 20 },
	{ "many VIPs: the hash alone is even enough", 3000, 5, 700, 0, 0 },
};

START_TEST(spread)
{
	static struct elect_vip was[NVIPS_MAX], is[NVIPS_MAX + 1];
	uint32_t n = spreads[_i].nvips, nodes = spreads[_i].nnodes;
	unsigned most = 0, leave = 0, add = 0;

	make_names();
	for (uint32_t r = 0; r < ROUNDS; r++) {
		make_vips(was, r, n, everyone, nodes);
		elect(was, n);
		most = most_held(was, n) > most ? most_held(was, n) : most;
		make_vips(is, r, n, all_but_first, nodes - 1);
		elect(is, n);
		leave += moved(was, is, n, 0);
		make_vips(is, r, n + 1, everyone, nodes);
		elect(is, n + 1);
		add += moved(was, is, n, ELECT_NOBODY);
	}
	if (getenv("ELECT_PRINT") != NULL)
		printf("%u VIPs on %u: most %u, leave %.2f, add %.2f\n", n, nodes, most,
		    (double)leave / ROUNDS, (double)add / ROUNDS);
	ck_assert_msg(most <= spreads[_i].most, "%s: one held %u", spreads[_i].why, most);
	ck_assert_msg(leave * 100 <= spreads[_i].leave * ROUNDS, "%s: %u moved in %u "
	    "departures", spreads[_i].why, leave, ROUNDS);
	ck_assert_msg(add * 100 <= spreads[_i].add * ROUNDS, "%s: %u moved in %u "
	    "additions", spreads[_i].why, add, ROUNDS);
}
END_TEST

START_TEST(order_does_not_matter)
{
	uint32_t turned[NNODES_MAX];
	struct elect_vip a[300], b[300];

	make_names();
	for (uint32_t i = 0; i < 5; i++)
		turned[i] = 4 - i;
	for (uint32_t r = 0; r < ROUNDS; r++) {
		make_vips(a, r, 12, everyone, 5);
		make_vips(b, r, 12, turned, 5);
		for (size_t i = 0; i < 6; i++) {
			struct elect_vip t = b[i];

			b[i] = b[11 - i];
			b[11 - i] = t;
		}
		elect(a, 12);
		elect(b, 12);
		for (size_t i = 0; i < 12; i++)
			ck_assert_uint_eq(a[i].owner, b[11 - i].owner);
	}
}
END_TEST

/*
 * Candidates that differ from VIP to VIP, as externalTrafficPolicy Local makes
 * them: two of ten each, one in five VIPs only one.
 */
START_TEST(different_candidates)
{
	uint32_t pairs[300][2];
	struct elect_vip v[300];

	make_names();
	for (uint32_t r = 0; r < ROUNDS; r++) {
		double share[10] = { 0 };
		unsigned held[10] = { 0 };

		make_vips(v, r, 300, NULL, 0);
		for (uint32_t i = 0; i < 300; i++) {
			uint64_t x = hash_bytes(&v[i].vip, sizeof(v[i].vip), 99);

			pairs[i][0] = (uint32_t)(x % 10);
			pairs[i][1] = (uint32_t)((pairs[i][0] + 1 + (x >> 32) % 9) % 10);
			v[i].candidates = pairs[i];
			v[i].ncandidates = i % 5 == 0 ? 1 : 2;
			share[pairs[i][0]] += v[i].ncandidates == 1 ? 1 : 0.5;
			share[pairs[i][1]] += v[i].ncandidates == 1 ? 0 : 0.5;
		}
		elect(v, 300);
		for (size_t i = 0; i < 300; i++) {
			ck_assert(v[i].owner == pairs[i][0] || (v[i].owner == pairs[i][1]
			    && v[i].ncandidates == 2));
			held[v[i].owner]++;
		}
		for (size_t i = 0; i < 10; i++)
			ck_assert_msg(held[i] <= share[i] * 1.25 + 1,
			    "n%zu holds %u, its share is %.1f", i, held[i], share[i]);
	}
}
END_TEST

/*
 * Those that are kept where they were elected move no other, however many they
 * are: the news that they are kept comes one by one.
 */
START_TEST(kept)
{
	static const struct { uint32_t nvips, nnodes; } sizes[] = {
		{ 2, 3 }, { 10, 3 }, { 300, 5 } };
	static struct elect_vip all[300], some[300];

	make_names();
	for (size_t s = 0; s < nitems(sizes); s++) {
		for (uint32_t r = 0; r < ROUNDS; r++) {
			uint32_t n = sizes[s].nvips;

			make_vips(all, r, n, everyone, sizes[s].nnodes);
			elect(all, n);
			for (uint32_t i = 0; i < n; i++) {
				some[i] = all[i];
				some[i].is_kept = hash_bytes(&(uint32_t[]){ r, i }, 8, 0) % 3 == 0;
				if (!some[i].is_kept)
					some[i].owner = 77;
			}
			elect(some, n);
			ck_assert_uint_eq(moved(all, some, n, ELECT_NOBODY), 0);
		}
	}
	/* Kept with one who has too many: it stays, and counts. */
	make_vips(all, 0, 4, everyone, 2);
	for (uint32_t i = 0; i < 3; i++) {
		all[i].is_kept = true;
		all[i].owner = 0;
	}
	elect(all, 4);
	ck_assert(all[0].owner == 0 && all[1].owner == 0 && all[2].owner == 0);
	ck_assert_uint_eq(all[3].owner, 1);
}
END_TEST

START_TEST(all_candidates_full)
{
	static const uint32_t first[] = { 0 }, both[] = { 0, 1 };
	struct elect_vip v[40];
	unsigned n0 = 0;

	/* n0's room goes to the 36 that have no other; the rest find n1. */
	make_names();
	make_vips(v, 0, 40, first, 1);
	for (size_t i = 36; i < 40; i++)
		v[i].candidates = both, v[i].ncandidates = 2;
	elect(v, 40);
	for (size_t i = 0; i < 40; i++) {
		ck_assert(v[i].owner != ELECT_NOBODY);
		n0 += v[i].owner == 0;
	}
	ck_assert_uint_ge(n0, 36);
}
END_TEST

START_TEST(same_in_every_release)
{
	static const uint32_t owners[] = { 3, 2, 3, 4, 2, 4, 1, 0 };
	struct elect_vip v[8];

	make_names();
	make_vips(v, 7, 7, everyone, 5);
	v[7] = v[6];
	ip_parse("fd00::7", &v[7].vip);
	elect(v, 8);
	for (size_t i = 0; i < 8; i++)
		ck_assert_msg(v[i].owner == owners[i], "%s has gone to n%u",
		    IP_STR(&v[i].vip), v[i].owner);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, nobody);
	tcase_add_loop_test(tc, spread, 0, nitems(spreads));
	tcase_add_test(tc, order_does_not_matter);
	tcase_add_test(tc, different_candidates);
	tcase_add_test(tc, kept);
	tcase_add_test(tc, all_candidates_full);
	tcase_add_test(tc, same_in_every_release);
}

TEST_MAIN("elect", fill)
