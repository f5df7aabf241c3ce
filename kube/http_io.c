/*
 * http_io.c - see http_io.h.
 *
 * libcurl tells which sockets and which timer to watch (socket_cb, timer_cb);
 * libev says when they are ready (io_cb, timeout_cb), and after each of those
 * the finished transfers are collected (collect()). A watch whose server has
 * died without a word is found by TCP: keepalive probes while the connection
 * is idle, TCP_USER_TIMEOUT while something is unacknowledged.
 */
#include <curl/curl.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kube/http_io.h"
#include "kube/token.h"
#include "lib/mem.h"

enum {
	KEEPALIVE_IDLE_SEC = 15,
	KEEPALIVE_STEP_SEC = 5,
	USER_TIMEOUT_MS = 30 * 1000,
	CA_CACHE_SEC = 60,	/* a rotated CA file is seen this soon */
	NIDLE_MAX = 16,		/* easy handles kept for the next calls */
};

struct http {
	struct ev_loop *loop;
	CURLM	*multi;
	ev_timer timer;			/* libcurl's one timer */
	struct kube_access access;
	char	*agent;
	char	*host;			/* "Host: ..." with tls_server_name */
	char	*base;			/* URL up to the path */
	struct curl_slist *connect_to;
	struct token token;
	struct http_call *calls;
	CURL	*idle[NIDLE_MAX];
	size_t	nidle;
};

struct http_call {
	struct http *http;
	struct http_call *prev, *next;
	CURL	*easy;
	struct curl_slist *headers;
	struct http_request req;	/* body and path are not kept here */
	char	*url, *body, *content_type;
	char	*in;			/* what of the answer is kept */
	size_t	in_len, in_cap;
	int	data_error;		/* why data_cb() stopped the call */
	bool	is_retried;		/* with a fresh token after a 401 */
	ev_timer first_byte;
	char	curl_text[CURL_ERROR_SIZE];
};

struct sock {
	ev_io	io;
	struct http *http;
};

static void collect(struct http *h);

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

static int
sockopt_cb(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int ms = USER_TIMEOUT_MS;

	(void)arg;
	(void)purpose;
	/* Where the kernel will not have it, keepalive alone must do. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

/* --- one call ----------------------------------------------------------- */

static size_t
write_cb(char *buf, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;
	size_t len = size * n, max = HTTP_ERROR_BODY_MAX;
	long status = 0;

	ev_timer_stop(c->http->loop, &c->first_byte);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2) {
		if (c->req.data != NULL) {
			c->data_error = c->req.data(c->req.arg, buf, len);
			return c->data_error == 0 ? len : 0;
		}
		if (c->in_len + len > c->req.max_body) {
			c->data_error = -EMSGSIZE;
			return 0;
		}
		max = c->req.max_body;
	}
	if (c->in_len + len > max)	/* of an error, the start is enough */
		return len;
	while (c->in_cap - c->in_len <= len)
		c->in = mem_grow(c->in, c->in_cap, &c->in_cap, 1);
	memcpy(c->in + c->in_len, buf, len);
	c->in_len += len;
	c->in[c->in_len] = '\0';
	return len;
}

static size_t
header_cb(char *buf, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	(void)buf;
	ev_timer_stop(c->http->loop, &c->first_byte);
	return size * n;
}

static void
set_pem(CURL *easy, CURLoption path_opt, CURLoption blob_opt,
    const struct kube_pem *pem)
{
	struct curl_blob blob = { .flags = CURL_BLOB_NOCOPY };

	if (pem->path != NULL) {
		curl_easy_setopt(easy, path_opt, pem->path);
	} else if (pem->text != NULL) {
		blob.data = (void *)(uintptr_t)pem->text;
		blob.len = strlen(pem->text);
		curl_easy_setopt(easy, blob_opt, &blob);
	}
}

static void
set_tls(struct http *h, CURL *easy)
{
	const struct kube_access *a = &h->access;

	if (a->ca.path != NULL || a->ca.text != NULL) {
		set_pem(easy, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB, &a->ca);
		/* The cluster's CA alone, not the system's beside it. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_SEC);
	}
	if (a->is_insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	set_pem(easy, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, &a->cert);
	set_pem(easy, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB, &a->key);
}

static void
set_connection(struct http *h, CURL *easy)
{
	const struct kube_access *a = &h->access;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_SEC);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_SEC);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_STEP_SEC);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, sockopt_cb);
	if (a->proxy_url != NULL)
		curl_easy_setopt(easy, CURLOPT_PROXY, a->proxy_url);
	if (h->connect_to != NULL)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, h->connect_to);
	if (a->username != NULL) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, a->username);
		curl_easy_setopt(easy, CURLOPT_PASSWORD,
		    a->password != NULL ? a->password : "");
	}
}

static void
add_header(struct http_call *c, const char *text)
{
	struct curl_slist *list = curl_slist_append(c->headers, text);

	if (list != NULL)
		c->headers = list;
}

static void
set_headers(struct http_call *c)
{
	struct http *h = c->http;
	char *auth, *type;

	curl_slist_free_all(c->headers);
	c->headers = NULL;
	add_header(c, "Accept: application/json");
	(void)token_refresh(&h->token, false);
	if (h->token.text != NULL) {
		auth = mem_printf("Authorization: Bearer %s", h->token.text);
		add_header(c, auth);
		explicit_bzero(auth, strlen(auth));
		free(auth);
	}
	if (h->host != NULL)
		add_header(c, h->host);
	if (c->content_type != NULL) {
		type = mem_printf("Content-Type: %s", c->content_type);
		add_header(c, type);
		free(type);
	}
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void
set_request(struct http_call *c)
{
	CURL *easy = c->easy;

	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->req.method);
	if (c->body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)strlen(c->body));
	}
	curl_easy_setopt(easy, CURLOPT_USERAGENT, c->http->agent);
	/* Compression would cost more memory than it saves on a LAN. */
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)c->req.timeout_sec);
	if (c->req.data == NULL) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_SEC);
	}
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_cb);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_text);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	set_headers(c);
}

