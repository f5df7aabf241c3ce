/* Answers, takeovers and rivals, on a LAN; see lan.h. */
#include "tests/arp/lan.h"

START_TEST(kernel_and_tools_find_the_vip)
{
	int rc;

	tell(&a, "set " VIP4 " " VIP6);
	ck_assert_str_eq(heard(&a, 2000), "set");
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "arping is answered");
	resolve(VIP4);
	ck_assert_msg(has_entry(VIP4, MAC_A), "%s", entry_of(VIP4));
	resolve(VIP6);
	ck_assert_msg(has_entry(VIP6, MAC_A), "%s", entry_of(VIP6));
	ck_assert_msg(strcasestr(in("c", &rc, "ndisc6 -1 " VIP6 " eth0"), MAC_A) != NULL,
	    "ndisc6 is answered: %s", in("c", &rc, "ndisc6 -1 " VIP6 " eth0"));

	tell(&a, "set");
	ck_assert_str_eq(heard(&a, 2000), "set");
	in("c", &rc, "arping -c 1 -w 1 -I eth0 " VIP4);
	ck_assert_msg(rc != 0, "a dropped VIP is silent");
	in("c", &rc, "ndisc6 -1 -r 1 " VIP6 " eth0");
	ck_assert_msg(rc != 0, "a dropped IPv6 VIP is silent");
}
END_TEST

/*
 * A question that does not say who asks in the place meant for it: the frame
 * does. (ARP with sender MAC zero; a solicitation without the source option.)
 */
START_TEST(askers_without_a_mac_are_answered)
{
	static const uint8_t client[6] = { 2, 0, 0, 0, 0, 0x0c };
	struct arp_msg arp = { .op = ARP_OP_REQUEST, .sender = ip_from_v4(0x0a090002) };
	struct ndp_msg ns = { .type = NDP_SOLICIT,
		.eth_dst = { 0x33, 0x33, 0xff, 0, 1, 0 } };
	int tap = tap_client("c");
	struct arp_frame f;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	count_claims(tap, VIP4, NULL, 1300);	/* let the burst go by */
	ip_parse(VIP4, &arp.target);
	memset(arp.eth_dst, 0xff, 6);
	memcpy(arp.eth_src, client, 6);
	f = arp_encode(&arp);
	ck_assert(send(tap, f.buf, f.len, 0) == f.len);
	ck_assert_int_eq(count_claims(tap, VIP4, MAC_A, 300), 1);

	ip_parse(VIP6, &ns.target);
	ip_parse("2001:db8::2", &ns.src);
	ns.dst = ndp_solicited_node(&ns.target);
	memcpy(ns.eth_src, client, 6);
	f = ndp_encode(&ns);
	ck_assert(send(tap, f.buf, f.len, 0) == f.len);
	ck_assert_int_eq(count_claims(tap, VIP6, MAC_A, 300), 1);
	close(tap);
}
END_TEST

