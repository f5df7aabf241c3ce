/*
 * bgp_nbr_io.c - one neighbour: its engine's wishes become sockets, timers,
 * log lines and metrics.
 *
 * Whatever happens goes into the engine first; bgp_nbr_settle() then does what
 * the engine says until it has no more to say. Nothing else opens or closes.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bgp/bgp_conf.h"
#include "bgp/bgp_link_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	/* Calls taken of one peer in CALLS_SEC; more are hung up on. */
	CALLS_MAX	= 10,
	CALLS_SEC	= 10,
};

#define NBR_OBJ(n) LOG_OBJ("peer", (n)->conf.name, "addr", \
    ip_is_set(&(n)->addr) ? IP_STR(&(n)->addr) : NULL, \
    "iface", (n)->conf.ifname[0] != '\0' ? (n)->conf.ifname : NULL)

struct bgp_tcp_key
bgp_nbr_key(const struct bgp_nbr *n)
{
	struct bgp_tcp_key key = { .auth = n->conf.auth, .id = n->conf.key_id };

	if (key.auth != BGP_IO_AUTH_NONE) {
		key.len = (uint8_t)strlen(n->conf.password);
		memcpy(key.key, n->conf.password, key.len);
	}
	return key;
}

static struct bgp_tcp_conf
tcp_conf(const struct bgp_nbr *n)
{
	uint8_t hops = bgp_conf_hops(&n->conf);

	return (struct bgp_tcp_conf){
		.addr = n->addr, .scope = n->scope, .source = n->conf.source,
		.port = n->conf.port != 0 ? n->conf.port : BGP_PORT,
		.device = n->conf.vrf,
		.ttl = n->conf.has_gtsm ? 255 : hops,
		.min_ttl = (uint8_t)(n->conf.has_gtsm ? 256 - hops : 0),
		.key = bgp_nbr_key(n),
	};
}

/* Why a connection ended, for people: "they said: ...". */
static void
note_end(struct bgp_nbr *n, enum bgp_slot slot)
{
	const struct bgp_fsm *f = &n->engine.conn[slot].fsm;
	const struct bgp_error *e = &f->err;
	unsigned code = e->code, subcode = e->subcode;
	char text[BGP_ERROR_DATA_MAX];

	/* Of two connections one had to go: no news. TCP's own end is noted. */
	if (code == 0 || (code == BGP_ERR_CEASE && subcode == BGP_CEASE_COLLISION))
		return;
	if (code == BGP_ERR_CEASE && subcode == BGP_CEASE_HARD_RESET && e->len >= 2) {
		code = e->data[0];
		subcode = e->data[1];
	}
	bgp_nbr_publish_error(n, f->is_err_theirs, code, subcode);
	bgp_error_text(e, text);
	snprintf(n->reason, sizeof(n->reason), "%s %s (%u/%u)%s%s",
	    f->is_err_theirs ? "the peer said" : "we said",
	    bgp_error_name(code, subcode), code, subcode, text[0] != '\0' ? ": " : "",
	    text);
}

/* The peer shares a link with us, so it knows our link-local address too. */
static void
set_next_hops(struct bgp_nbr *n, const struct bgp_tcp_ends *ends)
{
	struct bgp_hops h = bgp_hops_of(&ends->local, ends->scope);
	bool can_v4_by_v6 = n->conf.session.has_v6_next_hop &&
	    n->engine.conn[n->engine.up].theirs.v6_next_hops & 1u << BGP_IPV4_UNICAST;

	if (ends->local.family == IP_V6 && can_v4_by_v6)
		h.v4 = (struct ip){ 0 };
	if (ip_is_set(&n->conf.next_hop4))
		h.v4 = n->conf.next_hop4;
	if (ip_is_set(&n->conf.next_hop6))
		h.v6 = n->conf.next_hop6;
	if (bgp_conf_hops(&n->conf) > 1 && ends->scope == 0)
		h.v6_link_local = (struct ip){ 0 };
	if (!ip_is_set(&h.v6)) {
		/* There is no other: it takes the place of the global one. */
		h.v6 = h.v6_link_local;
		h.v6_link_local = (struct ip){ 0 };
	}
	bgp_peer_set_next_hops(&n->engine, &h.v4, &h.v6, &h.v6_link_local);
}

