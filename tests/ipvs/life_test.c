/*
 * Who drains, for how long, and who is out at once: one service, step by step,
 * with the table that each step leaves for the next, as the director does it.
 */
#include <stdio.h>
#include <string.h>

#include "ipvs/diff.h"
#include "ipvs/life.h"
#include "lib/mem.h"
#include "tests/check.h"

enum { MAX = 16, RESTART = -1 };

/*
 * An endpoint is NUMBER*WEIGHT, L, T or M for its reach, then d or x where it
 * drains or is gone; 10.1.0.NUMBER. "-N": this node has no Pod N any more (it has
 * 1, 2 and 3). Of what comes out, ! has left.
 */
struct step {
	int	at_sec;
	const char *want;	/* RESTART's is no want: the state is forgotten */
	const char *expect;
	int	next_sec;	/* when it is due again, 0 never */
};

static const struct {
	const char *why;
	uint8_t	proto;
	uint32_t drain_sec;
	bool	is_local_only;
	struct step steps[6];
	uint32_t slow_start_sec;
} rows[] = {
	{ "nothing leaves, nothing happens", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 9, "1*1L 4*1T", "1*1L 4*1T", 0 } }, 0 },
	{ "no longer wanted: it drains, then it is out",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*5T", "1*1L 4*5T", 0 }, { 5, "1*1L", "1*1L 4*0T!", 35 },
	      { 34, "1*1L", "1*1L 4*0T!", 35 }, { 35, "1*1L", "1*1L", 0 },
	      { 36, "1*1L", "1*1L", 0 } }, 0 },
	{ "behind the others, for it is nothing to the table of mh", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T 5*1T", "1*1L 4*1T 5*1T", 0 },
	      { 5, "1*1L 5*1T", "1*1L 5*1T 4*0T!", 35 } }, 0 },
	{ "reached as it was", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 2*1L 7*1M", "1*1L 2*1L 7*1M", 0 },
	      { 5, "1*1L", "1*1L 2*0L! 7*0M!", 35 } }, 0 },
	{ "it is the last one", IPPROTO_TCP, 30, false,
	    { { 0, "4*1T", "4*1T", 0 }, { 5, "", "4*0T!", 35 }, { 35, "", "", 0 } }, 0 },
	{ "each has its own time", IPPROTO_TCP, 30, false,
	    { { 0, "4*1T 5*1T", "4*1T 5*1T", 0 }, { 5, "5*1T", "5*1T 4*0T!", 35 },
	      { 9, "", "5*0T! 4*0T!", 35 }, { 35, "", "5*0T!", 39 },
	      { 39, "", "", 0 } }, 0 },
	{ "back before its time: as if nothing had been, and the next time is whole",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L", "1*1L 4*0T!", 35 },
	      { 9, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 20, "1*1L", "1*1L 4*0T!", 50 } }, 0 },
	{ "no time is set: out at once", IPPROTO_TCP, 0, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L", "1*1L", 0 } }, 0 },
	{ "SCTP has connections, too", IPPROTO_SCTP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L", "1*1L 4*0T!", 35 } }, 0 },
	{ "UDP has none: who leaves is out at once", IPPROTO_UDP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L", "1*1L", 0 } }, 0 },
	{ "UDP: who terminates drains", IPPROTO_UDP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 },
	      { 5, "1*1L 4*0Td", "1*1L 4*0T", 35 }, { 35, "1*1L 4*0Td", "1*1L", 0 },
	      { 90, "1*1L 4*0Td", "1*1L", 0 } }, 0 },
	{ "gone is gone, though it is named", IPPROTO_UDP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L 4*0Tx", "1*1L", 0 } }, 0 },
	{ "terminating: drains, and is out at the end of its time", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 },
	      { 5, "1*1L 4*0Td", "1*1L 4*0T", 35 },
	      { 35, "1*1L 4*0Td", "1*1L", 0 }, { 99, "1*1L 4*0Td", "1*1L", 0 } }, 0 },
	{ "terminating, then no longer there: its pod has ended", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 },
	      { 5, "1*1L 4*0Td", "1*1L 4*0T", 35 }, { 9, "1*1L", "1*1L", 0 } }, 0 },
	{ "terminating, but it serves for want of a better: no end to that",
	    IPPROTO_TCP, 30, false,
	    { { 0, "4*1T", "4*1T", 0 }, { 5, "4*1Td", "4*1T", 0 },
	      { 99, "4*1Td", "4*1T", 0 }, { 100, "1*1L 4*0Td", "1*1L 4*0T", 130 } }, 0 },
	{ "not ready is not leaving", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { 5, "1*1L 4*0T", "1*1L 4*0T", 0 },
	      { 99, "1*1L 4*0T", "1*1L 4*0T", 0 } }, 0 },
	{ "a pod of this node that is no more has nobody to go on with",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 2*1L", "1*1L 2*1L", 0 }, { 5, "1*1L -2", "1*1L", 0 } }, 0 },
	{ "and if that is seen later, it ends then", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 2*1L", "1*1L 2*1L", 0 }, { 5, "1*1L", "1*1L 2*0L!", 35 },
	      { 6, "1*1L -2", "1*1L", 0 } }, 0 },
	{ "policy Local: this node's drain, the others' are not in its table",
	    IPPROTO_TCP, 30, true,
	    { { 0, "1*1L 2*1L 4*1T", "1*1L 2*1L 4*1T", 0 },
	      { 5, "1*1L", "1*1L 2*0L!", 35 } }, 0 },
	{ "a restart: who drains begins again, and is known by the table alone",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 2*1L 4*3T", "1*1L 2*1L 4*3T", 0 },
	      { 5, "1*1L", "1*1L 2*0L! 4*0T!", 35 }, { RESTART, "", "", 0 },
	      { 20, "1*1L", "1*1L 2*0L! 4*0T!", 50 }, { 50, "1*1L", "1*1L", 0 } }, 0 },
	{ "slow start: one that comes to others, by and by; weights are a hundredfold",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 2*2L", "1*100L 2*200L", 0 },
	      { 5, "1*1L 2*2L 4*2T", "1*100L 2*200L 4*1T", 6 },
	      { 6, "1*1L 2*2L 4*2T", "1*100L 2*200L 4*20T", 7 },
	      { 14, "1*1L 2*2L 4*2T", "1*100L 2*200L 4*180T", 15 },
	      { 15, "1*1L 2*2L 4*2T", "1*100L 2*200L 4*200T", 0 } }, 10 },
	{ "slow start: where nobody else serves there is nobody to spare it",
	    IPPROTO_TCP, 30, false,
	    { { 0, "4*0T", "4*0T", 0 }, { 5, "1*1L 4*0T", "1*100L 4*0T", 0 } }, 10 },
	{ "slow start: who was out starts again", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*100L 4*100T", 0 }, { 5, "1*1L 4*0T", "1*100L 4*0T", 0 },
	      { 6, "1*1L 4*1T", "1*100L 4*1T", 7 }, { 11, "1*1L 4*1T", "1*100L 4*50T", 12 },
	      { 12, "1*1L 4*0T", "1*100L 4*0T", 0 },
	      { 13, "1*1L 4*1T", "1*100L 4*1T", 14 } }, 10 },
	{ "slow start: a hundredth takes a minute, so that long for each",
	    IPPROTO_TCP, 30, false,
	    { { 0, "1*1L", "1*100L", 0 }, { 60, "1*1L 4*1T", "1*100L 4*1T", 90 },
	      { 120, "1*1L 4*1T", "1*100L 4*2T", 150 } }, 3000 },
	{ "slow start: a restart goes on where the weight is", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L", "1*100L", 0 }, { 5, "1*1L 4*1T", "1*100L 4*1T", 6 },
	      { 10, "1*1L 4*1T", "1*100L 4*50T", 11 }, { RESTART, "", "", 0 },
	      { 20, "1*1L 4*1T", "1*100L 4*50T", 21 },
	      { 25, "1*1L 4*1T", "1*100L 4*100T", 0 } }, 10 },
	{ "slow start: who leaves meanwhile drains", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L", "1*100L", 0 }, { 5, "1*1L 4*1T", "1*100L 4*1T", 6 },
	      { 6, "1*1L", "1*100L 4*0T!", 36 } }, 10 },
	{ "left while no speaker was there", IPPROTO_TCP, 30, false,
	    { { 0, "1*1L 4*1T", "1*1L 4*1T", 0 }, { RESTART, "", "", 0 },
	      { 20, "1*1L", "1*1L 4*0T!", 50 } }, 0 },
};

