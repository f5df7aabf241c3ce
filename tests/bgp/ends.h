/*
 * ends.h - two BGP shells, a and b, on loopback addresses of a namespace of their
 * own, for tests with real sockets; or one, and a socket of the test's that does
 * what no daemon would. Real, short time: every wait ends as soon as what it waits
 * for is there, and fails after WAIT_SEC.
 */
#ifndef HERALD_TESTS_BGP_ENDS_H
#define HERALD_TESTS_BGP_ENDS_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "bgp/bgp_io.h"
#include "bgp/msg.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "tests/check.h"

enum { WAIT_SEC = 20, PORT_A = 1790, PORT_B = 1791, ROUTES_MAX = 4096 };

static struct ev_loop *loop;

/* One shell and what is known of it. */
struct end {
	struct bgp_io *io;
	unsigned nchanged, nstopped;
	struct bgp_io_peer peers[4];
	size_t	npeers;
	struct bgp_io_status seen;	/* of the peer last asked for */
};
static struct end a, b;

static inline struct ip
addr(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static inline void
on_changed(void *arg)
{
	((struct end *)arg)->nchanged++;
}

static inline void
on_stopped(void *arg)
{
	((struct end *)arg)->nstopped++;
}

static inline void
open_end(struct end *e, uint16_t port)
{
	struct bgp_io_conf conf = { .port = port };
	struct bgp_io_handler h = { on_changed, on_stopped, e };

	*e = (struct end){ .io = bgp_io_new(loop, &conf, &h) };
}

/* The other end as this one should know it: same words on both sides. */
static inline struct bgp_io_peer *
add_peer(struct end *e, const char *name, const char *source, const char *dest,
    uint16_t port)
{
	struct bgp_io_peer *p = &e->peers[e->npeers++];

	*p = (struct bgp_io_peer){
		.name = name, .addr = addr(dest), .source = addr(source), .port = port,
		.session = {
			.local_as = e == &a ? 65001 : 65002, .as_rule = BGP_AS_EXTERNAL,
			.router_id = e == &a ? 1 : 2, .hold_sec = 90, .connect_sec = 5,
			.role = BGP_ROLE_NONE, .families = 3,
		},
	};
	return p;
}

static inline void
apply(struct end *e)
{
	bgp_io_set_peers(e->io, e->peers, e->npeers);
}

static inline void
announce(struct end *e, unsigned n)
{
	static struct bgp_io_route routes[ROUTES_MAX];
	static const struct bgp_attrs attrs = { .local_pref = 100 };

	for (unsigned i = 0; i < n; i++) {
		struct ip ip = ip_from_v4(0xc6120000 + i);

		routes[i] = (struct bgp_io_route){ .prefix = prefix_of(&ip),
			.attrs = &attrs };
	}
	ck_assert_int_eq(bgp_io_set_routes(e->io, routes, n), 0);
}

static struct {
	const char *name;
	struct bgp_io_status *ret;
} wanted;

static inline void
on_each(void *arg, const struct bgp_io_status *s)
{
	(void)arg;
	if (strcmp(s->name, wanted.name) == 0)
		*wanted.ret = *s;
}

static inline struct bgp_io_status *
status(struct end *e, const char *name)
{
	e->seen = (struct bgp_io_status){ 0 };
	wanted.name = name;
	wanted.ret = &e->seen;
	bgp_io_each(e->io, on_each, NULL);
	return &e->seen;
}

static inline void
on_tick(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ONE);
}

/* Let the loop turn for ms. */
static inline void
turn(int ms)
{
	ev_timer t;

	ev_timer_init(&t, on_tick, ms / 1e3, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &t);
	ev_run(loop, 0);
	ev_timer_stop(loop, &t);
}

#define WAIT(cond)                                                              \
	do {                                                                    \
		struct mono end_ = mono_add_sec(clock_mono(), WAIT_SEC);        \
		while (!(cond)) {                                               \
			ck_assert_msg(!mono_reached(clock_mono(), end_),        \
			    "%s: a %s (%s), b %s (%s)", #cond,                  \
			    a.io ? bgp_state_name(status(&a, "b")->state) : "-", \
			    a.io ? status(&a, "b")->reason : "-",               \
			    b.io ? bgp_state_name(status(&b, "a")->state) : "-", \
			    b.io ? status(&b, "a")->reason : "-");              \
			turn(10);                                               \
		}                                                               \
	} while (0)

static inline bool
is_up(struct end *e, const char *name)
{
	return status(e, name)->state == BGP_ESTABLISHED;
}

static inline void
both(const char *at_a, const char *at_b)
{
	open_end(&a, PORT_A);
	open_end(&b, PORT_B);
	add_peer(&a, "b", at_a, at_b, PORT_B);
	add_peer(&b, "a", at_b, at_a, PORT_A);
}

static inline void
begin(unsigned nroutes)
{
	apply(&a);
	apply(&b);
	announce(&a, nroutes);
	announce(&b, 0);
}

static inline void
both_up(unsigned nroutes)
{
	begin(nroutes);
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
}

/* What b has of a is not kept; what a counts as sent is. */
static inline size_t
nsent(struct end *e, const char *name)
{
	const struct bgp_peer *p = status(e, name)->engine;

	return p != NULL && p->up >= 0 ? p->rib.nsent[BGP_IPV4_UNICAST] : 0;
}

/* Connected by hand to a's port, from a source address of the test's choice. */
static inline int
call_a(const char *source)
{
	struct sockaddr_storage ss;
	struct ip from = addr(source), to = addr("127.0.0.1");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = ip_to_sockaddr(&from, 0, &ss);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = ip_to_sockaddr(&to, PORT_A, &ss);
	ck_assert(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
	return fd;
}

static inline bool
is_hung_up(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != ENOTCONN);
}

/* OPEN and KEEPALIVE of AS 65002, id 2. */
static inline void
say_hello(int fd, uint32_t id)
{
	uint8_t buf[256];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct bgp_open o = {
		.asn = 65002, .router_id = id, .hold_sec = 90, .has_mp = true,
		.families = 3, .has_as4 = true, .role = BGP_ROLE_NONE,
	};

	bgp_open_encode(&w, &o);
	bgp_keepalive_encode(&w);
	ck_assert_int_eq(send(fd, buf, w.len, MSG_NOSIGNAL), (ssize_t)w.len);
}

/* Is there a series that begins so? */
static inline bool
has_metric(const char *series)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool has;

	metrics_write(f);
	fclose(f);
	has = strstr(text, series) != NULL;
	free(text);
	return has;
}

static inline void
log_nothing(void *arg, const char *line, size_t len)
{
	(void)arg;
	(void)line;
	(void)len;
}

static inline void
set_up(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "needs CAP_SYS_ADMIN: %s",
	    strerror(errno));
	ck_assert_int_eq(system("set -e; ip link set lo up;"
	    "ip addr add 2001:db8::1/128 dev lo; ip addr add 2001:db8::2/128 dev lo"), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	if (getenv("LOG") == NULL)
		log_set_sink(log_nothing, NULL);
}

static inline void
tear_down(void)
{
	bgp_io_free(a.io);
	bgp_io_free(b.io);
	a.io = b.io = NULL;
	ev_loop_destroy(loop);
	metrics_fini();
}

#endif
