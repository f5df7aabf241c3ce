/*
 * bfd_io.c - many BFD sessions over few sockets and one event loop.
 *
 * Packet in: ev_io -> bfd_udp_recv() -> session by discriminator, else by
 * address -> bfd_rx() -> send what bfd_tx() has -> report.
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
#include <unistd.h>

#include "bgp/bfd_impl.h"
#include "bgp/bfd_udp_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	TURN_MAX = 2048,	/* datagrams taken in one turn of the loop */
	ERRORS_MAX = 256,	/* ICMP errors likewise */
};

static const struct metric m_dropped = {
	"herald_bfd_dropped_packets_total", "Control packets not accepted, by reason",
	METRIC_COUNTER,
};

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
	struct bfd_peer *p;
	int e;

	if (bfd_pkt_decode(d->buf, d->len, &pkt) < 0) {
		dropped("malformed");
		return;
	}
	p = pkt.your_discr != 0 ? bfd_peer_by_discr(b, pkt.your_discr) :
	    bfd_peer_by_key(b, &d->from, d->scope);
	if (p == NULL || p != bfd_peer_by_key(b, &d->from, d->scope)) {
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
	p->local = d->to;
	bfd_peer_settle(p, now);
}

/* Only the peer itself can say that nobody listens there. */
static void
on_refused(void *arg, const struct bfd_datagram *d)
{
	struct bfd_io *b = arg;
	struct bfd_peer *p = bfd_peer_by_key(b, &d->to, d->scope);

	if (p == NULL || !ip_eq(&d->from, &d->to))
		return;
	if (bfd_refused(&p->bfd, d->buf, d->len) == 0)
		bfd_peer_settle(p, clock_mono());
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
	bfd_io_report(b);
}

