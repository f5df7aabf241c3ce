/*
 * bgp_several_test.c - several peers of one shell: what is done to one leaves the
 * others alone, and each is told apart.
 */
#include <stdlib.h>

#include "tests/bgp/ends.h"

START_TEST(one_peer_changes_the_other_does_not)
{
	uint64_t times;

	both("127.0.0.1", "127.0.0.2");
	add_peer(&a, "b2", "127.0.0.3", "127.0.0.4", PORT_B);
	add_peer(&b, "a2", "127.0.0.4", "127.0.0.3", PORT_A);
	both_up(2);
	WAIT(is_up(&a, "b2") && is_up(&b, "a2"));
	a.peers[0].session.hold_sec = 60;
	apply(&a);
	WAIT(strstr(status(&b, "a")->reason, "other configuration change") != NULL ||
	    strstr(status(&b, "a")->reason, "configuration") != NULL);
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
	WAIT(nsent(&a, "b") == 2);
	times = status(&a, "b2")->engine->counts.established;
	ck_assert_uint_eq(times, 1);
	ck_assert(is_up(&a, "b2"));
	/* The next hop is told anew in the same session. */
	a.peers[0].next_hop4 = addr("192.0.2.7");
	times = status(&b, "a")->engine->counts.rx[BGP_UPDATE];
	apply(&a);
	WAIT(status(&b, "a")->engine->counts.rx[BGP_UPDATE] > times);
	ck_assert(is_up(&a, "b"));
	/* Taken away: the peer hears that too. */
	a.npeers = 1;
	apply(&a);
	WAIT(!is_up(&b, "a2"));
	ck_assert_msg(strstr(status(&b, "a2")->reason, "de-configured") != NULL, "%s",
	    status(&b, "a2")->reason);
	ck_assert(is_up(&a, "b"));
}
END_TEST

START_TEST(routes_for_some_peers)
{
	const char *only[] = { "b2", "nobody" };
	struct bgp_attrs attrs = { .local_pref = 100 };
	struct ip ip = ip_from_v4(0xc6336401);
	struct bgp_io_route routes[2] = {
		{ prefix_of(&ip), &attrs, only, 2 }, { prefix_make(&ip, 24), &attrs, NULL, 0 },
	};
	uint64_t before, heard;

	both("127.0.0.1", "127.0.0.2");
	add_peer(&a, "b2", "127.0.0.3", "127.0.0.4", PORT_B);
	add_peer(&b, "a2", "127.0.0.4", "127.0.0.3", PORT_A);
	both_up(0);
	WAIT(is_up(&a, "b2") && is_up(&b, "a2"));
	ck_assert_int_eq(bgp_io_set_routes(a.io, routes, 2), 0);
	WAIT(nsent(&a, "b") == 1 && nsent(&a, "b2") == 2);
	ck_assert_int_eq(bgp_io_set_routes(a.io, routes, 1), 0);
	WAIT(nsent(&a, "b") == 0 && nsent(&a, "b2") == 1);
	/* One that is b2's alone changes: b hears not a word. */
	WAIT(status(&b, "a")->engine->counts.rx[BGP_UPDATE] ==
	    status(&a, "b")->engine->counts.tx[BGP_UPDATE]);
	before = a.seen.engine->counts.tx[BGP_UPDATE];
	attrs.local_pref = 200;
	attrs.communities[attrs.ncommunities++] = 0xfde80001;
	heard = status(&b, "a2")->engine->counts.rx[BGP_UPDATE];
	ck_assert_int_eq(bgp_io_set_routes(a.io, routes, 1), 0);
	WAIT(status(&b, "a2")->engine->counts.rx[BGP_UPDATE] > heard);
	ck_assert_uint_eq(status(&a, "b")->engine->counts.tx[BGP_UPDATE], before);
	ck_assert_uint_eq(a.seen.engine->counts.established, 1);
}
END_TEST

/* To one address of one router, told apart by ours, whoever dials. */
START_TEST(two_sessions_to_one_router)
{
	struct ip first = addr("127.0.0.1"), third = addr("127.0.0.3");

	both("127.0.0.1", "127.0.0.2");
	add_peer(&a, "b2", "127.0.0.3", "127.0.0.2", PORT_B);
	add_peer(&b, "a2", "127.0.0.2", "127.0.0.3", PORT_A);
	for (size_t i = 0; i < 2; i++)
		(_i ? &a : &b)->peers[i].session.is_passive = true;
	both_up(1);
	WAIT(is_up(&a, "b2") && is_up(&b, "a2"));
	ck_assert(ip_eq(&status(&a, "b2")->local, &third));
	ck_assert(ip_eq(&status(&a, "b")->local, &first));
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
	ck_assert_uint_eq(status(&a, "b2")->engine->counts.established, 1);
}
END_TEST

/* Of each what it is: b2 calls where nobody knows it. */
START_TEST(metrics_of_each)
{
	both("127.0.0.1", "127.0.0.2");
	add_peer(&a, "b2", "127.0.0.3", "127.0.0.9", PORT_B);
	both_up(3);
	WAIT(has_metric("herald_bgp_session_up{peer=\"b\"} 1") &&
	    has_metric("herald_bgp_session_up{peer=\"b2\"} 0"));
	WAIT(has_metric("herald_bgp_prefixes_announced{peer=\"b\",family=\"ipv4 unicast\"} 3"));
	ck_assert(has_metric("herald_bgp_prefixes_announced{peer=\"b2\",family=\"ipv4 "
	    "unicast\"} 0"));
	ck_assert(has_metric("herald_bgp_sessions_established_total{peer=\"b\"} 1"));
	ck_assert(!has_metric("herald_bgp_messages_total{peer=\"b\",direction=\"sent\","
	    "type=\"OPEN\"} 0"));
	ck_assert(has_metric("herald_bgp_messages_total{peer=\"b\",direction=\"received\","
	    "type=\"KEEPALIVE\"}"));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_peer_changes_the_other_does_not);
	tcase_add_test(tc, routes_for_some_peers);
	tcase_add_loop_test(tc, two_sessions_to_one_router, 0, 2);
	tcase_add_test(tc, metrics_of_each);
}

TEST_MAIN("bgp_several", fill)
