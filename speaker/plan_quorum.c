/*
 * plan_quorum.c - who serves where too few endpoints are up: nobody, or the fallback.
 *
 * A fallback is known at all times, not only while it serves: it has to be gone with
 * what it has when the endpoints are back.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/plan_impl.h"

/* --- the fallback -------------------------------------------------------------- */

static bool
has_endpoint(const struct ipvs_endpoint *eps, size_t n, const struct ipvs_endpoint *ep,
    size_t *ret_at)
{
	for (*ret_at = 0; *ret_at < n; ++*ret_at) {
		if (ip_eq(&eps[*ret_at].ip, &ep->ip) && eps[*ret_at].port == ep->port)
			return true;
	}
	return false;
}

static void
add_sorry(struct plan_ctx *ctx, const struct ipvs_endpoint *eps, size_t n,
    struct plan_sorry *ret)
{
	struct ipvs_endpoint *all = arena_array(&ctx->scratch, ret->n + n, sizeof(*all));
	size_t at;

	for (size_t i = 0; i < ret->n; i++)
		all[i] = ret->eps[i];
	for (size_t i = 0; i < n; i++) {
		if (eps[i].weight > 0 && !has_endpoint(all, ret->n, &eps[i], &at))
			all[ret->n++] = eps[i];
	}
	ret->eps = all;
}

/* The service's port that stands for the one without quorum; NULL none. */
static const struct kube_service_port *
port_for(const struct kube_service *s, const struct kube_service_port *port,
    uint16_t number)
{
	const struct kube_service_port *found = NULL;
	size_t nfound = 0;

	for (size_t i = 0; i < s->nports; i++) {
		if (s->ports[i].proto != port->proto)
			continue;
		if (s->ports[i].port == (number != 0 ? number : port->port))
			return &s->ports[i];
		found = &s->ports[i];
		nfound++;
	}
	return number == 0 && nfound == 1 ? found : NULL;
}

/* f of c's profile, a Service. */
static void
add_service(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_fallback *f, const struct kube_service_port *port, uint8_t family,
    struct plan *plan, struct plan_sorry *ret)
{
	const struct kube_meta *m = &c->svc->meta;
	const char *ns = f->service_ns != NULL ? f->service_ns : m->ns;
	const struct kube_object *svc = kube_store_get(ctx->in->store, KUBE_SERVICE, ns,
	    f->service);
	const struct kube_service_port *at;
	struct ipvs_endpoint *eps;
	size_t n;

	/* A profile for a whole namespace is the sorry Service's own, too. */
	if (svc == c->svc)
		return;
	if (svc == NULL) {
		plan_warn(plan, "%s/%s: the fallback of its ForwardingProfile is Service "
		    "%s/%s, which is not there; create it, or correct "
		    "spec.fallback[%zu].service", m->ns, m->name, ns, f->service,
		    (size_t)(f - c->profile->fallback));
		return;
	}
	at = port_for(&svc->service, port, f->port);
	if (at == NULL) {
		plan_warn(plan, "%s/%s: the fallback of its ForwardingProfile, Service "
		    "%s/%s, has no %s port %u for its port %u; write one that it has as "
		    "spec.fallback[%zu].port", m->ns, m->name, ns, f->service,
		    kube_proto_name(port->proto), f->port != 0 ? f->port : port->port,
		    port->port, (size_t)(f - c->profile->fallback));
		return;
	}
	n = plan_collect(ctx, c, svc, at, family, &ctx->scratch, 0, &eps);
	plan_set_weights(eps, n, false);
	add_sorry(ctx, eps, n, ret);
}

void
plan_find_fallback(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_service_port *port, const struct ipvs_service *s,
    struct plan *plan, struct plan_sorry *ret)
{
	const struct kube_forwarding_profile *p = c->profile;

	for (size_t i = 0; i < p->nfallback && !s->is_local_only; i++) {
		const struct kube_fallback *f = &p->fallback[i];

		if (f->service != NULL)
			add_service(ctx, c, f, port, s->vip.family, plan, ret);
		else if (f->ip.family == s->vip.family)
			add_sorry(ctx, &(struct ipvs_endpoint){ .ip = f->ip, .weight = 1,
			    .port = f->port != 0 ? f->port : s->port,
			    .reach = IPVS_REACH_MASQ }, 1, ret);
	}
}

