/*
 * bfd_io.c - many BFD sessions over two sockets and one event loop.
 *
 * Packet in: ev_io -> bfd_udp_recv() -> session by discriminator, else by
 * address -> bfd_rx() -> send what bfd_tx() has -> report. Timer: each session
 * has an ev_timer, libev's heap being as good as ours would be; it is not
 * moved for each packet, but looks at bfd_deadline() anew when it fires.
 *
 * The sockets' watchers have the higher priority, so that in one turn of the
 * loop all that has arrived is fed before any timer may declare a peer dead,
 * however late that turn comes.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ev.h>
#include <uthash.h>
#include <utlist.h>

#include "bgp/bfd.h"
#include "bgp/bfd_io.h"
#include "bgp/bfd_udp_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	TURN_MAX = 2048,	/* datagrams taken in one turn of the loop */
	ERRORS_MAX = 256,	/* ICMP errors likewise */
};

static const struct metric m_up = {
	"herald_bfd_session_up", "BFD session state, 1 is up", METRIC_GAUGE,
};
static const struct metric m_changes = {
	"herald_bfd_state_changes_total", "Changes to a state by peer", METRIC_COUNTER,
};
static const struct metric m_dropped = {
	"herald_bfd_dropped_packets_total", "Control packets not accepted, by reason",
	METRIC_COUNTER,
};

struct peer {
	struct bfd_io *io;
	struct ip addr;			/* key of by_addr */
	struct bfd bfd;			/* conf.local_discr is the key of by_discr */
	ev_timer timer;
	enum bfd_peer_state reported;	/* as `changed` was last told */
	bool	is_wanted;		/* scratch of bfd_io_set_peers() */
	bool	is_queued;		/* on io->changed_peers */
	int	send_err;		/* -errno of the last send, 0 well */
	UT_hash_handle hh_addr, hh_discr;
	struct peer *prev, *next;	/* io->changed_peers */
};

struct bfd_io {
	struct ev_loop *loop;
	struct bfd_io_conf conf;	/* key is not used past bfd_io_new() */
	struct bfd_conf session;	/* of every session, but for its own fields */
	bfd_io_changed_fn *changed;
	void	*arg;
	ev_io	watch4, watch6;		/* fd -1 where the family is not there */
	struct peer *by_addr, *by_discr;
	bool	is_leaving;		/* bfd_io_admin_down() was called */
	struct peer *changed_peers;	/* to be reported at the end of a callback */
};

const char *
bfd_peer_state_name(enum bfd_peer_state s)
{
	static const char *const names[] = {
		[BFD_PEER_UNKNOWN] = "unknown", [BFD_PEER_UP] = "up",
		[BFD_PEER_DOWN] = "down", [BFD_PEER_ADMIN_DOWN] = "admin-down",
		[BFD_PEER_REFUSED] = "refused",
	};

	return s < nitems(names) ? names[s] : "?";
}

static struct peer *
peer_by_addr(const struct bfd_io *b, const struct ip *addr)
{
	struct peer *p;

	HASH_FIND(hh_addr, b->by_addr, addr, sizeof(*addr), p);
	return p;
}

static struct peer *
peer_by_discr(const struct bfd_io *b, uint32_t discr)
{
	struct peer *p;

	HASH_FIND(hh_discr, b->by_discr, &discr, sizeof(discr), p);
	return p;
}

static enum bfd_peer_state
peer_state(const struct peer *p)
{
	if (p->bfd.state == BFD_UP)
		return BFD_PEER_UP;
	if (bfd_is_refused(&p->bfd))
		return BFD_PEER_REFUSED;
	if (p->bfd.remote_state == BFD_ADMIN_DOWN)
		return BFD_PEER_ADMIN_DOWN;
	/* On the way up, as far as we hear: no news until it is. */
	if (p->bfd.remote_discr != 0 && p->reported != BFD_PEER_UP)
		return p->reported;
	return p->bfd.remote_mult == 0 ? BFD_PEER_UNKNOWN : BFD_PEER_DOWN;
}

/* Send all that is due. A lost packet is what the protocol is made for. */
static void
peer_flush(struct peer *p, struct mono now)
{
	struct bfd_io *b = p->io;
	bool is_v4 = ip_is_v4(&p->addr);
	int fd = is_v4 ? b->watch4.fd : b->watch6.fd;
	const struct ip *src = is_v4 ? &b->conf.source4 : &b->conf.source6;
	uint8_t buf[BFD_PKT_MAX];
	size_t len;

	while ((len = bfd_tx(&p->bfd, now, buf)) > 0) {
		int e = fd < 0 ? -EAFNOSUPPORT :
		    bfd_udp_send(fd, src, &p->addr, b->conf.port, buf, len);

		if (e != p->send_err && e < 0)
			log_warn(LOG_OBJ("peer", IP_STR(&p->addr), "source",
			    ip_is_set(src) ? IP_STR(src) : NULL),
			    "BFD cannot send: %s", strerror(-e));
		p->send_err = e;
	}
}

