/*
 * bgp_listen_io.c - listeners come and go with the peers that need them; keys
 * are kept as they were set, so that only differences reach the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <utlist.h>

#include "bgp/bgp_listen_io.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Callers taken in one turn of the loop: a flood leaves time for sessions. */
enum { ACCEPT_TURN = 16, PAUSE_SEC = 1 };

struct caller {
	struct ip addr;
	struct bgp_tcp_key key;
	bool	is_wanted;		/* scratch of bgp_listen_set() */
	struct caller *prev, *next;
};

struct bgp_listener {
	struct bgp_listen *owner;
	int	family;
	char	device[BGP_IO_NAME_MAX];
	ev_io	watch;			/* fd -1 while it cannot be had */
	ev_timer retry;
	struct caller *callers;		/* those with keys */
	bool	is_wanted;
	struct bgp_listener *prev, *next;
};

static void
retry_after(struct bgp_listener *s, double sec)
{
	struct ev_loop *loop = s->owner->loop;

	ev_timer_stop(loop, &s->retry);
	ev_timer_set(&s->retry, sec, 0.);
	ev_timer_start(loop, &s->retry);
}

static void
on_call(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bgp_listener *s = w->data;

	(void)revents;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		struct bgp_tcp_ends ends;
		int fd = bgp_tcp_accept(w->fd, &ends);

		if (fd == -ECONNABORTED)
			continue;
		if (fd < 0) {
			if (fd == -EAGAIN)
				return;
			log_warn(LOG_NONE, "BGP cannot take a call: %s", strerror(-fd));
			/* It still waits there, and would wake us at once. */
			ev_io_stop(loop, w);
			retry_after(s, PAUSE_SEC);
			return;
		}
		s->owner->call(s->owner->arg, fd, &ends, s->device);
	}
}

static void
set_key(struct bgp_listener *s, const struct caller *c)
{
	int e = bgp_tcp_set_key(s->watch.fd, &c->addr, &c->key);

	if (e < 0)
		log_warn(LOG_OBJ("peer", IP_STR(&c->addr)),
		    "BGP cannot set the password for calls: %s", strerror(-e));
}

static void
open_listener(struct bgp_listener *s)
{
	char err[256];
	struct caller *c;
	int fd = bgp_tcp_listen(s->family, s->device, s->owner->port, err);

	if (fd < 0) {
		/* A host without IPv6 has no peers to miss there. */
		if (fd != -EAFNOSUPPORT)
			log_warn(LOG_NONE, "BGP peers can be dialled but not dial "
			    "in: %s", err);
		retry_after(s, BGP_LISTEN_RETRY_SEC);
		return;
	}
	ev_io_set(&s->watch, fd, EV_READ);
	DL_FOREACH(s->callers, c)
		set_key(s, c);
	ev_io_start(s->owner->loop, &s->watch);
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct bgp_listener *s = w->data;

	(void)revents;
	if (s->watch.fd >= 0)
		ev_io_start(loop, &s->watch);
	else
		open_listener(s);
}

static struct bgp_listener *
listener_of(struct bgp_listen *l, int family, const char *device)
{
	struct bgp_listener *s;

	DL_FOREACH(l->all, s)
		if (s->family == family && strcmp(s->device, device) == 0)
			return s;
	s = mem_zalloc(sizeof(*s));
	s->owner = l;
	s->family = family;
	strncpy(s->device, device, sizeof(s->device) - 1);
	ev_io_init(&s->watch, on_call, -1, EV_READ);
	ev_timer_init(&s->retry, on_retry, 0., 0.);
	s->watch.data = s->retry.data = s;
	DL_APPEND(l->all, s);
	return s;
}

static void
caller_remove(struct bgp_listener *s, struct caller *c)
{
	if (s->watch.fd >= 0)
		bgp_tcp_drop_key(s->watch.fd, &c->addr, &c->key);
	DL_DELETE(s->callers, c);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void
listener_free(struct bgp_listener *s)
{
	struct caller *c, *tmp;

	ev_io_stop(s->owner->loop, &s->watch);
	ev_timer_stop(s->owner->loop, &s->retry);
	DL_FOREACH_SAFE(s->callers, c, tmp)
		caller_remove(s, c);
	if (s->watch.fd >= 0)
		close(s->watch.fd);
	DL_DELETE(s->owner->all, s);
	free(s);
}

static void
want_caller(struct bgp_listener *s, const struct bgp_listen_want *want)
{
	struct caller *c, *tmp;

	if (!ip_is_set(&want->addr) || want->key.auth == BGP_IO_AUTH_NONE)
		return;
	DL_FOREACH_SAFE(s->callers, c, tmp) {
		if (!ip_eq(&c->addr, &want->addr))
			continue;
		if (memcmp(&c->key, &want->key, sizeof(c->key)) == 0) {
			c->is_wanted = true;
			return;
		}
		caller_remove(s, c);
	}
	c = mem_zalloc(sizeof(*c));
	c->addr = want->addr;
	c->key = want->key;
	c->is_wanted = true;
	DL_APPEND(s->callers, c);
	if (s->watch.fd >= 0)
		set_key(s, c);
}

void
bgp_listen_set(struct bgp_listen *l, const struct bgp_listen_want *wants, size_t n)
{
	struct bgp_listener *s, *stmp;
	struct caller *c, *ctmp;

	if (l->port == 0)
		return;
	DL_FOREACH(l->all, s) {
		s->is_wanted = false;
		DL_FOREACH(s->callers, c)
			c->is_wanted = false;
	}
	for (size_t i = 0; i < n; i++) {
		s = listener_of(l, ip_is_v4(&wants[i].addr) ? AF_INET : AF_INET6,
		    wants[i].device);
		s->is_wanted = true;
		want_caller(s, &wants[i]);
	}
	DL_FOREACH_SAFE(l->all, s, stmp) {
		if (!s->is_wanted) {
			listener_free(s);
			continue;
		}
		DL_FOREACH_SAFE(s->callers, c, ctmp)
			if (!c->is_wanted)
				caller_remove(s, c);
		if (s->watch.fd < 0)
			open_listener(s);
	}
}

void
bgp_listen_fini(struct bgp_listen *l)
{
	struct bgp_listener *s, *tmp;

	DL_FOREACH_SAFE(l->all, s, tmp)
		listener_free(s);
}
