/*
 * peer.c - what happens between bytes, two state machines and the RIB.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/agree.h"
#include "bgp/peer.h"
#include "bgp/update_check.h"
#include "lib/mem.h"

/* Sent by bgp_peer_write(); the rest of enum bgp_do is the shell's. */
enum { WRITES = BGP_DO_OPEN | BGP_DO_KEEPALIVE | BGP_DO_NOTIFY };

static size_t
rx_max(const struct bgp_peer *p)
{
	return p->conf.has_extended ? BGP_MSG_MAX_EXT : BGP_MSG_MAX;
}

static enum bgp_slot
other(enum bgp_slot slot)
{
	return slot == BGP_DIALLED ? BGP_ACCEPTED : BGP_DIALLED;
}

void
bgp_peer_init(struct bgp_peer *p, const struct bgp_peer_conf *conf)
{
	struct bgp_fsm_conf fsm = {
		.is_passive = conf->is_passive, .hold_sec = conf->hold_sec,
		.keepalive_sec = conf->keepalive_sec, .connect_sec = conf->connect_sec,
		.random = conf->random,
	};

	assert(conf->local_as != 0 && conf->router_id != 0 && conf->families != 0);
	*p = (struct bgp_peer){ .conf = *conf, .up = -1 };
	for (unsigned i = 0; i < BGP_NSLOTS; i++) {
		fsm.is_accepted = i == BGP_ACCEPTED;
		bgp_fsm_init(&p->conn[i].fsm, &fsm);
		p->conn[i].rx = mem_zalloc(rx_max(p));
		p->conn[i].rx_need = BGP_HEADER_LEN;
	}
	bgp_rib_init(&p->rib);
}

void
bgp_peer_fini(struct bgp_peer *p)
{
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		free(p->conn[i].rx);
	bgp_rib_fini(&p->rib);
}

static void feed(struct bgp_peer *p, enum bgp_slot slot, const struct bgp_event *ev,
    struct mono now);

static void
stop_slot(struct bgp_peer *p, enum bgp_slot slot, unsigned code, unsigned subcode,
    struct mono now)
{
	struct bgp_event ev = { .type = BGP_EV_STOP };

	bgp_error_set(&ev.err, code, subcode, NULL, 0);
	feed(p, slot, &ev, now);
}

/* A slot has become Established: it is the session, and alone. */
static void
session_up(struct bgp_peer *p, enum bgp_slot slot, struct mono now)
{
	const struct bgp_open *theirs = &p->conn[slot].theirs;

	p->up = (int)slot;
	p->counts.established++;
	bgp_agree(p, theirs);
	bgp_rib_restart(&p->rib, theirs->has_gr ? p->session.families : 0);
	stop_slot(p, other(slot), BGP_ERR_CEASE, BGP_CEASE_COLLISION, now);
}

/* The accepted connection is gone: ours, which gave way to it, may try again. */
static void
redial(struct bgp_peer *p, struct mono now)
{
	struct bgp_fsm *f = &p->conn[BGP_DIALLED].fsm;

	if (p->is_started && f->state == BGP_IDLE && f->retry_due.ns == MONO_NEVER.ns)
		f->retry_due = mono_add_sec(now, BGP_RETRY_MIN_SEC);
}

static void
feed(struct bgp_peer *p, enum bgp_slot slot, const struct bgp_event *ev,
    struct mono now)
{
	struct bgp_conn *c = &p->conn[slot];
	enum bgp_state from = c->fsm.state;
	unsigned does = bgp_fsm_step(&c->fsm, ev, now);

	/* What was to be written to a connection that is gone is moot. */
	if (does & (BGP_DO_ABORT | BGP_DO_CLOSE))
		c->steps &= ~(unsigned)(WRITES | BGP_DO_CLOSE | BGP_DO_DIAL | BGP_DO_UP);
	if (does & (BGP_DO_ABORT | BGP_DO_CLOSE | BGP_DO_OPEN)) {
		c->rx_len = 0;
		c->rx_need = BGP_HEADER_LEN;
	}
	c->steps |= does;
	if (does & BGP_DO_DOWN)
		p->up = -1;
	if (does & BGP_DO_UP)
		session_up(p, slot, now);
	if (slot == BGP_ACCEPTED && from != BGP_IDLE && c->fsm.state == BGP_IDLE)
		redial(p, now);
}