/* arping -D and the kernel's own DAD see that the address is taken. */
START_TEST(duplicate_detection_of_others_works)
{
	const char *out;
	int rc;

	tell(&a, "set " VIP4 " " VIP6);
	in("s", &rc, "arping -D -c 2 -w 3 -I eth0 10.9.0.101");
	ck_assert_msg(rc == 0, "a free address");
	in("s", &rc, "arping -D -c 2 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 1, "arping -D: %d", rc);
	must("ip netns exec %ss sh -c 'sysctl -qw net.ipv6.conf.eth0.accept_dad=1; "
	    "ip addr add " VIP6 "/64 dev eth0; sleep 2.5'", ns_prefix);
	out = in("s", &rc, "ip -6 addr show dev eth0 dadfailed");
	ck_assert_msg(strstr(out, VIP6) != NULL, "the kernel's DAD failed: %s", out);
}
END_TEST

static void
fill_client_entry(const char *mac)
{
	resolve(VIP4);
	resolve(VIP6);
	ck_assert(has_entry(VIP4, mac) && has_entry(VIP6, mac));
}

/* An owner vanishes, the other claims: the client's entries follow at once. */
START_TEST(takeover_moves_the_clients_entries)
{
	int ms4, ms6;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	kill(a.pid, SIGSTOP);
	tell(&b, "set " VIP4 " " VIP6);
	ms4 = wait_entry(VIP4, MAC_B);
	ms6 = wait_entry(VIP6, MAC_B);
	kill(a.pid, SIGCONT);
	printf("takeover: client's entries moved after %d and %d ms (polled)\n", ms4,
	    ms6);
	ck_assert_msg(ms4 >= 0 && ms4 < 200, "IPv4: %d ms", ms4);
	ck_assert_msg(ms6 >= 0 && ms6 < 200, "IPv6: %d ms", ms6);
}
END_TEST

/*
 * An owner that was stopped (a hang) wakes with questions in its queue and a
 * repeat overdue. It must not pull the client back from the new owner.
 */
START_TEST(woken_owner_keeps_quiet)
{
	int tap;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	kill(a.pid, SIGSTOP);		/* in the midst of its burst */
	tell(&b, "set " VIP4 " " VIP6);
	ck_assert_int_ge(wait_entry(VIP4, MAC_B), 0);
	in("c", NULL, "arping -c 2 -w 2 -I eth0 " VIP4);
	tap = tap_client("c");
	kill(a.pid, SIGCONT);
	ck_assert_msg(count_claims(tap, VIP4, MAC_A, 800) == 0, "IPv4 poisoned");
	close(tap);
	ck_assert(has_entry(VIP4, MAC_B) && has_entry(VIP6, MAC_B));
}
END_TEST

/* What a hang is follows from how soon others take one for dead. */
static const struct {
	const char *why;
	uint32_t hung_ms;
	bool	answers;
} hangs[] = {
	{ "the fast profile: the others have taken over", 30, false },
	{ "a slow one: they have not noticed", 2000, true },
};

START_TEST(short_hang)
{
	int tap, n;

	node_stop(&a, NULL);
	conf = (struct arp_io_conf){ .hung_ms = hangs[_i].hung_ms };
	a = node_start("a");
	conf = (struct arp_io_conf){ 0 };
	tell(&a, "set " VIP4);
	heard_of(&a, "set", 2000);
	usleep(1300000);			/* past the burst */
	tap = tap_client("c");
	kill(a.pid, SIGSTOP);
	usleep(80000);
	kill(a.pid, SIGCONT);
	in("c", NULL, "arping -c 1 -w 1 -I eth0 " VIP4);
	n = count_claims(tap, VIP4, MAC_A, 300);
	ck_assert_msg((n > 0) == hangs[_i].answers, "%s: %d", hangs[_i].why, n);
	close(tap);
}
END_TEST

/* Planned: the leaver yields to the newcomer's first word and says no more. */
START_TEST(planned_move_makes_before_it_breaks)
{
	int tap, rc;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	tell(&a, "set yield " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "the leaver still answers");

	tap = tap_client("c");
	tell(&b, "set " VIP4 " " VIP6);
	ck_assert_int_ge(wait_entry(VIP4, MAC_B), 0);
	ck_assert_int_ge(wait_entry(VIP6, MAC_B), 0);
	ck_assert_int_eq(count_claims(tap, VIP4, MAC_A, 1500), 0);
	close(tap);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 2000), "list");
	ck_assert_msg(*heard_of(&b, "conflict", 200) == '\0', "a move is no conflict");
}
END_TEST

