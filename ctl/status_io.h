/*
 * status_io.h - heraldctl status: ask speakers for their state over HTTP.
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

/*
 * Fetch /status from each "ADDRESS:PORT" (or URL) and write it to out, as a
 * table or, with is_json, as it came. Returns 0, or -EIO where a speaker could
 * not be asked (said on stderr); the others are shown all the same.
 */
int status_run(char *const *speakers, int n, int is_json, FILE *out);

#endif
