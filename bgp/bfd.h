/*
 * bfd.h - one BFD session (RFC 5880), asynchronous mode, with Echo if wanted.
 *
 * Pure: no socket, no clock, no allocation. The shell (bfd_io.c) feeds what
 * it receives to bfd_rx(), calls bfd_tick() once bfd_deadline() has come, and
 * after either sends what bfd_tx() gives until that is nothing. It compares
 * s->state before and after to see a change. Echo packets are sent and received
 * apart, by bfd_echo_tx() of s->echo and by bfd_rx_echo().
 *
 * Sequence numbers and restarts. A receiver accepts only numbers a little
 * above the last one (6.7.4), so a speaker that restarts with lower ones is
 * locked out until the receiver forgets, two detection times later. Start
 * from the wall clock (bfd_seq_of_wall()), which runs faster than packets are
 * sent: then a restart goes on upwards, and a peer of our own kind, whose
 * seq_window is BFD_SEQ_WINDOW_WIDE, accepts it at once and still no replay.
 * A peer that keeps to the RFC's window of 3 x Detect Mult forgets after two
 * detection times, as the RFC has it.
 */
#ifndef HERALD_BGP_BFD_H
#define HERALD_BGP_BFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/bfd_echo.h"
#include "bgp/bfd_pkt.h"
#include "lib/mono.h"

enum {
	/* The least interval while a session is not up (6.8.3), see slow_tx_us. */
	BFD_SLOW_TX_US	= 1000000,

	/* The longest that bfd_interval_us() makes of one that is shorter. */
	BFD_INTERVAL_MAX_US = 1000000,

	/* The most that an interval may be reduced by, and what it is reduced by at
	   least where one lost packet is the end (6.8.7). */
	BFD_JITTER_MAX_PCT = 25,
	BFD_JITTER_LONE_PCT = 10,

	/*
	 * Refusals in a row, nothing valid heard between them, that end a
	 * session. One could be a firewall rule just being replaced.
	 */
	BFD_REFUSALS_DOWN = 2,

	/*
	 * Hosts limit how often they refuse, Linux after six times to once a second
	 * (icmp_ratelimit): without a refusal for this long, there is no host.
	 */
	BFD_REFUSAL_HOLD_US = 2500000,

	BFD_KEYS_MAX	= 4,
};

#define BFD_SEQ_WINDOW_WIDE UINT32_C(0x7fffffff)

struct bfd_conf {
	uint32_t local_discr;		/* bfd.LocalDiscr: not 0, unique, random */
	uint32_t min_tx_us;		/* wanted once up, at least 1 */
	uint32_t min_rx_us;		/* the fastest we bear, at least 1 */
	uint32_t slow_tx_us;		/* the least interval while not up; 0 the RFC's */
	uint32_t echo_us;		/* wanted between Echo packets, to a peer that
					   takes them; 0 none */
	uint8_t	detect_mult;		/* bfd.DetectMult, at least 1 */
	uint8_t	jitter_pct;		/* send up to so much early: 1 to 25, 0 is 25;
					   10 to 25 whatever it is at a multiplier of 1 */
	bool	is_passive;		/* silent until the peer is heard */
	bool	is_cpi;			/* set the C bit */
	uint8_t	auth_type;		/* BFD_AUTH_NONE or one of the SHA-1 types */
	uint8_t	auth_key_id;
	uint8_t	auth_key[BFD_DIGEST_LEN]; /* padded with zeros */
	/* Accepted as well, while keys are being changed. */
	uint8_t	auth_also[BFD_KEYS_MAX - 1][BFD_DIGEST_LEN];
	uint8_t	nauth_also;
	enum bfd_diag path_diag;	/* see bfd_set_path(); BFD_DIAG_NONE: all well */
	uint32_t note;			/* see bfd_set_note(); 0 to begin with */
	uint32_t seq_first;		/* of the first packet sent */
	uint32_t seq_window;		/* how far ahead a number may be; 0 as the
					   RFC has it: 3 x Detect Mult */
	uint64_t random;		/* seed for the jitter, from the caller */
};

/* What came in and was not taken, by reason. */
struct bfd_counts {
	uint64_t rx;			/* accepted */
	uint64_t tx;
	uint64_t bad;			/* malformed */
	uint64_t unauthentic;		/* wrong type, key or digest */
	uint64_t replayed;		/* sequence number out of the window */
	uint64_t stray;			/* discriminator not ours */
	uint64_t forgiven;		/* expiries put off for a stall of our own */
};

/* The variables of 6.8.1 and the timers. Read freely, change by calls only. */
struct bfd {
	struct bfd_conf conf;
	enum bfd_state state;		/* bfd.SessionState */
	enum bfd_diag diag;		/* bfd.LocalDiag */
	enum bfd_state remote_state;	/* bfd.RemoteSessionState */
	enum bfd_diag remote_diag;	/* as last heard */
	uint32_t remote_discr;		/* bfd.RemoteDiscr; 0 unknown */
	uint32_t remote_min_rx_us;	/* bfd.RemoteMinRxInterval */
	uint32_t remote_min_tx_us;	/* Desired Min TX as last heard */
	uint32_t remote_note;		/* as last heard; 0 of all but our own kind */
	uint8_t	remote_mult;		/* Detect Mult as last heard; 0 never heard */
	bool	is_remote_demand;	/* bfd.RemoteDemandMode */
	bool	is_remote_cpi;		/* the C bit as last heard */

