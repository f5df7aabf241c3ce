/* Codecs of arp/: ARP and NDP, each message as bytes with its dissection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arp/arp.h"
#include "arp/ndp.h"
#include "tests/hex.h"

static const uint8_t us[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t nobody[6];

#define ETH_BCAST "ffffffffffff 020000000002 "
#define ETH_US	  "020000000001 020000000002 "
#define ARP_HEAD  "0806 0001 0800 06 04 "
#define V4_VIP	  "c0a8010a "		/* 192.168.1.10 */
#define V4_PEER	  "c0a80102 "		/* 192.168.1.2 */
#define MAC_PEER  "020000000002 "
#define MAC_ZERO  "000000000000 "
#define VIP6	  "20010db8000000000000000000000010 "	/* 2001:db8::10 */
#define PEER6	  "20010db8000000000000000000000002 "	/* 2001:db8::2 */
#define ANY6	  "00000000000000000000000000000000 "
#define SNM6	  "ff0200000000000000000001ff000010 "	/* ff02::1:ff00:10 */
#define ALL6	  "ff020000000000000000000000000001 "	/* ff02::1 */
#define IP6_24	  "86dd 60000000 0018 3a ff "
#define IP6_32	  "86dd 60000000 0020 3a ff "

struct expect {
	enum arp_event_kind kind;
	const char *target, *asker;
	const uint8_t *mac;
};

