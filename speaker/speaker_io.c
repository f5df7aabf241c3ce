#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/arp_io.h"
#include "kube/source.h"
#include "lib/clock.h"
#include "lib/httpd_io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/apply.h"
#include "speaker/bgp_encode.h"
#include "speaker/health_io.h"
#include "speaker/mesh_io.h"
#include "speaker/plan.h"
#include "speaker/report_io.h"
#include "speaker/speaker_io.h"
#include "speaker/stats.h"
#include "speaker/status_encode.h"
#include "speaker/tell_io.h"
#include "speaker/worker_io.h"

enum {
	/* After AdminDown, until we exit: time for the next owners' first
	   announcements, far more than a LAN's round trip. */
	LEAVE_GRACE_MS = 200,
	RETRY_MIN_MS = 200,
	RETRY_MAX_MS = 10000,
	/* See what others have changed of the data plane this often, the most of
	   it that they can; and all of it this often. */
	LOOK_MS = 500,
	RECHECK_SEC = 60,
};

struct speaker {
	struct ev_loop *loop;
	const struct speaker_conf *conf;
	struct kube_store *store;
	struct kube_source *source;
	struct director *director;
	struct arp_io *arp;
	struct httpd *httpd;
	struct mesh mesh;
	struct health_io *health;
	struct apply apply;
	struct tell tell;
	struct reporter reporter;
	struct worker *worker;		/* runs apply_program() */
	struct plan plan;		/* being applied, or the last one applied */
	struct mono began;		/* when the plan was begun */
	ev_prepare turn;		/* once a turn, before the loop sleeps */
	ev_timer wake;			/* the next time something is due by itself */
	ev_timer leave;
	ev_timer look;
	bool	is_looking;		/* what the worker does: look, not program */
	bool	has_seen_meddling;	/* what that look came to */
	struct stats stats;
	struct mono recheck;
	struct mono retry;		/* MONO_NEVER: nothing failed */
	int64_t	retry_ms;		/* the last back-off */
	bool	is_dirty;
	bool	is_leaving;
	bool	is_bgp_ending;		/* and BGP is not done with it */
	bool	has_announced_news;	/* what leaves by ARP or NDP has changed */
	bool	has_planned;		/* a plan has been applied */
	enum alive_state self_state;	/* what the others are told of us */
	struct mono serve_from;		/* MONO_NEVER: nothing programmed yet */
	bool	has_served;		/* has been ALIVE_UP */
	bool	are_nodes_dirty;
	uint32_t self_lacks;		/* likewise; see plan_lacks() */
};

static const struct metric m_plan_sec = { "herald_plan_seconds_total",
	"Time from the beginning of each plan until it was in force.", METRIC_COUNTER };

static void
on_mesh(void *arg)
{
	struct speaker *s = arg;

	health_io_set_up(s->health, &s->mesh.alive);
	s->is_dirty = true;
}

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
static void
work(void *arg)
{
	struct speaker *s = arg;

	if (s->is_looking)
		s->has_seen_meddling = director_look(s->director, stats_note,
		    &s->stats);
	else
		apply_program(&s->apply);
}

static void
on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)loop;
	(void)revents;
	if (!s->has_planned || s->is_leaving || worker_is_busy(s->worker))
		return;
	s->is_looking = true;
	worker_start(s->worker);
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
 * A speaker has gone while the worker is at work, be it for a second: what it leaves
 * to us is announced now, the rest of what follows from its death waits.
 */
static void
take_over(struct speaker *s)
{
	struct plan_input in = input_of(s, clock_mono());
	struct plan plan;

	s->mesh.is_bereft = false;
	plan_build(&in, &plan);
	apply_take_over(&s->apply, &plan, in.now);
	plan_fini(&plan);
}

