#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config.h"
#include "controller/reconcile.h"
#include "ctl/explain_impl.h"
#include "kube/profile.h"
#include "lib/mem.h"

enum { LINES_MAX = 16, LISTED_MAX = 6 };

#define EXCLUDE_LABEL "node.kubernetes.io/exclude-from-external-load-balancers"

void
explain_add(struct explaining *x, enum explain_mark mark, const char *step,
    const char *fmt, ...)
{
	struct explain *e = x->e;
	char text[EXPLAIN_TEXT_MAX];
	va_list ap;

	if (e->n == LINES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->lines[e->n++] = (struct explain_line){ mark, step,
	    arena_strdup(&e->arena, text) };
	if (mark == EXPLAIN_STOP && e->stop == NULL)
		e->stop = step;
}

void
explain_list_add(struct explain_list *l, const char *fmt, ...)
{
	size_t len = strlen(l->text);
	va_list ap;

	l->n++;
	if (l->n > LISTED_MAX) {
		if (l->n == LISTED_MAX + 1)
			snprintf(l->text + len, sizeof(l->text) - len, ", ...");
		return;
	}
	if (len > 0)
		len += (size_t)snprintf(l->text + len, sizeof(l->text) - len, ", ");
	if (len >= sizeof(l->text))
		return;
	va_start(ap, fmt);
	vsnprintf(l->text + len, sizeof(l->text) - len, fmt, ap);
	va_end(ap);
}

/* --- the Service ----------------------------------------------------------- */

/* Returns false where there is nothing more to say. */
static bool
explain_service(struct explaining *x)
{
	const struct explain_input *in = x->in;
	const struct kube_object *stub = kube_store_stub(in->store, KUBE_SERVICE, in->ns,
	    in->name);
	struct explain_list ports = { .n = 0 }, from = { .n = 0 };
	const struct kube_service *s;

	if (stub != NULL) {
		explain_add(x, EXPLAIN_STOP, "service", "it cannot be read: %s",
		    stub->why_refused);
		return false;
	}
	if (x->svc == NULL) {
		explain_add(x, EXPLAIN_STOP, "service", "there is no Service %s/%s; see "
		    "kubectl get services -A", in->ns, in->name);
		return false;
	}
	s = &x->svc->service;
	if (x->svc->meta.is_deleting) {
		explain_add(x, EXPLAIN_STOP, "service", "it is being deleted");
		return false;
	}
	if (!s->is_load_balancer) {
		explain_add(x, EXPLAIN_STOP, "service", "its spec.type is not "
		    "LoadBalancer; no other Service has a VIP");
		return false;
	}
	for (size_t i = 0; i < s->nports; i++)
		explain_list_add(&ports, "%u/%s", s->ports[i].port,
		    kube_proto_name(s->ports[i].proto));
	for (size_t i = 0; i < s->nsource_ranges; i++)
		explain_list_add(&from, "%s", PREFIX_STR(&s->source_ranges[i]));
	explain_add(x, EXPLAIN_OK, "service", "LoadBalancer, externalTrafficPolicy %s, "
	    "ports %s%s%s", s->external_policy == KUBE_POLICY_LOCAL ? "Local" : "Cluster",
	    ports.text, from.n > 0 ? ", to clients in " : "", from.text);
	return true;
}

static bool
explain_class(struct explaining *x)
{
	const char *has = x->svc->service.load_balancer_class;
	const char *ours = x->in->lb_class;
	const char *takes = ours != NULL ? ours : RECONCILE_LB_CLASS;

	if (has == NULL ? ours == NULL : strcmp(has, takes) == 0) {
		explain_add(x, EXPLAIN_OK, "class", "%s%s", has != NULL ? has : "none",
		    has != NULL ? "" : ", so it is Herald's");
		return true;
	}
	explain_add(x, EXPLAIN_STOP, "class", "spec.loadBalancerClass is %s, and Herald "
	    "takes %s%s; make the Service anew with that, or name another with --lb-class",
	    has != NULL ? has : "not set", takes,
	    ours == NULL ? " or none" : "");
	return false;
}

/* --- its addresses --------------------------------------------------------- */

static const char *
pool_of(const struct kube_store *s, const struct ip *ip)
{
	struct kube_list pools = kube_store_list(s, KUBE_IP_ADDRESS_POOL);

	for (size_t i = 0; i < pools.n; i++) {
		const struct kube_ip_address_pool *p = &pools.items[i]->pool;

		for (size_t j = 0; j < p->naddresses; j++) {
			if (ip_range_contains(&p->addresses[j].range, ip))
				return pools.items[i]->meta.name;
		}
	}
	return NULL;
}

static void
explain_no_address(struct explaining *x, const struct decision *d)
{
	if (d != NULL && d->problem != NULL)
		explain_add(x, EXPLAIN_STOP, "address", "none: %s", d->problem);
	else if (d != NULL && d->naddrs > 0)
		explain_add(x, EXPLAIN_STOP, "address", "none, though %s is to be had: no "
		    "herald-controller is at work, or it may not write "
		    "services/status; see its log, and the Lease herald-controller",
		    IP_STR(&d->addrs[0]));
	else
		explain_add(x, EXPLAIN_STOP, "address", "none: there is no IPAddressPool "
		    "that it may have one of; see kubectl get ipaddresspools -A");
}

static void
explain_addresses(struct explaining *x, const struct decision *d)
{
	const struct kube_service *s = &x->svc->service;
	struct explain_list good = { .n = 0 }, bad = { .n = 0 };

	for (size_t i = 0; i < s->ningress; i++) {
		const struct ip *ip = &s->ingress[i].ip;
		const char *pool = ip_is_set(ip) ? pool_of(x->in->store, ip) : NULL;

		if (pool != NULL)
			explain_list_add(&good, "%s of IPAddressPool %s", IP_STR(ip), pool);
		else
			explain_list_add(&bad, "%s", ip_is_set(ip) ? IP_STR(ip) :
			    s->ingress[i].hostname);
	}
	if (bad.n > 0)
		explain_add(x, good.n > 0 ? EXPLAIN_WARN : EXPLAIN_STOP, "address", "%s: in "
		    "no IPAddressPool, so somebody else gave it, and no speaker announces "
		    "it; add it to a pool, or give this Service another "
		    "loadBalancerClass", bad.text);
	if (good.n > 0)
		explain_add(x, d != NULL && d->problem != NULL ? EXPLAIN_WARN : EXPLAIN_OK,
		    "address", "%s%s%s", good.text, d != NULL && d->problem != NULL ?
		    "; but " : "", d != NULL && d->problem != NULL ? d->problem : "");
}

/* What the controller's own core makes of the world. */
static void
explain_address(struct explaining *x)
{
	struct config config = { 0 };
	struct ledger *ledger = ledger_new();
	const struct decision *d = NULL;
	struct reconcile result;

	config_build(x->in->store, NULL, &config);
	reconcile_run(&(struct reconcile_in){ .store = x->in->store, .config = &config,
	    .ledger = ledger, .lb_class = x->in->lb_class }, &result);
	for (size_t i = 0; i < result.ndecisions; i++) {
		if (result.decisions[i].svc == x->svc)
			d = &result.decisions[i];
	}
	if (x->svc->service.ningress == 0)
		explain_no_address(x, d);
	else
		explain_addresses(x, d);
	reconcile_fini(&result);
	ledger_free(ledger);
	config_fini(&config);
}

/* --- who forwards ---------------------------------------------------------- */

/* What was refused may have selected it: nobody can tell. Returns whether any was. */
static bool
explain_refused_profiles(struct explaining *x, const char *named)
{
	struct kube_list stubs = kube_store_stubs(x->in->store, KUBE_FORWARDING_PROFILE);
	bool has_any = false;

	for (size_t i = 0; i < stubs.n; i++) {
		const struct kube_object *o = stubs.items[i];

		if (named != NULL && strcmp(named, o->meta.name) != 0)
			continue;
		explain_add(x, EXPLAIN_WARN, "profile", "ForwardingProfile %s is refused, "
		    "so what it said before holds, or the defaults: %s", o->meta.name,
		    o->why_refused);
		has_any = true;
	}
	return has_any;
}

/* What is doubtful about it, as the controller has last said. */
static void
explain_used_profile(struct explaining *x, const struct kube_object *o)
{
	const struct kube_condition *c = &o->profile.accepted;
	bool is_doubtful = c->reason != NULL && c->message != NULL &&
	    strcmp(c->reason, "Doubtful") == 0 &&
	    c->observed_generation == o->meta.generation;

	explain_add(x, is_doubtful ? EXPLAIN_WARN : EXPLAIN_OK, "profile",
	    "ForwardingProfile %s%s%s%s", o->meta.name,
	    o->profile.check.type != KUBE_CHECK_NONE ? ", which has endpoints checked" : "",
	    is_doubtful ? "; doubtful: " : "", is_doubtful ? c->message : "");
}

static void
explain_profile(struct explaining *x)
{
	struct kube_profile_choice c = kube_profile_of(x->in->store, x->svc);
	const char *named = kube_map_get(&x->svc->meta.annotations,
	    KUBE_ANNOTATION_PROFILE);
	bool is_refused = explain_refused_profiles(x, named);

	if (c.profile != NULL && c.profile->profile.mode == KUBE_FORWARD_DELEGATE)
		explain_add(x, EXPLAIN_OK, "profile", "ForwardingProfile %s leaves what "
		    "comes to it to kube-proxy or the CNI (mode delegate): Herald checks "
		    "no endpoints, and spreads no connections", c.profile->meta.name);
	else if (c.profile != NULL)
		explain_used_profile(x, c.profile);
	else if (c.missing != NULL && !is_refused)
		explain_add(x, EXPLAIN_WARN, "profile", "the annotation "
		    KUBE_ANNOTATION_PROFILE " names ForwardingProfile %s, which is not "
		    "there, so the defaults hold; create it or correct the name",
		    c.missing);
}

/* --- endpoints and nodes --------------------------------------------------- */

/* Is the slice the Service's? */
static bool
is_slice_of(const struct kube_object *slice, const struct explain_input *in)
{
	return slice->slice.service != NULL && strcmp(slice->meta.ns, in->ns) == 0 &&
	    strcmp(slice->slice.service, in->name) == 0;
}

/* Endpoints, those that traffic may go to, and of these the ones on a node. */
struct tally {
	size_t	n, nready, nhere;
};

static struct tally
count_endpoints(const struct explain_input *in, const struct kube_object *svc,
    const char *node)
{
	struct kube_list slices = kube_store_list(in->store, KUBE_ENDPOINT_SLICE);
	struct tally t = { .n = 0 };

	for (size_t i = 0; i < slices.n; i++) {
		const struct kube_endpoint_slice *s = &slices.items[i]->slice;

		for (size_t j = 0; is_slice_of(slices.items[i], in) && j < s->nendpoints;
		     j++) {
			const struct kube_endpoint *ep = &s->endpoints[j];

			t.n++;
			if (!ep->is_ready && !svc->service.publish_not_ready)
				continue;
			t.nready++;
			t.nhere += node != NULL && ep->node_name != NULL &&
			    strcmp(ep->node_name, node) == 0;
		}
	}
	return t;
}

/* "-l a=b,c=d", to be given to kubectl; or "". */
static const char *
selector_of(struct explaining *x)
{
	const struct kube_map *m = &x->svc->service.selector;
	const char *text = "";

	for (size_t i = 0; i < m->n; i++)
		text = arena_printf(&x->e->arena, "%s%s%s=%s", text, i == 0 ? "-l " : ",",
		    m->kv[i].key, m->kv[i].value);
	return text;
}

static void
explain_endpoints(struct explaining *x)
{
	struct tally t = count_endpoints(x->in, x->svc, NULL);
	const char *selector = selector_of(x);

	if (t.n == 0 && selector[0] == '\0')
		explain_add(x, EXPLAIN_STOP, "endpoints", "none: the Service has no "
		    "selector, so its EndpointSlices are to be made by hand, with the "
		    "label kubernetes.io/service-name: %s", x->in->name);
	else if (t.n == 0)
		explain_add(x, EXPLAIN_STOP, "endpoints", "none: no Pod matches its "
		    "selector, or none has an address yet; see kubectl -n %s get pods %s",
		    x->in->ns, selector);
	else if (t.nready == 0)
		explain_add(x, EXPLAIN_STOP, "endpoints", "none of %zu is ready: do their "
		    "readinessProbes succeed? see kubectl -n %s describe pods %s", t.n,
		    x->in->ns, selector);
	else
		explain_add(x, EXPLAIN_OK, "endpoints", "%zu of %zu are ready", t.nready,
		    t.n);
}

/* Why a node attracts no traffic; NULL where it may. */
static const char *
unfit(const struct kube_object *node)
{
	if (node->meta.is_deleting)
		return "being deleted";
	if (kube_map_get(&node->meta.labels, EXCLUDE_LABEL) != NULL)
		return "label " EXCLUDE_LABEL;
	if (node->node.is_network_unavailable)
		return "condition NetworkUnavailable";
	return NULL;
}

static void
explain_nodes(struct explaining *x)
{
	struct kube_list nodes = kube_store_list(x->in->store, KUBE_NODE);
	bool is_local = x->svc->service.external_policy == KUBE_POLICY_LOCAL;
	struct explain_list out = { .n = 0 };
	size_t nfit = 0, nwith = 0;

	for (size_t i = 0; i < nodes.n; i++) {
		const struct kube_object *o = nodes.items[i];
		const char *why = unfit(o);

		if (why != NULL) {
			explain_list_add(&out, "%s: %s", o->meta.name, why);
			continue;
		}
		nfit++;
		nwith += count_endpoints(x->in, x->svc, o->meta.name).nhere > 0;
	}
	if (nfit == 0)
		explain_add(x, EXPLAIN_STOP, "nodes", "none of %zu may attract traffic: %s",
		    nodes.n, out.text);
	else if (is_local && nwith == 0)
		explain_add(x, EXPLAIN_STOP, "nodes", "externalTrafficPolicy is Local, and "
		    "none of the %zu nodes that may attract traffic has a ready endpoint%s%s",
		    nfit, out.n > 0 ? "; others: " : "", out.text);
	else
		explain_add(x, EXPLAIN_OK, "nodes", "%zu of %zu may attract traffic%s%s%s",
		    is_local ? nwith : nfit, nodes.n, is_local ?
		    ", those with a ready endpoint" : "", out.n > 0 ? "; not " : "",
		    out.text);
}

/* --- whom to ask ----------------------------------------------------------- */

/* How much a node's speaker has to do with the Service. */
static unsigned
weight_of(const struct explain_input *in, const struct kube_object *svc, const char *node)
{
	static const enum kube_kind kinds[] = { KUBE_SERVICE_L2_STATUS,
		KUBE_SERVICE_BGP_STATUS };
	unsigned w = count_endpoints(in, svc, node).nhere > 0;

	for (size_t k = 0; k < nitems(kinds); k++) {
		struct kube_list l = kube_store_list(in->store, kinds[k]);

		for (size_t i = 0; i < l.n; i++) {
			const struct kube_service_status *s = &l.items[i]->service_status;

			if (s->node != NULL && s->svc_ns != NULL && s->svc_name != NULL &&
			    strcmp(s->node, node) == 0 && strcmp(s->svc_ns, in->ns) == 0 &&
			    strcmp(s->svc_name, in->name) == 0)
				w |= 4u >> k;
		}
	}
	return w;
}

size_t
explain_whom(const struct explain_input *in, const char **ret, size_t max)
{
	const struct kube_object *svc = kube_store_get(in->store, KUBE_SERVICE, in->ns,
	    in->name);
	struct kube_list nodes = kube_store_list(in->store, KUBE_NODE);
	size_t n = 0;

	/* In as many passes as there are weights: the order of names stays. */
	for (unsigned w = 8; svc != NULL && w-- > 0;) {
		for (size_t i = 0; i < nodes.n && n < max; i++) {
			if (weight_of(in, svc, nodes.items[i]->meta.name) == w)
				ret[n++] = nodes.items[i]->meta.name;
		}
	}
	return n;
}

/* --- the whole ------------------------------------------------------------- */

void
explain_run(const struct explain_input *in, struct explain *ret)
{
	struct explaining x = { .in = in, .e = ret, .svc = kube_store_get(in->store,
	    KUBE_SERVICE, in->ns, in->name) };

	*ret = (struct explain){ .n = 0 };
	ret->lines = arena_array(&ret->arena, LINES_MAX, sizeof(*ret->lines));
	if (!explain_service(&x) || !explain_class(&x))
		return;
	explain_address(&x);
	explain_profile(&x);
	explain_endpoints(&x);
	explain_nodes(&x);
	if (x.svc->service.ningress > 0)
		explain_path(&x);
}

void
explain_fini(struct explain *e)
{
	arena_fini(&e->arena);
	*e = (struct explain){ .n = 0 };
}

void
explain_print(const struct explain *e, FILE *out)
{
	static const char *const marks[] = { [EXPLAIN_OK] = "ok", [EXPLAIN_WARN] = "warn",
		[EXPLAIN_UNKNOWN] = "?", [EXPLAIN_STOP] = "STOP" };
	bool is_unknown = false;

	for (size_t i = 0; i < e->n; i++) {
		is_unknown |= e->lines[i].mark == EXPLAIN_UNKNOWN;
		fprintf(out, "%-5s%-12s%s\n", marks[e->lines[i].mark], e->lines[i].step,
		    e->lines[i].text);
	}
	if (e->stop != NULL)
		fprintf(out, "traffic stops at: %s\n", e->stop);
	else
		fprintf(out, "%s\n", is_unknown ? "nothing is seen to stop traffic, but not "
		    "everything could be seen" : "nothing stops traffic");
}
