/*
 * probe_io.h - carries probes out, one connection or datagram each.
 *
 *	probe_io.c	which of the files below
 *	probe_tcp_io.c	TCP: that a connection comes about
 *	probe_syn_io.c	the same, by the first two packets of one
 *	probe_udp_io.c	UDP and DNS: that a datagram is answered, and how
 *	probe_http_io.c	HTTP, HTTPS and gRPC by libcurl: the status, the body
 *
 * Sockets are opened in the network namespace of the calling thread, which for
 * checker_io.c is the director's. A probe knows no time limit: its caller has
 * one, and cancels.
 */
#ifndef HERALD_IPVS_PROBE_IO_H
#define HERALD_IPVS_PROBE_IO_H

#include <stdbool.h>

#include "ipvs/probe.h"
#include "lib/ip.h"

struct ev_loop;
struct prober;
struct probe;

enum { PROBE_WHY_MAX = 96 };

/*
 * Once for each probe that is not cancelled, and perhaps before probe_start()
 * has returned. why: "" for HEALTH_GOOD, else what was wrong, a few words
 * without the endpoint's name; valid in the call only.
 */
typedef void probe_done_fn(void *arg, enum health_answer answer, const char *why);

/* NULL where libcurl cannot be initialised. All calls are for loop's thread. */
struct prober *prober_new(struct ev_loop *loop);
void prober_free(struct prober *p);	/* every probe must have ended */

struct probe_target {
	const struct probe_conf *conf;	/* both stay until the probe has ended */
	struct ip ip;
	uint16_t port;
	struct ip from;		/* the probes' own, to begin with unset: the address that
				   the last half-open one came from, where it was good */
};

/* NULL where the probe has ended already: then done() has been called. */
struct probe *probe_start(struct prober *p, struct probe_target *t, probe_done_fn *done,
    void *arg);

/* done() will not be called. Not for a probe that has ended. */
void probe_cancel(struct probe *pr);

#endif
