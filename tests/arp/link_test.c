/* Which links may carry a VIP, and what a change of one means. */
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "arp/link.h"
#include "tests/check.h"

enum { UP = IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST };
enum { OPER_UNKNOWN = 0, OPER_DOWN = 2, OPER_LOWERLAYERDOWN = 3, OPER_DORMANT = 5,
	OPER_UP = 6 };

static struct link
good(const char *name, int ifindex)
{
	struct link l = { .ifindex = ifindex, .flags = UP, .type = ARPHRD_ETHER,
		.operstate = OPER_UP, .has_carrier = true,
		.mac = { 2, 0, 0, 0, 0, (uint8_t)ifindex } };

	strncpy(l.name, name, sizeof(l.name) - 1);
	return l;
}

/* 0 in flags and type: as good() has them. */
static const struct {
	const char *why, *name;
	unsigned flags;
	uint16_t type;
	int	master;
	const char *slave_kind;
	uint8_t	operstate;
	bool	no_carrier, no_mac;
	enum link_why want;
} links[] = {
	{ "an uplink", "eth0", 0, 0, 0, "", OPER_UP, 0, 0, LINK_ELIGIBLE },
	{ "a bond", "bond0", 0, 0, 0, "", OPER_UP, 0, 0, LINK_ELIGIBLE },
	{ "a VLAN on it", "bond0.100", 0, 0, 0, "", OPER_UP, 0, 0, LINK_ELIGIBLE },
	{ "a bridge with the node's address", "br0", 0, 0, 0, "", OPER_UP, 0, 0,
	    LINK_ELIGIBLE },
	{ "a named bridge is not a docker one", "br-office", 0, 0, 0, "", OPER_UP, 0, 0,
	    LINK_ELIGIBLE },
	{ "drivers without operstate", "eth0", 0, 0, 0, "", OPER_UNKNOWN, 0, 0,
	    LINK_ELIGIBLE },
	{ "a VRF groups, it does not enslave", "eth1", 0, 0, 9, "vrf", OPER_UP, 0, 0,
	    LINK_ELIGIBLE },
	{ "loopback", "lo", UP | IFF_LOOPBACK, ARPHRD_LOOPBACK, 0, "", OPER_UNKNOWN, 0, 0,
	    LINK_LOOPBACK },
	{ "wireguard", "wg0", UP | IFF_NOARP, ARPHRD_NONE, 0, "", OPER_UNKNOWN, 0, 1,
	    LINK_NOT_ETHERNET },
	{ "an IPIP tunnel", "ipip0", UP | IFF_NOARP, ARPHRD_TUNNEL, 0, "", OPER_UP, 0, 1,
	    LINK_NOT_ETHERNET },
	{ "InfiniBand: 20-byte addresses", "ib0", 0, ARPHRD_INFINIBAND, 0, "", OPER_UP, 0,
	    1, LINK_NOT_ETHERNET },
	{ "NOARP", "eth0", UP | IFF_NOARP, 0, 0, "", OPER_UP, 0, 0, LINK_NO_ARP },
	{ "kube-proxy's dummy", "kube-ipvs0", UP, 0, 0, "", OPER_UP, 0, 0,
	    LINK_EXCLUDED },
	{ "a CNI's bridge", "cni0", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "flannel's VXLAN", "flannel.1", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "Calico's veths", "cali1234abcd", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "Cilium's", "lxc_health", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "docker's networks", "br-0123456789ab", 0, 0, 0, "", OPER_UP, 0, 0,
	    LINK_EXCLUDED },
	{ "our own", "herald0", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "the user's exclusion", "mgmt0", 0, 0, 0, "", OPER_UP, 0, 0, LINK_EXCLUDED },
	{ "a bridge port", "eth0", 0, 0, 9, "bridge", OPER_UP, 0, 0, LINK_ENSLAVED },
	{ "a bond's slave", "eth0", 0, 0, 9, "bond", OPER_UP, 0, 0, LINK_ENSLAVED },
	{ "of a kind we do not know", "eth0", 0, 0, 9, "", OPER_UP, 0, 0, LINK_ENSLAVED },
	{ "set down", "eth0", IFF_BROADCAST, 0, 0, "", OPER_DOWN, 1, 0, LINK_DOWN },
	{ "cable out", "eth0", 0, 0, 0, "", OPER_DOWN, 1, 0, LINK_NO_CARRIER },
	{ "a VLAN whose parent is down", "eth0.5", 0, 0, 0, "", OPER_LOWERLAYERDOWN, 0, 0,
	    LINK_NO_CARRIER },
	{ "802.1X not done", "eth0", 0, 0, 0, "", OPER_DORMANT, 0, 0, LINK_NO_CARRIER },
};