static void
feed_type(struct bgp_peer *p, enum bgp_slot slot, enum bgp_ev type, struct mono now)
{
	feed(p, slot, &(struct bgp_event){ .type = type }, now);
}

void
bgp_peer_start(struct bgp_peer *p, struct mono now)
{
	p->is_started = true;
	feed_type(p, BGP_DIALLED, BGP_EV_START, now);
}

void
bgp_peer_stop(struct bgp_peer *p, const struct bgp_error *err, struct mono now)
{
	struct bgp_event ev = { .type = BGP_EV_STOP, .err = *err };
	uint8_t inner[2 + BGP_ERROR_DATA_MAX] = { err->code, err->subcode };

	p->is_started = false;
	/* To a peer that keeps routes over a NOTIFICATION: do not (RFC 8538, 3). */
	if (err->code == BGP_ERR_CEASE && p->up >= 0 && p->conf.restart_sec != 0 &&
	    p->conn[p->up].theirs.has_gr_notification) {
		memcpy(inner + 2, err->data, err->len);
		bgp_error_set(&ev.err, BGP_ERR_CEASE, BGP_CEASE_HARD_RESET, inner,
		    2u + err->len);
	}
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		feed(p, i, &ev, now);
}

void
bgp_peer_reset(struct bgp_peer *p, const struct bgp_error *err, struct mono now)
{
	struct bgp_event ev = { .type = BGP_EV_ERROR, .err = *err };

	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		if (p->conn[i].fsm.state >= BGP_OPENSENT)
			feed(p, i, &ev, now);
}

bool
bgp_peer_accept(struct bgp_peer *p, struct mono now)
{
	if (!p->is_started)
		return false;
	if (p->up >= 0) {
		/*
		 * A peer that restarts gracefully comes back while the old
		 * session still looks alive (RFC 4724, 5); others collide.
		 */
		if (!p->session.has_gr || p->conf.restart_sec == 0)
			return false;
		feed_type(p, (enum bgp_slot)p->up, BGP_EV_TCP_DOWN, now);
	}
	/* Of two that the peer has begun, it will mean the later one. */
	if (p->conn[BGP_ACCEPTED].fsm.state != BGP_IDLE)
		feed_type(p, BGP_ACCEPTED, BGP_EV_TCP_DOWN, now);
	return true;
}

void
bgp_peer_tcp_up(struct bgp_peer *p, enum bgp_slot slot, struct mono now)
{
	feed_type(p, slot, BGP_EV_TCP_UP, now);
}

void
bgp_peer_tcp_down(struct bgp_peer *p, enum bgp_slot slot, struct mono now)
{
	feed_type(p, slot, BGP_EV_TCP_DOWN, now);
}

void
bgp_peer_set_next_hops(struct bgp_peer *p, const struct ip *v4, const struct ip *v6,
    const struct ip *v6_link_local)
{
	if (ip_eq(v4, &p->next_hop[BGP_IPV4_UNICAST]) &&
	    ip_eq(v6, &p->next_hop[BGP_IPV6_UNICAST]) &&
	    ip_eq(v6_link_local, &p->next_hop_ll))
		return;
	p->next_hop[BGP_IPV4_UNICAST] = *v4;
	p->next_hop[BGP_IPV6_UNICAST] = *v6;
	p->next_hop_ll = *v6_link_local;
	if (p->up < 0)
		return;
	bgp_agree_next_hops(p, &p->conn[p->up].theirs);
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		bgp_rib_refresh(&p->rib, f, false);
}

int
bgp_peer_set_routes(struct bgp_peer *p, const struct bgp_route *routes, size_t n)
{
	return bgp_rib_set(&p->rib, routes, n);
}

