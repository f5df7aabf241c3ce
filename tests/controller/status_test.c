#include "controller/conf.h"
#include "controller/status.h"
#include "tests/controller/world.h"

START_TEST(lists)
{
	struct ip two[2] = { an_ip("192.0.2.1"), an_ip("2001:db8::1") };
	char buf[STATUS_LIST_LEN];

	ck_assert_str_eq(status_list(two, 0, buf), "[]");
	ck_assert_str_eq(status_list(two, 1, buf), "[\"192.0.2.1\"]");
	ck_assert_str_eq(status_list(two, 2, buf), "[\"192.0.2.1\" \"2001:db8::1\"]");
	two[0] = two[1] = an_ip("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
	ck_assert_uint_lt(strlen(status_list(two, 2, buf)), STATUS_LIST_LEN);
}
END_TEST

START_TEST(pool_patch)
{
	struct reconcile_usage use = { { 3, 0 }, { 7, UINT64_MAX } };
	struct config_problem bad = { .kind = KUBE_IP_ADDRESS_POOL, .name = "p",
	    .is_refused = true, .text = "say \"no\"\n\\ \x01" };
	char *text = status_patch(&use, NULL, 4, "T");

	ck_assert_str_eq(text, "{\"status\":{\"assignedIPv4\":3,\"assignedIPv6\":0,"
	    "\"availableIPv4\":7,\"availableIPv6\":9007199254740991,"
	    "\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\","
	    "\"reason\":\"Accepted\",\"observedGeneration\":4,\"message\":\"in force\","
	    "\"lastTransitionTime\":\"T\"}]}}");
	free(text);
	text = status_patch(&use, &bad, 4, "T");
	ck_assert_ptr_nonnull(strstr(text, "\"status\":\"False\",\"reason\":\"Refused\""));
	ck_assert_ptr_nonnull(strstr(text, "say \\\"no\\\"\\u000a\\\\ \\u0001"));
	free(text);
}
END_TEST

/* A status that says so already is not written; any difference is news. */
static const struct {
	const char *why;
	int64_t assigned, generation;
	const char *status, *reason, *message;
	bool has_conditions, is_shown;
} shown[] = {
	{ "as it is", 3, 4, "True", "Accepted", "in force", true, true },
	{ "another count", 2, 4, "True", "Accepted", "in force", true, false },
	{ "no status at all", -1, 0, NULL, NULL, NULL, true, false },
	{ "counts only", 3, 0, NULL, NULL, NULL, true, false },
	{ "counts only, and no more is kept there", 3, 0, NULL, NULL, NULL, false, true },
	{ "another count, and no more is kept there", 2, 0, NULL, NULL, NULL, false, false },
	{ "an edit since", 3, 3, "True", "Accepted", "in force", true, false },
	{ "it was refused", 3, 4, "False", "Refused", "overlap", true, false },
	{ "another text", 3, 4, "True", "Accepted", "fine", true, false },
	{ "no reason", 3, 4, "True", NULL, "in force", true, false },
};

START_TEST(is_shown)
{
	struct kube_object o = { .kind = KUBE_IP_ADDRESS_POOL, .meta.generation = 4 };
	struct reconcile_usage use = { { 3, 0 }, { 7, UINT64_MAX } };

	o.pool.assigned[0] = shown[_i].assigned;
	o.pool.available[0] = 7;
	o.pool.available[1] = (INT64_C(1) << 53) - 1;
	o.pool.accepted = (struct kube_condition){ shown[_i].status, shown[_i].reason,
	    shown[_i].message, "T", shown[_i].generation };
	ck_assert_msg(status_is_shown(&o, &use, NULL, shown[_i].has_conditions) ==
	    shown[_i].is_shown, "%s", shown[_i].why);
}
END_TEST

START_TEST(doubtful)
{
	struct config_problem p = { .kind = KUBE_L2_ADVERTISEMENT, .name = "l",
	    .text = "there is no IPAddressPool" };
	struct kube_object o = { .kind = KUBE_L2_ADVERTISEMENT, .meta.generation = 1,
	    .l2adv.accepted = { "True", "Doubtful",
	    "in force, but there is no IPAddressPool", "T", 1 } };
	char *text = status_patch(NULL, &p, 1, "T");

	ck_assert_str_eq(text, "{\"status\":{\"conditions\":[{\"type\":\"Accepted\","
	    "\"status\":\"True\",\"reason\":\"Doubtful\",\"observedGeneration\":1,"
	    "\"message\":\"in force, but there is no IPAddressPool\","
	    "\"lastTransitionTime\":\"T\"}]}}");
	ck_assert(status_is_shown(&o, NULL, &p, true));
	ck_assert(!status_is_shown(&o, NULL, NULL, true));
	free(text);
}
END_TEST

/* Command lines, and what they come to. */
static const struct {
	const char *why, *line;
	enum conf_result result;
	const char *spec, *ns;
} lines[] = {
	{ "nothing: the source finds itself", "", CONF_RUN, NULL, "herald-system" },
	{ "a folder", "--source dir:/x", CONF_RUN, "dir:/x", "herald-system" },
	{ "a kubeconfig", "--kubeconfig /x", CONF_RUN, "kubeconfig:/x", "herald-system" },
	{ "a namespace", "--namespace lb", CONF_RUN, NULL, "lb" },
	{ "MetalLB's objects are in MetalLB's namespace", "--api-group metallb.io",
	    CONF_RUN, NULL, "metallb-system" },
	{ "unless said otherwise", "--api-group metallb.io --namespace lb", CONF_RUN, NULL,
	    "lb" },
	{ "version", "--version", CONF_DONE, NULL, NULL },
	{ "help", "--help", CONF_DONE, NULL, NULL },
	{ "two sources", "--source dir:/x --kubeconfig /y", CONF_BAD, NULL, NULL },
	{ "an unknown option", "--sauce", CONF_BAD, NULL, NULL },
	{ "a stray word", "now", CONF_BAD, NULL, NULL },
	{ "a level that is none", "--log-level loud", CONF_BAD, NULL, NULL },
	{ "an empty class", "--lb-class=", CONF_BAD, NULL, NULL },
	{ "an empty group", "--api-group=", CONF_BAD, NULL, NULL },
	{ "no value", "--source", CONF_BAD, NULL, NULL },
};

START_TEST(command_line)
{
	char *copy = strdup(lines[_i].line), *rest = copy, prog[] = "prog", *argv[10] = { prog };
	struct conf c;
	int argc = 1;

	/* What it says to the person is not looked at here. */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
	for (char *w; (w = next_word(&rest, " ")) != NULL;)
		argv[argc++] = w;
	ck_assert_msg(conf_parse(argc, argv, &c) == lines[_i].result, "%s", lines[_i].why);
	if (lines[_i].result == CONF_RUN) {
		const struct kube_source_conf *s = &c.controller.source;

		ck_assert_str_eq(s->ns, lines[_i].ns);
		ck_assert_msg((s->spec == NULL) == (lines[_i].spec == NULL), "%s",
		    lines[_i].why);
		if (s->spec != NULL)
			ck_assert_str_eq(s->spec, lines[_i].spec);
	}
	conf_fini(&c);
	free(copy);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, lists);
	tcase_add_test(tc, pool_patch);
	tcase_add_loop_test(tc, is_shown, 0, nitems(shown));
	tcase_add_test(tc, doubtful);
	tcase_add_loop_test(tc, command_line, 0, nitems(lines));
}

TEST_MAIN("status", fill)
