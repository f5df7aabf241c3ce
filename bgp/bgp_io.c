/*
 * bgp_io.c - the set of neighbours: who is there, who calls, who is told what.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "bgp/bgp_conf.h"
#include "bgp/bgp_impl.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum { PUBLISH_SEC = 1 };		/* between updates of metrics, at least */

void
bgp_io_mark_changed(struct bgp_io *b)
{
	if (ev_is_active(&b->notify))
		return;
	ev_timer_set(&b->notify, 0., 0.);
	ev_timer_start(b->loop, &b->notify);
}

void
bgp_io_mark_counted(struct bgp_io *b)
{
	if (ev_is_active(&b->publish))
		return;
	ev_timer_set(&b->publish, PUBLISH_SEC, 0.);
	ev_timer_start(b->loop, &b->publish);
}

static void follow_nbrs(struct bgp_io *b);

static void
on_notify(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct bgp_io *b = w->data;

	(void)loop;
	(void)revents;
	if (b->is_moved && !b->is_leaving)
		follow_nbrs(b);
	b->is_moved = false;
	if (b->handler.changed != NULL)
		b->handler.changed(b->handler.arg);
	/* All are told and closed, also where nothing was to be closed. */
	if (b->is_leaving && !ev_is_active(&b->drain) && b->linger.n == 0 &&
	    !b->has_stopped) {
		b->has_stopped = true;
		/*
		 * Only now that peers know of the end: they may take even this for
		 * a failure of the path (though RFC 5882, 4.2 has them not), and drop
		 * routes that they were to keep or still to see marked.
		 */
		bgp_bfd_admin_down(&b->bfd);
		if (b->handler.stopped != NULL)
			b->handler.stopped(b->handler.arg);
	}
}

static void
on_emptied(void *arg)
{
	bgp_io_mark_changed(arg);
}

static void
on_publish(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct bgp_io *b = w->data;
	struct bgp_nbr *n;

	(void)loop;
	(void)revents;
	DL_FOREACH(b->nbrs, n)
		if (!n->is_refused)
			bgp_nbr_publish(n);
}

static void
on_bfd_changed(void *arg)
{
	struct bgp_io *b = arg;
	struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n)
		if (!n->is_refused)
			bgp_nbr_bfd_changed(n);
}

/* Who listens for whom, and which BFD sessions there are, follows from nbrs. */
static void
follow_nbrs(struct bgp_io *b)
{
	struct bgp_listen_want *calls;
	struct bgp_bfd_want *bfd;
	size_t ncalls = 0, nbfd = 0;
	struct bgp_nbr *n;
	int count;

	DL_COUNT(b->nbrs, n, count);
	calls = mem_zalloc(((size_t)count + 1) * sizeof(*calls));
	bfd = mem_zalloc(((size_t)count + 1) * sizeof(*bfd));
	DL_FOREACH(b->nbrs, n) {
		const struct bgp_io_bfd *c = &n->conf.bfd;
		bool is_multihop = bgp_conf_hops(&n->conf) > 1;

		if (n->is_refused)
			continue;
		calls[ncalls++] = (struct bgp_listen_want){
			n->addr, n->conf.vrf, bgp_nbr_key(n),
		};
		if (c->detect_mult == 0 || !ip_is_set(&n->addr))
			continue;
		bfd[nbfd++] = (struct bgp_bfd_want){
			.vrf = n->conf.vrf, .is_multihop = is_multihop,
			.peer = { .addr = n->addr, .scope = n->scope,
			    .source = n->conf.source, .min_tx_us = c->min_tx_us,
			    .min_rx_us = c->min_rx_us, .detect_mult = c->detect_mult,
			    .min_ttl = is_multihop ? c->min_ttl : 255,
			    .is_passive = c->is_passive,
			    .echo_us = is_multihop ? 0 : c->echo_us },
		};
	}
	bgp_listen_set(&b->listen, calls, ncalls);
	bgp_bfd_set(&b->bfd, bfd, nbfd);
	on_bfd_changed(b);
	explicit_bzero(calls, (size_t)count * sizeof(*calls));
	free(calls);
	free(bfd);
}

void
bgp_io_found(struct bgp_io *b, const char *ifname, const struct ip *addr)
{
	bool is_new = false;
	struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n) {
		if (n->is_refused || ip_is_set(&n->conf.addr) ||
		    strcmp(n->conf.ifname, ifname) != 0)
			continue;
		is_new |= !ip_eq(&n->addr, addr) && n->engine.up < 0;
		bgp_nbr_found(n, addr);
	}
	if (is_new)
		follow_nbrs(b);
}

static void
on_found(void *arg, const char *ifname, const struct ip *addr)
{
	bgp_io_found(arg, ifname, addr);
}

