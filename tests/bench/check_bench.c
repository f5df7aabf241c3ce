/*
 * check_bench - TCP health checks, and what any checker must do; for check_bench.py.
 *
 *	check_bench serve		accept and close
 *	check_bench herald N		the real checker, each address once a second
 *	check_bench half-open N		likewise, without connections
 *	check_bench plain N		N a second by socket, connect, epoll, getsockopt
 *					and close: what a simple checker does
 *	check_bench least N		by one socket: connect, and disconnect with a reset
 *
 * N addresses of 127.16.0.0/12, PORT. They go on until SIGTERM; herald then says how
 * many it takes for up.
 */
#include <err.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/checker_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { PORT = 17800, TICKS_PER_SEC = 100 };

static const struct linger reset_at_end = { .l_onoff = 1, .l_linger = 0 };

static void
serve(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 4096) < 0)
		err(1, "port %d", PORT);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			close(c);
	}
}

/* --- bare loops ------------------------------------------------------------ */

static int
open_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset_at_end,
	    sizeof(reset_at_end)) < 0)
		err(1, "socket");
	return fd;
}

static void
connect_plain(const struct sockaddr_in *to)
{
	static int poll = -1;
	struct epoll_event e = { .events = EPOLLOUT };
	int fd = open_socket(), failed = 0;
	socklen_t len = sizeof(failed);

	if (poll < 0)
		poll = epoll_create1(EPOLL_CLOEXEC);
	(void)connect(fd, (const struct sockaddr *)to, sizeof(*to));
	if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) < 0 || epoll_wait(poll, &e, 1, 500) != 1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 || failed != 0)
		errx(1, "a plain connection: %s", strerror(failed));
	close(fd);
}

static void
connect_least(const struct sockaddr_in *to)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	static int fd = -1;

	if (fd < 0)
		fd = open_socket();
	/* On loopback the answer is there when connect() is back. */
	(void)connect(fd, (const struct sockaddr *)to, sizeof(*to));
	if (connect(fd, &nobody, sizeof(nobody)) < 0)
		err(1, "disconnecting");
}

/* At the pace of a checker, so that queues and caches are as a checker's. */
static void
loop(void (*connect_to)(const struct sockaddr_in *to), unsigned n)
{
	for (unsigned i = 0;; i = (i + 1) % n) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT),
			.sin_addr.s_addr = htonl(0x7f100000 + i) };
		static struct mono due;

		if (i % (n / TICKS_PER_SEC) == 0) {
			struct mono now = clock_mono();

			due = mono_before(now, due) ? due : now;
			usleep((useconds_t)(mono_delay_sec(now, due) * 1e6));
			due = mono_add_ms(due, 1000 / TICKS_PER_SEC);
		}
		connect_to(&to);
	}
}

/* --- the checker ----------------------------------------------------------- */

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
on_term(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
check(unsigned n, enum probe_kind kind)
{
	struct probe_conf conf = { .kind = kind, .health = { .interval_ms = 1000,
		.timeout_ms = 500, .rise = 2, .fall = 3, .starts_down = true } };
	struct check_want *wants = mem_zalloc(n * sizeof(*wants));
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	const struct check_view *views;
	size_t nviews, nup = 0;
	struct checker *c;
	ev_signal term;
	char why[256];

	for (unsigned i = 0; i < n; i++)
		wants[i] = (struct check_want){ .id = i + 1,
			.ip = ip_from_v4(0x7f100000 + i), .port = PORT, .conf = &conf };
	c = checker_new(loop, NULL, on_changed, NULL, why);
	if (c == NULL)
		errx(1, "%s", why);
	checker_set(c, wants, n);
	ev_signal_init(&term, on_term, SIGTERM);
	ev_signal_start(loop, &term);
	ev_run(loop, 0);
	views = checker_views(c, &nviews);
	for (size_t i = 0; i < nviews; i++)
		nup += views[i].is_up;
	printf("%zu\n", nup);
	checker_free(c);
	ev_loop_destroy(loop);
	free(wants);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;

	if (n < TICKS_PER_SEC)
		errx(2, "N: %d at least", TICKS_PER_SEC);
	if (strcmp(what, "serve") == 0)
		serve();
	else if (strcmp(what, "herald") == 0)
		check(n, PROBE_TCP);
	else if (strcmp(what, "half-open") == 0)
		check(n, PROBE_TCP_HALF_OPEN);
	else if (strcmp(what, "plain") == 0)
		loop(connect_plain, n);
	else if (strcmp(what, "least") == 0)
		loop(connect_least, n);
	else
		errx(2, "usage: see the source");
	return 0;
}
