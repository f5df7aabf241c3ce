/*
 * controller_io.h - the controller's shell: source, timers, writes.
 *
 * Every input only marks the state dirty; one pass of reconcile.c runs per
 * turn of the event loop, and where there are many Services no more often
 * than leaves it a tenth of the time. Decisions go through the ledger to the
 * source, a bounded number of writes at once.
 */
#ifndef HERALD_CONTROLLER_CONTROLLER_IO_H
#define HERALD_CONTROLLER_CONTROLLER_IO_H

#include <stdbool.h>

#include "kube/source.h"

struct ev_loop;
struct controller;

struct controller_conf {
	struct kube_source_conf source;	/* kinds and component are set here */
	const char *lb_class;		/* see struct reconcile_in; NULL default */
	const char *http;		/* "ADDRESS:PORT" or NULL for none */
};

/*
 * Start. conf's strings outlive the controller. NULL with *ret_err filled
 * where the source or the HTTP address cannot be used.
 */
struct controller *controller_new(struct ev_loop *loop,
    const struct controller_conf *conf, struct kube_error *ret_err);
void controller_free(struct controller *c);

#endif
