#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgp/bfd_udp_io.h"
#include "ipvs/checker_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/health_io.h"

enum {
	/* Checks that take longer than this to come to a verdict after a start are
	   not waited for with the others'. */
	BEGIN_SEC = 10,
	LOG_MAX = 20,		/* lines of one change; a dead node has hundreds */
	DATAGRAMS_MAX = 64,	/* read in one go */
};

/* An endpoint that the last plan had checked, and what was told of it. */
struct shown {
	uint64_t id;
	struct ip ip;
	uint16_t port;
	char	*service;		/* "ns/name"; owned */
	char	*labels;		/* of its metrics; NULL: none set yet */
	bool	is_up;
	unsigned ntransitions;
};

struct sock {
	int	fd;			/* -1 none */
	ev_io	io;
};

struct health_io {
	struct ev_loop *loop;
	uint16_t port;
	void	(*changed)(void *arg);
	void	*arg;
	struct checker *checker;
	struct vouch vouch;
	struct ip self[2];		/* IPv4 first */
	struct sock socks[2];
	ev_timer timer;			/* vouch_deadline() */
	ev_timer begin;			/* vouch_begin(), sure or not */
	bool	has_checks;		/* a plan has said what to check */
	struct shown *shown;		/* sorted by id */
	size_t	nshown;
	bool	was_too_many;
	uint8_t	buf[VOUCH_PACKET_MAX];
};

static const struct metric m_up = { "herald_endpoint_up",
	"Whether an endpoint that this node checks is up.", METRIC_GAUGE };
static const struct metric m_transitions = { "herald_endpoint_transitions_total",
	"Times an endpoint that this node checks came up or went down.",
	METRIC_COUNTER };
static const struct metric m_statements = { "herald_health_statements_total",
	"Datagrams from other speakers about their endpoints, by what they were.",
	METRIC_COUNTER };

/* --- to and from the others ----------------------------------------------- */

static void
rearm(struct health_io *h)
{
	struct mono next = vouch_deadline(&h->vouch);

	ev_timer_stop(h->loop, &h->timer);
	if (next.ns == MONO_NEVER.ns)
		return;
	ev_timer_set(&h->timer, mono_delay_sec(clock_mono(), next), 0.);
	ev_timer_start(h->loop, &h->timer);
}

/* What cannot be sent is sent again by and by: vouch.h sees to it. */
static void
flush(struct health_io *h)
{
	struct bfd_udp_dst to = { .port = h->port };
	struct mono now = clock_mono();
	size_t len;

	while ((len = vouch_next(&h->vouch, h->self, now, h->buf, &to.addr)) > 0) {
		int v4 = ip_is_v4(&to.addr) ? 0 : 1;

		if (h->socks[v4].fd >= 0)
			(void)bfd_udp_send(h->socks[v4].fd, &h->self[v4], &to, h->buf, len);
	}
	rearm(h);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct health_io *h = w->data;

	(void)loop;
	(void)revents;
	if (vouch_tick(&h->vouch, clock_mono()))
		h->changed(h->arg);
	flush(h);
}

static void
on_begin(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct health_io *h = w->data;

	(void)loop;
	(void)revents;
	vouch_begin(&h->vouch, clock_mono());
	flush(h);
}

static void
count_statement(const struct ip *from, enum vouch_heard heard)
{
	static const char *const labels[] = {
		[VOUCH_OLD] = "kind=\"old\"", [VOUCH_NEWS] = "kind=\"news\"",
		[VOUCH_STRANGER] = "kind=\"stranger\"",
		[VOUCH_UNSIGNED] = "kind=\"unsigned\"",
		[VOUCH_BROKEN] = "kind=\"broken\"",
	};

	metrics_add(&m_statements, labels[heard], 1);
	if (heard == VOUCH_UNSIGNED)
		log_warn(LOG_OBJ("peer", IP_STR(from)), "its word on its endpoints is not "
		    "signed as ours: give all speakers the same --liveness-key-file");
	else if (heard == VOUCH_BROKEN)
		log_warn(LOG_OBJ("peer", IP_STR(from)), "sends what is no statement of a "
		    "speaker: see what else uses the port (--health-port)");
}

