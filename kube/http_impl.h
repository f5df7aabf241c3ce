/*
 * http_impl.h - what the two files of the HTTP client share: http_io.c ties
 * libcurl to libev and collects what has finished, http_call_io.c makes a call
 * and tells how it ended.
 */
#ifndef HERALD_KUBE_HTTP_IMPL_H
#define HERALD_KUBE_HTTP_IMPL_H

#include <curl/curl.h>
#include <ev.h>
#include <stdbool.h>

#include "kube/http_io.h"
#include "kube/token.h"
#include "lib/curl_io.h"

enum { NIDLE_MAX = 16 };	/* easy handles kept for the next calls */

struct http {
	struct ev_loop *loop;
	struct curl_io curl;
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

/* http_call_io.c: the Authorization header may be another one now. */
void http_call_set_headers(struct http_call *c);

/* http_call_io.c: tell how it ended and free it. */
void http_call_finish(struct http_call *c, CURLcode code);

/* http_call_io.c: free it without a word. */
void http_call_free(struct http_call *c);

#endif
