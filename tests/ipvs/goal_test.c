/* Marks of the second tier, and what a want turns into. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/goal.h"
#include "ipvs/tier2.h"
#include "lib/mem.h"
#include "tests/check.h"

static struct ip
addr(const char *s)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(s, &a), 0);
	return a;
}

static struct ipvs_service
service(unsigned i)
{
	return (struct ipvs_service){ .vip = ip_from_v4(0x0a000000 + i / 64),
		.proto = IPPROTO_TCP, .port = (uint16_t)(1 + i % 64) };
}

static int
cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* 200,000 hashes of 32 bits: some four or five pairs collide. */
START_TEST(marks_are_unique_and_never_0)
{
	enum { N = 200000 };
	struct ipvs_service *s = mem_zalloc(N * sizeof(*s));
	struct tier2_marks *marks = mem_zalloc(N * sizeof(*marks));
	struct tier2_marks alone;
	uint32_t *all = mem_zalloc(N * 2 * sizeof(*all));
	unsigned ncollided = 0, n = 0;

	for (unsigned i = 0; i < N; i++) {
		s[i] = service(i);
		s[i].is_one_packet = i % 4 == 0;
	}
	tier2_marks(s, N, marks);
	for (unsigned i = 0; i < N; i++) {
		tier2_marks(&s[i], 1, &alone);
		ncollided += marks[i].tunnel != alone.tunnel;
		ck_assert((marks[i].flows != 0) == s[i].is_one_packet);
		all[n++] = marks[i].tunnel;
		if (s[i].is_one_packet)
			all[n++] = marks[i].flows;
	}
	ck_assert_msg(ncollided > 0, "the test has no collision to resolve");
	ck_assert_uint_lt(ncollided, 50);
	qsort(all, n, sizeof(*all), cmp_u32);
	ck_assert_uint_ne(all[0], 0);
	ck_assert_uint_ne(all[n - 1], TIER2_MARK_CUT);
	for (unsigned i = 1; i < n; i++)
		ck_assert_uint_ne(all[i], all[i - 1]);
	free(s);
	free(marks);
	free(all);
}
END_TEST

START_TEST(mark_does_not_depend_on_the_others)
{
	struct ipvs_service s[3] = { service(1), service(2), service(3) };
	struct tier2_marks all[3], one;

	s[0].is_one_packet = true;
	tier2_marks(s, 3, all);
	tier2_marks(&s[2], 1, &one);
	ck_assert_uint_eq(one.tunnel, all[2].tunnel);
	s[2].is_one_packet = true;
	tier2_marks(&s[2], 1, &one);
	ck_assert_uint_eq(one.tunnel, all[2].tunnel);
	s[2].proto = IPPROTO_UDP;
	tier2_marks(&s[2], 1, &one);
	ck_assert_uint_ne(one.tunnel, all[2].tunnel);
}
END_TEST

static struct ipvs_endpoint eps[] = {
	{ .port = 8080, .weight = 1, .reach = IPVS_REACH_LOCAL },
	{ .port = 8080, .weight = 0, .reach = IPVS_REACH_TUNNEL, .drain_weight = 3 },
	{ .port = 8081, .weight = 2, .reach = IPVS_REACH_MASQ },
};

static struct ipvs_service
web(void)
{
	eps[0].ip = addr("10.244.1.2");
	eps[1].ip = addr("10.244.2.2");
	eps[2].ip = addr("10.244.3.2");
	return (struct ipvs_service){ .vip = addr("10.0.0.50"), .proto = IPPROTO_TCP,
		.port = 80, .endpoints = eps, .nendpoints = 3, .name = "default/web:http" };
}

static struct goal
build(struct ipvs_service *s)
{
	static struct ip held[2];	/* the node's, and kube-proxy's on kube-ipvs0 */
	static struct ip vips[1], nodes[1], peers[1], clients[1];
	struct director_want w = { .services = s, .nservices = 1, .vips = vips,
		.nvips = 1, .node_ips = nodes, .nnode_ips = 1, .peers = peers,
		.npeers = 1, .local_clients = clients, .nlocal_clients = 1 };
	struct goal g = { 0 };

	vips[0] = s->vip;
	nodes[0] = addr("10.0.0.1");
	peers[0] = addr("10.0.0.2");
	clients[0] = addr("10.244.1.2");
	held[0] = addr("10.0.0.1");
	held[1] = addr("10.0.0.60");
	goal_build(&w, held, nitems(held), &g);
	return g;
}