/* n is how many events; -1: refused. */
static const struct {
	const char *why, *hex;
	int	n;
	struct expect ev[2];
} frames[] = {
	{ "a request claims its sender and asks for its target",
	    ETH_BCAST ARP_HEAD "0001" MAC_PEER V4_PEER MAC_ZERO V4_VIP, 2,
	    { { ARP_EVENT_CLAIM, "192.168.1.2", NULL, peer },
	    { ARP_EVENT_ASK, "192.168.1.10", "192.168.1.2", peer } } },
	{ "an Ethernet frame is padded to 60 bytes",
	    ETH_BCAST ARP_HEAD "0001" MAC_PEER V4_PEER MAC_ZERO V4_VIP
	    "000000000000000000000000000000000000", 2,
	    { { ARP_EVENT_CLAIM, "192.168.1.2", NULL, peer },
	    { ARP_EVENT_ASK, "192.168.1.10", "192.168.1.2", peer } } },
	{ "a request without a useful sender MAC: the frame's source is answered",
	    ETH_BCAST ARP_HEAD "0001" MAC_ZERO V4_PEER MAC_ZERO V4_VIP, 2,
	    { { ARP_EVENT_CLAIM, "192.168.1.2", NULL, peer },
	    { ARP_EVENT_ASK, "192.168.1.10", "192.168.1.2", peer } } },
	{ "sender 0.0.0.0 is a probe (RFC 5227, 2.1.1) and claims nothing",
	    ETH_BCAST ARP_HEAD "0001" MAC_PEER "00000000" MAC_ZERO V4_VIP, 1,
	    { { ARP_EVENT_PROBE, "192.168.1.10", NULL, peer } } },
	{ "sender = target is an announcement and asks nothing (2.3)",
	    ETH_BCAST ARP_HEAD "0001" MAC_PEER V4_VIP MAC_ZERO V4_VIP, 1,
	    { { ARP_EVENT_CLAIM, "192.168.1.10", NULL, peer } } },
	{ "a reply claims", ETH_US ARP_HEAD "0002" MAC_PEER V4_VIP
	    "020000000001" V4_PEER, 1,
	    { { ARP_EVENT_CLAIM, "192.168.1.10", NULL, peer } } },
	{ "a reply with sender 0.0.0.0 says nothing", ETH_US ARP_HEAD "0002" MAC_PEER
	    "00000000" "020000000001" V4_PEER, 0, { { 0 } } },
	{ "one 802.1Q tag is stepped over", ETH_BCAST "8100 0064" ARP_HEAD "0001"
	    MAC_PEER V4_VIP MAC_ZERO V4_VIP, 1,
	    { { ARP_EVENT_CLAIM, "192.168.1.10", NULL, peer } } },
	{ "so are 802.1ad and 802.1Q together", ETH_BCAST "88a8 0064 8100 0065"
	    ARP_HEAD "0001" MAC_PEER V4_VIP MAC_ZERO V4_VIP, 1,
	    { { ARP_EVENT_CLAIM, "192.168.1.10", NULL, peer } } },
	{ "three tags are not ours", ETH_BCAST "88a8 0064 8100 0065 8100 0066"
	    ARP_HEAD "0001" MAC_PEER V4_VIP MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "hardware type not Ethernet", ETH_BCAST "0806 0006 0800 06 04 0001" MAC_PEER
	    V4_PEER MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "protocol not IPv4", ETH_BCAST "0806 0001 86dd 06 04 0001" MAC_PEER
	    V4_PEER MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "hardware length not 6", ETH_BCAST "0806 0001 0800 08 04 0001" MAC_PEER
	    V4_PEER MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "protocol length not 4", ETH_BCAST "0806 0001 0800 06 10 0001" MAC_PEER
	    V4_PEER MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "RARP is not ARP", ETH_BCAST ARP_HEAD "0003" MAC_PEER
	    V4_PEER MAC_ZERO V4_VIP, -1, { { 0 } } },
	{ "from nobody at all", "ffffffffffff 000000000000 " ARP_HEAD "0001" MAC_ZERO
	    V4_PEER MAC_ZERO V4_VIP, 0, { { 0 } } },

	{ "a solicitation claims its source and asks for its target",
	    "3333ff000010 " MAC_PEER IP6_32 PEER6 SNM6 "8700 1c09 00000000" VIP6
	    "0101 020000000002", 2,
	    { { ARP_EVENT_CLAIM, "2001:db8::2", NULL, peer },
	    { ARP_EVENT_ASK, "2001:db8::10", "2001:db8::2", peer } } },
	{ "without the source option, the frame's source is answered",
	    "020000000001 " MAC_PEER IP6_24 PEER6 VIP6 "8700 ef5f 00000000" VIP6, 2,
	    { { ARP_EVENT_CLAIM, "2001:db8::2", NULL, peer },
	    { ARP_EVENT_ASK, "2001:db8::10", "2001:db8::2", peer } } },
	{ "from :: it is a DAD probe (RFC 4862, 5.4)",
	    "3333ff000010 " MAC_PEER IP6_24 ANY6 SNM6 "8700 4ccf 00000000" VIP6, 1,
	    { { ARP_EVENT_PROBE, "2001:db8::10", NULL, peer } } },
	{ "a nonce option (RFC 7527) is stepped over",
	    "3333ff000010 " MAC_PEER IP6_32 ANY6 SNM6 "8700 35ba 00000000" VIP6
	    "0e01 010203040506", 1,
	    { { ARP_EVENT_PROBE, "2001:db8::10", NULL, peer } } },
	{ "an advertisement claims its target",
	    "333300000001 " MAC_PEER IP6_32 VIP6 ALL6 "8800 f90b 20000000" VIP6
	    "0201 020000000002", 1,
	    { { ARP_EVENT_CLAIM, "2001:db8::10", NULL, peer } } },
	{ "a wrong checksum", "333300000001 " MAC_PEER IP6_32 VIP6 ALL6
	    "8800 f90a 20000000" VIP6 "0201 020000000002", -1, { { 0 } } },
	{ "hop limit 254: routed, so forged (RFC 4861, 7.1.2)",
	    "333300000001 " MAC_PEER "86dd 60000000 0020 3a fe" VIP6 ALL6
	    "8800 f90b 20000000" VIP6 "0201 020000000002", -1, { { 0 } } },
	{ "Solicited to a multicast address (7.1.2)",
	    "333300000001 " MAC_PEER IP6_32 VIP6 ALL6 "8800 b90b 60000000" VIP6
	    "0201 020000000002", -1, { { 0 } } },
	{ "an option of length 0 (4.6)",
	    "333300000001 " MAC_PEER IP6_32 VIP6 ALL6 "8800 f90c 20000000" VIP6
	    "0200 020000000002", -1, { { 0 } } },
	{ "an option longer than the packet",
	    "333300000001 " MAC_PEER IP6_32 VIP6 ALL6 "8800 f90a 20000000" VIP6
	    "0202 020000000002", -1, { { 0 } } },
	{ "code not 0", "3333ff000010 " MAC_PEER IP6_24 ANY6 SNM6
	    "8701 4cce 00000000" VIP6, -1, { { 0 } } },
	{ "DAD not to the solicited-node group (7.1.1)",
	    "333300000001 " MAC_PEER IP6_24 ANY6 ALL6 "8700 4be0 00000000" VIP6, -1,
	    { { 0 } } },
	{ "DAD with a source option (7.1.1)",
	    "3333ff000010 " MAC_PEER IP6_32 ANY6 SNM6 "8700 49c4 00000000" VIP6
	    "0101 020000000002", -1, { { 0 } } },
	{ "a multicast target (7.1.1)",
	    "020000000001 " MAC_PEER IP6_24 PEER6 VIP6 "8700 1e25 00000000" ALL6, -1,
	    { { 0 } } },
};