static struct ip
addr(unsigned long number)
{
	return ip_from_v4(0x0a010000 + (uint32_t)number);
}

/* The endpoints of a step; takes pods away from pods[]. */
static size_t
parse(const char *text, struct ipvs_endpoint eps[MAX], struct ip pods[3])
{
	const char *p = text;
	size_t n = 0;
	char *end;

	while (*p != '\0') {
		struct ipvs_endpoint *ep = &eps[n];

		if (*p == ' ') {
			p++;
			continue;
		}
		if (*p == '-') {
			pods[strtoul(p + 1, &end, 10) - 1] = addr(99);
			p = end;
			continue;
		}
		*ep = (struct ipvs_endpoint){ .ip = addr(strtoul(p, &end, 10)),
			.port = 8080, .drain_weight = 1 };
		ck_assert(*end == '*');
		ep->weight = (uint16_t)strtoul(end + 1, &end, 10);
		ep->reach = *end == 'L' ? IPVS_REACH_LOCAL : *end == 'T' ?
		    IPVS_REACH_TUNNEL : IPVS_REACH_MASQ;
		p = end + 1;
		ep->life = *p == 'd' ? IPVS_DRAINS : *p == 'x' ? IPVS_GONE : IPVS_LIVES;
		p += *p == 'd' || *p == 'x';
		n++;
	}
	return n;
}

