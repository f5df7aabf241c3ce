/* vip.c - see vip.h. */
#include "arp/vip.h"

#include <assert.h>
#include <string.h>

#include "arp/arp.h"
#include "arp/ndp.h"

enum { REPORT_AGAIN_SEC = 10 };	/* another rival while one is reported */

const struct arp_vip_conf arp_vip_conf_default = {
	.nprobes = 3,
	.probe_wait_ms = 100,
	.probe_min_ms = 200,
	.probe_max_ms = 300,
	.claim_wait_ms = 250,
	.nburst = 3,
	.burst_gap_ms = { 100, 900, 1000, 1000, 1000, 1000, 1000, 1000 },
	.repeat_sec = 60,
	.ndefend_quick = 10,
	.defend_min_ms = 100,
	.defend_max_ms = 10000,
	.confirm_ms = 500,
	.suspect_ms = 1000,
	.settle_sec = 200,
	.retry_min_sec = 1,
	.retry_max_sec = 60,
	.doubt_ms = 1000,
};

const char *
arp_vip_state_name(enum arp_vip_state s)
{
	switch (s) {
	case ARP_VIP_IDLE:
		return "idle";
	case ARP_VIP_PROBING:
		return "probing";
	case ARP_VIP_OWNER:
		return "owner";
	case ARP_VIP_WITHHELD:
		return "withheld";
	case ARP_VIP_YIELDED:
		return "yielded";
	}
	return "?";
}

