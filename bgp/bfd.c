/*
 * bfd.c - the BFD session: state machine, timers, Poll Sequences. Section numbers
 * are those of RFC 5880.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bgp/bfd.h"
#include "bgp/bfd_auth.h"

static uint32_t
max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* splitmix64: good enough to keep peers out of step. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* bfd.DesiredMinTxInterval as it goes on the wire. */
static uint32_t
desired_tx_us(const struct bfd *s)
{
	uint32_t slow_us = s->conf.slow_tx_us;

	if (s->state == BFD_UP)
		return s->conf.min_tx_us;
	return max_u32(s->conf.min_tx_us, slow_us != 0 ? slow_us : BFD_SLOW_TX_US);
}

/*
 * bfd.RequiredMinRxInterval as it goes on the wire. Where Echo packets find failures,
 * control packets need not (6.8.3).
 */
static uint32_t
required_rx_us(const struct bfd *s)
{
	return s->echo.is_active ? max_u32(s->conf.min_rx_us, BFD_SLOW_TX_US) :
	    s->conf.min_rx_us;
}

/* 6.8.4 */
static int64_t
control_detect_us(const struct bfd *s)
{
	return (int64_t)s->remote_mult * max_u32(s->rx_us, s->remote_min_tx_us);
}

uint64_t
bfd_detect_us(const struct bfd *s)
{
	return s->echo.is_active ? bfd_echo_detect_us(&s->echo) :
	    (uint64_t)control_detect_us(s);
}

static void
detect_rearm(struct bfd *s)
{
	int64_t detect_us = control_detect_us(s);

	s->detect_due = mono_add_us(s->rx_last, detect_us);
	if (s->is_seq_known)
		s->seq_due = mono_add_us(s->rx_last, 2 * detect_us);
}

/*
 * The peer's detection time runs from the last packet, so the wider the range, the
 * later it finds us gone: by a sixteenth of an interval in the mean at 25 %.
 */
static void
tx_restart(struct bfd *s, struct mono now)
{
	uint32_t most = s->conf.jitter_pct, least = 0;

	if (s->conf.detect_mult == 1) {
		most = BFD_JITTER_MAX_PCT;
		least = BFD_JITTER_LONE_PCT;
	} else if (most == 0) {
		most = BFD_JITTER_MAX_PCT;
	}
	s->tx_last = now;
	s->jitter = 65536 - most * 65536 / 100 +
	    (uint32_t)(next_random(&s->random) % ((most - least) * 65536 / 100));
}

/* What has been forgotten once a peer is silent for its detection time. */
static void
remote_forget(struct bfd *s)
{
	s->remote_state = BFD_DOWN;
	s->remote_discr = 0;
	s->remote_min_rx_us = 1;
	s->is_remote_demand = false;
	s->detect_due = MONO_NEVER;
}

static void
poll_end(struct bfd *s)
{
	s->is_polling = s->is_poll_stale = false;
	s->tx_us = desired_tx_us(s);
	s->rx_us = required_rx_us(s);
}

/*
 * The intervals on the wire have changed. Until the peer has acknowledged by
 * a Final, we neither slow down before it expects that nor expect it to speed
 * up before it knows (6.8.3).
 */
static void
poll_begin(struct bfd *s)
{
	if (s->conf.min_tx_us < s->tx_us)
		s->tx_us = s->conf.min_tx_us;
	if (required_rx_us(s) > s->rx_us)
		s->rx_us = required_rx_us(s);
	s->is_poll_stale = s->is_polling;
	s->is_polling = true;
	s->nurgent = 1;
}

static void
enter(struct bfd *s, enum bfd_state state, enum bfd_diag diag)
{
	s->state = state;
	s->diag = diag;
	s->nurgent = 1;
	if (state != BFD_UP)
		bfd_echo_stop(&s->echo);	/* 6.8.9 */
	if (state == BFD_UP)
		poll_begin(s);		/* from the slow interval to the wanted */
	else
		poll_end(s);
}

