/*
 * bfd_peer_io.c - one peer of an instance.
 *
 * Each has an alarm, for with 3 x 10 ms libev's timers, late by up to 1 ms, have
 * deaths noticed late and leave no time for the third packet after two that were
 * lost. It is not moved for each packet, but looks at bfd_deadline() anew when it
 * rings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "bgp/bfd_impl.h"
#include "bgp/bfd_udp_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

static const struct metric m_up = {
	"herald_bfd_session_up", "BFD session state, 1 is up", METRIC_GAUGE,
};
static const struct metric m_changes = {
	"herald_bfd_state_changes_total", "Changes to a state by peer", METRIC_COUNTER,
};
const char *
bfd_peer_state_name(enum bfd_peer_state s)
{
	static const char *const names[] = {
		[BFD_PEER_UNKNOWN] = "unknown", [BFD_PEER_UP] = "up",
		[BFD_PEER_DOWN] = "down", [BFD_PEER_ADMIN_DOWN] = "admin-down",
		[BFD_PEER_REFUSED] = "refused",
		[BFD_PEER_WAITING] = "waiting", [BFD_PEER_CUT_OFF] = "cut-off",
	};

	return s < nitems(names) ? names[s] : "?";
}

static struct bfd_key
key_of(const struct ip *addr, unsigned scope)
{
	uint32_t n = ip_is_link_local(addr) && !ip_is_v4(addr) ? scope : 0;
	struct bfd_key k = { .addr = *addr };

	memcpy(k.scope, &n, sizeof(k.scope));
	return k;
}

struct bfd_peer *
bfd_peer_by_key(const struct bfd_io *b, const struct ip *addr, unsigned scope)
{
	struct bfd_key k = key_of(addr, scope);
	struct bfd_peer *p;

	HASH_FIND(hh_key, b->by_key, &k, sizeof(k), p);
	return p;
}

struct bfd_peer *
bfd_peer_by_discr(const struct bfd_io *b, uint32_t discr)
{
	struct bfd_peer *p;

	HASH_FIND(hh_discr, b->by_discr, &discr, sizeof(discr), p);
	return p;
}

static bool
is_up(enum bfd_peer_state s)
{
	return s == BFD_PEER_UP || s == BFD_PEER_WAITING || s == BFD_PEER_CUT_OFF;
}

static enum bfd_peer_state
up_state(const struct bfd_peer *p)
{
	if (p->io->conf.has_path && p->bfd.remote_diag == BFD_DIAG_REVERSE_CONCAT)
		return BFD_PEER_WAITING;
	if (p->io->conf.has_path && p->bfd.remote_diag == BFD_DIAG_CONCAT_DOWN)
		return BFD_PEER_CUT_OFF;
	return BFD_PEER_UP;
}

enum bfd_peer_state
bfd_peer_view(const struct bfd_peer *p)
{
	if (p->bfd.state == BFD_UP)
		return up_state(p);
	if (bfd_is_refused(&p->bfd))
		return BFD_PEER_REFUSED;
	if (p->bfd.remote_state == BFD_ADMIN_DOWN)
		return BFD_PEER_ADMIN_DOWN;
	/* On the way up, as far as we hear: no news until it is. */
	if (p->bfd.remote_discr != 0 && !is_up(p->reported))
		return p->reported;
	return p->bfd.remote_mult == 0 ? BFD_PEER_UNKNOWN : BFD_PEER_DOWN;
}

static bool
has_news(const struct bfd_peer *p)
{
	return bfd_peer_view(p) != p->reported ||
	    (p->io->conf.has_path && p->bfd.remote_note != p->reported_note);
}

