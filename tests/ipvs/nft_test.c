/* Sets as values, their differences as commands, listings read back. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/nft_listing.h"
#include "ipvs/nft_rules.h"
#include "ipvs/nft_set.h"
#include "lib/mem.h"
#include "tests/check.h"

static struct ip
addr(const char *s)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(s, &a), 0);
	return a;
}

/* "ADDR [PROTO PORT [PREFIX|MARK]]" into set id; by mark, "ADDR 0 PORT MARK". */
static void
add(struct nft_state *s, enum nft_set_id id, const char *text)
{
	char a[64], tail[64] = "";
	struct nft_elem e = { 0 };
	unsigned proto = 0, port = 0;

	ck_assert_int_ge(sscanf(text, "%63s %u %u %63s", a, &proto, &port, tail), 1);
	e.addr = addr(a);
	e.proto = (uint8_t)proto;
	e.port = (uint16_t)port;
	if (nft_set_defs[id].form == NFT_SOURCE)
		ck_assert_int_eq(prefix_parse(tail, &e.source), 0);
	if (nft_set_defs[id].form >= NFT_MARK)
		ck_assert_int_eq(sscanf(tail, "%x", &e.mark), 1);
	nft_state_add(s, id, &e);
}

enum { MAX = 4 };

static void
fill_state(struct nft_state *s, enum nft_set_id id, const char *const *texts)
{
	for (int i = 0; i < MAX && texts[i] != NULL; i++)
		add(s, id, texts[i]);
	nft_state_sort(s);
}

static char *
piece_text(const struct nft_state *want, const struct nft_state *have,
    enum nft_side side, struct nft_cursor *at, size_t most, size_t *ret_n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	*ret_n = nft_state_write_diff(f, "t", side, want, have, at, most);
	fclose(f);
	return text;
}

static char *
diff_text(const struct nft_state *want, const struct nft_state *have,
    enum nft_side side)
{
	struct nft_cursor at = { 0 };
	size_t n;

	return piece_text(want, have, side, &at, SIZE_MAX, &n);
}

