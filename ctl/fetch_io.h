/*
 * fetch_io.h - the objects of a source as they are now, for the commands of
 * heraldctl that look once.
 */
#ifndef HERALD_CTL_FETCH_IO_H
#define HERALD_CTL_FETCH_IO_H

#include "kube/source.h"

enum { FETCH_TIMEOUT_SEC = 30 };

/*
 * Fill store with the kinds that conf names. 0, or -EINVAL where the source
 * cannot be used and -ETIMEDOUT where it did not show everything in time; then
 * *ret_err says so.
 */
int fetch_store(const struct kube_source_conf *conf, struct kube_store *store,
    struct kube_error *ret_err);

#endif
