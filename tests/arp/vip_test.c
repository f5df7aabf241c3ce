/* The engine of one VIP on one link: every transition, and its timing. */
#include <stdlib.h>
#include <string.h>

#include "arp/vip.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

static const uint8_t us[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t us2[6] = { 2, 0, 0, 0, 0, 9 };
static const uint8_t rival[6] = { 2, 0, 0, 0, 0, 0xaa };
static const uint8_t other[6] = { 2, 0, 0, 0, 0, 0xbb };

/* No randomness in these: what is due when is then exact. */
static const struct arp_vip_conf conf = {
	.nprobes = 3, .probe_wait_ms = 0, .probe_min_ms = 200, .probe_max_ms = 200,
	.claim_wait_ms = 250, .nburst = 3, .burst_gap_ms = { 100, 900 },
	.repeat_sec = 60, .ndefend_quick = 3, .defend_min_ms = 100, .defend_max_ms = 10000,
	.confirm_ms = 500, .suspect_ms = 5000, .settle_sec = 200,
	.retry_min_sec = 1, .retry_max_sec = 60, .doubt_ms = 1000,
};

static struct ip
vip4(void)
{
	return ip_from_v4(0xc0a8010a);
}

static struct arp_event
event(enum arp_event_kind kind, const uint8_t mac[6])
{
	struct arp_event ev = { .kind = kind, .target = vip4() };

	memcpy(ev.mac, mac, 6);
	if (kind == ARP_EVENT_ASK)
		ev.asker = ip_from_v4(0xc0a80102);
	return ev;
}

static struct arp_out
rx(struct arp_vip *v, enum arp_event_kind kind, const uint8_t mac[6], struct mono now)
{
	struct arp_event ev = event(kind, mac);
	struct arp_out out = { .did = ~0u };

	arp_vip_rx(v, &ev, now, &out);
	return out;
}

static struct arp_out
tick(struct arp_vip *v, struct mono now)
{
	struct arp_out out = { .did = ~0u };

	arp_vip_tick(v, now, &out);
	return out;
}

/* Tick at every deadline up to and including `until`; what was done in all. */
static unsigned
run_until(struct arp_vip *v, struct mono until)
{
	unsigned did = 0, n = 0;

	while (mono_reached(until, arp_vip_deadline(v))) {
		did |= tick(v, arp_vip_deadline(v)).did;
		ck_assert_msg(++n < 1000, "the deadline does not move");
	}
	return did;
}

/* An engine in the given state at T0, its burst over where it is the owner. */
static struct arp_vip
engine_in(enum arp_vip_state state, enum arp_policy policy)
{
	struct mono start = mono_add_sec(T0, -10);
	struct ip addr = vip4();
	struct arp_vip v;

	arp_vip_init(&v, &conf, &addr, us, 1);
	arp_vip_set_policy(&v, policy, start);
	switch (state) {
	case ARP_VIP_IDLE:
		break;
	case ARP_VIP_PROBING:
		arp_vip_start(&v, ARP_CLAIM_PROBE, T0);
		tick(&v, T0);
		break;
	case ARP_VIP_WITHHELD:
		arp_vip_start(&v, ARP_CLAIM_PROBE, T0);
		rx(&v, ARP_EVENT_PROBE, rival, T0);
		break;
	case ARP_VIP_OWNER:
		arp_vip_start(&v, ARP_CLAIM_NOW, start);
		run_until(&v, T0);
		break;
	case ARP_VIP_YIELDED:
		arp_vip_set_policy(&v, ARP_POLICY_YIELD, start);
		arp_vip_start(&v, ARP_CLAIM_NOW, start);
		rx(&v, ARP_EVENT_CLAIM, rival, start);
		break;
	}
	ck_assert_str_eq(arp_vip_state_name(v.state), arp_vip_state_name(state));
	return v;
}

enum { ASK = ARP_EVENT_ASK, PROBE = ARP_EVENT_PROBE, CLAIM = ARP_EVENT_CLAIM };

static const struct {
	const char *why;
	enum arp_vip_state from;
	enum arp_policy policy;
	int	kind;
	const uint8_t *mac;
	enum arp_vip_state to;
	unsigned did;
	int	nframes;
} steps[] = {
	{ "idle answers nobody", ARP_VIP_IDLE, ARP_POLICY_DEFEND, ASK, rival,
	    ARP_VIP_IDLE, 0, 0 },
	{ "idle minds no claim", ARP_VIP_IDLE, ARP_POLICY_DEFEND, CLAIM, rival,
	    ARP_VIP_IDLE, 0, 0 },
	{ "yielded answers nobody", ARP_VIP_YIELDED, ARP_POLICY_YIELD, ASK, rival,
	    ARP_VIP_YIELDED, 0, 0 },
	{ "yielded lets the next owner claim", ARP_VIP_YIELDED, ARP_POLICY_YIELD,
	    CLAIM, rival, ARP_VIP_YIELDED, 0, 0 },

	{ "probing: not ours yet, no answer", ARP_VIP_PROBING, ARP_POLICY_DEFEND,
	    ASK, other, ARP_VIP_PROBING, 0, 0 },
	{ "probing: a holder answers; never take it, even to defend",
	    ARP_VIP_PROBING, ARP_POLICY_DEFEND, CLAIM, rival,
	    ARP_VIP_WITHHELD, ARP_DID_CONFLICT, 0 },
	{ "probing: another probes too (RFC 5227, 2.1.1); no holder to report",
	    ARP_VIP_PROBING, ARP_POLICY_DEFEND, PROBE, rival, ARP_VIP_WITHHELD, 0, 0 },
	{ "probing: our own probe comes back", ARP_VIP_PROBING, ARP_POLICY_DEFEND,
	    PROBE, us, ARP_VIP_PROBING, 0, 0 },

	{ "withheld: silent", ARP_VIP_WITHHELD, ARP_POLICY_DEFEND, ASK, other,
	    ARP_VIP_WITHHELD, 0, 0 },
	{ "withheld: a probe is not ours to answer", ARP_VIP_WITHHELD,
	    ARP_POLICY_DEFEND, PROBE, other, ARP_VIP_WITHHELD, 0, 0 },
	{ "withheld: now we know who has it", ARP_VIP_WITHHELD, ARP_POLICY_DEFEND,
	    CLAIM, rival, ARP_VIP_WITHHELD, ARP_DID_CONFLICT, 0 },

	{ "owner answers", ARP_VIP_OWNER, ARP_POLICY_DEFEND, ASK, other,
	    ARP_VIP_OWNER, ARP_DID_ANSWER, 1 },
	{ "owner answers its own node's other link", ARP_VIP_OWNER, ARP_POLICY_DEFEND,
	    ASK, us, ARP_VIP_OWNER, ARP_DID_ANSWER, 1 },
	{ "owner answers a probe: the address is taken", ARP_VIP_OWNER,
	    ARP_POLICY_DEFEND, PROBE, other, ARP_VIP_OWNER, ARP_DID_ANSWER, 1 },
	{ "owner defends at once, reports nothing yet", ARP_VIP_OWNER,
	    ARP_POLICY_DEFEND, CLAIM, rival, ARP_VIP_OWNER,
	    ARP_DID_ANNOUNCE | ARP_DID_DEFEND, 2 },
	{ "owner who would withhold defends too until it is sure", ARP_VIP_OWNER,
	    ARP_POLICY_WITHHOLD, CLAIM, rival, ARP_VIP_OWNER,
	    ARP_DID_ANNOUNCE | ARP_DID_DEFEND, 2 },
	{ "leaver yields to the next owner's first word", ARP_VIP_OWNER,
	    ARP_POLICY_YIELD, CLAIM, rival, ARP_VIP_YIELDED, ARP_DID_CHANGE, 0 },
	{ "leaver answers until then: no gap", ARP_VIP_OWNER, ARP_POLICY_YIELD, ASK,
	    other, ARP_VIP_OWNER, ARP_DID_ANSWER, 1 },
	{ "our own announcement comes back", ARP_VIP_OWNER, ARP_POLICY_YIELD, CLAIM,
	    us, ARP_VIP_OWNER, 0, 0 },
};

START_TEST(step)
{
	struct arp_vip v = engine_in(steps[_i].from, steps[_i].policy);
	struct arp_out out = rx(&v, (enum arp_event_kind)steps[_i].kind, steps[_i].mac,
	    T0);

	ck_assert_msg(v.state == steps[_i].to, "%s: %s", steps[_i].why,
	    arp_vip_state_name(v.state));
	ck_assert_msg(out.did == steps[_i].did, "%s: did %#x", steps[_i].why, out.did);
	ck_assert_msg(out.nframes == steps[_i].nframes, "%s: %d frames", steps[_i].why,
	    out.nframes);
}
END_TEST

/* What happens at which millisecond after start, nobody else speaking. */
static const struct {
	const char *why;
	enum arp_claim claim;
	struct {
		int	at_ms;
		unsigned did;
		int	nframes;
	} at[6];
} schedules[] = {
	{ "failover: at once, 100 ms, 1 s; then watch", ARP_CLAIM_NOW, {
	    { 0, ARP_DID_ANNOUNCE | ARP_DID_CHANGE, 2 },
	    { 100, ARP_DID_ANNOUNCE, 2 },
	    { 1000, ARP_DID_ANNOUNCE | ARP_DID_PROBE, 3 } } },
	{ "first claim: three probes, silence, then as above", ARP_CLAIM_PROBE, {
	    { 0, ARP_DID_PROBE, 1 }, { 200, ARP_DID_PROBE, 1 },
	    { 400, ARP_DID_PROBE, 1 },
	    { 650, ARP_DID_ANNOUNCE | ARP_DID_CHANGE, 2 },
	    { 750, ARP_DID_ANNOUNCE, 2 },
	    { 1650, ARP_DID_ANNOUNCE | ARP_DID_PROBE, 3 } } },
};

START_TEST(schedule)
{
	struct ip addr = vip4();
	struct arp_vip v;

	arp_vip_init(&v, &conf, &addr, us, 1);
	ck_assert_int_eq(arp_vip_deadline(&v).ns, MONO_NEVER.ns);
	arp_vip_start(&v, schedules[_i].claim, T0);
	for (size_t i = 0; i < nitems(schedules[_i].at); i++) {
		struct mono want = mono_add_ms(T0, schedules[_i].at[i].at_ms);
		struct arp_out out;

		if (schedules[_i].at[i].did == 0)
			break;
		ck_assert_msg(arp_vip_deadline(&v).ns == want.ns,
		    "%s: step %zu at %lld ns", schedules[_i].why, i,
		    (long long)mono_sub_ns(arp_vip_deadline(&v), T0));
		out = tick(&v, mono_add_ns(want, -1));
		ck_assert_msg(out.did == 0 && out.nframes == 0, "%s: step %zu early",
		    schedules[_i].why, i);
		out = tick(&v, want);
		ck_assert_msg(out.did == schedules[_i].at[i].did, "%s: step %zu: %#x",
		    schedules[_i].why, i, out.did);
		ck_assert_int_eq(out.nframes, schedules[_i].at[i].nframes);
	}
	ck_assert(v.is_announced);
}
END_TEST

/* Repeats come every 60 s +-25 %, differently for each VIP. */
START_TEST(repeats_are_jittered)
{
	struct ip addr = vip4();
	int64_t lo = INT64_MAX, hi = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct arp_vip v;
		int64_t gap;

		arp_vip_init(&v, &conf, &addr, us, seed);
		arp_vip_start(&v, ARP_CLAIM_NOW, T0);
		run_until(&v, mono_add_sec(T0, 2));
		gap = mono_sub_ns(arp_vip_deadline(&v), mono_add_sec(T0, 1));
		lo = gap < lo ? gap : lo;
		hi = gap > hi ? gap : hi;
	}
	ck_assert_int_ge(lo, 45 * NSEC_PER_SEC);
	ck_assert_int_le(hi, 75 * NSEC_PER_SEC);
	ck_assert_msg(hi - lo > 20 * NSEC_PER_SEC, "spread");
}
END_TEST