/* "IP:PORT/WEIGHT/SLOTS/FWD ..." of a service. */
static void
servers(const struct ipvs_vs *vs, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < vs->nrs; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s:%u/%u/%u/%u",
		    i > 0 ? " " : "", IP_STR(&vs->rs[i].ip), vs->rs[i].port,
		    vs->rs[i].weight, vs->rs[i].slots, vs->rs[i].fwd);
}

START_TEST(both_tiers)
{
	struct ipvs_service s = web();
	struct goal g = build(&s);
	char text[256];

	ck_assert_uint_eq(g.table.n, 2);
	/* By mark first: the local endpoint alone, by NAT. */
	ck_assert_uint_ne(g.table.vs[0].key.fwmark, 0);
	ck_assert_uint_eq(g.table.vs[0].key.family, IP_V4);
	servers(&g.table.vs[0], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/1/1/0");
	servers(&g.table.vs[1], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/1/1/0 10.244.2.2:8080/0/3/2 "
	    "10.244.3.2:8081/2/2/0");
	ck_assert_str_eq(g.table.vs[1].sched, "mh");
	ck_assert_uint_eq(g.table.vs[1].flags, IPVS_F_MH_FALLBACK | IPVS_F_MH_PORT);
	ck_assert_str_eq(g.table.vs[1].name, "default/web:http");
	goal_fini(&g);
}
END_TEST

/* Its slots stay, so that connections do; what other nodes tunnel to it, it serves. */
START_TEST(passed_over_here_is_served_for_others)
{
	struct ipvs_service s = web();
	struct goal g;
	char text[256];

	eps[0].is_passed_over = true;
	g = build(&s);
	eps[0].is_passed_over = false;
	servers(&g.table.vs[0], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/1/1/0");
	servers(&g.table.vs[1], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/0/1/0 10.244.2.2:8080/0/3/2 "
	    "10.244.3.2:8081/2/2/0");
	goal_fini(&g);
}
END_TEST

START_TEST(affinity_hashes_the_client_alone)
{
	struct ipvs_service s = web();
	struct goal g;
	char text[256];

	s.affinity_sec = 10800;
	g = build(&s);
	/* By mark, the kernel's persistence would send to port 80 of the endpoints. */
	ck_assert_uint_eq(g.table.vs[0].flags, IPVS_F_MH_FALLBACK);
	ck_assert_uint_eq(g.table.vs[0].timeout_sec, 0);
	ck_assert_uint_eq(g.table.vs[1].flags, IPVS_F_MH_FALLBACK | IPVS_F_PERSISTENT);
	ck_assert_uint_eq(g.table.vs[1].timeout_sec, 10800);
	/* The second tier's table has the places of all, only its own in use. */
	servers(&g.table.vs[0], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/1/1/0 10.244.2.2:8080/0/3/2 "
	    "10.244.3.2:8081/0/2/0");
	goal_fini(&g);
}
END_TEST

START_TEST(affinity_persists_in_both_tiers_where_ports_are_the_same)
{
	struct ipvs_service s = web();
	struct goal g;

	s.affinity_sec = 10800;
	s.port = 8080;
	s.nendpoints = 2;	/* the third has 8081 */
	g = build(&s);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(g.table.vs[i].flags,
		    IPVS_F_MH_FALLBACK | IPVS_F_PERSISTENT);
		ck_assert_uint_eq(g.table.vs[i].timeout_sec, 10800);
	}
	goal_fini(&g);
}
END_TEST

START_TEST(policy_local_has_one_tier_and_local_endpoints)
{
	struct ipvs_service s = web();
	struct goal g;
	char text[256];

	s.is_local_only = true;
	g = build(&s);
	ck_assert_uint_eq(g.table.n, 1);
	servers(&g.table.vs[0], text, sizeof(text));
	ck_assert_str_eq(text, "10.244.1.2:8080/1/1/0");
	ck_assert_uint_eq(g.nft.set[NFT_DIR_MASQ * 2].n, 0);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_MARKS * 2].n, 0);
	goal_fini(&g);
}
END_TEST

static struct ipvs_service
dns(void)
{
	struct ipvs_service s = web();

	s.proto = IPPROTO_UDP;
	s.port = 53;
	s.sched = IPVS_SCHED_WRR;
	s.is_one_packet = true;
	s.nendpoints = 2;	/* the third is masqueraded */
	return s;
}

