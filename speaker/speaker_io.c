/* speaker_io.c - see speaker_io.h: one turn of the loop. */
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/speaker_impl.h"

enum {
	/* After AdminDown, until we exit: time for the next owners' first
	   announcements, far more than a LAN's round trip. */
	LEAVE_GRACE_MS = 200,
	RETRY_MIN_MS = 200,
	RETRY_MAX_MS = 10000,
	/* See what others have changed of the data plane this often, the most of
	   it that they can; and all of it this often. */
	LOOK_MS = 500,
	TELL_MORE_MS = 2,
	RECHECK_SEC = 60,
	/* From a plan in force until heaps are trimmed: a plan of 10,000 VIPs has
	   been announced and told of by then. */
	TRIM_SEC = 3,
};

static const struct metric m_plan_sec = { "herald_plan_seconds_total",
	"Time from the beginning of each plan until it was in force.", METRIC_COUNTER };

static void
schedule_retry(struct speaker *s, struct mono now, bool is_failed)
{
	if (!is_failed) {
		s->retry = MONO_NEVER;
		s->retry_ms = 0;
		return;
	}
	s->retry_ms = s->retry_ms == 0 ? RETRY_MIN_MS : s->retry_ms * 2;
	if (s->retry_ms > RETRY_MAX_MS)
		s->retry_ms = RETRY_MAX_MS;
	s->retry = mono_add_ms(now, s->retry_ms);
}

/* On the worker's thread. */
void
speaker_work(void *arg)
{
	struct speaker *s = arg;

	switch (s->work) {
	case SPEAKER_PROGRAMS:
		apply_program(&s->apply);
		break;
	case SPEAKER_RECHECKS:
		s->has_seen_meddling = apply_recheck(&s->apply, &s->plan);
		break;
	case SPEAKER_LOOKS:
		s->has_seen_meddling = director_look(s->director);
		break;
	case SPEAKER_READS:
		s->has_seen_meddling = director_look_piece(s->director, stats_note,
		    &s->stats);
		break;
	}
}

static void
start(struct speaker *s, enum speaker_work work)
{
	s->work = work;
	worker_start(s->worker);
}

static void
on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)loop;
	(void)revents;
	if (s->has_planned && !s->is_leaving && !worker_is_busy(s->worker))
		start(s, SPEAKER_LOOKS);
}

static void
on_recheck(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)loop;
	(void)revents;
	s->is_recheck_due = true;
}

/*
 * Is there a VIP that this node might announce, and no link for any of them? What
 * it lacks the links of only some for, update_lacks() tells.
 */
static bool
is_cut_off(const struct speaker *s)
{
	bool has_any = false;

	for (size_t i = 0; i < s->plan.nvips; i++) {
		if (!s->plan.vips[i].is_eligible)
			continue;
		if (arp_io_can_announce(s->arp, &s->plan.vips[i].announce))
			return false;
		has_any = true;
	}
	return has_any;
}

/* Judge ourselves, and tell the others. The sessions stay up whatever we say. */
static void
update_self_state(struct speaker *s, struct mono now)
{
	enum alive_state state = ALIVE_WAITING;

	if (is_cut_off(s))
		state = ALIVE_CUT_OFF;
	/* A node that joins the cluster later makes nobody wait again. */
	else if (s->has_served || (mono_reached(now, s->serve_from) &&
	    !alive_has_unknown(&s->mesh.alive, now) && !(s->conf->is_sticky &&
	    plan_has_left(&s->plan, s->store, s->conf->node_name))))
		state = ALIVE_UP;
	if (state == s->self_state)
		return;
	s->has_served |= state == ALIVE_UP;
	log_info(LOG_OBJ("node", s->conf->node_name), "%s",
	    state == ALIVE_CUT_OFF ? "no link to announce on: other nodes take over" :
	    state == ALIVE_WAITING ? "taking no VIP that another node can have, yet" :
	    "in service");
	s->self_state = state;
	mesh_tell_state(&s->mesh, state);
	s->is_dirty = true;
}

static bool
has_link(void *arg, const struct arp_want *where)
{
	return arp_io_can_announce(arg, where);
}

/* Which interfaces of L2Advertisements we have none of up; the others want to know. */
static void
update_lacks(struct speaker *s)
{
	uint32_t lacks = plan_lacks(&s->plan, has_link, s->arp);

	if (lacks == s->self_lacks)
		return;
	s->self_lacks = lacks;
	mesh_tell_lacks(&s->mesh, lacks);
	s->is_dirty = true;
}

/* The others take over what we cannot announce: not a word to wait for the worker. */
void
speaker_links_changed(struct speaker *s)
{
	update_lacks(s);
	if (s->has_planned)
		update_self_state(s, clock_mono());
	s->is_dirty = true;
}