/* A rival is told of when the probe 500 ms after its first claim confirms it. */
START_TEST(rival_is_confirmed_by_probe)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct mono at = mono_add_ms(T0, 500);
	struct arp_out out;

	rx(&v, ARP_EVENT_CLAIM, rival, T0);
	out = rx(&v, ARP_EVENT_CLAIM, rival, mono_add_ms(T0, 499));
	ck_assert_msg((out.did & ARP_DID_CONFLICT) == 0, "a move takes a moment");
	ck_assert_int_eq(arp_vip_deadline(&v).ns, at.ns);
	out = tick(&v, at);
	ck_assert_uint_eq(out.did, ARP_DID_PROBE);
	out = rx(&v, ARP_EVENT_CLAIM, rival, mono_add_ms(at, 1));
	ck_assert_msg((out.did & ARP_DID_CONFLICT) != 0, "it answered the probe");
	ck_assert(arp_mac_eq(v.rival.mac, rival));
	out = rx(&v, ARP_EVENT_CLAIM, rival, mono_add_ms(at, 2));
	ck_assert_msg((out.did & ARP_DID_CONFLICT) == 0, "told once");
	out = rx(&v, ARP_EVENT_CLAIM, other, mono_add_sec(at, 5));
	ck_assert_msg((out.did & ARP_DID_CONFLICT) == 0, "a flood of MACs is not told");
	out = rx(&v, ARP_EVENT_CLAIM, other, mono_add_sec(at, 11));
	ck_assert_msg((out.did & ARP_DID_CONFLICT) != 0, "another rival, later");
	ck_assert(arp_mac_eq(v.rival.mac, other));
	ck_assert_msg((run_until(&v, mono_add_sec(at, 210)) & ARP_DID_SETTLE) == 0,
	    "still within 200 s of its last claim");
	ck_assert_msg((run_until(&v, mono_add_sec(at, 212)) & ARP_DID_SETTLE) != 0,
	    "silent for 200 s");
	ck_assert(!v.rival.is_seen);
}
END_TEST

