/*
 * status_decode.h - a speaker's /status as tables for people.
 */
#ifndef HERALD_CTL_STATUS_DECODE_H
#define HERALD_CTL_STATUS_DECODE_H

#include <stdio.h>

/*
 * Write the tables of one status (see speaker/status_encode.h) to out. 0, or
 * -EINVAL with nothing written where json is none.
 */
int status_decode(const char *json, FILE *out);

#endif
