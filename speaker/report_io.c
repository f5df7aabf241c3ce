#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kube/report.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "lib/stamp.h"
#include "speaker/report_io.h"

enum {
	COALESCE_MS = 20,		/* changes come in bursts */
	AGAIN_MS = 500,			/* looking costs some ms at 10,000 Services */
	/*
	 * Writes begun at a time, and when to go on with the rest: a node's death may
	 * bring hundreds, and the loop has its liveness to tell meanwhile.
	 */
	STEPS_MAX = 32,
	MORE_MS = 20,
	COMPLAIN_AGAIN_SEC = 300,
	/* Who died longer ago has had its reports deleted. */
	FALLEN_SEC = 600,
};

static const struct metric m_writes = { "herald_reports_written_total",
	"Status objects written, by what was done and how it ended.", METRIC_COUNTER };

/* A write under way. */
struct reporter_job {
	struct reporter_job *prev, *next;
	struct reporter *reporter;
	enum kube_kind kind;
	bool	is_delete;
	char	name[];
};

/* --- what there is to say -------------------------------------------------- */

struct links {
	struct report_link *items;	/* NULL: they are only counted */
	size_t	n;
	struct arena arena;
};

struct sessions {
	struct report_session *items;
	size_t	n, cap;
};

static void
add_link(void *arg, const struct ip *vip, const char *ifname)
{
	struct links *l = arg;

	if (l->items != NULL)
		l->items[l->n] = (struct report_link){ *vip, ifname };
	l->n++;
}

static void
add_session(void *arg, const struct bgp_io_status *s)
{
	struct sessions *l = arg;

	l->items = mem_grow(l->items, l->n, &l->cap, sizeof(*l->items));
	l->items[l->n++] = (struct report_session){ .name = s->name, .addr = s->addr,
	    .ifname = s->ifname, .is_up = s->state == BGP_ESTABLISHED,
	    .is_refused = s->is_refused, .has_bfd = s->has_bfd,
	    .is_bfd_up = s->bfd == BFD_PEER_UP };
}

/* Those that were told of: of others it is not known yet who they are. */
static struct report_conflict *
conflicts_of(const struct tell *t, size_t *ret_n)
{
	struct report_conflict *all = mem_zalloc((HASH_COUNT(t->rivals) + 1) *
	    sizeof(*all));
	size_t n = 0;

	for (const struct tell_rival *r = t->rivals; r != NULL; r = r->hh.next) {
		if (r->is_told && !r->is_gone)
			all[n++] = (struct report_conflict){ r->at.vip, r->at.ifname,
			    r->mac, r->node };
	}
	*ret_n = n;
	return all;
}

static void
look(const struct reporter *r, struct links *links, struct sessions *sessions,
    struct report_set *ret)
{
	const struct apply *a = r->conf.apply;
	struct report_conflict *conflicts;
	size_t nconflicts;

	conflicts = conflicts_of(r->conf.tell, &nconflicts);
	arp_io_each(r->conf.arp, add_link, links);
	links->items = arena_array(&links->arena, links->n, sizeof(*links->items));
	links->n = 0;
	arp_io_each(r->conf.arp, add_link, links);
	if (a->bgp != NULL)
		bgp_io_each(a->bgp, add_session, sessions);
	report_want(&(struct report_input){
		.plan = r->conf.plan,
		.node = r->conf.node,
		.ns = r->conf.ns,
		.links = links->items, .nlinks = links->n,
		.conflicts = conflicts, .nconflicts = nconflicts,
		.has_conditions = r->conf.has_conditions,
		.programmed = a->programmed.vips, .nprogrammed = a->programmed.n,
		.is_bgp_gone = a->is_bgp_gone,
		.sessions = sessions->items, .nsessions = sessions->n,
	}, ret);
	free(conflicts);
}

/* --- writing --------------------------------------------------------------- */

static void
complain(struct reporter *r, const char *text, struct mono now)
{
	if (strcmp(r->complaint.text, text) == 0 &&
	    mono_before(now, mono_add_sec(r->complained, COMPLAIN_AGAIN_SEC)))
		return;
	kube_error_set(&r->complaint, "%s", text);
	r->complained = now;
	log_warn(LOG_NONE, "this node's status objects are not up to date: %s; traffic "
	    "is not affected", text);
}

static void
job_done(void *arg, int error, const char *text)
{
	struct reporter_job *j = arg;
	struct reporter *r = j->reporter;
	struct mono now = clock_mono();
	char labels[64];

	DL_DELETE(r->jobs, j);
	metrics_add(&m_writes, metrics_labels(labels, sizeof(labels), "op",
	    j->is_delete ? "delete" : "put", "result", error == 0 ? "ok" : "failed",
	    NULL), 1);
	if (error != 0)
		complain(r, text, now);
	report_pace_done(&r->pace, j->kind, j->name, error, now);
	free(j);
	reporter_mark(r);
}

/*
 * A node that has died cannot take its report on this Service back. If it lives
 * after all, it will write it anew.
 */
