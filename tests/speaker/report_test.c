/*
 * What a node has to say of itself, by table; and when which of it is written, in
 * time that the test advances.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/report.h"
#include "speaker/report_pace.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

/* --- what is wanted -------------------------------------------------------- */

static struct plan_service web_api[] = { { "d", "api" }, { "d", "web" } };
static struct plan_service db[] = { { "d", "db" } };
static const char *tor1[] = { "tor-1" }, *tor2[] = { "tor-2" };

/* VIP .1 is shared, .2 and fd::2 are both of d/db, .3 is another node's. */
static struct ip
vip(unsigned i)
{
	struct ip v6;

	if (i == 6) {
		ck_assert_int_eq(ip_parse("fd00::2", &v6), 0);
		return v6;
	}
	return ip_from_v4(0x0a000900 + i);
}

struct world {
	struct plan_vip vips[4];
	struct plan_route routes[2];
	struct ip route_vips[2];
	struct bgp_io_peer peers[2];
	struct plan plan;
	struct report_link links[6];
	struct report_session sessions[2];
	struct report_conflict conflicts[8];
	struct report_input in;
};

static void
world_init(struct world *w)
{
	*w = (struct world){ .peers = { { .name = "tor-1" },
	    { .name = "tor-2", .vrf = "red" } } };
	w->vips[0] = (struct plan_vip){ .ip = vip(1), .services = web_api,
	    .nservices = 2, .is_mine = true };
	w->vips[1] = (struct plan_vip){ .ip = vip(2), .services = db, .nservices = 1,
	    .is_mine = true };
	w->vips[2] = (struct plan_vip){ .ip = vip(3), .services = db, .nservices = 1 };
	w->vips[3] = (struct plan_vip){ .ip = vip(6), .services = db, .nservices = 1,
	    .is_mine = true };
	w->route_vips[0] = vip(1);
	w->route_vips[1] = vip(2);
	for (size_t i = 0; i < 2; i++)
		w->routes[i] = (struct plan_route){ .route = { .peers = i == 0 ? tor1 : tor2,
		    .npeers = 1 }, .vips = w->route_vips, .nvips = 2 };
	w->plan = (struct plan){ .vips = w->vips, .nvips = 4, .bgp_peers = w->peers,
	    .nbgp_peers = 2 };
	w->in = (struct report_input){ .plan = &w->plan, .node = "n1", .ns = "lb",
	    .links = w->links, .programmed = w->route_vips, .nprogrammed = 2,
	    .sessions = w->sessions, .conflicts = w->conflicts };
}

static void
link_up(struct world *w, unsigned i, const char *ifname)
{
	w->links[w->in.nlinks++] = (struct report_link){ vip(i), ifname };
}

/* "l2 d/web eth0,eth1; session tor-1 10.0.0.254 Established up; ..." */
static char *
show(const struct report_set *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < s->n; i++) {
		const struct kube_object *o = s->items[i];
		const struct kube_service_status *st = &o->service_status;
		const struct kube_session_state *q = &o->session_state;

		ck_assert_str_eq(o->meta.ns, "lb");
		ck_assert_str_eq(kube_report_node(o), "n1");
		ck_assert(report_set_get(s, o->kind, o->meta.name) == o);
		fprintf(f, "%s", i > 0 ? "; " : "");
		if (o->kind == KUBE_BGP_SESSION_STATE) {
			fprintf(f, "session %s %s %s %s %s", q->peer_name,
			    q->peer, q->vrf != NULL ? q->vrf : "-", q->bgp, q->bfd);
			continue;
		}
		fprintf(f, "%s %s/%s", o->kind == KUBE_SERVICE_L2_STATUS ? "l2" : "bgp",
		    st->svc_ns, st->svc_name);
		for (size_t j = 0; j < st->nnames; j++)
			fprintf(f, "%s%s", j == 0 ? " " : ",", st->names[j]);
		if (st->conflict.status != NULL)
			fprintf(f, " %s", st->conflict.reason);
	}
	fclose(f);
	return text;
}

static void
expect(const struct world *w, const char *why, const char *want)
{
	struct report_set s;
	char *got;

	report_want(&w->in, &s);
	got = show(&s);
	ck_assert_msg(strcmp(got, want) == 0, "%s:\n got %s\nwant %s", why, got, want);
	free(got);
	report_set_fini(&s);
}