static void
on_up(struct bgp_nbr *n, enum bgp_slot slot)
{
	const struct bgp_open *theirs = &n->engine.conn[slot].theirs;
	struct ip router_id = ip_from_v4(theirs->router_id);
	struct bgp_tcp_ends ends = { 0 };

	bgp_tcp_ends(n->links[slot].rd.fd, &ends);
	n->local = ends.local;
	set_next_hops(n, &ends);
	n->reason[0] = '\0';
	n->since_wall_ns = clock_wall_ns();
	log_info(NBR_OBJ(n), "BGP session up with AS %u, router ID %s, hold time %u s",
	    theirs->asn, IP_STR(&router_id),
	    n->engine.conn[slot].fsm.hold_sec);
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		if (n->engine.session.families & 1u << f &&
		    !ip_is_set(&n->engine.session.next_hop[f]))
			log_warn(NBR_OBJ(n), "nothing of family %s is announced: the "
			    "interface of %s has no address for its next hop",
			    bgp_family_name(f), IP_STR(&ends.local));
}

static void
on_down(struct bgp_nbr *n)
{
	n->local = (struct ip){ 0 };
	n->since_wall_ns = clock_wall_ns();
	log_warn(NBR_OBJ(n), "BGP session down: %s", n->reason);
}

static void
dial(struct bgp_nbr *n)
{
	unsigned scope = n->scope;
	struct bgp_tcp_conf c;
	char err[256];
	int fd;

	if (n->conf.ifname[0] != '\0')
		n->scope = if_nametoindex(n->conf.ifname);
	n->io->is_moved |= n->scope != scope;
	c = tcp_conf(n);
	if (ip_is_link_local(&n->addr) && !ip_is_v4(&n->addr) && n->scope == 0) {
		snprintf(err, sizeof(err), "there is no interface %s", n->conf.ifname);
		fd = -ENODEV;
	} else {
		fd = bgp_tcp_dial(&c, err);
	}
	if (fd < 0) {
		snprintf(n->reason, sizeof(n->reason), "%s", err);
		bgp_peer_tcp_down(&n->engine, BGP_DIALLED, clock_mono());
		return;
	}
	bgp_link_open(&n->links[BGP_DIALLED], fd, true);
}

static void
carry_out(struct bgp_nbr *n, enum bgp_slot slot, unsigned steps)
{
	struct bgp_link *l = &n->links[slot];

	if (steps & (BGP_DO_ABORT | BGP_DO_CLOSE | BGP_DO_DOWN))
		note_end(n, slot);
	if (steps & BGP_DO_CLOSE)
		bgp_link_end(l);
	if (steps & BGP_DO_ABORT)
		bgp_link_cut(l);
	if (steps & BGP_DO_DOWN)
		on_down(n);
	else if (steps & (BGP_DO_ABORT | BGP_DO_CLOSE) && n->engine.up < 0 &&
	    n->reason[0] != '\0')
		log_info(NBR_OBJ(n), "BGP session not up: %s", n->reason);
	if (steps & BGP_DO_DIAL)
		dial(n);
	if (steps & BGP_DO_UP && n->engine.up == (int)slot)
		on_up(n, slot);
	bgp_io_mark_changed(n->io);
}

/*
 * Once the peer has asked for the new key it has it, and the old one must go: its ID
 * may stand for another key one day.
 */
static void
drop_old_key(struct bgp_nbr *n)
{
	struct bgp_tcp_key old = { .auth = BGP_IO_AUTH_AO, .id = (uint8_t)n->old_key };

	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		if (n->links[i].rd.fd >= 0 &&
		    bgp_tcp_drop_key(n->links[i].rd.fd, &n->addr, &old) == -EBUSY)
			return;
	n->old_key = -1;
}

void
bgp_nbr_settle(struct bgp_nbr *n)
{
	struct mono now;
	bool is_done;

	if (n->is_refused)
		return;
	do {
		is_done = true;
		for (unsigned i = 0; i < BGP_NSLOTS; i++) {
			unsigned steps = bgp_peer_steps(&n->engine, i);

			if (steps != 0) {
				carry_out(n, i, steps);
				is_done = false;
			}
		}
		for (unsigned i = 0; i < BGP_NSLOTS; i++)
			is_done &= bgp_link_send(&n->links[i]);
	} while (!is_done);
	bgp_nbr_dump_state(n);
	if (n->old_key >= 0)
		drop_old_key(n);
	now = clock_mono();
	ev_timer_stop(n->io->loop, &n->timer);
	ev_timer_set(&n->timer, mono_delay_sec(now, bgp_peer_deadline(&n->engine)), 0.);
	ev_now_update(n->io->loop);
	if (bgp_peer_deadline(&n->engine).ns != MONO_NEVER.ns)
		ev_timer_start(n->io->loop, &n->timer);
	bgp_io_mark_counted(n->io);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct bgp_nbr *n = w->data;

	(void)loop;
	(void)revents;
	bgp_peer_tick(&n->engine, clock_mono());
	bgp_nbr_settle(n);
}

