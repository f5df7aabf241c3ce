/*
 * bfd_io.c - many BFD sessions over few sockets and one event loop.
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
#include <assert.h>
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

/* Bytes only, so that it can be hashed. */
struct key {
	struct ip addr;
	uint8_t	scope[4];		/* interface of a link-local address, else 0 */
};

struct peer {
	struct bfd_io *io;
	struct key key;			/* of by_key */
	struct bfd_io_peer conf;	/* with what is the same for all filled in */
	struct bfd bfd;			/* conf.local_discr is the key of by_discr */
	ev_timer timer;
	enum bfd_peer_state reported;	/* as `changed` was last told */
	uint32_t reported_note;		/* likewise */
	bool	is_wanted;		/* scratch of bfd_io_set_peers() */
	bool	is_queued;		/* on io->changed_peers */
	int	send_err;		/* -errno of the last send, 0 well */
	UT_hash_handle hh_key, hh_discr;
	struct peer *prev, *next;	/* io->changed_peers */
};

struct bfd_io {
	struct ev_loop *loop;
	struct bfd_io_conf conf;	/* key and device: not past bfd_io_new() */
	struct bfd_conf session;	/* of every session, but for its own fields */
	bfd_io_changed_fn *changed;
	void	*arg;
	/*
	 * By family, fd -1 where that is not there. What is sent goes out of
	 * `out`, which is `in` unless the source port is another one.
	 */
	ev_io	in[2], out[2];
	struct peer *by_key, *by_discr;
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
		[BFD_PEER_WAITING] = "waiting", [BFD_PEER_CUT_OFF] = "cut-off",
	};

	return s < nitems(names) ? names[s] : "?";
}

static struct key
key_of(const struct ip *addr, unsigned scope)
{
	uint32_t n = ip_is_link_local(addr) && !ip_is_v4(addr) ? scope : 0;
	struct key k = { .addr = *addr };

	memcpy(k.scope, &n, sizeof(k.scope));
	return k;
}

static struct peer *
peer_by_key(const struct bfd_io *b, const struct ip *addr, unsigned scope)
{
	struct key k = key_of(addr, scope);
	struct peer *p;

	HASH_FIND(hh_key, b->by_key, &k, sizeof(k), p);
	return p;
}

static struct peer *
peer_by_discr(const struct bfd_io *b, uint32_t discr)
{
	struct peer *p;

	HASH_FIND(hh_discr, b->by_discr, &discr, sizeof(discr), p);
	return p;
}

static bool
is_up(enum bfd_peer_state s)
{
	return s == BFD_PEER_UP || s == BFD_PEER_WAITING || s == BFD_PEER_CUT_OFF;
}

static enum bfd_peer_state
up_state(const struct peer *p)
{
	if (p->io->conf.has_path && p->bfd.remote_diag == BFD_DIAG_REVERSE_CONCAT)
		return BFD_PEER_WAITING;
	if (p->io->conf.has_path && p->bfd.remote_diag == BFD_DIAG_CONCAT_DOWN)
		return BFD_PEER_CUT_OFF;
	return BFD_PEER_UP;
}

static enum bfd_peer_state
peer_state(const struct peer *p)
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
has_news(const struct peer *p)
{
	return peer_state(p) != p->reported ||
	    (p->io->conf.has_path && p->bfd.remote_note != p->reported_note);
}

