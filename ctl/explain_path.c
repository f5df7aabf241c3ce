#include <string.h>

#include "ctl/explain_impl.h"

/* Where checks come from, on every node. */
#define DIRECTORS "169.254.77.2 and fd48:6572:616c:64::2"

/* What the speaker says of the VIP, or NULL. */
static const struct explain_view *
view_of(const struct explain_speaker *s, const struct ip *vip)
{
	for (size_t i = 0; i < s->nviews; i++) {
		if (ip_eq(&s->views[i].vip, vip))
			return &s->views[i];
	}
	return NULL;
}

static const struct explain_speaker *
speaker_of(const struct explain_input *in, const char *node)
{
	for (size_t i = 0; i < in->nspeakers; i++) {
		if (strcmp(in->speakers[i].node, node) == 0)
			return &in->speakers[i];
	}
	return NULL;
}

/* False where no speaker answers. */
static bool
explain_speakers(struct explaining *x)
{
	const struct explain_input *in = x->in;
	struct explain_list mute = { .n = 0 };

	for (size_t i = 0; i < in->nspeakers; i++) {
		if (in->speakers[i].trouble != NULL)
			explain_list_add(&mute, "%s: %.160s", in->speakers[i].node,
			    in->speakers[i].trouble);
	}
	if (mute.n == in->nspeakers) {
		explain_add(x, EXPLAIN_UNKNOWN, "speakers", "none of %zu answers, so what "
		    "they do cannot be said: %s", in->nspeakers, in->nspeakers > 0 ?
		    mute.text : "there is no Node");
		return false;
	}
	if (mute.n > 0)
		explain_add(x, EXPLAIN_WARN, "speakers", "%zu of %zu do not answer: %s; does "
		    "herald-speaker run there, with --http?", mute.n, in->nspeakers,
		    mute.text);
	else
		explain_add(x, EXPLAIN_OK, "speakers", "%zu asked, all answer",
		    in->nspeakers);
	return true;
}

/* --- by ARP and NDP -------------------------------------------------------- */

/* The interfaces that the node says it announces the Service on, or "". */
static const char *
interfaces_of(struct explaining *x, const char *node)
{
	struct kube_list l = kube_store_list(x->in->store, KUBE_SERVICE_L2_STATUS);
	const char *text = "";

	for (size_t i = 0; i < l.n; i++) {
		const struct kube_service_status *s = &l.items[i]->service_status;

		if (s->node == NULL || s->svc_ns == NULL || s->svc_name == NULL ||
		    strcmp(s->node, node) != 0 || strcmp(s->svc_ns, x->in->ns) != 0 ||
		    strcmp(s->svc_name, x->in->name) != 0)
			continue;
		for (size_t j = 0; j < s->nnames; j++)
			text = arena_printf(&x->e->arena, "%s%s%s", text,
			    j == 0 ? " on " : ", ", s->names[j]);
	}
	return text;
}

/* The one owner that all name goes into *ret; false where they differ. */
static bool
agree(const struct explain_input *in, const struct ip *vip, const char **ret,
    const char **ret_reason, struct explain_list *said)
{
	bool is_first = true, is_same = true;

	*ret = *ret_reason = NULL;
	for (size_t i = 0; i < in->nspeakers; i++) {
		const struct explain_view *v = view_of(&in->speakers[i], vip);
		const char *owner = v != NULL ? v->owner : NULL;

		if (in->speakers[i].trouble != NULL)
			continue;
		explain_list_add(said, "%s says %s", in->speakers[i].node,
		    v == NULL ? "it knows no such VIP" : owner != NULL ? owner : "nobody");
		if (v != NULL && v->reason != NULL)
			*ret_reason = v->reason;
		if (!is_first && (owner == NULL ? *ret != NULL :
		    *ret == NULL || strcmp(owner, *ret) != 0))
			is_same = false;
		if (is_first || *ret == NULL)
			*ret = owner;
		is_first = false;
	}
	return is_same;
}

