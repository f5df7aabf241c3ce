#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/neigh.h"
#include "speaker/tell_io.h"

static const struct metric m_conflicts = { "herald_vip_conflicts_total",
	"Times another user of a VIP was found, by what it is.", METRIC_COUNTER };
static const struct metric m_withheld = { "herald_vip_events_withheld_total",
	"Events not written, for there were too many at once.", METRIC_COUNTER };

static int
vip_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
has(const struct ip *set, size_t n, const struct ip *vip)
{
	return n > 0 && bsearch(vip, set, n, sizeof(*set), vip_cmp) != NULL;
}

void
tell_init(struct tell *t, struct kube_source *source,
    const struct kube_store *store, const char *node, const struct plan *plan,
    const struct alive *alive)
{
	*t = (struct tell){ .source = source, .store = store, .node = node,
	    .plan = plan, .alive = alive, .credit = TELL_BURST, .credit_at = clock_mono() };
}

static struct tell_rival *
find_rival(const struct tell *t, const struct ip *vip, const char *ifname)
{
	struct tell_place at = { .vip = *vip };
	struct tell_rival *r;

	strncpy(at.ifname, ifname, sizeof(at.ifname) - 1);
	HASH_FIND(hh, t->rivals, &at, sizeof(at), r);
	return r;
}

static void
forget_rival(struct tell *t, struct tell_rival *r)
{
	t->nnews -= r->has_news;
	HASH_DEL(t->rivals, r);
	free(r);
}

void
tell_fini(struct tell *t)
{
	free(t->told);
	free(t->obstacles);
	free(t->omitted);
	while (t->rivals != NULL)
		forget_rival(t, t->rivals);
	*t = (struct tell){ 0 };
}

static bool
may_tell(struct tell *t)
{
	struct mono now = clock_mono();

	t->credit += (double)mono_sub_ns(now, t->credit_at) / 1e9 * TELL_PER_SEC;
	t->credit_at = now;
	if (t->credit > TELL_BURST)
		t->credit = TELL_BURST;
	if (t->credit < 1) {
		metrics_add(&m_withheld, NULL, 1);
		return false;
	}
	t->credit -= 1;
	return true;
}

/* An Event on a Service; without its uid where it has gone since the plan was made. */
static void
tell_service(struct tell *t, const char *ns, const char *name, bool is_warning,
    const char *reason, const char *text)
{
	const struct kube_object *svc = kube_store_get(t->store, KUBE_SERVICE, ns, name);

	if (may_tell(t))
		kube_source_event(t->source, &(struct kube_event){
		    .kind = KUBE_SERVICE, .ns = ns, .name = name,
		    .uid = svc != NULL ? svc->meta.uid : NULL,
		    .is_warning = is_warning, .reason = reason, .message = text });
}

/* An Event on every Service at the VIP. */
static void __attribute__((format(printf, 5, 6)))
tell(struct tell *t, const struct plan_vip *v, bool is_warning, const char *reason,
    const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < v->nservices; i++)
		tell_service(t, v->services[i].ns, v->services[i].name, is_warning,
		    reason, text);
}

struct vip_list {
	struct ip *vips;
	size_t	n, cap;
};

static void
add_vip(void *arg, const struct ip *vip, const char *ifname)
{
	struct vip_list *l = arg;

	(void)ifname;
	l->vips = mem_grow(l->vips, l->n, &l->cap, sizeof(*l->vips));
	l->vips[l->n++] = *vip;
}

bool
tell_vips(struct tell *t, const struct ip *vips, size_t n)
{
	const struct plan *p = t->plan;
	struct ip *told = mem_zalloc((p->nvips + 1) * sizeof(*told));
	size_t ntold = 0, nnew = 0;
	bool has_more = false;

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];

		/* What is on its way to another node is its to tell. */
		if (!v->is_mine || !has(vips, n, &v->ip))
			continue;
		if (has(t->told, t->ntold, &v->ip)) {
			told[ntold++] = v->ip;
			continue;
		}
		if (nnew++ >= TELL_A_CALL) {
			has_more = true;
			continue;
		}
		told[ntold++] = v->ip;
		tell(t, v, false, "nodeAssigned",
		    "announcing from node \"%s\" with protocol \"layer2\"", t->node);
	}
	free(t->told);
	t->told = told;
	t->ntold = ntold;
	return has_more;
}

