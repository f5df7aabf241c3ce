/*
 * fsm.h - the state machine of one BGP connection (RFC 4271, 8).
 *
 * Pure. A peer has two of these, one for the connection we dial and one for
 * the connection the peer dials, so that each is as simple as the RFC's;
 * peer.c settles between them by bgp_collision_keeps_ours().
 */
#ifndef HERALD_BGP_FSM_H
#define HERALD_BGP_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include "bgp/msg.h"
#include "lib/mono.h"

enum bgp_state {
	BGP_IDLE,
	BGP_CONNECT,
	BGP_ACTIVE,
	BGP_OPENSENT,
	BGP_OPENCONFIRM,
	BGP_ESTABLISHED,
};
const char *bgp_state_name(enum bgp_state s);

/* With the numbers of the events in 8.1. */
enum bgp_ev {
	BGP_EV_START,		/* 1, 3, 4, 5 */
	BGP_EV_STOP,		/* 2, 8, 23: err is the NOTIFICATION, code 0 for none */
	BGP_EV_TICK,		/* 9, 10, 11, 13, and 29 of RFC 9687 */
	BGP_EV_TCP_UP,		/* 16, 17 */
	BGP_EV_TCP_DOWN,	/* 18 */
	BGP_EV_OPEN,		/* 19: hold_sec is the lower of both */
	BGP_EV_ERROR,		/* 21, 22, 28: err is the NOTIFICATION */
	BGP_EV_NOTIFICATION,	/* 24, 25: err is what came */
	BGP_EV_KEEPALIVE,	/* 26 */
	BGP_EV_UPDATE,		/* 27 */
	BGP_EV_REFRESH,		/* RFC 2918 */
	BGP_NEVENTS,
};

struct bgp_event {
	enum bgp_ev type;
	uint16_t hold_sec;
	struct bgp_error err;
};

/* What the caller must do after a step, lowest bit first. */
enum bgp_do {
	BGP_DO_DIAL	 = 1u << 0,	/* start a TCP connect */
	BGP_DO_OPEN	 = 1u << 1,	/* send our OPEN */
	BGP_DO_KEEPALIVE = 1u << 2,
	BGP_DO_NOTIFY	 = 1u << 3,	/* send f->err */
	BGP_DO_CLOSE	 = 1u << 4,	/* after what is queued has gone out */
	BGP_DO_ABORT	 = 1u << 5,	/* at once: nothing goes out any more */
	BGP_DO_UP	 = 1u << 6,	/* Established: announce */
	BGP_DO_DOWN	 = 1u << 7,	/* was Established */
};

enum {
	BGP_OPEN_HOLD_SEC	= 240,	/* until the OPEN has come (8.2.2) */
	BGP_RETRY_MIN_SEC	= 1,	/* first wait after a failure; it doubles */
};

struct bgp_fsm_conf {
	bool	is_passive;		/* never dials */
	bool	is_accepted;		/* the peer's connection: ends in Idle for good */
	uint16_t hold_sec;		/* ours, as in the OPEN: 0, or at least 3 */
	uint16_t keepalive_sec;		/* 0, or more than a third: a third of the hold
					   time agreed on */
	uint16_t connect_sec;		/* ConnectRetryTimer, at least 1 */
	uint64_t random;		/* seed for the jitter of timers (10) */
};

struct bgp_fsm {
	struct bgp_fsm_conf conf;
	enum bgp_state state;
	struct bgp_error err;		/* why it last ended; code 0: TCP did */
	bool	is_err_theirs;		/* err came as their NOTIFICATION */
	uint16_t hold_sec;		/* agreed on; 0: no keepalives, no hold timer */
	unsigned nfailures;		/* in a row, since last Established */
	struct mono retry_due;		/* dial, or leave Idle; MONO_NEVER: stopped */
	struct mono hold_due;
	struct mono keepalive_due;
	struct mono send_due;		/* RFC 9687; see bgp_fsm_sent() */
	uint64_t random;
};

/* Idle, until BGP_EV_START. */
void bgp_fsm_init(struct bgp_fsm *f, const struct bgp_fsm_conf *conf);

/* Touches nothing but *f: same f, ev and now, same answer, always. */
unsigned bgp_fsm_step(struct bgp_fsm *f, const struct bgp_event *ev, struct mono now);

/* When to step with BGP_EV_TICK; MONO_NEVER where nothing is due. */
struct mono bgp_fsm_deadline(const struct bgp_fsm *f);

/*
 * The output moved, or nothing is waiting any more (is_stuck false), or it is
 * full (true). Stuck for 8 minutes, or twice the hold time where that is more,
 * ends the session (RFC 9687).
 */
void bgp_fsm_sent(struct bgp_fsm *f, bool is_stuck, struct mono now);

/* 6.8 and RFC 6286, 2.3: of two connections, does the one we dialled stay? */
bool bgp_collision_keeps_ours(uint32_t our_id, uint32_t our_as, uint32_t their_id,
    uint32_t their_as);

#endif
