/*
 * Endpoints that answer, refuse, or fall silent, by table: each row runs the
 * engine for a while against an endpoint with a script and says when it went
 * up and down.
 */
#include <stdio.h>
#include <string.h>

#include "ipvs/health.h"
#include "ipvs/probe.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

enum { GOOD, BAD, SILENT, NONE };

struct change {
	int	at_ms;			/* from then on it ... */
	int	answer;
};

static const struct {
	const char *why;
	struct health_conf conf;
	uint64_t random;
	struct change script[4];	/* up to an at_ms of 0 but for the first */
	const char *expect;		/* "-TIME" down, "+TIME" up, in ms */
} rows[] = {
	{ "healthy: nothing to tell", { 100, 50, 2, 3, 0, false }, 0,
	    { { 0, GOOD } }, "" },
	{ "refusals: the third in a row is one too many", { 100, 50, 2, 3, 0, false }, 0,
	    { { 0, GOOD }, { 150, BAD } }, "-350" },
	{ "silent right after a good answer: down within fall intervals",
	    { 100, 50, 2, 3, 0, false }, 0, { { 0, GOOD }, { 1, SILENT } }, "-300" },
	{ "the same with four", { 100, 50, 2, 4, 0, false }, 0,
	    { { 0, GOOD }, { 1, SILENT } }, "-400" },
	{ "a short timeout", { 200, 20, 2, 3, 0, false }, 0,
	    { { 0, GOOD }, { 1, SILENT } }, "-600" },
	{ "a timeout as long as the interval is never overtaken",
	    { 100, 100, 2, 3, 0, false }, 0, { { 0, GOOD }, { 1, SILENT } }, "-400" },
	{ "one strike and out", { 100, 50, 2, 1, 0, false }, 0,
	    { { 0, GOOD }, { 1, SILENT } }, "-150" },
	{ "two failures of three are forgiven", { 100, 50, 2, 3, 0, false }, 0,
	    { { 0, GOOD }, { 50, BAD }, { 190, GOOD } }, "" },
	{ "and back after two good ones in a row", { 100, 50, 2, 1, 0, false }, 0,
	    { { 0, GOOD }, { 50, BAD }, { 350, GOOD } }, "-100 +500" },
	{ "one good one does not count", { 100, 50, 2, 1, 0, false }, 0,
	    { { 0, GOOD }, { 50, BAD }, { 350, GOOD }, { 450, BAD } }, "-100" },
	{ "starts down: two good ones before it serves", { 100, 50, 2, 3, 0, true }, 0,
	    { { 0, GOOD } }, "+100" },
	{ "starts down and stays so", { 100, 50, 2, 3, 0, true }, 0,
	    { { 0, SILENT } }, "" },
	{ "what could not be asked speaks against nobody", { 100, 50, 2, 3, 0, false }, 0,
	    { { 0, GOOD }, { 50, NONE } }, "" },
	{ "nor does it make good what was bad", { 100, 50, 2, 3, 0, false }, 0,
	    { { 0, BAD }, { 140, NONE }, { 250, BAD } }, "-300" },
	{ "the first probe is somewhere in the first interval",
	    { 100, 50, 1, 3, 0, true }, 77 * 1000000, { { 0, GOOD } }, "+77" },
};

struct world {
	const struct health_conf *conf;
	const struct change *script;
	uint64_t random;
	char	told[128];
};

static int
answer_at(const struct world *w, int ms)
{
	int answer = w->script[0].answer;

	for (int i = 1; i < 4 && w->script[i].at_ms > 0; i++) {
		if (ms >= w->script[i].at_ms)
			answer = w->script[i].answer;
	}
	return answer;
}

static void
tell(struct world *w, const struct health *h, int ms)
{
	size_t len = strlen(w->told);

	snprintf(w->told + len, sizeof(w->told) - len, "%s%c%d", len > 0 ? " " : "",
	    h->is_up ? '+' : '-', ms);
}

/* Answers come at once; returns how many probes were started. */
static int
run(struct world *w, int end_ms)
{
	struct health h;
	int nprobes = 0;

	health_init(&h, w->conf, T0, w->random);
	for (;;) {
		struct mono now = health_deadline(&h);
		int ms = (int)(mono_sub_ns(now, T0) / NSEC_PER_MSEC), answer;
		unsigned todo;

		if (ms >= end_ms)
			return nprobes;
		todo = health_tick(&h, w->conf, now, w->random);
		ck_assert_msg(todo != 0, "the deadline was none");
		ck_assert_msg((todo & HEALTH_DO_CANCEL) == 0 || nprobes > 0, "no probe");
		if (todo & HEALTH_DO_TELL)
			tell(w, &h, ms);
		if ((todo & HEALTH_DO_PROBE) == 0)
			continue;
		nprobes++;
		answer = answer_at(w, ms);
		if (answer == SILENT)
			continue;
		if (health_result(&h, w->conf, answer == GOOD ? HEALTH_GOOD :
		    answer == BAD ? HEALTH_BAD : HEALTH_NO_ANSWER, w->random) & HEALTH_DO_TELL)
			tell(w, &h, ms);
		ck_assert(mono_before(now, health_deadline(&h)));
	}
}

START_TEST(timeline)
{
	struct world w = { &rows[_i].conf, rows[_i].script, rows[_i].random, "" };

	run(&w, 1000);
	ck_assert_msg(strcmp(w.told, rows[_i].expect) == 0, "%s: \"%s\", not \"%s\"",
	    rows[_i].why, w.told, rows[_i].expect);
}
END_TEST