/* As many as VIPs in all: to keep a series for each takes 150 bytes. */
void
tell_write(const struct tell *t, FILE *f)
{
	if (t->ntold > 0)
		fputs("# HELP herald_vip_owner 1 for each VIP this node announces by "
		    "ARP or NDP.\n# TYPE herald_vip_owner gauge\n", f);
	for (size_t i = 0; i < t->ntold; i++)
		fprintf(f, "herald_vip_owner{vip=\"%s\"} 1\n", IP_STR(&t->told[i]));
}

bool
tell_announced(struct tell *t, const struct arp_io *arp)
{
	struct vip_list l = { .vips = NULL };
	bool has_more;

	arp_io_each(arp, add_vip, &l);
	if (l.n > 0)
		qsort(l.vips, l.n, sizeof(*l.vips), vip_cmp);
	has_more = tell_vips(t, l.vips, l.n);
	free(l.vips);
	return has_more;
}

static int
plan_vip_cmp(const void *vip, const void *v)
{
	return ip_cmp(vip, &((const struct plan_vip *)v)->ip);
}

static const struct plan_vip *
find_vip(const struct plan *p, const struct ip *vip)
{
	return p->nvips == 0 ? NULL : bsearch(vip, p->vips, p->nvips, sizeof(*p->vips),
	    plan_vip_cmp);
}

static bool
is_speaker(void *arg, const struct ip *ip)
{
	return alive_name(arg, ip) != NULL;
}

/* The node with that MAC, NULL for none. */
static const char *
node_of_mac(struct tell *t, const uint8_t mac[6])
{
	FILE *f = fopen("/proc/net/arp", "re");
	const char *name = NULL;
	struct ip ip;

	if (f == NULL)
		return NULL;
	if (neigh_find(f, mac, is_speaker, (void *)(uintptr_t)t->alive, &ip))
		name = alive_name(t->alive, &ip);
	fclose(f);
	return name;
}

void
tell_conflict(struct tell *t, const struct ip *vip, const char *ifname,
    const uint8_t mac[6])
{
	struct tell_rival *r = find_rival(t, vip, ifname);

	if (r == NULL) {
		r = mem_zalloc(sizeof(*r));
		r->at.vip = *vip;
		strncpy(r->at.ifname, ifname, sizeof(r->at.ifname) - 1);
		HASH_ADD(hh, t->rivals, at, sizeof(r->at), r);
	}
	memcpy(r->mac, mac, sizeof(r->mac));
	r->is_gone = false;
	t->nnews += !r->has_news;
	r->has_news = true;
}

void
tell_settled(struct tell *t, const struct ip *vip, const char *ifname)
{
	struct tell_rival *r = find_rival(t, vip, ifname);

	if (r == NULL)
		return;
	if (!r->is_told) {
		forget_rival(t, r);
		return;
	}
	r->is_gone = true;
	t->nnews += !r->has_news;
	r->has_news = true;
}

static void
tell_found(struct tell *t, const struct tell_rival *r)
{
	const struct plan_vip *v = find_vip(t->plan, &r->at.vip);
	const char *vip = IP_STR(&r->at.vip), *ifname = r->at.ifname;
	const uint8_t *m = r->mac;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
	    m[3], m[4], m[5]);
	metrics_add(&m_conflicts, r->node[0] != '\0' ? "rival=\"speaker\"" :
	    "rival=\"stranger\"", 1);
	log_warn(LOG_OBJ("vip", vip, "iface", ifname, "mac", mac), r->node[0] != '\0' ?
	    "another speaker announces this VIP, too; can the two hear each other's "
	    "BFD?" : "somebody else uses this address; find the machine with that MAC, "
	    "or take the address out of the pool");
	if (v == NULL)
		return;
	if (r->node[0] != '\0')
		tell(t, v, true, "TwoOwners", "%s on %s is announced by node \"%s\" "
		    "(%s), too: node \"%s\" and that one do not hear each other's "
		    "speaker; open UDP port 7847 (--liveness-port) between them and "
		    "give both the same key", vip, ifname, r->node, mac, t->node);
	else
		tell(t, v, true, "DuplicateAddress", "%s on %s is used by %s, which is "
		    "no node of this cluster, as node \"%s\" sees it: find that "
		    "machine, or take the address out of its pool", vip, ifname, mac,
		    t->node);
}