static const struct {
	const char *why;
	enum nft_set_id id;
	const char *have[MAX], *want[MAX];
	const char *text;
	const char *union_text;		/* from have to the step between */
} diffs[] = {
	{ "equal", NFT_HOST_VIPS, { "10.0.0.1" }, { "10.0.0.1" }, "", "" },
	{ "order and doubles do not matter", NFT_HOST_VIPS,
	    { "10.0.0.2", "10.0.0.1" }, { "10.0.0.1", "10.0.0.2", "10.0.0.1" }, "", "" },
	{ "one comes, one goes", NFT_HOST_VIPS,
	    { "10.0.0.1", "10.0.0.2" }, { "10.0.0.2", "10.0.0.3" },
	    "delete element inet t vips4 { 10.0.0.1 }\n"
	    "add element inet t vips4 { 10.0.0.3 }\n",
	    "add element inet t vips4 { 10.0.0.3 }\n" },
	{ "each family has its set", NFT_HOST_NODES, { NULL },
	    { "fd00::1", "10.0.0.1", "fd00::2" },
	    "add element inet t nodes4 { 10.0.0.1 }\n"
	    "add element inet t nodes6 { fd00::1, fd00::2 }\n",
	    "add element inet t nodes4 { 10.0.0.1 }\n"
	    "add element inet t nodes6 { fd00::1, fd00::2 }\n" },
	{ "inner destinations are raw numbers", NFT_HOST_INNER, { NULL },
	    { "10.0.0.50", "fd00:a::50" },
	    "add element inet t inner4 { 0x0a000032 }\n"
	    "add element inet t inner6 { 0xfd00000a000000000000000000000050 }\n",
	    "add element inet t inner4 { 0x0a000032 }\n"
	    "add element inet t inner6 { 0xfd00000a000000000000000000000050 }\n" },
	{ "a new mark for an old service is taken at once", NFT_DIR_MARKS,
	    { "10.0.0.1 6 80 0x1" }, { "10.0.0.1 6 80 0x2" },
	    "delete element inet t marks4 { 10.0.0.1 . 6 . 80 }\n"
	    "add element inet t marks4 { 10.0.0.1 . 6 . 80 : 0x00000002 }\n",
	    "delete element inet t marks4 { 10.0.0.1 . 6 . 80 }\n"
	    "add element inet t marks4 { 10.0.0.1 . 6 . 80 : 0x00000002 }\n" },
	{ "a mark leads to another VIP at once, for it can lead to one alone",
	    NFT_DIR_REPLY_VIPS, { "10.0.0.1 0 0 0x1", "10.0.0.3 0 0 0x3" },
	    { "10.0.0.2 0 0 0x1" },
	    "delete element inet t reply_vips4 { 0x00000001, 0x00000003 }\n"
	    "add element inet t reply_vips4 { 0x00000001 : 10.0.0.2 }\n",
	    "delete element inet t reply_vips4 { 0x00000001 }\n"
	    "add element inet t reply_vips4 { 0x00000001 : 10.0.0.2 }\n" },
	{ "many marks lead to one port", NFT_DIR_REPLY_PORTS, { ":: 0 53 0x5" },
	    { ":: 0 53 0x1", ":: 0 53 0x2" },
	    "delete element inet t reply_ports6 { 0x00000005 }\n"
	    "add element inet t reply_ports6 { 0x00000001 : 53, 0x00000002 : 53 }\n",
	    "add element inet t reply_ports6 { 0x00000001 : 53, 0x00000002 : 53 }\n" },
	{ "the same port of another protocol is another element", NFT_DIR_RESTRICTED,
	    { "10.0.0.1 6 80" }, { "10.0.0.1 17 80" },
	    "delete element inet t restricted4 { 10.0.0.1 . 6 . 80 }\n"
	    "add element inet t restricted4 { 10.0.0.1 . 17 . 80 }\n",
	    "add element inet t restricted4 { 10.0.0.1 . 17 . 80 }\n" },
	{ "a source within another is not said: the kernel refuses overlaps",
	    NFT_DIR_ALLOWED, { NULL }, { "10.0.0.1 6 80 10.1.0.0/16",
	    "10.0.0.1 6 80 10.0.0.0/8", "10.0.0.1 6 80 10.255.0.0/16" },
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8 }\n",
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8 }\n" },
	{ "the same source for another port is said", NFT_DIR_ALLOWED, { NULL },
	    { "10.0.0.1 6 80 10.0.0.0/8", "10.0.0.1 6 81 10.1.0.0/16" },
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8, "
	    "10.0.0.1 . 6 . 81 . 10.1.0.0/16 }\n",
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8, "
	    "10.0.0.1 . 6 . 81 . 10.1.0.0/16 }\n" },
	{ "a source that widens takes the place of the narrow one", NFT_DIR_ALLOWED,
	    { "10.0.0.1 6 80 10.1.0.0/16" }, { "10.0.0.1 6 80 10.0.0.0/8" },
	    "delete element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.1.0.0/16 }\n"
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8 }\n",
	    "delete element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.1.0.0/16 }\n"
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8 }\n" },
	{ "a source that narrows stays wide for the step between", NFT_DIR_ALLOWED,
	    { "fd00::1 6 80 2001:db8::/32" }, { "fd00::1 6 80 2001:db8:1::/48" },
	    "delete element inet t allowed6 { fd00::1 . 6 . 80 . 2001:db8::/32 }\n"
	    "add element inet t allowed6 { fd00::1 . 6 . 80 . 2001:db8:1::/48 }\n",
	    "" },
};

