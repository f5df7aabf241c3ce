/*
 * bgp_link_io.c - between the engine and a socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bgp/bgp_link_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* Room for the largest message and then some: see bgp_peer_write(). */
enum { OUT_SIZE = 65536 };

/* TCP has failed: the engine shall know, and people why. */
static void
fail(struct bgp_link *l, const char *what, int e)
{
	struct bgp_nbr *n = l->nbr;

	/* Of two connections, the failure of the lesser is no news. */
	if (n->engine.up < 0 || n->engine.up == (int)l->slot)
		snprintf(n->reason, sizeof(n->reason), "%s%s%s", what,
		    e != 0 ? ": " : "", e != 0 ? strerror(e) : "");
	bgp_link_cut(l);
	bgp_peer_tcp_down(&n->engine, l->slot, clock_mono());
}

static void
on_connected(struct bgp_link *l)
{
	int e = bgp_tcp_result(l->wr.fd);

	l->is_connecting = false;
	ev_io_stop(l->nbr->io->loop, &l->wr);
	if (e < 0) {
		fail(l, "cannot connect", -e);
		return;
	}
	ev_io_start(l->nbr->io->loop, &l->rd);
	bgp_peer_tcp_up(&l->nbr->engine, l->slot, clock_mono());
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bgp_link *l = w->data;

	(void)loop;
	(void)revents;
	if (l->is_connecting)
		on_connected(l);
	bgp_nbr_settle(l->nbr);
}

/* One buffer a turn, whatever the peer sends: others want their turn too. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bgp_link *l = w->data;
	struct bgp_nbr *n = l->nbr;
	ssize_t got = recv(w->fd, n->io->buf, BGP_IO_READ, 0);

	(void)loop;
	(void)revents;
	if (got > 0)
		bgp_peer_read(&n->engine, l->slot, n->io->buf, (size_t)got,
		    clock_mono());
	else if (got == 0)
		fail(l, "the peer has closed the connection", 0);
	else if (errno != EAGAIN && errno != EINTR)
		fail(l, "connection lost", errno);
	bgp_nbr_settle(n);
}

void
bgp_link_init(struct bgp_link *l, struct bgp_nbr *n, enum bgp_slot slot)
{
	*l = (struct bgp_link){ .nbr = n, .slot = slot };
	ev_io_init(&l->rd, on_readable, -1, EV_READ);
	ev_io_init(&l->wr, on_writable, -1, EV_WRITE);
	l->rd.data = l->wr.data = l;
}

void
bgp_link_open(struct bgp_link *l, int fd, bool is_connecting)
{
	ev_io_set(&l->rd, fd, EV_READ);
	ev_io_set(&l->wr, fd, EV_WRITE);
	l->out = mem_zalloc(OUT_SIZE);
	l->at = l->len = 0;
	l->acked = 0;
	l->is_connecting = is_connecting;
	ev_io_start(l->nbr->io->loop, is_connecting ? &l->wr : &l->rd);
}

/* Does the peer take what we send? For the send hold timer (RFC 9687). */
static void
watch_progress(struct bgp_link *l)
{
	struct mono now = clock_mono();
	bool is_moving, is_waiting;

	is_waiting = bgp_tcp_is_waiting(l->wr.fd, &l->acked, &is_moving);
	if (!is_waiting || is_moving)
		bgp_peer_sent(&l->nbr->engine, l->slot, false, now);
	if (is_waiting)
		bgp_peer_sent(&l->nbr->engine, l->slot, true, now);
}

bool
bgp_link_send(struct bgp_link *l)
{
	struct ev_loop *loop = l->nbr->io->loop;

	if (!bgp_link_is_open(l) || l->is_connecting)
		return true;
	for (;;) {
		ssize_t n;

		if (l->at == l->len) {
			l->at = 0;
			l->len = bgp_peer_write(&l->nbr->engine, l->slot, l->out,
			    OUT_SIZE);
		}
		if (l->len == 0) {
			ev_io_stop(loop, &l->wr);
			break;
		}
		n = send(l->wr.fd, l->out + l->at, l->len - l->at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(loop, &l->wr);
			break;
		}
		if (n < 0) {
			fail(l, "connection lost", errno);
			return false;
		}
		l->at += (size_t)n;
	}
	watch_progress(l);
	return true;
}

/* The connection as it is goes elsewhere; returns its descriptor. */
static int
release(struct bgp_link *l)
{
	int fd = l->rd.fd;

	ev_io_stop(l->nbr->io->loop, &l->rd);
	ev_io_stop(l->nbr->io->loop, &l->wr);
	ev_io_set(&l->rd, -1, EV_READ);
	ev_io_set(&l->wr, -1, EV_WRITE);
	free(l->out);
	l->out = NULL;
	l->is_connecting = false;
	return fd;
}

void
bgp_link_cut(struct bgp_link *l)
{
	if (bgp_link_is_open(l))
		bgp_tcp_abort(release(l));
}

void
bgp_link_end(struct bgp_link *l)
{
	size_t left = l->len - l->at;
	uint8_t *rest;

	if (!bgp_link_is_open(l))
		return;
	rest = mem_zalloc(left + OUT_SIZE);
	memcpy(rest, l->out + l->at, left);
	left += bgp_peer_write(&l->nbr->engine, l->slot, rest + left, OUT_SIZE);
	bgp_linger_add(&l->nbr->io->linger, release(l), rest, left);
	free(rest);
}