/* By mark are the second tier, and local clients' flows with all endpoints. */
START_TEST(one_packet_has_three_tiers)
{
	struct ipvs_service s = dns();
	struct goal g = build(&s);
	char text[256];

	ck_assert_uint_eq(g.table.n, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct ipvs_vs *vs = &g.table.vs[i];

		servers(vs, text, sizeof(text));
		ck_assert_str_eq(text, vs->tier == IPVS_TIER_TUNNEL ?
		    "10.244.1.2:8080/1/1/0" :
		    "10.244.1.2:8080/1/1/0 10.244.2.2:8080/0/3/2");
		ck_assert_str_eq(vs->sched, "wrr");
		ck_assert_uint_eq(vs->flags,
		    vs->tier == IPVS_TIER_FLOWS ? 0 : IPVS_F_ONEPACKET);
		ck_assert_int_eq(vs->key.fwmark == 0, vs->tier == IPVS_TIER_CLIENTS);
	}
	ck_assert_int_ne(g.table.vs[0].tier, g.table.vs[1].tier);
	goal_fini(&g);
}
END_TEST

START_TEST(one_packet_replies_find_vip_and_port)
{
	struct ipvs_service s = dns();
	struct goal g;
	struct nft_state replies;
	struct nft_elem e;
	uint32_t mark;

	g = build(&s);
	replies = nft_state_replies(&g.nft);
	ck_assert_uint_eq(replies.set[NFT_DIR_MARKS * 2].n, 0);
	ck_assert_uint_eq(replies.set[NFT_DIR_REPLIES * 2].n, 1);
	e = nft_set_at(&replies.set[NFT_DIR_REPLIES * 2], 0);
	ck_assert_str_eq(IP_STR(&e.addr), "10.244.1.2");
	ck_assert_uint_eq(e.port, 8080);
	ck_assert_uint_eq(e.proto, IPPROTO_UDP);
	mark = e.mark;
	ck_assert_uint_ne(mark, 0);
	e = nft_set_at(&replies.set[NFT_DIR_REPLY_VIPS * 2], 0);
	ck_assert_uint_eq(e.mark, mark);
	ck_assert_str_eq(IP_STR(&e.addr), "10.0.0.50");
	e = nft_set_at(&replies.set[NFT_DIR_REPLY_PORTS * 2], 0);
	ck_assert_uint_eq(e.mark, mark);
	ck_assert_uint_eq(e.port, 53);
	e = nft_set_at(&g.nft.set[NFT_DIR_FLOWS * 2], 0);
	ck_assert_str_eq(IP_STR(&e.addr), "10.0.0.50");
	ck_assert_uint_ne(e.mark, mark);
	goal_fini(&g);
}
END_TEST

/* It needs no second tier: nobody tunnels to it. */
START_TEST(one_packet_with_policy_local)
{
	struct ipvs_service s = dns();
	struct goal g;

	s.is_local_only = true;
	g = build(&s);
	ck_assert_uint_eq(g.table.n, 2);
	ck_assert_uint_eq(g.table.vs[0].tier, IPVS_TIER_FLOWS);
	ck_assert_uint_eq(g.table.vs[0].nrs, 1);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_MARKS * 2].n, 0);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_REPLIES * 2].n, 1);
	goal_fini(&g);
}
END_TEST

/* ICMP, the kernel's own answer, a client's TCP may miss where it has just begun. */
START_TEST(where_all_drain_new_ones_get_a_reset)
{
	struct ipvs_service s = web();
	struct goal g;

	s.endpoints = &eps[1];	/* draining */
	s.nendpoints = 1;
	g = build(&s);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_EMPTY * 2].n, 1);
	ck_assert_msg(g.table.n == 1 && g.table.vs[0].nrs == 1, "open ones go on");
	goal_fini(&g);
}
END_TEST

START_TEST(no_endpoints_still_has_a_service)
{
	struct ipvs_service s = web();
	struct goal g;

	s.nendpoints = 0;
	g = build(&s);
	ck_assert_msg(g.table.n == 1 && g.table.vs[0].nrs == 0,
	    "open connections get ICMP, and may live to see endpoints again");
	ck_assert_msg(g.nft.set[NFT_DIR_EMPTY * 2].n == 1, "new ones get a reset");
	ck_assert_uint_eq(g.nft.set[NFT_DIR_ELSEWHERE * 2].n, 0);
	goal_fini(&g);
}
END_TEST

START_TEST(policy_local_without_local_endpoints_is_silent)
{
	struct ipvs_service s = web();
	struct goal g;

	s.is_local_only = true;
	s.endpoints = eps + 1;
	s.nendpoints = 2;
	g = build(&s);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_EMPTY * 2].n, 0);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_ELSEWHERE * 2].n, 1);
	goal_fini(&g);
}
END_TEST