static const char *
print(const struct ipvs_service *s, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->nendpoints; i++) {
		const struct ipvs_endpoint *ep = &s->endpoints[i];

		ck_assert(ep->life == IPVS_LIVES || ep->life == IPVS_LEFT);
		len += (size_t)snprintf(buf + len, size - len, "%s%u*%u%c%s",
		    i > 0 ? " " : "", ip_to_v4(&ep->ip) & 0xff, ep->weight,
		    "LTM"[ep->reach], ep->life == IPVS_LEFT ? "!" : "");
	}
	return buf;
}

/*
 * As a speaker that starts finds it: the table is there, without the slots, of
 * which the kernel does not tell, and our sets are unread.
 */
static void
forget(struct life *l, struct goal *have)
{
	life_fini(l);
	nft_state_fini(&have->nft);
	have->nft = (struct nft_state){ 0 };
	for (size_t i = 0; i < have->table.n; i++)
		for (size_t j = 0; j < have->table.vs[i].nrs; j++)
			have->table.vs[i].rs[j].slots = 0;
}

static void
take_step(const char *why, const struct step *st, struct life *l, struct goal *have,
    struct ipvs_service s)
{
	struct ip pods[3] = { addr(1), addr(2), addr(3) };
	struct ipvs_endpoint eps[MAX];
	struct director_want want = { .services = &s, .nservices = 1, .vips = &s.vip,
		.nvips = 1, .local_clients = pods, .nlocal_clients = 3 }, got;
	struct mono now = { .ns = (st->at_sec + 1) * NSEC_PER_SEC };
	struct arena a = { 0 };
	char text[256];

	s.nendpoints = parse(st->want, eps, pods);
	s.endpoints = eps;
	life_apply(l, &want, have, now, &a, &got);
	ck_assert_msg(strcmp(print(&got.services[0], text, sizeof(text)),
	    st->expect) == 0, "%s, at %d s\n got %s\nwant %s", why, st->at_sec, text,
	    st->expect);
	ck_assert_msg(l->next.ns == (st->next_sec == 0 ? MONO_NEVER.ns :
	    (st->next_sec + 1) * NSEC_PER_SEC), "%s, at %d s: next %jd", why,
	    st->at_sec, (intmax_t)l->next.ns);
	ck_assert_msg((l->ndraining == 0) == (st->next_sec == 0 ||
	    (s.slow_start_sec != 0 && strchr(st->expect, '!') == NULL)), "%s", why);
	goal_fini(have);
	*have = (struct goal){ 0 };
	goal_build(&got, NULL, 0, have);
	arena_fini(&a);
}

START_TEST(step_by_step)
{
	struct ipvs_service s = { .vip = addr(0xff), .proto = rows[_i].proto, .port = 80,
		.drain_sec = rows[_i].drain_sec,
		.slow_start_sec = rows[_i].slow_start_sec, .name = "d/s:80",
		.is_local_only = rows[_i].is_local_only };
	struct life l = { 0 };
	struct goal have = { 0 };

	for (size_t i = 0; i < nitems(rows[_i].steps); i++) {
		const struct step *st = &rows[_i].steps[i];

		if (st->want == NULL)
			break;
		if (st->at_sec == RESTART)
			forget(&l, &have);
		else
			take_step(rows[_i].why, st, &l, &have, s);
	}
	goal_fini(&have);
	life_fini(&l);
}
END_TEST

