#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/stats.h"

enum { PIECE_ROWS = 256 };		/* as many are written in a millisecond */

struct stats_row {
	char	*labels;
	bool	is_endpoint;
	struct ipvs_counters c;
	unsigned look;			/* the last that told it */
	size_t	place;			/* in stats.places */
	struct stats_row *next;		/* of the news */
	UT_hash_handle hh;
};

static void
row_free(struct stats_row *r)
{
	free(r->labels);
	free(r);
}

void
stats_fini(struct stats *s)
{
	struct stats_row *r, *next;

	HASH_ITER(hh, s->rows, r, next) {
		HASH_DEL(s->rows, r);
		row_free(r);
	}
	for (r = s->news; r != NULL; r = next) {
		next = r->next;
		row_free(r);
	}
	free(s->places);
	*s = (struct stats){ 0 };
}

static char *
labels_of(const struct director_stat *row)
{
	const char *family = row->family == IP_V6 ? "ipv6" : "ipv4";
	const char tier[] = { (char)('0' + row->tier), '\0' };
	char buf[512], endpoint[IP_STRLEN + 16];

	if (row->endpoint == NULL)
		return mem_strdup(metrics_labels(buf, sizeof(buf), "service",
		    row->service, "family", family, "tier", tier, NULL));
	snprintf(endpoint, sizeof(endpoint), row->family == IP_V6 ? "[%s]:%u" : "%s:%u",
	    IP_STR(row->endpoint), row->port);
	return mem_strdup(metrics_labels(buf, sizeof(buf), "service", row->service,
	    "family", family, "tier", tier, "endpoint", endpoint, NULL));
}

void
stats_note(void *arg, const struct director_stat *row)
{
	struct stats *s = arg;
	struct stats_row *r;

	if (row->counters->conns == 0 && row->counters->in_packets == 0)
		return;
	r = mem_zalloc(sizeof(*r));
	r->labels = labels_of(row);
	r->is_endpoint = row->endpoint != NULL;
	r->c = *row->counters;
	r->next = s->news;
	s->news = r;
}

static void
put_row(struct stats *s, struct stats_row *r)
{
	if (s->nfree == 0) {
		s->places = mem_grow(s->places, s->nplaces, &s->places_cap,
		    sizeof(s->places[0]));
		r->place = s->nplaces++;
	} else {
		while (s->places[s->next_free] != NULL)
			s->next_free = (s->next_free + 1) % s->nplaces;
		r->place = s->next_free;
		s->nfree--;
	}
	s->places[r->place] = r;
	HASH_ADD_KEYPTR(hh, s->rows, r->labels, strlen(r->labels), r);
}

static void
drop_row(struct stats *s, struct stats_row *r)
{
	s->places[r->place] = NULL;
	s->nfree++;
	HASH_DEL(s->rows, r);
	row_free(r);
}

static void
take_row(struct stats *s, struct stats_row *r)
{
	struct stats_row *had;

	HASH_FIND_STR(s->rows, r->labels, had);
	if (had != NULL) {
		had->c = r->c;
		had->look = s->look;
		row_free(r);
		return;
	}
	r->look = s->look;
	put_row(s, r);
}

void
stats_take(struct stats *s, size_t nservices)
{
	/* Two rounds of all tiers. */
	size_t patience = 2 * (IPVS_TIER_MAX * nservices / DIRECTOR_LOOK_PIECE + 1);
	struct stats_row *r, *next;

	s->look++;
	for (r = s->news; r != NULL; r = next) {
		next = r->next;
		take_row(s, r);
	}
	s->news = NULL;
	/* To go through all rows each time would cost more than to read the news. */
	if (s->look - s->swept < patience)
		return;
	s->swept = s->look;
	HASH_ITER(hh, s->rows, r, next) {
		if (s->look - r->look > patience)
			drop_row(s, r);
	}
}

/* The metrics: which counter, or the active connections, of which rows. */
static const struct stats_metric {
	const char *name, *help;
	size_t	at;			/* of a uint64_t, or a uint32_t gauge */
	bool	is_endpoint, is_gauge;
	const char *direction;		/* a label of packets and bytes */
} stats_metrics[] = {
#define COUNTER(field) offsetof(struct ipvs_counters, field)
	{ "herald_service_connections_total", "Connections scheduled, by tier: 1 clients', "
	    "2 what came by tunnel, 3 local clients' where 1 schedules each datagram by "
	    "itself.", COUNTER(conns), false, false, NULL },
	{ "herald_service_packets_total", "Packets from clients (in) and to them, where "
	    "replies pass through (out).", COUNTER(in_packets), false, false, "in" },
	{ "herald_service_packets_total", NULL, COUNTER(out_packets), false, false, "out" },
	{ "herald_service_bytes_total", "Bytes, likewise.", COUNTER(in_bytes), false, false,
	    "in" },
	{ "herald_service_bytes_total", NULL, COUNTER(out_bytes), false, false, "out" },
	{ "herald_endpoint_connections_total", "Connections scheduled to the endpoint.",
	    COUNTER(conns), true, false, NULL },
	{ "herald_endpoint_packets_total", "Packets to the endpoint (in) and from it (out).",
	    COUNTER(in_packets), true, false, "in" },
	{ "herald_endpoint_packets_total", NULL, COUNTER(out_packets), true, false, "out" },
	{ "herald_endpoint_bytes_total", "Bytes, likewise.", COUNTER(in_bytes), true, false,
	    "in" },
	{ "herald_endpoint_bytes_total", NULL, COUNTER(out_bytes), true, false, "out" },
	{ "herald_endpoint_active_connections", "Established connections, as far as they "
	    "pass here.", COUNTER(active), true, true, NULL },
	{ "herald_endpoint_inactive_connections", "Other connections not yet forgotten.",
	    COUNTER(inactive), true, true, NULL },
#undef COUNTER
};

static void
write_row(FILE *f, const struct stats_metric *m, const struct stats_row *r)
{
	const char *at = (const char *)&r->c + m->at;
	uint64_t value = 0;
	uint32_t gauge;

	if (m->is_gauge) {
		memcpy(&gauge, at, sizeof(gauge));
		value = gauge;
	} else {
		memcpy(&value, at, sizeof(value));
	}
	fprintf(f, "%s{%s%s%s%s} %" PRIu64 "\n", m->name, r->labels,
	    m->direction != NULL ? ",direction=\"" : "",
	    m->direction != NULL ? m->direction : "", m->direction != NULL ? "\"" : "",
	    value);
}

/* *at: the metric, and the place from which its rows are still to be written. */
bool
stats_write(void *arg, FILE *f, uint64_t *at)
{
	const struct stats *s = arg;
	size_t i = (size_t)(*at >> 32), place = (uint32_t)*at, end = place + PIECE_ROWS;
	const struct stats_metric *m = &stats_metrics[i];

	if (i >= nitems(stats_metrics))
		return false;
	if (place == 0 && m->help != NULL)
		fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
		    m->is_gauge ? "gauge" : "counter");
	for (; place < end && place < s->nplaces; place++) {
		const struct stats_row *r = s->places[place];

		if (r != NULL && r->is_endpoint == m->is_endpoint)
			write_row(f, m, r);
	}
	*at = place < s->nplaces ? (uint64_t)i << 32 | place : (uint64_t)(i + 1) << 32;
	return true;
}