START_TEST(local)
{
	struct world w;

	world_init(&w);
	expect(&w, "nothing is announced, whatever is planned", "");
	link_up(&w, 1, "eth1");
	link_up(&w, 1, "eth0");
	expect(&w, "each Service at the VIP, its interfaces in order",
	    "l2 d/api eth0,eth1; l2 d/web eth0,eth1");
	link_up(&w, 3, "eth0");
	link_up(&w, 9, "eth0");
	expect(&w, "a VIP being handed over, or of no plan any more, is not told",
	    "l2 d/api eth0,eth1; l2 d/web eth0,eth1");
	world_init(&w);
	link_up(&w, 2, "eth0");
	link_up(&w, 6, "eth0");
	link_up(&w, 6, "eth1");
	expect(&w, "both VIPs of a Service make one report", "l2 d/db eth0,eth1");
}
END_TEST

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x42 };

static void
in_conflict(struct world *w, unsigned i, const char *ifname, const char *node)
{
	w->conflicts[w->in.nconflicts++] = (struct report_conflict){ vip(i), ifname, mac,
		node };
}

/* The message of the one report's condition. */
static void
expect_message(const struct world *w, const char *want)
{
	struct report_set s;

	report_want(&w->in, &s);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_str_eq(s.items[0]->service_status.conflict.message, want);
	report_set_fini(&s);
}

START_TEST(conflicts)
{
	struct world w;

	world_init(&w);
	link_up(&w, 1, "eth0");
	in_conflict(&w, 1, "eth0", "");
	expect(&w, "MetalLB's objects have no conditions", "l2 d/api eth0; l2 d/web eth0");
	w.in.has_conditions = true;
	expect(&w, "a stranger, of both Services at the VIP",
	    "l2 d/api eth0 DuplicateAddress; l2 d/web eth0 DuplicateAddress");
	w.in.nconflicts = 0;
	expect(&w, "nobody", "l2 d/api eth0 NoOtherUser; l2 d/web eth0 NoOtherUser");
	in_conflict(&w, 3, "eth0", "");
	in_conflict(&w, 9, "eth0", "");
	expect(&w, "another node's VIP, or none of the plan, is not ours to tell",
	    "l2 d/api eth0 NoOtherUser; l2 d/web eth0 NoOtherUser");
	world_init(&w);
	w.in.has_conditions = true;
	in_conflict(&w, 6, "eth1", "n3");
	expect(&w, "withheld: on no interface, and told all the same", "l2 d/db TwoOwners");
	expect_message(&w, "fd00::2 on eth1 is announced by node n3 (02:00:00:00:00:42), "
	    "too: the two do not hear each other's speaker");
	in_conflict(&w, 2, "eth0", "");
	link_up(&w, 6, "eth0");
	expect(&w, "a stranger is the worse", "l2 d/db eth0 DuplicateAddress");
	expect_message(&w, "10.0.9.2 on eth0 is used by 02:00:00:00:00:42, which is no node "
	    "of this cluster: find that machine, or take the address out of its pool; "
	    "fd00::2 on eth1 is announced by node n3 (02:00:00:00:00:42), too: the two do "
	    "not hear each other's speaker");
}
END_TEST

START_TEST(many_conflicts)
{
	static const char *const ifnames[] = { "eth5", "eth4", "eth3", "eth2", "eth1", "eth0" };
	struct world w, turned;
	struct report_set s, t;
	const char *said;

	world_init(&w);
	world_init(&turned);
	w.in.has_conditions = turned.in.has_conditions = true;
	for (size_t i = 0; i < nitems(ifnames); i++) {
		in_conflict(&w, 2, ifnames[i], "");
		in_conflict(&turned, 2, ifnames[nitems(ifnames) - 1 - i], "");
	}
	report_want(&w.in, &s);
	report_want(&turned.in, &t);
	ck_assert_uint_eq(s.n, 1);
	said = s.items[0]->service_status.conflict.message;
	ck_assert_msg(strstr(said, "eth0") < strstr(said, "eth3") &&
	    strstr(said, "eth4") == NULL && strstr(said, "; and 2 more") != NULL, "%s", said);
	ck_assert_msg(kube_report_hash(s.items[0]) == kube_report_hash(t.items[0]),
	    "in whatever order they became known");
	report_set_fini(&s);
	report_set_fini(&t);
}
END_TEST