static void
tell_gone(struct tell *t, const struct tell_rival *r)
{
	const struct plan_vip *v = find_vip(t->plan, &r->at.vip);
	const char *vip = IP_STR(&r->at.vip), *ifname = r->at.ifname;

	log_info(LOG_OBJ("vip", vip, "iface", ifname),
	    "the other user of this address is gone");
	if (v != NULL && v->is_mine)
		tell(t, v, false, "DuplicateAddressSettled", "the other user of %s on %s "
		    "is gone, as node \"%s\" sees it", vip, ifname, t->node);
}

bool
tell_rivals(struct tell *t)
{
	struct { const uint8_t *mac; const char *node; } known[TELL_A_CALL];
	struct tell_rival *r, *next;
	size_t nknown = 0, ntold = 0, i;

	for (r = t->rivals; r != NULL && t->nnews > 0; r = next) {
		next = r->hh.next;
		if (!r->has_news)
			continue;
		if (ntold++ == TELL_A_CALL)
			return true;
		if (r->is_gone) {
			tell_gone(t, r);
			forget_rival(t, r);
			continue;
		}
		/* Few stations claim many VIPs: each is looked up but once. */
		for (i = 0; i < nknown && memcmp(known[i].mac, r->mac, 6) != 0; i++)
			;
		if (i == nknown) {
			known[i].mac = r->mac;
			known[i].node = node_of_mac(t, r->mac);
			nknown++;
		}
		snprintf(r->node, sizeof(r->node), "%s", known[i].node != NULL ?
		    known[i].node : "");
		tell_found(t, r);
		r->is_told = true;
		r->has_news = false;
		t->nnews--;
	}
	return false;
}

static void
tell_node(struct tell *t, bool is_warning, const char *reason, const char *text)
{
	const struct kube_object *node = kube_store_get(t->store, KUBE_NODE, NULL,
	    t->node);

	if (node != NULL && may_tell(t))
		kube_source_event(t->source, &(struct kube_event){ .kind = KUBE_NODE,
		    .name = t->node, .uid = node->meta.uid, .is_warning = is_warning,
		    .reason = reason, .message = text });
}

void
tell_obstacles(struct tell *t, const struct director_advice *advice, size_t n)
{
	uint64_t *now = mem_zalloc((n + 1) * sizeof(*now));
	size_t i, j;

	for (i = 0; i < n; i++) {
		now[i] = hash_str(advice[i].text, 0);
		for (j = 0; j < t->nobstacles && t->obstacles[j] != now[i]; j++)
			;
		if (j < t->nobstacles)
			continue;
		log_warn(LOG_NONE, "%s", advice[i].text);
		tell_node(t, true, "HostInTheWay", advice[i].text);
	}
	if (n == 0 && t->nobstacles > 0) {
		log_info(LOG_NONE, "nothing of this host is in the way any more");
		tell_node(t, false, "HostClear", "nothing of this host is in the "
		    "way of VIP traffic any more");
	}
	free(t->obstacles);
	t->obstacles = now;
	t->nobstacles = n;
}

static bool
is_teller(const struct tell *t, const struct plan *p, const struct ip *vip)
{
	const struct plan_vip *v = find_vip(p, vip);

	if (v != NULL && v->owner != NULL)
		return v->is_mine;
	for (size_t i = 0; i < t->alive->n; i++) {
		const char *name = t->alive->nodes[i].name;

		if (strcmp(name, t->node) < 0 &&
		    alive_may_own(alive_state(t->alive, name, clock_mono())))
			return false;
	}
	return true;
}

