/* Who serves of more endpoints than mh's table takes: how many, and how few move. */
#include <string.h>

#include "ipvs/subset.h"
#include "tests/check.h"

enum { MOST = IPVS_MH_MOST, MANY = 10000 };

static struct ipvs_endpoint all[MANY], some[MANY];

static size_t
fill_all(size_t n, size_t nready, size_t nhere, size_t ngone)
{
	for (size_t i = 0; i < n; i++) {
		/* Spread those that differ over the whole. */
		size_t k = i * 7919 % n;

		all[i] = (struct ipvs_endpoint){
			.ip = ip_from_v4((uint32_t)(0x0a000000 + i)), .port = 80,
			.weight = k < nready, .drain_weight = 1,
			.reach = k < nhere ? IPVS_REACH_LOCAL : IPVS_REACH_TUNNEL,
			.life = k >= n - ngone ? IPVS_GONE : IPVS_LIVES,
		};
	}
	return n;
}

/* The subset of all[0..n) into some[]; checks that it is one, and in order. */
static size_t
choose(const struct ipvs_service *s, size_t n)
{
	size_t k, i = 0;

	memcpy(some, all, n * sizeof(all[0]));
	k = ipvs_subset_choose(s, some, n);
	for (size_t j = 0; j < k; j++, i++) {
		while (i < n && !ip_eq(&all[i].ip, &some[j].ip))
			i++;
		ck_assert_msg(i < n, "one that was not given, twice, or out of order");
		ck_assert_uint_eq(some[j].weight, all[i].weight);
	}
	return k;
}

static size_t
count_ready(const struct ipvs_endpoint *eps, size_t n)
{
	size_t nready = 0;

	for (size_t i = 0; i < n; i++)
		nready += eps[i].weight > 0;
	return nready;
}

static const struct {
	const char *why;
	size_t	n, nready, nhere, ngone;
	bool	is_local_only;
	size_t	nchosen, nready_least;
} rows[] = {
	{ "as many as fit: all", MOST, 100, 0, 0, false, MOST, 100 },
	{ "one more", MOST + 1, MOST + 1, 0, 0, false, MOST, MOST },
	{ "10,000", 10000, 10000, 0, 0, false, MOST, MOST },
	{ "few are ready: all of those", 10000, 20, 0, 0, false, MOST, 20 },
	{ "half the places at least are for those that are", 10000, 1500, 0, 0, false, MOST,
	    MOST / 2 },
	{ "none is ready: the table is the same when they are", 10000, 0, 0, 0, false,
	    MOST, 0 },
	{ "policy Local: the others are not in the table", 10000, 10000, 250, 0, true, 10000,
	    10000 },
	{ "policy Local, and too many here", 10000, 10000, 3000, 0, true, 7000 + MOST,
	    7000 + MOST },
	{ "nor are those that are gone", 3000, 2000, 0, 1000, false, 3000, 2000 },
};

START_TEST(how_many)
{
	const struct ipvs_service s = { .name = "d/s:80/TCP",
		.is_local_only = rows[_i].is_local_only };
	size_t n = fill_all(rows[_i].n, rows[_i].nready, rows[_i].nhere, rows[_i].ngone);
	size_t k = choose(&s, n);
	struct ipvs_service with = s;

	ck_assert_msg(k == rows[_i].nchosen, "%s: %zu", rows[_i].why, k);
	ck_assert_msg(count_ready(some, k) >= rows[_i].nready_least, "%s: %zu are ready",
	    rows[_i].why, count_ready(some, k));
	with.endpoints = some;
	with.nendpoints = k;
	ck_assert_uint_le(ipvs_subset_size(&with), MOST);
}
END_TEST

/* How many of the subset chosen from all[0..n) are not in before[0..nbefore). */
static size_t
count_new(const struct ipvs_service *s, size_t n, const struct ipvs_endpoint *before,
    size_t nbefore)
{
	size_t k = choose(s, n), nnew = 0, i = 0;

	for (size_t j = 0; j < k; j++) {
		while (i < nbefore && ip_cmp(&before[i].ip, &some[j].ip) < 0)
			i++;
		nnew += i == nbefore || !ip_eq(&before[i].ip, &some[j].ip);
	}
	return nnew;
}

START_TEST(little_moves)
{
	const struct ipvs_service s = { .name = "d/s:80/TCP" },
		other = { .name = "d/other:80/TCP" };
	static struct ipvs_endpoint before[MANY];
	size_t n = fill_all(MANY, MANY, 0, 0), k = choose(&s, n), nmoved = 0;

	memcpy(before, some, k * sizeof(some[0]));
	ck_assert_uint_eq(count_new(&s, n, before, k), 0);
	for (size_t out = 0; out < n; out += 97) {
		struct ipvs_endpoint gone = all[out];
		size_t nnew;

		all[out].weight = 0;
		ck_assert_msg(count_new(&s, n, before, k) == 0,
		    "one that is not ready for a while keeps its place");
		memmove(&all[out], &all[out + 1], (n - out - 1) * sizeof(all[0]));
		nnew = count_new(&s, n - 1, before, k);
		ck_assert_msg(nnew <= 1, "one goes, %zu come", nnew);
		nmoved += nnew;
		memmove(&all[out + 1], &all[out], (n - out - 1) * sizeof(all[0]));
		all[out] = gone;
	}
	/* 2,046 of 10,000 are chosen, so a fifth of 104 that go; 4 sigma. */
	ck_assert_msg(nmoved > 5 && nmoved < 38, "%zu of 104", nmoved);
	ck_assert_msg(count_new(&other, n, before, k) > MOST / 2,
	    "Services with the same endpoints use others of them");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, how_many, 0, nitems(rows));
	tcase_add_test(tc, little_moves);
}

TEST_MAIN("ipvs/subset", fill)