static const struct {
	const char *why;
	enum kube_kind kind;
	const char *status, *was, *was_since, *since;
} dates[] = {
	{ "nothing is there yet", KUBE_SERVICE_L2_STATUS, "False", NULL, NULL, "now" },
	{ "as it was", KUBE_SERVICE_L2_STATUS, "True", "True", "then", "then" },
	{ "it has changed", KUBE_SERVICE_L2_STATUS, "True", "False", "then", "now" },
	{ "as it was, without a date", KUBE_SERVICE_L2_STATUS, "True", "True", NULL, "now" },
	{ "MetalLB's has no condition", KUBE_SERVICE_L2_STATUS, NULL, NULL, NULL, NULL },
	{ "nor has another kind", KUBE_BGP_SESSION_STATE, NULL, NULL, NULL, NULL },
};

START_TEST(dated)
{
	struct kube_object o = { .kind = dates[_i].kind };
	struct kube_object have = { .kind = dates[_i].kind };

	if (o.kind == KUBE_SERVICE_L2_STATUS) {
		o.service_status.conflict.status = dates[_i].status;
		have.service_status.conflict.status = dates[_i].was;
		have.service_status.conflict.since = dates[_i].was_since;
	}
	report_date(&o, dates[_i].was != NULL ? &have : NULL, "now");
	if (o.kind == KUBE_SERVICE_L2_STATUS)
		ck_assert_pstr_eq(o.service_status.conflict.since, dates[_i].since);
	else
		ck_assert_ptr_null(o.session_state.peer);
}
END_TEST

START_TEST(routed)
{
	struct world w;

	world_init(&w);
	w.plan.bgp_routes = w.routes;
	w.plan.nbgp_routes = 2;
	expect(&w, "each Service that a route leads to, and to whom",
	    "bgp d/api tor-1,tor-2; bgp d/db tor-1,tor-2; bgp d/web tor-1,tor-2");
	w.in.nprogrammed = 1;
	expect(&w, "a VIP that is not programmed is not told",
	    "bgp d/api tor-1,tor-2; bgp d/web tor-1,tor-2");
	link_up(&w, 1, "eth0");
	expect(&w, "both ways: two reports", "l2 d/api eth0; l2 d/web eth0; "
	    "bgp d/api tor-1,tor-2; bgp d/web tor-1,tor-2");
	w.in.is_bgp_gone = true;
	expect(&w, "a drained node has withdrawn them", "l2 d/api eth0; l2 d/web eth0");
}
END_TEST

START_TEST(sessions)
{
	struct world w;

	world_init(&w);
	w.in.nsessions = 2;
	w.sessions[0] = (struct report_session){ .name = "tor-1", .addr = vip(254),
	    .is_up = true, .has_bfd = true, .is_bfd_up = true };
	w.sessions[1] = (struct report_session){ .name = "tor-2", .addr = vip(253) };
	expect(&w, "up, and trying", "session tor-1 10.0.9.254 - Established up; "
	    "session tor-2 10.0.9.253 red Active N/A");
	w.sessions[0].is_bfd_up = w.sessions[0].is_up = false;
	w.sessions[1].is_refused = true;
	w.sessions[1].addr = (struct ip){ .family = IP_NONE };
	w.sessions[1].ifname = "eth1";
	expect(&w, "down, and refused", "session tor-1 10.0.9.254 - Active down; "
	    "session tor-2 eth1 red Idle N/A");
}
END_TEST

/* --- when it is written ---------------------------------------------------- */

enum { ALL_KINDS = 1 << KUBE_SERVICE_L2_STATUS | 1 << KUBE_SERVICE_BGP_STATUS |
    1 << KUBE_BGP_SESSION_STATE };

/* As many reports as asked for; content: what they say. */
struct rig {
	struct report_pace pace;
	struct kube_store *have;
	struct report_set want;
	struct report_step steps[2 * REPORT_BURST];
	size_t	nsteps;
	struct mono now;
};

static char names[2 * REPORT_BURST][24];

static void
want(struct rig *r, size_t n, const char *content)
{
	report_set_fini(&r->want);
	r->want.items = mem_zalloc((n + 1) * sizeof(*r->want.items));
	r->want.n = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "w%04zu", i);
		r->want.items[i] = arena_alloc(&r->want.arena,
		    sizeof(*r->want.items[i]));
		*r->want.items[i] = (struct kube_object){ .kind = KUBE_SERVICE_L2_STATUS,
		    .meta = { .ns = "lb", .name = names[i] },
		    .service_status = { .node = "n1", .svc_name = content } };
	}
}

static void
rig_init(struct rig *r)
{
	*r = (struct rig){ .have = kube_store_new(), .now = T0 };
	report_pace_init(&r->pace, "n1", r->now);
}

