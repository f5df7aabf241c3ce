/*
 * httpd_io.h - the small HTTP server of each daemon: /metrics, /healthz, and
 * whatever its owner answers. Plain HTTP, GET and HEAD, on libmicrohttpd.
 */
#ifndef HERALD_LIB_HTTPD_IO_H
#define HERALD_LIB_HTTPD_IO_H

#include <stdio.h>

struct ev_loop;
struct httpd;

/*
 * Answer a GET of path: write the body to f, set *ret_type where it is not
 * text/plain, return the HTTP status (404 for what is not known). Runs from
 * the event loop.
 */
typedef int httpd_answer_fn(void *arg, const char *path, FILE *f,
    const char **ret_type);

/*
 * Listen on "ADDRESS:PORT", "[ADDRESS6]:PORT" or ":PORT" (every address).
 * /metrics and /healthz are answered here, all else by answer. Returns NULL
 * with what was wrong and the remedy in err.
 */
struct httpd *httpd_new(struct ev_loop *loop, const char *listen,
    httpd_answer_fn *answer, void *arg, char err[256]);
void httpd_free(struct httpd *h);

#endif
