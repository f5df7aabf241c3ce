/*
 * http_io.h - requests to one API server: many at a time over one libcurl
 * multi handle on libev, multiplexed on one HTTP/2 connection where the server
 * has it. Knows TLS, credentials, time limits and size limits; knows nothing
 * of Kubernetes objects. Used by the api_*_io.c files only.
 */
#ifndef HERALD_KUBE_HTTP_IO_H
#define HERALD_KUBE_HTTP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/error.h"
#include "kube/kubeconfig.h"

struct ev_loop;
struct http;
struct http_call;

enum {
	HTTP_CONNECT_SEC = 10,		/* TCP and TLS */
	HTTP_FIRST_BYTE_SEC = 30,	/* from request to status line */
	HTTP_STALL_SEC = 30,		/* a body that stopped coming */
	HTTP_ERROR_BODY_MAX = 64 << 10,	/* more of an error is not kept */
};

/* How a call ended. Valid in the callback only. */
struct http_answer {
	int	status;			/* HTTP status; 0: none came */
	int	error;			/* 0: the body is whole; else -errno */
	int64_t	retry_after_ms;		/* 0: not asked for */
	const char *body;		/* NUL-terminated, "" where streamed */
	size_t	len;
	const char *text;		/* what went wrong and what to do; "" */
};

/*
 * A piece of a 2xx body as it arrives. 0 to go on; -errno ends the call with
 * that as its error.
 */
typedef int http_data_fn(void *arg, const char *buf, size_t len);

/* Once, from the event loop, unless the call is cancelled; frees the call. */
typedef void http_done_fn(void *arg, const struct http_answer *ans);

struct http_request {
	const char *method;		/* "GET"; a literal, it is kept */
	const char *path;		/* from the server's root, with query */
	const char *content_type;	/* of body */
	const char *body;		/* NULL none; copied */
	uint32_t timeout_sec;		/* for the whole call */
	size_t	max_body;		/* of a 2xx body that is not streamed */
	bool	is_apart;		/* over a new connection: the others' may be
					   dead, and nobody have noticed yet */
	http_data_fn *data;		/* NULL: the body comes with the answer */
	http_done_fn *done;
	void	*arg;
};

/*
 * *access is moved and left empty, on failure too; agent is the User-Agent.
 * Returns NULL and fills *ret_err where the server's URL is none.
 */
struct http *http_new(struct ev_loop *loop, struct kube_access *access,
    const char *agent, struct kube_error *ret_err);

/* Cancels every call. Not from a callback. */
void http_free(struct http *h);

/* Never fails at once: what goes wrong comes to done(). */
struct http_call *http_start(struct http *h, const struct http_request *req);

/* done() will not be called. Not from the call's own data(). */
void http_cancel(struct http_call *call);

#endif
