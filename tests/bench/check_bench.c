/*
 * check_bench N INTERVAL_MS SECONDS: what N TCP checks cost.
 *
 * A child accepts on every address of 127.16.0.0/12, port PORT; this process
 * checks N of them by the real checker and says how much of a core it used,
 * user and system, the kernel's work for both ends of each connection included.
 * Beside it, what the kernel takes for as many connections made by a bare loop of
 * socket, connect and close: no checker that connects can be far below.
 */
#include <err.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipvs/checker_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { PORT = 17800 };

static void
serve(int ready)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 4096) < 0)
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			close(c);
	}
}

static double
cpu_sec(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Microseconds for each of n. */
static double
bare_us(const struct check_want *wants, unsigned n)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	double cpu = cpu_sec();

	for (unsigned i = 0; i < n; i++) {
		struct sockaddr_storage to;
		socklen_t len = ip_to_sockaddr(&wants[i].ip, wants[i].port, &to);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset)) < 0 || connect(fd, (struct sockaddr *)&to, len) < 0)
			err(1, "a bare connection");
		close(fd);
		/* A second's work at a second's pace: queues and caches are as the checker's. */
		if (i % (n / 100 + 1) == 0)
			usleep(10000);
	}
	return (cpu_sec() - cpu) / n * 1e6;
}

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
run_for(struct ev_loop *loop, double sec)
{
	ev_timer t;

	ev_timer_init(&t, on_time, sec, 0.);
	ev_timer_start(loop, &t);
	ev_run(loop, 0);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	struct probe_conf conf = { .kind = PROBE_TCP, .health = {
		.interval_ms = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000,
		.timeout_ms = 500, .rise = 2, .fall = 3, .starts_down = true } };
	double sec = argc > 3 ? atof(argv[3]) : 10, cpu, us;
	struct check_want *wants = mem_zalloc((n + 1) * sizeof(*wants));
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct checker *c;
	const struct check_view *views;
	size_t nviews, nup = 0;
	char err[256], byte;
	int ready[2];
	pid_t child;

	if (pipe(ready) < 0 || (child = fork()) < 0)
		return 1;
	if (child == 0)
		serve(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 1;
	for (unsigned i = 0; i < n; i++)
		wants[i] = (struct check_want){ .id = i + 1,
			.ip = ip_from_v4(0x7f100000 + i), .port = PORT, .conf = &conf };
	c = checker_new(loop, NULL, on_changed, NULL, err);
	if (c == NULL) {
		fprintf(stderr, "check_bench: %s\n", err);
		return 1;
	}
	checker_set(c, wants, n);
	run_for(loop, 2.5 * conf.health.interval_ms / 1e3);
	cpu = cpu_sec();
	run_for(loop, sec);
	cpu = cpu_sec() - cpu;
	views = checker_views(c, &nviews);
	for (size_t i = 0; i < nviews; i++)
		nup += views[i].is_up;
	us = cpu / sec * conf.health.interval_ms / 1e3 / n * 1e6;
	printf("%u TCP checks each %u ms: %.1f %% of a core, %.1f us a check; %zu up\n", n,
	    conf.health.interval_ms, cpu / sec * 100, us, nup);
	checker_free(c);
	cpu = bare_us(wants, n);
	printf("  a bare loop of as many connections: %.1f us each; the checker takes %.2f "
	    "of it\n", cpu, us / cpu);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ev_loop_destroy(loop);
	free(wants);
	return nup == n ? 0 : 1;
}