/* RFC 4271, 6.8. True where the connection in `slot` may live on. */
static bool
survives_collision(struct bgp_peer *p, enum bgp_slot slot,
    const struct bgp_open *theirs, struct mono now)
{
	enum bgp_state rival = p->conn[other(slot)].fsm.state;
	bool is_ours_kept;

	if (rival < BGP_OPENCONFIRM)
		return true;
	is_ours_kept = bgp_collision_keeps_ours(p->conf.router_id, p->conf.local_as,
	    theirs->router_id, theirs->asn);
	if (rival == BGP_OPENCONFIRM && is_ours_kept == (slot == BGP_DIALLED)) {
		stop_slot(p, other(slot), BGP_ERR_CEASE, BGP_CEASE_COLLISION, now);
		return true;
	}
	stop_slot(p, slot, BGP_ERR_CEASE, BGP_CEASE_COLLISION, now);
	return false;
}

static void
on_open(struct bgp_peer *p, enum bgp_slot slot, const uint8_t *body, size_t len,
    struct mono now)
{
	struct bgp_conn *c = &p->conn[slot];
	struct bgp_event ev = { .type = BGP_EV_OPEN };
	struct bgp_open theirs;

	if (c->fsm.state == BGP_OPENSENT) {
		if (bgp_open_decode(body, len, &theirs, &ev.err) < 0 ||
		    bgp_agree_check(p, &theirs, &ev.err) < 0)
			ev.type = BGP_EV_ERROR;
		else if (!survives_collision(p, slot, &theirs, now))
			return;
	}
	if (c->fsm.state == BGP_OPENSENT && ev.type == BGP_EV_OPEN) {
		c->theirs = theirs;
		ev.hold_sec = theirs.hold_sec < p->conf.hold_sec ? theirs.hold_sec :
		    p->conf.hold_sec;
	}
	feed(p, slot, &ev, now);
}

static void
on_update(struct bgp_peer *p, enum bgp_slot slot, const uint8_t *body, size_t len,
    struct mono now)
{
	struct bgp_event ev = { .type = BGP_EV_UPDATE };
	struct bgp_update_seen seen;

	if (p->up == (int)slot) {
		if (bgp_update_check(body, len, &p->session, &seen, &ev.err) < 0)
			ev.type = BGP_EV_ERROR;
		else if (seen.verdict == BGP_UPDATE_DISCARD)
			p->counts.discarded++;
		else if (seen.verdict == BGP_UPDATE_WITHDRAW)
			p->counts.withdrawn++;
	}
	feed(p, slot, &ev, now);
}

static void
on_refresh(struct bgp_peer *p, enum bgp_slot slot, const uint8_t *body, size_t len,
    struct mono now)
{
	struct bgp_event ev = { .type = BGP_EV_REFRESH };
	struct bgp_refresh r;

	if (p->up == (int)slot) {
		if (bgp_refresh_decode(body, len, &r, &ev.err) < 0)
			ev.type = BGP_EV_ERROR;
		else if (r.kind == BGP_REFRESH_REQUEST && r.family >= 0 &&
		    p->session.families & 1u << r.family)
			bgp_rib_refresh(&p->rib, (enum bgp_family)r.family,
			    p->session.has_enhanced_refresh);
	}
	feed(p, slot, &ev, now);
}

static void
on_message(struct bgp_peer *p, enum bgp_slot slot, enum bgp_msg_type type,
    struct mono now)
{
	struct bgp_conn *c = &p->conn[slot];
	const uint8_t *body = c->rx + BGP_HEADER_LEN;
	size_t len = c->rx_len - BGP_HEADER_LEN;
	struct bgp_event ev = { .type = BGP_EV_NOTIFICATION };

	p->counts.rx[type]++;
	switch (type) {
	case BGP_OPEN:
		on_open(p, slot, body, len, now);
		break;
	case BGP_UPDATE:
		on_update(p, slot, body, len, now);
		break;
	case BGP_NOTIFICATION:
		bgp_notification_decode(body, len, &ev.err);
		feed(p, slot, &ev, now);
		break;
	case BGP_KEEPALIVE:
		feed_type(p, slot, BGP_EV_KEEPALIVE, now);
		break;
	case BGP_REFRESH:
		on_refresh(p, slot, body, len, now);
		break;
	}
}

void
bgp_peer_read(struct bgp_peer *p, enum bgp_slot slot, const uint8_t *buf, size_t len,
    struct mono now)
{
	struct bgp_conn *c = &p->conn[slot];