static struct plan_input
input_of(const struct speaker *s, struct mono now)
{
	return (struct plan_input){
		.store = s->store,
		.self = s->conf->node_name,
		.alive = &s->mesh.alive,
		.now = now,
		.vouch = health_io_vouch(s->health),
		.before = &s->plan,
		.self_lacks = s->self_lacks,
		.self_state = s->self_state,
		.yields_on_cordon = s->conf->yields_on_cordon,
		.drain_sec = s->conf->drain_sec,
		.is_sticky = s->conf->is_sticky && alive_is_sticky(&s->mesh.alive) &&
		    mono_reached(now, s->mesh.settled_at),
	};
}

/*
 * News while the worker is at work, be it for a second. Where a speaker has gone, what
 * it leaves to us is announced now, the rest of what follows from its death waits. Where
 * endpoints have come up or gone down, others may already take over what we own (all
 * nodes judge alike, and with policy Local our last endpoint may have died): we are not
 * to defend it. Such plans take a fifth of our time at most, for there may be many.
 */
static void
meanwhile(struct speaker *s)
{
	struct plan_input in = input_of(s, clock_mono());
	bool is_bereft = s->mesh.is_bereft;
	struct mono now;
	struct plan plan;

	if (!is_bereft && (!s->has_health_news || mono_before(in.now, s->spared_until)))
		return;
	s->mesh.is_bereft = s->has_health_news = false;
	plan_build(&in, &plan);
	if (is_bereft)
		apply_take_over(&s->apply, &plan, in.now);
	else
		apply_hand_over(&s->apply, &plan, in.now);
	plan_fini(&plan);
	now = clock_mono();
	s->spared_until = mono_add_ns(now, 4 * mono_sub_ns(now, in.now));
}

static void
begin_plan(struct speaker *s)
{
	struct plan_input in = { .now = clock_mono() };
	struct plan fresh;
	unsigned how = s->mesh.is_bereft ? APPLY_TAKEOVER : 0;

	update_lacks(s);
	update_self_state(s, in.now);
	if (s->are_nodes_dirty) {
		mesh_set_nodes(&s->mesh, s->store);
		health_io_set_nodes(s->health, s->mesh.self, &s->mesh.alive);
		if (s->relay != NULL)
			relay_io_set_nodes(s->relay, s->mesh.self, &s->mesh.alive);
	}
	s->is_dirty = s->are_nodes_dirty = s->mesh.is_bereft = false;
	s->has_health_news = false;
	kube_store_forget_touched(s->store);
	s->began = in.now;
	in = input_of(s, in.now);
	/* Two plans at a time only where the old one is asked for. */
	if (s->plan.nquorums == 0)
		plan_fini(&s->plan);
	plan_build(&in, &fresh);
	tell_quorums(&s->tell, &fresh);
	plan_fini(&s->plan);
	s->plan = fresh;
	tell_omitted(&s->tell);
	health_io_set_checks(s->health, &s->plan);
	/* What was taken over is told of as the new plan has it. */
	s->has_l2_news |= s->apply.is_outdated;
	apply_begin(&s->apply, &s->plan, how, in.now);
	start(s, SPEAKER_PROGRAMS);
}

/*
 * Nothing is new but EndpointSlices: only their Services are planned and programmed
 * anew. False where that will not do. A try after a failure is for everything.
 */
static bool
begin_update(struct speaker *s)
{
	struct mono now = clock_mono();
	struct plan_input in = input_of(s, now);

	if (!s->has_planned || s->retry.ns != MONO_NEVER.ns ||
	    !plan_update(&in, kube_store_touched(s->store), &s->plan))
		return false;
	kube_store_forget_touched(s->store);
	if (s->plan.nupdates == 0)
		return true;
	tell_omitted(&s->tell);
	s->began = now;
	apply_begin(&s->apply, &s->plan, APPLY_UPDATE, now);
	start(s, SPEAKER_PROGRAMS);
	return true;
}

static void
on_trim(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_timer_stop(loop, w);
	mem_trim();
}

static void
leave_now(struct speaker *s)
{
	apply_yield(&s->apply, &s->plan, clock_mono());
	mesh_leave(&s->mesh);
	s->is_bgp_ending = apply_bgp_leave(&s->apply, &s->plan);
	ev_timer_start(s->loop, &s->leave);
}

static void
programmed(struct speaker *s)
{
	int rc = apply_finish(&s->apply, clock_mono());
	struct mono now;

	if (s->relay != NULL)
		relay_io_follow(s->relay, s->director);
	tell_obstacles(&s->tell, s->apply.obstacles, s->apply.nobstacles);
	/* It may have owned VIPs of ours while we could not hear each other, and
	   hosts may have learnt its address last. */
	if (s->mesh.is_reunited)
		arp_io_announce(s->arp, NULL);
	s->mesh.is_reunited = false;
	now = clock_mono();
	metrics_add(&m_plan_sec, NULL, (double)mono_sub_ns(now, s->began) / 1e9);
	schedule_retry(s, now, rc != 0);
	s->has_planned = true;
	reporter_start(&s->reporter);
	/* Reports are about who announces. */
	if (!s->apply.is_update) {
		reporter_mark(&s->reporter);
		ev_timer_again(s->loop, &s->trim);
	}
	if (rc == 0 && s->serve_from.ns == MONO_NEVER.ns)
		s->serve_from = mono_add_sec(now, s->conf->failback_delay_sec);
	if (s->is_leaving) {
		leave_now(s);
		return;
	}
	update_lacks(s);
	update_self_state(s, now);
}

