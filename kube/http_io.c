/*
 * http_io.c - see http_io.h; http_call_io.c makes the calls.
 *
 * libcurl tells which sockets and which timer to watch (socket_cb, timer_cb);
 * libev says when they are ready (io_cb, timeout_cb), and after each of those
 * the finished transfers are collected.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/http_impl.h"
#include "lib/mem.h"

struct sock {
	ev_io	io;
	struct http *http;
};

/* --- what has finished --------------------------------------------------- */

/* The server did not know our token; a newer one is there: once more. */
static bool
retry_with_token(struct http_call *c)
{
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 401 || c->is_retried || !token_refresh(&c->http->token, true))
		return false;
	c->is_retried = true;
	c->in_len = 0;
	curl_multi_remove_handle(c->http->multi, c->easy);
	http_call_set_headers(c);
	curl_multi_add_handle(c->http->multi, c->easy);
	return true;
}

static void
collect(struct http *h)
{
	struct http_call *c;
	CURLMsg *msg;
	int nleft;

	/* A done() may start and cancel calls: ask libcurl anew each time. */
	while ((msg = curl_multi_info_read(h->multi, &nleft)) != NULL) {
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		if (!retry_with_token(c))
			http_call_finish(c, code);
	}
}

/* --- libcurl on libev --------------------------------------------------- */

static void
io_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct http *h = ((struct sock *)io)->http;
	int what = 0, nrunning;

	(void)loop;
	if (revents & EV_READ)
		what |= CURL_CSELECT_IN;
	if (revents & EV_WRITE)
		what |= CURL_CSELECT_OUT;
	/* io may be gone after this: the socket may have been closed. */
	curl_multi_socket_action(h->multi, io->fd, what, &nrunning);
	collect(h);
}

static void
timeout_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct http *h = timer->data;
	int nrunning;

	(void)loop;
	(void)revents;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &nrunning);
	collect(h);
}

static int
socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
	struct http *h = arg;
	struct sock *s = sock_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL) {
			ev_io_stop(h->loop, &s->io);
			curl_multi_assign(h->multi, fd, NULL);
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
		s->http = h;
		curl_multi_assign(h->multi, fd, s);
		ev_io_init(&s->io, io_cb, fd, events);
	} else {
		ev_io_stop(h->loop, &s->io);
		ev_io_set(&s->io, fd, events);
	}
	ev_io_start(h->loop, &s->io);
	return 0;
}

static int
timer_cb(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	ev_timer_stop(h->loop, &h->timer);
	if (timeout_ms >= 0) {
		ev_timer_set(&h->timer, (double)timeout_ms / 1e3, 0.);
		ev_timer_start(h->loop, &h->timer);
	}
	return 0;
}

/* --- the client --------------------------------------------------------- */

/*
 * Where the certificate is to carry another name than the URL: the URL gets
 * that name, and CONNECT_TO the way to the real one, so that SNI and the
 * verification both use it.
 */
static int
set_server(struct http *h, struct kube_error *ret_err)
{
	const struct kube_access *a = &h->access;
	char *host = NULL, *port = NULL, *path = NULL, *scheme = NULL, *text;
	CURLU *url = curl_url();
	int r = 0;

	if (url == NULL || curl_url_set(url, CURLUPART_URL, a->server, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)) {
		kube_error_set(ret_err, "%s: server \"%s\" is no URL: write "
		    "https://HOST:PORT", a->origin, a->server);
		r = -EINVAL;
		goto out;
	}
	if (a->tls_server_name == NULL) {
		h->base = mem_strdup(a->server);
		goto out;
	}
	text = mem_printf("::%s:%s", host, port);
	h->connect_to = curl_slist_append(NULL, text);
	free(text);
	h->host = mem_printf("Host: %s:%s", host, port);
	h->base = mem_printf("%s://%s:%s%s", scheme, a->tls_server_name, port,
	    strcmp(path, "/") == 0 ? "" : path);
out:
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(scheme);
	curl_url_cleanup(url);
	return r;
}

struct http *
http_new(struct ev_loop *loop, struct kube_access *access, const char *agent,
    struct kube_error *ret_err)
{
	static bool is_curl_ready;
	struct http *h;

	if (!is_curl_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		kube_error_set(ret_err, "libcurl cannot be initialised");
		return NULL;
	}
	is_curl_ready = true;
	h = mem_zalloc(sizeof(*h));
	h->loop = loop;
	h->access = *access;
	*access = (struct kube_access){ 0 };
	h->agent = mem_strdup(agent);
	token_init(&h->token, h->access.token, h->access.token_file);
	ev_init(&h->timer, timeout_cb);
	h->timer.data = h;
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		abort();
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	if (set_server(h, ret_err) != 0) {
		http_free(h);
		return NULL;
	}
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->calls != NULL)
		http_call_free(h->calls);
	while (h->nidle > 0)
		curl_easy_cleanup(h->idle[--h->nidle]);
	curl_multi_cleanup(h->multi);
	ev_timer_stop(h->loop, &h->timer);
	curl_slist_free_all(h->connect_to);
	kube_access_fini(&h->access);
	token_fini(&h->token);
	free(h->host);
	free(h->base);
	free(h->agent);
	free(h);
}
