/*
 * bgp_call_io.c - who is calling: a neighbour, one who was not found yet, or a stranger.
 */
#include <utlist.h>

#include "bgp/bgp_impl.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"

enum { STRANGERS_SEC = 60 };	/* between log lines about unknown callers */

static const struct metric m_strangers = {
	"herald_bgp_unknown_callers_total",
	"TCP connections from addresses that are no peer's", METRIC_COUNTER,
};

/*
 * Whose call is it? Several sessions to one router are told apart by our own
 * address; a peer with a source address goes before one without.
 */
static struct bgp_nbr *
callee_of(struct bgp_io *b, const struct bgp_tcp_ends *ends, const char *device)
{
	struct bgp_nbr *n, *best = NULL;

	DL_FOREACH(b->nbrs, n) {
		if (n->is_refused || !ip_eq(&n->addr, &ends->remote) ||
		    strcmp(n->conf.vrf, device) != 0 ||
		    (ends->scope != 0 && n->scope != ends->scope))
			continue;
		if (ip_eq(&n->conf.source, &ends->local))
			return n;
		if (!ip_is_set(&n->conf.source))
			best = n;
	}
	return best;
}

/* An unnumbered peer may call before we have heard its advertisement. */
static struct bgp_nbr *
unnumbered_callee_of(struct bgp_io *b, const struct bgp_tcp_ends *ends)
{
	struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n)
		if (!n->is_refused && !ip_is_set(&n->conf.addr) && n->engine.up < 0 &&
		    ends->scope != 0 && ends->scope == n->scope)
			return n;
	return NULL;
}

static void
on_stranger(struct bgp_io *b, const struct bgp_tcp_ends *ends)
{
	struct mono now = clock_mono();

	metrics_add(&m_strangers, NULL, 1);
	b->nstrangers++;
	if (!mono_reached(now, b->strangers_at))
		return;
	log_info(LOG_OBJ("addr", IP_STR(&ends->remote)),
	    "hung up on %u BGP calls from addresses that are no peer's", b->nstrangers);
	b->strangers_at = mono_add_sec(now, STRANGERS_SEC);
	b->nstrangers = 0;
}

void
bgp_call_taken(void *arg, int fd, const struct bgp_tcp_ends *ends, const char *device)
{
	struct bgp_io *b = arg;
	struct bgp_nbr *n = callee_of(b, ends, device);

	if (n == NULL && (n = unnumbered_callee_of(b, ends)) != NULL)
		bgp_io_found(b, n->conf.ifname, &ends->remote);
	if (n != NULL) {
		bgp_nbr_call(n, fd);
		return;
	}
	bgp_tcp_abort(fd);
	on_stranger(b, ends);
}
