/*
 * bfd_rate_test.c - how often a mesh of many sessions sends, and how soon it then
 * notices a death.
 */
#include <string.h>

#include "bgp/bfd.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

/* As the speakers' mesh has them, at 3 x 100 ms and 3 x 10 ms. */
enum { MULT = 3, MAX_PPS = 4000, JITTER_PCT = 1 };

static const struct {
	const char *why;
	unsigned nnodes;
	uint32_t wanted_us, max_pps, interval_us, detect_us;
} rates[] = {
	{ "two nodes: as configured", 2, 100000, MAX_PPS, 100000, 300000 },
	{ "ten", 10, 100000, MAX_PPS, 100000, 300000 },
	{ "a hundred", 100, 100000, MAX_PPS, 100000, 300000 },
	{ "three hundred: still", 300, 100000, MAX_PPS, 100000, 300000 },
	{ "the last that is free", 399, 100000, MAX_PPS, 100000, 300000 },
	{ "and the first that is not", 400, 100000, MAX_PPS, 125000, 375000 },
	{ "a thousand: under a second", 1000, 100000, MAX_PPS, 275000, 825000 },
	{ "more than Kubernetes takes", 5000, 100000, MAX_PPS, 1000000, 3000000 },
	{ "the fast profile, two nodes", 2, 10000, MAX_PPS, 10000, 30000 },
	{ "ten", 10, 10000, MAX_PPS, 10000, 30000 },
	{ "a hundred", 100, 10000, MAX_PPS, 25000, 75000 },
	{ "three hundred", 300, 10000, MAX_PPS, 77500, 232500 },
	{ "a thousand: as the slow profile, but for the rounding", 1000, 10000, MAX_PPS,
	    252500, 757500 },
	{ "a slow profile stays what it is", 1000, 2000000, MAX_PPS, 2000000, 6000000 },
	{ "no limit", 1000, 10000, 0, 10000, 30000 },
	{ "as short as may be: no division by nothing", 1000, 3, MAX_PPS, 251006, 753018 },
};

static struct bfd_conf
conf_of(uint32_t discr, uint32_t interval_us)
{
	return (struct bfd_conf){ .local_discr = discr, .min_tx_us = interval_us,
		.min_rx_us = interval_us, .detect_mult = MULT, .jitter_pct = JITTER_PCT,
		.random = discr };
}

/* Everything that both have to say to each other at now. */
static void
talk(struct bfd *a, struct bfd *b, struct mono now)
{
	uint8_t buf[BFD_PKT_MAX];
	size_t len;

	for (;;) {
		if ((len = bfd_tx(a, now, buf)) > 0)
			ck_assert_int_eq(bfd_rx(b, buf, len, now), 0);
		else if ((len = bfd_tx(b, now, buf)) > 0)
			ck_assert_int_eq(bfd_rx(a, buf, len, now), 0);
		else
			return;
	}
}

/* Two nodes of so many: they agree on the interval, and one falls silent. */
START_TEST(death_is_noticed)
{
	uint32_t us = bfd_interval_us(rates[_i].wanted_us, rates[_i].nnodes - 1,
	    rates[_i].max_pps, JITTER_PCT);
	struct bfd_conf ca = conf_of(1, us), cb = conf_of(2, us);
	struct bfd a, b;

	ck_assert_msg(us == rates[_i].interval_us, "%s: %u us", rates[_i].why, us);
	bfd_init(&a, &ca, T0);
	bfd_init(&b, &cb, T0);
	talk(&a, &b, T0);
	ck_assert_int_eq(a.state, BFD_UP);
	ck_assert_msg(bfd_detect_us(&a) == rates[_i].detect_us, "%s: %llu us",
	    rates[_i].why, (unsigned long long)bfd_detect_us(&a));
	bfd_tick(&a, mono_add_us(T0, rates[_i].detect_us - 1));
	ck_assert_int_eq(a.state, BFD_UP);
	bfd_tick(&a, mono_add_us(T0, rates[_i].detect_us));
	ck_assert_int_eq(a.state, BFD_DOWN);
}
END_TEST

/* The limit holds with the jitter in it: packets of one session, counted. */
START_TEST(limit_holds)
{
	enum { SECONDS = 100 };
	struct bfd_conf ca = conf_of(1, rates[_i].interval_us);
	struct bfd_conf cb = conf_of(2, rates[_i].interval_us);
	struct mono now = T0, end = mono_add_sec(T0, SECONDS);
	struct bfd a, b;
	uint64_t n, limit = (uint64_t)rates[_i].max_pps * SECONDS;

	bfd_init(&a, &ca, now);
	bfd_init(&b, &cb, now);
	talk(&a, &b, now);
	n = a.counts.tx;
	while (mono_before(now, end)) {
		now = mono_min(bfd_deadline(&a), bfd_deadline(&b));
		bfd_tick(&a, now);
		bfd_tick(&b, now);
		talk(&a, &b, now);
	}
	ck_assert_int_eq(a.state, BFD_UP);
	n = (a.counts.tx - n) * (rates[_i].nnodes - 1);
	/* One in a hundred is for chance. */
	if (limit != 0 && rates[_i].nnodes < 4000)
		ck_assert_msg(n <= limit + limit / 100, "%s: %llu packets in %d s",
		    rates[_i].why, (unsigned long long)n, SECONDS);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, death_is_noticed, 0, nitems(rates));
	tcase_add_loop_test(tc, limit_holds, 0, nitems(rates));
}

TEST_MAIN("bfd_rate", fill)