static void
tell_quorum(struct tell *t, const struct plan_quorum *q)
{
	char text[512];

	if (q->is_there)
		snprintf(text, sizeof(text), "%s at %s: %u endpoints are up, %u are "
		    "enough: they serve again", q->name, IP_STR(&q->vip), q->nup,
		    q->nneeded);
	else
		snprintf(text, sizeof(text), "%s at %s: %u endpoints are up, and it takes "
		    "%u: %s; `heraldctl status` says why they are down", q->name,
		    IP_STR(&q->vip), q->nup, q->nneeded, q->has_fallback ?
		    "the fallback serves" : "nobody serves");
	tell_service(t, q->ns, q->service, !q->is_there, q->is_there ?
	    "EndpointsBack" : "EndpointsLost", text);
}

void
tell_quorums(struct tell *t, const struct plan *fresh)
{
	const struct plan *p = t->plan;
	size_t at = 0;

	for (size_t i = 0; i < fresh->nquorums; i++) {
		const struct plan_quorum *q = &fresh->quorums[i];

		while (at < p->nquorums && p->quorums[at].id < q->id)
			at++;
		/* Of what was not there before nothing has changed. */
		if (at == p->nquorums || p->quorums[at].id != q->id ||
		    p->quorums[at].is_there == q->is_there)
			continue;
		log_info(LOG_OBJ("svc", q->name, "vip", IP_STR(&q->vip)), "%s: %u of the "
		    "%u endpoints that it takes are up", q->is_there ? "served again" :
		    q->has_fallback ? "served by the fallback" : "not served", q->nup,
		    q->nneeded);
		if (is_teller(t, fresh, &q->vip))
			tell_quorum(t, q);
	}
}

/* The Service that one of the director's is of: its name is "ns/name:...". */
static const struct plan_service *
service_of(const struct plan_vip *v, const char *name)
{
	for (size_t i = 0; v != NULL && i < v->nservices; i++) {
		const struct plan_service *s = &v->services[i];
		size_t ns = strlen(s->ns), len = strlen(s->name);

		if (strncmp(name, s->ns, ns) == 0 && name[ns] == '/' &&
		    strncmp(name + ns + 1, s->name, len) == 0 &&
		    name[ns + 1 + len] == ':')
			return s;
	}
	return NULL;
}

static void
tell_one_omitted(struct tell *t, const struct ipvs_service *s)
{
	const struct plan_service *svc = service_of(find_vip(t->plan, &s->vip), s->name);
	char text[512];

	if (svc == NULL || !is_teller(t, t->plan, &s->vip))
		return;
	snprintf(text, sizeof(text), "%s at %s: %zu of %zu endpoints serve, on all nodes "
	    "the same: the scheduler mh takes no more; choose another by a "
	    "ForwardingProfile, or give the Service fewer", s->name, IP_STR(&s->vip),
	    s->nendpoints, s->nendpoints + s->nomitted);
	tell_service(t, svc->ns, svc->name, true, "EndpointsOmitted", text);
}

void
tell_omitted(struct tell *t)
{
	const struct director_want *w = &t->plan->want;
	size_t n = 0, cap = 0, j;
	uint64_t *now = NULL, h;

	for (size_t i = 0; i < w->nservices; i++) {
		const struct ipvs_service *s = &w->services[i];

		if (s->nomitted == 0)
			continue;
		h = hash_bytes(s->vip.b, sizeof(s->vip.b), hash_str(s->name, 0));
		for (j = 0; j < t->nomitted && t->omitted[j] != h; j++)
			;
		if (j == t->nomitted)
			tell_one_omitted(t, s);
		now = mem_grow(now, n, &cap, sizeof(*now));
		now[n++] = h;
	}
	free(t->omitted);
	t->omitted = now;
	t->nomitted = n;
}
