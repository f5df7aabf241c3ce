/* heraldctl plan by table: a world, a change of it, and what is said. */
#include "ctl/plan_encode.h"
#include "tests/controller/world.h"

static const struct {
	const char *why, *world, *change;
	bool is_all;
	const char *says;	/* the whole text, lines joined by " | " */
	size_t nrefused;
} rows[] = {
	{ "nothing changes", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5", "", false,
	    "keep d/a 10.0.0.5 | 1 keep, 0 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "what is pending anyway is no gain of this change",
	    "pool p 10.0.0.0/24; svc d/a", "", false,
	    "keep d/a 10.0.0.0 | 1 keep, 0 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "a pool shrinks under one Service", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5; "
	    "svc d/b has=10.0.0.200", "pool p 10.0.0.0/28", false,
	    "keep d/a 10.0.0.5 | move d/b 10.0.0.200 -> 10.0.0.0 (10.0.0.200: no "
	    "IPAddressPool holds it any more) | 1 keep, 1 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "a pool shrinks to nothing free", "pool p 10.0.0.0/31; svc d/a has=10.0.0.0; "
	    "svc d/b has=10.0.0.1", "pool p 10.0.0.0/32", false,
	    "keep d/a 10.0.0.0 | lose d/b 10.0.0.1 -> none (10.0.0.1: no IPAddressPool "
	    "holds it any more) | 1 keep, 0 move, 1 lose, 0 gain, 0 wait", 0 },
	{ "a pool grows: who waited gets one", "pool p 10.0.0.0/32; svc d/a has=10.0.0.0; "
	    "svc d/b", "pool p 10.0.0.0/31", false, "keep d/a 10.0.0.0 | gain d/b none -> "
	    "10.0.0.1 | 1 keep, 0 move, 0 lose, 1 gain, 0 wait", 0 },
	{ "a family comes", "pool p 10.0.0.0/24; svc d/a fam=46 policy=prefer has=10.0.0.5",
	    "pool p 10.0.0.0/24,fd00::/64", false, "gain d/a 10.0.0.5 -> 10.0.0.5,fd00::1 | "
	    "0 keep, 0 move, 0 lose, 1 gain, 0 wait", 0 },
	{ "a family goes", "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=46 policy=prefer "
	    "has=10.0.0.5,fd00::5", "pool p 10.0.0.0/24", false,
	    "lose d/a 10.0.0.5,fd00::5 -> 10.0.0.5 (fd00::5: no IPAddressPool holds it any "
	    "more) | 0 keep, 0 move, 1 lose, 0 gain, 0 wait", 0 },
	{ "a reserve falls on a Service", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5",
	    "pool p 10.0.0.0/24 res=10.0.0.5/32", false,
	    "move d/a 10.0.0.5 -> 10.0.0.0 (10.0.0.5: IPAddressPool p now reserves it "
	    "(spec.reserved)) | 0 keep, 1 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "a pool is split: nobody notices", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5; "
	    "svc d/b has=10.0.0.200", "pool p 10.0.0.0/25; pool q 10.0.0.128/25", false,
	    "keep d/a 10.0.0.5 | keep d/b 10.0.0.200 | 2 keep, 0 move, 0 lose, 0 gain, 0 wait",
	    0 },
	{ "a pool is renamed, and the old one deleted", "pool p 10.0.0.0/24; "
	    "svc d/a has=10.0.0.5", "pool q 10.0.0.0/24", true,
	    "keep d/a 10.0.0.5 | 1 keep, 0 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "a pool is renamed, and the old one left: the new one is refused",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.5", "pool q 10.0.0.0/24", false,
	    "keep d/a 10.0.0.5 | refused IPAddressPool q: spec.addresses: "
	    "10.0.0.0-10.0.0.255 overlaps 10.0.0.0-10.0.0.255 of the older IPAddressPool "
	    "\"p\": take the common addresses out of one of the two | "
	    "1 keep, 0 move, 0 lose, 0 gain, 0 wait", 1 },
	{ "all pools deleted", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5", "", true,
	    "lose d/a 10.0.0.5 -> none (10.0.0.5: no IPAddressPool holds it any more) | "
	    "0 keep, 0 move, 1 lose, 0 gain, 0 wait", 0 },
	{ "an address changes hands: seen to the end",
	    "pool p 10.0.0.0/31; svc d/a age=1 has=10.0.0.0 labels=app:web; "
	    "svc d/b age=2 ask=10.0.0.0", "pool p 10.0.0.0/31 svcsel=app:db; "
	    "pool q 10.1.0.0/24", false,
	    "move d/a 10.0.0.0 -> 10.1.0.0 (10.0.0.0: the serviceAllocation of "
	    "IPAddressPool p does not select this Service any more) | wait d/b none "
	    "(heraldlb.io/loadBalancerIPs: pool p, which holds 10.0.0.0, is not compatible "
	    "for IP assignment: its serviceAllocation does not select this Service) | "
	    "0 keep, 1 move, 0 lose, 0 gain, 1 wait", 0 },
	{ "who follows onto what another left", "pool p 10.0.0.0/32; pool q 10.1.0.0/24 "
	    "auto=no; svc d/a age=1 has=10.0.0.0; svc d/b age=2",
	    "pool p 10.0.0.0/32 ns=x; pool q 10.1.0.0/24", false,
	    "move d/a 10.0.0.0 -> 10.1.0.0 (10.0.0.0: the serviceAllocation of "
	    "IPAddressPool p does not select this Service any more) | gain d/b none -> "
	    "10.1.0.1 | 0 keep, 1 move, 0 lose, 1 gain, 0 wait", 0 },
	{ "what is doubtful is told", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5",
	    "l2adv l pools=zz", false, "keep d/a 10.0.0.5 | doubtful L2Advertisement l: "
	    "spec.ipAddressPools[0]: there is no IPAddressPool \"zz\": create it, or "
	    "correct the name | 1 keep, 0 move, 0 lose, 0 gain, 0 wait", 0 },
	{ "other classes' Services are not looked at",
	    "pool p 10.0.0.0/24; svc d/a class=x has=10.0.0.5", "pool p 10.1.0.0/24", false,
	    "0 keep, 0 move, 0 lose, 0 gain, 0 wait", 0 },
};