static void
call_free(struct http_call *c)
{
	struct http *h = c->http;

	ev_timer_stop(h->loop, &c->first_byte);
	if (c->easy != NULL) {
		curl_multi_remove_handle(h->multi, c->easy);
		curl_easy_reset(c->easy);
		if (h->nidle < NIDLE_MAX)
			h->idle[h->nidle++] = c->easy;
		else
			curl_easy_cleanup(c->easy);
	}
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		h->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	curl_slist_free_all(c->headers);
	free(c->content_type);
	free(c->body);
	free(c->url);
	free(c->in);
	free(c);
}

void
http_cancel(struct http_call *call)
{
	call_free(call);
}

/* --- how a call ended --------------------------------------------------- */

static int
error_of(CURLcode code, const struct http_call *c)
{
	if (c->data_error != 0)
		return c->data_error;
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -ECONNREFUSED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return -EPROTO;
	default:
		return -ECONNRESET;
	}
}

static const char *
remedy_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "check the host name in `server` and this machine's DNS";
	case CURLE_COULDNT_CONNECT:
		return "check that the API server runs and that `server` is right";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "check `certificate-authority` against the server's certificate";
	case CURLE_SSL_CACERT_BADFILE:
		return "the CA file cannot be read or is no PEM certificate";
	case CURLE_SSL_CERTPROBLEM:
		return "check `client-certificate` and `client-key`";
	case CURLE_OPERATION_TIMEDOUT:
		return "it answers too slowly or not at all";
	default:
		return "trying again";
	}
}

static void
explain(const struct http_call *c, CURLcode code, struct kube_error *ret)
{
	const struct http *h = c->http;

	ret->text[0] = '\0';
	if (c->data_error == -EMSGSIZE && c->req.data == NULL)
		kube_error_set(ret, "%s answers with more than %zu bytes to %s %s",
		    h->access.server, c->req.max_body, c->req.method,
		    c->url + strlen(h->base));
	else if (code != CURLE_OK && c->data_error == 0)
		kube_error_set(ret, "%s (%s): %s: %s", h->access.server,
		    h->access.origin,
		    c->curl_text[0] != '\0' ? c->curl_text : curl_easy_strerror(code),
		    remedy_of(code));
}

static void
finish(struct http_call *c, CURLcode code)
{
	struct http_answer ans = { .error = error_of(code, c) };
	http_done_fn *done = c->req.done;
	void *arg = c->req.arg;
	struct kube_error text;
	curl_off_t retry_after = 0;
	long status = 0;
	char *body = c->in;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after);
	explain(c, code, &text);
	ans.status = (int)status;
	ans.retry_after_ms = retry_after > 0 && retry_after < 86400
	    ? (int64_t)retry_after * 1000 : 0;
	ans.body = body != NULL ? body : "";
	ans.len = c->in_len;
	ans.text = text.text;
	c->in = NULL;
	call_free(c);
	done(arg, &ans);
	free(body);
}

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
	set_headers(c);
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
			finish(c, code);
	}
}

static void
first_byte_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct http_call *c = timer->data;

	(void)loop;
	(void)revents;
	snprintf(c->curl_text, sizeof(c->curl_text), "no answer to %s within %d seconds",
	    c->req.method, HTTP_FIRST_BYTE_SEC);
	finish(c, CURLE_OPERATION_TIMEDOUT);
}

struct http_call *
http_start(struct http *h, const struct http_request *req)
{
	struct http_call *c = mem_zalloc(sizeof(*c));

	c->http = h;
	c->req = *req;
	c->url = mem_printf("%s%s", h->base, req->path);
	c->body = mem_strdup(req->body);
	c->content_type = mem_strdup(req->content_type);
	c->next = h->calls;
	if (h->calls != NULL)
		h->calls->prev = c;
	h->calls = c;
	c->easy = h->nidle > 0 ? h->idle[--h->nidle] : curl_easy_init();
	if (c->easy == NULL)
		abort();	/* only where memory is out */
	set_connection(h, c->easy);
	set_tls(h, c->easy);
	set_request(c);
	ev_timer_init(&c->first_byte, first_byte_cb, HTTP_FIRST_BYTE_SEC, 0.);
	c->first_byte.data = c;
	ev_timer_start(h->loop, &c->first_byte);
	curl_multi_add_handle(h->multi, c->easy);
	return c;
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
		call_free(h->calls);
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
