#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/httpd_io.h"
#include "lib/ip.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	MAX_CONNECTIONS = 32,
	IDLE_SEC = 10,
	PIECE_BYTES = 32 * 1024,	/* of a body, between two turns of the loop */
};

struct httpd {
	struct ev_loop *loop;
	struct MHD_Daemon *daemon;
	ev_io	readable;		/* libmicrohttpd's own epoll descriptor */
	ev_timer timer;			/* its next timeout */
	httpd_answer_fn *answer;
	void	*arg;
};

static int
answer(struct httpd *h, const char *path, FILE *f, const char **ret_type)
{
	if (strcmp(path, "/healthz") == 0) {
		fputs("ok\n", f);
		return MHD_HTTP_OK;
	}
	return h->answer(h->arg, path, f, ret_type);
}

/* The body of /metrics, which may be tens of MB: written as it is sent. */
struct scrape {
	char	*text;			/* the piece that is being sent */
	size_t	len, sent;
	uint64_t at;			/* metrics_write_piece()'s */
};

/* The next piece that has anything in it; false at the end. */
static bool
scrape_next(struct scrape *s)
{
	bool has_more = true;
	FILE *f;

	do {
		free(s->text);
		s->text = NULL;
		s->len = s->sent = 0;
		if ((f = open_memstream(&s->text, &s->len)) == NULL)
			return false;
		has_more = metrics_write_piece(f, &s->at);
		fclose(f);
	} while (has_more && s->len == 0);
	return has_more;
}

static ssize_t
scrape_read(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct scrape *s = arg;
	size_t n;

	(void)pos;
	if (s->sent == s->len && !scrape_next(s))
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = s->len - s->sent < max ? s->len - s->sent : max;
	memcpy(buf, s->text + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void
scrape_free(void *arg)
{
	struct scrape *s = arg;

	free(s->text);
	free(s);
}

static struct MHD_Response *
scrape_start(void)
{
	struct scrape *s = mem_zalloc(sizeof(*s));
	struct MHD_Response *response;
	FILE *f = open_memstream(&s->text, &s->len);

	if (f != NULL) {
		metrics_write(f);
		fclose(f);
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES,
	    scrape_read, s, scrape_free);
	if (response == NULL)
		scrape_free(s);
	return response;
}

static bool
is_read(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* All else is written at once. */
static struct MHD_Response *
response_of(struct httpd *h, const char *url, const char *method, int *ret_status,
    const char **ret_type)
{
	struct MHD_Response *response;
	char *body = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&body, &len);

	if (f == NULL)
		return NULL;
	if (is_read(method)) {
		*ret_status = answer(h, url, f, ret_type);
	} else {
		fputs("only GET and HEAD are answered here\n", f);
		*ret_status = MHD_HTTP_METHOD_NOT_ALLOWED;
	}
	fclose(f);
	response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(body);
	return response;
}

static enum MHD_Result
request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **state)
{
	const char *type = "text/plain; charset=utf-8";
	struct MHD_Response *response;
	int status = MHD_HTTP_OK;
	enum MHD_Result rc;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (strcmp(url, "/metrics") == 0 && is_read(method)) {
		type = "text/plain; version=0.0.4";
		response = scrape_start();
	} else {
		response = response_of(arg, url, method, &status, &type);
	}
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	rc = MHD_queue_response(c, (unsigned)status, response);
	MHD_destroy_response(response);
	return rc;
}

/* Let libmicrohttpd work, then wake it again when it next wants to. */
static void
run(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG msec;

	MHD_run(h->daemon);
	ev_timer_stop(h->loop, &h->timer);
	if (MHD_get_timeout(h->daemon, &msec) == MHD_YES) {
		ev_timer_set(&h->timer, (double)msec / 1e3, 0.);
		ev_timer_start(h->loop, &h->timer);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

/* "ADDRESS:PORT" in its three forms; 0 or -EINVAL. */
static int
parse_listen(const char *text, struct sockaddr_storage *ss)
{
	const char *colon = strrchr(text, ':');
	char host[IP_STRLEN + 2];
	struct ip ip;
	char *end;
	long port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || port < 1 || port > 65535)
		return -EINVAL;
	if (host[0] == '\0')
		strcpy(host, "[::]");
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (ip_parse(host, &ip) != 0)
		return -EINVAL;
	ip_to_sockaddr(&ip, (uint16_t)port, ss);
	return 0;
}

static struct MHD_Daemon *
start(struct httpd *h, const struct sockaddr_storage *ss)
{
	unsigned flags = MHD_USE_EPOLL;

	if (ss->ss_family == AF_INET6)
		flags |= MHD_USE_DUAL_STACK;
	return MHD_start_daemon(flags, 0, NULL, NULL, request, h,
	    MHD_OPTION_SOCK_ADDR, ss,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SEC,
	    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
}

struct httpd *
httpd_new(struct ev_loop *loop, const char *listen, httpd_answer_fn *answer_fn,
    void *arg, char err[256])
{
	const union MHD_DaemonInfo *info;
	struct sockaddr_storage ss;
	struct httpd *h;

	if (parse_listen(listen, &ss) != 0) {
		snprintf(err, 256, "--http \"%s\": not ADDRESS:PORT; "
		    "write 127.0.0.1:7472, [::1]:7472 or :7472", listen);
		return NULL;
	}
	h = mem_zalloc(sizeof(*h));
	h->loop = loop;
	h->answer = answer_fn;
	h->arg = arg;
	errno = 0;
	h->daemon = start(h, &ss);
	if (h->daemon == NULL) {
		snprintf(err, 256, "--http %s: cannot listen: %s; "
		    "choose another address or port", listen,
		    errno != 0 ? strerror(errno) : "refused by libmicrohttpd");
		free(h);
		return NULL;
	}
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ev_io_init(&h->readable, on_readable, info->epoll_fd, EV_READ);
	ev_timer_init(&h->timer, on_timer, 0., 0.);
	h->readable.data = h->timer.data = h;
	ev_io_start(loop, &h->readable);
	return h;
}

void
httpd_free(struct httpd *h)
{
	if (h == NULL)
		return;
	ev_io_stop(h->loop, &h->readable);
	ev_timer_stop(h->loop, &h->timer);
	MHD_stop_daemon(h->daemon);
	free(h);
}