START_TEST(difference_is_these_commands)
{
	struct nft_state have = { 0 }, want = { 0 }, between = { 0 };
	enum nft_side side = nft_set_defs[diffs[_i].id].side;
	char *text, *step, *rest;

	fill_state(&have, diffs[_i].id, diffs[_i].have);
	fill_state(&want, diffs[_i].id, diffs[_i].want);
	nft_state_union(&want, &have, side, &between);
	text = diff_text(&want, &have, side);
	step = diff_text(&between, &have, side);
	ck_assert_msg(strcmp(text, diffs[_i].text) == 0, "%s:\n%s", diffs[_i].why, text);
	ck_assert_msg(strcmp(step, diffs[_i].union_text) == 0, "%s, between:\n%s",
	    diffs[_i].why, step);
	free(text);
	/* The other side's table is none of this. */
	text = diff_text(&want, &have, side == NFT_HOST ? NFT_DIRECTOR : NFT_HOST);
	ck_assert_str_eq(text, "");
	rest = diff_text(&want, &want, side);
	ck_assert_str_eq(rest, "");
	free(text);
	free(step);
	free(rest);
	nft_state_fini(&have);
	nft_state_fini(&want);
	nft_state_fini(&between);
}
END_TEST

/* Pieces of `most` elements, or a few more. */
static const struct {
	const char *why;
	enum nft_set_id id;
	const char *have[MAX], *want[MAX];
	bool is_removal;
	size_t most;
	const char *pieces[3];
} cuts[] = {
	{ "what there is room for, then the rest", NFT_HOST_VIPS, { NULL },
	    { "10.0.0.1", "10.0.0.2", "10.0.0.3" }, false, 2,
	    { "add element inet t vips4 { 10.0.0.1, 10.0.0.2 }\n",
	    "add element inet t vips4 { 10.0.0.3 }\n" } },
	{ "equal ones are not counted", NFT_HOST_VIPS, { "10.0.0.1", "10.0.0.2" },
	    { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4" }, false, 2,
	    { "add element inet t vips4 { 10.0.0.3, 10.0.0.4 }\n" } },
	{ "both families fit", NFT_HOST_NODES, { "10.0.0.9" }, { "10.0.0.1", "fd00::1" },
	    false, 3,
	    { "delete element inet t nodes4 { 10.0.0.9 }\n"
	    "add element inet t nodes4 { 10.0.0.1 }\n"
	    "add element inet t nodes6 { fd00::1 }\n" } },
	{ "a removal goes through the sets from the end", NFT_HOST_NODES,
	    { "10.0.0.1", "fd00::1", "fd00::2" }, { NULL }, true, 2,
	    { "delete element inet t nodes6 { fd00::1, fd00::2 }\n",
	    "delete element inet t nodes4 { 10.0.0.1 }\n" } },
	{ "a service's new mark comes with the old one's end", NFT_DIR_MARKS,
	    { "10.0.0.1 6 80 0x1", "10.0.0.2 6 80 0x2" },
	    { "10.0.0.1 6 80 0x2", "10.0.0.2 6 80 0x1" }, false, 1,
	    { "delete element inet t marks4 { 10.0.0.1 . 6 . 80 }\n"
	    "add element inet t marks4 { 10.0.0.1 . 6 . 80 : 0x00000002 }\n",
	    "delete element inet t marks4 { 10.0.0.2 . 6 . 80 }\n"
	    "add element inet t marks4 { 10.0.0.2 . 6 . 80 : 0x00000001 }\n" } },
	{ "and a mark's new VIP likewise", NFT_DIR_REPLY_VIPS,
	    { "10.0.0.1 0 0 0x1", "10.0.0.2 0 0 0x2" },
	    { "10.0.0.2 0 0 0x1", "10.0.0.1 0 0 0x2" }, false, 1,
	    { "delete element inet t reply_vips4 { 0x00000001 }\n"
	    "add element inet t reply_vips4 { 0x00000001 : 10.0.0.2 }\n",
	    "delete element inet t reply_vips4 { 0x00000002 }\n"
	    "add element inet t reply_vips4 { 0x00000002 : 10.0.0.1 }\n" } },
	{ "clients of one service are let in together", NFT_DIR_ALLOWED,
	    { "10.0.0.1 6 80 10.1.0.0/16" },
	    { "10.0.0.1 6 80 10.0.0.0/8", "10.0.0.1 6 80 11.0.0.0/8",
	    "10.0.0.1 6 81 10.0.0.0/8" }, false, 1,
	    { "delete element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.1.0.0/16 }\n"
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 80 . 10.0.0.0/8, "
	    "10.0.0.1 . 6 . 80 . 11.0.0.0/8 }\n",
	    "add element inet t allowed4 { 10.0.0.1 . 6 . 81 . 10.0.0.0/8 }\n" } },
};

START_TEST(difference_is_cut)
{
	struct nft_state have = { 0 }, want = { 0 };
	enum nft_side side = nft_set_defs[cuts[_i].id].side;
	struct nft_cursor at = { .is_removal = cuts[_i].is_removal };
	size_t i = 0, n;

	fill_state(&have, cuts[_i].id, cuts[_i].have);
	fill_state(&want, cuts[_i].id, cuts[_i].want);
	do {
		const char *piece = cuts[_i].pieces[i] != NULL ? cuts[_i].pieces[i] : "";
		char *text = piece_text(&want, &have, side, &at, cuts[_i].most, &n);

		ck_assert_msg(strcmp(text, piece) == 0, "%s: piece %zu:\n%s",
		    cuts[_i].why, i, text);
		i += n > 0;
		free(text);
	} while (n >= cuts[_i].most);
	ck_assert_msg(cuts[_i].pieces[i] == NULL, "%s: piece %zu is missing", cuts[_i].why,
	    i);
	nft_state_fini(&have);
	nft_state_fini(&want);
}
END_TEST

/* Where packets are steered is the last thing to be told, and the first to be taken back. */
static const struct {
	enum nft_set_id first, then;
} orders[] = {
	{ NFT_HOST_CLIENTS, NFT_HOST_VIPS },
	{ NFT_HOST_ENDPOINTS, NFT_HOST_VIPS },
	{ NFT_HOST_INNER, NFT_HOST_VIPS },
	{ NFT_DIR_ALLOWED, NFT_DIR_RESTRICTED },
	{ NFT_DIR_REPLY_VIPS, NFT_DIR_REPLIES },
	{ NFT_DIR_REPLY_PORTS, NFT_DIR_REPLIES },
};

START_TEST(pieces_do_no_harm)
{
	static const char *const one[MAX] = { "10.0.0.1 6 80 10.0.0.0/8" };
	static const char *const mark[MAX] = { "10.0.0.1 0 0 0x1" };
	const struct nft_set_def *first = &nft_set_defs[orders[_i].first];
	const struct nft_set_def *then = &nft_set_defs[orders[_i].then];
	struct nft_state none = { 0 }, both = { 0 };
	char word[2][32];
	size_t n;

	fill_state(&both, orders[_i].first, first->form >= NFT_MARK ? mark : one);
	fill_state(&both, orders[_i].then, then->form >= NFT_MARK ? mark : one);
	snprintf(word[0], sizeof(word[0]), "%s4", first->name);
	snprintf(word[1], sizeof(word[1]), "%s4", then->name);
	for (int is_removal = 0; is_removal < 2; is_removal++) {
		struct nft_cursor at = { .is_removal = is_removal };
		char *text = piece_text(is_removal ? &none : &both,
		    is_removal ? &both : &none, first->side, &at, 1, &n);

		ck_assert_msg(strstr(text, word[is_removal]) != NULL, "%s first:\n%s",
		    word[is_removal], text);
		free(text);
	}
	nft_state_fini(&both);
}
END_TEST

/* As nft 1.0.6 lists a director's table, cut down to what matters. */
static const char listing[] =
    "table inet herald {\n"
    "\tset vips4 {\n"
    "\t\ttype ipv4_addr\n"
    "\t\telements = { 10.0.0.50, 10.0.0.51,\n"
    "\t\t\t     10.0.0.52 }\n"
    "\t}\n"
    "\n"
    "\tset vips6 {\n"
    "\t\ttype ipv6_addr\n"
    "\t}\n"
    "\n"
    "\tmap marks4 {\n"
    "\t\ttype ipv4_addr . inet_proto . inet_service : mark\n"
    "\t\telements = { 10.0.0.50 . 6 . 80 : 0x00001234,\n"
    "\t\t\t     10.0.0.51 . 17 . 53 : 0xffffffff }\n"
    "\t}\n"
    "\n"
    "\tmap reply_vips4 {\n"
    "\t\ttype mark : ipv4_addr\n"
    "\t\telements = { 0x00000001 : 10.0.0.60, 0x00000002 : 10.0.0.61 }\n"
    "\t}\n"
    "\n"
    "\tmap reply_ports6 {\n"
    "\t\ttype mark : inet_service\n"
    "\t\telements = { 0x00000003 : 5353 }\n"
    "\t}\n"
    "\n"
    "\tset allowed6 {\n"
    "\t\ttype ipv6_addr . inet_proto . inet_service . ipv6_addr\n"
    "\t\tflags interval\n"
    "\t\telements = { fd00::50 . 6 . 80 . ::/0,\n"
    "\t\t\t     fd00::50 . 6 . 81 . 2001:db8::1 }\n"
    "\t}\n"
    "\n"
    "\tchain raw_in {\n"
    "\t\ttype filter hook prerouting priority -300; policy accept;\n"
    "\t\tip daddr @vips4 accept\n"
    "\t}\n"
    "\n"
    "\tchain v_6c95fad137921dcb {\n"
    "\t}\n"
    "\n"
    "\tchain s_c4342ead405e9a04 {\n"
    "\t}\n"
    "}\n";

static int
parse(const char *text, size_t len, enum nft_side side, struct nft_listing *ret)
{
	char *copy = mem_zalloc(len + 1);	/* exact: ASan sees each byte too far */
	int r;

	memcpy(copy, text, len);
	r = nft_listing_parse(copy, side, ret);
	free(copy);
	return r;
}

START_TEST(listing_is_read)
{
	static const char *const none[MAX] = { NULL };
	struct nft_state want = { 0 };
	struct nft_listing l = { 0 };
	char *text;

	fill_state(&want, NFT_DIR_VIPS, none);
	add(&want, NFT_DIR_VIPS, "10.0.0.50");
	add(&want, NFT_DIR_VIPS, "10.0.0.51");
	add(&want, NFT_DIR_VIPS, "10.0.0.52");
	add(&want, NFT_DIR_MARKS, "10.0.0.50 6 80 0x1234");
	add(&want, NFT_DIR_MARKS, "10.0.0.51 17 53 0xffffffff");
	add(&want, NFT_DIR_ALLOWED, "fd00::50 6 80 ::/0");
	add(&want, NFT_DIR_ALLOWED, "fd00::50 6 81 2001:db8::1/128");
	add(&want, NFT_DIR_REPLY_VIPS, "10.0.0.60 0 0 0x1");
	add(&want, NFT_DIR_REPLY_VIPS, "10.0.0.61 0 0 0x2");
	add(&want, NFT_DIR_REPLY_PORTS, ":: 0 5353 0x3");
	nft_state_sort(&want);
	ck_assert_int_eq(parse(listing, strlen(listing), NFT_DIRECTOR, &l), 0);
	ck_assert(l.version == 0x6c95fad137921dcb);
	ck_assert(l.seal == 0xc4342ead405e9a04);
	text = diff_text(&want, &l.state, NFT_DIRECTOR);
	ck_assert_str_eq(text, "");
	free(text);
	nft_state_fini(&want);
	nft_state_fini(&l.state);
}
END_TEST

START_TEST(every_prefix_of_a_listing_is_survived)
{
	for (size_t len = 0; len <= strlen(listing); len++) {
		struct nft_listing l = { 0 };

		if (parse(listing, len, NFT_DIRECTOR, &l) == 0)
			nft_state_fini(&l.state);
	}
}
END_TEST

/* What is replaced in the listing, and whether that changes its digest. */
static const struct {
	const char *why, *from, *to;
	bool is_refused, is_same_digest;
} alterations[] = {
	{ "elements are not part of the rules", "10.0.0.51,", "10.0.0.99,", false, true },
	{ "nor is the seal itself", "s_c4342ead405e9a04", "s_1111111111111111", false,
	    true },
	{ "another version is other rules", "v_6c95", "v_7c95", false, false },
	{ "a changed rule", "@vips4 accept", "@vips4 drop", false, false },
	{ "a changed hook", "-300;", "-301;", false, false },
	{ "a rule taken out", "\t\tip daddr @vips4 accept\n", "", false, false },
	{ "a changed type", "type ipv6_addr\n", "type ipv4_addr\n", false, false },
	{ "a name where a number belongs", "50 . 6 . 80 :", "50 . tcp . 80 :", true,
	    false },
	{ "an address of the other family", "10.0.0.50,", "fd00::1,", true, false },
	{ "a timeout that we never set", "10.0.0.50,", "10.0.0.50 timeout 1s,", true,
	    false },
	{ "a mark that is none", "0x00001234", "0x0000123x", true, false },
	{ "a VIP that is none", "10.0.0.61 }", "10.0.0.261 }", true, false },
	{ "a VIP of the other family", "10.0.0.61 }", "fd00::61 }", true, false },
	{ "no mark that leads to it", "0x00000002 :", "0x00000000 :", true, false },
	{ "a port out of range, by mark", ": 5353", ": 65536", true, false },
	{ "a port out of range", ". 53 :", ". 65536 :", true, false },
	{ "a prefix out of range", "::/0", "::/129", true, false },
	{ "a set that is not ours, whatever its elements", "set vips4", "set other4", false,
	    false },
};

static char *
replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "the listing has no \"%s\"", from);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

