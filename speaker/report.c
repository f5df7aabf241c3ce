#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/report.h"
#include "lib/mem.h"
#include "speaker/report.h"

enum { CONFLICTS_TOLD = 4 };		/* of a Service; of more, how many */

/* One Service by one link or to one peer; or in conflict on a link. */
struct mention {
	enum kube_kind kind;
	const struct plan_service *svc;
	const char *what;		/* the link's or the peer's name; "" conflict */
	const struct report_conflict *conflict;
};

struct mentions {
	struct mention *items;		/* NULL: they are only counted */
	size_t	n;
};

static int
mention_cmp(const void *va, const void *vb)
{
	const struct mention *a = va, *b = vb;
	int c;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if ((c = strcmp(a->svc->ns, b->svc->ns)) != 0 ||
	    (c = strcmp(a->svc->name, b->svc->name)) != 0)
		return c;
	if ((c = strcmp(a->what, b->what)) != 0 || a->conflict == NULL)
		return c;
	if ((c = ip_cmp(&a->conflict->vip, &b->conflict->vip)) != 0)
		return c;
	return strcmp(a->conflict->ifname, b->conflict->ifname);
}

static void
mention(struct mentions *m, enum kube_kind kind, const struct plan_vip *v,
    const char *what, const struct report_conflict *conflict)
{
	for (size_t i = 0; i < v->nservices; i++, m->n++) {
		if (m->items != NULL)
			m->items[m->n] = (struct mention){ kind, &v->services[i], what,
			    conflict };
	}
}

static int
vip_cmp(const void *ip, const void *vip)
{
	return ip_cmp(ip, &((const struct plan_vip *)vip)->ip);
}

static const struct plan_vip *
find_vip(const struct plan *p, const struct ip *ip)
{
	return p->nvips == 0 ? NULL :
	    bsearch(ip, p->vips, p->nvips, sizeof(*p->vips), vip_cmp);
}

static int
ip_order(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
is_programmed(const struct report_input *in, const struct ip *ip)
{
	return in->nprogrammed > 0 && bsearch(ip, in->programmed, in->nprogrammed,
	    sizeof(*ip), ip_order) != NULL;
}

/* What is on its way to another node is that node's to tell. */
static void
collect_links(const struct report_input *in, struct mentions *m)
{
	for (size_t i = 0; i < in->nlinks; i++) {
		const struct plan_vip *v = find_vip(in->plan, &in->links[i].vip);

		if (v != NULL && v->is_mine)
			mention(m, KUBE_SERVICE_L2_STATUS, v, in->links[i].ifname, NULL);
	}
	for (size_t i = 0; in->has_conditions && i < in->nconflicts; i++) {
		const struct plan_vip *v = find_vip(in->plan, &in->conflicts[i].vip);

		if (v != NULL && v->is_mine)
			mention(m, KUBE_SERVICE_L2_STATUS, v, "", &in->conflicts[i]);
	}
}

static void
collect_routes(const struct report_input *in, struct mentions *m)
{
	for (size_t i = 0; i < in->plan->nbgp_routes && !in->is_bgp_gone; i++) {
		const struct plan_route *r = &in->plan->bgp_routes[i];

		for (size_t j = 0; j < r->nvips; j++) {
			const struct plan_vip *v = find_vip(in->plan, &r->vips[j]);

			if (v != NULL && is_programmed(in, &v->ip))
				mention(m, KUBE_SERVICE_BGP_STATUS, v,
				    r->route.peers[0], NULL);
		}
	}
}

static struct kube_object *
add(struct report_set *s, const struct report_input *in, enum kube_kind kind,
    const char *svc_ns, const char *name)
{
	struct kube_object *o = arena_alloc(&s->arena, kube_object_size(kind));
	char buf[KUBE_REPORT_NAME_LEN];

	s->items[s->n++] = o;
	o->kind = kind;
	o->meta.ns = in->ns;
	o->meta.name = arena_strdup(&s->arena,
	    kube_report_name(in->node, svc_ns, name, buf));
	return o;
}

static const char *
one_conflict(struct arena *arena, const struct report_conflict *c)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", c->mac[0], c->mac[1],
	    c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	if (c->node[0] != '\0')
		return arena_printf(arena, "%s on %s is announced by node %s (%s), too: "
		    "the two do not hear each other's speaker", IP_STR(&c->vip), c->ifname,
		    c->node, mac);
	return arena_printf(arena, "%s on %s is used by %s, which is no node of this "
	    "cluster: find that machine, or take the address out of its pool",
	    IP_STR(&c->vip), c->ifname, mac);
}

/* Of a Service in conflicts as its first n mentions have it; n may be 0. */
static struct kube_condition
condition(struct arena *arena, const struct mention *m, size_t n)
{
	struct kube_condition c = { .status = "False", .reason = "NoOtherUser",
	    .message = "nobody else is known to use an address of the Service" };

	for (size_t i = 0; i < n; i++) {
		const char *one = one_conflict(arena, m[i].conflict);
		bool is_stranger = m[i].conflict->node[0] == '\0';

		if (i == 0)
			c = (struct kube_condition){ .status = "True",
			    .reason = "TwoOwners", .message = one };
		else if (i < CONFLICTS_TOLD)
			c.message = arena_printf(arena, "%s; %s", c.message, one);
		if (is_stranger)
			c.reason = "DuplicateAddress";
	}
	if (n > CONFLICTS_TOLD)
		c.message = arena_printf(arena, "%s; and %zu more", c.message,
		    n - CONFLICTS_TOLD);
	return c;
}

