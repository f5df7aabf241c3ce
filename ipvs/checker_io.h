/*
 * checker_io.h - keeps the health of endpoints: many probes at once, on a
 * thread of its own in the director's network namespace.
 *
 * A thread, for 20,000 probes a second, or a TLS handshake, must not hold up
 * the loop that has BFD to send every 100 ms; in the namespace, so that probes
 * take the way that traffic takes. The thread runs the engine (health.h) and
 * the probes (probe_io.h); what comes out is only read here: health programs
 * nothing.
 */
#ifndef HERALD_IPVS_CHECKER_IO_H
#define HERALD_IPVS_CHECKER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipvs/probe_io.h"

struct ev_loop;
struct checker;

struct check_want {
	uint64_t id;			/* the caller's name for it */
	struct ip ip;
	uint16_t port;
	const struct probe_conf *conf;	/* copied */
};

struct check_view {
	uint64_t id;
	bool	is_up;			/* to begin with as conf says ... */
	bool	is_sure;		/* ... until there are answers */
	unsigned ntransitions;		/* times is_up has changed */
	char	why[PROBE_WHY_MAX];	/* of the last probe that failed; "" none has */
};

/*
 * Start the thread in the namespace of that name (/run/netns; NULL: the
 * caller's own). changed: something's is_up is another now, or all that was
 * unsure has become sure; runs from loop. Returns NULL with what is wrong and the remedy in err.
 */
struct checker *checker_new(struct ev_loop *loop, const char *netns,
    void (*changed)(void *arg), void *arg, char err[256]);

/* Ends every probe, and the thread. NULL is fine. */
void checker_free(struct checker *c);

/*
 * Check exactly these, sorted by id, each once. What stays and has the same
 * address keeps its health, also where its conf is another.
 */
void checker_set(struct checker *c, const struct check_want *wants, size_t n);

/*
 * How all that were last set are doing, sorted by id; those that the thread has
 * not taken up yet are missing. Valid until the next call.
 */
const struct check_view *checker_views(struct checker *c, size_t *ret_n);

#endif