START_TEST(altered_listing_is_noticed)
{
	char *text = replace(listing, alterations[_i].from, alterations[_i].to);
	struct nft_listing a = { 0 }, b = { 0 };
	int r;

	ck_assert_int_eq(parse(listing, strlen(listing), NFT_DIRECTOR, &a), 0);
	r = parse(text, strlen(text), NFT_DIRECTOR, &b);
	ck_assert_msg(r == (alterations[_i].is_refused ? -EBADMSG : 0), "%s",
	    alterations[_i].why);
	if (r == 0) {
		ck_assert_msg((a.digest == b.digest) == alterations[_i].is_same_digest,
		    "%s", alterations[_i].why);
		nft_state_fini(&b.state);
	}
	nft_state_fini(&a.state);
	free(text);
}
END_TEST

static char *
rules_text(enum nft_side side, const struct nft_rules *r)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	nft_rules_write(f, side, r, 7);
	fclose(f);
	return text;
}

static struct nft_rules
rules(void)
{
	return (struct nft_rules){ .table = "herald", .host_if = "herald0",
		.fwmark = 0x20, .node4 = addr("10.0.0.1"), .node6 = addr("fd00::1"),
		.mtu = 1400 };
}

START_TEST(version_changes_with_every_parameter)
{
	struct nft_rules r[] = { rules(), rules(), rules(), rules(), rules(), rules() };
	uint64_t version = nft_rules_version(NFT_HOST, &r[0]);

	r[1].table = "other";
	r[2].host_if = "other";
	r[3].fwmark = 0x40;
	r[4].node4 = addr("10.0.0.2");
	r[5].node6 = (struct ip){ 0 };
	ck_assert(version != 0);
	for (size_t i = 1; i < nitems(r); i++)
		ck_assert_msg(nft_rules_version(NFT_HOST, &r[i]) != version,
		    "parameter %zu", i);
	/* These matter to the director's rules only. */
	r[0].mtu = 9000;
	r[0].drops_unknown = true;
	ck_assert(nft_rules_version(NFT_HOST, &r[0]) == version);
	version = nft_rules_version(NFT_DIRECTOR, &r[0]);
	r[0].mtu = 1500;
	ck_assert(nft_rules_version(NFT_DIRECTOR, &r[0]) != version);
	r[0].mtu = 9000;
	r[0].drops_unknown = false;
	ck_assert(nft_rules_version(NFT_DIRECTOR, &r[0]) != version);
}
END_TEST