struct bgp_nbr *
bgp_nbr_new(struct bgp_io *b, const struct bgp_io_peer *conf)
{
	struct bgp_nbr *n = mem_zalloc(sizeof(*n));
	struct bgp_peer_conf engine = conf->session;

	n->io = b;
	bgp_conf_copy(&n->conf, conf);
	n->addr = conf->addr;
	n->since_wall_ns = clock_wall_ns();
	n->old_key = -1;
	if (n->conf.ifname[0] != '\0')
		n->scope = if_nametoindex(n->conf.ifname);
	engine.is_restarting = b->conf.is_restarting;
	engine.random = clock_random();
	engine.tap = b->mrt != NULL ? bgp_nbr_dump : NULL;
	engine.tap_arg = n;
	bgp_peer_init(&n->engine, &engine);
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		bgp_link_init(&n->links[i], n, i);
	ev_timer_init(&n->timer, on_timer, 0., 0.);
	n->timer.data = n;
	return n;
}

void
bgp_nbr_free(struct bgp_nbr *n)
{
	ev_timer_stop(n->io->loop, &n->timer);
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		bgp_link_cut(&n->links[i]);
	bgp_nbr_unpublish(n);
	bgp_peer_fini(&n->engine);
	bgp_conf_free(&n->conf);
	free(n);
}

/* Another key of TCP-AO for the connections there are. */
static void
roll_key(struct bgp_nbr *n, uint8_t old_id)
{
	struct bgp_tcp_key key = bgp_nbr_key(n);
	int e = 0;

	for (unsigned i = 0; i < BGP_NSLOTS && e == 0; i++)
		if (n->links[i].rd.fd >= 0)
			e = bgp_tcp_roll_key(n->links[i].rd.fd, &n->addr, &key);
	if (e < 0) {
		log_warn(NBR_OBJ(n), "the session cannot change to key %u: %s", key.id,
		    strerror(-e));
		bgp_nbr_reset(n, BGP_CEASE_CONFIG, NULL);
	} else if (n->engine.up >= 0) {
		log_info(NBR_OBJ(n), "the session changes to key %u", key.id);
	}
	n->old_key = old_id;
	explicit_bzero(&key, sizeof(key));
}

void
bgp_nbr_change(struct bgp_nbr *n, const struct bgp_io_peer *conf)
{
	struct bgp_io_peer old = n->conf;
	uint8_t old_id = old.key_id;
	bool is_rolled = old_id != conf->key_id && conf->auth == BGP_IO_AUTH_AO;
	struct bgp_tcp_ends ends;

	bgp_conf_copy(&n->conf, conf);
	bgp_conf_free(&old);
	if (is_rolled)
		roll_key(n, old_id);
	if (n->engine.up < 0 || bgp_tcp_ends(n->links[n->engine.up].rd.fd, &ends) < 0)
		return;
	set_next_hops(n, &ends);
	bgp_nbr_settle(n);
}

void
bgp_nbr_start(struct bgp_nbr *n)
{
	if (n->is_refused || !n->has_routes || n->engine.is_started)
		return;
	if (!ip_is_set(&n->addr)) {
		snprintf(n->reason, sizeof(n->reason), "no router advertisement was "
		    "heard on %s yet", n->conf.ifname);
		return;
	}
	n->reason[0] = '\0';
	bgp_peer_start(&n->engine, clock_mono());
	bgp_nbr_settle(n);
}

/* A Cease; the text of RFC 9003 goes with those that may have one. */
static struct bgp_error
cease(unsigned code, unsigned subcode, const char *text)
{
	uint8_t data[BGP_ERROR_DATA_MAX];
	size_t len = text != NULL ? strlen(text) : 0;
	struct bgp_error err;

	/* Not in the middle of a character of UTF-8. */
	if (len > UINT8_MAX)
		for (len = UINT8_MAX; len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80; )
			len--;
	data[0] = (uint8_t)len;
	if (len > 0)
		memcpy(data + 1, text, len);
	bgp_error_set(&err, code, subcode, data, len > 0 ? len + 1 : 0);
	return err;
}