static void
check_event(const char *why, const struct arp_event *got, const struct expect *want)
{
	struct ip target = ip(want->target), asker = { .family = IP_NONE };

	if (want->asker != NULL)
		asker = ip(want->asker);
	ck_assert_msg(got->kind == want->kind, "%s: %s", why,
	    arp_event_kind_name(got->kind));
	ck_assert_msg(ip_eq(&got->target, &target), "%s: target %s", why,
	    IP_STR(&got->target));
	ck_assert_msg(ip_eq(&got->asker, &asker), "%s: asker %s", why,
	    IP_STR(&got->asker));
	ck_assert_msg(arp_mac_eq(got->mac, want->mac), "%s: %s", why,
	    ARP_MAC_STR(got->mac));
}

START_TEST(decode)
{
	const char *why = frames[_i].why;
	struct arp_events got = { .n = 99 };
	size_t len;
	uint8_t *buf = unhex(frames[_i].hex, &len);
	int rc = arp_frame_decode(buf, len, &got);

	if (frames[_i].n < 0) {
		ck_assert_msg(rc == -EBADMSG, "%s: %d", why, rc);
		ck_assert_msg(got.n == 99, "%s: output touched", why);
	} else {
		ck_assert_msg(rc == 0, "%s: %d", why, rc);
		ck_assert_msg(got.n == frames[_i].n, "%s: %d events", why, got.n);
	}
	for (int i = 0; i < frames[_i].n; i++)
		check_event(why, &got.ev[i], &frames[_i].ev[i]);
	free(buf);
}
END_TEST

/* No prefix of a valid frame without its padding is valid. */
START_TEST(decode_prefixes)
{
	size_t len, min_len;
	uint8_t *buf = unhex(frames[_i].hex, &len);

	if (frames[_i].n < 0) {
		free(buf);
		return;
	}
	min_len = len == 60 ? 42 : len;		/* the one padded row */
	for (size_t n = 0; n < min_len; n++) {
		uint8_t *cut = malloc(n > 0 ? n : 1);
		struct arp_events got = { .n = 99 };

		memcpy(cut, buf, n);
		ck_assert_msg(arp_frame_decode(cut, n, &got) == -EBADMSG,
		    "%s: %zu of %zu bytes", frames[_i].why, n, len);
		ck_assert_int_eq(got.n, 99);
		free(cut);
	}
	free(buf);
}
END_TEST

START_TEST(vlan_is_told)
{
	size_t len;
	uint8_t *buf = unhex(ETH_BCAST "88a8 2064 8100 0065" ARP_HEAD "0001" MAC_PEER
	    V4_VIP MAC_ZERO V4_VIP, &len);
	struct arp_events got;

	ck_assert_int_eq(arp_frame_decode(buf, len, &got), 0);
	ck_assert_msg(got.vlan_id == 0x64, "outer VID without priority bits: %#x",
	    got.vlan_id);
	free(buf);
}
END_TEST

enum maker { PROBE, REQUEST, REPLY, ANSWER_ASK, ANSWER_PROBE };