/* Words that the rules must or must not hold, and why. */
static const struct {
	const char *why;
	enum nft_side side;
	const char *word;
	bool is_there;
} words[] = {
	{ "marks are or-ed in: other bits are other people's", NFT_HOST,
	    "meta mark set meta mark or 0x20", true },
	{ "no mark is overwritten", NFT_HOST, "mark set 0x", false },
	{ "no connection mark is overwritten", NFT_HOST, "ct mark set ct mark or 0x20",
	    true },
	{ "only our bit is tested", NFT_HOST, "ct mark and 0x20 == 0x20", true },
	{ "only tunnels that carry our VIPs are taken", NFT_HOST,
	    "ip saddr @nodes4 ip daddr @endpoints4 ip hdrlength 5 @nh,288,32 @inner4", true },
	{ "the node's IPv6 address is the tunnels' source", NFT_HOST,
	    "ip6 saddr set fd00::1", true },
	{ "room for the tunnel header: 1400 - 60", NFT_DIRECTOR, "maxseg size set 1340",
	    true },
	{ "and over IPv6: 1400 - 100", NFT_DIRECTOR, "maxseg size set 1300", true },
	{ "what came whole out of a tunnel is cut: larger than the node's links",
	    NFT_DIRECTOR, "meta mark 0 accept\n\t\tmeta nfproto ipv6 meta l4proto != 6"
	    " meta length > 1400 meta mark set 0xffffffff", true },
	{ "a SYN that comes round ends what it met", NFT_DIRECTOR,
	    "ip protocol 4 @th,0,8 0x45 @th,72,8 6 @th,264,8 & 0x17 == 0x02"
	    " @th,160,64 @syns4 counter @th,264,8 set 0x01\n", true },
	{ "and over IPv6", NFT_DIRECTOR, "ip6 nexthdr 41 @th,48,8 6 @th,424,8 0x01"
	    " @th,424,8 set 0x29\n", true },
	{ "the kernel goes through all the room for SYNs each second: not 65535",
	    NFT_DIRECTOR, "typeof @th,160,64\n\t\tsize 4095\n", true },
	{ "tunnels' outer packets are not tracked, ICMP to the director is", NFT_DIRECTOR,
	    "chain raw_self4 {\n\t\tip protocol 4 notrack\n\t}\n", true },
	{ "a packet meets the rules of its family alone", NFT_HOST,
	    "meta nfproto ipv4 goto steer_in4\n\t\tgoto steer_in6\n", true },
	{ "and so in the director", NFT_DIRECTOR,
	    "meta nfproto ipv4 goto raw_in4\n\t\tgoto raw_in6\n", true },
	{ "only a SYN-ACK is looked at for its MSS", NFT_DIRECTOR,
	    "tcp flags & (syn | ack) == (syn | ack) goto clamp_syn_ack\n", true },
	{ "a port that no service has is refused by the kernel's own ways", NFT_DIRECTOR,
	    "chain unknown", false },
	{ "the table is replaced as one", NFT_DIRECTOR,
	    "add table inet herald\ndelete table inet herald\ntable inet herald {", true },
	{ "the version is in a chain's name", NFT_HOST, "add chain inet herald v_7\n",
	    true },
	{ "nobody's packets are accepted past later rules of others on the host",
	    NFT_HOST, " accept\n", false },
};

START_TEST(rules_say)
{
	struct nft_rules r = rules();
	char *text = rules_text(words[_i].side, &r);

	ck_assert_msg((strstr(text, words[_i].word) != NULL) == words[_i].is_there,
	    "%s: %s\n%s", words[_i].why, words[_i].word, text);
	free(text);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, difference_is_these_commands, 0, nitems(diffs));
	tcase_add_loop_test(tc, difference_is_cut, 0, nitems(cuts));
	tcase_add_loop_test(tc, pieces_do_no_harm, 0, nitems(orders));
	tcase_add_test(tc, listing_is_read);
	tcase_add_test(tc, every_prefix_of_a_listing_is_survived);
	tcase_add_loop_test(tc, altered_listing_is_noticed, 0, nitems(alterations));
	tcase_add_test(tc, version_changes_with_every_parameter);
	tcase_add_loop_test(tc, rules_say, 0, nitems(words));
}

TEST_MAIN("ipvs/nft", fill)