static void
find_unnumbered(struct bgp_io *b)
{
	const char **names;
	struct bgp_nbr *n;
	size_t count = 0;
	int max;

	DL_COUNT(b->nbrs, n, max);
	names = mem_zalloc(((size_t)max + 1) * sizeof(*names));
	DL_FOREACH(b->nbrs, n)
		if (!n->is_refused && !ip_is_set(&n->conf.addr))
			names[count++] = n->conf.ifname;
	bgp_ra_set(&b->ra, names, count);
	free(names);
}

struct bgp_io *
bgp_io_new(struct ev_loop *loop, const struct bgp_io_conf *conf,
    const struct bgp_io_handler *handler)
{
	struct bgp_io *b = mem_zalloc(sizeof(*b));

	b->loop = loop;
	b->conf = *conf;
	b->handler = *handler;
	b->listen = (struct bgp_listen){ loop, conf->port, bgp_call_taken, b, NULL };
	b->linger = (struct bgp_linger){ .loop = loop, .emptied = on_emptied, .arg = b };
	b->ra = (struct bgp_ra){ loop, on_found, b, NULL };
	b->bfd = (struct bgp_bfd){ loop, on_bfd_changed, b, NULL };
	b->buf = mem_zalloc(BGP_IO_READ);
	if (conf->mrt_path != NULL)
		b->mrt = bgp_mrt_new(conf->mrt_path, conf->mrt_max_bytes);
	ev_timer_init(&b->notify, on_notify, 0., 0.);
	ev_timer_init(&b->publish, on_publish, 0., 0.);
	b->notify.data = b->publish.data = b->drain.data = b;
	return b;
}

void
bgp_io_free(struct bgp_io *b)
{
	struct bgp_nbr *n, *tmp;

	if (b == NULL)
		return;
	DL_FOREACH_SAFE(b->nbrs, n, tmp) {
		DL_DELETE(b->nbrs, n);
		bgp_nbr_free(n);
	}
	bgp_linger_fini(&b->linger);
	bgp_listen_fini(&b->listen);
	bgp_ra_fini(&b->ra);
	bgp_bfd_fini(&b->bfd);
	bgp_mrt_free(b->mrt);
	ev_timer_stop(b->loop, &b->notify);
	ev_timer_stop(b->loop, &b->publish);
	ev_timer_stop(b->loop, &b->drain);
	free(b->buf);
	free(b);
}

static void
refuse(struct bgp_nbr *n, const char *why, const char *other)
{
	char reason[sizeof(n->reason)];

	n->is_refused = true;
	snprintf(reason, sizeof(reason), "%s%s", why, other);
	if (strcmp(n->reason, reason) != 0)	/* else it has been said */
		log_warn(LOG_OBJ("peer", n->conf.name), "BGP peer refused: %s", reason);
	memcpy(n->reason, reason, sizeof(reason));
}

/* By name; of several that conflict the first stays. */
static void
check_new(struct bgp_io *b, struct bgp_nbr *n)
{
	const char *fault = bgp_conf_fault(&n->conf, bgp_tcp_has_ao());
	bool is_later = false;
	struct bgp_nbr *o;

	if (fault != NULL) {
		refuse(n, fault, "");
		return;
	}
	DL_FOREACH(b->nbrs, o) {
		is_later |= o == n;
		if (o == n || o->is_refused || (is_later && !o->engine.is_started) ||
		    !bgp_conf_conflicts(&o->conf, &n->conf))
			continue;
		refuse(n, "same address, interface, VRF and source address as peer ",
		    o->conf.name);
		return;
	}
	n->reason[0] = '\0';
}

static int
nbr_cmp(const struct bgp_nbr *x, const struct bgp_nbr *y)
{
	return strcmp(x->conf.name, y->conf.name);
}

static struct bgp_nbr *
nbr_by_name(const struct bgp_io *b, const char *name)
{
	struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n)
		if (strcmp(n->conf.name, name) == 0)
			return n;
	return NULL;
}

static void
remove_nbr(struct bgp_io *b, struct bgp_nbr *n, unsigned subcode)
{
	bgp_nbr_stop(n, BGP_ERR_CEASE, subcode, NULL);
	DL_DELETE(b->nbrs, n);
	bgp_nbr_free(n);
}

/* The routes `from` should have told are n's to tell. */
static void
inherit_routes(struct bgp_nbr *n, const struct bgp_nbr *from)
{
	const struct bgp_rib *rib = &from->engine.rib;
	struct bgp_route *routes = mem_zalloc((rib->n + 1) * sizeof(*routes));
	size_t count = 0;

	for (size_t i = 0; i < rib->n; i++)
		if (rib->entries[i].want != 0)
			routes[count++] = (struct bgp_route){ rib->entries[i].prefix,
				rib->attrs[rib->entries[i].want - 1] };
	bgp_peer_set_routes(&n->engine, routes, count);
	n->has_routes = from->has_routes;
	free(routes);
}

