/*
 * explain_decode.h - what a speaker's /status (speaker/status_encode.h) says of
 * some VIPs.
 */
#ifndef HERALD_CTL_EXPLAIN_DECODE_H
#define HERALD_CTL_EXPLAIN_DECODE_H

#include "ctl/explain.h"

/*
 * Fill all of *ret but its node and trouble with what json says of svc's VIPs, in
 * memory of a. 0, or -EINVAL with *ret untouched where json is no status.
 */
int explain_decode(const char *json, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *ret);

#endif