/* Nobody's probes march in step for long, and none is later than asked for. */
START_TEST(jitter)
{
	const struct health_conf c = { 100, 50, 2, 3, 20, false };
	const struct change script[4] = { { 0, GOOD } };
	struct world none = { &c, script, 0, "" };
	struct world most = { &c, script, 20 * 1000000 - 1, "" };

	ck_assert_int_eq(run(&none, 10000), 100);
	ck_assert_int_eq(run(&most, 10000), 125);
}
END_TEST

/* What nobody has asked yet is no verdict; nor are failures short of fall. */
START_TEST(sure)
{
	struct health_conf c = { 100, 50, 2, 3, 0, false };
	struct health h;

	for (int down = 0; down < 2; down++) {
		c.starts_down = down;
		for (int good = 0; good < 2; good++) {
			int nneeded = good != down ? 1 : down ? c.rise : c.fall;

			health_init(&h, &c, T0, 0);
			for (int n = 0; n < nneeded; n++) {
				ck_assert(!h.is_sure);
				health_tick(&h, &c, health_deadline(&h), 0);
				health_result(&h, &c, HEALTH_NO_ANSWER, 0);
				ck_assert(!h.is_sure);
				health_tick(&h, &c, health_deadline(&h), 0);
				health_result(&h, &c, good ? HEALTH_GOOD : HEALTH_BAD, 0);
			}
			ck_assert(h.is_sure && h.is_up == good);
		}
	}
}
END_TEST

/* A loop that is always late by 20 ms is so once, not at every probe. */
START_TEST(late)
{
	const struct health_conf c = { 100, 50, 2, 3, 0, false };
	struct mono now = T0;
	struct health h;

	health_init(&h, &c, T0, 0);
	while (h.is_up) {
		now = mono_add_ms(health_deadline(&h), 20);
		health_tick(&h, &c, now, 0);
	}
	/* To begin at 0, 75 and 150, they do at 20, 90 and 160: each with the tick
	   that ends the one before; the last is given until 210. */
	ck_assert_int_eq(mono_sub_ns(now, T0) / NSEC_PER_MSEC, 210 + 20);
	/* After a sleep there is one probe, not one for each that was missed. */
	now = mono_add_sec(now, 60);
	health_tick(&h, &c, now, 0);
	health_result(&h, &c, HEALTH_BAD, 0);
	ck_assert_int_eq(health_deadline(&h).ns, mono_add_ms(now, 100).ns);
}
END_TEST

START_TEST(before_its_time)
{
	const struct health_conf c = { 100, 50, 2, 3, 0, false };
	struct health h, was;

	health_init(&h, &c, T0, 40 * 1000000);
	was = h;
	ck_assert_uint_eq(health_tick(&h, &c, mono_add_ms(T0, 39), 0), 0);
	ck_assert_mem_eq(&h, &was, sizeof(h));
	ck_assert_msg(health_result(&h, &c, HEALTH_BAD, 0) == 0, "no probe is under way");
	ck_assert_mem_eq(&h, &was, sizeof(h));
}
END_TEST

static const struct {
	const char *why;
	bool	had;
	unsigned nup, up, hysteresis;
	bool	has;
} quorums[] = {
	{ "enough", false, 2, 2, 0, true },
	{ "one too few", true, 1, 2, 0, false },
	{ "still, within the hysteresis", true, 2, 3, 1, true },
	{ "not yet, within the hysteresis", false, 2, 3, 1, false },
	{ "below it", true, 1, 3, 1, false },
	{ "one of one", false, 1, 1, 0, true },
	{ "none of one", true, 0, 1, 0, false },
};

START_TEST(quorum)
{
	ck_assert_msg(health_has_quorum(quorums[_i].had, quorums[_i].nup, quorums[_i].up,
	    quorums[_i].hysteresis) == quorums[_i].has, "%s", quorums[_i].why);
}
END_TEST

/* Whatever differs in a conf, its hash does; a copy's is the same. */
START_TEST(conf_hash)
{
	static const struct probe_status_range ok[] = { { 200, 299 } };
	static const uint8_t bytes[] = { 0, 1 };
	const struct probe_conf base = { .kind = PROBE_HTTP, .path = "/" };
	struct probe_conf other[] = { base, base, base, base, base, base, base, base,
		base, base };
	struct probe_conf *c;

	other[0].kind = PROBE_TCP;
	other[1].path = "/x";
	other[2].host = "";
	other[3].statuses = ok;
	other[3].nstatuses = 1;
	other[4].body_regex = "x";
	other[5].health.rise = 7;
	other[6].send = bytes;
	other[6].send_len = 2;
	other[7].expect = bytes;
	other[8].tls_ca = "x";
	other[9].dns_name = "x";
	for (size_t i = 0; i < nitems(other); i++) {
		ck_assert_msg(probe_conf_hash(&base) != probe_conf_hash(&other[i]),
		    "change %zu", i);
		c = probe_conf_copy(&other[i]);
		ck_assert_msg(probe_conf_hash(c) == probe_conf_hash(&other[i]),
		    "copy %zu", i);
		probe_conf_free(c);
	}
	probe_conf_free(NULL);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, timeline, 0, nitems(rows));
	tcase_add_test(tc, jitter);
	tcase_add_test(tc, sure);
	tcase_add_test(tc, late);
	tcase_add_test(tc, before_its_time);
	tcase_add_loop_test(tc, quorum, 0, nitems(quorums));
	tcase_add_test(tc, conf_hash);
}

TEST_MAIN("ipvs health", fill)