static void
explain_announced(struct explaining *x, const struct ip *vip, const char *owner)
{
	const struct explain_speaker *s = speaker_of(x->in, owner);
	const struct explain_view *v = s != NULL ? view_of(s, vip) : NULL;
	const char *how = ip_is_v4(vip) ? "ARP" : "NDP";

	if (s == NULL || s->trouble != NULL)
		explain_add(x, EXPLAIN_UNKNOWN, "announced", "%s is to be announced by %s "
		    "by %s%s, whose speaker was not asked or did not answer", IP_STR(vip),
		    owner, how, interfaces_of(x, owner));
	else if (v != NULL && v->is_announced)
		explain_add(x, EXPLAIN_OK, "announced", "%s by %s by %s%s", IP_STR(vip), owner,
		    how, interfaces_of(x, owner));
	else
		explain_add(x, EXPLAIN_STOP, "announced", "%s is to be announced by %s and "
		    "is not: %s", IP_STR(vip), owner, v == NULL || !v->is_programmed ?
		    "its data plane is not programmed; see the log of its speaker" :
		    "no link of its that may announce it is up; see ip link there, and "
		    "the interfaces of the L2Advertisement");
}

/* --- by BGP ---------------------------------------------------------------- */

static const struct explain_session *
session_of(const struct explain_speaker *s, const char *peer)
{
	for (size_t i = 0; s != NULL && i < s->nsessions; i++) {
		if (strcmp(s->sessions[i].peer, peer) == 0)
			return &s->sessions[i];
	}
	return NULL;
}

/* Sessions that the Service is announced over, and those that should be. */
struct routes {
	size_t	nnodes, nup;
	struct explain_list down;
};

static void
count_routes(const struct explain_input *in, struct routes *r)
{
	struct kube_list l = kube_store_list(in->store, KUBE_SERVICE_BGP_STATUS);

	for (size_t i = 0; i < l.n; i++) {
		const struct kube_service_status *s = &l.items[i]->service_status;

		if (s->node == NULL || s->svc_ns == NULL || s->svc_name == NULL ||
		    strcmp(s->svc_ns, in->ns) != 0 || strcmp(s->svc_name, in->name) != 0)
			continue;
		r->nnodes++;
		for (size_t j = 0; j < s->nnames; j++) {
			const struct explain_session *q = session_of(
			    speaker_of(in, s->node), s->names[j]);

			if (q == NULL)
				continue;
			if (strcmp(q->state, "Established") == 0)
				r->nup++;
			else
				explain_list_add(&r->down, "%s to %s is %s%s%.120s", s->node,
				    q->peer, q->state, q->reason != NULL ? ": " : "",
				    q->reason != NULL ? q->reason : "");
		}
	}
}

static void
explain_bgp(struct explaining *x, bool has_owner)
{
	struct routes r = { .nnodes = 0 };

	if (kube_store_list(x->in->store, KUBE_BGP_PEER).n == 0)
		return;
	count_routes(x->in, &r);
	if (r.nnodes == 0 && has_owner)
		explain_add(x, EXPLAIN_OK, "bgp", "no node announces it by BGP");
	else if (r.nnodes == 0)
		explain_add(x, EXPLAIN_STOP, "bgp", "there are BGPPeers, and no node "
		    "announces it to one: no BGPAdvertisement covers its pool and "
		    "Service, or (no ServiceBGPStatus at all) speakers run with "
		    "--status-resources no");
	else if (r.nup == 0 && r.down.n > 0)
		explain_add(x, has_owner ? EXPLAIN_WARN : EXPLAIN_STOP, "bgp", "no session "
		    "that it is announced over is up: %s", r.down.text);
	else
		explain_add(x, r.down.n > 0 ? EXPLAIN_WARN : EXPLAIN_OK, "bgp", "%zu node%s "
		    "announce%s it, over %zu session%s seen to be up%s%s", r.nnodes,
		    r.nnodes == 1 ? "" : "s", r.nnodes == 1 ? "s" : "", r.nup,
		    r.nup == 1 ? "" : "s",
		    r.down.n > 0 ? "; not up: " : "", r.down.text);
}

/* --- and then -------------------------------------------------------------- */

static void
explain_forwarding(struct explaining *x, const struct ip *vip, const char *owner)
{
	struct explain_list lacks = { .n = 0 };
	bool is_owner = false;
	size_t n = 0;

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];
		const struct explain_view *v = view_of(s, vip);

		if (s->trouble != NULL)
			continue;
		n++;
		if (v != NULL && v->is_programmed)
			continue;
		explain_list_add(&lacks, "%s", s->node);
		is_owner |= owner != NULL && strcmp(owner, s->node) == 0;
	}
	if (lacks.n == 0)
		explain_add(x, EXPLAIN_OK, "forwarding", "%s is programmed on %zu of %zu "
		    "nodes asked", IP_STR(vip), n, n);
	else
		explain_add(x, is_owner || lacks.n == n ? EXPLAIN_STOP : EXPLAIN_WARN,
		    "forwarding", "%s is not programmed on %s; see the logs of their "
		    "speakers, and the metric herald_director_errors_total", IP_STR(vip),
		    lacks.text);
}

