/*
 * fsm.c - one flat switch, to be read beside RFC 4271, 8.2.2.
 *
 * DelayOpen is not there, so event 12, 14, 15 and 20 are not; a failed attempt
 * waits in Idle or Active for retry_due, which is ConnectRetryTimer and
 * IdleHoldTimer in one: it starts at a second and doubles up to connect_sec,
 * so that a router that comes back is met soon and one that rejects us is not
 * pestered.
 */
#include <assert.h>

#include "bgp/fsm.h"
#include "lib/mem.h"

const char *
bgp_state_name(enum bgp_state s)
{
	static const char *const names[] = {
		[BGP_IDLE] = "Idle", [BGP_CONNECT] = "Connect", [BGP_ACTIVE] = "Active",
		[BGP_OPENSENT] = "OpenSent", [BGP_OPENCONFIRM] = "OpenConfirm",
		[BGP_ESTABLISHED] = "Established",
	};

	return s < nitems(names) ? names[s] : "?";
}

/* now + 75 to 100 % of sec (10). */
static struct mono
jittered(struct bgp_fsm *f, struct mono now, uint64_t sec)
{
	uint64_t ns = sec * (uint64_t)NSEC_PER_SEC;

	f->random = f->random * UINT64_C(6364136223846793005) + 1;
	return mono_add_ns(now, (int64_t)(ns / 4 * 3 + ns / 4 / 256 * (f->random >> 56)));
}

static void
hold_restart(struct bgp_fsm *f, struct mono now)
{
	f->hold_due = f->hold_sec > 0 ? mono_add_sec(now, f->hold_sec) : MONO_NEVER;
}

static void
keepalive_restart(struct bgp_fsm *f, struct mono now)
{
	uint16_t sec = f->hold_sec / 3;

	if (f->conf.keepalive_sec > 0 && f->conf.keepalive_sec < sec)
		sec = f->conf.keepalive_sec;
	f->keepalive_due = f->hold_sec > 0 ? jittered(f, now, sec) : MONO_NEVER;
}

static void
timers_stop(struct bgp_fsm *f)
{
	f->retry_due = f->hold_due = f->keepalive_due = f->send_due = MONO_NEVER;
}

void
bgp_fsm_init(struct bgp_fsm *f, const struct bgp_fsm_conf *conf)
{
	assert(conf->connect_sec > 0 && conf->hold_sec != 1 && conf->hold_sec != 2);
	*f = (struct bgp_fsm){ .conf = *conf, .random = conf->random };
	timers_stop(f);
}

static unsigned
dial(struct bgp_fsm *f, struct mono now)
{
	timers_stop(f);
	if (f->conf.is_passive) {
		f->state = BGP_ACTIVE;
		return 0;
	}
	f->state = BGP_CONNECT;
	f->retry_due = jittered(f, now, f->conf.connect_sec);
	return BGP_DO_DIAL;
}

static unsigned
tcp_up(struct bgp_fsm *f, struct mono now)
{
	timers_stop(f);
	f->state = BGP_OPENSENT;
	f->hold_due = mono_add_sec(now, BGP_OPEN_HOLD_SEC);
	return BGP_DO_OPEN;
}

/* The connection failed: wait in `state`, longer each time. */
static unsigned
fail(struct bgp_fsm *f, enum bgp_state state, unsigned does, struct mono now)
{
	unsigned sec = f->conf.connect_sec;

	if (f->state == BGP_ESTABLISHED) {
		does |= BGP_DO_DOWN;
		f->nfailures = 0;
	}
	if (f->nfailures < 16 && BGP_RETRY_MIN_SEC << f->nfailures < (int)sec)
		sec = (unsigned)BGP_RETRY_MIN_SEC << f->nfailures;
	f->nfailures++;
	timers_stop(f);
	f->state = f->conf.is_accepted ? BGP_IDLE : state;
	if (!f->conf.is_accepted)
		f->retry_due = jittered(f, now, sec);
	return does;
}

static unsigned
notify(struct bgp_fsm *f, const struct bgp_error *err, struct mono now)
{
	f->err = *err;
	f->is_err_theirs = false;
	return fail(f, BGP_IDLE, BGP_DO_NOTIFY | BGP_DO_CLOSE, now);
}

static unsigned
notify_code(struct bgp_fsm *f, enum bgp_error_code code, unsigned subcode,
    struct mono now)
{
	struct bgp_error err = { .code = (uint8_t)code, .subcode = (uint8_t)subcode };

	return notify(f, &err, now);
}

static unsigned
tcp_down(struct bgp_fsm *f, enum bgp_state state, struct mono now)
{
	f->err = (struct bgp_error){ 0 };
	f->is_err_theirs = false;
	return fail(f, state, BGP_DO_ABORT, now);
}

static unsigned
notified(struct bgp_fsm *f, const struct bgp_error *err, struct mono now)
{
	f->err = *err;
	f->is_err_theirs = true;
	return fail(f, BGP_IDLE, BGP_DO_ABORT, now);
}

