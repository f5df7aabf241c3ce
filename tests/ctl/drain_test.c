/* How far a node is with handing over, out of its speaker's status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/drain_decode.h"
#include "tests/check.h"

#define VIP(ip, owner, more) "{\"ip\":\"" ip "\",\"owner\":\"" owner "\"" more "}"
#define STATUS(drained, vips, bgp) "{\"node\":\"n1\",\"drained\":" drained \
	",\"vips\":[" vips "],\"bgp\":[" bgp "]}"

static const struct {
	const char *why, *json;
	int rc;
	struct drain_view want;
} rows[] = {
	{ "in service", STATUS("false", VIP("10.0.0.1", "n1", "") ","
	    VIP("10.0.0.2", "n2", ""), ""), 0, { .nowned = 1, .owned = "10.0.0.1" } },
	{ "a VIP on its way is the next owner's, and not through yet",
	    STATUS("true", VIP("10.0.0.1", "n2", ",\"yielding\":true"), ""), 0,
	    { .is_drained = true, .nyielding = 1 } },
	{ "come back while on its way: ours", STATUS("false",
	    VIP("10.0.0.1", "n1", ",\"yielding\":true"), ""), 0,
	    { .nowned = 1, .owned = "10.0.0.1" } },
	{ "a VIP that nobody owns is none of ours", STATUS("true",
	    "{\"ip\":\"10.0.0.1\",\"reason\":\"x\"}", ""), 0, { .is_drained = true } },
	{ "prefixes of all peers", STATUS("true", "", "{\"name\":\"a\",\"prefixes\":3},"
	    "{\"name\":\"b\",\"prefixes\":2}"), 0, { .is_drained = true, .nroutes = 5 } },
	{ "routes that are marked, and those that go by and by", "{\"node\":\"n1\","
	    "\"drained\":true,\"retiring\":true,\"bgp\":[{\"prefixes\":4}]}", 0,
	    { .is_drained = true, .is_retiring = true, .nroutes = 4 } },
	{ "a speaker of before there was a drain", "{\"node\":\"n1\",\"vips\":[]}", 0,
	    { .is_drained = false } },
	{ "no speaker", "{\"hello\":1}", -EINVAL, { .is_drained = false } },
	{ "no JSON", "<html>", -EINVAL, { .is_drained = false } },
	{ "things of other types", "{\"node\":\"n1\",\"drained\":\"yes\",\"vips\":[7,"
	    "{\"owner\":3}],\"bgp\":{\"a\":{\"prefixes\":\"x\"}}}", 0,
	    { .is_drained = false } },
};

START_TEST(view)
{
	struct drain_view v = { .nowned = 77 };

	ck_assert_msg(drain_view_decode(rows[_i].json, &v) == rows[_i].rc, "%s",
	    rows[_i].why);
	if (rows[_i].rc != 0) {
		ck_assert_msg(v.nowned == 77, "%s: touched", rows[_i].why);
		return;
	}
	ck_assert_msg(v.is_drained == rows[_i].want.is_drained &&
	    v.is_retiring == rows[_i].want.is_retiring &&
	    v.nowned == rows[_i].want.nowned && v.nroutes == rows[_i].want.nroutes &&
	    v.nyielding == rows[_i].want.nyielding &&
	    strcmp(v.owned, rows[_i].want.owned) == 0, "%s: %u %u %u \"%s\"",
	    rows[_i].why, v.nowned, v.nyielding, v.nroutes, v.owned);
}
END_TEST

/* However many and long: cut with dots, inside the buffer (under ASan). */
START_TEST(many)
{
	char *json = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&json, &len);
	struct drain_view v;

	fputs("{\"node\":\"n1\",\"vips\":[", f);
	for (int i = 0; i < 300; i++)
		fprintf(f, "%s{\"owner\":\"n1\",\"ip\":\"2001:db8:1111:2222:3333:4444:"
		    "5555:%04x-and-much-more-than-an-address\"}", i > 0 ? "," : "", i);
	fputs("]}", f);
	fclose(f);
	ck_assert_int_eq(drain_view_decode(json, &v), 0);
	ck_assert_uint_eq(v.nowned, 300);
	ck_assert_str_eq(v.owned + strlen(v.owned) - 5, ", ...");
	free(json);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, view, 0, nitems(rows));
	tcase_add_test(tc, many);
}

TEST_MAIN("drain", fill)