static void
begin_plan(struct speaker *s)
{
	struct plan_input in = { .now = clock_mono() };
	struct plan fresh;
	unsigned how = s->mesh.is_bereft ? APPLY_TAKEOVER : 0;

	update_lacks(s);
	update_self_state(s, in.now);
	if (mono_reached(in.now, s->recheck)) {
		how |= APPLY_RECHECK;
		s->recheck = mono_add_sec(in.now, RECHECK_SEC);
	}
	if (s->are_nodes_dirty) {
		mesh_set_nodes(&s->mesh, s->store);
		health_io_set_nodes(s->health, s->mesh.self, &s->mesh.alive);
	}
	s->is_dirty = s->are_nodes_dirty = s->mesh.is_bereft = false;
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
	health_io_set_checks(s->health, &s->plan);
	/* What was taken over is told of as the new plan has it. */
	s->has_announced_news |= s->apply.is_outdated;
	apply_begin(&s->apply, &s->plan, how, in.now);
	worker_start(s->worker);
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
	s->began = now;
	apply_begin(&s->apply, &s->plan, APPLY_UPDATE, now);
	worker_start(s->worker);
	return true;
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

	tell_obstacles(&s->tell, s->apply.obstacles,
	    s->apply.nobstacles, s->store);
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
	if (!s->apply.is_update)
		reporter_mark(&s->reporter);
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
	stats_take(&s->stats, s->plan.want.nservices);
	if (s->is_leaving)
		leave_now(s);
}

static void
on_worked(void *arg)
{
	struct speaker *s = arg;

	if (!s->is_looking) {
		programmed(s);
		return;
	}
	s->is_looking = false;
	looked(s);
}

static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct speaker *s = w->data;
	struct mono now, next;

	(void)revents;
	if (s->has_announced_news) {
		s->has_announced_news = false;
		tell_announced(&s->tell, s->arp);
		reporter_mark(&s->reporter);
	}
	/* Half a world would take down what is there. */
	if (s->is_leaving || !kube_source_is_synced(s->source))
		return;
	if (worker_is_busy(s->worker)) {
		if (s->is_dirty && s->mesh.is_bereft)
			take_over(s);
		return;
	}
	if (s->is_dirty || (kube_store_touched(s->store)->n > 0 && !begin_update(s)))
		begin_plan(s);
	if (worker_is_busy(s->worker))
		return;
	now = clock_mono();
	next = mono_min(mono_min(s->recheck, s->retry), alive_deadline(&s->mesh.alive, now));
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
on_change(void *arg, enum kube_kind kind)
{
	struct speaker *s = arg;

	if (kube_kind_is_report(kind)) {
		reporter_mark(&s->reporter);
		s->is_dirty |= s->conf->is_sticky && kind == KUBE_SERVICE_L2_STATUS;
		return;
	}
	/* Whose they are the store knows: see on_turn(). */
	s->is_dirty |= kind != KUBE_ENDPOINT_SLICE;
	s->are_nodes_dirty |= kind == KUBE_NODE;
}

static void
on_synced(void *arg)
{
	struct speaker *s = arg;

	log_info(LOG_OBJ("node", s->conf->node_name), "in step with the source");
	s->is_dirty = s->are_nodes_dirty = true;
}

static void
on_links(void *arg)
{
	struct speaker *s = arg;

	s->is_dirty = true;
}

static void
on_health(void *arg)
{
	struct speaker *s = arg;

	s->is_dirty = true;
}

static void
on_conflict(void *arg, const struct ip *vip, const char *ifname, const uint8_t mac[6])
{
	struct speaker *s = arg;

	tell_conflict(&s->tell, vip, ifname, mac);
	reporter_mark(&s->reporter);
}

static void
on_settled(void *arg, const struct ip *vip, const char *ifname)
{
	struct speaker *s = arg;

	tell_settled(&s->tell, vip, ifname);
	reporter_mark(&s->reporter);
}

static void
on_announced(void *arg)
{
	struct speaker *s = arg;

	s->has_announced_news = true;
}

