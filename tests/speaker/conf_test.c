#include <errno.h>

#include "speaker/conf.h"
#include "tests/check.h"

static const struct {
	const char *text;
	int rc;
	unsigned mult, interval_us;
} livenesses[] = {
	{ "3x100ms", 0, 3, 100000 },
	{ "5x10ms", 0, 5, 10000 },
	{ "1x100ms", -EINVAL, 0, 0 },	/* one lost packet would be a death */
	{ "3x2ms", -EINVAL, 0, 0 },
	{ "3x100", -EINVAL, 0, 0 },
	{ "3x100msx", -EINVAL, 0, 0 },
	{ "x100ms", -EINVAL, 0, 0 },
	{ "51x100ms", -EINVAL, 0, 0 },
	{ "3x10001ms", -EINVAL, 0, 0 },
	{ "", -EINVAL, 0, 0 },
};

START_TEST(liveness)
{
	uint8_t mult = 0;
	uint32_t us = 0;

	ck_assert_msg(conf_parse_liveness(livenesses[_i].text, &mult, &us) ==
	    livenesses[_i].rc, "%s", livenesses[_i].text);
	ck_assert_uint_eq(mult, livenesses[_i].mult);
	ck_assert_uint_eq(us, livenesses[_i].interval_us);
}
END_TEST

static const struct {
	const char *why;
	const char *args[3];
	enum conf_result result;
} lines[] = {
	{ "nothing needs saying", { "--node-name=a" }, CONF_RUN },
	{ "a mark of two bits would tread on others", { "--fwmark=0x30" }, CONF_BAD },
	{ "one high bit", { "--fwmark=0x80000000" }, CONF_RUN },
	{ "main's table is not ours", { "--table=254" }, CONF_BAD },
	{ "no port 0", { "--liveness-port=0" }, CONF_BAD },
	{ "a number is a number", { "--rule-pref=7x" }, CONF_BAD },
	{ "negative", { "--table=-1" }, CONF_BAD },
	{ "a name, not a path", { "--director-name=a/b" }, CONF_BAD },
	{ "an interface name has 15 bytes", { "--director-link=sixteen-letters-" }, CONF_BAD },
	{ "a level we know", { "--log-level=loud" }, CONF_BAD },
	{ "a delay of a day", { "--failback-delay=86400", "--yield-on-cordon" }, CONF_RUN },
	{ "status objects or none", { "--status-resources=no" }, CONF_RUN },
	{ "nothing in between", { "--status-resources=some" }, CONF_BAD },
	{ "for ever is no delay", { "--failback-delay=never" }, CONF_BAD },
	{ "an unknown option", { "--nope" }, CONF_BAD },
	{ "a stray word", { "--log-json", "word" }, CONF_BAD },
	{ "version", { "--version" }, CONF_DONE },
};

START_TEST(command_line)
{
	char *argv[] = { (char *)"herald-speaker", (char *)lines[_i].args[0],
		(char *)lines[_i].args[1], NULL };
	struct speaker_conf conf;

	ck_assert_msg(conf_parse(lines[_i].args[1] != NULL ? 3 : 2, argv, &conf) ==
	    lines[_i].result, "%s", lines[_i].why);
	conf_fini(&conf);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, liveness, 0, nitems(livenesses));
	tcase_add_loop_test(tc, command_line, 0, nitems(lines));
}

TEST_MAIN("conf", fill)