bool
bfd_peer_send(struct bfd_peer *p, struct mono now)
{
	struct bfd_io *b = p->io;
	bool is_v4 = ip_is_v4(&p->conf.addr);
	int fd = b->out[!is_v4].fd, e;
	const struct ip *src = ip_is_set(&p->conf.source) ? &p->conf.source :
	    is_v4 ? &b->conf.source4 : &b->conf.source6;
	struct bfd_udp_dst dst = { p->conf.addr, p->conf.scope, b->conf.port };
	uint8_t buf[BFD_PKT_MAX];
	size_t len = bfd_tx(&p->bfd, now, buf);

	if (len == 0)
		return false;
	e = fd < 0 ? -EAFNOSUPPORT : bfd_udp_send(fd, src, &dst, buf, len);
	if (e != p->send_err && e < 0)
		log_warn(LOG_OBJ("peer", IP_STR(&p->conf.addr), "source",
		    ip_is_set(src) ? IP_STR(src) : NULL),
		    "BFD cannot send: %s", strerror(-e));
	p->send_err = e;
	return true;
}

/* After any call of the engine: send, set the timer, queue a report. */
void
bfd_peer_settle(struct bfd_peer *p, struct mono now)
{
	struct bfd_io *b = p->io;
	struct mono due;

	while (bfd_peer_send(p, now))
		;
	bfd_echo_io_flush(p, now);
	bfd_echo_io_tell(p);
	due = bfd_deadline(&p->bfd);
	if (mono_before(due, p->alarm.due))
		alarm_set(b->alarms, &p->alarm, due);
	if (!p->is_queued && !b->is_leaving && has_news(p)) {
		p->is_queued = true;
		DL_APPEND(b->changed_peers, p);
	}
}

static void
log_change(const struct bfd_peer *p, enum bfd_peer_state s)
{
	const char *state = bfd_peer_state_name(s);
	char text[32];
	int64_t detect_us = (int64_t)bfd_detect_us(&p->bfd);

	if (s == BFD_PEER_WAITING || s == BFD_PEER_CUT_OFF) {
		log_info(LOG_OBJ("peer", IP_STR(&p->conf.addr), "bfd", state),
		    "BFD session is up, and the peer says it is %s",
		    s == BFD_PEER_WAITING ? "not in service yet" : "out of service");
	} else if (s == BFD_PEER_UP) {
		snprintf(text, sizeof(text), "%g", (double)detect_us / 1e3);
		log_info(LOG_OBJ("peer", IP_STR(&p->conf.addr), "bfd", state),
		    "BFD session up, failure detected within %s ms", text);
	} else {
		log_warn(LOG_OBJ("peer", IP_STR(&p->conf.addr), "bfd", state),
		    "BFD session is %s: %s", state,
		    s == BFD_PEER_REFUSED ? "no speaker listens there" :
		    s == BFD_PEER_ADMIN_DOWN ? "the peer is leaving" :
		    bfd_diag_name(p->bfd.diag));
	}
}

/* The callback may change the set of peers: hold no peer across it. */
void
bfd_io_report(struct bfd_io *b)
{
	struct bfd_peer *p;
	char labels[128];

	while ((p = b->changed_peers) != NULL) {
		struct ip addr = p->conf.addr;
		enum bfd_peer_state s = bfd_peer_view(p);

		DL_DELETE(b->changed_peers, p);
		p->is_queued = false;
		if (!has_news(p))
			continue;
		p->reported_note = p->bfd.remote_note;
		if (s == p->reported) {
			b->changed(b->arg, &addr, s);
			continue;
		}
		p->reported = s;
		log_change(p, s);
		metrics_labels(labels, sizeof(labels), "peer", IP_STR(&addr), NULL);
		metrics_set(&m_up, labels, is_up(s));
		metrics_labels(labels, sizeof(labels), "peer", IP_STR(&addr), "state",
		    bfd_peer_state_name(s), NULL);
		metrics_add(&m_changes, labels, 1);
		b->changed(b->arg, &addr, s);
	}
}

static void
on_alarm(void *arg)
{
	struct bfd_peer *p = arg;
	struct bfd_io *b = p->io;
	struct mono now = clock_mono();

	bfd_tick(&p->bfd, now);
	bfd_peer_settle(p, now);
	bfd_io_report(b);
}

