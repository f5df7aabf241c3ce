/* The goal patched for a few services is the goal built for all. */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/diff.h"
#include "ipvs/goal.h"
#include "lib/hash.h"
#include "tests/check.h"

enum { NSERVICES = 12, NENDPOINTS_MAX = 6, NADDRS = 10, NCHANGED_MAX = 3 };

struct world {
	uint64_t random;
	struct ipvs_service services[NSERVICES];
	struct ipvs_endpoint endpoints[NSERVICES][NENDPOINTS_MAX];
	struct prefix range;
};

static unsigned
draw(struct world *w, unsigned below)
{
	w->random = hash_bytes(&below, sizeof(below), w->random);
	return (unsigned)(w->random % below);
}

/* Few addresses, so that services share them; of a third service, IPv6. */
static void
draw_endpoints(struct world *w, unsigned i)
{
	struct ipvs_service *s = &w->services[i];
	unsigned at = 0;

	s->nendpoints = 0;
	while (s->nendpoints < NENDPOINTS_MAX && (at += 1 + draw(w, 6)) < NADDRS) {
		struct ipvs_endpoint *e = &w->endpoints[i][s->nendpoints++];

		*e = (struct ipvs_endpoint){ .ip = ip_from_v4(0x0af40000 + at),
			.port = 8080, .weight = (uint16_t)draw(w, 3),
			.reach = (uint8_t)(at % 3) };
		if (s->is_one_packet) {
			e->port = (uint16_t)(9000 + i);
			e->reach = (uint8_t)(at % 2);
		}
		if (s->vip.family == IP_V6)
			e->ip = (struct ip){ .family = IP_V6, .b = { 0xfd, [15] = (uint8_t)at } };
	}
	s->endpoints = w->endpoints[i];
}

static void
world_init(struct world *w, unsigned seed)
{
	*w = (struct world){ .random = seed };
	ck_assert_int_eq(prefix_parse("192.0.2.0/24", &w->range), 0);
	for (unsigned i = 0; i < NSERVICES; i++) {
		/* Two ports to each VIP, sorted as a want is. */
		w->services[i] = (struct ipvs_service){
			.vip = ip_from_v4(0x0a000900 + i / 2),
			.proto = i % 4 == 3 ? IPPROTO_UDP : IPPROTO_TCP,
			.port = (uint16_t)(80 + i % 2), .name = "d/s:80/TCP",
			.sched = i % 4 == 3 ? IPVS_SCHED_WRR : IPVS_SCHED_MH,
			.affinity_sec = i % 5 == 4 ? 60 : 0,
			.is_local_only = i % 6 == 5,
			.is_one_packet = i % 4 == 3,
			.source_ranges = &w->range, .nsource_ranges = i % 7 == 6 };
		if (i >= NSERVICES * 2 / 3)
			w->services[i].vip = (struct ip){ .family = IP_V6,
				.b = { 0xfd, [15] = (uint8_t)(i / 2) } };
		draw_endpoints(w, i);
	}
}

static void
assert_equal(const struct goal *a, const struct goal *b)
{
	ck_assert_uint_eq(a->table.n, b->table.n);
	for (size_t i = 0; i < a->table.n; i++) {
		ck_assert_int_eq(ipvs_key_cmp(&a->table.vs[i].key, &b->table.vs[i].key), 0);
		ck_assert(ipvs_vs_is_equal(&a->table.vs[i], &b->table.vs[i]));
		ck_assert_str_eq(a->table.vs[i].name, b->table.vs[i].name);
	}
	ck_assert(nft_state_is_equal(&a->nft, &b->nft, NFT_HOST));
	ck_assert(nft_state_is_equal(&a->nft, &b->nft, NFT_DIRECTOR));
}

/* The commands that a patch makes, run on one side's sets before: what others share
   stays. */
static void
assert_steps(const struct goal *before, const struct goal *was, const struct goal *is,
    const struct goal *after, enum nft_side side)
{
	struct nft_state kernel = { 0 }, both = { 0 }, nothing = { 0 };

	nft_state_union(&before->nft, &nothing, side, &kernel);
	nft_state_union(&is->nft, &was->nft, side, &both);
	nft_state_patch(&kernel, side, &was->nft, &both);
	for (size_t slot = 0; slot < NFT_NSLOTS; slot++)
		for (size_t i = 0; nft_set_defs[slot / 2].side == side &&
		    i < before->nft.set[slot].n; i++) {
			struct nft_elem e = nft_set_at(&before->nft.set[slot], i);

			ck_assert_msg(nft_set_has(&kernel.set[slot], &e),
			    "gone before its time");
		}
	nft_state_patch(&kernel, side, &both, &is->nft);
	ck_assert(nft_state_is_equal(&kernel, &after->nft, side));
	nft_state_fini(&kernel);
	nft_state_fini(&both);
}

START_TEST(patched_is_built)
{
	static struct world w, old;
	struct director_want want = { .services = w.services, .nservices = NSERVICES };
	struct goal have = { 0 };

	world_init(&w, (unsigned)_i);
	goal_build(&want, NULL, 0, &have);
	for (unsigned step = 0; step < 1000; step++) {
		struct director_update updates[NCHANGED_MAX];
		struct goal was = { 0 }, is = { 0 }, full = { 0 };
		unsigned first = draw(&w, NSERVICES), n = 1 + draw(&w, NCHANGED_MAX);

		old = w;
		for (unsigned i = 0; i < NSERVICES; i++)
			old.services[i].endpoints = old.endpoints[i];
		for (unsigned k = 0; k < n; k++) {
			unsigned i = (first + k) % NSERVICES;

			draw_endpoints(&w, i);
			updates[k] = (struct director_update){ &old.services[i],
				&w.services[i] };
		}
		goal_build_update(&want, updates, n, &was, &is);
		goal_build(&want, NULL, 0, &full);
		assert_steps(&have, &was, &is, &full, NFT_HOST);
		assert_steps(&have, &was, &is, &full, NFT_DIRECTOR);
		goal_patch(&have, &was, &is);
		assert_equal(&have, &full);
		goal_fini(&was);
		goal_fini(&is);
		goal_fini(&full);
	}
	goal_fini(&have);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, patched_is_built, 0, 4);
}

TEST_MAIN("goal update", fill)