/* The old owner's last defence during a move is no conflict. */
START_TEST(move_is_no_conflict)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_WITHHOLD);
	unsigned did;

	rx(&v, ARP_EVENT_CLAIM, rival, T0);
	did = run_until(&v, mono_add_sec(T0, 10));
	ck_assert_msg((did & ARP_DID_PROBE) != 0, "it was looked for");
	ck_assert_msg((did & (ARP_DID_CONFLICT | ARP_DID_SETTLE)) == 0, "%#x", did);
	ck_assert_msg(!v.rival.is_seen, "forgotten");
	ck_assert_int_eq(v.state, ARP_VIP_OWNER);
}
END_TEST

START_TEST(withhold_gives_way_then_tries_again)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_WITHHOLD);
	struct mono now = mono_add_ms(T0, 600), retry;
	struct arp_out out;
	unsigned did;

	rx(&v, ARP_EVENT_CLAIM, rival, T0);
	out = rx(&v, ARP_EVENT_CLAIM, rival, now);
	ck_assert_uint_eq(out.did, ARP_DID_CONFLICT | ARP_DID_CHANGE);
	ck_assert_int_eq(v.state, ARP_VIP_WITHHELD);
	ck_assert(!v.is_announced);

	/* Each time it finds the rival there, it waits longer. */
	for (int i = 0; i < 10; i++) {
		retry = arp_vip_deadline(&v);
		ck_assert_int_ge(mono_sub_ns(retry, now),
		    (i < 6 ? INT64_C(1) << i : 60) * NSEC_PER_SEC * 3 / 4);
		ck_assert_int_le(mono_sub_ns(retry, now), 75 * NSEC_PER_SEC);
		out = tick(&v, retry);
		ck_assert_uint_eq(out.did, ARP_DID_PROBE);
		now = mono_add_ms(retry, 1);
		out = rx(&v, ARP_EVENT_CLAIM, rival, now);
		ck_assert_int_eq(v.state, ARP_VIP_WITHHELD);
		ck_assert_msg(out.did == 0, "known already");
	}
	did = run_until(&v, mono_add_sec(now, 80));
	ck_assert_int_eq(v.state, ARP_VIP_OWNER);
	ck_assert_msg((did & ARP_DID_SETTLE) != 0, "nobody answered: it is gone");
	ck_assert_msg((did & ARP_DID_CHANGE) != 0, "ours again");
}
END_TEST

