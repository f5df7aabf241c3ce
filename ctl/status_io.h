/*
 * status_io.h - heraldctl status and bgp: ask speakers for their state over HTTP.
 */
#ifndef HERALD_CTL_STATUS_IO_H
#define HERALD_CTL_STATUS_IO_H

#include <stdio.h>

enum { STATUS_WHY_LEN = 256 };

/*
 * The body of a GET within 5 s, heap; NULL with the reason in why where there
 * is none.
 */
char *status_fetch(const char *url, char why[STATUS_WHY_LEN]);

/* One command: what it asks for, and how that is shown. */
struct status_view {
	const char *command;		/* for messages: "status" */
	const char *path;		/* "/status" */
	/* 0, or -EINVAL with nothing written where json is not what was asked for. */
	int (*show)(const char *json, FILE *out);
};

/*
 * Fetch the view from each "ADDRESS:PORT" (or URL) and write it to out, as a
 * table or, with is_json, as it came. Returns 0, or -EIO where a speaker could
 * not be asked (said on stderr); the others are shown all the same.
 */
int status_run(const struct status_view *v, char *const *speakers, int n, int is_json,
    FILE *out);

#endif
