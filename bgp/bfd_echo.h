/*
 * bfd_echo.h - the Echo function of one BFD session (RFC 5880, 6.4, 6.8.9; RFC 5881,
 * 4): packets addressed to ourselves and handed to the peer, whose forwarding, not
 * whose BFD, sends them back.
 *
 * Pure. bfd.c embeds it and says when it runs; bfd_echo_io.c has the sockets.
 *
 * A peer that offers to return them may yet not do so: strict reverse path
 * filtering, say, finds that their source is not where they come from. So silence
 * is a failure only once a packet has come back from this peer. Until then the
 * session is what it is without Echo, and is said to be unanswered.
 */
#ifndef HERALD_BGP_BFD_ECHO_H
#define HERALD_BGP_BFD_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"
#include "lib/mono.h"

enum {
	BFD_ECHO_PORT	= 3785,		/* UDP (RFC 5881, 4) */
	BFD_ECHO_MAX	= 40 + 8 + 16,	/* IPv6, UDP, ours */
};

/* Read freely, change by calls only. */
struct bfd_echo {
	uint32_t discr;			/* whose packets they are, on return */
	uint64_t token;			/* in each of them: nobody off the link knows it */
	uint32_t interval_us;		/* between packets; 0 while it does not run */
	uint8_t	mult;			/* so many unanswered in a row are a failure */
	bool	is_proven;		/* one has come back, in this run or before */
	bool	is_active;		/* one has come back in this run */
	uint32_t seq;			/* of the last packet sent */
	uint32_t seq_back;		/* of the last that came back, or the run's start */
	struct mono tx_due;		/* MONO_NEVER while it does not run */
	struct mono detect_due;		/* MONO_NEVER unless mult are unanswered */
};

/* Not running. token is the caller's, random. */
void bfd_echo_init(struct bfd_echo *e, uint32_t discr, uint64_t token);

/* Send every interval_us, at least 1; as it does already: go on undisturbed. */
void bfd_echo_run(struct bfd_echo *e, uint32_t interval_us, uint8_t mult,
    struct mono now);
void bfd_echo_stop(struct bfd_echo *e);

/*
 * The packet that is due, IP header and all, from and to `self`; its length, 0
 * where none is due.
 */
size_t bfd_echo_tx(struct bfd_echo *e, const struct ip *self, struct mono now,
    uint8_t buf[BFD_ECHO_MAX]);

/* What an Echo packet of ours says. */
struct bfd_echo_pkt {
	uint32_t discr, seq;
	uint64_t token;
};

/*
 * An IP packet of some Echo session of this node, perhaps. Returns 0, or -EBADMSG
 * with *ret untouched where it is none, or comes from further away than the link.
 */
int bfd_echo_decode(const uint8_t *buf, size_t len, struct bfd_echo_pkt *ret);

/*
 * One that came back. Returns 0, or with nothing changed -EACCES where it is not of
 * this session, -ESTALE where it, or a later one, has been back already.
 */
int bfd_echo_rx(struct bfd_echo *e, const struct bfd_echo_pkt *p);

/* Once bfd_echo_deadline() has come: has it failed? Feed what has arrived first. */
bool bfd_echo_has_failed(const struct bfd_echo *e, struct mono now);
struct mono bfd_echo_deadline(const struct bfd_echo *e);

/* From a failure to its being noticed, at most; 0 while it is not active. */
uint64_t bfd_echo_detect_us(const struct bfd_echo *e);

#endif