static void
ignore(void *arg, const struct bfd_datagram *d)
{
	(void)arg;
	(void)d;
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct health_io *h = io->data;
	bool is_news = false;

	(void)loop;
	(void)revents;
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		struct sockaddr_storage ss;
		socklen_t ss_len = sizeof(ss);
		ssize_t n = recvfrom(io->fd, h->buf, sizeof(h->buf), MSG_DONTWAIT,
		    (struct sockaddr *)&ss, &ss_len);
		enum vouch_heard heard;
		struct ip from;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)	/* a queued ICMP error, in place of the datagram */
			continue;
		from = ip_from_sockaddr((struct sockaddr *)&ss);
		heard = vouch_hear(&h->vouch, &from, h->buf, (size_t)n, clock_mono());
		is_news |= heard == VOUCH_NEWS;
		count_statement(&from, heard);
	}
	/* Speakers that are not there yet; left queued, they would wake us for ever. */
	bfd_udp_refused(io->fd, DATAGRAMS_MAX, ignore, NULL);
	flush(h);
	if (is_news)
		h->changed(h->arg);
}

void
health_io_set_up(struct health_io *h, const struct alive *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		vouch_set_up(&h->vouch, &nodes->nodes[i].ip,
		    alive_is_heard(&nodes->nodes[i]), clock_mono());
	flush(h);
}

void
health_io_set_nodes(struct health_io *h, const struct ip self[2],
    const struct alive *nodes)
{
	h->self[0] = self[0];
	h->self[1] = self[1];
	vouch_begin_peers(&h->vouch);
	for (size_t i = 0; i < nodes->n; i++)
		vouch_put_peer(&h->vouch, nodes->nodes[i].name, &nodes->nodes[i].ip,
		    clock_mono());
	vouch_end_peers(&h->vouch);
	health_io_set_up(h, nodes);
}

const struct vouch *
health_io_vouch(const struct health_io *h)
{
	return &h->vouch;
}

/* --- this node's own -------------------------------------------------------- */

static void
shown_fini(struct shown *s)
{
	if (s->labels != NULL) {
		metrics_drop(&m_up, s->labels);
		metrics_drop(&m_transitions, s->labels);
	}
	free(s->labels);
	free(s->service);
}

/* ADDRESS:PORT or [ADDRESS6]:PORT. */
static const char *
endpoint_text(const struct shown *s, char buf[IP_STRLEN + 8])
{
	snprintf(buf, IP_STRLEN + 8, ip_is_v4(&s->ip) ? "%s:%u" : "[%s]:%u",
	    IP_STR(&s->ip), s->port);
	return buf;
}

static void
tell(struct shown *s, const struct check_view *v, unsigned *nlogged)
{
	char endpoint[IP_STRLEN + 8], labels[512];

	endpoint_text(s, endpoint);
	if (s->labels == NULL)
		s->labels = mem_strdup(metrics_labels(labels, sizeof(labels), "service",
		    s->service, "endpoint", endpoint, NULL));
	metrics_set(&m_up, s->labels, v->is_up);
	metrics_set(&m_transitions, s->labels, v->ntransitions);
	if (v->ntransitions != s->ntransitions && (*nlogged)++ < LOG_MAX) {
		if (v->is_up)
			log_info(LOG_OBJ("svc", s->service, "endpoint", endpoint), "up");
		else
			log_warn(LOG_OBJ("svc", s->service, "endpoint", endpoint),
			    "down: %s", v->why);
	}
	s->is_up = v->is_up;
	s->ntransitions = v->ntransitions;
}

/* The thread has news: tell it, here and to the others. */
static void
on_checker(void *arg)
{
	struct health_io *h = arg;
	size_t n, ndown = 0, at = 0;
	const struct check_view *views = checker_views(h->checker, &n);
	uint64_t *down = mem_zalloc((n + 1) * sizeof(*down));
	unsigned nlogged = 0;
	const struct vouch_list *old = &h->vouch.down;
	bool is_all, is_news, is_sure = true;

	for (size_t i = 0; i < n; i++) {
		if (!views[i].is_up)
			down[ndown++] = views[i].id;
		is_sure &= views[i].is_sure;
		while (at < h->nshown && h->shown[at].id < views[i].id)
			at++;
		/* The thread may be behind the plan, which has dropped this one. */
		if (at < h->nshown && h->shown[at].id == views[i].id &&
		    (h->shown[at].labels == NULL || h->shown[at].is_up != views[i].is_up ||
		    h->shown[at].ntransitions != views[i].ntransitions))
			tell(&h->shown[at], &views[i], &nlogged);
	}
	if (nlogged > LOG_MAX)
		log_warn(LOG_NONE, "%u further endpoints came up or went down; see "
		    "/status", nlogged - LOG_MAX);
	/* Before that the thread may not have taken up what there is to check. */
	if (is_sure && n > 0)
		vouch_begin(&h->vouch, clock_mono());
	is_news = ndown != old->n || (ndown > 0 &&
	    memcmp(down, old->ids, ndown * sizeof(*down)) != 0);
	is_all = vouch_say(&h->vouch, down, ndown, clock_mono());
	if (!is_all && !h->was_too_many)
		log_warn(LOG_NONE, "%zu endpoints of this node are down; the other nodes "
		    "are told of %d and go on sending to the rest", ndown, VOUCH_DOWN_MAX);
	h->was_too_many = !is_all;
	free(down);
	flush(h);
	if (is_news)
		h->changed(h->arg);
}