	while (len > 0 && c->fsm.state >= BGP_OPENSENT) {
		size_t max = p->up == (int)slot ? p->session.msg_max : BGP_MSG_MAX;
		size_t want = c->rx_need - c->rx_len, n = len < want ? len : want;
		struct bgp_event ev = { .type = BGP_EV_ERROR };
		enum bgp_msg_type type;
		int total;

		memcpy(c->rx + c->rx_len, buf, n);
		c->rx_len += n;
		buf += n;
		len -= n;
		total = bgp_header_decode(c->rx, c->rx_len, max, &type, &ev.err);
		if (total < 0) {
			feed(p, slot, &ev, now);
		} else if (total > 0 && (size_t)total > c->rx_len) {
			c->rx_need = (size_t)total;
		} else if (total > 0) {
			if (p->conf.tap != NULL)
				p->conf.tap(p->conf.tap_arg, slot, false, c->rx,
				    c->rx_len);
			on_message(p, slot, type, now);
			c->rx_len = 0;
			c->rx_need = BGP_HEADER_LEN;
		}
	}
}

/* Of what was just written, each message. */
static void
tap_sent(const struct bgp_peer *p, enum bgp_slot slot, const uint8_t *buf, size_t len)
{
	size_t n;

	for (size_t at = 0; at < len && p->conf.tap != NULL; at += n) {
		n = (size_t)(buf[at + 16] << 8 | buf[at + 17]);
		p->conf.tap(p->conf.tap_arg, slot, true, buf + at, n);
	}
}

size_t
bgp_peer_write(struct bgp_peer *p, enum bgp_slot slot, uint8_t *buf, size_t size)
{
	struct bgp_conn *c = &p->conn[slot];
	struct wire_out w = wire_out(buf, size);
	unsigned due = c->steps & WRITES;
	struct bgp_open open;

	c->steps &= ~(unsigned)WRITES;
	if (due & BGP_DO_OPEN) {
		open = bgp_agree_offer(p);
		bgp_open_encode(&w, &open);
		p->counts.tx[BGP_OPEN]++;
	}
	if (due & BGP_DO_KEEPALIVE) {
		bgp_keepalive_encode(&w);
		p->counts.tx[BGP_KEEPALIVE]++;
	}
	if (due & BGP_DO_NOTIFY) {
		bgp_notification_encode(&w, &c->fsm.err);
		p->counts.tx[BGP_NOTIFICATION]++;
	} else if (p->up == (int)slot) {
		p->counts.tx[BGP_UPDATE] += bgp_rib_write(&p->rib, &p->session, &w);
	}
	assert(!w.is_bad);
	tap_sent(p, slot, buf, w.len);
	return w.len;
}

void
bgp_peer_sent(struct bgp_peer *p, enum bgp_slot slot, bool is_stuck, struct mono now)
{
	bgp_fsm_sent(&p->conn[slot].fsm, is_stuck, now);
}

void
bgp_peer_tick(struct bgp_peer *p, struct mono now)
{
	for (unsigned i = 0; i < BGP_NSLOTS; i++)
		if (mono_reached(now, bgp_fsm_deadline(&p->conn[i].fsm)))
			feed_type(p, i, BGP_EV_TICK, now);
}

struct mono
bgp_peer_deadline(const struct bgp_peer *p)
{
	return mono_min(bgp_fsm_deadline(&p->conn[BGP_DIALLED].fsm),
	    bgp_fsm_deadline(&p->conn[BGP_ACCEPTED].fsm));
}

unsigned
bgp_peer_steps(struct bgp_peer *p, enum bgp_slot slot)
{
	struct bgp_conn *c = &p->conn[slot];
	unsigned steps = c->steps & ~(unsigned)WRITES;

	c->steps &= WRITES;
	return steps;
}

enum bgp_state
bgp_peer_state(const struct bgp_peer *p)
{
	enum bgp_state a = p->conn[BGP_DIALLED].fsm.state;
	enum bgp_state b = p->conn[BGP_ACCEPTED].fsm.state;

	return a > b ? a : b;
}
