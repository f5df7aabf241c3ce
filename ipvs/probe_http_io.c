/*
 * probe_http_io.c - HTTP, HTTPS and gRPC probes by libcurl.
 *
 * Each has a connection of its own, as a new client would. The URL has the name
 * that TLS is to see, CONNECT_TO the endpoint's address: nothing is resolved.
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/probe_grpc.h"
#include "ipvs/probe_impl.h"
#include "lib/mem.h"

enum {
	BODY_MAX = 64 << 10,		/* of it the regex sees no more */
	GRPC_BODY_MAX = 1024,
	GRPC_OK = 0,
};

struct probe_http {
	struct probe pr;
	CURL	*easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	char	*body;			/* what is kept of it, a NUL behind it */
	size_t	len, cap;
	bool	is_enough;		/* what is to come does not matter */
	int	grpc_status;		/* -1: none came */
	uint8_t	request[PROBE_GRPC_REQUEST_MAX];
};

/* --- the answer as it comes ---------------------------------------------- */

static size_t
write_cb(char *buf, size_t size, size_t n, void *arg)
{
	struct probe_http *h = arg;
	const struct probe_conf *c = h->pr.target->conf;
	size_t len = size * n, max = c->kind == PROBE_GRPC ? GRPC_BODY_MAX : BODY_MAX;

	h->is_enough = c->kind == PROBE_HTTP && c->body_regex == NULL;
	if (h->is_enough)
		return 0;
	if (len > max - h->len) {
		len = max - h->len;
		h->is_enough = true;
	}
	while (h->cap - h->len <= len)
		h->body = mem_grow(h->body, h->cap, &h->cap, 1);
	memcpy(h->body + h->len, buf, len);
	h->len += len;
	h->body[h->len] = '\0';
	return h->is_enough ? 0 : size * n;
}

/* gRPC's verdict is in a trailer, or, where there is no body, in a header. */
static size_t
header_cb(char *buf, size_t size, size_t n, void *arg)
{
	static const char name[] = "grpc-status:";
	struct probe_http *h = arg;
	size_t len = size * n;
	char text[32];

	if (len < sizeof(name) || len >= sizeof(text) ||
	    strncasecmp(buf, name, sizeof(name) - 1) != 0)
		return len;
	memcpy(text, buf, len);
	text[len] = '\0';
	h->grpc_status = atoi(text + sizeof(name) - 1);
	return len;
}

/* --- what it amounts to -------------------------------------------------- */

static bool
is_good_status(const struct probe_conf *c, long status)
{
	for (size_t i = 0; i < c->nstatuses; i++) {
		if (status >= c->statuses[i].first && status <= c->statuses[i].last)
			return true;
	}
	return false;
}

static void
judge_http(struct probe_http *h, long status)
{
	const struct probe_conf *c = h->pr.target->conf;
	regex_t re;
	int rc;

	if (!is_good_status(c, status)) {
		probe_bad(&h->pr, "answers with status %ld", status);
		return;
	}
	if (c->body_regex == NULL) {
		probe_good(&h->pr);
		return;
	}
	/* kube/decode_profile.c has compiled it before. */
	if (regcomp(&re, c->body_regex, REG_EXTENDED | REG_NOSUB) != 0) {
		probe_bad(&h->pr, "bodyRegex is no regular expression");
		return;
	}
	rc = regexec(&re, h->body != NULL ? h->body : "", 0, NULL, 0);
	regfree(&re);
	if (rc == 0)
		probe_good(&h->pr);
	else
		probe_bad(&h->pr, "the body does not match bodyRegex");
}

static void
judge_grpc(struct probe_http *h, long status)
{
	uint64_t serving;

	if (status != 200)
		probe_bad(&h->pr, "answers with HTTP status %ld", status);
	else if (h->grpc_status > GRPC_OK)
		probe_bad(&h->pr, "answers with gRPC status %d%s", h->grpc_status,
		    h->grpc_status == 5 ? ": it knows no such service" :
		    h->grpc_status == 12 ? ": it has no health service" : "");
	else if (h->body == NULL || probe_grpc_decode((uint8_t *)h->body, h->len,
	    &serving) != 0)
		probe_bad(&h->pr, "its answer is no HealthCheckResponse");
	else if (serving != PROBE_GRPC_SERVING)
		probe_bad(&h->pr, "says it is not serving (%llu)",
		    (unsigned long long)serving);
	else
		probe_good(&h->pr);
}

static void
on_done(void *arg, CURL *easy, CURLcode code)
{
	struct probe_http *h;
	long status = 0, e = 0;

	(void)arg;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&h);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &e);
	if (code == CURLE_WRITE_ERROR && h->is_enough)
		code = CURLE_OK;
	if (code == CURLE_OK && h->pr.target->conf->kind == PROBE_GRPC)
		judge_grpc(h, status);
	else if (code == CURLE_OK)
		judge_http(h, status);
	else if (code == CURLE_COULDNT_CONNECT && e != 0)
		probe_failed(&h->pr, (int)e);
	else if (code == CURLE_OUT_OF_MEMORY)
		probe_failed(&h->pr, ENOMEM);
	/* What we show is no good to our own TLS: a key too short, say. */
	else if (code == CURLE_SSL_CERTPROBLEM)
		probe_unknown(&h->pr, "the client certificate cannot be used");
	else
		probe_bad(&h->pr, "%s", curl_easy_strerror(code));
}