START_TEST(eligible)
{
	static const char *const exclude[] = { "mgmt*" };
	struct link l = good(links[_i].name, 2);
	const struct link *got;
	struct link_table t;

	if (links[_i].flags != 0)
		l.flags = links[_i].flags;
	if (links[_i].type != 0)
		l.type = links[_i].type;
	if (links[_i].no_mac)
		memset(l.mac, 0, 6);
	l.master = links[_i].master;
	strcpy(l.slave_kind, links[_i].slave_kind);
	l.operstate = links[_i].operstate;
	l.has_carrier = !links[_i].no_carrier;
	link_table_init(&t, exclude, 1);
	link_table_put(&t, &l);
	got = link_table_find(&t, 2);
	ck_assert_msg(got->why == links[_i].want, "%s: %s", links[_i].why,
	    link_why_text(got->why));
	link_table_fini(&t);
}
END_TEST

enum { SET = LINK_CHANGE_SET, PATH = LINK_CHANGE_PATH, INFO = LINK_CHANGE_INFO };

/* A link that is eligible (or has no carrier) first, changed by `edit`. */
static const struct {
	const char *why;
	bool	was_up;
	enum { SAME, RENAME, NEW_MAC, SLAVE, CARRIER, NO_CARRIER, ENSLAVE, MTU } edit;
	unsigned want;
} edits[] = {
	{ "nothing changed", true, SAME, 0 },
	{ "flags of no interest", true, MTU, 0 },
	{ "renamed: patterns match anew", true, RENAME, SET },
	{ "a new MAC: announce it", true, NEW_MAC, PATH },
	{ "a bond switched: announce through the new slave", true, SLAVE, PATH },
	{ "carrier lost", true, NO_CARRIER, SET | INFO },
	{ "carrier came", false, CARRIER, SET | INFO },
	{ "became a port", true, ENSLAVE, SET | INFO },
	{ "no carrier, and now a port: another reason", false, ENSLAVE, INFO },
	{ "no carrier: a new MAC matters to nobody", false, NEW_MAC, 0 },
};

START_TEST(change)
{
	struct link l = good("eth0", 2);
	struct link_table t;
	unsigned got;

	link_table_init(&t, NULL, 0);
	l.has_carrier = edits[_i].was_up;
	ck_assert_uint_eq(link_table_put(&t, &l), INFO | (edits[_i].was_up ? SET : 0u));
	switch (edits[_i].edit) {
	case SAME:
		break;
	case MTU:
		l.flags |= IFF_PROMISC;
		break;
	case RENAME:
		strcpy(l.name, "eth9");
		break;
	case NEW_MAC:
		l.mac[4] = 7;
		break;
	case SLAVE:
		l.active_slave = 5;
		break;
	case CARRIER:
		l.has_carrier = true;
		break;
	case NO_CARRIER:
		l.has_carrier = false;
		break;
	case ENSLAVE:
		l.master = 8;
		break;
	}
	got = link_table_put(&t, &l);
	ck_assert_msg(got == edits[_i].want, "%s: %#x", edits[_i].why, got);
	link_table_fini(&t);
}
END_TEST

/* A resync removes what is gone and tells of it; order does not matter. */
START_TEST(resync)
{
	static const int order[] = { 7, 3, 9, 1, 5 };
	struct link_table t;
	struct link l;

	link_table_init(&t, NULL, 0);
	for (size_t i = 0; i < nitems(order); i++) {
		l = good("eth0", order[i]);
		link_table_put(&t, &l);
	}
	for (size_t i = 1; i < t.n; i++)
		ck_assert_int_lt(t.links[i - 1].ifindex, t.links[i].ifindex);
	link_table_mark(&t);
	l = good("eth0", 3);
	ck_assert_uint_eq(link_table_put(&t, &l), 0);
	l = good("eth0", 9);
	link_table_put(&t, &l);
	ck_assert_uint_eq(link_table_sweep(&t), SET | INFO);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_ptr_null(link_table_find(&t, 7));
	ck_assert_ptr_nonnull(link_table_find(&t, 3));
	ck_assert_msg(link_table_sweep(&t) == 0, "nothing is stale now");
	ck_assert_msg(link_table_del(&t, 7) == 0, "not there");
	ck_assert_uint_eq(link_table_del(&t, 3), SET | INFO);
	ck_assert(link_table_has_mac(&t, good("", 9).mac));
	ck_assert(!link_table_has_mac(&t, good("", 3).mac));
	link_table_fini(&t);
}
END_TEST

START_TEST(names)
{
	static const char *const patterns[] = { "eth?", "bond0.1*" };

	ck_assert_msg(link_name_matches("anything", NULL, 0), "none given: all");
	ck_assert(link_name_matches("eth1", patterns, 2));
	ck_assert(!link_name_matches("eth10", patterns, 2));
	ck_assert(link_name_matches("bond0.100", patterns, 2));
	ck_assert(!link_name_matches("bond0", patterns, 2));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, eligible, 0, (int)nitems(links));
	tcase_add_loop_test(tc, change, 0, (int)nitems(edits));
	tcase_add_test(tc, resync);
	tcase_add_test(tc, names);
}

TEST_MAIN("arp link", fill)
