/*
 * leader_io.h - does this controller lead? Runs the engine of kube/lease.h
 * over the source, for the controller's shell.
 *
 * Leading comes in terms. Whatever is decided in a term must be written in it:
 * when it ends, even for a moment, another controller may have led and given
 * addresses out. The owner is told of an end before any other callback of the
 * event loop runs, also after the process has stood still: libev invokes
 * ev_check watchers of the highest priority first.
 */
#ifndef HERALD_CONTROLLER_LEADER_IO_H
#define HERALD_CONTROLLER_LEADER_IO_H

#include "kube/source.h"

struct ev_loop;
struct leader;

struct leader_conf {
	bool	is_elected;		/* false: there is no other controller */
	const char *name, *ns;		/* of the Lease */
	uint32_t duration_sec;		/* of the Lease, at least 1 */
	/*
	 * Not elected: begin so long after the start. What a predecessor sent
	 * in its last moment has been done by then, and will be seen.
	 */
	uint32_t settle_ms;
};

typedef void leader_fn(void *arg);

/*
 * changed() when leader_term() has become another. conf's strings and the
 * source outlive the leader.
 */
struct leader *leader_new(struct ev_loop *loop, struct kube_source *source,
    const struct leader_conf *conf, leader_fn *changed, void *arg);

/* Close the source first: a request about the Lease may be under way. */
void leader_free(struct leader *l);

/* The term in which we lead at this moment, > 0; 0: we do not lead. */
uint64_t leader_term(const struct leader *l);

/*
 * Lead no more, and release the Lease, so that the next one need not wait.
 * done() from the event loop, or from inside the call where there is nothing
 * to do; after LEADER_STOP_SEC at the latest.
 */
enum { LEADER_STOP_SEC = 3 };
void leader_stop(struct leader *l, leader_fn *done, void *arg);

#endif