static bool
concerns(const struct explain_speaker *s, const struct explain_obstacle *o)
{
	bool is_held = false;

	for (size_t i = 0; i < s->nviews; i++)
		is_held |= s->views[i].is_held;
	return is_held || !o->is_of_held;
}

/* Has a speaker before that one said the same, and so all nodes' line? */
static bool
is_said(const struct explain_input *in, size_t before, const char *text)
{
	for (size_t i = 0; i < before; i++) {
		const struct explain_speaker *s = &in->speakers[i];

		for (size_t j = 0; j < s->nobstacles; j++) {
			if (concerns(s, &s->obstacles[j]) &&
			    strcmp(s->obstacles[j].text, text) == 0)
				return true;
		}
	}
	return false;
}

static bool
is_owner(const struct explain_speaker *s)
{
	for (size_t i = 0; i < s->nviews; i++) {
		if (s->views[i].owner != NULL && strcmp(s->views[i].owner, s->node) == 0)
			return true;
	}
	return false;
}

/* What stops traffic at some nodes stops it all where these get it all. */
static void
explain_obstacle(struct explaining *x, size_t from, const struct explain_obstacle *o)
{
	struct explain_list nodes = { .n = 0 };
	bool has_owner = false;
	size_t nasked = 0;

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		nasked += s->trouble == NULL;
		for (size_t j = 0; i >= from && j < s->nobstacles; j++) {
			if (!concerns(s, &s->obstacles[j]) ||
			    strcmp(s->obstacles[j].text, o->text) != 0)
				continue;
			explain_list_add(&nodes, "%s", s->node);
			has_owner |= is_owner(s);
		}
	}
	explain_add(x, o->is_stop && (has_owner || nodes.n == nasked) ? EXPLAIN_STOP :
	    EXPLAIN_WARN, o->step, "%s: %s", nodes.text, o->text);
}

/* What is in the way on hosts, or wrong with what was asked: a line each, with its nodes. */
static void
explain_hosts(struct explaining *x)
{
	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		for (size_t j = 0; j < s->nobstacles; j++) {
			if (concerns(s, &s->obstacles[j]) &&
			    !is_said(x->in, i, s->obstacles[j].text))
				explain_obstacle(x, i, &s->obstacles[j]);
		}
	}
}

/* The endpoints that fail their checks, as the nodes they are on find. */
static void
list_failing(const struct explain_input *in, struct explain_list *ret)
{
	for (size_t i = 0; i < in->nspeakers; i++) {
		const struct explain_speaker *s = &in->speakers[i];

		for (size_t j = 0; j < s->nfailing; j++)
			explain_list_add(ret, "%s port %u%s%.80s", s->failing[j].ip,
			    s->failing[j].port, s->failing[j].error != NULL ? ": " : "",
			    s->failing[j].error != NULL ? s->failing[j].error : "");
	}
}

/* Active checks, where a ForwardingProfile asks for them. */
static void
explain_health(struct explaining *x)
{
	const struct explain_quorum *worst = NULL;
	struct explain_list failing = { .n = 0 };

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		for (size_t j = 0; j < s->nquorums; j++) {
			const struct explain_quorum *q = &s->quorums[j];

			/* nobody is worse than fallback, and that than endpoints. */
			if (worst == NULL || strcmp(q->served, "nobody") == 0 ||
			    (strcmp(q->served, "fallback") == 0 &&
			    strcmp(worst->served, "nobody") != 0))
				worst = q;
		}
	}
	if (worst == NULL)
		return;
	list_failing(x->in, &failing);
	if (strcmp(worst->served, "endpoints") != 0)
		explain_add(x, strcmp(worst->served, "nobody") == 0 ? EXPLAIN_STOP :
		    EXPLAIN_WARN, "health", "%s: %u endpoints pass their checks, and %u "
		    "are needed: served by %s; see the healthCheck of its "
		    "ForwardingProfile, and let NetworkPolicies admit " DIRECTORS
		    "%s%s", worst->port, worst->nup, worst->nneeded,
		    worst->served, failing.n > 0 ? "; failing: " : "", failing.text);
	else
		explain_add(x, failing.n > 0 ? EXPLAIN_WARN : EXPLAIN_OK, "health", "%s: %u "
		    "endpoints pass their checks, and %u are needed%s%s", worst->port,
		    worst->nup, worst->nneeded, failing.n > 0 ? "; failing: " : "",
		    failing.text);
}

