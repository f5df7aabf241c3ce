/*
 * alloc_bench.c - the allocator alone: addresses given and taken back a second.
 *
 *	alloc_bench [USERS]
 *
 * USERS (100,000) users get an address each from a /8, in the three ways a pool
 * may hand them out; then, at random, one after another gives its own back and
 * gets one anew, which is what a pool in use looks like.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "controller/alloc.h"
#include "lib/mem.h"

struct bench {
	struct pool_set set;
	struct alloc *alloc;
	struct alloc_user *users;
	struct ip *ips;		/* of each user, in their order */
	size_t	n;
};

static const struct alloc_port http = { KUBE_TCP, 80 };

static double
now_sec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A small generator of its own, so that every run does the same. */
static uint64_t
rnd(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *state >> 24;
}

static void
give(struct bench *b, size_t user, uint64_t seed)
{
	if (alloc_pick(b->alloc, 0, IP_V4, &b->users[user], seed, &b->ips[user]) == 0)
		return;
	fprintf(stderr, "alloc_bench: the pool is used up\n");
	exit(EXIT_FAILURE);
}

static void
bench_run(struct bench *b, const char *name, enum kube_pool_strategy strategy)
{
	double began, filled, churned;
	uint64_t state = 1;

	b->set.pools[0].strategy = strategy;
	b->alloc = alloc_new(&b->set);
	began = now_sec();
	for (size_t i = 0; i < b->n; i++)
		give(b, i, rnd(&state));
	filled = now_sec();
	for (size_t i = 0; i < b->n; i++) {
		size_t user = (size_t)(rnd(&state) % b->n);

		alloc_release(b->alloc, &b->ips[user], &b->users[user]);
		give(b, user, rnd(&state));
	}
	churned = now_sec();
	if (alloc_used(b->alloc, 0, IP_V4) != b->n) {
		fprintf(stderr, "alloc_bench: an address was lost or given twice\n");
		exit(EXIT_FAILURE);
	}
	printf("%s %.0f %.0f\n", name, (double)b->n / (filled - began),
	    (double)b->n / (churned - filled));
	alloc_free(b->alloc);
}

static void
bench_init(struct bench *b)
{
	struct ip_range range;

	if (ip_range_parse("10.0.0.0/8", &range) != 0)
		abort();
	b->set.n = 1;
	b->set.pools = arena_array(&b->set.arena, 1, sizeof(*b->set.pools));
	b->set.pools[0] = (struct pool){ .name = "p", .auto_assign = true };
	b->set.pools[0].own = rangeset_make(&b->set.arena, &range, 1);
	b->set.pools[0].usable = b->set.pools[0].own;
	pool_set_seal(&b->set);
	b->users = mem_zalloc(b->n * sizeof(*b->users));
	b->ips = mem_zalloc(b->n * sizeof(*b->ips));
	for (size_t i = 0; i < b->n; i++)
		b->users[i] = (struct alloc_user){ "ns/name", "ns", NULL, "", &http, 1 };
}

int
main(int argc, char **argv)
{
	struct bench b = { .n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000 };

	bench_init(&b);
	bench_run(&b, "lowest", KUBE_STRATEGY_LOWEST);
	bench_run(&b, "spread", KUBE_STRATEGY_SPREAD);
	bench_run(&b, "sticky", KUBE_STRATEGY_STICKY);
	pool_set_fini(&b.set);
	free(b.users);
	free(b.ips);
	return EXIT_SUCCESS;
}