void
bfd_init(struct bfd *s, const struct bfd_conf *conf, struct mono now)
{
	assert(conf->local_discr != 0 && conf->detect_mult != 0);
	assert(conf->min_tx_us != 0 && conf->min_rx_us != 0);
	assert(conf->jitter_pct <= BFD_JITTER_MAX_PCT);
	*s = (struct bfd){
		.conf = *conf,
		.random = conf->random,
		.xmit_seq = conf->seq_first,
		.seq_due = MONO_NEVER,
		.rx_last = now,
	};
	bfd_echo_init(&s->echo, conf->local_discr, next_random(&s->random));
	remote_forget(s);
	enter(s, BFD_DOWN, BFD_DIAG_NONE);
	tx_restart(s, now);
}

/* Readable against the last part of 6.8.6. */
static void
step(struct bfd *s, enum bfd_state heard)
{
	switch (s->state) {
	case BFD_ADMIN_DOWN:
		break;
	case BFD_DOWN:
		if (heard == BFD_DOWN)
			enter(s, BFD_INIT, s->conf.path_diag);
		else if (heard == BFD_INIT)
			enter(s, BFD_UP, s->conf.path_diag);
		break;
	case BFD_INIT:
		if (heard == BFD_INIT || heard == BFD_UP)
			enter(s, BFD_UP, s->conf.path_diag);
		else if (heard == BFD_ADMIN_DOWN)
			enter(s, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN);
		break;
	case BFD_UP:
		if (heard == BFD_DOWN || heard == BFD_ADMIN_DOWN)
			enter(s, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN);
		break;
	}
}

static int
accept_check(struct bfd *s, const uint8_t *buf, size_t len, struct bfd_pkt *ret)
{
	int err = bfd_pkt_decode(buf, len, ret);

	if (err == 0 && ret->your_discr != 0 &&
	    ret->your_discr != s->conf.local_discr)
		err = -ENOENT;
	if (err == 0)
		err = bfd_auth_check(s, buf, ret);
	switch (err) {
	case 0:
		s->counts.rx++;
		break;
	case -EBADMSG:
		s->counts.bad++;
		break;
	case -ENOENT:
		s->counts.stray++;
		break;
	case -ESTALE:
		s->counts.replayed++;
		break;
	default:
		s->counts.unauthentic++;
	}
	return err;
}

/* 6.8.9: only while up, and no oftener than the peer bears, which may be never. */
static void
echo_follow(struct bfd *s, struct mono now)
{
	bool was_active = s->echo.is_active;

	if (s->state == BFD_UP && s->conf.echo_us != 0 && s->remote_note != 0)
		bfd_echo_run(&s->echo, max_u32(s->conf.echo_us, s->remote_note),
		    s->conf.detect_mult, now);
	else
		bfd_echo_stop(&s->echo);
	if (was_active && !s->echo.is_active && s->state == BFD_UP)
		poll_begin(s);
}

int
bfd_rx_echo(struct bfd *s, const struct bfd_echo_pkt *p)
{
	bool was_active = s->echo.is_active;
	int err = bfd_echo_rx(&s->echo, p);

	if (err == 0 && !was_active)
		poll_begin(s);
	return err;
}

int
bfd_rx(struct bfd *s, const uint8_t *buf, size_t len, struct mono now)
{
	struct bfd_pkt p;
	int err = accept_check(s, buf, len, &p);

	if (err < 0)
		return err;
	if (p.flags & BFD_AUTH) {
		s->rcv_seq = p.auth_seq;
		s->is_seq_known = true;
	}
	s->remote_discr = p.my_discr;
	s->remote_state = p.state;
	s->remote_diag = p.diag;
	s->is_remote_demand = p.flags & BFD_DEMAND;
	s->is_remote_cpi = p.flags & BFD_CPI;
	s->remote_min_rx_us = p.required_min_rx_us;
	s->remote_min_tx_us = p.desired_min_tx_us;
	s->remote_mult = p.detect_mult;
	s->remote_note = p.required_min_echo_rx_us;
	s->rx_last = now;
	s->is_forgiven = false;
	s->nrefused = 0;

	if (p.flags & BFD_FINAL && s->is_polling) {
		/* It may answer the Poll before the last change. */
		if (s->is_poll_stale)
			s->is_poll_stale = false;
		else
			poll_end(s);
	}
	if (p.flags & BFD_POLL && s->state != BFD_ADMIN_DOWN)
		s->is_final_due = true;
	step(s, p.state);
	echo_follow(s, now);
	detect_rearm(s);
	return 0;
}