/* Other services' servers of the same address are none of this one's. */
START_TEST(services_are_apart)
{
	struct ipvs_endpoint ep = { .ip = addr(4), .port = 8080, .weight = 1,
		.reach = IPVS_REACH_TUNNEL };
	struct ipvs_service s[3] = {
		{ .vip = addr(0xf0), .proto = IPPROTO_TCP, .port = 80, .drain_sec = 30 },
		{ .vip = addr(0xf0), .proto = IPPROTO_TCP, .port = 81, .drain_sec = 60 },
		{ .vip = addr(0xf1), .proto = IPPROTO_TCP, .port = 80, .drain_sec = 30 },
	};
	struct director_want want = { .services = s, .nservices = 3 }, got;
	struct goal have = { 0 };
	struct life l = { 0 };
	struct arena a = { 0 };

	for (size_t i = 0; i < 3; i++) {
		s[i].endpoints = &ep;
		s[i].nendpoints = 1;
	}
	goal_build(&want, NULL, 0, &have);
	s[0].nendpoints = s[1].nendpoints = 0;
	life_apply(&l, &want, &have, (struct mono){ NSEC_PER_SEC }, &a, &got);
	ck_assert_uint_eq(l.ndraining, 2);
	ck_assert(got.services[0].nendpoints == 1 && got.services[1].nendpoints == 1);
	ck_assert_ptr_eq(got.services[2].endpoints, &ep);
	ck_assert_int_eq(l.next.ns, 31 * NSEC_PER_SEC);
	/* A Service that is deleted drains nothing: its VIP falls silent. */
	want.services = &s[1];
	want.nservices = 2;
	life_apply(&l, &want, &have, (struct mono){ 2 * NSEC_PER_SEC }, &a, &got);
	ck_assert(got.nservices == 2 && l.ndraining == 1);
	ck_assert_int_eq(l.next.ns, 61 * NSEC_PER_SEC);
	arena_fini(&a);
	goal_fini(&have);
	life_fini(&l);
}
END_TEST

/* A service that gets slow start while it serves: its weights go up together. */
START_TEST(slow_start_is_new)
{
	struct ipvs_endpoint eps[2] = { { .ip = addr(1), .port = 80, .weight = 1 },
		{ .ip = addr(2), .port = 80, .weight = 3 } };
	struct ipvs_service s = { .vip = addr(0xff), .proto = IPPROTO_TCP, .port = 80,
		.endpoints = eps, .nendpoints = 2 };
	struct director_want want = { .services = &s, .nservices = 1 }, got;
	struct goal have = { 0 };
	struct life l = { 0 };
	struct arena a = { 0 };

	goal_build(&want, NULL, 0, &have);
	s.slow_start_sec = 10;
	life_apply(&l, &want, &have, (struct mono){ NSEC_PER_SEC }, &a, &got);
	ck_assert_uint_eq(got.services[0].endpoints[0].weight, 100);
	ck_assert_uint_eq(got.services[0].endpoints[1].weight, 300);
	ck_assert_int_eq(l.next.ns, MONO_NEVER.ns);
	arena_fini(&a);
	goal_fini(&have);
	life_fini(&l);
}
END_TEST

enum { NSERVICES = 6, NENDPOINTS = 5, NSTEPS = 2000 };

/* Services on three VIPs, two and two with the same twenty pods, some of them here. */
struct world {
	struct ipvs_service services[NSERVICES];
	struct ipvs_endpoint eps[NSERVICES][NENDPOINTS];
	uint64_t seed;
};

static unsigned
draw(struct world *w, unsigned n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(w->seed >> 33) % n;
}

static void
draw_endpoints(struct world *w, unsigned i)
{
	static const uint8_t reaches[] = { IPVS_REACH_LOCAL, IPVS_REACH_TUNNEL,
		IPVS_REACH_MASQ };
	size_t n = 0;

	for (unsigned k = 0; k < 20 && n < NENDPOINTS; k++) {
		unsigned pod = i / 2 * 20 + k + 1, state = draw(w, 6);

		if (state < 3)
			continue;
		w->eps[i][n++] = (struct ipvs_endpoint){ .ip = addr(pod), .port = 8080,
			.weight = state == 3, .drain_weight = 1,
			.reach = k < 3 ? reaches[0] : reaches[1 + k % 2],
			.life = state == 4 ? IPVS_DRAINS :
			    state == 5 && w->services[i].proto == IPPROTO_UDP ?
			    IPVS_GONE : IPVS_LIVES };
	}
	w->services[i].endpoints = w->eps[i];
	w->services[i].nendpoints = n;
}