void
bgp_nbr_stop(struct bgp_nbr *n, unsigned code, unsigned subcode, const char *text)
{
	struct bgp_error err = cease(code, subcode, text);

	if (n->is_refused)
		return;
	bgp_peer_stop(&n->engine, &err, clock_mono());
	bgp_nbr_settle(n);
}

void
bgp_nbr_reset(struct bgp_nbr *n, unsigned subcode, const char *text)
{
	struct bgp_error err = cease(BGP_ERR_CEASE, subcode, text);

	if (n->is_refused)
		return;
	bgp_peer_reset(&n->engine, &err, clock_mono());
	bgp_nbr_settle(n);
}

void
bgp_nbr_found(struct bgp_nbr *n, const struct ip *addr)
{
	if (ip_eq(addr, &n->addr) || n->engine.up >= 0)
		return;
	n->addr = *addr;
	n->scope = if_nametoindex(n->conf.ifname);
	bgp_nbr_start(n);
}

static bool
is_call_allowed(struct bgp_nbr *n, struct mono now)
{
	if (n->ncalls == 0 || mono_reached(now, mono_add_sec(n->calls_at, CALLS_SEC))) {
		n->calls_at = now;
		n->ncalls = 0;
	}
	return n->ncalls++ < CALLS_MAX;
}

void
bgp_nbr_call(struct bgp_nbr *n, int fd)
{
	struct mono now = clock_mono();
	struct bgp_tcp_conf c = tcp_conf(n);

	if (n->is_refused || !is_call_allowed(n, now) || bgp_tcp_adopt(fd, &c) < 0 ||
	    !bgp_peer_accept(&n->engine, now)) {
		bgp_tcp_abort(fd);
		return;
	}
	bgp_nbr_settle(n);
	bgp_link_open(&n->links[BGP_ACCEPTED], fd, false);
	bgp_peer_tcp_up(&n->engine, BGP_ACCEPTED, now);
	bgp_nbr_settle(n);
}

/*
 * Only a fall from Up is a failure. Where the peer's BFD shares the fate of its
 * control plane (no C bit) and it may be restarting gracefully, the session
 * ends without a NOTIFICATION, so that the restart is not cut short (RFC 5882,
 * 4.3.2); else the peer is told (RFC 9384).
 */
void
bgp_nbr_bfd_changed(struct bgp_nbr *n)
{
	struct bfd_io_view v = { .state = BFD_PEER_UNKNOWN };
	struct bgp_bfd_want want = { .vrf = n->conf.vrf,
		.is_multihop = bgp_conf_hops(&n->conf) > 1,
		.peer = { .addr = n->addr, .scope = n->scope } };
	bool was_up = n->bfd == BFD_PEER_UP;

	if (n->conf.bfd.detect_mult == 0) {
		n->bfd = BFD_PEER_UNKNOWN;
		return;
	}
	if (!bgp_bfd_view(&n->io->bfd, &want, &v) || v.state == n->bfd)
		return;
	n->bfd = v.state;
	bgp_io_mark_changed(n->io);
	if (!was_up || v.state == BFD_PEER_ADMIN_DOWN || n->engine.up < 0)
		return;
	if (n->engine.session.has_gr && n->conf.session.restart_sec > 0 &&
	    !v.is_independent) {
		snprintf(n->reason, sizeof(n->reason), "BFD session down");
		bgp_peer_tcp_down(&n->engine, (enum bgp_slot)n->engine.up, clock_mono());
		bgp_nbr_settle(n);
	} else {
		bgp_nbr_reset(n, BGP_CEASE_BFD_DOWN, NULL);
	}
}

void
bgp_nbr_drain(struct bgp_nbr *n)
{
	const struct bgp_rib *rib = &n->engine.rib;
	struct bgp_attrs *attrs = mem_zalloc((rib->nattrs + 1) * sizeof(*attrs));
	struct bgp_route *routes = mem_zalloc((rib->n + 1) * sizeof(*routes));
	size_t nroutes = 0;

	for (size_t i = 0; i < rib->nattrs; i++) {
		if (rib->attrs[i] == NULL)
			continue;
		attrs[i] = *rib->attrs[i];
		bgp_attrs_retire(&attrs[i]);
	}
	for (size_t i = 0; i < rib->n; i++) {
		const struct bgp_rib_entry *e = &rib->entries[i];

		if (e->want != 0)
			routes[nroutes++] = (struct bgp_route){ e->prefix,
				&attrs[e->want - 1] };
	}
	bgp_peer_set_routes(&n->engine, routes, nroutes);
	free(routes);
	free(attrs);
	bgp_nbr_settle(n);
}
