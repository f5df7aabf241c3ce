#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/apply.h"

static const struct metric m_sync = { "herald_director_syncs_total",
	"Times the data plane was compared with the plan.", METRIC_COUNTER };
static const struct metric m_changes = { "herald_director_changes_total",
	"Changes made to the data plane, by kind.", METRIC_COUNTER };
static const struct metric m_errors = { "herald_director_errors_total",
	"Objects that could not be programmed.", METRIC_COUNTER };
static const struct metric m_announced = { "herald_vips_announced",
	"VIPs this node announces.", METRIC_GAUGE };

void
apply_init(struct apply *a, struct director *director, struct arp_io *arp)
{
	*a = (struct apply){ .director = director, .arp = arp };
}

void
apply_fini(struct apply *a)
{
	free(a->announced);
	free(a->known);
	*a = (struct apply){ 0 };
}

static int
vip_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
has_vip(const struct ip *vips, size_t n, const struct ip *vip)
{
	return n > 0 && bsearch(vip, vips, n, sizeof(*vips), vip_cmp) != NULL;
}

bool
apply_is_announced(const struct apply *a, const struct ip *vip)
{
	return has_vip(a->announced, a->nannounced, vip);
}

static void
failed(void *arg, const struct director_error *err)
{
	(void)arg;
	metrics_add(&m_errors, NULL, 1);
	log_error(LOG_NONE, "%s", err->text);
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
	w.is_first_claim = a->has_applied && !has_vip(a->known, a->nknown, &v->ip);
	w.policy = when == YIELDING ? ARP_POLICY_YIELD : ARP_POLICY_DEFEND;
	return w;
}

static void
announce(struct apply *a, const struct plan *p, enum when when)
{
	struct arp_want *wants = mem_zalloc((p->nvips + 1) * sizeof(*wants));
	struct ip *vips = mem_zalloc((p->nvips + 1) * sizeof(*vips));
	size_t n = 0;

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];
		bool was = apply_is_announced(a, &v->ip);

		if (!v->is_mine || !(when == AFTER_SYNC ?
		    director_has_vip(a->director, &v->ip) : was))
			continue;
		if (!was)
			log_info(LOG_OBJ("vip", IP_STR(&v->ip)), "announcing");
		wants[n] = want_of(a, v, when);
		vips[n++] = v->ip;
	}
	arp_io_set(a->arp, wants, n);
	for (size_t i = 0; i < a->nannounced; i++) {
		if (!has_vip(vips, n, &a->announced[i]))
			log_info(LOG_OBJ("vip", IP_STR(&a->announced[i])),
			    "no longer announcing");
	}
	free(wants);
	free(a->announced);
	a->announced = vips;
	a->nannounced = n;
	metrics_set(&m_announced, NULL, (double)n);
}

static void
remember(struct apply *a, const struct plan *p)
{
	free(a->known);
	a->known = mem_zalloc((p->nvips + 1) * sizeof(*a->known));
	for (size_t i = 0; i < p->nvips; i++)
		a->known[i] = p->vips[i].ip;
	a->nknown = p->nvips;
	a->has_applied = true;
}

int
apply_plan(struct apply *a, const struct plan *p)
{
	struct director_changes changes = { 0 };
	int rc;

	for (size_t i = 0; i < p->nwarnings; i++)
		log_warn(LOG_NONE, "%s", p->warnings[i]);
	announce(a, p, BEFORE_SYNC);
	rc = director_sync(a->director, &p->want, &changes, failed, NULL);
	report(&changes);
	announce(a, p, AFTER_SYNC);
	remember(a, p);
	return rc;
}

void
apply_yield(struct apply *a, const struct plan *p)
{
	announce(a, p, YIELDING);
}
