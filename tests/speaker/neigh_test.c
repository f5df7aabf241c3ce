#include <string.h>

#include "speaker/neigh.h"
#include "tests/check.h"

static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0xab, 0x0c };

#define HEAD "IP address       HW type     Flags       HW address            Mask     Device\n"
#define LINE(ip, mac) ip "        0x1         0x2         " mac "     *        eth0\n"

static const struct {
	const char *why, *text, *found;
} rows[] = {
	{ "an empty table", HEAD, NULL },
	{ "nothing at all", "", NULL },
	{ "the node", HEAD LINE("10.0.0.2", "02:00:00:00:ab:0c"), "10.0.0.2" },
	{ "another MAC", HEAD LINE("10.0.0.2", "02:00:00:00:ab:0d"), NULL },
	{ "an address of that MAC that is no node's, then the node's",
	    HEAD LINE("10.0.9.1", "02:00:00:00:ab:0c") LINE("10.0.0.2",
	    "02:00:00:00:ab:0c"), "10.0.0.2" },
	{ "a MAC of another length", HEAD LINE("10.0.0.2", "02:00:00:00:ab"), NULL },
	{ "a line cut short", HEAD "10.0.0.2   0x1  0x2  02:00", NULL },
};

static bool
is_node(void *arg, const struct ip *ip)
{
	struct ip node = ip_from_v4(0x0a000002);

	(void)arg;
	return ip_eq(ip, &node);
}

START_TEST(table)
{
	FILE *f = fmemopen((void *)(uintptr_t)rows[_i].text, strlen(rows[_i].text) + 1,
	    "r");
	struct ip ip;
	bool is_found = neigh_find(f, mac, is_node, NULL, &ip);

	fclose(f);
	ck_assert_msg(is_found == (rows[_i].found != NULL), "%s", rows[_i].why);
	if (is_found)
		ck_assert_str_eq(IP_STR(&ip), rows[_i].found);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
}

TEST_MAIN("neigh", fill)