/* Those of m's own Service, at the beginning of its mentions. */
static size_t
count_conflicts(const struct mention *m, const struct mention *end)
{
	const struct mention *first = m;

	while (m < end && m->conflict != NULL &&
	    strcmp(m->svc->ns, first->svc->ns) == 0 &&
	    strcmp(m->svc->name, first->svc->name) == 0)
		m++;
	return (size_t)(m - first);
}

/* Mentions that lie together become one report; so do their names lie. */
static void
add_services(struct report_set *s, const struct report_input *in,
    const struct mentions *m)
{
	const char **name = arena_array(&s->arena, m->n, sizeof(*name));
	struct kube_service_status *st = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct mention *a = &m->items[i];
		bool is_first = i == 0 || a->kind != a[-1].kind ||
		    strcmp(a->svc->ns, a[-1].svc->ns) != 0 ||
		    strcmp(a->svc->name, a[-1].svc->name) != 0;

		if (is_first) {
			st = &add(s, in, a->kind, a->svc->ns, a->svc->name)->service_status;
			st->node = in->node;
			st->svc_ns = a->svc->ns;
			st->svc_name = a->svc->name;
			st->names = name;
			if (in->has_conditions && a->kind == KUBE_SERVICE_L2_STATUS)
				st->conflict = condition(&s->arena, a,
				    count_conflicts(a, m->items + m->n));
		}
		if (a->conflict != NULL)
			continue;
		if (is_first || strcmp(a->what, a[-1].what) != 0) {
			*name++ = a->what;
			st->nnames++;
		}
	}
}

static const char *
vrf_of(const struct plan *p, const char *peer)
{
	for (size_t i = 0; i < p->nbgp_peers; i++) {
		if (strcmp(p->bgp_peers[i].name, peer) == 0)
			return p->bgp_peers[i].vrf;
	}
	return NULL;
}

/*
 * A router that is away makes a session go round Idle, Connect and Active for ever:
 * one word for all of them, or each node would write every few seconds.
 */
static void
add_sessions(struct report_set *s, const struct report_input *in)
{
	for (size_t i = 0; i < in->nsessions; i++) {
		const struct report_session *q = &in->sessions[i];
		struct kube_session_state *st = &add(s, in, KUBE_BGP_SESSION_STATE, "",
		    q->name)->session_state;

		st->node = in->node;
		st->peer = ip_is_set(&q->addr) ? arena_strdup(&s->arena,
		    IP_STR(&q->addr)) : q->ifname;
		st->peer_name = q->name;
		st->vrf = vrf_of(in->plan, q->name);
		st->bgp = q->is_up ? "Established" : q->is_refused ? "Idle" : "Active";
		st->bfd = !q->has_bfd ? "N/A" : q->is_bfd_up ? "up" : "down";
	}
}

static int
object_cmp(const void *va, const void *vb)
{
	const struct kube_object *a = *(struct kube_object *const *)va;
	const struct kube_object *b = *(struct kube_object *const *)vb;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->meta.name, b->meta.name);
}

void
report_want(const struct report_input *in, struct report_set *ret)
{
	struct mentions m = { .n = 0 };
	struct report_set s = { .n = 0 };

	collect_links(in, &m);
	collect_routes(in, &m);
	m.items = arena_array(&s.arena, m.n, sizeof(*m.items));
	m.n = 0;
	collect_links(in, &m);
	collect_routes(in, &m);
	if (m.n > 0)
		qsort(m.items, m.n, sizeof(*m.items), mention_cmp);
	s.items = mem_zalloc((m.n + in->nsessions + 1) * sizeof(*s.items));
	add_services(&s, in, &m);
	add_sessions(&s, in);
	qsort(s.items, s.n, sizeof(*s.items), object_cmp);
	*ret = s;
}

void
report_set_fini(struct report_set *s)
{
	free(s->items);
	arena_fini(&s->arena);
	*s = (struct report_set){ .n = 0 };
}

const struct kube_object *
report_set_get(const struct report_set *s, enum kube_kind kind, const char *name)
{
	struct kube_object key = { .kind = kind, .meta.name = name }, *at = &key;
	struct kube_object **found;

	if (s->n == 0)
		return NULL;
	found = bsearch(&at, s->items, s->n, sizeof(*s->items), object_cmp);
	return found != NULL ? *found : NULL;
}

void
report_date(struct kube_object *o, const struct kube_object *have, const char *now)
{
	struct kube_condition *c = &o->service_status.conflict;
	struct kube_condition was = { .status = NULL };

	if (o->kind != KUBE_SERVICE_L2_STATUS || c->status == NULL)
		return;
	if (have != NULL)
		was = have->service_status.conflict;
	c->since = was.since != NULL && was.status != NULL &&
	    strcmp(was.status, c->status) == 0 ? was.since : now;
}