/* More endpoints than mh's table spreads evenly, of the port that has the most. */
static void
explain_crowd(struct explaining *x)
{
	const struct explain_crowd *c = NULL;
	unsigned each;

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		for (size_t j = 0; j < s->ncrowds; j++) {
			const struct explain_crowd *o = &s->crowds[j];

			if (c == NULL || o->nserving + o->nomitted >
			    c->nserving + c->nomitted)
				c = o;
		}
	}
	if (c == NULL)
		return;
	each = c->nslots / c->nserving;
	if (c->nomitted > 0)
		explain_add(x, EXPLAIN_WARN, "spread", "%s: %u of %u endpoints serve, on all "
		    "nodes the same: the scheduler mh has %u slots, two for each; choose "
		    "another scheduler by a ForwardingProfile, or give the Service fewer",
		    c->port, c->nserving, c->nserving + c->nomitted, c->nslots);
	else
		explain_add(x, EXPLAIN_OK, "spread", "%s: %u endpoints share the %u slots of "
		    "the scheduler mh: some get %u/%u of what others get", c->port,
		    c->nserving, c->nslots, each, each + 1);
}

/* Endpoints that nodes do without, as topologyHints of the ForwardingProfile has it. */
static void
explain_hints(struct explaining *x)
{
	struct explain_list far = { .n = 0 };

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		for (size_t j = 0; j < s->npassed_over; j++)
			explain_list_add(&far, "%s port %u by %s", s->passed_over[j].ip,
			    s->passed_over[j].port, s->node);
	}
	if (far.n > 0)
		explain_add(x, EXPLAIN_OK, "hints", "passed over, for others are nearer by "
		    "the hints of its EndpointSlices: %s", far.text);
}

static void
explain_duplicates(struct explaining *x)
{
	struct explain_list rivals = { .n = 0 };

	for (size_t i = 0; i < x->in->nspeakers; i++) {
		const struct explain_speaker *s = &x->in->speakers[i];

		for (size_t j = 0; j < s->nconflicts; j++)
			explain_list_add(&rivals, "%s by %s, as %s sees on %s",
			    IP_STR(&s->conflicts[j].vip), s->conflicts[j].mac, s->node,
			    s->conflicts[j].ifname);
	}
	if (rivals.n > 0)
		explain_add(x, EXPLAIN_STOP, "duplicates", "used by others, too: %s; find "
		    "the machine with that MAC, or take the address out of its pool",
		    rivals.text);
	else
		explain_add(x, EXPLAIN_OK, "duplicates", "nobody else is seen to use it");
}

static bool
has_routes(const struct explain_input *in)
{
	struct routes r = { .nnodes = 0 };

	count_routes(in, &r);
	return r.nnodes > 0;
}

/* One VIP's way; returns whether it has an owner. */
static bool
explain_vip(struct explaining *x, const struct ip *vip)
{
	const char *owner, *reason;
	struct explain_list said = { .n = 0 };

	if (!agree(x->in, vip, &owner, &reason, &said))
		explain_add(x, EXPLAIN_STOP, "owner", "%s: the speakers do not agree: %s; do "
		    "they hear each other's BFD (UDP port 7847), and see the same API?",
		    IP_STR(vip), said.text);
	else if (owner != NULL)
		explain_announced(x, vip, owner);
	else if (reason != NULL && has_routes(x->in))
		explain_add(x, EXPLAIN_OK, "owner", "%s: none by ARP or NDP (%s)",
		    IP_STR(vip), reason);
	else
		explain_add(x, EXPLAIN_STOP, "owner", "%s: nobody announces it: %s",
		    IP_STR(vip), reason != NULL ? reason : "the speakers do not know it; "
		    "are they in step with the API? see their /readyz");
	explain_forwarding(x, vip, owner);
	return owner != NULL;
}

void
explain_path(struct explaining *x)
{
	const struct kube_service *s = &x->svc->service;
	bool has_owner = false;

	if (!explain_speakers(x))
		return;
	for (size_t i = 0; i < s->ningress; i++) {
		if (ip_is_set(&s->ingress[i].ip))
			has_owner |= explain_vip(x, &s->ingress[i].ip);
	}
	explain_hosts(x);
	explain_bgp(x, has_owner);
	explain_health(x);
	explain_crowd(x);
	explain_hints(x);
	explain_duplicates(x);
}
