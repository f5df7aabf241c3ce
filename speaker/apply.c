#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/apply.h"

enum { TRIM_CHANGES = 1000 };

static const struct metric m_sync = { "herald_director_syncs_total",
	"Times the data plane was compared with the plan.", METRIC_COUNTER };
static const struct metric m_changes = { "herald_director_changes_total",
	"Changes made to the data plane, by kind.", METRIC_COUNTER };
static const struct metric m_draining = { "herald_endpoints_draining",
	"Endpoints that have left, or are terminating, and go on with the connections "
	"they have.", METRIC_GAUGE };
static const struct metric m_errors = { "herald_director_errors_total",
	"Objects that could not be programmed.", METRIC_COUNTER };
static const struct metric m_obstacles = { "herald_host_obstacles",
	"Things on this host that are in the way of VIP traffic; the log names them.",
	METRIC_GAUGE };
static const struct metric m_announced = { "herald_vips_announced",
	"VIPs this node announces.", METRIC_GAUGE };
static const struct metric m_yielding = { "herald_vips_yielding",
	"VIPs this node hands over to another, which is to claim them.", METRIC_GAUGE };

void
apply_init(struct apply *a, struct director *director, struct arp_io *arp,
    struct ev_loop *loop, const struct apply_bgp_conf *bgp)
{
	*a = (struct apply){ .director = director, .arp = arp, .loop = loop,
	    .bgp_conf = *bgp, .bgp_gone_at = MONO_NEVER };
}

void
apply_fini(struct apply *a)
{
	bgp_io_free(a->bgp);
	free(a->announced.vips);
	free(a->yielding);
	free(a->known.vips);
	free(a->programmed.vips);
	free(a->held.vips);
	free(a->ceded.vips);
	free(a->said);
	*a = (struct apply){ 0 };
}

static int
vip_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
set_has(const struct vip_set *s, const struct ip *vip)
{
	return s->n > 0 && bsearch(vip, s->vips, s->n, sizeof(*vip), vip_cmp) != NULL;
}

/* An empty set in place of *s, with room for n. */
static struct vip_set
set_new(size_t n)
{
	return (struct vip_set){ .vips = mem_zalloc((n + 1) * sizeof(struct ip)) };
}

static void
set_replace(struct vip_set *s, struct vip_set with)
{
	free(s->vips);
	*s = with;
}

bool
apply_is_announced(const struct apply *a, const struct ip *vip)
{
	return set_has(&a->announced, vip);
}

bool
apply_is_programmed(const struct apply *a, const struct ip *vip)
{
	return set_has(&a->programmed, vip);
}

bool
apply_is_held(const struct apply *a, const struct ip *vip)
{
	return set_has(&a->held, vip);
}

/* On the worker's thread: keep the error, apply_finish() logs it. */
static void
failed(void *arg, const struct director_error *err)
{
	struct apply *a = arg;

	if (a->nerrors < APPLY_MAX_ERRORS)
		a->errors[a->nerrors] = *err;
	a->nerrors++;
}

static void
report_errors(const struct apply *a)
{
	metrics_add(&m_errors, NULL, (double)a->nerrors);
	for (size_t i = 0; i < a->nerrors && i < APPLY_MAX_ERRORS; i++)
		log_error(LOG_NONE, "%s", a->errors[i].text);
	if (a->nerrors > APPLY_MAX_ERRORS)
		log_error(LOG_NONE, "data plane: %zu further objects could not be "
		    "programmed", a->nerrors - APPLY_MAX_ERRORS);
}

static void
count(const char *kind, unsigned n)
{
	char labels[64];

	metrics_add(&m_changes, metrics_labels(labels, sizeof(labels), "kind", kind,
	    NULL), n);
}

