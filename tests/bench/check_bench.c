/*
 * check_bench - TCP health checks, and what any checker must do; for check_bench.py.
 *
 *	check_bench serve		accept and close
 *	check_bench herald N FIRST	the real checker, each address once a second
 *	check_bench half-open N FIRST	likewise, without connections
 *	check_bench plain N FIRST	N a second by socket, connect, epoll, getsockopt
 *					and close: what a simple checker does
 *	check_bench least N FIRST	by one socket: connect, and disconnect with a reset;
 *					where the answer is there when connect() is back
 *	check_bench later N FIRST	likewise elsewhere, by a socket for each that is
 *					under way: disconnected when the next are due
 *	check_bench echo N FIRST	ICMP echoes, many by one call, and a filter that drops
 *					the answers: two packets and no more
 *
 * N addresses from FIRST on, PORT. They go on until SIGTERM; herald and half-open then
 * say how many they take for up.
 */
#include <arpa/inet.h>
#include <err.h>
#include <ev.h>
#include <linux/filter.h>
#include <linux/icmp.h>
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
disconnect(int fd)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (connect(fd, &nobody, sizeof(nobody)) < 0)
		err(1, "disconnecting");
}

static void
connect_plain(const struct sockaddr_in *to, unsigned n)
{
	struct epoll_event e = { .events = EPOLLOUT }, ready[64];
	static int poll = -1;

	if (poll < 0)
		poll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < n; i++) {
		e.data.fd = open_socket();
		(void)connect(e.data.fd, (const struct sockaddr *)&to[i], sizeof(to[i]));
		if (epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e) < 0)
			err(1, "epoll_ctl");
	}
	while (n > 0) {
		/* Where the server cannot keep up, some are asked again, after 1, 2, 4 s. */
		int nready = epoll_wait(poll, ready, 64, 10000);

		if (nready <= 0)
			errx(1, "no answer for 10 seconds");
		for (int i = 0; i < nready; i++) {
			int failed = 0;
			socklen_t len = sizeof(failed);

			if (getsockopt(ready[i].data.fd, SOL_SOCKET, SO_ERROR, &failed,
			    &len) < 0 || failed != 0)
				errx(1, "a plain connection: %s", strerror(failed));
			close(ready[i].data.fd);
		}
		n -= (unsigned)nready;
	}
}

static void
connect_least(const struct sockaddr_in *to, unsigned n)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_socket();
	for (unsigned i = 0; i < n; i++) {
		(void)connect(fd, (const struct sockaddr *)&to[i], sizeof(to[i]));
		disconnect(fd);
	}
}

static void
connect_later(const struct sockaddr_in *to, unsigned n)
{
	static int *fds;

	if (fds == NULL) {
		fds = mem_zalloc(n * sizeof(*fds));
		for (unsigned i = 0; i < n; i++)
			fds[i] = open_socket();
	}
	for (unsigned i = 0; i < n; i++) {
		disconnect(fds[i]);
		(void)connect(fds[i], (const struct sockaddr *)&to[i], sizeof(to[i]));
	}
}

static int
open_deaf(void)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &drop };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
	    sizeof(filter)) < 0)
		err(1, "a raw socket");
	return fd;
}

static void
echo(const struct sockaddr_in *to, unsigned n)
{
	enum { ID = 1 };	/* Linux 6.18 sums an answer of zeros wrongly */
	static struct icmphdr ask = { .type = ICMP_ECHO };
	static struct iovec all = { .iov_base = &ask, .iov_len = sizeof(ask) };
	static struct mmsghdr *msgs;
	static int fd = -1;

	if (fd < 0) {
		fd = open_deaf();
		msgs = mem_zalloc(n * sizeof(*msgs));
		ask.un.echo.id = htons(ID);
		ask.checksum = (uint16_t)~htons((ICMP_ECHO << 8) + ID);	/* RFC 1071 */
	}
	for (unsigned i = 0; i < n; i++)
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = (void *)(uintptr_t)&to[i],
			.msg_namelen = sizeof(to[i]), .msg_iov = &all, .msg_iovlen = 1 };
	if (sendmmsg(fd, msgs, n, 0) < 0)
		err(1, "sending echoes");
}

/* At the pace of a checker, so that queues and caches are as a checker's. */
static void
loop(void (*ask)(const struct sockaddr_in *to, unsigned n), unsigned n, uint32_t first)
{
	unsigned some = n / TICKS_PER_SEC;
	struct sockaddr_in *to = mem_zalloc(some * sizeof(*to));
	struct mono due = clock_mono();

	for (unsigned i = 0; i < some; i++)
		to[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
	for (unsigned at = 0;; at = (at + some) % (n - n % some)) {
		struct mono now = clock_mono();

		for (unsigned i = 0; i < some; i++)
			to[i].sin_addr.s_addr = htonl(first + at + i);
		due = mono_before(now, due) ? due : now;
		usleep((useconds_t)(mono_delay_sec(now, due) * 1e6));
		due = mono_add_ms(due, 1000 / TICKS_PER_SEC);
		ask(to, some);
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
check(unsigned n, uint32_t first, enum probe_kind kind)
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
			.ip = ip_from_v4(first + i), .port = PORT, .conf = &conf };
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
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : TICKS_PER_SEC;
	uint32_t first = argc > 3 ? ntohl(inet_addr(argv[3])) : INADDR_NONE;

	if (strcmp(what, "serve") == 0)
		serve();
	if (n < TICKS_PER_SEC)
		errx(2, "N: %d at least", TICKS_PER_SEC);
	if (first == INADDR_NONE)
		errx(2, "usage: see the source");
	if (strcmp(what, "herald") == 0)
		check(n, first, PROBE_TCP);
	else if (strcmp(what, "half-open") == 0)
		check(n, first, PROBE_TCP_HALF_OPEN);
	else if (strcmp(what, "plain") == 0)
		loop(connect_plain, n, first);
	else if (strcmp(what, "least") == 0)
		loop(connect_least, n, first);
	else if (strcmp(what, "later") == 0)
		loop(connect_later, n, first);
	else if (strcmp(what, "echo") == 0)
		loop(echo, n, first);
	else
		errx(2, "usage: see the source");
	return 0;
}