/*
 * Two owners that never give way: defences get rarer, and whoever falls silent
 * first, the other has the last word.
 */
START_TEST(defences_slow_down)
{
	struct arp_vip a = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct mono now = T0, end = mono_add_sec(T0, 60), last_claim = T0;
	int ndefences = 0;

	/* A rival that claims every 10 ms for 60 s. */
	for (; mono_before(now, end); now = mono_add_ms(now, 10)) {
		if ((tick(&a, now).did & ARP_DID_DEFEND) != 0)
			ndefences++;
		if ((rx(&a, ARP_EVENT_CLAIM, rival, now).did & ARP_DID_DEFEND) != 0)
			ndefences++;
		last_claim = now;
	}
	ck_assert_int_ge(ndefences, 8);
	ck_assert_int_le(ndefences, 14);
	ck_assert_msg(mono_before(last_claim, arp_vip_deadline(&a)), "one more is due");
	ck_assert((run_until(&a, mono_add_sec(end, 10)) & ARP_DID_DEFEND) != 0);

	/* After a quiet time a new rival meets a quick defence again. */
	now = mono_add_sec(end, 300);
	run_until(&a, now);
	ck_assert((rx(&a, ARP_EVENT_CLAIM, rival, now).did & ARP_DID_DEFEND) != 0);
	rx(&a, ARP_EVENT_CLAIM, rival, mono_add_ms(now, 1));
	ck_assert_int_eq(mono_sub_ns(arp_vip_deadline(&a), now), 100 * NSEC_PER_MSEC);
}
END_TEST

