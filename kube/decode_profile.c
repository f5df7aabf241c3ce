/* decode_profile.c - ForwardingProfile, a resource of our own alone. */
#include <netinet/in.h>

#include "kube/decode_impl.h"

enum {
	DRAIN_MAX_SEC = 86400,
	SLOW_START_MAX_SEC = 3600,
};

static void
fallback_service(struct dec *d, const struct dec_at *at, struct kube_fallback *f)
{
	struct dec_at name = dec_field(at, "name");
	struct dec_at ns = dec_field(at, "namespace");

	(void)dec_is_object(d, at);
	f->service = dec_str(d, &name);
	f->service_ns = dec_str(d, &ns);
	if (f->service == NULL)
		dec_fail(d, &name, "is missing; name the Service whose endpoints serve");
}

static void
fallback_address(struct dec *d, const struct dec_at *at, struct kube_fallback *f)
{
	f->ip = dec_ip(d, at);
	if (!ip_is_set(&f->ip))
		dec_fail(d, at, "is missing; give the server's address, or a service");
	else if (ip_is_special(&f->ip))
		dec_fail(d, at, "no server can be reached there; give the address of one");
}

static void
fallback(struct dec *d, const struct dec_at *at, struct kube_forwarding_profile *p)
{
	p->nfallback = dec_count(d, at, DEC_ADDRESSES_MAX);
	p->fallback = arena_array(d->arena, p->nfallback, sizeof(*p->fallback));
	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at address = dec_field(&it, "address");
		struct dec_at service = dec_field(&it, "service");
		struct dec_at port = dec_field(&it, "port");
		struct kube_fallback *f = &p->fallback[it.index];

		f->port = (uint16_t)dec_int(d, &port, 1, UINT16_MAX, 0);
		if (service.node == NULL)
			fallback_address(d, &address, f);
		else
			fallback_service(d, &service, f);
		if (service.node != NULL && address.node != NULL)
			dec_fail(d, &service, "goes not together with address; write an "
			    "entry for each");
	}
}

static void
quorum(struct dec *d, const struct dec_at *spec, struct kube_forwarding_profile *p)
{
	struct dec_at at = dec_field(spec, "quorum");
	struct dec_at up = dec_field(&at, "up");
	struct dec_at hysteresis = dec_field(&at, "hysteresis");

	if (!dec_is_object(d, &at))
		return;
	if (up.node == NULL)
		dec_fail(d, &up, "is missing; say how many endpoints it takes to serve");
	p->quorum_up = (uint16_t)dec_int(d, &up, 1, DEC_PORTS_MAX, 1);
	p->quorum_hysteresis = (uint16_t)dec_int(d, &hysteresis, 0, DEC_PORTS_MAX, 0);
	if (p->quorum_hysteresis >= p->quorum_up)
		dec_fail(d, &hysteresis, "would leave a quorum that is never lost; keep "
		    "it below quorum.up, which is %u", p->quorum_up);
}

static const struct dec_word modes[] = {
	{ "tunnel", KUBE_FORWARD_TUNNEL },
	{ "masquerade", KUBE_FORWARD_MASQUERADE },
	{ "delegate", KUBE_FORWARD_DELEGATE },
	{ NULL, 0 },
};

static const struct dec_word schedulers[] = {
	{ "mh", KUBE_SCHED_MH },
	{ "wrr", KUBE_SCHED_WRR },
	{ "wlc", KUBE_SCHED_WLC },
	{ "lc", KUBE_SCHED_LC },
	{ "sh", KUBE_SCHED_SH },
	{ "fo", KUBE_SCHED_FO },
	{ NULL, 0 },
};

/* A share that grows is another on each node, so it is not for tables that must agree. */
static void
slow_start(struct dec *d, const struct dec_at *spec, struct kube_forwarding_profile *p)
{
	struct dec_at at = dec_field(spec, "slowStartSeconds");

	if (at.node == NULL)
		return;
	p->slow_start_sec = (uint32_t)dec_int(d, &at, 1, SLOW_START_MAX_SEC, 1);
	if (p->scheduler != KUBE_SCHED_WRR && p->scheduler != KUBE_SCHED_WLC)
		dec_fail(d, &at, "takes a scheduler that deals out by weight, and with "
		    "mh the same on every node; write scheduler wrr or wlc, or remove "
		    "it");
	else if (p->mode == KUBE_FORWARD_DELEGATE)
		dec_fail(d, &at, "says nothing to those who forward in mode delegate; "
		    "remove it, or write mode tunnel");
}

/*
 * mh and sh choose by the client and its port, lc and wlc by connections, of which there
 * are none then, and fo always the same one: with these no datagram would go elsewhere.
 */
static void
one_packet(struct dec *d, const struct dec_at *spec, struct kube_forwarding_profile *p)
{
	struct dec_at at = dec_field(spec, "onePacket");

	p->is_one_packet = dec_bool(d, &at, false);
	if (!p->is_one_packet)
		return;
	if (p->mode == KUBE_FORWARD_DELEGATE)
		dec_fail(d, &at, "says nothing to those who forward in mode delegate; "
		    "remove it, or write mode tunnel");
	else if (p->mode == KUBE_FORWARD_MASQUERADE)
		dec_fail(d, &at, "cannot be had in mode masquerade, which remembers one "
		    "endpoint for each flow; write mode tunnel, or remove it");
	else if (p->scheduler != KUBE_SCHED_WRR)
		dec_fail(d, &at, "takes a scheduler that gives a client's next datagram to "
		    "the next endpoint; write scheduler wrr, or remove it");
}

void
dec_profile(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at selectors = dec_field(&spec, "serviceSelectors");
	struct dec_at namespaces = dec_field(&spec, "namespaces");
	struct dec_at mode = dec_field(&spec, "mode");
	struct dec_at scheduler = dec_field(&spec, "scheduler");
	struct dec_at drain = dec_field(&spec, "drainSeconds");
	struct dec_at check = dec_field(&spec, "healthCheck");
	struct dec_at fall_back = dec_field(&spec, "fallback");
	struct dec_at hints = dec_field(&spec, "topologyHints");
	struct kube_forwarding_profile *p = &o->profile;

	(void)dec_is_object(d, &spec);
	p->service_selectors = dec_selectors(d, &selectors, &p->nservice_selectors);
	p->namespaces = dec_strings(d, &namespaces, DEC_LIST_MAX, &p->nnamespaces);
	p->mode = (enum kube_forward_mode)dec_word(d, &mode, modes,
	    KUBE_FORWARD_TUNNEL);
	p->scheduler = (enum kube_scheduler)dec_word(d, &scheduler, schedulers,
	    KUBE_SCHED_MH);
	one_packet(d, &spec, p);
	p->has_drain = drain.node != NULL;
	p->drain_sec = (uint32_t)dec_int(d, &drain, 0, DRAIN_MAX_SEC, 0);
	slow_start(d, &spec, p);
	dec_health_check(d, &check, &p->check);
	quorum(d, &spec, p);
	fallback(d, &fall_back, p);
	p->has_hints = dec_bool(d, &hints, false);
	if (p->mode == KUBE_FORWARD_DELEGATE && (check.node != NULL || p->has_drain ||
	    p->quorum_up > 0 || p->nfallback > 0 || p->has_hints))
		dec_fail(d, &mode, "leaves forwarding to others, who know nothing of "
		    "healthCheck, quorum, fallback, drainSeconds and topologyHints; remove "
		    "these, or write tunnel");
}
