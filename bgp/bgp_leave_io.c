/*
 * bgp_leave_io.c - the end of all sessions: mark what peers are to lose, give them
 * time, part.
 */
#include <stdio.h>

#include <utlist.h>

#include "bgp/bgp_impl.h"

static bool
keeps_routes(const struct bgp_nbr *n)
{
	return n->engine.up >= 0 && n->engine.session.has_gr &&
	    n->conf.session.restart_sec > 0;
}

/* Is the peer to lose what it has from us when its session ends now? */
static bool
loses_routes(const struct bgp_nbr *n, enum bgp_io_exit how)
{
	const size_t *nsent = n->engine.rib.nsent;

	return !n->is_refused && n->engine.up >= 0 &&
	    nsent[BGP_IPV4_UNICAST] + nsent[BGP_IPV6_UNICAST] > 0 &&
	    (how == BGP_IO_LEAVE || !keeps_routes(n));
}

static void
stop_all(struct bgp_io *b)
{
	struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n) {
		if (b->exit_how == BGP_IO_RESTART && keeps_routes(n))
			bgp_nbr_stop(n, 0, 0, NULL);
		else
			bgp_nbr_stop(n, BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, b->exit_text);
	}
	/* The lingering must know before the loop's next turn. */
	bgp_io_mark_changed(b);
}

static void
on_drained(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	stop_all(w->data);
}

void
bgp_io_shutdown(struct bgp_io *b, enum bgp_io_exit how, unsigned drain_ms,
    const char *text)
{
	bool is_waiting = false;
	struct bgp_nbr *n;

	if (b->is_leaving)
		return;
	b->is_leaving = true;
	b->exit_how = how;
	snprintf(b->exit_text, sizeof(b->exit_text), "%s", text != NULL ? text : "");
	DL_FOREACH(b->nbrs, n) {
		if (drain_ms == 0 || !loses_routes(n, how))
			continue;
		bgp_nbr_drain(n);
		is_waiting = true;
	}
	if (!is_waiting) {
		stop_all(b);
		return;
	}
	ev_timer_init(&b->drain, on_drained, drain_ms / 1e3, 0.);
	b->drain.data = b;
	ev_now_update(b->loop);
	ev_timer_start(b->loop, &b->drain);
}
