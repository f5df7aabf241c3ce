/* Links that come, go and change, on a LAN; see lan.h. */
#include "tests/arp/lan.h"

START_TEST(links_come_and_go)
{
	const char *out;
	int rc, tap;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	must("set -e; P=%s; ip -n ${P}lan link add pa1 type veth peer name net1 netns"
	    " ${P}a address 02:00:00:00:01:0a; ip -n ${P}lan link set pa1 master br0 up;"
	    " ip -n ${P}a link set net1 up;"
	    " ip -n ${P}a link add skip0 link eth0 type macvlan;"
	    " ip -n ${P}a link set skip0 up;"
	    " ip -n ${P}a link add br1 type bridge;"
	    " ip -n ${P}a link add veth77 type veth peer name veth78", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	usleep(100000);
	tell(&a, "why");
	out = heard_of(&a, "why", 1000);
	ck_assert_msg(strstr(out, "lo(loopback)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "net1(yes)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "skip0(excluded by its name)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "br1(down)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "veth77(excluded by its name)") != NULL, "%s", out);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, VIP4 "@net1") != NULL, "%s", out);
	out = in("a", &rc, "ip maddr show dev net1");
	ck_assert_msg(strstr(out, "ff02::1:ff00:100") != NULL, "group joined: %s", out);

	/* Enslaved, the master speaks. */
	must("ip -n %sa link set net1 master br1", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	must("ip -n %sa link set br1 up", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	usleep(100000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, "@br1") != NULL && strstr(out, "@net1") == NULL, "%s",
	    out);

	/* Carrier lost and back: announced anew. */
	must("ip -n %slan link set pa down", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, "@eth0") == NULL, "%s", out);
	must("ip -n %slan link set pa up", ns_prefix);
	tap = tap_client("c");
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	/* The first may go while the bridge port is not forwarding yet. */
	ck_assert_int_ge(count_claims(tap, VIP4, MAC_A, 1500), 2);

	/* Another MAC: announced with it. */
	must("ip -n %sa link set eth0 address 02:00:00:00:00:1a", ns_prefix);
	ck_assert_int_ge(count_claims(tap, VIP4, "02:00:00:00:00:1a", 1500), 2);
	close(tap);
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_int_eq(rc, 0);
}
END_TEST

/* A bond of two ports and a VLAN on it; where the kernel has neither, nothing. */
START_TEST(bond_and_vlan)
{
	const char *out;
	int rc, tap;

	shell(&rc, "ip -n %sa link add bond0 type bond mode active-backup 2>&1",
	    ns_prefix);
	if (rc != 0) {
		printf("not tested: bonds and VLANs, this kernel has none\n");
		return;
	}
	must("set -e; P=%s; ip -n ${P}a link set eth0 down;"
	    " for i in 1 2; do"
	    "  ip -n ${P}lan link add pb$i type veth peer name port$i netns ${P}a;"
	    "  ip -n ${P}lan link set pb$i master br0 up;"
	    "  ip -n ${P}a link set port$i master bond0; done;"
	    " ip -n ${P}a link set bond0 address 02:00:00:00:02:0a up;"
	    " ip -n ${P}a link add link bond0 name bond0.7 type vlan id 7;"
	    " ip -n ${P}a link set bond0.7 up;"
	    " ip -n ${P}c link add link eth0 name eth0.7 type vlan id 7;"
	    " ip -n ${P}c link set eth0.7 up", ns_prefix);
	sleep(1);
	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	usleep(200000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, VIP4 "@bond0") && strstr(out, VIP6 "@bond0.7") &&
	    !strstr(out, "@port"), "%s", out);
	out = in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "answered on the bond: %s", out);
	out = in("c", &rc, "arping -c 2 -w 3 -I eth0.7 -s 10.9.0.2 " VIP4);
	ck_assert_msg(strstr(out, "Received 2 response") != NULL,
	    "answered on the VLAN, once for each: %s", out);

	usleep(1500000);			/* past the burst */
	tap = tap_client("c");
	must("ip -n %sa link set bond0 type bond active_slave port2", ns_prefix);
	ck_assert_msg(count_claims(tap, VIP4, "02:00:00:00:02:0a", 500) >= 2,
	    "the bond's switch is announced");
	close(tap);
}
END_TEST

START_TEST(interfaces_restrict)
{
	const char *out;

	must("set -e; P=%s; ip -n ${P}lan link add pa1 type veth peer name net1 netns"
	    " ${P}a; ip -n ${P}lan link set pa1 master br0 up;"
	    " ip -n ${P}a link set net1 up", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	tell(&a, "set if=net? " VIP4);
	heard_of(&a, "set", 2000);
	usleep(50000);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 1000), "list " VIP4 "@net1");
	tell(&a, "set if=eth0 " VIP4);
	usleep(50000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_str_eq(out, "list " VIP4 "@eth0");
}
END_TEST

/* Two MACs on one port: what is asked of the one is answered with it. */
START_TEST(macvlan)
{
	const char *out;
	int rc;

	must("set -e; P=%s; ip -n ${P}a link add mv0 link eth0 address 02:00:00:00:03:0a"
	    " type macvlan mode bridge; ip -n ${P}a link set mv0 up", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	tell(&a, "set if=mv0 " VIP4);
	heard_of(&a, "set", 2000);
	usleep(50000);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 1000), "list " VIP4 "@mv0");
	out = in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0 && strcasestr(out, "[02:00:00:00:03:0a]") != NULL &&
	    strstr(out, "Received 1 response") != NULL, "%s", out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("arp links");
	TCase *tc;

	lan_begin();
	tc = lan_case(s, "lan");
	tcase_add_test(tc, links_come_and_go);
	tcase_add_test(tc, interfaces_restrict);
	tcase_add_test(tc, macvlan);
	/* Apart, so that CK_RUN_CASE=bond picks it in the lab's kernel. */
	tcase_add_test(lan_case(s, "bond"), bond_and_vlan);
	return lan_run(s);
}
