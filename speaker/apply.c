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

/*
 * Announce the plan's VIPs of this node: before the sync only those that were
 * announced already (so that the rest falls silent first), after it those that
 * are programmed.
 */
static void
announce(struct apply *a, const struct plan *p, bool is_before)
{
	struct arp_want *wants = mem_zalloc((p->nvips + 1) * sizeof(*wants));
	struct ip *vips = mem_zalloc((p->nvips + 1) * sizeof(*vips));
	size_t n = 0;

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];

		if (!v->is_mine || (is_before ? !apply_is_announced(a, &v->ip) :
		    !director_has_vip(a->director, &v->ip)))
			continue;
		if (!is_before && !apply_is_announced(a, &v->ip))
			log_info(LOG_OBJ("vip", IP_STR(&v->ip)), "announcing");
		wants[n] = v->announce;
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

int
apply_plan(struct apply *a, const struct plan *p)
{
	struct director_changes changes = { 0 };
	int rc;

	for (size_t i = 0; i < p->nwarnings; i++)
		log_warn(LOG_NONE, "%s", p->warnings[i]);
	announce(a, p, true);
	rc = director_sync(a->director, &p->want, &changes, failed, NULL);
	report(&changes);
	announce(a, p, false);
	return rc;
}