	uint32_t tx_us;			/* DesiredMinTx in force; lags while polling */
	uint32_t rx_us;			/* RequiredMinRx in force; lags while polling */
	bool	is_polling;		/* a Poll Sequence is under way (6.5) */
	bool	is_poll_stale;		/* changed again since: poll once more */
	bool	is_final_due;		/* a Poll awaits its Final */
	uint8_t	nurgent;		/* packets to send without waiting */
	struct mono tx_last;		/* last packet that was not a mere Final */
	uint32_t jitter;		/* of this round, 1/65536 of the interval */
	uint64_t random;

	struct mono rx_last;		/* last accepted packet */
	struct mono detect_due;		/* MONO_NEVER while nothing is heard */
	bool	is_forgiven;		/* detect_due was put off since rx_last */

	uint32_t xmit_seq;		/* bfd.XmitAuthSeq: the next to send */
	uint32_t rcv_seq;		/* bfd.RcvAuthSeq */
	bool	is_seq_known;		/* bfd.AuthSeqKnown */
	struct mono seq_due;		/* when to forget rcv_seq */

	struct bfd_echo echo;		/* runs while up, if it is wanted and taken */

	uint8_t	nrefused;		/* refusals since rx_last, saturating */
	uint16_t nunrefused;		/* packets sent since the last, saturating */
	struct bfd_counts counts;
};

/* A session in state Down whose first packet, unless passive, is due now. */
void bfd_init(struct bfd *s, const struct bfd_conf *conf, struct mono now);

/*
 * Feed the payload of a datagram that came from the peer's address. Returns 0
 * where it was accepted, or, with nothing changed but a counter: -EBADMSG
 * malformed, -ENOENT another session's discriminator, -EACCES not authentic,
 * -ESTALE authentic in form but replayed.
 */
int bfd_rx(struct bfd *s, const uint8_t *buf, size_t len, struct mono now);

/*
 * An Echo packet has come back. While they do, the peer's control packets are asked
 * for no oftener than each second (6.8.3). Returns as bfd_echo_rx().
 */
int bfd_rx_echo(struct bfd *s, const struct bfd_echo_pkt *p);

/*
 * Let time pass: expire detection and sequence numbers. Feed everything that
 * has already arrived first. An expiry seen late by more than half a detection
 * time was not watched (we were stopped, or our machine was): the time starts
 * over, once, so that a pause of ours is not taken for the death of all peers.
 */
void bfd_tick(struct bfd *s, struct mono now);

/* The next packet that is due into buf; its length, 0 for none. */
size_t bfd_tx(struct bfd *s, struct mono now, uint8_t buf[BFD_PKT_MAX]);

/* When to call bfd_tick(), bfd_tx(), bfd_echo_tx() next; in the past: at once. */
struct mono bfd_deadline(const struct bfd *s);

/* Change the intervals, with a Poll Sequence where the session is up (6.8.3). */
void bfd_set_intervals(struct bfd *s, uint32_t min_tx_us, uint32_t min_rx_us);

/* Change conf.echo_us. */
void bfd_set_echo(struct bfd *s, uint32_t echo_us, struct mono now);

/*
 * Tell the peer, while the session stays up, what the path beyond this end is
 * worth (6.8.17): BFD_DIAG_NONE, or one of the concatenated-path diagnostics.
 * detect_mult packets go out at once.
 */
void bfd_set_path(struct bfd *s, enum bfd_diag diag);

/*
 * Tell the peer a word of the caller's, in every packet, authenticated as the
 * rest; detect_mult packets go out at once. It stands in Required Min Echo RX
 * Interval, and only a peer of our own kind takes it for a word. To others it is
 * an offer to return Echo packets that come no more often than every so many
 * microseconds (6.4); 0, to begin with, is no offer.
 */
void bfd_set_note(struct bfd *s, uint32_t note);

/* Hold the session down on purpose: detect_mult packets go out at once. */
void bfd_admin_down(struct bfd *s);

/*
 * The peer's host answered a packet with ICMP port unreachable and quoted buf.
 * Taken only where buf is a packet of this session (and, with authentication,
 * one of the last few): nobody off the path can make that up, and who is on
 * the path can stop packets anyway. BFD_REFUSALS_DOWN in a row take a session
 * down before its detection time, with BFD_DIAG_PATH_DOWN. Returns 0, or
 * -EBADMSG where the quote is not ours, with nothing changed.
 */
int bfd_refused(struct bfd *s, const uint8_t *buf, size_t len);

/*
 * Down, and the peer's host still refuses what we send: it has within
 * BFD_REFUSAL_HOLD_US, or detect_mult packets where these take longer.
 */
bool bfd_is_refused(const struct bfd *s);

/*
 * Detection time in microseconds: of Echo while that is active, else of control
 * packets (6.8.4); 0 while nothing was heard.
 */
uint64_t bfd_detect_us(const struct bfd *s);

/*
 * The interval with npeers sessions of which each end sends no more than max_pps
 * packets a second, 0 for any number: wanted_us, or as many quarters of it as that
 * takes, so that not each peer that comes makes all change; BFD_INTERVAL_MAX_US at
 * most. jitter_pct, 1 to 25, is as in struct bfd_conf, for it makes packets more.
 */
uint32_t bfd_interval_us(uint32_t wanted_us, size_t npeers, uint32_t max_pps,
    uint8_t jitter_pct);

/* A first sequence number that rises across restarts: 4096 a second. */
uint32_t bfd_seq_of_wall(int64_t wall_ns);

#endif