static void
peer_rearm(struct peer *p, struct mono now)
{
	ev_timer_stop(p->io->loop, &p->timer);
	ev_timer_set(&p->timer, mono_delay_sec(now, bfd_deadline(&p->bfd)), 0.);
	/* Relative to the loop's idea of now, which may be old. */
	ev_now_update(p->io->loop);
	ev_timer_start(p->io->loop, &p->timer);
}

static bool
is_armed_too_late(const struct peer *p, struct mono now)
{
	return !ev_is_active(&p->timer) || mono_delay_sec(now, bfd_deadline(&p->bfd)) <
	    ev_timer_remaining(p->io->loop, (ev_timer *)(uintptr_t)&p->timer);
}

/* After any call of the engine: send, set the timer, queue a report. */
static void
peer_settle(struct peer *p, struct mono now)
{
	struct bfd_io *b = p->io;

	peer_flush(p, now);
	if (is_armed_too_late(p, now))
		peer_rearm(p, now);
	if (!p->is_queued && !b->is_leaving && peer_state(p) != p->reported) {
		p->is_queued = true;
		DL_APPEND(b->changed_peers, p);
	}
}

static void
log_change(const struct peer *p, enum bfd_peer_state s)
{
	const char *state = bfd_peer_state_name(s);
	char text[32];
	int64_t detect_us = (int64_t)bfd_detect_us(&p->bfd);

	if (s == BFD_PEER_UP) {
		snprintf(text, sizeof(text), "%g", (double)detect_us / 1e3);
		log_info(LOG_OBJ("peer", IP_STR(&p->addr), "bfd", state),
		    "BFD session up, failure detected within %s ms", text);
	} else {
		log_warn(LOG_OBJ("peer", IP_STR(&p->addr), "bfd", state),
		    "BFD session is %s: %s", state,
		    s == BFD_PEER_REFUSED ? "no speaker listens there" :
		    s == BFD_PEER_ADMIN_DOWN ? "the peer is leaving" :
		    bfd_diag_name(p->bfd.diag));
	}
}

/* The callback may change the set of peers: hold no peer across it. */
static void
report(struct bfd_io *b)
{
	struct peer *p;
	char labels[128];

	while ((p = b->changed_peers) != NULL) {
		struct ip addr = p->addr;
		enum bfd_peer_state s = peer_state(p);

		DL_DELETE(b->changed_peers, p);
		p->is_queued = false;
		if (s == p->reported)
			continue;
		p->reported = s;
		log_change(p, s);
		metrics_labels(labels, sizeof(labels), "peer", IP_STR(&addr), NULL);
		metrics_set(&m_up, labels, s == BFD_PEER_UP);
		metrics_labels(labels, sizeof(labels), "peer", IP_STR(&addr), "state",
		    bfd_peer_state_name(s), NULL);
		metrics_add(&m_changes, labels, 1);
		b->changed(b->arg, &addr, s);
	}
}

static void
dropped(const char *reason)
{
	char labels[64];

	metrics_add(&m_dropped,
	    metrics_labels(labels, sizeof(labels), "reason", reason, NULL), 1);
}

static void
on_datagram(void *arg, const struct bfd_datagram *d)
{
	struct bfd_io *b = arg;
	struct mono now = clock_mono();
	struct bfd_pkt pkt;
	struct peer *p;
	int e;

	if (d->ttl < b->conf.min_ttl) {
		dropped("ttl");
		return;
	}
	if (bfd_pkt_decode(d->buf, d->len, &pkt) < 0) {
		dropped("malformed");
		return;
	}
	p = pkt.your_discr != 0 ? peer_by_discr(b, pkt.your_discr) :
	    peer_by_addr(b, &d->from);
	if (p == NULL || !ip_eq(&p->addr, &d->from)) {
		dropped("unknown_peer");
		return;
	}
	e = bfd_rx(&p->bfd, d->buf, d->len, now);
	if (e < 0) {
		dropped(e == -ESTALE ? "replayed" : e == -EACCES ? "unauthentic" :
		    "malformed");
		if (e == -EACCES)
			log_warn(LOG_OBJ("peer", IP_STR(&p->addr)),
			    "BFD packets fail authentication: "
			    "do all speakers have the same key?");
		return;
	}
	peer_settle(p, now);
}