/* Whoever is silent first, the other's last word comes within 100 ms. */
START_TEST(quick_defences_have_the_last_word)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct mono now = T0;

	for (int i = 1; i < conf.ndefend_quick; i++) {
		rx(&v, ARP_EVENT_CLAIM, rival, now);
		rx(&v, ARP_EVENT_CLAIM, rival, mono_add_ms(now, 1));
		ck_assert_int_eq(mono_sub_ns(arp_vip_deadline(&v), now),
		    100 * NSEC_PER_MSEC);
		now = mono_add_ms(now, 100);
		ck_assert((tick(&v, now).did & ARP_DID_DEFEND) != 0);
		ck_assert_msg(!v.is_defence_due, "answered");
	}
}
END_TEST

/* Stopped for a while, we may be taken for dead: the election speaks first. */
START_TEST(hung_owner_is_silent_for_a_while)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct mono woke = mono_add_sec(arp_vip_deadline(&v), 5), end;

	end = mono_add_ms(woke, conf.doubt_ms);
	arp_vip_doubt(&v, woke);
	ck_assert_int_eq(arp_vip_deadline(&v).ns, end.ns);
	ck_assert_msg(tick(&v, woke).nframes == 0, "the overdue repeat waits");
	ck_assert_msg(rx(&v, ARP_EVENT_ASK, other, woke).nframes == 0,
	    "questions from before are not answered");
	ck_assert_msg(rx(&v, ARP_EVENT_CLAIM, rival, woke).nframes == 0,
	    "the new owner is not fought");
	ck_assert_int_eq(v.state, ARP_VIP_OWNER);
	ck_assert_msg(tick(&v, end).did & ARP_DID_ANNOUNCE, "still ours: go on");
	ck_assert_uint_eq(rx(&v, ARP_EVENT_ASK, other, end).did, ARP_DID_ANSWER);

	v = engine_in(ARP_VIP_PROBING, ARP_POLICY_DEFEND);
	arp_vip_doubt(&v, woke);
	ck_assert_msg(v.nsent == 0, "answers to its probes may be lost: start over");
	ck_assert_uint_eq(tick(&v, end).did, ARP_DID_PROBE);
}
END_TEST

static const struct {
	const char *why;
	enum arp_vip_state from, to;
	bool	is_due;			/* at once */
} link_ups[] = {
	{ "owner announces again", ARP_VIP_OWNER, ARP_VIP_OWNER, true },
	{ "probing starts over", ARP_VIP_PROBING, ARP_VIP_PROBING, true },
	{ "withheld: the rival may be on another LAN", ARP_VIP_WITHHELD,
	    ARP_VIP_PROBING, true },
	{ "idle stays so", ARP_VIP_IDLE, ARP_VIP_IDLE, false },
	{ "yielded stays so", ARP_VIP_YIELDED, ARP_VIP_YIELDED, false },
};

START_TEST(link_up)
{
	struct arp_vip v = engine_in(link_ups[_i].from, ARP_POLICY_DEFEND);
	struct mono now = mono_add_sec(T0, 5);
	struct arp_out out;

	if (link_ups[_i].from == ARP_VIP_YIELDED)
		v.policy = ARP_POLICY_YIELD;
	arp_vip_link_up(&v, us2, now);
	ck_assert_msg(v.state == link_ups[_i].to, "%s", link_ups[_i].why);
	ck_assert_msg(mono_reached(now, arp_vip_deadline(&v)) == link_ups[_i].is_due,
	    "%s", link_ups[_i].why);
	out = tick(&v, now);
	ck_assert_msg((out.nframes > 0) == link_ups[_i].is_due, "%s", link_ups[_i].why);
	if (out.nframes > 0)
		ck_assert_msg(memcmp(out.frame[0].buf + 6, us2, 6) == 0, "new MAC");
	ck_assert_msg((out.did & ARP_DID_CHANGE) == 0, "an owner stays one");
}
END_TEST

