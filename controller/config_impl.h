/*
 * config_impl.h - the insides of config.h: config.c makes the pool set,
 * config_check.c looks at what else there is.
 */
#ifndef HERALD_CONTROLLER_CONFIG_IMPL_H
#define HERALD_CONTROLLER_CONFIG_IMPL_H

#include "controller/config.h"

/* Add to c what o's owner is to be told; text is c's arena's. */
void config_tell(struct config *c, const struct kube_object *o, bool is_refused,
    const char *text);

/* Tell what is doubtful; c's pools are sealed. */
void config_check(struct config *c, const struct kube_store *s);

#endif
