/* The HTTP server, asked over loopback from within its own event loop. */
#include <ev.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/httpd_io.h"
#include "lib/ip.h"
#include "lib/metrics.h"
#include "tests/check.h"

static char got[4096];
static size_t got_len;

static int
answer(void *arg, const char *path, FILE *f, const char **ret_type)
{
	(void)arg;
	if (strcmp(path, "/status") != 0)
		return 404;
	*ret_type = "application/json";
	fputs("{}", f);
	return 200;
}

static void
on_reply(struct ev_loop *loop, ev_io *w, int revents)
{
	ssize_t n = read(w->fd, got + got_len, sizeof(got) - 1 - got_len);

	(void)revents;
	if (n <= 0)
		ev_break(loop, EVBREAK_ALL);
	else
		got_len += (size_t)n;
	got[got_len] = '\0';
}

static void
ask_for(struct ev_loop *loop, uint16_t port, const char *request,
    void (*on_read)(struct ev_loop *loop, ev_io *w, int revents))
{
	struct ip here = ip_from_v4(0x7f000001);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&here, port, &ss);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ev_io w;

	got_len = 0;
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(write(fd, request, strlen(request)), (int)strlen(request));
	ev_io_init(&w, on_read, fd, EV_READ);
	ev_io_start(loop, &w);
	ev_run(loop, 0);
	ev_io_stop(loop, &w);
	close(fd);
}

static const struct {
	const char *why, *request, *status, *body;
} rows[] = {
	{ "metrics are built in", "GET /metrics", "HTTP/1.1 200", "" },
	{ "their head, too", "HEAD /metrics", "HTTP/1.1 200", "version=0.0.4" },
	{ "so is health", "GET /healthz", "HTTP/1.1 200", "\r\n\r\nok\n" },
	{ "the owner answers the rest", "GET /status", "HTTP/1.1 200", "\r\n\r\n{}" },
	{ "what nobody knows is 404", "GET /nothing", "HTTP/1.1 404", "" },
	{ "nothing can be written", "POST /status", "HTTP/1.1 405", "only GET" },
};

START_TEST(requests)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char err[256], request[128], listen[32];
	struct httpd *h = NULL;
	uint16_t port = 20000;

	for (; h == NULL && port < 20100; port++) {
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
		h = httpd_new(loop, listen, answer, NULL, err);
	}
	ck_assert_msg(h != NULL, "%s", err);
	snprintf(request, sizeof(request),
	    "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rows[_i].request);
	ask_for(loop, (uint16_t)(port - 1), request, on_reply);
	ck_assert_msg(strstr(got, rows[_i].status) == got, "%s: %s", rows[_i].why, got);
	ck_assert_msg(strstr(got, rows[_i].body) != NULL, "%s: %s", rows[_i].why, got);
	httpd_free(h);
	ev_loop_destroy(loop);
}
END_TEST

enum { NPIECES = 500 };

static bool
piece(void *arg, FILE *f, uint64_t *at)
{
	unsigned *nwritten = arg;

	if (*at == NPIECES)
		return false;
	/* Every second one has nothing to say. */
	if ((*at)++ % 2 == 0)
		fprintf(f, "%0*d\n", 20000, 7);
	(*nwritten)++;
	return true;
}

static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	unsigned **counts = w->data, now = *counts[0];

	(void)loop;
	(void)revents;
	if (now - *counts[1] > *counts[2])
		*counts[2] = now - *counts[1];
	*counts[1] = now;
}

static void
count_bytes(struct ev_loop *loop, ev_io *w, int revents)
{
	ssize_t n = read(w->fd, got, sizeof(got));

	(void)revents;
	if (n <= 0)
		ev_break(loop, EVBREAK_ALL);
	else
		got_len += (size_t)n;
}

/* A long scrape does not keep the loop from all else. */
START_TEST(long_scrape)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	unsigned nwritten = 0, before = 0, most = 0, *counts[] = { &nwritten, &before, &most };
	struct httpd *h = NULL;
	uint16_t port = 20100;
	ev_prepare turn;
	char err[256], listen[32];

	for (; h == NULL && port < 20200; port++) {
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
		h = httpd_new(loop, listen, answer, NULL, err);
	}
	ck_assert_msg(h != NULL, "%s", err);
	metrics_set_writer(piece, &nwritten);
	ev_prepare_init(&turn, on_turn);
	turn.data = counts;
	ev_prepare_start(loop, &turn);
	ask_for(loop, (uint16_t)(port - 1), "GET /metrics HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n\r\n", count_bytes);
	ev_prepare_stop(loop, &turn);
	metrics_set_writer(NULL, NULL);
	ck_assert_uint_eq(nwritten, NPIECES);
	ck_assert_msg(got_len >= NPIECES / 2 * 20000, "%zu bytes", got_len);
	ck_assert_msg(most <= 8, "%u pieces in one turn of the loop", most);
	httpd_free(h);
	ev_loop_destroy(loop);
}
END_TEST

static const char *const bad[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
	"127.0.0.1:65536", "127.0.0.1:80x", "host:80", "1.2.3.4:99999999999999999999" };

START_TEST(bad_listen)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char err[256] = "";

	ck_assert_ptr_null(httpd_new(loop, bad[_i], answer, NULL, err));
	ck_assert_ptr_nonnull(strstr(err, "write 127.0.0.1:7472"));
	ev_loop_destroy(loop);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, requests, 0, nitems(rows));
	tcase_add_test(tc, long_scrape);
	tcase_add_loop_test(tc, bad_listen, 0, nitems(bad));
}

TEST_MAIN("httpd", fill)
