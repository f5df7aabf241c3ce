/*
 * controller_io.h - the controller's shell: source, timers, writes.
 *
 * Every input only marks the state dirty; one pass of reconcile.c runs per
 * turn of the event loop, and where there are many Services no more often
 * than leaves it a tenth of the time, a fiftieth while writes are waiting.
 * Decisions go through the ledger to the source, a bounded number of writes at
 * once.
 *
 * Of several controllers one leads. The others follow the objects, so that
 * their cache is warm, and decide nothing. Why no address is given twice when
 * leading passes from one to the next:
 *	- the old one stops before the new one may begin (lease.h); at that
 *	  moment its writes are given up, those under way too. A clean stop
 *	  waits for them before it lets the Lease go;
 *	- the new one reads everything anew, past its watch's lag, before it
 *	  decides anything: it sees what the old one had written. Its ledger is
 *	  empty, for it has promised nothing;
 *	- what the old one had sent and the server takes up after all, later
 *	  than the seconds that lie between, is conditional on a version of the
 *	  Service that the new one has overwritten in giving it its address.
 */
#ifndef HERALD_CONTROLLER_CONTROLLER_IO_H
#define HERALD_CONTROLLER_CONTROLLER_IO_H

#include <stdbool.h>

#include "controller/leader_io.h"
#include "kube/source.h"

struct ev_loop;
struct controller;

struct controller_conf {
	struct kube_source_conf source;	/* kinds and component are set here */
	const char *lb_class;		/* see struct reconcile_in; NULL default */
	const char *http;		/* "ADDRESS:PORT" or NULL for none */
	struct leader_conf leader;	/* settle_ms is set here */
};

/*
 * Start. conf's strings outlive the controller. NULL with *ret_err filled
 * where the source or the HTTP address cannot be used.
 */
struct controller *controller_new(struct ev_loop *loop,
    const struct controller_conf *conf, struct kube_error *ret_err);
void controller_free(struct controller *c);

/*
 * A clean stop: decide nothing more, wait for the writes under way, release
 * the Lease, then call done() from the event loop. It takes some seconds at
 * most, whatever the server does.
 */
void controller_stop(struct controller *c, void (*done)(void *arg), void *arg);

#endif