static int
on_http(void *arg, const char *path, FILE *f, const char **ret_type)
{
	struct speaker *s = arg;

	if (strcmp(path, "/readyz") == 0) {
		fputs(s->has_planned ? "ok\n" : "not in step with the source yet\n", f);
		return s->has_planned ? 200 : 503;
	}
	if (strcmp(path, "/status") == 0) {
		*ret_type = "application/json";
		status_encode(f, &(struct status_input){ .node = s->conf->node_name,
		    .plan = &s->plan, .apply = &s->apply, .alive = &s->mesh.alive,
		    .health = s->health, .tell = &s->tell, .now = clock_mono() });
		return 200;
	}
	if (strcmp(path, "/bgp") == 0 || strcmp(path, "/bgp/routes") == 0) {
		*ret_type = "application/json";
		(path[4] == '\0' ? bgp_encode_peers : bgp_encode_routes)(f,
		    s->conf->node_name, s->apply.bgp);
		return 200;
	}
	fputs("try /metrics, /healthz, /readyz, /status, /bgp or /bgp/routes\n", f);
	return 404;
}

static void
on_left(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct speaker *s = w->data;

	(void)revents;
	if (!s->is_bgp_ending)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_bgp_changed(void *arg)
{
	struct speaker *s = arg;

	reporter_mark(&s->reporter);
}

static void
on_bgp_stopped(void *arg)
{
	struct speaker *s = arg;

	s->is_bgp_ending = false;
	if (!ev_is_active(&s->leave))
		ev_break(s->loop, EVBREAK_ALL);
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
	/* What the worker is at is carried through first, see on_worked(). */
	if (!worker_is_busy(s->worker))
		leave_now(s);
}

static int
open_engines(struct speaker *s, char err[512])
{
	const struct speaker_conf *conf = s->conf;
	const struct apply_bgp_conf bgp = {
		.port = conf->bgp_port, .drain_ms = conf->bgp_drain_sec * 1000,
		.mrt_path = conf->mrt_path,
		.mrt_max_bytes = (uint64_t)conf->mrt_max_mb * 1000000,
		.handler = { .changed = on_bgp_changed, .stopped = on_bgp_stopped,
		    .arg = s } };
	const struct arp_io_conf arp = {
		.exclude = conf->excludes, .nexclude = conf->nexcludes,
		.repeat_sec = conf->l2_repeat_sec,
		.nannounce = conf->l2_nannounce, .nprobes = conf->l2_nprobes,
		.is_unprobed = conf->l2_nprobes == 0,
		.hung_ms = conf->detect_mult * conf->interval_us / 1000 };
	const struct arp_io_handler arp_handler = {
		.conflict = on_conflict, .links_changed = on_links, .arg = s,
		.settled = on_settled, .announced_changed = on_announced };
	const struct health_io_conf health = {
		.netns = conf->director.name, .port = conf->health_port,
		.keys = &s->mesh.keys };
	char text[256] = "";

	s->arp = arp_io_new(s->loop, &arp, &arp_handler, text);
	if (s->arp == NULL ||
	    mesh_open(&s->mesh, s->loop, conf, on_mesh, s, text) != 0 ||
	    (s->health = health_io_new(s->loop, &health, on_health, s, text)) == NULL ||
	    (conf->http != NULL && (s->httpd = httpd_new(s->loop, conf->http, on_http,
	    s, text)) == NULL)) {
		snprintf(err, 512, "%s", text);
		return -1;
	}
	tell_init(&s->tell, s->source, conf->node_name, &s->plan, &s->mesh.alive);
	apply_init(&s->apply, s->director, s->arp, s->loop, &bgp);
	s->apply.policy = conf->l2_policy;
	if (conf->has_reports)
		reporter_init(&s->reporter, &(struct reporter_conf){ .loop = s->loop,
		    .source = s->source, .store = s->store, .node = conf->node_name,
		    .ns = conf->ns, .plan = &s->plan, .apply = &s->apply,
		    .alive = &s->mesh.alive, .arp = s->arp, .tell = &s->tell,
		    .has_conditions = conf->api_group == NULL ||
		    strcmp(conf->api_group, KUBE_API_GROUP_METALLB) != 0 });
	s->worker = worker_new(s->loop, work, on_worked, s);
	if (s->worker == NULL) {
		snprintf(err, 512, "no thread can be started; raise the limit on "
		    "processes (ulimit -u, pids.max)");
		return -1;
	}
	return 0;
}

/* The source first: where it is misspelt, nothing of the node is touched. */
static int
open_parts(struct speaker *s, char err[512])
{
	const struct speaker_conf *conf = s->conf;
	const struct kube_source_handler handler = { on_change, on_synced, s };
	/* Services without a profile, peers without a password and all traffic do
	   without these. */
	unsigned spare = 1u << KUBE_FORWARDING_PROFILE | 1u << KUBE_SECRET |
	    (conf->has_reports ? REPORT_KINDS : 0);
	const struct kube_source_conf source = {
		.spec = conf->source,
		.kinds = 1u << KUBE_SERVICE | 1u << KUBE_ENDPOINT_SLICE |
		    1u << KUBE_NODE | 1u << KUBE_POD | 1u << KUBE_IP_ADDRESS_POOL |
		    1u << KUBE_L2_ADVERTISEMENT | 1u << KUBE_BGP_ADVERTISEMENT |
		    1u << KUBE_BGP_PEER | 1u << KUBE_COMMUNITY |
		    1u << KUBE_BFD_PROFILE | spare,
		.spare_kinds = spare,
		.node_name = conf->node_name,
		.wide_kinds = conf->is_sticky ? 1u << KUBE_SERVICE_L2_STATUS : 0,
		.ns = conf->ns,
		.api_group = conf->api_group,
		.component = "herald-speaker",
	};
	struct director_error director_err;
	struct kube_error kube_err;

	s->source = kube_source_open(s->loop, &source, s->store, &handler, &kube_err);
	if (s->source == NULL) {
		snprintf(err, 512, "%s", kube_err.text);
		return -1;
	}
	if (director_open(&conf->director, &s->director, &director_err) != 0) {
		snprintf(err, 512, "%s", director_err.text);
		return -1;
	}
	return open_engines(s, err);
}

struct speaker *
speaker_new(struct ev_loop *loop, const struct speaker_conf *conf, char err[512])
{
	struct speaker *s = mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->conf = conf;
	s->store = kube_store_new();
	s->recheck = mono_add_sec(clock_mono(), RECHECK_SEC);
	s->retry = s->serve_from = MONO_NEVER;
	s->self_state = ALIVE_WAITING;
	ev_prepare_init(&s->turn, on_turn);
	ev_timer_init(&s->wake, on_wake, 0., 0.);
	ev_timer_init(&s->leave, on_left, LEAVE_GRACE_MS / 1e3, 0.);
	ev_timer_init(&s->look, on_look, LOOK_MS / 1e3, LOOK_MS / 1e3);
	s->turn.data = s->wake.data = s->leave.data = s->look.data = s;
	if (open_parts(s, err) != 0) {
		speaker_free(s);
		return NULL;
	}
	ev_prepare_start(loop, &s->turn);
	ev_timer_start(loop, &s->look);
	metrics_set_writer(stats_write, &s->stats);
	return s;
}

void
speaker_free(struct speaker *s)
{
	if (s == NULL)
		return;
	ev_prepare_stop(s->loop, &s->turn);
	ev_timer_stop(s->loop, &s->wake);
	ev_timer_stop(s->loop, &s->leave);
	ev_timer_stop(s->loop, &s->look);
	metrics_set_writer(NULL, NULL);
	worker_free(s->worker);
	kube_source_close(s->source);
	httpd_free(s->httpd);
	health_io_free(s->health);
	mesh_close(&s->mesh);
	arp_io_free(s->arp);
	director_close(s->director);
	stats_fini(&s->stats);
	tell_fini(&s->tell);
	reporter_fini(&s->reporter);
	apply_fini(&s->apply);
	plan_fini(&s->plan);
	kube_store_free(s->store);
	free(s);
}