/* Send all that is due. A lost packet is what the protocol is made for. */
static void
peer_flush(struct peer *p, struct mono now)
{
	struct bfd_io *b = p->io;
	bool is_v4 = ip_is_v4(&p->conf.addr);
	int fd = b->out[!is_v4].fd;
	const struct ip *src = ip_is_set(&p->conf.source) ? &p->conf.source :
	    is_v4 ? &b->conf.source4 : &b->conf.source6;
	struct bfd_udp_dst dst = { p->conf.addr, p->conf.scope, b->conf.port };
	uint8_t buf[BFD_PKT_MAX];
	size_t len;

	while ((len = bfd_tx(&p->bfd, now, buf)) > 0) {
		int e = fd < 0 ? -EAFNOSUPPORT :
		    bfd_udp_send(fd, src, &dst, buf, len);

		if (e != p->send_err && e < 0)
			log_warn(LOG_OBJ("peer", IP_STR(&p->conf.addr), "source",
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
	if (!p->is_queued && !b->is_leaving && has_news(p)) {
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
static void
report(struct bfd_io *b)
{
	struct peer *p;
	char labels[128];

	while ((p = b->changed_peers) != NULL) {
		struct ip addr = p->conf.addr;
		enum bfd_peer_state s = peer_state(p);

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

	if (bfd_pkt_decode(d->buf, d->len, &pkt) < 0) {
		dropped("malformed");
		return;
	}
	p = pkt.your_discr != 0 ? peer_by_discr(b, pkt.your_discr) :
	    peer_by_key(b, &d->from, d->scope);
	if (p == NULL || p != peer_by_key(b, &d->from, d->scope)) {
		dropped("unknown_peer");
		return;
	}
	if (d->ttl < p->conf.min_ttl) {
		dropped("ttl");
		return;
	}
	e = bfd_rx(&p->bfd, d->buf, d->len, now);
	if (e < 0) {
		dropped(e == -ESTALE ? "replayed" : e == -EACCES ? "unauthentic" :
		    "malformed");
		if (e == -EACCES)
			log_warn(LOG_OBJ("peer", IP_STR(&p->conf.addr)),
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
	struct peer *p = peer_by_key(b, &d->to, d->scope);

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

static void
peer_add(struct bfd_io *b, const struct bfd_io_peer *c)
{
	struct peer *p = mem_zalloc(sizeof(*p));
	struct bfd_conf conf = b->session;

	p->io = b;
	p->key = key_of(&c->addr, c->scope);
	p->conf = filled_in(b, c);
	p->is_wanted = true;
	conf.min_tx_us = p->conf.min_tx_us;
	conf.min_rx_us = p->conf.min_rx_us;
	conf.detect_mult = p->conf.detect_mult;
	conf.is_passive = p->conf.is_passive;
	conf.local_discr = new_discr(b);
	conf.seq_first = bfd_seq_of_wall(clock_wall_ns());
	conf.random = clock_random();
	bfd_init(&p->bfd, &conf, clock_mono());
	ev_timer_init(&p->timer, on_timer, 0., 0.);
	p->timer.data = p;
	HASH_ADD(hh_key, b->by_key, key, sizeof(p->key), p);
	HASH_ADD(hh_discr, b->by_discr, bfd.conf.local_discr,
	    sizeof(p->bfd.conf.local_discr), p);
	ev_timer_start(b->loop, &p->timer);	/* due: the first packet goes out */
}

static void
peer_change(struct peer *p, const struct bfd_io_peer *c)
{
	struct bfd_io_peer full = filled_in(p->io, c);

	if (full.min_tx_us != p->conf.min_tx_us || full.min_rx_us != p->conf.min_rx_us)
		bfd_set_intervals(&p->bfd, full.min_tx_us, full.min_rx_us);
	p->bfd.conf.detect_mult = full.detect_mult;
	p->bfd.conf.is_passive = full.is_passive;
	p->conf = full;
	p->is_wanted = true;
	peer_settle(p, clock_mono());
}

static void
peer_remove(struct peer *p)
{
	struct bfd_io *b = p->io;
	char labels[128];

	ev_timer_stop(b->loop, &p->timer);
	if (p->is_queued)
		DL_DELETE(b->changed_peers, p);
	HASH_DELETE(hh_key, b->by_key, p);
	HASH_DELETE(hh_discr, b->by_discr, p);
	metrics_drop(&m_up, metrics_labels(labels, sizeof(labels), "peer",
	    IP_STR(&p->conf.addr), NULL));
	free(p);
}

/* Half the rate as often as it takes for max_pps to hold. */
static void
adapt_rate(struct bfd_io *b)
{
	uint64_t n = HASH_CNT(hh_key, b->by_key);
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
	HASH_ITER(hh_key, b->by_key, p, tmp) {
		p->conf.min_tx_us = tx_us;
		p->conf.min_rx_us = rx_us;
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

_Static_assert((int)BFD_IO_KEYS_MAX == (int)BFD_KEYS_MAX &&
    (int)BFD_IO_KEY_LEN == (int)BFD_DIGEST_LEN, "as the engine has them");

static void
set_keys(struct bfd_conf *c, const uint8_t (*keys)[BFD_IO_KEY_LEN], size_t n)
{
	memcpy(c->auth_key, keys[0], BFD_DIGEST_LEN);
	memcpy(c->auth_also, keys[1], (n - 1) * BFD_DIGEST_LEN);
	c->nauth_also = (uint8_t)(n - 1);
}

void
bfd_io_set_keys(struct bfd_io *b, const uint8_t (*keys)[BFD_IO_KEY_LEN], size_t n)
{
	struct peer *p, *tmp;

	assert(b->session.auth_type != BFD_AUTH_NONE && n >= 1 && n <= BFD_KEYS_MAX);
	set_keys(&b->session, keys, n);
	HASH_ITER(hh_key, b->by_key, p, tmp)
		set_keys(&p->bfd.conf, keys, n);
}

void
bfd_io_set_peer_confs(struct bfd_io *b, const struct bfd_io_peer *peers, size_t n)
{
	struct peer *p, *tmp;

	HASH_ITER(hh_key, b->by_key, p, tmp)
		p->is_wanted = false;
	for (size_t i = 0; i < n; i++) {
		p = peer_by_key(b, &peers[i].addr, peers[i].scope);
		if (p != NULL)
			peer_change(p, &peers[i]);
		else
			peer_add(b, &peers[i]);
	}
	HASH_ITER(hh_key, b->by_key, p, tmp)
		if (!p->is_wanted)
			peer_remove(p);
}

void
bfd_io_set_peers(struct bfd_io *b, const struct ip *peers, size_t n)
{
	struct bfd_io_peer *confs = mem_zalloc((n + 1) * sizeof(*confs));

	for (size_t i = 0; i < n; i++)
		confs[i] = (struct bfd_io_peer){
			.addr = peers[i], .min_ttl = b->conf.min_ttl,
		};
	bfd_io_set_peer_confs(b, confs, n);
	free(confs);
	adapt_rate(b);
}

bool
bfd_io_view(const struct bfd_io *b, const struct ip *addr, unsigned scope,
    struct bfd_io_view *ret)
{
	const struct peer *p = peer_by_key(b, addr, scope);
	uint64_t us;

	if (p == NULL)
		return false;
	us = p->bfd.state == BFD_UP ? bfd_detect_us(&p->bfd) : 0;
	*ret = (struct bfd_io_view){
		.state = peer_state(p),
		.detect_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
		.note = p->bfd.remote_note,
		.is_independent = p->bfd.is_remote_cpi,
	};
	return true;
}

enum bfd_peer_state
bfd_io_state(const struct bfd_io *b, const struct ip *addr)
{
	struct bfd_io_view v = { .state = BFD_PEER_UNKNOWN };

	bfd_io_view(b, addr, 0, &v);
	return v.state;
}

uint32_t
bfd_io_detect_us(const struct bfd_io *b, const struct ip *addr)
{
	struct bfd_io_view v = { .state = BFD_PEER_UNKNOWN };

	bfd_io_view(b, addr, 0, &v);
	return v.detect_us;
}

void
bfd_io_set_path(struct bfd_io *b, enum bfd_io_path path)
{
	static const enum bfd_diag diags[] = {
		[BFD_IO_PATH_WELL] = BFD_DIAG_NONE,
		[BFD_IO_PATH_WAITING] = BFD_DIAG_REVERSE_CONCAT,
		[BFD_IO_PATH_CUT_OFF] = BFD_DIAG_CONCAT_DOWN,
	};
	struct mono now = clock_mono();
	struct peer *p, *tmp;

	b->session.path_diag = diags[path];
	HASH_ITER(hh_key, b->by_key, p, tmp) {
		bfd_set_path(&p->bfd, diags[path]);
		peer_settle(p, now);
	}
}

void
bfd_io_set_note(struct bfd_io *b, uint32_t note)
{
	struct mono now = clock_mono();
	struct peer *p, *tmp;

	b->session.note = note;
	HASH_ITER(hh_key, b->by_key, p, tmp) {
		bfd_set_note(&p->bfd, note);
		peer_settle(p, now);
	}
}

void
bfd_io_admin_down(struct bfd_io *b)
{
	struct mono now = clock_mono();
	struct peer *p, *tmp;

	b->is_leaving = true;
	HASH_ITER(hh_key, b->by_key, p, tmp) {
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

/* The sockets of one family; -errno with err filled. */
static int
open_family(struct bfd_io *b, int i, char err[256])
{
	static const int families[2] = { AF_INET, AF_INET6 };
	int in = bfd_udp_open(families[i], b->conf.port, b->conf.device, err);
	int out = in;

	if (in < 0)
		return in;
	if (b->conf.is_ephemeral)
		out = bfd_udp_open(families[i], BFD_UDP_EPHEMERAL, b->conf.device, err);
	if (out < 0) {
		close(in);
		return out;
	}
	ev_io_set(&b->in[i], in, EV_READ);
	ev_io_set(&b->out[i], out, EV_READ);
	ev_io_start(b->loop, &b->in[i]);
	if (out != in)
		ev_io_start(b->loop, &b->out[i]);	/* for ICMP errors */
	return 0;
}

static void
close_sockets(struct bfd_io *b)
{
	for (int i = 0; i < 2; i++) {
		ev_io_stop(b->loop, &b->in[i]);
		ev_io_stop(b->loop, &b->out[i]);
		if (b->out[i].fd >= 0 && b->out[i].fd != b->in[i].fd)
			close(b->out[i].fd);
		if (b->in[i].fd >= 0)
			close(b->in[i].fd);
	}
}

/* A host without IPv6 is fine; one with neither family is not. */
static int
open_sockets(struct bfd_io *b, char err[256])
{
	int e[2];

	for (int i = 0; i < 2; i++) {
		ev_io_init(&b->in[i], on_readable, -1, EV_READ);
		ev_io_init(&b->out[i], on_readable, -1, EV_READ);
		b->in[i].data = b->out[i].data = b;
		ev_set_priority(&b->in[i], EV_MAXPRI);
		ev_set_priority(&b->out[i], EV_MAXPRI);
	}
	for (int i = 0; i < 2; i++) {
		e[i] = open_family(b, i, err);
		if ((e[i] < 0 && e[i] != -EAFNOSUPPORT) || (i > 0 && e[0] < 0 && e[1] < 0)) {
			close_sockets(b);
			return -1;
		}
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
	if (b->conf.device == NULL)
		b->conf.device = "";
	b->changed = changed;
	b->arg = arg;
	if (open_sockets(b, err) < 0) {
		free(b);
		return NULL;
	}
	b->session = (struct bfd_conf){
		.min_tx_us = conf->min_tx_us,
		.min_rx_us = conf->min_rx_us,
		.slow_tx_us = conf->slow_tx_us,
		.detect_mult = conf->detect_mult,
		.auth_type = conf->key != NULL ? BFD_AUTH_METICULOUS_SHA1 :
		    BFD_AUTH_NONE,
		.auth_key_id = conf->key_id,
		.seq_window = BFD_SEQ_WINDOW_WIDE,
	};
	if (conf->key != NULL)
		memcpy(b->session.auth_key, conf->key, conf->key_len);
	b->conf.key = NULL;
	b->conf.device = NULL;
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
	HASH_ITER(hh_key, b->by_key, p, tmp)
		peer_remove(p);
	close_sockets(b);
	explicit_bzero(b, sizeof(*b));
	free(b);
}