/* --- what libcurl is told ------------------------------------------------ */

static void
add_header(struct probe_http *h, const char *name, const char *value)
{
	char *text = mem_printf("%s: %s", name, value);

	h->headers = curl_slist_append(h->headers, text);
	free(text);
}

/* Whom TLS is to see, without a port: heap. */
static char *
server_name(const struct probe_target *t)
{
	const struct probe_conf *c = t->conf;
	char *name = mem_strdup(c->tls_name != NULL ? c->tls_name : c->host), *colon;

	if (name == NULL)
		return mem_printf(ip_is_v4(&t->ip) ? "%s" : "[%s]", IP_STR(&t->ip));
	colon = name[0] != '[' ? strchr(name, ':') : NULL;
	if (colon != NULL)
		*colon = '\0';
	return name;
}

static void
set_url(struct probe_http *h)
{
	const struct probe_target *t = h->pr.target;
	const struct probe_conf *c = t->conf;
	char *name = server_name(t), *text;

	text = mem_printf("%s://%s:%u%s", c->is_tls ? "https" : "http", name, t->port,
	    c->kind == PROBE_GRPC ? PROBE_GRPC_PATH : c->path);
	curl_easy_setopt(h->easy, CURLOPT_URL, text);
	free(text);
	text = mem_printf(ip_is_v4(&t->ip) ? "::%s:%u" : "::[%s]:%u", IP_STR(&t->ip),
	    t->port);
	h->connect_to = curl_slist_append(NULL, text);
	curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, h->connect_to);
	free(text);
	free(name);
}

/* Not copied: the conf outlives the probe. */
static void
set_blob(struct probe_http *h, CURLoption option, const char *pem)
{
	struct curl_blob blob = { .data = (void *)(uintptr_t)pem, .len = strlen(pem),
		.flags = CURL_BLOB_NOCOPY };

	curl_easy_setopt(h->easy, option, &blob);
}

static void
set_tls(struct probe_http *h)
{
	const struct probe_conf *c = h->pr.target->conf;

	if (c->tls_cert != NULL) {
		set_blob(h, CURLOPT_SSLCERT_BLOB, c->tls_cert);
		set_blob(h, CURLOPT_SSLKEY_BLOB, c->tls_key);
	}
	if (c->tls_ca != NULL) {
		set_blob(h, CURLOPT_CAINFO_BLOB, c->tls_ca);
		curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	} else {
		/* As kubelet's probes: that it answers, not who it is. */
		curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void
set_grpc(struct probe_http *h)
{
	const struct probe_conf *c = h->pr.target->conf;
	size_t len = probe_grpc_encode(c->grpc_service, h->request);

	add_header(h, "Content-Type", "application/grpc");
	add_header(h, "TE", "trailers");
	curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, (char *)h->request);
	curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, header_cb);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)(c->is_tls ?
	    CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
}

static bool
start(struct probe *pr)
{
	struct probe_http *h = (struct probe_http *)pr;
	const struct probe_conf *c = pr->target->conf;
	struct prober *p = pr->prober;

	h->grpc_status = -1;
	h->easy = p->nidle > 0 ? p->idle[--p->nidle] : curl_easy_init();
	if (h->easy == NULL)
		abort();
	set_url(h);
	if (c->is_tls)
		set_tls(h);
	if (c->host != NULL)
		add_header(h, "Host", c->host);
	add_header(h, "User-Agent", "herald-speaker/" HERALD_VERSION);
	if (c->kind == PROBE_GRPC)
		set_grpc(h);
	else
		curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION,
		    (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, write_cb);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_PRIVATE, h);
	curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	/* The environment's proxies are for the API server. */
	curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_multi_add_handle(p->curl.multi, h->easy);
	return true;
}

static void
stop(struct probe *pr)
{
	struct probe_http *h = (struct probe_http *)pr;
	struct prober *p = pr->prober;

	curl_multi_remove_handle(p->curl.multi, h->easy);
	curl_easy_reset(h->easy);
	if (p->nidle < PROBE_NIDLE_MAX)
		p->idle[p->nidle++] = h->easy;
	else
		curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	free(h->body);
}

int
probe_http_init(struct prober *p)
{
	return curl_io_init(&p->curl, p->loop, on_done, p);
}

void
probe_http_fini(struct prober *p)
{
	while (p->nidle > 0)
		curl_easy_cleanup(p->idle[--p->nidle]);
	curl_io_fini(&p->curl);
}

const struct probe_kind_ops probe_http = { sizeof(struct probe_http), start, stop };
