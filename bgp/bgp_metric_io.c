/*
 * bgp_metric_io.c - what a neighbour's engine has counted, as metrics.
 */
#include <stdio.h>

#include "bgp/bgp_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/metrics.h"

/* Of a peer's name of 253 bytes and what stands beside it. */
enum { LABELS_MAX = sizeof(((struct bgp_nbr *)NULL)->last_error) };

static const struct metric m_up = {
	"herald_bgp_session_up", "BGP session state, 1 is Established", METRIC_GAUGE,
};
static const struct metric m_prefixes = {
	"herald_bgp_prefixes_announced", "Prefixes a BGP peer has from us", METRIC_GAUGE,
};
static const struct metric m_messages = {
	"herald_bgp_messages_total", "BGP messages by direction and type",
	METRIC_COUNTER,
};
static const struct metric m_established = {
	"herald_bgp_sessions_established_total", "Times a BGP session came up",
	METRIC_COUNTER,
};
static const struct metric m_malformed = {
	"herald_bgp_malformed_updates_total",
	"Received UPDATEs with an error, by what was done about it", METRIC_COUNTER,
};

/* Of each peer the last one only, so that no peer makes many series. */
static const struct metric m_last_error = {
	"herald_bgp_last_error_timestamp_seconds",
	"When a BGP session last ended with a NOTIFICATION, and with which",
	METRIC_GAUGE,
};

void
bgp_nbr_publish(struct bgp_nbr *n)
{
	const struct bgp_counts *c = &n->engine.counts;
	const char *name = n->conf.name;
	char l[LABELS_MAX];

	metrics_set(&m_up, metrics_labels(l, sizeof(l), "peer", name, NULL),
	    n->engine.up >= 0);
	metrics_set(&m_established, l, (double)c->established);
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		metrics_set(&m_prefixes, metrics_labels(l, sizeof(l), "peer", name,
		    "family", bgp_family_name(f), NULL),
		    n->engine.up >= 0 ? (double)n->engine.rib.nsent[f] : 0.);
	for (unsigned t = BGP_OPEN; t <= BGP_REFRESH; t++) {
		metrics_set(&m_messages, metrics_labels(l, sizeof(l), "peer", name,
		    "direction", "received", "type", bgp_msg_type_name(t), NULL),
		    (double)c->rx[t]);
		metrics_set(&m_messages, metrics_labels(l, sizeof(l), "peer", name,
		    "direction", "sent", "type", bgp_msg_type_name(t), NULL),
		    (double)c->tx[t]);
	}
	metrics_set(&m_malformed, metrics_labels(l, sizeof(l), "peer", name, "verdict",
	    "discard", NULL), (double)c->discarded);
	metrics_set(&m_malformed, metrics_labels(l, sizeof(l), "peer", name, "verdict",
	    "withdraw", NULL), (double)c->withdrawn);
}

void
bgp_nbr_publish_error(struct bgp_nbr *n, bool is_theirs, unsigned code,
    unsigned subcode)
{
	char code_text[4], subcode_text[4];

	snprintf(code_text, sizeof(code_text), "%u", code & 0xff);
	snprintf(subcode_text, sizeof(subcode_text), "%u", subcode & 0xff);
	if (n->last_error[0] != '\0')
		metrics_drop(&m_last_error, n->last_error);
	metrics_labels(n->last_error, sizeof(n->last_error), "peer", n->conf.name,
	    "from", is_theirs ? "peer" : "us", "code", code_text, "subcode",
	    subcode_text, "error", bgp_error_name(code, subcode), NULL);
	metrics_set(&m_last_error, n->last_error, (double)clock_wall_ns() / 1e9);
}

void
bgp_nbr_unpublish(const struct bgp_nbr *n)
{
	static const char *const directions[] = { "received", "sent" };
	static const char *const verdicts[] = { "discard", "withdraw" };
	const char *name = n->conf.name;
	char l[LABELS_MAX];

	metrics_labels(l, sizeof(l), "peer", name, NULL);
	metrics_drop(&m_up, l);
	metrics_drop(&m_established, l);
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		metrics_drop(&m_prefixes, metrics_labels(l, sizeof(l), "peer", name,
		    "family", bgp_family_name(f), NULL));
	for (unsigned i = 0; i < nitems(directions); i++)
		for (unsigned t = BGP_OPEN; t <= BGP_REFRESH; t++)
			metrics_drop(&m_messages, metrics_labels(l, sizeof(l), "peer",
			    name, "direction", directions[i], "type",
			    bgp_msg_type_name(t), NULL));
	for (unsigned i = 0; i < nitems(verdicts); i++)
		metrics_drop(&m_malformed, metrics_labels(l, sizeof(l), "peer", name,
		    "verdict", verdicts[i], NULL));
	if (n->last_error[0] != '\0')
		metrics_drop(&m_last_error, n->last_error);
}
