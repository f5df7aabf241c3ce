/*
 * http_io.c - see http_io.h; http_call_io.c makes the calls.
 *
 * lib/curl_io.c has libcurl on libev and says which transfers have ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/http_impl.h"
#include "lib/mem.h"

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
	curl_multi_remove_handle(c->http->curl.multi, c->easy);
	http_call_set_headers(c);
	curl_multi_add_handle(c->http->curl.multi, c->easy);
	return true;
}

static void
on_done(void *arg, CURL *easy, CURLcode code)
{
	struct http_call *c;

	(void)arg;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
	if (!retry_with_token(c))
		http_call_finish(c, code);
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
	struct http *h = mem_zalloc(sizeof(*h));

	h->loop = loop;
	h->access = *access;
	*access = (struct kube_access){ 0 };
	if (curl_io_init(&h->curl, loop, on_done, h) != 0) {
		kube_error_set(ret_err, "libcurl cannot be initialised");
		http_free(h);
		return NULL;
	}
	h->agent = mem_strdup(agent);
	token_init(&h->token, h->access.token, h->access.token_file);
	curl_multi_setopt(h->curl.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
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
	curl_io_fini(&h->curl);
	curl_slist_free_all(h->connect_to);
	kube_access_fini(&h->access);
	token_fini(&h->token);
	free(h->host);
	free(h->base);
	free(h->agent);
	free(h);
}
