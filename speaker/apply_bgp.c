#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "speaker/apply.h"

/* Forwarding for at least one VIP that the route leads to is in place. */
static bool
is_programmed(const struct apply *a, const struct plan_route *r)
{
	for (size_t i = 0; i < r->nvips; i++) {
		if (apply_is_programmed(a, &r->vips[i]))
			return true;
	}
	return false;
}

static void
set_routes(struct apply *a, const struct plan *p)
{
	struct bgp_io_route *routes = mem_zalloc((p->nbgp_routes + 1) * sizeof(*routes));
	size_t n = 0;

	for (size_t i = 0; i < p->nbgp_routes; i++) {
		const struct plan_route *r = &p->bgp_routes[i];

		if (is_programmed(a, r) && !(a->is_bgp_gone && r->is_retiring))
			routes[n++] = r->route;
	}
	if (bgp_io_set_routes(a->bgp, routes, n) != 0)
		log_error(LOG_NONE, "BGP: too many different sets of attributes; use "
		    "fewer BGPAdvertisements with communities or localPref of their own");
	free(routes);
}

/* A speaker that comes up on a drained node has nothing to give back slowly. */
static void
follow_drain(struct apply *a, const struct plan *p, struct mono now)
{
	if (!p->has_retiring) {
		a->bgp_gone_at = MONO_NEVER;
	} else if (a->bgp_gone_at.ns == MONO_NEVER.ns) {
		a->bgp_gone_at = a->has_applied ?
		    mono_add_ms(now, a->bgp_conf.drain_ms) : now;
		log_info(LOG_NONE, "BGP routes are being handed over to other nodes");
	}
	a->is_bgp_gone = mono_reached(now, a->bgp_gone_at);
}

/*
 * What is announced now led to programmed VIPs, so of the new plan's routes
 * those to programmed VIPs are the ones that stay.
 */
void
apply_bgp_withdraw(struct apply *a, const struct plan *p, struct mono now)
{
	follow_drain(a, p, now);
	if (a->bgp != NULL)
		set_routes(a, p);
}

/* Did the first sync find its VIPs as an earlier speaker left them? */
static bool
is_adopted(const struct apply *a, const struct plan *p)
{
	return p->nvips > 0 && a->changes.vips_added == 0;
}

void
apply_bgp_announce(struct apply *a, const struct plan *p)
{
	if (a->bgp == NULL) {
		if (p->nbgp_peers == 0)
			return;
		a->bgp = bgp_io_new(a->loop, &(struct bgp_io_conf){
		    .port = a->bgp_conf.port,
		    .mrt_path = a->bgp_conf.mrt_path,
		    .mrt_max_bytes = a->bgp_conf.mrt_max_bytes,
		    .is_restarting = !a->has_applied && is_adopted(a, p) },
		    &a->bgp_conf.handler);
	}
	bgp_io_set_peers(a->bgp, p->bgp_peers, p->nbgp_peers);
	set_routes(a, p);
}

/*
 * The director stays, so a peer that knows graceful restart may keep our routes
 * until the next speaker is up; not where the node is about to go.
 */
bool
apply_bgp_leave(struct apply *a, const struct plan *p)
{
	if (a->bgp == NULL)
		return false;
	bgp_io_shutdown(a->bgp, p->is_drained ? BGP_IO_LEAVE : BGP_IO_RESTART,
	    a->bgp_conf.drain_ms, p->is_drained ? "the node is drained" :
	    "the speaker is leaving");
	return true;
}
