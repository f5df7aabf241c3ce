/*
 * http_call_io.c - one request: what libcurl is told, what becomes of the
 * answer, what a failure means to a person. See http_impl.h.
 *
 * A watch whose server has died without a word is found by TCP: keepalive
 * probes while the connection is idle, TCP_USER_TIMEOUT while something is
 * unacknowledged.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kube/http_impl.h"
#include "lib/mem.h"

enum {
	KEEPALIVE_IDLE_SEC = 15,
	KEEPALIVE_STEP_SEC = 5,
	USER_TIMEOUT_MS = 30 * 1000,
	CA_CACHE_SEC = 60,	/* a rotated CA file is seen this soon */
};

/* --- the answer as it comes ---------------------------------------------- */

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

/* --- what libcurl is told ------------------------------------------------ */

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

void
http_call_set_headers(struct http_call *c)
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
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, c->req.is_apart ? 1L : 0L);
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
	http_call_set_headers(c);
}

void
http_call_free(struct http_call *c)
{
	struct http *h = c->http;

	ev_timer_stop(h->loop, &c->first_byte);
	if (c->easy != NULL) {
		curl_multi_remove_handle(h->curl.multi, c->easy);
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
	http_call_free(call);
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

void
http_call_finish(struct http_call *c, CURLcode code)
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
	http_call_free(c);
	done(arg, &ans);
	free(body);
}

static void
first_byte_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct http_call *c = timer->data;

	(void)loop;
	(void)revents;
	snprintf(c->curl_text, sizeof(c->curl_text), "no answer to %s within %d seconds",
	    c->req.method, HTTP_FIRST_BYTE_SEC);
	http_call_finish(c, CURLE_OPERATION_TIMEDOUT);
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
	curl_multi_add_handle(h->curl.multi, c->easy);
	return c;
}