/* 2, 8, 23: no retry until the next start. */
static unsigned
stop(struct bgp_fsm *f, const struct bgp_error *err)
{
	unsigned does = f->state == BGP_ESTABLISHED ? BGP_DO_DOWN : 0;

	if (f->state >= BGP_OPENSENT && err->code != 0)
		does |= BGP_DO_NOTIFY | BGP_DO_CLOSE;
	else if (f->state != BGP_IDLE)
		does |= BGP_DO_ABORT;
	f->err = *err;
	f->is_err_theirs = false;
	f->nfailures = 0;
	f->state = BGP_IDLE;
	timers_stop(f);
	return does;
}

static unsigned
tick(struct bgp_fsm *f, struct mono now)
{
	if (mono_reached(now, f->hold_due))
		return notify_code(f, BGP_ERR_HOLD, 0, now);
	if (mono_reached(now, f->send_due)) {
		/* A NOTIFICATION would not get through either (RFC 9687, 3.2). */
		f->err = (struct bgp_error){ .code = BGP_ERR_SEND_HOLD };
		f->is_err_theirs = false;
		return fail(f, BGP_IDLE, BGP_DO_ABORT, now);
	}
	if (mono_reached(now, f->keepalive_due)) {
		keepalive_restart(f, now);
		return BGP_DO_KEEPALIVE;
	}
	if (mono_reached(now, f->retry_due))
		return (f->state == BGP_CONNECT ? BGP_DO_ABORT : 0u) | dial(f, now);
	return 0;
}

/*
 * What a state in which messages come does not wait for; alike in all three (RFC 4271,
 * 8.2.2) but for where a lost connection leads, and what the peer is told of a message
 * that is not its turn.
 */
static unsigned
other(struct bgp_fsm *f, const struct bgp_event *ev, enum bgp_state lost,
    uint8_t fsm_error, struct mono now)
{
	switch (ev->type) {
	case BGP_EV_TCP_DOWN:
		return tcp_down(f, lost, now);
	case BGP_EV_ERROR:
		return notify(f, &ev->err, now);
	case BGP_EV_NOTIFICATION:
		return notified(f, &ev->err, now);
	case BGP_EV_START:
	case BGP_EV_TCP_UP:
		return 0;
	default:
		return notify_code(f, BGP_ERR_FSM, fsm_error, now);
	}
}

unsigned
bgp_fsm_step(struct bgp_fsm *f, const struct bgp_event *ev, struct mono now)
{
	if (ev->type == BGP_EV_STOP)
		return stop(f, &ev->err);
	if (ev->type == BGP_EV_TICK)
		return tick(f, now);

	switch (f->state) {
	case BGP_IDLE:
		if (ev->type == BGP_EV_START)
			return dial(f, now);
		if (ev->type == BGP_EV_TCP_UP && f->conf.is_accepted)
			return tcp_up(f, now);
		return 0;

	case BGP_CONNECT:
	case BGP_ACTIVE:
		if (ev->type == BGP_EV_TCP_UP)
			return tcp_up(f, now);
		if (ev->type == BGP_EV_TCP_DOWN)
			return tcp_down(f, BGP_IDLE, now);
		return 0;

	case BGP_OPENSENT:
		if (ev->type != BGP_EV_OPEN)
			return other(f, ev, BGP_ACTIVE, BGP_FSM_OPENSENT, now);
		f->state = BGP_OPENCONFIRM;
		f->hold_sec = ev->hold_sec;
		hold_restart(f, now);
		keepalive_restart(f, now);
		return BGP_DO_KEEPALIVE;

	case BGP_OPENCONFIRM:
		if (ev->type != BGP_EV_KEEPALIVE)
			return other(f, ev, BGP_IDLE, BGP_FSM_OPENCONFIRM, now);
		f->state = BGP_ESTABLISHED;
		f->err = (struct bgp_error){ 0 };
		hold_restart(f, now);
		return BGP_DO_UP;

	case BGP_ESTABLISHED:
		if (ev->type != BGP_EV_KEEPALIVE && ev->type != BGP_EV_UPDATE &&
		    ev->type != BGP_EV_REFRESH)
			return other(f, ev, BGP_IDLE, BGP_FSM_ESTABLISHED, now);
		hold_restart(f, now);
		return 0;
	}
	return 0;
}

struct mono
bgp_fsm_deadline(const struct bgp_fsm *f)
{
	return mono_min(mono_min(f->retry_due, f->hold_due),
	    mono_min(f->keepalive_due, f->send_due));
}

void
bgp_fsm_sent(struct bgp_fsm *f, bool is_stuck, struct mono now)
{
	int64_t sec = 2 * f->hold_sec > 480 ? 2 * f->hold_sec : 480;

	if (is_stuck && f->state == BGP_ESTABLISHED && f->hold_sec > 0) {
		if (f->send_due.ns == MONO_NEVER.ns)
			f->send_due = mono_add_sec(now, sec);
	} else {
		f->send_due = MONO_NEVER;
	}
}

bool
bgp_collision_keeps_ours(uint32_t our_id, uint32_t our_as, uint32_t their_id,
    uint32_t their_as)
{
	return our_id != their_id ? our_id > their_id : our_as > their_as;
}
