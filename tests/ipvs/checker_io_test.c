/*
 * The checker with real sockets on loopback: endpoints that answer, one that
 * refuses, one that accepts nothing any more; changes of what is checked while
 * probes are under way.
 */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/checker_io.h"
#include "lib/clock.h"
#include "tests/check.h"

static struct ev_loop *loop;
static struct checker *checker;

/* A listener on 127.0.0.1; its port goes to *ret_port. */
static int
listen_on(uint16_t *ret_port)
{
	struct ip ip = ip_from_v4(0x7f000001);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&ip, 0, &ss);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*ret_port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
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

static void
setup(void)
{
	char err[256];

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

START_TEST(up_and_down)
{
	struct ip ip = ip_from_v4(0x7f000001);
	struct check_want wants[2] = { { .id = 3, .ip = ip, .conf = &tcp },
		{ .id = 7, .ip = ip, .port = 1, .conf = &tcp } };
	const struct check_view *v;
	uint16_t port;
	int fd = listen_on(&port);

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
	struct check_want want = { .id = 1, .ip = ip, .conf = &tcp };
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
	struct probe_conf other = tcp, http = { .kind = PROBE_HTTP, .path = "/",
		.health = tcp.health };
	struct check_want wants[3] = { { 1, ip, 1, &tcp }, { 2, ip, 1, &tcp },
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
	tcase_add_test(tc, up_and_down);
	tcase_add_test(tc, silent);
	tcase_add_test(tc, what_is_checked_changes);
	tcase_add_test(tc, no_namespace);
}

TEST_MAIN("ipvs checker", fill)
