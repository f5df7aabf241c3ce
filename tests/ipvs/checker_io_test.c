/*
 * The checker with real sockets on loopback: endpoints that answer, one that
 * refuses, one that accepts nothing any more; changes of what is checked while
 * probes are under way. In a network namespace of each test's own, as half-open checks
 * take a raw socket.
 */
#include <ev.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/checker_io.h"
#include "lib/clock.h"
#include "tests/check.h"

static struct ev_loop *loop;
static struct checker *checker;

/* A listener; its port goes to *ret_port. */
static int
listen_at(const struct ip *ip, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(ip, 0, &ss);
	int fd = socket(ip_af(ip), SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

static int
listen_on(uint16_t *ret_port)
{
	struct ip ip = ip_from_v4(0x7f000001);

	return listen_at(&ip, ret_port);
}

static void
on_changed(void *arg)
{
	ev_break(arg, EVBREAK_ALL);
}

static void
on_time(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

static const struct check_view *
find(uint64_t id)
{
	size_t n;
	const struct check_view *v = checker_views(checker, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].id == id)
			return &v[i];
	}
	return NULL;
}

/* Run until the endpoint is as wanted; 10 s is for ever. */
static const struct check_view *
await(uint64_t id, bool is_up)
{
	struct mono end = mono_add_sec(clock_mono(), 10);
	const struct check_view *v;

	while ((v = find(id)) == NULL || v->is_up != is_up) {
		ev_timer t;

		ck_assert_msg(mono_before(clock_mono(), end), "%llu never %s",
		    (unsigned long long)id, is_up ? "up" : "down");
		ev_timer_init(&t, on_time, 1., 0.);
		ev_timer_start(loop, &t);
		ev_run(loop, 0);
		ev_timer_stop(loop, &t);
	}
	return v;
}

/* Runs in the child that Check forks for each test. */
static void
enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_msg(unshare(CLONE_NEWNET) == 0 ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "no namespace of its own");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

static void
setup(void)
{
	char err[256];

	enter_namespace();
	loop = ev_loop_new(EVFLAG_AUTO);
	checker = checker_new(loop, NULL, on_changed, loop, err);
	ck_assert_ptr_nonnull(checker);
}

static void
teardown(void)
{
	checker_free(checker);
	ev_loop_destroy(loop);
}

static const struct probe_conf tcp = { .kind = PROBE_TCP,
	.health = { .interval_ms = 20, .timeout_ms = 10, .rise = 2, .fall = 3 } };

static const struct probe_conf half_open = { .kind = PROBE_TCP_HALF_OPEN,
	.health = { .interval_ms = 20, .timeout_ms = 10, .rise = 2, .fall = 3 } };

static const struct {
	const char *ip;
	const struct probe_conf *conf;
} kinds[] = {
	{ "127.0.0.1", &tcp }, { "127.0.0.1", &half_open },
	{ "::1", &tcp }, { "::1", &half_open },
};

START_TEST(up_and_down)
{
	struct check_want wants[2] = { { .id = 3, .conf = kinds[_i].conf },
		{ .id = 7, .port = 1, .conf = kinds[_i].conf } };
	const struct check_view *v;
	uint16_t port;
	int fd;

	ck_assert_int_eq(ip_parse(kinds[_i].ip, &wants[0].ip), 0);
	wants[1].ip = wants[0].ip;
	fd = listen_at(&wants[0].ip, &port);
	wants[0].port = port;
	checker_set(checker, wants, 2);
	v = await(7, false);
	ck_assert_str_eq(v->why, "connection refused: nothing listens there");
	ck_assert_uint_eq(v->ntransitions, 1);
	v = find(3);
	ck_assert(v->is_up && v->ntransitions == 0 && v->why[0] == '\0');
	close(fd);
	v = await(3, false);
	ck_assert_uint_eq(v->ntransitions, 1);
}
END_TEST

START_TEST(silent)
{
	/* Nobody accepts: once the queue is full, SYNs are dropped. */
	struct ip ip = ip_from_v4(0x7f000001);
	struct check_want want = { .id = 1, .ip = ip, .conf = kinds[_i].conf };
	struct sockaddr_storage ss;
	int fd = listen_on(&want.port), full[3];
	socklen_t len = ip_to_sockaddr(&ip, want.port, &ss);

	ck_assert_int_eq(listen(fd, 0), 0);
	for (size_t i = 0; i < nitems(full); i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(full[i], (struct sockaddr *)&ss, len);
	}
	checker_set(checker, &want, 1);
	ck_assert_str_eq(await(1, false)->why, "no answer within 10 ms");
	for (size_t i = 0; i < nitems(full); i++)
		close(full[i]);
	close(fd);
}
END_TEST

START_TEST(what_is_checked_changes)
{
	struct ip ip = ip_from_v4(0x7f000001);
	struct probe_conf other = half_open, http = { .kind = PROBE_HTTP, .path = "/",
		.health = tcp.health };
	struct check_want wants[3] = { { 1, ip, 1, &tcp }, { 2, ip, 1, &half_open },
		{ 3, ip, 1, &http } };
	size_t n;
	uint16_t port;
	int fd = listen_on(&port);

	other.health.interval_ms = 30;
	checker_set(checker, wants, 3);
	await(1, false);
	await(2, false);
	await(3, false);
	/* 1 goes, 2 has another conf and keeps its state, 3 another address. */
	wants[1].conf = &other;
	wants[2] = (struct check_want){ 3, ip, port, &tcp };
	checker_set(checker, wants + 1, 2);
	await(3, true);
	ck_assert_ptr_null(find(1));
	ck_assert(!find(2)->is_up && find(2)->ntransitions == 1);
	/* Many, and at once none, with probes under way. */
	for (int round = 0; round < 20; round++) {
		checker_set(checker, wants, 3);
		checker_set(checker, wants, (size_t)round % 3);
	}
	checker_set(checker, NULL, 0);
	do {
		ev_run(loop, EVRUN_NOWAIT);
		(void)checker_views(checker, &n);
	} while (n > 0);
	close(fd);
}
END_TEST

/* More than go into one system call, on both families, good ones and bad. */
START_TEST(many)
{
	enum { N = 300 };
	struct probe_conf slow = half_open;
	struct check_want wants[N];
	struct ip ip6;
	uint16_t port, port6;
	int fd = listen_on(&port), fd6;

	ck_assert_int_eq(ip_parse("::1", &ip6), 0);
	fd6 = listen_at(&ip6, &port6);
	slow.health = (struct health_conf){ .interval_ms = 200, .timeout_ms = 200,
		.rise = 1, .fall = 1, .starts_down = true };
	for (unsigned i = 0; i < N; i++) {
		bool is_v6 = i % 3 == 0, is_open = i % 10 != 9;

		wants[i] = (struct check_want){ .id = i, .conf = &slow,
			.ip = is_v6 ? ip6 : ip_from_v4(0x7f000001),
			.port = !is_open ? 1 : is_v6 ? port6 : port };
		/* What is up and refuses has to go down, the others to come up. */
		if (!is_open)
			wants[i].conf = &half_open;
	}
	checker_set(checker, wants, N);
	for (unsigned i = 0; i < N; i++) {
		bool is_open = i % 10 != 9;
		const struct check_view *v = await(i, is_open);

		ck_assert_uint_eq(v->ntransitions, 1);
		ck_assert_str_eq(v->why, is_open ? "" :
		    "connection refused: nothing listens there");
	}
	close(fd);
	close(fd6);
}
END_TEST

/* Each SYN comes from the endpoint's own address: answers to either are heard. */
START_TEST(two_sources)
{
	static const char *const ips[][2] = {
		{ "127.0.0.1", "192.0.2.1" }, { "::1", "2001:db8::1" },
	};
	struct probe_conf starts_down = half_open;
	struct check_want wants[3];
	char command[64];
	int fds[2];

	/* nodad: nobody can bind to an address that others may have. */
	snprintf(command, sizeof(command), "ip address add %s dev lo%s", ips[_i][1],
	    _i == 1 ? " nodad" : "");
	ck_assert_int_eq(system(command), 0);
	starts_down.health.starts_down = true;
	for (uint64_t i = 0; i < 2; i++) {
		wants[i] = (struct check_want){ .id = i, .conf = &starts_down };
		ck_assert_int_eq(ip_parse(ips[_i][i], &wants[i].ip), 0);
		fds[i] = listen_at(&wants[i].ip, &wants[i].port);
	}
	wants[2] = (struct check_want){ .id = 2, .ip = wants[0].ip, .port = 1,
		.conf = &half_open };
	checker_set(checker, wants, 1);
	await(0, true);
	checker_set(checker, wants, 2);
	await(1, true);
	checker_set(checker, wants, 3);
	await(2, false);	/* as long as it takes to see that another is silent */
	for (uint64_t i = 0; i < 2; i++) {
		ck_assert(find(i)->is_up && find(i)->ntransitions == 1);
		close(fds[i]);
	}
}
END_TEST

START_TEST(no_namespace)
{
	char err[256];

	ck_assert_ptr_null(checker_new(loop, "herald-no-such", on_changed, loop, err));
	ck_assert_msg(strstr(err, "herald-no-such") != NULL, "%s", err);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, up_and_down, 0, nitems(kinds));
	tcase_add_loop_test(tc, silent, 0, 2);
	tcase_add_test(tc, many);
	tcase_add_loop_test(tc, two_sources, 0, 2);
	tcase_add_test(tc, what_is_checked_changes);
	tcase_add_test(tc, no_namespace);
}

TEST_MAIN("ipvs checker", fill)