static void
looked(struct speaker *s)
{
	s->is_dirty |= s->has_seen_meddling;
	if (s->work == SPEAKER_RECHECKS) {
		apply_rechecked(&s->apply);
		tell_obstacles(&s->tell, s->apply.obstacles, s->apply.nobstacles);
	}
	if (s->work == SPEAKER_READS)
		stats_take(&s->stats, s->plan.want.nservices);
	if (s->is_leaving)
		leave_now(s);
}

void
speaker_worked(void *arg)
{
	struct speaker *s = arg;

	if (s->work == SPEAKER_PROGRAMS)
		programmed(s);
	else
		looked(s);
}

static void
tell_news(struct speaker *s)
{
	reporter_mark(&s->reporter);
	if (!tell_announced(&s->tell, s->arp) && !tell_rivals(&s->tell))
		return;
	ev_timer_set(&s->tell_more, TELL_MORE_MS / 1e3, 0.);
	ev_timer_start(s->loop, &s->tell_more);
}

static void
on_tell_more(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	tell_news(w->data);
}

static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct speaker *s = w->data;
	struct mono now, next;

	(void)revents;
	if (s->has_l2_news) {
		s->has_l2_news = false;
		/* What is told in slices already comes to this in its turn. */
		if (!ev_is_active(&s->tell_more))
			tell_news(s);
	}
	/* Half a world would take down what is there. */
	if (s->is_leaving || !kube_source_is_synced(s->source))
		return;
	if (worker_is_busy(s->worker)) {
		if (s->is_dirty)
			meanwhile(s);
		return;
	}
	if (s->is_dirty || (kube_store_touched(s->store)->n > 0 && !begin_update(s)))
		begin_plan(s);
	if (!worker_is_busy(s->worker) && s->has_planned && s->is_recheck_due) {
		s->is_recheck_due = false;
		start(s, SPEAKER_RECHECKS);
	}
	/* The rest of a look, unless there is something to do. */
	if (!worker_is_busy(s->worker) && director_is_look_due(s->director))
		start(s, SPEAKER_READS);
	if (worker_is_busy(s->worker))
		return;
	now = clock_mono();
	next = mono_min(s->retry, alive_deadline(&s->mesh.alive, now));
	next = mono_min(next, apply_deadline(&s->apply));
	if (mono_before(now, s->serve_from))
		next = mono_min(next, s->serve_from);
	if (s->conf->is_sticky && mono_before(now, s->mesh.settled_at))
		next = mono_min(next, s->mesh.settled_at);
	ev_timer_stop(loop, &s->wake);
	ev_timer_set(&s->wake, mono_delay_sec(now, next), 0.);
	ev_timer_start(loop, &s->wake);
}

static void
on_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)loop;
	(void)revents;
	s->is_dirty = true;
}

static void
on_left(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)revents;
	if (!s->is_bgp_ending)
		ev_break(loop, EVBREAK_ALL);
}

void
speaker_leave(struct speaker *s)
{
	if (s->is_leaving) {
		ev_break(s->loop, EVBREAK_ALL);
		return;
	}
	s->is_leaving = true;
	log_info(LOG_OBJ("node", s->conf->node_name),
	    "leaving: the other speakers take over, the director goes on forwarding");
	/* What the worker is at is carried through first, see speaker_worked(). */
	if (!worker_is_busy(s->worker))
		leave_now(s);
}

void
speaker_watch(struct speaker *s)
{
	s->retry = s->serve_from = MONO_NEVER;
	s->self_state = ALIVE_WAITING;
	ev_prepare_init(&s->turn, on_turn);
	ev_timer_init(&s->wake, on_wake, 0., 0.);
	ev_timer_init(&s->leave, on_left, LEAVE_GRACE_MS / 1e3, 0.);
	ev_timer_init(&s->look, on_look, LOOK_MS / 1e3, LOOK_MS / 1e3);
	ev_timer_init(&s->tell_more, on_tell_more, 0., 0.);
	ev_timer_init(&s->recheck, on_recheck, RECHECK_SEC, RECHECK_SEC);
	ev_timer_init(&s->trim, on_trim, 0., TRIM_SEC);
	s->turn.data = s->wake.data = s->leave.data = s->look.data = s;
	s->tell_more.data = s->recheck.data = s;
	ev_prepare_start(s->loop, &s->turn);
	ev_timer_start(s->loop, &s->look);
	ev_timer_start(s->loop, &s->recheck);
}

void
speaker_unwatch(struct speaker *s)
{
	ev_prepare_stop(s->loop, &s->turn);
	ev_timer_stop(s->loop, &s->wake);
	ev_timer_stop(s->loop, &s->leave);
	ev_timer_stop(s->loop, &s->look);
	ev_timer_stop(s->loop, &s->recheck);
	ev_timer_stop(s->loop, &s->tell_more);
	ev_timer_stop(s->loop, &s->trim);
}