/* The text with " | " for line ends; heap. */
static char *
printed(const struct plan *p, bool is_brief, bool is_json)
{
	char *text = NULL, *joined, *to;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (is_json)
		plan_print_json(p, is_brief, f);
	else
		plan_print(p, is_brief, f);
	fclose(f);
	joined = to = mem_zalloc(3 * len + 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n')
			*to++ = text[i];
		else if (i + 1 < len)
			to = stpcpy(to, " | ");
	}
	free(text);
	return joined;
}

START_TEST(table)
{
	struct kube_store *s = world_new(rows[_i].world);
	struct kube_store *change = world_new(rows[_i].change);
	struct plan p;
	char *text;

	plan_run(s, change, &(struct plan_conf){ .is_all = rows[_i].is_all }, &p);
	text = printed(&p, false, false);
	ck_assert_msg(strcmp(text, rows[_i].says) == 0, "%s:\n%s\nwanted:\n%s",
	    rows[_i].why, text, rows[_i].says);
	ck_assert_msg(p.nrefused == rows[_i].nrefused, "%s: %zu refused", rows[_i].why,
	    p.nrefused);
	free(text);
	plan_fini(&p);
	kube_store_free(change);
	kube_store_free(s);
}
END_TEST

START_TEST(json)
{
	struct kube_store *s = world_new("pool p 10.0.0.0/24; svc d/a has=10.0.0.5; "
	    "svc d/b has=10.0.0.77");
	struct kube_store *change = world_new("pool p 10.0.0.0/28; l2adv l pools=z");
	struct plan p;
	char *text;

	plan_run(s, change, &(struct plan_conf){ 0 }, &p);
	text = printed(&p, true, true);
	ck_assert_str_eq(text, "{\"services\":[{\"service\":\"d/b\",\"change\":\"move\","
	    "\"before\":[\"10.0.0.77\"],\"after\":[\"10.0.0.0\"],\"why\":\"10.0.0.77: no "
	    "IPAddressPool holds it any more\"}],\"problems\":[{\"kind\":"
	    "\"L2Advertisement\",\"name\":\"l\",\"refused\":false,\"text\":"
	    "\"spec.ipAddressPools[0]: there is no IPAddressPool \\\"z\\\": create it, or "
	    "correct the name\"}],\"summary\":{\"keep\":1,\"move\":1,\"lose\":0,\"gain\":0,"
	    "\"wait\":0}}");
	free(text);
	text = printed(&p, true, false);
	ck_assert_msg(strstr(text, "keep d/a") == NULL, "brief is brief");
	free(text);
	plan_fini(&p);
	kube_store_free(change);
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
	tcase_add_test(tc, json);
}

TEST_MAIN("plan", fill)
