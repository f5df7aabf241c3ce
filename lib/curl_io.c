/* curl_io.c - see curl_io.h. */
#include <stdlib.h>

#include "lib/curl_io.h"
#include "lib/mem.h"

struct sock {
	ev_io	io;
	struct curl_io *owner;
};

static void
collect(struct curl_io *c)
{
	CURLMsg *msg;
	int nleft;

	/* A done() may add and remove handles: ask libcurl anew each time. */
	while ((msg = curl_multi_info_read(c->multi, &nleft)) != NULL) {
		if (msg->msg == CURLMSG_DONE)
			c->done(c->arg, msg->easy_handle, msg->data.result);
	}
}

static void
io_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct curl_io *c = ((struct sock *)io)->owner;
	int what = 0, nrunning;

	(void)loop;
	if (revents & EV_READ)
		what |= CURL_CSELECT_IN;
	if (revents & EV_WRITE)
		what |= CURL_CSELECT_OUT;
	/* io may be gone after this: the socket may have been closed. */
	curl_multi_socket_action(c->multi, io->fd, what, &nrunning);
	collect(c);
}

static void
timeout_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct curl_io *c = timer->data;
	int nrunning;

	(void)loop;
	(void)revents;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &nrunning);
	collect(c);
}

static int
socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
	struct curl_io *c = arg;
	struct sock *s = sock_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL) {
			ev_io_stop(c->loop, &s->io);
			curl_multi_assign(c->multi, fd, NULL);
			free(s);
		}
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EV_READ;
	if (what & CURL_POLL_OUT)
		events |= EV_WRITE;
	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->owner = c;
		curl_multi_assign(c->multi, fd, s);
		ev_io_init(&s->io, io_cb, fd, events);
	} else {
		ev_io_stop(c->loop, &s->io);
		ev_io_set(&s->io, fd, events);
	}
	ev_io_start(c->loop, &s->io);
	return 0;
}

static int
timer_cb(CURLM *multi, long timeout_ms, void *arg)
{
	struct curl_io *c = arg;

	(void)multi;
	ev_timer_stop(c->loop, &c->timer);
	if (timeout_ms >= 0) {
		ev_timer_set(&c->timer, (double)timeout_ms / 1e3, 0.);
		ev_timer_start(c->loop, &c->timer);
	}
	return 0;
}

int
curl_io_init(struct curl_io *c, struct ev_loop *loop, curl_io_done_fn *done, void *arg)
{
	*c = (struct curl_io){ .loop = loop, .done = done, .arg = arg };
	/* Counted by libcurl itself: as often as we like. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -1;
	ev_init(&c->timer, timeout_cb);
	c->timer.data = c;
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		abort();
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return 0;
}

void
curl_io_fini(struct curl_io *c)
{
	if (c->multi == NULL)
		return;
	curl_multi_cleanup(c->multi);
	ev_timer_stop(c->loop, &c->timer);
	c->multi = NULL;
}
