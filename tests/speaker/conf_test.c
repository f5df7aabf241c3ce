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
	{ "nor for statements of health", { "--health-port=0" }, CONF_BAD },
	{ "but any other", { "--health-port=7999" }, CONF_RUN },
	{ "no connection sync", { "--sync-port=0" }, CONF_RUN },
	{ "or by a port", { "--sync-port=7849" }, CONF_RUN },
	{ "that there is", { "--sync-port=65536" }, CONF_BAD },
	{ "a number is a number", { "--rule-pref=7x" }, CONF_BAD },
	{ "negative", { "--table=-1" }, CONF_BAD },
	{ "a name, not a path", { "--director-name=a/b" }, CONF_BAD },
	{ "an interface name has 15 bytes", { "--director-link=sixteen-letters-" }, CONF_BAD },
	{ "a level we know", { "--log-level=loud" }, CONF_BAD },
	{ "a delay of a day", { "--failback-delay=86400", "--yield-on-cordon" }, CONF_RUN },
	{ "status objects or none", { "--status-resources=no" }, CONF_RUN },
	{ "nothing in between", { "--status-resources=some" }, CONF_BAD },
	{ "for ever", { "--failback-delay=never" }, CONF_RUN },
	{ "by what nobody writes", { "--failback-delay=never", "--status-resources=no" },
	    CONF_BAD },
	{ "sometimes", { "--failback-delay=seldom" }, CONF_BAD },
	{ "endpoints drain for a day", { "--drain-time=86400" }, CONF_RUN },
	{ "and no longer", { "--drain-time=86401" }, CONF_BAD },
	{ "a drain of an hour", { "--bgp-drain-time=3600" }, CONF_RUN },
	{ "switches forget a MAC after 300 s", { "--l2-repeat=300" }, CONF_BAD },
	{ "as often as that", { "--l2-repeat=5", "--l2-announcements=9" }, CONF_RUN },
	{ "one announcement at least", { "--l2-announcements=0" }, CONF_BAD },
	{ "no probes", { "--l2-probes=0", "--l2-conflict=withhold" }, CONF_RUN },
	{ "eleven probes", { "--l2-probes=11" }, CONF_BAD },
	{ "a policy we know", { "--l2-conflict=fight" }, CONF_BAD },
	{ "an hour and a second", { "--bgp-drain-time=3601" }, CONF_BAD },
	{ "a dump has a path", { "--mrt-dump=" }, CONF_BAD },
	{ "and a size", { "--mrt-dump=/x", "--mrt-dump-size=0" }, CONF_BAD },
	{ "both", { "--mrt-dump=/x", "--mrt-dump-size=1" }, CONF_RUN },
	{ "a key file has a name", { "--liveness-key-file=" }, CONF_BAD },
	{ "silence for unknown ports", { "--unknown-port=drop" }, CONF_RUN },
	{ "which is one of two ways", { "--unknown-port=ignore" }, CONF_BAD },
	{ "an unknown option", { "--nope" }, CONF_BAD },
	{ "a stray word", { "--log-json", "word" }, CONF_BAD },
	{ "away with what that director was", { "--cleanup", "--table=8000" }, CONF_RUN },
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

/* Each number to its own place, whatever its size. */
START_TEST(numbers)
{
	char *argv[] = { (char *)"herald-speaker", (char *)"--fwmark=0x20",
		(char *)"--table=8000", (char *)"--rule-pref=99",
		(char *)"--liveness-port=4784", (char *)"--failback-delay=30",
		(char *)"--bgp-port=179", (char *)"--bgp-drain-time=7",
		(char *)"--l2-repeat=20", (char *)"--l2-announcements=5",
		(char *)"--l2-probes=2", NULL };
	struct speaker_conf c;

	ck_assert_int_eq(conf_parse((int)nitems(argv) - 1, argv, &c), CONF_RUN);
	ck_assert_uint_eq(c.director.fwmark, 0x20);
	ck_assert_uint_eq(c.director.table, 8000);
	ck_assert_uint_eq(c.director.rule_pref, 99);
	ck_assert_uint_eq(c.liveness_port, 4784);
	ck_assert_uint_eq(c.failback_delay_sec, 30);
	ck_assert_uint_eq(c.bgp_port, 179);
	ck_assert_uint_eq(c.bgp_drain_sec, 7);
	ck_assert_uint_eq(c.l2_repeat_sec, 20);
	ck_assert_uint_eq(c.l2_nannounce, 5);
	ck_assert_uint_eq(c.l2_nprobes, 2);
	ck_assert_uint_eq(c.interval_us, 100000);
	conf_fini(&c);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, numbers);
	tcase_add_loop_test(tc, liveness, 0, nitems(livenesses));
	tcase_add_loop_test(tc, command_line, 0, nitems(lines));
}

TEST_MAIN("conf", fill)