/* How many elements each set has: local 1, tunnelled 1, masqueraded 1. */
static const struct {
	enum nft_set_id id;
	size_t n;
	const char *why;
} sets[] = {
	{ NFT_HOST_VIPS, 1, "steered" },
	{ NFT_HOST_INNER, 1, "recognised in tunnels" },
	{ NFT_HOST_ENDPOINTS, 1, "only the local one: others' tunnels pass by" },
	{ NFT_HOST_NODES, 1, "the peer" },
	{ NFT_HOST_CLIENTS, 2, "the node and its pod: tracked" },
	{ NFT_DIR_VIPS, 1, "" },
	{ NFT_DIR_CLIENTS, 2, "the node and its pod" },
	{ NFT_DIR_ENDPOINTS, 1, "the local one" },
	{ NFT_DIR_TRACKED, 2, "the VIP and the local endpoint behind it" },
	{ NFT_DIR_MASQ, 1, "the one without a director" },
	{ NFT_DIR_MARKS, 1, "second tier" },
	{ NFT_DIR_REPLIES, 0, "IPVS remembers where to" },
	{ NFT_DIR_REPLY_VIPS, 0, "likewise" },
	{ NFT_DIR_REPLY_PORTS, 0, "likewise" },
	{ NFT_DIR_FLOWS, 0, "and schedules by flow" },
	{ NFT_DIR_RESTRICTED, 1, "has ranges" },
	{ NFT_DIR_EMPTY, 0, "it has endpoints" },
	{ NFT_DIR_ELSEWHERE, 0, "and its policy is Cluster" },
	{ NFT_DIR_ALLOWED, 1, "a range of the VIP's family; the other is no use" },
};

START_TEST(set_holds)
{
	struct ipvs_service s = web();
	struct prefix ranges[2];
	struct goal g;

	prefix_parse("192.0.2.0/24", &ranges[0]);
	prefix_parse("2001:db8::/32", &ranges[1]);
	s.source_ranges = ranges;
	s.nsource_ranges = 2;
	g = build(&s);
	ck_assert_msg(g.nft.set[sets[_i].id * 2].n == sets[_i].n, "%s: %s",
	    nft_set_defs[sets[_i].id].name, sets[_i].why);
	ck_assert_uint_eq(g.nft.set[sets[_i].id * 2 + 1].n, 0);
	goal_fini(&g);
}
END_TEST

START_TEST(a_vip_of_the_hosts_own_is_not_steered)
{
	struct ipvs_service s = web();
	struct goal g;

	s.vip = addr("10.0.0.60");
	g = build(&s);
	ck_assert_msg(g.nft.set[NFT_HOST_VIPS * 2].n == 0, "tracked as kube-proxy needs");
	ck_assert_msg(g.nft.set[NFT_HOST_INNER * 2].n == 1, "other nodes' tunnels end here");
	ck_assert_uint_eq(g.nft.set[NFT_DIR_VIPS * 2].n, 1);
	ck_assert_msg(g.table.n == 2, "ready for when it is ours again");
	goal_fini(&g);
}
END_TEST

START_TEST(ranges_of_the_other_family_alone_let_nobody_in)
{
	struct ipvs_service s = web();
	struct prefix range;
	struct goal g;

	prefix_parse("2001:db8::/32", &range);
	s.source_ranges = &range;
	s.nsource_ranges = 1;
	g = build(&s);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_RESTRICTED * 2].n, 1);
	ck_assert_uint_eq(g.nft.set[NFT_DIR_ALLOWED * 2].n, 0);
	goal_fini(&g);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, marks_are_unique_and_never_0);
	tcase_add_test(tc, mark_does_not_depend_on_the_others);
	tcase_add_test(tc, both_tiers);
	tcase_add_test(tc, passed_over_here_is_served_for_others);
	tcase_add_test(tc, affinity_hashes_the_client_alone);
	tcase_add_test(tc, affinity_persists_in_both_tiers_where_ports_are_the_same);
	tcase_add_test(tc, policy_local_has_one_tier_and_local_endpoints);
	tcase_add_test(tc, one_packet_has_three_tiers);
	tcase_add_test(tc, one_packet_replies_find_vip_and_port);
	tcase_add_test(tc, one_packet_with_policy_local);
	tcase_add_test(tc, where_all_drain_new_ones_get_a_reset);
	tcase_add_test(tc, no_endpoints_still_has_a_service);
	tcase_add_test(tc, policy_local_without_local_endpoints_is_silent);
	tcase_add_loop_test(tc, set_holds, 0, nitems(sets));
	tcase_add_test(tc, a_vip_of_the_hosts_own_is_not_steered);
	tcase_add_test(tc, ranges_of_the_other_family_alone_let_nobody_in);
}

TEST_MAIN("ipvs/goal", fill)
