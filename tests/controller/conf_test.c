/* The command line: what is taken, what is refused. */
#include <string.h>

#include "controller/conf.h"
#include "tests/check.h"

static const struct {
	const char *why;
	const char *args[3];
	enum conf_result result;
} lines[] = {
	{ "nothing needs saying", { NULL }, CONF_RUN },
	{ "two sources", { "--source=dir:a", "--kubeconfig=b" }, CONF_BAD },
	{ "a group has a name", { "--api-group=" }, CONF_BAD },
	{ "a class has a name", { "--lb-class=" }, CONF_BAD },
	{ "a Lease has a name", { "--lease=" }, CONF_BAD },
	{ "true or false", { "--leader-elect=maybe" }, CONF_BAD },
	{ "an instant is no duration", { "--lease-duration=0" }, CONF_BAD },
	{ "negative", { "--lease-duration=-1" }, CONF_BAD },
	{ "seconds are whole", { "--lease-duration=1.5" }, CONF_BAD },
	{ "nor with a unit", { "--lease-duration=15s" }, CONF_BAD },
	{ "a day without a leader is a mistake", { "--lease-duration=86400" }, CONF_BAD },
	{ "a level we know", { "--log-level=loud" }, CONF_BAD },
	{ "an unknown option", { "--nope" }, CONF_BAD },
	{ "a stray word", { "--log-json", "word" }, CONF_BAD },
	{ "version", { "--version" }, CONF_DONE },
};

static enum conf_result
parse(const char *const args[3], struct conf *ret)
{
	char *argv[] = { (char *)(uintptr_t)"herald-controller",
	    (char *)(uintptr_t)args[0], (char *)(uintptr_t)args[1], NULL };

	return conf_parse(args[0] == NULL ? 1 : args[1] == NULL ? 2 : 3, argv, ret);
}

START_TEST(command_line)
{
	struct conf conf;

	ck_assert_msg(parse(lines[_i].args, &conf) == lines[_i].result, "%s",
	    lines[_i].why);
	conf_fini(&conf);
}
END_TEST

static const struct {
	const char *args[3];
	bool is_elected;
	const char *name, *ns, *pools_ns;
	uint32_t sec;
} elections[] = {
	{ { NULL }, true, "herald-controller", "herald-system", "herald-system", 15 },
	{ { "--leader-elect" }, true, "herald-controller", "herald-system",
	    "herald-system", 15 },
	{ { "--leader-elect=false" }, false, "herald-controller", "herald-system",
	    "herald-system", 15 },
	{ { "--lease=a", "--lease-duration=3" }, true, "a", "herald-system",
	    "herald-system", 3 },
	{ { "--namespace=b" }, true, "herald-controller", "b", "b", 15 },
	{ { "--api-group=metallb.io" }, true, "herald-controller", "metallb-system",
	    "metallb-system", 15 },
};

START_TEST(election)
{
	const struct leader_conf *l;
	struct conf conf;

	ck_assert_int_eq(parse(elections[_i].args, &conf), CONF_RUN);
	l = &conf.controller.leader;
	ck_assert_int_eq(l->is_elected, elections[_i].is_elected);
	ck_assert_str_eq(l->name, elections[_i].name);
	ck_assert_str_eq(l->ns, elections[_i].ns);
	ck_assert_str_eq(conf.controller.source.ns, elections[_i].pools_ns);
	ck_assert_uint_eq(l->duration_sec, elections[_i].sec);
	conf_fini(&conf);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, command_line, 0, (int)nitems(lines));
	tcase_add_loop_test(tc, election, 0, (int)nitems(elections));
}

TEST_MAIN("conf", fill)