static uint32_t
new_discr(const struct bfd_io *b)
{
	uint32_t discr;

	do
		discr = (uint32_t)clock_random();
	while (discr == 0 || bfd_peer_by_discr(b, discr) != NULL);
	return discr;
}

/* c with what it leaves open as it is for all. */
static struct bfd_io_peer
filled_in(const struct bfd_io *b, const struct bfd_io_peer *c)
{
	struct bfd_io_peer full = *c;

	if (full.min_tx_us == 0)
		full.min_tx_us = b->session.min_tx_us;
	if (full.min_rx_us == 0)
		full.min_rx_us = b->session.min_rx_us;
	if (full.detect_mult == 0)
		full.detect_mult = b->session.detect_mult;
	return full;
}

/* 0 where we cannot send any: what the peer may send is another matter. */
static uint32_t
echo_us_of(const struct bfd_peer *p)
{
	bool is_wanted = p->conf.echo_us != 0 && !p->io->conf.has_path;

	return is_wanted && bfd_echo_io_open(p->io, &p->conf.addr) ? p->conf.echo_us : 0;
}

void
bfd_peer_add(struct bfd_io *b, const struct bfd_io_peer *c)
{
	struct bfd_peer *p = mem_zalloc(sizeof(*p));
	struct bfd_conf conf = b->session;

	p->io = b;
	p->key = key_of(&c->addr, c->scope);
	p->conf = filled_in(b, c);
	p->is_wanted = true;
	conf.min_tx_us = p->conf.min_tx_us;
	conf.min_rx_us = p->conf.min_rx_us;
	conf.detect_mult = p->conf.detect_mult;
	conf.is_passive = p->conf.is_passive;
	if (!b->conf.has_path)
		conf.note = p->conf.echo_us;
	conf.echo_us = echo_us_of(p);
	conf.local_discr = new_discr(b);
	conf.seq_first = bfd_seq_of_wall(clock_wall_ns());
	conf.random = clock_random();
	bfd_init(&p->bfd, &conf, clock_mono());
	alarm_init(&p->alarm, on_alarm, p);
	HASH_ADD(hh_key, b->by_key, key, sizeof(p->key), p);
	HASH_ADD(hh_discr, b->by_discr, bfd.conf.local_discr,
	    sizeof(p->bfd.conf.local_discr), p);
	alarm_set(b->alarms, &p->alarm, bfd_deadline(&p->bfd));	/* the first packet */
}

void
bfd_peer_change(struct bfd_peer *p, const struct bfd_io_peer *c)
{
	struct bfd_io_peer full = filled_in(p->io, c);
	struct mono now = clock_mono();

	if (full.min_tx_us != p->conf.min_tx_us || full.min_rx_us != p->conf.min_rx_us)
		bfd_set_intervals(&p->bfd, full.min_tx_us, full.min_rx_us);
	p->bfd.conf.detect_mult = full.detect_mult;
	p->bfd.conf.is_passive = full.is_passive;
	if (!p->io->conf.has_path)
		bfd_set_note(&p->bfd, full.echo_us);
	p->conf = full;
	p->is_wanted = true;
	bfd_set_echo(&p->bfd, echo_us_of(p), now);
	bfd_peer_settle(p, now);
}

void
bfd_peer_remove(struct bfd_peer *p)
{
	struct bfd_io *b = p->io;
	char labels[128];

	alarm_stop(b->alarms, &p->alarm);
	if (p->is_queued)
		DL_DELETE(b->changed_peers, p);
	HASH_DELETE(hh_key, b->by_key, p);
	HASH_DELETE(hh_discr, b->by_discr, p);
	bfd_echo_io_forget(p);
	metrics_drop(&m_up, metrics_labels(labels, sizeof(labels), "peer",
	    IP_STR(&p->conf.addr), NULL));
	free(p);
}