/* One director: what it remembers and has built. */
struct node {
	struct life life;
	struct goal have;
	unsigned nupdates;
};

static void
build_all(struct node *d, const struct director_want *want, struct mono now)
{
	struct arena a = { 0 };
	struct director_want got;

	life_apply(&d->life, want, &d->have, now, &a, &got);
	goal_fini(&d->have);
	d->have = (struct goal){ 0 };
	goal_build(&got, NULL, 0, &d->have);
	arena_fini(&a);
}

static void
build_some(struct node *d, const struct director_want *want,
    const struct director_update *updates, size_t n, struct mono now)
{
	struct goal was = { 0 }, is = { 0 };
	struct director_update amended[NSERVICES];
	struct arena a = { 0 };

	if (mono_reached(now, d->life.next) ||
	    !life_update(&d->life, want, updates, n, &d->have, now, &a, amended)) {
		build_all(d, want, now);
	} else {
		goal_build_update(want, amended, n, &was, &is);
		goal_patch(&d->have, &was, &is);
		d->nupdates++;
	}
	goal_fini(&was);
	goal_fini(&is);
	arena_fini(&a);
}

static void
assert_same(const struct node *a, const struct node *b, unsigned step)
{
	ck_assert_uint_eq(a->have.table.n, b->have.table.n);
	for (size_t i = 0; i < a->have.table.n; i++)
		ck_assert_msg(ipvs_vs_is_equal(&a->have.table.vs[i],
		    &b->have.table.vs[i]), "step %u, %s", step,
		    IPVS_KEY_STR(&a->have.table.vs[i].key));
	ck_assert_msg(nft_state_is_equal(&a->have.nft, &b->have.nft, NFT_HOST) &&
	    nft_state_is_equal(&a->have.nft, &b->have.nft, NFT_DIRECTOR),
	    "step %u: other sets", step);
	ck_assert_int_eq(a->life.next.ns, b->life.next.ns);
	ck_assert_uint_eq(a->life.ndraining, b->life.ndraining);
}

/* By updates or as a whole: the same tables and sets, step by step. */
START_TEST(updated_is_applied)
{
	static struct world w, old;
	struct ip pods[9];
	struct director_want want = { .services = w.services, .nservices = NSERVICES,
		.local_clients = pods, .nlocal_clients = nitems(pods) };
	struct node a = { 0 }, b = { 0 };
	struct mono now = { NSEC_PER_SEC };

	for (unsigned i = 0; i < nitems(pods); i++)
		pods[i] = addr(i / 3 * 20 + i % 3 + 1);
	w = (struct world){ .seed = (uint64_t)_i };
	for (unsigned i = 0; i < NSERVICES; i++) {
		w.services[i] = (struct ipvs_service){ .vip = addr(0xf0 + i / 2),
			.proto = i % 2 == 1 ? IPPROTO_UDP : IPPROTO_TCP,
			.port = 80, .drain_sec = 20 + 10 * i,
			.name = "d/s" };
		draw_endpoints(&w, i);
	}
	build_all(&a, &want, now);
	build_all(&b, &want, now);
	for (unsigned step = 0; step < NSTEPS; step++) {
		struct director_update updates[NSERVICES];
		unsigned n = 1 + draw(&w, 2), first = draw(&w, NSERVICES / 2) * 2;

		now = mono_add_sec(now, draw(&w, 15));
		old = w;
		for (unsigned i = 0; i < NSERVICES; i++)
			old.services[i].endpoints = old.eps[i];
		for (unsigned k = 0; k < n; k++) {
			draw_endpoints(&w, first + k);
			updates[k] = (struct director_update){
				&old.services[first + k], &w.services[first + k] };
		}
		build_some(&a, &want, updates, n, now);
		build_all(&b, &want, now);
		assert_same(&a, &b, step);
	}
	ck_assert_msg(a.nupdates > NSTEPS / 20, "only %u were updates", a.nupdates);
	goal_fini(&a.have);
	goal_fini(&b.have);
	life_fini(&a.life);
	life_fini(&b.life);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, updated_is_applied, 0, 4);
	tcase_add_loop_test(tc, step_by_step, 0, nitems(rows));
	tcase_add_test(tc, services_are_apart);
	tcase_add_test(tc, slow_start_is_new);
}

TEST_MAIN("ipvs/life", fill)
