/*
 * health_io.h - the health of endpoints, this node's and the others': checks
 * of its own endpoints (ipvs/checker_io.h), statements to and from the other
 * speakers (vouch.h), and what is told of both in metrics and the log.
 *
 * It only answers plan_build()'s questions: nothing is programmed from here.
 */
#ifndef HERALD_SPEAKER_HEALTH_IO_H
#define HERALD_SPEAKER_HEALTH_IO_H

#include "speaker/alive.h"
#include "speaker/plan.h"
#include "speaker/vouch.h"

struct ev_loop;
struct health_io;

struct health_io_conf {
	const char *netns;		/* the director's: where probes are sent from */
	uint16_t port;			/* UDP, of every speaker */
	const struct keys *keys;	/* of the speakers; may change while we run */
};

/*
 * changed: an endpoint, here or elsewhere, has come up or gone down; runs from
 * the loop, never from inside a call. NULL with the reason and the remedy in
 * err.
 */
struct health_io *health_io_new(struct ev_loop *loop,
    const struct health_io_conf *conf, void (*changed)(void *arg), void *arg,
    char err[256]);
void health_io_free(struct health_io *h);

/*
 * Exchange statements with these nodes. self: this node's addresses as the others
 * know them, IPv4 first; IP_NONE: none of that family.
 */
void health_io_set_nodes(struct health_io *h, const struct ip self[2],
    const struct alive *nodes);

/* A speaker has come up, or gone down. */
void health_io_set_up(struct health_io *h, const struct alive *nodes);

/* Check what the plan says; its strings are copied. */
void health_io_set_checks(struct health_io *h, const struct plan *p);

/* For plan_input. */
const struct vouch *health_io_vouch(const struct health_io *h);

/* Every endpoint that this node checks. */
struct health_io_view {
	const char *service;		/* "ns/name" */
	struct ip ip;
	uint16_t port;
	bool	is_up;
	unsigned ntransitions;
	const char *why;		/* of the last probe that failed; "" none has */
};
typedef void health_io_view_fn(void *arg, const struct health_io_view *v);
void health_io_each(struct health_io *h, health_io_view_fn *fn, void *arg);

#endif