/* lo..hi, both inclusive; splitmix64. */
static uint64_t
random_between(struct arp_vip *v, uint64_t lo, uint64_t hi)
{
	uint64_t z = (v->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return lo + z % (hi - lo + 1);
}

static struct mono
after_random_ms(struct arp_vip *v, struct mono now, uint64_t lo, uint64_t hi)
{
	return mono_add_ms(now, (int64_t)random_between(v, lo, hi));
}

/* +-25 %, so that the VIPs of a node and the nodes of a cluster spread out. */
static struct mono
after_jittered_sec(struct arp_vip *v, struct mono now, uint64_t sec)
{
	return after_random_ms(v, now, sec * 750, sec * 1250);
}

static void
put_probe(const struct arp_vip *v, struct arp_out *out)
{
	out->frame[out->nframes++] = ip_is_v4(&v->addr) ?
	    arp_probe(&v->addr, v->mac) : ndp_probe(&v->addr, v->mac);
	out->did |= ARP_DID_PROBE;
}

static void
put_announcement(const struct arp_vip *v, struct arp_out *out)
{
	if (ip_is_v4(&v->addr)) {
		out->frame[out->nframes++] = arp_announce_request(&v->addr, v->mac);
		out->frame[out->nframes++] = arp_announce_reply(&v->addr, v->mac);
	} else {
		out->frame[out->nframes++] = ndp_announce(&v->addr, v->mac);
	}
	out->did |= ARP_DID_ANNOUNCE;
}

static void
put_answer(const struct arp_vip *v, const struct arp_event *ask, struct arp_out *out)
{
	out->frame[out->nframes++] = ip_is_v4(&v->addr) ?
	    arp_answer(&v->addr, v->mac, ask) : ndp_answer(&v->addr, v->mac, ask);
	out->did |= ARP_DID_ANSWER;
}

void
arp_vip_init(struct arp_vip *v, const struct arp_vip_conf *conf, const struct ip *addr,
    const uint8_t mac[ARP_MAC_LEN], uint64_t seed)
{
	assert(conf->nprobes > 0 && conf->nburst > 0);
	assert(conf->nburst <= ARP_BURST_MAX + 1);
	*v = (struct arp_vip){ .conf = conf, .addr = *addr, .rng = seed,
		.next = MONO_NEVER };
	memcpy(v->mac, mac, ARP_MAC_LEN);
}

/* Enter a state, or begin it anew. */
static void
begin(struct arp_vip *v, enum arp_vip_state state, struct mono next)
{
	v->state = state;
	v->is_announced = v->is_announced && state == ARP_VIP_OWNER;
	v->nsent = 0;
	v->next = next;
	v->is_defence_due = false;
}

void
arp_vip_start(struct arp_vip *v, enum arp_claim claim, struct mono now)
{
	if (claim == ARP_CLAIM_NOW)
		begin(v, ARP_VIP_OWNER, now);
	else
		begin(v, ARP_VIP_PROBING,
		    after_random_ms(v, now, 0, v->conf->probe_wait_ms));
}

void
arp_vip_set_policy(struct arp_vip *v, enum arp_policy policy, struct mono now)
{
	v->policy = policy;
	if (v->state == ARP_VIP_YIELDED && policy != ARP_POLICY_YIELD)
		begin(v, ARP_VIP_OWNER, now);
}

void
arp_vip_link_up(struct arp_vip *v, const uint8_t mac[ARP_MAC_LEN], struct mono now)
{
	memcpy(v->mac, mac, ARP_MAC_LEN);
	switch (v->state) {
	case ARP_VIP_IDLE:
	case ARP_VIP_YIELDED:
		break;
	case ARP_VIP_PROBING:
	case ARP_VIP_WITHHELD:		/* the rival may be on another LAN now */
		begin(v, ARP_VIP_PROBING, now);
		break;
	case ARP_VIP_OWNER:
		begin(v, ARP_VIP_OWNER, now);
		break;
	}
}

void
arp_vip_announce(struct arp_vip *v, struct mono now)
{
	if (v->state == ARP_VIP_OWNER)
		begin(v, ARP_VIP_OWNER, now);
}

void
arp_vip_doubt(struct arp_vip *v, struct mono now)
{
	v->doubt_until = mono_add_ms(now, v->conf->doubt_ms);
	switch (v->state) {
	case ARP_VIP_IDLE:
	case ARP_VIP_YIELDED:
	case ARP_VIP_WITHHELD:
		break;
	case ARP_VIP_PROBING:		/* an answer may have been missed */
		begin(v, ARP_VIP_PROBING, v->doubt_until);
		break;
	case ARP_VIP_OWNER:
		if (mono_before(v->next, v->doubt_until))
			v->next = v->doubt_until;
		v->is_defence_due = false;
		v->rival.is_seen = v->rival.is_reported;
		break;
	}
}

/* Tell of the rival that ev shows, unless the caller has just been told. */
static void
report(struct arp_vip *v, const struct arp_event *ev, struct mono now,
    struct arp_out *out)
{
	struct arp_rival *r = &v->rival;
	bool is_known = r->is_reported && arp_mac_eq(r->mac, ev->mac);

	r->forget_at = mono_add_sec(now, v->conf->settle_sec);
	if (is_known || (r->is_reported && mono_before(now, r->report_at)))
		return;
	memcpy(r->mac, ev->mac, ARP_MAC_LEN);
	r->is_seen = r->is_probed = r->is_reported = true;
	r->report_at = mono_add_sec(now, REPORT_AGAIN_SEC);
	out->did |= ARP_DID_CONFLICT;
}

static void
forget_rival(struct arp_vip *v, struct arp_out *out)
{
	if (v->rival.is_reported)
		out->did |= ARP_DID_SETTLE;
	v->rival = (struct arp_rival){ .is_seen = false };
}

/* Fall silent and probe again later, later each time. */
static void
withhold(struct arp_vip *v, struct mono now, struct arp_out *out)
{
	uint64_t wait_sec = v->conf->retry_max_sec;

	if (v->nretries < 16)
		wait_sec = (uint64_t)v->conf->retry_min_sec << v->nretries++;
	if (wait_sec > v->conf->retry_max_sec)
		wait_sec = v->conf->retry_max_sec;
	if (v->is_announced)
		out->did |= ARP_DID_CHANGE;
	begin(v, ARP_VIP_WITHHELD, after_jittered_sec(v, now, wait_sec));
}

/* Announce against a rival and set when the next time may be. */
static void
defend(struct arp_vip *v, struct mono now, struct arp_out *out)
{
	const struct arp_vip_conf *c = v->conf;

	if (mono_reached(now, mono_add_ms(v->defend_at, c->defend_max_ms)))
		v->ndefences = 0;	/* another quarrel than the last */
	if (v->ndefences < c->ndefend_quick) {
		v->ndefences++;
		v->defend_wait_ms = c->defend_min_ms;
	} else if (v->defend_wait_ms < c->defend_max_ms / 2) {
		v->defend_wait_ms *= 2;
	} else {
		v->defend_wait_ms = c->defend_max_ms;
	}
	v->defend_at = mono_add_ms(now, v->defend_wait_ms);
	v->is_defence_due = false;
	if ((out->did & ARP_DID_ANNOUNCE) == 0)
		put_announcement(v, out);
	out->did |= ARP_DID_DEFEND;
}

/* A first claim, or one by another than before: suspect, and probe soon. */
static void
suspect(struct arp_vip *v, const struct arp_event *ev, struct mono now)
{
	struct arp_rival *r = &v->rival;

	*r = (struct arp_rival){ .is_seen = true };
	memcpy(r->mac, ev->mac, ARP_MAC_LEN);
	r->confirm_at = mono_add_ms(now, v->conf->confirm_ms);
	r->forget_at = mono_add_ms(r->confirm_at, v->conf->suspect_ms);
}

/* Somebody claims the VIP that is ours. */
static void
contest(struct arp_vip *v, const struct arp_event *ev, struct mono now,
    struct arp_out *out)
{
	struct arp_rival *r = &v->rival;

	if (v->policy == ARP_POLICY_YIELD) {
		if (v->is_announced)
			out->did |= ARP_DID_CHANGE;
		begin(v, ARP_VIP_YIELDED, MONO_NEVER);
		return;
	}
	if (r->is_reported || (r->is_seen && arp_mac_eq(r->mac, ev->mac) &&
	    mono_reached(now, r->confirm_at))) {
		report(v, ev, now, out);
		if (v->policy == ARP_POLICY_WITHHOLD) {
			withhold(v, now, out);
			return;
		}
	} else if (!r->is_seen || !arp_mac_eq(r->mac, ev->mac)) {
		suspect(v, ev, now);
	}
	if (mono_reached(now, v->defend_at))
		defend(v, now, out);
	else
		v->is_defence_due = true;
}

void
arp_vip_rx(struct arp_vip *v, const struct arp_event *ev, struct mono now,
    struct arp_out *ret)
{
	ret->did = 0;
	ret->nframes = 0;
	if (mono_before(now, v->doubt_until))
		return;
	if (ev->kind != ARP_EVENT_ASK && arp_mac_eq(ev->mac, v->mac))
		return;
	switch (v->state) {
	case ARP_VIP_IDLE:
	case ARP_VIP_YIELDED:
		break;
	case ARP_VIP_PROBING:
		/*
		 * Another's probe is as good as a claim (RFC 5227, 2.1.1; RFC
		 * 4862, 5.4.3), but no holder to report.
		 */
		if (ev->kind == ARP_EVENT_ASK)
			break;
		if (ev->kind == ARP_EVENT_CLAIM)
			report(v, ev, now, ret);
		withhold(v, now, ret);
		break;
	case ARP_VIP_WITHHELD:
		if (ev->kind == ARP_EVENT_CLAIM)
			report(v, ev, now, ret);
		break;
	case ARP_VIP_OWNER:
		if (ev->kind == ARP_EVENT_CLAIM)
			contest(v, ev, now, ret);
		else
			put_answer(v, ev, ret);
		break;
	}
}

static void
tick_probing(struct arp_vip *v, struct mono now, struct arp_out *out)
{
	const struct arp_vip_conf *c = v->conf;

	if (!mono_reached(now, v->next))
		return;
	if (v->nsent < c->nprobes) {
		put_probe(v, out);
		v->nsent++;
		v->next = v->nsent == c->nprobes ?
		    mono_add_ms(now, c->claim_wait_ms) :
		    after_random_ms(v, now, c->probe_min_ms, c->probe_max_ms);
		return;
	}
	begin(v, ARP_VIP_OWNER, now);
	v->nretries = 0;
	forget_rival(v, out);
}

static void
tick_owner(struct arp_vip *v, struct mono now, struct arp_out *out)
{
	const struct arp_vip_conf *c = v->conf;
	struct arp_rival *r = &v->rival;
	bool is_watching = false;

	if (mono_reached(now, v->next)) {
		put_announcement(v, out);
		if (!v->is_announced)
			out->did |= ARP_DID_CHANGE;
		v->is_announced = true;
		if (v->nsent < c->nburst)
			v->nsent++;
		/*
		 * A silent holder (Linux with the VIP configured) shows itself
		 * only when probed. Not before the burst is over: speed first.
		 */
		is_watching = v->nsent == c->nburst;
		v->next = v->nsent < c->nburst ?
		    mono_add_ms(now, c->burst_gap_ms[v->nsent - 1]) :
		    after_jittered_sec(v, now, c->repeat_sec);
	}
	if (v->is_defence_due && mono_reached(now, v->defend_at))
		defend(v, now, out);
	if (r->is_seen && !r->is_probed && mono_reached(now, r->confirm_at)) {
		r->is_probed = true;
		is_watching = true;
	}
	if (is_watching)
		put_probe(v, out);
	if (r->is_seen && mono_reached(now, r->forget_at))
		forget_rival(v, out);
}

void
arp_vip_tick(struct arp_vip *v, struct mono now, struct arp_out *ret)
{
	ret->did = 0;
	ret->nframes = 0;
	if (v->state == ARP_VIP_WITHHELD && mono_reached(now, v->next))
		begin(v, ARP_VIP_PROBING, now);
	if (v->state == ARP_VIP_PROBING)
		tick_probing(v, now, ret);
	if (v->state == ARP_VIP_OWNER)
		tick_owner(v, now, ret);
}

struct mono
arp_vip_deadline(const struct arp_vip *v)
{
	const struct arp_rival *r = &v->rival;
	struct mono due = v->next;

	if (v->state != ARP_VIP_OWNER)
		return due;
	if (v->is_defence_due)
		due = mono_min(due, v->defend_at);
	if (r->is_seen)
		due = mono_min(due, r->is_probed ? r->forget_at : r->confirm_at);
	return due;
}