START_TEST(yielded_takes_back)
{
	struct arp_vip v = engine_in(ARP_VIP_YIELDED, ARP_POLICY_YIELD);

	ck_assert_int_eq(arp_vip_deadline(&v).ns, MONO_NEVER.ns);
	arp_vip_set_policy(&v, ARP_POLICY_DEFEND, T0);
	ck_assert_uint_eq(tick(&v, T0).did, ARP_DID_ANNOUNCE | ARP_DID_CHANGE);
}
END_TEST

START_TEST(announce_starts_a_burst)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct arp_vip idle = engine_in(ARP_VIP_IDLE, ARP_POLICY_DEFEND);

	arp_vip_announce(&v, T0);
	ck_assert_uint_eq(tick(&v, T0).did, ARP_DID_ANNOUNCE);
	ck_assert_int_eq(mono_sub_ns(arp_vip_deadline(&v), T0), 100 * NSEC_PER_MSEC);
	arp_vip_announce(&idle, T0);
	ck_assert_int_eq(arp_vip_deadline(&idle).ns, MONO_NEVER.ns);
}
END_TEST

/* The same over IPv6: one announcement, an NA. */
START_TEST(ipv6)
{
	struct arp_event ask = { .kind = ARP_EVENT_PROBE };
	struct arp_out out;
	struct arp_vip v;
	struct ip addr;

	ck_assert_int_eq(ip_parse("2001:db8::10", &addr), 0);
	ask.target = addr;
	memcpy(ask.mac, other, 6);
	arp_vip_init(&v, &conf, &addr, us, 1);
	arp_vip_start(&v, ARP_CLAIM_NOW, T0);
	out = tick(&v, T0);
	ck_assert_int_eq(out.nframes, 1);
	ck_assert_msg(out.frame[0].buf[54] == 136, "an advertisement");
	arp_vip_rx(&v, &ask, T0, &out);
	ck_assert_int_eq(out.nframes, 1);
	ck_assert_msg(out.frame[0].buf[0] == 0x33, "DAD is answered to all nodes");
	arp_vip_start(&v, ARP_CLAIM_PROBE, T0);
	out = tick(&v, T0);
	ck_assert_msg(out.frame[0].buf[54] == 135, "a solicitation");
}
END_TEST

/*
 * Random events against rules that always hold: silent unless probing or
 * owner, never a deadline in the past after a tick, never more frames than fit,
 * and a flood of claims never moves an owner that defends.
 */
START_TEST(random_walk)
{
	struct arp_vip v = engine_in(ARP_VIP_OWNER, ARP_POLICY_DEFEND);
	struct mono now = T0;

	srandom(4);
	for (int i = 0; i < 5000; i++) {
		enum arp_event_kind kind = (enum arp_event_kind)(random() % 3);
		uint8_t mac[6] = { 2, 0, 0, 0, 1, (uint8_t)random() };
		struct arp_out out;

		now = mono_add_us(now, random() % 100);
		out = rx(&v, kind, mac, now);
		ck_assert_int_eq(v.state, ARP_VIP_OWNER);
		ck_assert_int_le(out.nframes, ARP_OUT_MAX);
		if (kind != ARP_EVENT_CLAIM)
			ck_assert_uint_eq(out.did, ARP_DID_ANSWER);
		out = tick(&v, now);
		ck_assert_int_le(out.nframes, ARP_OUT_MAX);
		ck_assert_msg(!mono_reached(now, arp_vip_deadline(&v)), "late");
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, step, 0, (int)nitems(steps));
	tcase_add_loop_test(tc, schedule, 0, (int)nitems(schedules));
	tcase_add_test(tc, repeats_are_jittered);
	tcase_add_test(tc, rival_is_confirmed_by_probe);
	tcase_add_test(tc, move_is_no_conflict);
	tcase_add_test(tc, withhold_gives_way_then_tries_again);
	tcase_add_test(tc, defences_slow_down);
	tcase_add_test(tc, quick_defences_have_the_last_word);
	tcase_add_test(tc, hung_owner_is_silent_for_a_while);
	tcase_add_loop_test(tc, link_up, 0, (int)nitems(link_ups));
	tcase_add_test(tc, yielded_takes_back);
	tcase_add_test(tc, announce_starts_a_burst);
	tcase_add_test(tc, ipv6);
	tcase_add_test(tc, random_walk);
}

TEST_MAIN("arp vip", fill)