/* Two nodes that both think they own it: the one that stays has the last word. */
START_TEST(split_brain_is_settled_by_who_stays)
{
	int ms;

	tell(&a, "set " VIP4);
	heard_of(&a, "set", 2000);
	resolve(VIP4);
	tell(&b, "set " VIP4);
	heard_of(&b, "set", 2000);
	usleep(120000);			/* they argue */
	tell(&b, "set");
	heard_of(&b, "set", 2000);
	ms = wait_entry(VIP4, MAC_A);
	printf("split brain: the client is back with the owner %d ms after the other "
	    "fell silent\n", ms);
	ck_assert_msg(ms >= 0 && ms <= 400, "%d ms", ms);
	usleep(600000);
	ck_assert_msg(has_entry(VIP4, MAC_A), "for good");
}
END_TEST

/* A stranger has the address already: found, told, not taken. */
START_TEST(first_claim_finds_a_holder)
{
	const char *line;

	must("ip -n %ss addr add " VIP4 "/24 dev eth0", ns_prefix);
	must("ip -n %ss addr add " VIP6 "/64 dev eth0 nodad", ns_prefix);
	tell(&a, "set first " VIP4 " " VIP6 " 10.9.0.101");
	line = heard_of(&a, "conflict", 1000);
	ck_assert_msg(strcmp(line, "conflict " VIP4 " eth0 " MAC_S) == 0 ||
	    strcmp(line, "conflict " VIP6 " eth0 " MAC_S) == 0, "%s", line);
	ck_assert(*heard_of(&a, "conflict", 1000) != '\0');
	usleep(1200000);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 1000), "list 10.9.0.101@eth0");

	/* It goes away: probed again, found free, taken. */
	must("ip -n %ss addr del " VIP4 "/24 dev eth0", ns_prefix);
	line = heard_of(&a, "settled", 15000);
	ck_assert_msg(strcmp(line, "settled " VIP4 " eth0") == 0, "%s", line);
	usleep(50000);
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 1000), VIP4) != NULL, "ours now");
}
END_TEST

/* A silent stranger turns up later: the watch probe finds it. */
START_TEST(watch_finds_a_silent_stranger)
{
	must("ip -n %ss addr add " VIP4 "/24 dev eth0", ns_prefix);
	tell(&a, "set " VIP4);
	ck_assert_str_eq(heard_of(&a, "conflict", 2500), "conflict " VIP4 " eth0 " MAC_S);
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 1000), VIP4 "@eth0") != NULL,
	    "defended, not given up");
}
END_TEST

/* As often as asked for, and without a probe where none is wanted. */
START_TEST(settings)
{
	int tap, n;

	node_stop(&a, NULL);
	conf = (struct arp_io_conf){ .repeat_sec = 1, .nannounce = 1,
		.is_unprobed = true };
	a = node_start("a");
	conf = (struct arp_io_conf){ 0 };
	tap = tap_client("c");
	tell(&a, "set first " VIP4);
	heard_of(&a, "set", 2000);
	n = count_claims(tap, VIP4, MAC_A, 600);
	ck_assert_msg(n == 2, "at once, one pair, and then a pause: %d", n);
	n = count_claims(tap, VIP4, MAC_A, 2600);
	ck_assert_msg(n >= 2 * 2 && n <= 2 * 4, "every 0.75 to 1.25 s: %d", n);
	close(tap);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("arp io");
	TCase *tc;

	lan_begin();
	tc = lan_case(s, "lan");
	tcase_add_test(tc, kernel_and_tools_find_the_vip);
	tcase_add_test(tc, askers_without_a_mac_are_answered);
	tcase_add_test(tc, duplicate_detection_of_others_works);
	tcase_add_test(tc, takeover_moves_the_clients_entries);
	tcase_add_test(tc, woken_owner_keeps_quiet);
	tcase_add_loop_test(tc, short_hang, 0, (int)nitems(hangs));
	tcase_add_test(tc, planned_move_makes_before_it_breaks);
	tcase_add_test(tc, split_brain_is_settled_by_who_stays);
	tcase_add_test(tc, first_claim_finds_a_holder);
	tcase_add_test(tc, watch_finds_a_silent_stranger);
	tcase_add_test(tc, settings);
	return lan_run(s);
}