static void
expire(struct bfd *s)
{
	remote_forget(s);
	if (s->state == BFD_INIT || s->state == BFD_UP)
		enter(s, BFD_DOWN, BFD_DIAG_TIME_EXPIRED);
}

void
bfd_tick(struct bfd *s, struct mono now)
{
	if (mono_reached(now, s->seq_due)) {
		s->is_seq_known = false;
		s->seq_due = MONO_NEVER;
	}
	if (mono_reached(now, s->detect_due)) {
		int64_t detect_ns = control_detect_us(s) * NSEC_PER_USEC;
		int64_t late_ns = mono_sub_ns(now, s->detect_due);

		if (late_ns > detect_ns / 2 && !s->is_forgiven) {
			s->is_forgiven = true;
			s->counts.forgiven++;
			s->detect_due = mono_add_ns(now, detect_ns);
		} else {
			expire(s);
		}
	}
	if (bfd_echo_has_failed(&s->echo, now))
		enter(s, BFD_DOWN, BFD_DIAG_ECHO_FAILED);	/* 6.8.5 */
}

/* A passive side says nothing to a peer it does not hear (6.8.7). */
static bool
is_silent(const struct bfd *s)
{
	return s->conf.is_passive && s->remote_discr == 0;
}

/* When the next periodic packet is due; 6.8.7. */
static struct mono
tx_due(const struct bfd *s)
{
	uint64_t us = max_u32(s->tx_us, s->remote_min_rx_us);

	if (is_silent(s) || s->remote_min_rx_us == 0)
		return MONO_NEVER;
	if (s->is_remote_demand && s->state == BFD_UP && s->remote_state == BFD_UP &&
	    !s->is_polling)
		return MONO_NEVER;	/* 6.6: it asks when it wants to know */
	return mono_add_ns(s->tx_last,
	    (int64_t)(us * NSEC_PER_USEC * s->jitter >> 16));
}

static size_t
encode(struct bfd *s, uint8_t flags, uint8_t buf[BFD_PKT_MAX])
{
	struct bfd_pkt p = {
		.diag = (uint8_t)s->diag,
		.state = (uint8_t)s->state,
		.flags = flags,
		.detect_mult = s->conf.detect_mult,
		.my_discr = s->conf.local_discr,
		.your_discr = s->remote_discr,
		.desired_min_tx_us = desired_tx_us(s),
		.required_min_rx_us = required_rx_us(s),
		.required_min_echo_rx_us = s->conf.note,
	};
	size_t len;

	if (s->conf.is_cpi)
		p.flags |= BFD_CPI;
	if (s->conf.auth_type == BFD_AUTH_NONE)
		return bfd_pkt_encode(&p, buf);
	p.flags |= BFD_AUTH;
	p.auth_type = s->conf.auth_type;
	p.auth_key_id = s->conf.auth_key_id;
	p.auth_seq = s->xmit_seq++;
	len = bfd_pkt_encode(&p, buf);
	bfd_pkt_digest(buf, s->conf.auth_key, buf + BFD_DIGEST_AT);
	return len;
}