/* Only the peer itself can say that nobody listens there. */
static void
on_refused(void *arg, const struct bfd_datagram *d)
{
	struct bfd_io *b = arg;
	struct peer *p = peer_by_addr(b, &d->to);

	if (p == NULL || !ip_eq(&d->from, &d->to))
		return;
	if (bfd_refused(&p->bfd, d->buf, d->len) == 0)
		peer_settle(p, clock_mono());
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bfd_io *b = w->data;

	(void)loop;
	(void)revents;
	/* Errors first: what was heard since is the better news. */
	bfd_udp_refused(w->fd, ERRORS_MAX, on_refused, b);
	bfd_udp_recv(w->fd, TURN_MAX, on_datagram, b);
	report(b);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct peer *p = w->data;
	struct bfd_io *b = p->io;
	struct mono now = clock_mono();

	(void)loop;
	(void)revents;
	bfd_tick(&p->bfd, now);
	peer_settle(p, now);
	report(b);
}

static uint32_t
new_discr(const struct bfd_io *b)
{
	uint32_t discr;

	do
		discr = (uint32_t)clock_random();
	while (discr == 0 || peer_by_discr(b, discr) != NULL);
	return discr;
}

static void
peer_add(struct bfd_io *b, const struct ip *addr)
{
	struct peer *p = mem_zalloc(sizeof(*p));
	struct bfd_conf conf = b->session;

	conf.local_discr = new_discr(b);
	conf.seq_first = bfd_seq_of_wall(clock_wall_ns());
	conf.random = clock_random();
	p->io = b;
	p->addr = *addr;
	p->is_wanted = true;
	bfd_init(&p->bfd, &conf, clock_mono());
	ev_timer_init(&p->timer, on_timer, 0., 0.);
	p->timer.data = p;
	HASH_ADD(hh_addr, b->by_addr, addr, sizeof(p->addr), p);
	HASH_ADD(hh_discr, b->by_discr, bfd.conf.local_discr,
	    sizeof(p->bfd.conf.local_discr), p);
	ev_timer_start(b->loop, &p->timer);	/* due: the first packet goes out */
}

static void
peer_remove(struct peer *p)
{
	struct bfd_io *b = p->io;
	char labels[128];

	ev_timer_stop(b->loop, &p->timer);
	if (p->is_queued)
		DL_DELETE(b->changed_peers, p);
	HASH_DELETE(hh_addr, b->by_addr, p);
	HASH_DELETE(hh_discr, b->by_discr, p);
	metrics_drop(&m_up, metrics_labels(labels, sizeof(labels), "peer",
	    IP_STR(&p->addr), NULL));
	free(p);
}

/* Half the rate as often as it takes for max_pps to hold. */
static void
adapt_rate(struct bfd_io *b)
{
	uint64_t n = HASH_CNT(hh_addr, b->by_addr);
	uint32_t tx_us = b->conf.min_tx_us, rx_us = b->conf.min_rx_us;
	struct peer *p, *tmp;

	while (b->conf.max_pps != 0 && tx_us < BFD_SLOW_TX_US &&
	    n * BFD_SLOW_TX_US > (uint64_t)b->conf.max_pps * tx_us) {
		tx_us *= 2;
		rx_us *= 2;
	}
	if (tx_us == b->session.min_tx_us)
		return;
	log_info(LOG_NONE, "BFD with %u peers: one packet each %u us",
	    (unsigned)n, tx_us);
	b->session.min_tx_us = tx_us;
	b->session.min_rx_us = rx_us;
	HASH_ITER(hh_addr, b->by_addr, p, tmp) {
		bfd_set_intervals(&p->bfd, tx_us, rx_us);
		peer_settle(p, clock_mono());
	}
}

void
bfd_io_set_source(struct bfd_io *b, const struct ip *source4, const struct ip *source6)
{
	b->conf.source4 = *source4;
	b->conf.source6 = *source6;
}

void
bfd_io_set_peers(struct bfd_io *b, const struct ip *peers, size_t n)
{
	struct peer *p, *tmp;

	HASH_ITER(hh_addr, b->by_addr, p, tmp)
		p->is_wanted = false;
	for (size_t i = 0; i < n; i++) {
		p = peer_by_addr(b, &peers[i]);
		if (p != NULL)
			p->is_wanted = true;
		else
			peer_add(b, &peers[i]);
	}
	HASH_ITER(hh_addr, b->by_addr, p, tmp)
		if (!p->is_wanted)
			peer_remove(p);
	adapt_rate(b);
}

enum bfd_peer_state
bfd_io_state(const struct bfd_io *b, const struct ip *addr)
{
	const struct peer *p = peer_by_addr(b, addr);

	return p != NULL ? peer_state(p) : BFD_PEER_UNKNOWN;
}

