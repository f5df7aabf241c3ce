/*
 * bgp_decode.h - a speaker's /bgp and /bgp/routes as tables for people.
 */
#ifndef HERALD_CTL_BGP_DECODE_H
#define HERALD_CTL_BGP_DECODE_H

#include <stdio.h>

/*
 * Write the sessions, the messages by type, or the routes (see
 * speaker/bgp_encode.h) to out. 0, or -EINVAL with nothing written where json is
 * none of these.
 */
int bgp_decode_peers(const char *json, FILE *out);
int bgp_decode_messages(const char *json, FILE *out);
int bgp_decode_routes(const char *json, FILE *out);

#endif