size_t
bfd_tx(struct bfd *s, struct mono now, uint8_t buf[BFD_PKT_MAX])
{
	uint8_t flags = 0;

	if (is_silent(s))
		return 0;
	if (s->is_final_due) {
		/* Poll and Final never go together (6.5); a Poll still waits. */
		s->is_final_due = false;
		flags = BFD_FINAL;
		if (s->nurgent > 0 && !s->is_polling)
			s->nurgent--;
	} else if (s->nurgent > 0 || mono_reached(now, tx_due(s))) {
		if (s->nurgent > 0)
			s->nurgent--;
		if (s->is_polling)
			flags = BFD_POLL;
		tx_restart(s, now);
	} else {
		return 0;
	}
	s->counts.tx++;
	if (s->nunrefused < UINT16_MAX)
		s->nunrefused++;
	return encode(s, flags, buf);
}

struct mono
bfd_deadline(const struct bfd *s)
{
	struct mono due = mono_min(mono_min(s->detect_due, s->seq_due),
	    bfd_echo_deadline(&s->echo));

	if (!is_silent(s) && (s->is_final_due || s->nurgent > 0))
		return (struct mono){ 0 };
	return mono_min(due, tx_due(s));
}

void
bfd_set_intervals(struct bfd *s, uint32_t min_tx_us, uint32_t min_rx_us)
{
	assert(min_tx_us != 0 && min_rx_us != 0);
	if (min_tx_us == s->conf.min_tx_us && min_rx_us == s->conf.min_rx_us)
		return;
	s->conf.min_tx_us = min_tx_us;
	s->conf.min_rx_us = min_rx_us;
	if (s->state == BFD_UP)
		poll_begin(s);
	else
		poll_end(s);
	if (s->detect_due.ns != MONO_NEVER.ns)
		detect_rearm(s);
}

void
bfd_set_echo(struct bfd *s, uint32_t echo_us, struct mono now)
{
	s->conf.echo_us = echo_us;
	echo_follow(s, now);
}

void
bfd_set_path(struct bfd *s, enum bfd_diag diag)
{
	if (s->conf.path_diag == diag)
		return;
	s->conf.path_diag = diag;
	if (s->state == BFD_INIT || s->state == BFD_UP) {
		s->diag = diag;
		s->nurgent = s->conf.detect_mult;
	}
}

void
bfd_set_note(struct bfd *s, uint32_t note)
{
	if (s->conf.note == note)
		return;
	s->conf.note = note;
	if (s->state == BFD_INIT || s->state == BFD_UP)
		s->nurgent = s->conf.detect_mult;
}

void
bfd_admin_down(struct bfd *s)
{
	enter(s, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN);
	s->nurgent = s->conf.detect_mult;
}

int
bfd_refused(struct bfd *s, const uint8_t *buf, size_t len)
{
	struct bfd_pkt p;

	if (bfd_pkt_decode(buf, len, &p) < 0 || p.my_discr != s->conf.local_discr)
		return -EBADMSG;
	if (s->conf.auth_type != BFD_AUTH_NONE &&
	    (p.len != BFD_PKT_MAX ||
	    s->xmit_seq - p.auth_seq > 2u * s->conf.detect_mult ||
	    !bfd_auth_is_right(s, buf, &p)))
		return -EBADMSG;
	if (s->nrefused < UINT8_MAX)
		s->nrefused++;
	s->nunrefused = 0;
	if (s->nrefused >= BFD_REFUSALS_DOWN &&
	    (s->state == BFD_INIT || s->state == BFD_UP)) {
		remote_forget(s);
		enter(s, BFD_DOWN, BFD_DIAG_PATH_DOWN);
	}
	return 0;
}

bool
bfd_is_refused(const struct bfd *s)
{
	uint32_t most = max_u32(s->conf.detect_mult,
	    BFD_REFUSAL_HOLD_US / desired_tx_us(s));

	return s->state != BFD_UP && s->nrefused > 0 && s->nunrefused <= most;
}

uint32_t
bfd_seq_of_wall(int64_t wall_ns)
{
	return (uint32_t)((uint64_t)wall_ns / UINT64_C(1000000) * 4096 / 1000);
}