static void
set_peer(struct bgp_io *b, const struct bgp_io_peer *conf)
{
	struct bgp_nbr *old = nbr_by_name(b, conf->name), *n;

	if (old != NULL && !old->is_refused && bgp_conf_is_same(&old->conf, conf)) {
		bgp_nbr_change(old, conf);
		old->is_wanted = true;
		return;
	}
	n = bgp_nbr_new(b, conf);
	n->is_wanted = true;
	if (old != NULL && old->is_refused)
		memcpy(n->reason, old->reason, sizeof(n->reason));
	if (old != NULL) {
		inherit_routes(n, old);
		remove_nbr(b, old, BGP_CEASE_CONFIG);
	}
	DL_INSERT_INORDER(b->nbrs, n, nbr_cmp);
}

void
bgp_io_set_peers(struct bgp_io *b, const struct bgp_io_peer *peers, size_t n)
{
	struct bgp_nbr *nbr, *tmp;

	if (b->is_leaving)
		return;
	DL_FOREACH(b->nbrs, nbr)
		nbr->is_wanted = false;
	for (size_t i = 0; i < n; i++)
		set_peer(b, &peers[i]);
	DL_FOREACH_SAFE(b->nbrs, nbr, tmp)
		if (!nbr->is_wanted)
			remove_nbr(b, nbr, BGP_CEASE_DECONFIGURED);
	DL_FOREACH(b->nbrs, nbr)
		if (!nbr->is_refused && !nbr->engine.is_started)
			check_new(b, nbr);
	find_unnumbered(b);
	follow_nbrs(b);
	DL_FOREACH(b->nbrs, nbr)
		bgp_nbr_start(nbr);
	bgp_io_mark_changed(b);
}

static bool
is_for(const struct bgp_io_route *r, const char *name)
{
	for (size_t i = 0; i < r->npeers; i++)
		if (strcmp(r->peers[i], name) == 0)
			return true;
	return r->npeers == 0;
}

int
bgp_io_set_routes(struct bgp_io *b, const struct bgp_io_route *routes, size_t n)
{
	struct bgp_route *own = mem_zalloc((n + 1) * sizeof(*own));
	struct bgp_nbr *nbr;
	int e = 0;

	DL_FOREACH(b->nbrs, nbr) {
		size_t count = 0;
		bool is_wanted = false;
		int ret;

		for (size_t i = 0; i < n && !nbr->is_refused; i++) {
			/* Routes of one Service share their list of peers. */
			if (i == 0 || routes[i].peers != routes[i - 1].peers ||
			    routes[i].npeers != routes[i - 1].npeers)
				is_wanted = is_for(&routes[i], nbr->conf.name);
			if (is_wanted)
				own[count++] = (struct bgp_route){ routes[i].prefix,
					routes[i].attrs };
		}
		if (nbr->is_refused || b->is_leaving)
			continue;
		ret = bgp_peer_set_routes(&nbr->engine, own, count);
		if (ret < 0)
			e = ret;
		nbr->has_routes = true;
		bgp_nbr_start(nbr);
		bgp_nbr_settle(nbr);
	}
	free(own);
	return e;
}

static struct bgp_io_status
status_of(const struct bgp_nbr *n)
{
	struct bgp_bfd_want want = { .vrf = n->conf.vrf,
		.is_multihop = bgp_conf_hops(&n->conf) > 1,
		.peer = { .addr = n->addr, .scope = n->scope } };
	struct bfd_io_view v = { .state = BFD_PEER_UNKNOWN };
	struct bgp_io_status s = {
		.name = n->conf.name, .addr = n->addr, .ifname = n->conf.ifname,
		.vrf = n->conf.vrf,
		.state = bgp_peer_state(&n->engine), .since_wall_ns = n->since_wall_ns,
		.is_refused = n->is_refused, .reason = n->reason, .local = n->local,
		.engine = n->is_refused ? NULL : &n->engine,
		.has_bfd = n->conf.bfd.detect_mult != 0,
	};

	if (s.has_bfd)
		bgp_bfd_view(&n->io->bfd, &want, &v);
	s.bfd = v.state;
	s.bfd_detect_us = v.detect_us;
	s.bfd_echo = v.echo;
	return s;
}

void
bgp_io_each(const struct bgp_io *b,
    void (*fn)(void *arg, const struct bgp_io_status *s), void *arg)
{
	const struct bgp_nbr *n;

	DL_FOREACH(b->nbrs, n) {
		struct bgp_io_status s = status_of(n);

		fn(arg, &s);
	}
}

int
bgp_io_reset(struct bgp_io *b, const char *name, const char *text)
{
	struct bgp_nbr *n = nbr_by_name(b, name);

	if (n == NULL)
		return -ENOENT;
	bgp_nbr_reset(n, BGP_CEASE_RESET, text);
	return 0;
}