static void
rig_fini(struct rig *r)
{
	report_pace_fini(&r->pace);
	report_set_fini(&r->want);
	kube_store_free(r->have);
}

static size_t
step(struct rig *r)
{
	r->nsteps = report_pace_step(&r->pace, &r->want, r->have, ALL_KINDS, r->now,
	    r->steps, nitems(r->steps));
	return r->nsteps;
}

/* The watch shows it. */
static void
shown(struct rig *r, const struct kube_object *o)
{
	struct kube_object *copy = kube_object_new(o->kind, 0);

	copy->meta.ns = "lb";
	copy->meta.name = arena_strdup(&copy->arena, o->meta.name);
	copy->service_status.node = "n1";
	copy->service_status.svc_name = arena_strdup(&copy->arena,
	    o->service_status.svc_name);
	kube_store_put(r->have, copy);
}

/* All that was begun has ended so; what was put is seen. */
static void
done(struct rig *r, int error, bool is_seen)
{
	for (size_t i = 0; i < r->nsteps; i++) {
		const struct report_step *s = &r->steps[i];
		char name[64];

		snprintf(name, sizeof(name), "%s", s->o->meta.name);
		report_pace_done(&r->pace, s->o->kind, name, error, r->now);
		if (!is_seen)
			continue;
		if (s->is_delete)
			kube_store_delete(r->have, s->o->kind, "lb", name);
		else
			shown(r, s->o);
	}
	r->nsteps = 0;
}

static void
pass_ms(struct rig *r, int64_t ms)
{
	r->now = mono_add_ms(r->now, ms);
}

START_TEST(plain)
{
	struct rig r;

	rig_init(&r);
	want(&r, 2, "a");
	ck_assert_uint_eq(step(&r), 2);
	ck_assert(r.steps[0].is_new && !r.steps[0].is_delete);
	ck_assert_msg(step(&r) == 0, "one write of an object at a time");
	r.nsteps = 2;
	done(&r, 0, true);
	pass_ms(&r, 60000);
	ck_assert_msg(step(&r) == 0 && r.pace.deadline.ns == MONO_NEVER.ns,
	    "what is true is not written again, nor looked for");
	want(&r, 1, "b");
	ck_assert_uint_eq(step(&r), 2);
	ck_assert_msg(!r.steps[0].is_new && !r.steps[0].is_delete, "changed");
	ck_assert_msg(r.steps[1].is_delete &&
	    strcmp(r.steps[1].o->meta.name, "w0001") == 0, "no longer wanted");
	done(&r, 0, true);
	pass_ms(&r, 10000);
	ck_assert_msg(step(&r) == 0 && r.pace.writes == NULL, "and nothing is kept of it");
	rig_fini(&r);
}
END_TEST

START_TEST(restart)
{
	struct rig r;

	rig_init(&r);
	want(&r, 3, "a");
	for (size_t i = 0; i < 3; i++)
		shown(&r, r.want.items[i]);
	ck_assert_msg(step(&r) == 0, "what is still true is left alone");
	rig_fini(&r);
}
END_TEST

START_TEST(lagging_watch)
{
	struct rig r;

	rig_init(&r);
	want(&r, 1, "a");
	ck_assert_uint_eq(step(&r), 1);
	done(&r, 0, false);
	pass_ms(&r, REPORT_BELIEVE_SEC * 1000 - 1);
	ck_assert_msg(step(&r) == 0, "written, and not shown yet");
	ck_assert(r.pace.deadline.ns == mono_add_ms(r.now, 1).ns);
	pass_ms(&r, 1);
	ck_assert_msg(step(&r) == 1, "still not: somebody took it away");
	done(&r, 0, false);
	want(&r, 1, "b");
	ck_assert_msg(step(&r) == 0, "one a second");
	pass_ms(&r, REPORT_QUIET_MS);
	ck_assert_msg(step(&r) == 1, "a change waits for no watch");
	rig_fini(&r);
}
END_TEST

START_TEST(flapping)
{
	unsigned nwrites = 0;
	struct rig r;

	rig_init(&r);
	for (unsigned ms = 0; ms < 60000; ms += 100) {
		want(&r, 1, ms / 100 % 2 == 0 ? "a" : "b");
		nwrites += (unsigned)step(&r);
		done(&r, 0, true);
		pass_ms(&r, 100);
	}
	ck_assert_uint_le(nwrites, 60);
	ck_assert_uint_ge(nwrites, 20);
	rig_fini(&r);
}
END_TEST