bool
plan_is_fallback(const struct kube_store *store, const char *ns, const char *name)
{
	struct kube_list all = kube_store_list(store, KUBE_FORWARDING_PROFILE);

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_forwarding_profile *p = &all.items[i]->profile;

		for (size_t j = 0; j < p->nfallback; j++) {
			const struct kube_fallback *f = &p->fallback[j];

			if (f->service != NULL && strcmp(f->service, name) == 0 &&
			    (f->service_ns == NULL || strcmp(f->service_ns, ns) == 0))
				return true;
		}
	}
	return false;
}

/* --- quorum -------------------------------------------------------------------- */

int
plan_quorum_cmp(const void *va, const void *vb)
{
	const struct plan_quorum *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static bool
had_quorum(const struct plan_ctx *ctx, uint64_t id)
{
	const struct plan_quorum key = { .id = id }, *q = NULL;

	if (ctx->in->before != NULL && ctx->in->before->nquorums > 0)
		q = bsearch(&key, ctx->in->before->quorums, ctx->in->before->nquorums,
		    sizeof(key), plan_quorum_cmp);
	/* Who starts takes it for what it was, mostly. */
	return q == NULL || q->is_there;
}

/*
 * Put the fallback in, to serve, or to be gone with what it has: who came to the
 * sorry server is to come back. How many were not there already.
 */
static size_t
add_fallback(const struct plan_sorry *sorry, bool serves, struct ipvs_endpoint *eps,
    size_t n)
{
	size_t nadded = 0, at;

	for (size_t i = 0; i < sorry->n; i++) {
		if (!has_endpoint(eps, n + nadded, &sorry->eps[i], &at)) {
			eps[at] = sorry->eps[i];
			eps[at].weight = 0;
			eps[at].life = IPVS_GONE;
			nadded++;
		}
		if (!serves)
			continue;
		eps[at].weight = sorry->eps[i].weight;
		eps[at].life = IPVS_LIVES;
	}
	return nadded;
}

static void
note_quorum(struct plan_ctx *ctx, struct plan_choice *c, const struct ipvs_service *s,
    struct plan_quorum q, struct plan *ret)
{
	const struct kube_meta *m = &c->svc->meta;

	q.ns = arena_strdup(ctx->arena, m->ns);
	q.service = arena_strdup(ctx->arena, m->name);
	q.name = s->name;
	q.vip = s->vip;
	ret->quorums[ret->nquorums++] = q;
}

bool
plan_apply_quorum(struct plan_ctx *ctx, struct plan_choice *c,
    const struct ipvs_service *s, unsigned nup, const struct plan_sorry *sorry,
    struct ipvs_endpoint *eps, size_t *n, struct plan *ret)
{
	const struct kube_forwarding_profile *p = c->profile;
	struct plan_quorum q = {
		.id = hash_bytes(s->vip.b, sizeof(s->vip.b), hash_str(s->name, 0)),
		.nup = nup,
		.nneeded = p->quorum_up > 0 ? p->quorum_up : 1,
	};
	size_t nadded, f = ip_is_v4(&s->vip) ? 0 : 1;

	/* A profile that is about other things leaves a Service to readiness. */
	if (c->conf == NULL && p->quorum_up == 0 && p->nfallback == 0) {
		c->is_served[f] = true;
		return false;
	}
	q.is_there = health_has_quorum(had_quorum(ctx, q.id), nup, q.nneeded,
	    p->quorum_hysteresis);
	for (size_t i = 0; i < *n && !q.is_there; i++)
		eps[i].weight = 0;
	nadded = add_fallback(sorry, !q.is_there, eps, *n);
	*n += nadded;
	q.has_fallback = sorry->n > 0 && !q.is_there;
	c->is_served[f] |= q.is_there;
	c->is_falling_back[f] |= q.has_fallback;
	note_quorum(ctx, c, s, q, ret);
	return nadded > 0;
}