static void
adapt_rate(struct bfd_io *b)
{
	unsigned n = HASH_CNT(hh_key, b->by_key);
	uint32_t tx_us = bfd_interval_us(b->conf.min_tx_us, n, b->conf.max_pps,
	    b->conf.jitter_pct);
	uint32_t rx_us = (uint32_t)((uint64_t)tx_us * b->conf.min_rx_us /
	    b->conf.min_tx_us);
	struct bfd_peer *p, *tmp;

	if (tx_us == b->session.min_tx_us)
		return;
	log_info(LOG_NONE, "BFD with %u peers: one packet each %u us",
	    n, tx_us);
	b->session.min_tx_us = tx_us;
	b->session.min_rx_us = rx_us;
	HASH_ITER(hh_key, b->by_key, p, tmp) {
		p->conf.min_tx_us = tx_us;
		p->conf.min_rx_us = rx_us;
		bfd_set_intervals(&p->bfd, tx_us, rx_us);
		bfd_peer_settle(p, clock_mono());
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
	struct bfd_peer *p, *tmp;

	assert(b->session.auth_type != BFD_AUTH_NONE && n >= 1 && n <= BFD_KEYS_MAX);
	set_keys(&b->session, keys, n);
	HASH_ITER(hh_key, b->by_key, p, tmp)
		set_keys(&p->bfd.conf, keys, n);
}

void
bfd_io_set_peer_confs(struct bfd_io *b, const struct bfd_io_peer *peers, size_t n)
{
	struct bfd_peer *p, *tmp;

	HASH_ITER(hh_key, b->by_key, p, tmp)
		p->is_wanted = false;
	for (size_t i = 0; i < n; i++) {
		p = bfd_peer_by_key(b, &peers[i].addr, peers[i].scope);
		if (p != NULL)
			bfd_peer_change(p, &peers[i]);
		else
			bfd_peer_add(b, &peers[i]);
	}
	HASH_ITER(hh_key, b->by_key, p, tmp)
		if (!p->is_wanted)
			bfd_peer_remove(p);
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
	const struct bfd_peer *p = bfd_peer_by_key(b, addr, scope);
	uint64_t us;

	if (p == NULL)
		return false;
	us = p->bfd.state == BFD_UP ? bfd_detect_us(&p->bfd) : 0;
	*ret = (struct bfd_io_view){
		.state = bfd_peer_view(p),
		.detect_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
		.note = p->bfd.remote_note,
		.echo = bfd_echo_io_view(p),
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

/* Each hears it once before any hears it again: one of hundreds may have to act on it. */
static void
tell_all(struct bfd_io *b)
{
	struct mono now = clock_mono();
	struct bfd_peer *p, *tmp;

	HASH_ITER(hh_key, b->by_key, p, tmp)
		bfd_peer_send(p, now);
	HASH_ITER(hh_key, b->by_key, p, tmp)
		bfd_peer_settle(p, now);
}

void
bfd_io_set_path(struct bfd_io *b, enum bfd_io_path path)
{
	static const enum bfd_diag diags[] = {
		[BFD_IO_PATH_WELL] = BFD_DIAG_NONE,
		[BFD_IO_PATH_WAITING] = BFD_DIAG_REVERSE_CONCAT,
		[BFD_IO_PATH_CUT_OFF] = BFD_DIAG_CONCAT_DOWN,
	};
	struct bfd_peer *p, *tmp;

	b->session.path_diag = diags[path];
	HASH_ITER(hh_key, b->by_key, p, tmp)
		bfd_set_path(&p->bfd, diags[path]);
	tell_all(b);
}

void
bfd_io_set_note(struct bfd_io *b, uint32_t note)
{
	struct bfd_peer *p, *tmp;

	b->session.note = note;
	HASH_ITER(hh_key, b->by_key, p, tmp)
		bfd_set_note(&p->bfd, note);
	tell_all(b);
}

void
bfd_io_admin_down(struct bfd_io *b)
{
	struct mono now = clock_mono();
	struct bfd_peer *p, *tmp;

	b->is_leaving = true;
	HASH_ITER(hh_key, b->by_key, p, tmp) {
		bfd_admin_down(&p->bfd);
		bfd_peer_settle(p, now);
	}
}

/* A loaded node must not look dead. */
static void
go_realtime(void)
{
	struct sched_param param = { .sched_priority = 1 };
	int rc;

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) < 0)
		log_info(LOG_NONE, "BFD runs without real-time priority: %s "
		    "(grant CAP_SYS_NICE)", strerror(errno));
	rc = mem_lock();
	if (rc < 0)
		log_info(LOG_NONE, "BFD runs in memory that may be swapped: %s "
		    "(grant CAP_IPC_LOCK)", strerror(-rc));
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
	else if (c->jitter_pct > BFD_JITTER_MAX_PCT)
		what = "jitter is above 25 %";
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
	int in = bfd_udp_open(families[i], b->conf.port, b->device, b->conf.is_shared, err);
	int out = in;

	if (in < 0)
		return in;
	if (b->conf.is_ephemeral)
		out = bfd_udp_open(families[i], BFD_UDP_EPHEMERAL, b->device, false, err);
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
	if (conf->device != NULL)
		snprintf(b->device, sizeof(b->device), "%s", conf->device);
	b->conf.device = b->device;
	if (b->conf.jitter_pct == 0)
		b->conf.jitter_pct = BFD_JITTER_MAX_PCT;
	b->changed = changed;
	b->arg = arg;
	bfd_echo_io_init(b);
	b->alarms = alarms_new(loop);
	if (b->alarms == NULL)
		snprintf(err, 256, "BFD: no timer: %s", strerror(errno));
	if (b->alarms == NULL || open_sockets(b, err) < 0) {
		alarms_free(b->alarms);
		free(b);
		return NULL;
	}
	b->session = (struct bfd_conf){
		.min_tx_us = conf->min_tx_us,
		.min_rx_us = conf->min_rx_us,
		.slow_tx_us = conf->slow_tx_us,
		.detect_mult = conf->detect_mult,
		.jitter_pct = b->conf.jitter_pct,
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
bfd_io_share(struct bfd_io *b, bool is_shared)
{
	for (int i = 0; i < 2; i++)
		if (b->in[i].fd >= 0)
			bfd_udp_share(b->in[i].fd, is_shared);
}

void
bfd_io_free(struct bfd_io *b)
{
	struct bfd_peer *p, *tmp;

	if (b == NULL)
		return;
	HASH_ITER(hh_key, b->by_key, p, tmp)
		bfd_peer_remove(p);
	bfd_echo_io_fini(b);
	close_sockets(b);
	alarms_free(b->alarms);
	explicit_bzero(b, sizeof(*b));
	free(b);
}