static void
report(const struct director_changes *c)
{
	unsigned sum = c->vips_added + c->vips_removed + c->services_added +
	    c->services_removed + c->services_changed + c->endpoints_added +
	    c->endpoints_removed + c->endpoints_changed + c->nft_commits + c->repairs;

	metrics_add(&m_sync, NULL, 1);
	count("vip_added", c->vips_added);
	count("vip_removed", c->vips_removed);
	count("service_added", c->services_added);
	count("service_removed", c->services_removed);
	count("service_changed", c->services_changed);
	count("endpoint_added", c->endpoints_added);
	count("endpoint_removed", c->endpoints_removed);
	count("endpoint_changed", c->endpoints_changed);
	count("nft_commit", c->nft_commits);
	count("repair", c->repairs);
	if (sum == 0)
		return;
	log_info(LOG_NONE, "data plane: VIPs +%u -%u, services +%u -%u ~%u, "
	    "endpoints +%u -%u ~%u", c->vips_added, c->vips_removed,
	    c->services_added, c->services_removed, c->services_changed,
	    c->endpoints_added, c->endpoints_removed, c->endpoints_changed);
	if (c->repairs > 0)
		log_warn(LOG_NONE, "data plane: somebody else removed %u of our "
		    "objects; put back", c->repairs);
}

/* The VIPs of the plan that are to be announced at some point of applying it. */
enum when {
	BEFORE_SYNC,	/* only those that are announced already */
	TAKING_OVER,	/* and those that this node can serve as it is */
	AFTER_SYNC,	/* those that are programmed */
	YIELDING,	/* as BEFORE_SYNC, giving way to the first claim */
};

static struct arp_want
want_of(const struct apply *a, const struct plan_vip *v, enum when when)
{
	struct arp_want w = v->announce;

	/*
	 * A VIP that turns up while we run has just been allocated: make sure
	 * that the address is free. One that was there when we started, or was
	 * another node's, is claimed at once.
	 */
	w.is_first_claim = a->has_applied && !set_has(&a->known, &v->ip);
	w.policy = when == YIELDING ? ARP_POLICY_YIELD : a->policy;
	return w;
}

/*
 * May a VIP that is ours be announced now? Every node forwards for every VIP, and
 * so can take one over with the tables it has: clients are waiting, and what the
 * sync is to change would be no better elsewhere. Not so with policy Local: the VIP
 * may come here because of a pod that this node is only now to forward to.
 */
static bool
may_announce(const struct apply *a, const struct plan_vip *v, enum when when)
{
	bool is_programmed = apply_is_programmed(a, &v->ip);

	if (when == AFTER_SYNC)
		return is_programmed;
	return apply_is_announced(a, &v->ip) ||
	    (when == TAKING_OVER && is_programmed && !v->is_local);
}

/* By the plan that is applied, and what has been learnt since it was made. */
static bool
is_ours(const struct apply *a, const struct plan_vip *v)
{
	return v->is_mine && !set_has(&a->ceded, &v->ip);
}

static const struct apply_yielding *
find_yielding(const struct apply *a, const struct ip *vip)
{
	const struct apply_yielding *y = a->yielding;

	return a->nyielding == 0 ? NULL :	/* vip is its first field */
	    bsearch(vip, y, a->nyielding, sizeof(*y), vip_cmp);
}

/* Is a VIP that is not announced as ours to be handed over? Until when? */
static bool
is_yielding(const struct apply *a, const struct plan_vip *v, enum when when,
    struct mono now, struct mono *ret_until)
{
	const struct apply_yielding *y = find_yielding(a, &v->ip);

	/* Come back to us while still on its way: no silence until then. */
	if (v->owner == NULL || (is_ours(a, v) && when == AFTER_SYNC))
		return false;
	if (!is_ours(a, v) && apply_is_announced(a, &v->ip)) {
		log_info(LOG_OBJ("vip", IP_STR(&v->ip), "to", v->owner),
		    "handing over");
		*ret_until = mono_add_ms(now, APPLY_YIELD_MS);
		return true;
	}
	if (y == NULL || mono_reached(now, y->until))
		return false;
	*ret_until = y->until;
	return true;
}

