/*
 * api_rig.h - the API source against a server that follows a script, for what a real
 * one hardly ever says. Both run on one loop in this process, over loopback. What a
 * real server does is tested by tests/kube/run.sh.
 */
#ifndef HERALD_TESTS_KUBE_API_RIG_H
#define HERALD_TESTS_KUBE_API_RIG_H

#include <arpa/inet.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kube/source.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "tests/check.h"

enum { LINES_MAX = 12, WAIT_SEC = 60 };

/* One exchange: what the request line must hold, and the whole answer. */
struct line {
	const char *want;
	const char *answer;		/* NULL: end the connection */
};

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define FAIL_HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n"

struct rig {
	struct ev_loop *loop;
	ev_io listen;
	ev_timer limit;
	const struct line *lines;
	size_t at;			/* next line of the script */
	char	log[65536];
	unsigned nsynced;
	struct kube_source *src;
	bool	wants_refresh;		/* as soon as it is synced */
	unsigned nrefreshed;
	unsigned ndone;			/* what was asked for, and how it ended */
	int	error;
	char	text[512];
	struct lease_record record;
};

/* One connection, one request: the answers all say "Connection: close". */
struct conn {
	ev_io	io;
	struct rig *rig;
	char	buf[8192];
	size_t	len;
};

static inline void
conn_free(struct conn *c)
{
	ev_io_stop(c->rig->loop, &c->io);
	close(c->io.fd);
	free(c);
}

static inline void
conn_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = (struct conn *)io;
	struct rig *rig = c->rig;
	const struct line *line = &rig->lines[rig->at];
	ssize_t n = read(io->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len);

	(void)revents;
	if (n <= 0) {
		conn_free(c);
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	if (strstr(c->buf, "\r\n\r\n") == NULL)
		return;
	c->buf[strcspn(c->buf, "\r")] = '\0';
	ck_assert_msg(strstr(c->buf, line->want) != NULL, "request %zu is \"%s\", not \"%s\"",
	    rig->at, c->buf, line->want);
	rig->at++;
	if (line->answer != NULL)
		ck_assert_int_eq(write(io->fd, line->answer, strlen(line->answer)),
		    (ssize_t)strlen(line->answer));
	conn_free(c);
	if (rig->at == LINES_MAX || rig->lines[rig->at].want == NULL)
		ev_break(loop, EVBREAK_ALL);
}

static inline void
listen_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = mem_zalloc(sizeof(*c));
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)revents;
	c->rig = io->data;
	ev_io_init(&c->io, conn_cb, fd, EV_READ);
	ev_io_start(loop, &c->io);
}

static inline void
limit_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct rig *rig = timer->data;

	(void)loop;
	(void)revents;
	ck_abort_msg("waited %d s for request %zu: \"%s\"", WAIT_SEC, rig->at,
	    rig->lines[rig->at].want);
}

static inline void
log_sink(void *arg, const char *line, size_t len)
{
	struct rig *rig = arg;
	size_t used = strlen(rig->log);

	if (used + len < sizeof(rig->log))
		memcpy(rig->log + used, line, len);
}

static inline void
refreshed(void *arg)
{
	((struct rig *)arg)->nrefreshed++;
}

static inline void
synced(void *arg)
{
	struct rig *rig = arg;

	rig->nsynced++;
	if (rig->wants_refresh)
		kube_source_refresh(rig->src, refreshed, rig);
}

static inline struct kube_source *
open_source(struct rig *rig, struct kube_store *store, unsigned kinds,
    unsigned spare_kinds)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), config;
	char path[] = "/tmp/herald-api.XXXXXX", *spec;
	struct kube_source *src;
	struct kube_error err;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ev_io_init(&rig->listen, listen_cb, fd, EV_READ);
	rig->listen.data = rig;
	ev_io_start(rig->loop, &rig->listen);
	config = mkstemp(path);
	dprintf(config, "current-context: c\n"
	    "contexts: [{name: c, context: {cluster: k}}]\n"
	    "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%u\"}}]\n",
	    ntohs(sa.sin_port));
	close(config);
	spec = mem_printf("kubeconfig:%s", path);
	src = kube_source_open(rig->loop, &(struct kube_source_conf){ .spec = spec,
	    .kinds = kinds, .spare_kinds = spare_kinds, .component = "test" }, store,
	    &(struct kube_source_handler){ .synced = synced, .arg = rig }, &err);
	ck_assert_msg(src != NULL, "%s", err.text);
	unlink(path);
	free(spec);
	rig->src = src;
	return src;
}

static inline void
rig_init(struct rig *rig, const struct line *lines)
{
	*rig = (struct rig){ .loop = ev_loop_new(EVFLAG_AUTO), .lines = lines };
	log_set_sink(log_sink, rig);
	unsetenv("http_proxy");
	ev_timer_init(&rig->limit, limit_cb, WAIT_SEC, 0.);
	rig->limit.data = rig;
	ev_timer_start(rig->loop, &rig->limit);
}

static inline void
rig_fini(struct rig *rig)
{
	ev_io_stop(rig->loop, &rig->listen);
	close(rig->listen.fd);
	ev_timer_stop(rig->loop, &rig->limit);
	ev_loop_destroy(rig->loop);
	log_set_sink(NULL, NULL);
	metrics_fini();
}

#endif