static void
delete_of_the_fallen(struct reporter *r, const struct kube_object *o, struct mono now)
{
	const struct alive *a = r->conf.alive;
	char name[KUBE_REPORT_NAME_LEN];

	for (size_t i = 0; i < a->n; i++) {
		const struct alive_node *n = &a->nodes[i];
		enum alive_state state = alive_state(a, n->name, now);

		if ((state != ALIVE_SILENT && state != ALIVE_DEAD) ||
		    mono_reached(now, mono_add_sec(n->since, FALLEN_SEC)))
			continue;
		kube_report_name(n->name, o->service_status.svc_ns,
		    o->service_status.svc_name, name);
		kube_source_delete(r->conf.source, o->kind, o->meta.ns, name, NULL, NULL);
	}
}

static void
begin(struct reporter *r, const struct report_step *s, struct mono now)
{
	const char *name = s->o->meta.name;
	struct reporter_job *j = mem_zalloc(sizeof(*j) + strlen(name) + 1);
	struct kube_object o = { .kind = s->o->kind };
	const struct kube_object *node;
	char stamp[STAMP_LEN];

	j->reporter = r;
	j->kind = s->o->kind;
	j->is_delete = s->is_delete;
	strcpy(j->name, name);
	DL_APPEND(r->jobs, j);
	if (s->is_delete) {
		kube_source_delete(r->conf.source, j->kind, s->o->meta.ns, j->name,
		    job_done, j);
		return;
	}
	memcpy(&o, s->o, kube_object_size(s->o->kind));
	node = kube_store_get(r->conf.store, KUBE_NODE, NULL, r->conf.node);
	report_date(&o, kube_store_get(r->conf.store, o.kind, o.meta.ns, j->name),
	    stamp_sec(clock_wall_ns(), stamp));
	kube_source_put(r->conf.source, &o, node != NULL ? node->meta.uid : NULL,
	    job_done, j);
	if (s->is_new && j->kind == KUBE_SERVICE_L2_STATUS)
		delete_of_the_fallen(r, s->o, now);
}

/* Kinds whose CRD is there, and which we may read. */
static unsigned
usable_kinds(const struct reporter *r)
{
	unsigned kinds = 0;

	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		if ((REPORT_KINDS & 1u << k) &&
		    kube_source_has_listed(r->conf.source, (enum kube_kind)k))
			kinds |= 1u << k;
	}
	return kinds;
}

static void
wake_at(struct reporter *r, struct mono now, struct mono when)
{
	double sec = mono_delay_sec(now, when);

	if (when.ns == MONO_NEVER.ns || (ev_is_active(&r->timer) &&
	    ev_timer_remaining(r->conf.loop, &r->timer) <= sec))
		return;
	ev_timer_stop(r->conf.loop, &r->timer);
	ev_now_update(r->conf.loop);
	ev_timer_set(&r->timer, sec, 0.);
	ev_timer_start(r->conf.loop, &r->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct reporter *r = timer->data;
	struct mono now = clock_mono();
	struct report_step steps[STEPS_MAX];
	struct sessions sessions = { .n = 0 };
	struct links links = { .n = 0 };
	struct report_set want;
	size_t n;

	(void)loop;
	(void)revents;
	look(r, &links, &sessions, &want);
	n = report_pace_step(&r->pace, &want, r->conf.store, usable_kinds(r), now, steps,
	    STEPS_MAX);
	for (size_t i = 0; i < n; i++)
		begin(r, &steps[i], now);
	report_set_fini(&want);
	arena_fini(&links.arena);
	free(sessions.items);
	r->next = mono_add_ms(now, n == STEPS_MAX ? MORE_MS : AGAIN_MS);
	if (r->pace.deadline.ns != MONO_NEVER.ns)
		wake_at(r, now, mono_before(r->pace.deadline, r->next) ? r->next :
		    r->pace.deadline);
}

/* --- for the speaker ------------------------------------------------------- */

void
reporter_init(struct reporter *r, const struct reporter_conf *conf)
{
	struct mono now = clock_mono();

	*r = (struct reporter){ .conf = *conf, .settled = MONO_NEVER, .next = now };
	report_pace_init(&r->pace, conf->node, now);
	ev_init(&r->timer, on_timer);
	r->timer.data = r;
}

void
reporter_fini(struct reporter *r)
{
	struct reporter_job *j, *next;

	if (r->conf.loop == NULL)
		return;
	ev_timer_stop(r->conf.loop, &r->timer);
	DL_FOREACH_SAFE(r->jobs, j, next)
		free(j);
	report_pace_fini(&r->pace);
	*r = (struct reporter){ .jobs = NULL };
}

void
reporter_start(struct reporter *r)
{
	if (r->conf.loop == NULL || r->settled.ns != MONO_NEVER.ns)
		return;
	r->settled = mono_add_sec(clock_mono(), REPORT_SETTLE_SEC);
	reporter_mark(r);
}

void
reporter_mark(struct reporter *r)
{
	struct mono now = clock_mono(), when = mono_add_ms(now, COALESCE_MS);

	if (r->conf.loop == NULL || r->settled.ns == MONO_NEVER.ns)
		return;
	if (mono_before(when, r->next))
		when = r->next;
	if (mono_before(when, r->settled))
		when = r->settled;
	wake_at(r, now, when);
}