START_TEST(storm)
{
	size_t n, max = 2 * REPORT_BURST;
	struct rig *r = mem_zalloc(sizeof(*r));

	rig_init(r);
	want(r, max, "a");
	n = step(r);
	ck_assert_msg(n == REPORT_BURST, "%zu at once", n);
	done(r, 0, true);
	ck_assert_uint_eq(step(r), 0);
	ck_assert_msg(r->pace.deadline.ns <= mono_add_ms(r->now, 21).ns, "then by and by");
	for (unsigned sec = 0; sec < max / REPORT_PER_SEC + 1; sec++) {
		pass_ms(r, 1000);
		n += step(r);
		ck_assert_uint_le(r->nsteps, REPORT_PER_SEC + 1);
		done(r, 0, true);
	}
	ck_assert_msg(n == max, "%zu of %zu: each once", n, max);
	rig_fini(r);
	free(r);
}
END_TEST

START_TEST(denied)
{
	unsigned n = 0;
	struct rig r;

	rig_init(&r);
	want(&r, 3, "a");
	ck_assert_uint_eq(step(&r), 3);
	done(&r, -EACCES, false);
	ck_assert_uint_eq(step(&r), 0);
	ck_assert(r.pace.deadline.ns == mono_add_ms(r.now, REPORT_QUIET_MS).ns);
	pass_ms(&r, REPORT_QUIET_MS);
	ck_assert_msg(step(&r) == 0, "not that soon");
	pass_ms(&r, REPORT_DENIED_SEC * 1000);
	ck_assert_msg(step(&r) == 3, "the server may only just have started");
	done(&r, -EACCES, false);
	for (unsigned sec = 0; sec < 3600; sec++) {
		pass_ms(&r, 1000);
		n += (unsigned)step(&r);
		done(&r, -EACCES, false);
	}
	ck_assert_msg(n <= 3 * 12, "%u attempts in an hour", n);
	ck_assert_msg(n >= 3 * 5, "%u attempts in an hour", n);
	pass_ms(&r, REPORT_DENIED_MAX_SEC * 1000);
	ck_assert_uint_eq(step(&r), 3);
	done(&r, 0, true);
	want(&r, 3, "b");
	pass_ms(&r, REPORT_QUIET_MS);
	ck_assert_msg(step(&r) == 3, "allowed now: as ever");
	rig_fini(&r);
}
END_TEST

START_TEST(failing)
{
	struct rig r;

	rig_init(&r);
	want(&r, 1, "a");
	for (int i = 0; i < 10; i++) {
		int64_t sec = REPORT_RETRY_SEC << i;

		ck_assert_msg(step(&r) == 1, "attempt %d", i);
		done(&r, -EIO, false);
		if (sec > REPORT_RETRY_MAX_SEC)
			sec = REPORT_RETRY_MAX_SEC;
		pass_ms(&r, sec * 1000 - 1);
		ck_assert_msg(step(&r) == 0, "not yet, %d", i);
		pass_ms(&r, 1);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(kinds)
{
	struct rig r;

	rig_init(&r);
	want(&r, 1, "a");
	shown(&r, &(struct kube_object){ .kind = KUBE_SERVICE_BGP_STATUS,
	    .meta.name = "old" });
	r.nsteps = report_pace_step(&r.pace, &r.want, r.have, 1 << KUBE_BGP_SESSION_STATE,
	    r.now, r.steps, 1);
	ck_assert_msg(r.nsteps == 0, "kinds that the server does not have are left alone");
	ck_assert_uint_eq(report_pace_step(&r.pace, &r.want, r.have, ALL_KINDS, r.now,
	    r.steps, 1), 1);
	ck_assert_msg(r.pace.deadline.ns == r.now.ns, "no room: there is more to do");
	ck_assert_uint_eq(step(&r), 1);
	ck_assert(r.steps[0].is_delete);
	rig_fini(&r);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, local);
	tcase_add_test(tc, conflicts);
	tcase_add_test(tc, many_conflicts);
	tcase_add_loop_test(tc, dated, 0, nitems(dates));
	tcase_add_test(tc, routed);
	tcase_add_test(tc, sessions);
	tcase_add_test(tc, plain);
	tcase_add_test(tc, restart);
	tcase_add_test(tc, lagging_watch);
	tcase_add_test(tc, flapping);
	tcase_add_test(tc, storm);
	tcase_add_test(tc, denied);
	tcase_add_test(tc, failing);
	tcase_add_test(tc, kinds);
}

TEST_MAIN("report", fill)