uint32_t
bfd_io_detect_us(const struct bfd_io *b, const struct ip *addr)
{
	const struct peer *p = peer_by_addr(b, addr);
	uint64_t us;

	if (p == NULL || p->bfd.state != BFD_UP)
		return 0;
	us = bfd_detect_us(&p->bfd);
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void
bfd_io_admin_down(struct bfd_io *b)
{
	struct mono now = clock_mono();
	struct peer *p, *tmp;

	b->is_leaving = true;
	HASH_ITER(hh_addr, b->by_addr, p, tmp) {
		bfd_admin_down(&p->bfd);
		peer_settle(p, now);
	}
}

/* A loaded node must not look dead. Memory is locked only as it is touched. */
static void
go_realtime(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) < 0)
		log_info(LOG_NONE, "BFD runs without real-time priority: %s "
		    "(grant CAP_SYS_NICE)", strerror(errno));
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_info(LOG_NONE, "BFD runs in memory that may be swapped: %s "
		    "(grant CAP_IPC_LOCK)", strerror(errno));
}

static int
conf_check(const struct bfd_io_conf *c, char err[256])
{
	const char *what = NULL;

	if (c->port == 0)
		what = "port is 0";
	else if (c->min_tx_us == 0 || c->min_rx_us == 0)
		what = "an interval is 0";
	else if (c->detect_mult == 0)
		what = "detect multiplier is 0, must be 1 to 255";
	else if (c->key != NULL && (c->key_len == 0 || c->key_len > BFD_DIGEST_LEN))
		what = "key must have 1 to 20 bytes";
	if (what != NULL) {
		snprintf(err, 256, "BFD: %s", what);
		return -EINVAL;
	}
	return 0;
}

/* A host without IPv6 is fine; one with neither family is not. */
static int
open_sockets(struct bfd_io *b, char err[256])
{
	int fd4 = bfd_udp_open(AF_INET, b->conf.port, err);
	int fd6 = fd4 >= 0 || fd4 == -EAFNOSUPPORT ?
	    bfd_udp_open(AF_INET6, b->conf.port, err) : -1;

	if ((fd4 < 0 && fd4 != -EAFNOSUPPORT) || (fd6 < 0 && fd6 != -EAFNOSUPPORT) ||
	    (fd4 < 0 && fd6 < 0)) {
		if (fd4 >= 0)
			close(fd4);
		return -1;
	}
	ev_io_init(&b->watch4, on_readable, fd4 >= 0 ? fd4 : -1, EV_READ);
	ev_io_init(&b->watch6, on_readable, fd6 >= 0 ? fd6 : -1, EV_READ);
	for (int i = 0; i < 2; i++) {
		ev_io *w = i == 0 ? &b->watch4 : &b->watch6;

		w->data = b;
		ev_set_priority(w, EV_MAXPRI);
		if (w->fd >= 0)
			ev_io_start(b->loop, w);
	}
	return 0;
}

struct bfd_io *
bfd_io_new(struct ev_loop *loop, const struct bfd_io_conf *conf,
    bfd_io_changed_fn *changed, void *arg, char err[256])
{
	struct bfd_io *b;

	if (conf_check(conf, err) < 0)
		return NULL;
	b = mem_zalloc(sizeof(*b));
	b->loop = loop;
	b->conf = *conf;
	b->changed = changed;
	b->arg = arg;
	if (open_sockets(b, err) < 0) {
		free(b);
		return NULL;
	}
	b->session = (struct bfd_conf){
		.min_tx_us = conf->min_tx_us,
		.min_rx_us = conf->min_rx_us,
		.detect_mult = conf->detect_mult,
		.auth_type = conf->key != NULL ? BFD_AUTH_METICULOUS_SHA1 :
		    BFD_AUTH_NONE,
		.auth_key_id = conf->key_id,
		.seq_window = BFD_SEQ_WINDOW_WIDE,
	};
	if (conf->key != NULL)
		memcpy(b->session.auth_key, conf->key, conf->key_len);
	b->conf.key = NULL;
	if (conf->is_realtime)
		go_realtime();
	return b;
}

void
bfd_io_free(struct bfd_io *b)
{
	struct peer *p, *tmp;

	if (b == NULL)
		return;
	HASH_ITER(hh_addr, b->by_addr, p, tmp)
		peer_remove(p);
	for (int i = 0; i < 2; i++) {
		ev_io *w = i == 0 ? &b->watch4 : &b->watch6;

		ev_io_stop(b->loop, w);
		if (w->fd >= 0)
			close(w->fd);
	}
	explicit_bzero(b, sizeof(*b));
	free(b);
}
