/*
 * bgp_linger_io.c - write the rest, shut down, drain, close.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <utlist.h>

#include "bgp/bgp_linger_io.h"
#include "lib/mem.h"

enum {
	LINGER_SEC	= 3,
	LINGER_MAX	= 128,		/* connections; beyond it the oldest goes */
	DRAIN_TURN	= 65536,	/* bytes dropped in one turn of the loop */
};

struct bgp_lingerer {
	struct bgp_linger *owner;
	ev_io	rd, wr;
	ev_timer timer;
	uint8_t	*rest;
	size_t	at, len;
	struct bgp_lingerer *prev, *next;
};

static void
destroy(struct bgp_lingerer *c)
{
	struct bgp_linger *l = c->owner;

	ev_io_stop(l->loop, &c->rd);
	ev_io_stop(l->loop, &c->wr);
	ev_timer_stop(l->loop, &c->timer);
	close(c->rd.fd);
	DL_DELETE(l->all, c);
	l->n--;
	free(c->rest);
	free(c);
}

static void
finish(struct bgp_lingerer *c)
{
	struct bgp_linger *l = c->owner;

	destroy(c);
	if (l->n == 0 && l->emptied != NULL)
		l->emptied(l->arg);
}

/* False where the connection is beyond help. */
static bool
write_rest(struct bgp_lingerer *c)
{
	while (c->at < c->len) {
		ssize_t n = send(c->wr.fd, c->rest + c->at, c->len - c->at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			ev_io_start(c->owner->loop, &c->wr);
			return true;
		}
		if (n < 0)
			return false;
		c->at += (size_t)n;
	}
	ev_io_stop(c->owner->loop, &c->wr);
	return shutdown(c->wr.fd, SHUT_WR) == 0;
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bgp_lingerer *c = w->data;

	(void)loop;
	(void)revents;
	if (!write_rest(c))
		finish(c);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	uint8_t buf[4096];
	size_t total = 0;
	ssize_t n;

	(void)loop;
	(void)revents;
	do {
		n = recv(w->fd, buf, sizeof(buf), 0);
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0 && total < DRAIN_TURN);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		finish(w->data);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data);
}

void
bgp_linger_add(struct bgp_linger *l, int fd, const uint8_t *rest, size_t n)
{
	struct bgp_lingerer *c = mem_zalloc(sizeof(*c));

	if (l->n >= LINGER_MAX)
		destroy(l->all);
	c->owner = l;
	c->rest = mem_zalloc(n + 1);
	memcpy(c->rest, rest, n);
	c->len = n;
	ev_io_init(&c->rd, on_readable, fd, EV_READ);
	ev_io_init(&c->wr, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, LINGER_SEC, 0.);
	c->rd.data = c->wr.data = c->timer.data = c;
	DL_APPEND(l->all, c);
	l->n++;
	ev_io_start(l->loop, &c->rd);
	ev_now_update(l->loop);
	ev_timer_start(l->loop, &c->timer);
	/* Whatever comes of it, `emptied` is for the loop's turn. */
	if (!write_rest(c)) {
		ev_timer_stop(l->loop, &c->timer);
		ev_timer_set(&c->timer, 0., 0.);
		ev_timer_start(l->loop, &c->timer);
	}
}

void
bgp_linger_fini(struct bgp_linger *l)
{
	while (l->all != NULL)
		destroy(l->all);
}
