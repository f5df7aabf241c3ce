/*
 * What heraldctl bgp makes of a speaker's answers: each table's telling parts.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/bgp_decode.h"
#include "tests/check.h"

#define UP \
	"{\"node\":\"n1\",\"peers\":[{\"name\":\"tor\",\"address\":\"10.0.0.254\"," \
	"\"vrf\":\"red\",\"state\":\"Established\",\"since\":\"2026-11-21T03:00:00Z\"," \
	"\"localAS\":64512,\"localAddress\":\"10.0.0.1\",\"peerAS\":4200000000," \
	"\"routerID\":\"9.9.9.9\",\"holdTime\":90,\"families\":[\"ipv4 unicast\"," \
	"\"ipv6 unicast\"],\"capabilities\":[\"4-byte AS\"],\"announced\":3," \
	"\"pending\":0,\"established\":2,\"bfd\":{\"state\":\"up\",\"detectMs\":30," \
	"\"echo\":\"unanswered\"}," \
	"\"messages\":{\"sent\":{\"OPEN\":2,\"UPDATE\":7},\"received\":{\"OPEN\":3," \
	"\"UPDATE\":0},\"discarded\":1,\"withdrawn\":4}}]}"
#define DOWN \
	"{\"node\":\"n1\",\"peers\":[{\"name\":\"tor\",\"interface\":\"eth0\"," \
	"\"state\":\"Active\",\"since\":\"2026-11-21T03:00:00Z\"," \
	"\"reason\":\"cannot connect: Connection refused\",\"localAS\":64512," \
	"\"announced\":0,\"pending\":3,\"established\":0}]}"
#define ROUTES \
	"{\"node\":\"n1\",\"peers\":[{\"name\":\"tor\",\"routes\":[{\"prefix\":" \
	"\"10.9.0.1/32\",\"state\":\"announced\",\"nextHop\":\"10.0.0.1\",\"med\":7," \
	"\"localPref\":90,\"prepend\":2,\"communities\":[\"65535:0\",\"64512:1\"]," \
	"\"largeCommunities\":[\"1:2:3\"],\"extendedCommunities\":[\"0x1\"]}," \
	"{\"prefix\":\"10.9.0.2/32\",\"state\":\"withdrawing\"}]}," \
	"{\"name\":\"new\",\"routes\":[]}]}"

static const struct {
	const char *why;
	int (*decode)(const char *json, FILE *out);
	const char *json;
	const char *says[6];
} rows[] = {
	{ "a session that is up", bgp_decode_peers, UP,
	    { "10.0.0.254 vrf red", "4200000000 Established", "router ID 9.9.9.9, from "
	      "10.0.0.1, hold time 90 s, up 2 times", "families: ipv4 unicast, ipv6 "
	      "unicast", "agreed on: 4-byte AS", "within 30 ms" } },
	{ "Echo packets that the router does not return", bgp_decode_peers, UP,
	    { "BFD Echo packets do not come back" } },
	{ "one that is not says why", bgp_decode_peers, DOWN,
	    { "%eth0", "- ", "Active", "cannot connect: Connection refused" } },
	{ "messages by type", bgp_decode_messages, UP,
	    { "OPEN                      2          3",
	      "UPDATE                    7          0",
	      "1 lost an attribute, 4 counted as withdrawals" } },
	{ "and why it ended", bgp_decode_messages, DOWN, { "last end: cannot connect" } },
	{ "routes with all there is to them", bgp_decode_routes, ROUTES,
	    { "announced    10.0.0.1", "MED 7", "localPref 90", "prepend 2",
	      "communities 65535:0, 64512:1", "withdrawing  -" } },
	{ "the less usual communities, and no route", bgp_decode_routes, ROUTES,
	    { "large communities 1:2:3", "extended communities 0x1",
	      "new                  none" } },
	{ "no peer is no error", bgp_decode_peers, "{\"node\":\"n1\",\"peers\":[]}",
	    { "no BGPPeer is for this node" } },
	{ "a peer of which nothing is known", bgp_decode_peers,
	    "{\"node\":\"n1\",\"peers\":[{}]}", { "-" } },
	{ "a peer that is no object", bgp_decode_routes,
	    "{\"node\":\"n1\",\"peers\":[7]}", { "none" } },
};

START_TEST(tables)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	ck_assert_msg(rows[_i].decode(rows[_i].json, f) == 0, "%s", rows[_i].why);
	fclose(f);
	for (size_t i = 0; i < nitems(rows[_i].says) && rows[_i].says[i] != NULL; i++)
		ck_assert_msg(strstr(out, rows[_i].says[i]) != NULL, "%s: no \"%s\" in\n%s",
		    rows[_i].why, rows[_i].says[i], out);
	free(out);
}
END_TEST

static const char *const nonsense[] = {
	"", "no JSON", "{}", "[]", "{\"node\":\"n1\"}", "{\"peers\":[]}",
	"{\"node\":1,\"peers\":[]}", "{\"node\":\"n1\",\"peers\":{}}",
};

START_TEST(refused)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	for (size_t i = 0; i < nitems(rows); i++)
		ck_assert_int_ne(rows[i].decode(nonsense[_i], f), 0);
	fclose(f);
	ck_assert_msg(len == 0, "nothing written for what is no answer");
	free(out);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, tables, 0, nitems(rows));
	tcase_add_loop_test(tc, refused, 0, nitems(nonsense));
}

TEST_MAIN("ctl bgp", fill)
