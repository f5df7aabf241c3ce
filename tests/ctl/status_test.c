/* A speaker's /status as heraldctl status shows it: what is well is not listed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/status_decode.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define CHECK(ip, is_up, n, more) "{'service':'d/s','ip':'" ip "','port':8080,'up':" \
	is_up ",'transitions':" n more "}"
#define QUORUM(name, served) "{'service':'" name "','vip':'10.0.9.3','up':1," \
	"'needed':2,'served':'" served "'}"

static const struct {
	const char *why, *checks, *quorums;
	const char *shown[3];		/* lines, with any spaces between words */
	const char *hidden;		/* a word that must not be there */
} rows[] = {
	{ "no checks, no table", "", "", { NULL }, "checked" },
	{ "all well: a number is enough", CHECK("10.1.0.1", "true", "0", ""), "",
	    { "1 endpoints checked here, 1 up" }, "LAST FAILURE" },
	{ "down, and why", CHECK("10.1.0.1", "true", "0", "") ","
	    CHECK("10.1.0.2", "false", "1", ",'error':'no answer within 50 ms'"), "",
	    { "2 endpoints checked here, 1 up",
	      "d/s 10.1.0.2 port 8080 down 1 no answer within 50 ms" }, "10.1.0.1" },
	{ "up again after it was down", CHECK("10.1.0.2", "true", "2", ""), "",
	    { "d/s 10.1.0.2 port 8080 up 2 -" }, "down" },
	{ "a quorum that is there", "", QUORUM("d/s:80/TCP", "endpoints"), { NULL },
	    "QUORUM" },
	{ "one that is lost", "", QUORUM("d/s:80/TCP", "fallback") ","
	    QUORUM("d/r:80/TCP", "nobody"),
	    { "WITHOUT QUORUM VIP SERVED BY UP", "d/s:80/TCP 10.0.9.3 fallback 1 of 2",
	      "d/r:80/TCP 10.0.9.3 nobody 1 of 2" }, "checked" },
	{ "something in the way", "", "],'obstacles':[{'text':'a firewall: open it'}",
	    { "IN THE WAY ON THIS HOST\na firewall: open it" }, "checked" },
};

/* Runs of spaces become one, so that columns may move. */
static void
squeeze(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (*s != ' ' || (to[-1] != ' ' && s[1] != '\n'))
			*to++ = *s;
	}
	*to = '\0';
}

START_TEST(table)
{
	char *quoted = mem_printf("{'node':'n1','version':'1','nodes':[],'vips':[],"
	    "'bgp':[],'services':[],'checks':[%s],'quorums':[%s]}", rows[_i].checks,
	    rows[_i].quorums);
	char *text = json(quoted), *got = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&got, &len);

	ck_assert_int_eq(status_decode(text, f), 0);
	fclose(f);
	squeeze(got + 1);
	for (size_t i = 0; i < nitems(rows[_i].shown); i++) {
		if (rows[_i].shown[i] != NULL)
			ck_assert_msg(strstr(got, rows[_i].shown[i]) != NULL,
			    "%s: no \"%s\" in\n%s", rows[_i].why, rows[_i].shown[i], got);
	}
	ck_assert_msg(strstr(got, rows[_i].hidden) == NULL, "%s: \"%s\" in\n%s",
	    rows[_i].why, rows[_i].hidden, got);
	free(got);
	free(text);
	free(quoted);
}
END_TEST

START_TEST(no_status)
{
	static const char *const texts[] = { "", "{}", "[]", "not JSON", "{\"node\":1}" };

	for (size_t i = 0; i < nitems(texts); i++) {
		char *got = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&got, &len);

		ck_assert_int_eq(status_decode(texts[i], f), -EINVAL);
		fclose(f);
		ck_assert_uint_eq(len, 0);
		free(got);
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
	tcase_add_test(tc, no_status);
}

TEST_MAIN("ctl status", fill)
