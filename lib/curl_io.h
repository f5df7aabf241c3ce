/*
 * curl_io.h - libcurl's multi interface on libev.
 *
 * libcurl tells which sockets and which timer to watch, libev says when they
 * are ready, and after each of those the finished transfers are handed on.
 */
#ifndef HERALD_LIB_CURL_IO_H
#define HERALD_LIB_CURL_IO_H

#include <curl/curl.h>
#include <ev.h>

/* A transfer has ended: easy is still in the multi handle, the callee's to take out.
   It may add and remove others, too. */
typedef void curl_io_done_fn(void *arg, CURL *easy, CURLcode code);

struct curl_io {
	struct ev_loop *loop;
	CURLM	*multi;			/* for curl_multi_add_handle() and the like */
	ev_timer timer;			/* libcurl's one timer */
	curl_io_done_fn *done;
	void	*arg;
};

/* -1 where libcurl cannot be initialised. *c must stay where it is. */
int curl_io_init(struct curl_io *c, struct ev_loop *loop, curl_io_done_fn *done,
    void *arg);

/* Every easy handle must be out of it. */
void curl_io_fini(struct curl_io *c);

#endif