/* After the fact: hundreds of lines must not hold up what they tell of. */
static void
log_changes(const struct apply *a, const struct vip_set *now)
{
	for (size_t i = 0; i < now->n; i++) {
		if (!set_has(&a->announced, &now->vips[i]))
			log_info(LOG_OBJ("vip", IP_STR(&now->vips[i])), "announcing");
	}
	for (size_t i = 0; i < a->announced.n; i++) {
		if (!set_has(now, &a->announced.vips[i]))
			log_info(LOG_OBJ("vip", IP_STR(&a->announced.vips[i])),
			    "no longer announcing");
	}
}

static void
announce(struct apply *a, const struct plan *p, enum when when, struct mono now)
{
	struct arp_want *wants = mem_zalloc((p->nvips + 1) * sizeof(*wants));
	struct apply_yielding *yielding = mem_zalloc((p->nvips + 1) *
	    sizeof(*yielding));
	struct vip_set own = set_new(p->nvips);
	size_t nwants = 0, nyielding = 0;
	struct mono until;

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];

		if (is_ours(a, v) && may_announce(a, v, when)) {
			wants[nwants++] = want_of(a, v, when);
			own.vips[own.n++] = v->ip;
		} else if (is_yielding(a, v, when, now, &until)) {
			wants[nwants++] = want_of(a, v, YIELDING);
			yielding[nyielding++] = (struct apply_yielding){ v->ip, until };
		}
	}
	arp_io_set(a->arp, wants, nwants);
	log_changes(a, &own);
	free(wants);
	free(a->yielding);
	a->yielding = yielding;
	a->nyielding = nyielding;
	metrics_set(&m_announced, NULL, (double)own.n);
	metrics_set(&m_yielding, NULL, (double)nyielding);
	set_replace(&a->announced, own);
}

struct mono
apply_deadline(const struct apply *a)
{
	struct mono next = a->is_bgp_gone ? MONO_NEVER : a->bgp_gone_at;

	for (size_t i = 0; i < a->nyielding; i++)
		next = mono_min(next, a->yielding[i].until);
	return mono_min(next, director_deadline(a->director));
}

/* What the sync made of the plan's VIPs, now that the director is ours again. */
static struct vip_set
programmed_vips(const struct apply *a, const struct plan *p)
{
	struct vip_set s = set_new(p->nvips);

	for (size_t i = 0; i < p->nvips; i++) {
		if (p->vips[i].is_delegated ||
		    director_has_vip(a->director, &p->vips[i].ip))
			s.vips[s.n++] = p->vips[i].ip;
	}
	return s;
}

static struct vip_set
held_vips(const struct apply *a, const struct plan *p)
{
	struct vip_set s = set_new(p->nvips);

	for (size_t i = 0; i < p->nvips; i++) {
		if (director_is_held(a->director, &p->vips[i].ip))
			s.vips[s.n++] = p->vips[i].ip;
	}
	return s;
}

/* What the worker has found is kept where it does not write. */
static void
take_advice(struct apply *a)
{
	if (!a->has_advice)
		return;
	a->has_advice = false;
	memcpy(a->obstacles, a->advice, sizeof(a->obstacles));
	a->nobstacles = a->nadvice;
	metrics_set(&m_obstacles, NULL, (double)a->nobstacles);
}

static struct vip_set
all_vips(const struct plan *p)
{
	struct vip_set s = set_new(p->nvips);

	for (size_t i = 0; i < p->nvips; i++)
		s.vips[s.n++] = p->vips[i].ip;
	return s;
}

/* Those the last plan did not have: a plan is made every few seconds at least. */
static void
log_warnings(struct apply *a, const struct plan *p)
{
	uint64_t *said = mem_zalloc((p->nwarnings + 1) * sizeof(*said));
	size_t j;

	for (size_t i = 0; i < p->nwarnings; i++) {
		said[i] = hash_str(p->warnings[i], 0);
		for (j = 0; j < a->nsaid && a->said[j] != said[i]; j++)
			;
		if (j == a->nsaid)
			log_warn(LOG_NONE, "%s", p->warnings[i]);
	}
	free(a->said);
	a->said = said;
	a->nsaid = p->nwarnings;
}