/* What we send, byte for byte. */
static const struct {
	const char *why;
	enum maker make;
	const char *vip, *hex;
} sent[] = {
	{ "ARP probe: sender 0.0.0.0, target MAC zero (RFC 5227, 2.1.1)", PROBE,
	    "192.168.1.10", "ffffffffffff 020000000001 " ARP_HEAD
	    "0001 020000000001 00000000" MAC_ZERO V4_VIP },
	{ "request form: sender = target = VIP (RFC 5227, 2.3)", REQUEST,
	    "192.168.1.10", "ffffffffffff 020000000001 " ARP_HEAD
	    "0001 020000000001" V4_VIP MAC_ZERO V4_VIP },
	{ "reply form: target MAC = sender MAC, or Linux ignores it when locked", REPLY,
	    "192.168.1.10", "ffffffffffff 020000000001 " ARP_HEAD
	    "0002 020000000001" V4_VIP "020000000001" V4_VIP },
	{ "an answer goes to the asker alone", ANSWER_ASK,
	    "192.168.1.10", MAC_PEER "020000000001 " ARP_HEAD
	    "0002 020000000001" V4_VIP MAC_PEER V4_PEER },
	{ "a probe is answered with target 0.0.0.0", ANSWER_PROBE,
	    "192.168.1.10", MAC_PEER "020000000001 " ARP_HEAD
	    "0002 020000000001" V4_VIP MAC_PEER "00000000" },
	{ "DAD: from :: to the solicited-node group, no option", PROBE,
	    "2001:db8::10", "3333ff000010 020000000001 " IP6_24 ANY6 SNM6
	    "8700 4ccf 00000000" VIP6 },
	{ "unsolicited NA to all nodes: O, not R, not S", REQUEST,
	    "2001:db8::10", "333300000001 020000000001 " IP6_32 VIP6 ALL6
	    "8800 f90c 20000000" VIP6 "0201 020000000001" },
	{ "an answer to the asker: S and O", ANSWER_ASK,
	    "2001:db8::10", MAC_PEER "020000000001 " IP6_32 VIP6 PEER6
	    "8800 8a55 60000000" VIP6 "0201 020000000001" },
	{ "DAD is answered to all nodes, S clear (RFC 4861, 7.2.4)", ANSWER_PROBE,
	    "2001:db8::10", "333300000001 020000000001 " IP6_32 VIP6 ALL6
	    "8800 f90c 20000000" VIP6 "0201 020000000001" },
};

static struct arp_frame
make(enum maker what, const struct ip *vip)
{
	struct arp_event ask = { .kind = ARP_EVENT_PROBE, .target = *vip };
	bool is_v4 = ip_is_v4(vip);

	memcpy(ask.mac, peer, 6);
	switch (what) {
	case PROBE:
		return is_v4 ? arp_probe(vip, us) : ndp_probe(vip, us);
	case REQUEST:
		return is_v4 ? arp_announce_request(vip, us) : ndp_announce(vip, us);
	case REPLY:
		return arp_announce_reply(vip, us);
	case ANSWER_ASK:
		ask.kind = ARP_EVENT_ASK;
		ask.asker = ip(is_v4 ? "192.168.1.2" : "2001:db8::2");
		break;
	case ANSWER_PROBE:
		break;
	}
	return is_v4 ? arp_answer(vip, us, &ask) : ndp_answer(vip, us, &ask);
}

START_TEST(encode)
{
	struct ip vip = ip(sent[_i].vip);
	struct arp_frame f = make(sent[_i].make, &vip);
	struct arp_events back;
	size_t len;
	uint8_t *want = unhex(sent[_i].hex, &len);

	ck_assert_msg(f.len == len, "%s: %u bytes, not %zu", sent[_i].why, f.len, len);
	for (size_t i = 0; i < len; i++)
		ck_assert_msg(f.buf[i] == want[i], "%s: byte %zu is %02x, not %02x",
		    sent[_i].why, i, f.buf[i], want[i]);
	ck_assert_msg(arp_frame_decode(f.buf, f.len, &back) == 0, "%s: own decoder",
	    sent[_i].why);
	ck_assert_int_eq(back.n, 1);
	ck_assert(ip_eq(&back.ev[0].target, &vip));
	free(want);
}
END_TEST

START_TEST(stations)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 };

	ck_assert(arp_mac_is_station(us));
	ck_assert_msg(!arp_mac_is_station(nobody), "all zero");
	ck_assert_msg(!arp_mac_is_station(group), "a group address");
	ck_assert_str_eq(ARP_MAC_STR(peer), "02:00:00:00:00:02");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, decode, 0, (int)nitems(frames));
	tcase_add_loop_test(tc, decode_prefixes, 0, (int)nitems(frames));
	tcase_add_test(tc, vlan_is_told);
	tcase_add_loop_test(tc, encode, 0, (int)nitems(sent));
	tcase_add_test(tc, stations);
}

TEST_MAIN("arp frames", fill)