void
health_io_set_checks(struct health_io *h, const struct plan *p)
{
	struct check_want *wants = mem_zalloc((p->nchecks + 1) * sizeof(*wants));
	struct shown *shown = mem_zalloc((p->nchecks + 1) * sizeof(*shown));
	size_t old = 0;

	for (size_t i = 0; i < p->nchecks; i++) {
		const struct plan_check *k = &p->checks[i];

		wants[i] = k->want;
		while (old < h->nshown && h->shown[old].id < k->want.id)
			shown_fini(&h->shown[old++]);
		if (old < h->nshown && h->shown[old].id == k->want.id) {
			shown[i] = h->shown[old++];
			continue;
		}
		shown[i] = (struct shown){ .id = k->want.id, .ip = k->want.ip,
			.port = k->want.port,
			.service = mem_printf("%s/%s", k->ns, k->service) };
	}
	while (old < h->nshown)
		shown_fini(&h->shown[old++]);
	free(h->shown);
	h->shown = shown;
	h->nshown = p->nchecks;
	checker_set(h->checker, wants, p->nchecks);
	free(wants);
	if (h->has_checks)
		return;
	h->has_checks = true;
	if (p->nchecks == 0)
		vouch_begin(&h->vouch, clock_mono());
	else
		ev_timer_start(h->loop, &h->begin);
	flush(h);
}

void
health_io_each(struct health_io *h, health_io_view_fn *fn, void *arg)
{
	size_t n, at = 0;
	const struct check_view *views = checker_views(h->checker, &n);

	for (size_t i = 0; i < n; i++) {
		const struct shown *s;

		while (at < h->nshown && h->shown[at].id < views[i].id)
			at++;
		if (at == h->nshown || h->shown[at].id != views[i].id)
			continue;
		s = &h->shown[at];
		fn(arg, &(struct health_io_view){ .service = s->service, .ip = s->ip,
		    .port = s->port, .is_up = views[i].is_up,
		    .ntransitions = views[i].ntransitions, .why = views[i].why });
	}
}

/* --- open and close ---------------------------------------------------------- */

static int
open_sock(struct health_io *h, int v4, char err[256])
{
	struct sock *s = &h->socks[v4];

	s->fd = bfd_udp_open(v4 == 0 ? AF_INET : AF_INET6, h->port, "", false,
	    err);
	/* A kernel may be without IPv6; the other family must be there. */
	if (s->fd == -EAFNOSUPPORT && v4 == 1) {
		s->fd = -1;
		return 0;
	}
	if (s->fd < 0)
		return s->fd;
	ev_io_init(&s->io, on_readable, s->fd, EV_READ);
	s->io.data = h;
	ev_io_start(h->loop, &s->io);
	return 0;
}

struct health_io *
health_io_new(struct ev_loop *loop, const struct health_io_conf *conf,
    void (*changed)(void *arg), void *arg, char err[256])
{
	struct health_io *h = mem_zalloc(sizeof(*h));

	h->loop = loop;
	h->port = conf->port;
	h->changed = changed;
	h->arg = arg;
	h->socks[0].fd = h->socks[1].fd = -1;
	vouch_init(&h->vouch, (uint64_t)clock_wall_ns(), conf->keys);
	ev_timer_init(&h->timer, on_timer, 0., 0.);
	ev_timer_init(&h->begin, on_begin, BEGIN_SEC, 0.);
	h->timer.data = h->begin.data = h;
	if (open_sock(h, 0, err) == 0 && open_sock(h, 1, err) == 0)
		h->checker = checker_new(loop, conf->netns, on_checker, h, err);
	if (h->checker != NULL)
		return h;
	health_io_free(h);
	return NULL;
}

void
health_io_free(struct health_io *h)
{
	if (h == NULL)
		return;
	checker_free(h->checker);
	ev_timer_stop(h->loop, &h->timer);
	ev_timer_stop(h->loop, &h->begin);
	for (int i = 0; i < 2; i++) {
		if (h->socks[i].fd < 0)
			continue;
		ev_io_stop(h->loop, &h->socks[i].io);
		close(h->socks[i].fd);
	}
	for (size_t i = 0; i < h->nshown; i++)
		shown_fini(&h->shown[i]);
	free(h->shown);
	vouch_fini(&h->vouch);
	free(h);
}
