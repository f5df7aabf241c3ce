/* Counters told by looks: kept while they are told again, printed in full. */
#include <stdio.h>
#include <string.h>

#include "speaker/stats.h"
#include "tests/check.h"

static void
note(struct stats *s, const char *service, const char *endpoint, uint64_t conns)
{
	struct ipvs_counters c = { .conns = conns, .in_packets = conns * 2,
		.out_bytes = 7, .active = 3 };
	struct ip ip = { 0 };
	struct director_stat row = { .service = service, .family = IP_V4, .tier = 1,
		.port = 8080, .counters = &c };

	if (endpoint != NULL) {
		ck_assert_int_eq(ip_parse(endpoint, &ip), 0);
		row.endpoint = &ip;
		row.family = ip.family;
	}
	stats_note(s, &row);
}

static const struct {
	const char *why, *line;
	bool is_there;
} rows[] = {
	{ "a service's connections", "herald_service_connections_total{service=\"d/s:80/TCP\","
	    "family=\"ipv4\",tier=\"1\"} 5\n", true },
	{ "an endpoint's, by its address", "herald_endpoint_connections_total{service="
	    "\"d/s:80/TCP\",family=\"ipv4\",tier=\"1\",endpoint=\"10.1.0.1:8080\"} 4\n", true },
	{ "an IPv6 one in brackets", "endpoint=\"[fd00::1]:8080\"} 2\n", true },
	{ "both directions", "tier=\"1\",direction=\"in\"} 10\n", true },
	{ "of bytes, too", "tier=\"1\",direction=\"out\"} 7\n", true },
	{ "a gauge is a gauge", "# TYPE herald_endpoint_active_connections gauge\n", true },
	{ "and has its value", "endpoint=\"10.1.0.1:8080\"} 3\n", true },
	{ "what has seen nothing is left out", "d/idle", false },
	{ "one that told more tells only that", "} 1\n", false },
};

START_TEST(printed)
{
	struct stats s = { 0 };
	char *text = NULL;
	uint64_t at = 0;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	note(&s, "d/s:80/TCP", "10.1.0.1", 1);
	stats_take(&s, 1);
	note(&s, "d/s:80/TCP", NULL, 5);
	note(&s, "d/s:80/TCP", "10.1.0.1", 4);
	note(&s, "d/s:80/TCP", "fd00::1", 2);
	note(&s, "d/idle:80/TCP", NULL, 0);
	stats_take(&s, 1);
	while (stats_write(&s, f, &at))
		;
	fclose(f);
	ck_assert_msg((strstr(text, rows[_i].line) != NULL) == rows[_i].is_there,
	    "%s: %s in\n%s", rows[_i].why, rows[_i].line, text);
	free(text);
	stats_fini(&s);
}
END_TEST

static const struct {
	const char *why;
	size_t	nservices;
	unsigned nlooks;	/* without a word of it */
	bool	is_kept;
} silences[] = {
	{ "the next look has it again", 1, 1, true },
	{ "two rounds of a small table", 1, 2, true },
	{ "then it is gone", 1, 3, false },
	{ "a great table takes its time", 10000, 1876, true },
	{ "but not for ever", 10000, 3753, false },
};

START_TEST(forgotten)
{
	struct stats s = { 0 };

	note(&s, "d/s:80/TCP", NULL, 1);
	stats_take(&s, silences[_i].nservices);
	for (unsigned i = 0; i < silences[_i].nlooks; i++)
		stats_take(&s, silences[_i].nservices);
	ck_assert_msg((s.rows != NULL) == silences[_i].is_kept, "%s", silences[_i].why);
	stats_fini(&s);
}
END_TEST

static void
note_numbered(struct stats *s, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "d/s%u:80/TCP", i);
	note(s, name, NULL, 1);
}

/* Rows come and go while they are written: those that stay are there, each once. */
START_TEST(written_by_pieces)
{
	enum { N = 2000 };
	struct stats s = { 0 };
	char *text = NULL, *row;
	size_t len = 0, largest = 0, before = 0;
	uint64_t at = 0;
	FILE *f = open_memstream(&text, &len);

	for (unsigned i = 0; i < N; i++)
		note_numbered(&s, i);
	stats_take(&s, 1);
	for (unsigned npieces = 0; stats_write(&s, f, &at); npieces++) {
		fflush(f);
		largest = len - before > largest ? len - before : largest;
		before = len;
		/* Every second goes, and others come. */
		for (unsigned i = 0; i < N; i += 2)
			note_numbered(&s, i);
		note_numbered(&s, N + npieces);
		stats_take(&s, 1);
	}
	fclose(f);
	ck_assert_msg(largest < 64 * 1024, "a piece of %zu bytes", largest);
	for (unsigned i = 0; i < N; i += 2) {
		char want[96];

		snprintf(want, sizeof(want), "herald_service_connections_total{service="
		    "\"d/s%u:80/TCP\",", i);
		row = strstr(text, want);
		ck_assert_msg(row != NULL && strstr(row + 1, want) == NULL, "%s", want);
	}
	ck_assert_msg(s.nplaces < N + 10, "places of those that went are taken again");
	free(text);
	stats_fini(&s);
}
END_TEST

/* What was noted and never taken is freed; the leak checker looks. */
START_TEST(untaken)
{
	struct stats s = { 0 };

	note(&s, "d/s:80/TCP", NULL, 1);
	stats_fini(&s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, printed, 0, nitems(rows));
	tcase_add_loop_test(tc, forgotten, 0, nitems(silences));
	tcase_add_test(tc, untaken);
	tcase_add_test(tc, written_by_pieces);
}

TEST_MAIN("stats", fill)
