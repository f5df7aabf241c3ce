/*
 * bfd_peer.c - the BFD shell alone, for interoperation with other daemons.
 *
 *	bfd_peer PORT PEER INTERVAL_US MULT [KEY_ID KEY]
 *
 * Prints "NANOSECONDS STATE DETECT_US" (CLOCK_MONOTONIC) at each change; on
 * SIGTERM says AdminDown and ends. interop_bfd.py runs it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "bgp/bfd_io.h"
#include "lib/clock.h"

static struct bfd_io *io;

static void
on_changed(void *arg, const struct ip *peer, enum bfd_peer_state state)
{
	(void)arg;
	printf("%lld %s %u\n", (long long)clock_mono().ns, bfd_peer_state_name(state),
	    bfd_io_detect_us(io, peer));
	fflush(stdout);
}

static void
on_term(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	bfd_io_admin_down(io);
	ev_break(loop, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
	struct ev_loop *loop = EV_DEFAULT;
	struct bfd_io_conf conf = { .min_ttl = 255, .is_realtime = true };
	char err[256];
	struct ip peer;
	ev_signal term;

	if ((argc != 5 && argc != 7) || ip_parse(argv[2], &peer) < 0) {
		fprintf(stderr, "usage: bfd_peer PORT PEER INTERVAL_US MULT "
		    "[KEY_ID KEY]\n");
		return 2;
	}
	conf.port = (uint16_t)atoi(argv[1]);
	conf.min_tx_us = conf.min_rx_us = (uint32_t)atoi(argv[3]);
	conf.detect_mult = (uint8_t)atoi(argv[4]);
	if (argc == 7) {
		conf.key_id = (uint8_t)atoi(argv[5]);
		conf.key = (const uint8_t *)argv[6];
		conf.key_len = strlen(argv[6]);
	}
	io = bfd_io_new(loop, &conf, on_changed, NULL, err);
	if (io == NULL) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	ev_signal_init(&term, on_term, SIGTERM);
	ev_signal_start(loop, &term);
	bfd_io_set_peers(io, &peer, 1);
	ev_run(loop, 0);
	bfd_io_free(io);
	return 0;
}