void
apply_begin(struct apply *a, const struct plan *p, unsigned how, struct mono now)
{
	a->plan = p;
	a->now = now;
	a->is_update = (how & APPLY_UPDATE) != 0;
	set_replace(&a->ceded, (struct vip_set){ 0 });
	a->nerrors = 0;
	a->changes = (struct director_changes){ 0 };
	if (a->is_update)
		return;
	log_warnings(a, p);
	apply_bgp_withdraw(a, p, now);
	announce(a, p, (how & APPLY_TAKEOVER) != 0 ? TAKING_OVER : BEFORE_SYNC, now);
	a->is_outdated = false;
}

/* On the worker's thread, likewise. */
static void
advised(void *arg, const struct director_advice *advice)
{
	struct apply *a = arg;

	if (a->nadvice < APPLY_MAX_ADVICE)
		a->advice[a->nadvice++] = *advice;
}

static void
advise(struct apply *a, const struct plan *p)
{
	a->nadvice = 0;
	a->has_advice = true;
	director_advise(a->director, &p->want, advised, a);
}

void
apply_take_over(struct apply *a, const struct plan *p, struct mono now)
{
	set_replace(&a->ceded, (struct vip_set){ 0 });
	announce(a, p, TAKING_OVER, now);
	a->is_outdated = true;
}

void
apply_hand_over(struct apply *a, const struct plan *p, struct mono now)
{
	struct vip_set others = set_new(p->nvips);

	for (size_t i = 0; i < p->nvips; i++) {
		if (!p->vips[i].is_mine)
			others.vips[others.n++] = p->vips[i].ip;
	}
	set_replace(&a->ceded, others);
	announce(a, p, BEFORE_SYNC, now);
}

/* To name thousands of elements to libnftables takes room that glibc would keep. */
static void
give_back(const struct director_changes *c)
{
	if (c->vips_added + c->vips_removed + c->services_added + c->services_removed +
	    c->services_changed + c->endpoints_added + c->endpoints_removed +
	    c->endpoints_changed > TRIM_CHANGES)
		mem_trim();
}

void
apply_program(struct apply *a)
{
	if (a->is_update) {
		a->rc = director_update(a->director, &a->plan->want, a->plan->updates,
		    a->plan->nupdates, a->now, &a->changes, failed, a);
		return;
	}
	a->rc = director_sync(a->director, &a->plan->want, a->now, &a->changes, failed,
	    a);
	give_back(&a->changes);
	if (!a->has_applied || director_has_host_news(a->director))
		advise(a, a->plan);
}

bool
apply_recheck(struct apply *a, const struct plan *p)
{
	bool is_due = director_recheck(a->director);

	advise(a, p);
	return is_due;
}

void
apply_rechecked(struct apply *a)
{
	take_advice(a);
}

int
apply_finish(struct apply *a, struct mono now)
{
	const struct plan *p = a->plan;

	report_errors(a);
	take_advice(a);
	report(&a->changes);
	metrics_set(&m_draining, NULL, (double)director_ndraining(a->director));
	a->plan = NULL;
	if (a->is_update)
		return a->rc;
	set_replace(&a->programmed, programmed_vips(a, p));
	set_replace(&a->held, held_vips(a, p));
	/* Whether a VIP is new is judged by the plan before this one. */
	if (!a->is_outdated)
		announce(a, p, AFTER_SYNC, now);
	apply_bgp_announce(a, p);
	set_replace(&a->known, all_vips(p));
	a->has_applied = true;
	return a->rc;
}

void
apply_yield(struct apply *a, const struct plan *p, struct mono now)
{
	announce(a, p, YIELDING, now);
}
