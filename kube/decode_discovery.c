/*
 * decode_discovery.c - EndpointSlice of discovery.k8s.io v1 and v1beta1.
 *
 * v1beta1 names the node in a map called topology, v1 in a field of its
 * own. Whichever is there is read; an object has but one of them.
 */

#include "kube/decode_impl.h"

#define LABEL_SERVICE	"kubernetes.io/service-name"
#define TOPOLOGY_NODE	"kubernetes.io/hostname"

enum {
	FQDN = 0,		/* a slice of names: family 0 */
	HINTS_MAX = 64,		/* of an endpoint; the API takes 8 */
};

static const struct dec_word address_types[] = {
	{ "IPv4", IP_V4 },
	{ "IPv6", IP_V6 },
	{ "FQDN", FQDN },
	{ NULL, 0 },
};

static struct kube_slice_port
slice_port(struct dec *d, const struct dec_at *at)
{
	struct dec_at name = dec_field(at, "name");
	struct dec_at proto = dec_field(at, "protocol");
	struct dec_at port = dec_field(at, "port");
	struct kube_slice_port p = { .name = "" };
	const char *s;

	if (!dec_is_object(d, at))
		return p;
	s = dec_str(d, &name);
	p.name = s != NULL ? s : "";
	p.proto = (enum kube_proto)dec_word(d, &proto, dec_protos, KUBE_TCP);
	p.port = (uint16_t)dec_int(d, &port, 1, UINT16_MAX, 0);
	return p;
}

static struct ip
endpoint_ip(struct dec *d, const struct dec_at *at, uint8_t family)
{
	struct dec_at addresses = dec_field(at, "addresses");
	struct dec_at first = dec_first(&addresses);
	struct ip a = { .family = IP_NONE };

	if (dec_count(d, &addresses, DEC_ADDRESSES_MAX) == 0) {
		dec_fail(d, &addresses, "an endpoint needs an address");
		return a;
	}
	a = dec_ip(d, &first);
	if (a.family != family)
		dec_fail(d, &first, "is no IPv%u address, as addressType says; "
		    "put it into a slice of its own", family);
	/* The API server refuses these too: they would be the director's own. */
	else if (ip_is_special(&a) || ip_is_link_local(&a))
		dec_fail(d, &first, "no endpoint may have a loopback, link-local, "
		    "multicast or unspecified address");
	return a;
}

static struct kube_hints *
endpoint_hints(struct dec *d, const struct dec_at *at)
{
	struct dec_at zones = dec_field(at, "forZones");
	struct dec_at nodes = dec_field(at, "forNodes");
	struct kube_hints *h;

	if (!dec_is_object(d, at))
		return NULL;
	h = arena_alloc(d->arena, sizeof(*h));
	h->zones = dec_names(d, &zones, HINTS_MAX, &h->nzones);
	h->nodes = dec_names(d, &nodes, HINTS_MAX, &h->nnodes);
	return h;
}

static struct kube_endpoint
endpoint(struct dec *d, const struct dec_at *at, uint8_t family)
{
	struct dec_at conditions = dec_field(at, "conditions");
	struct dec_at ready = dec_field(&conditions, "ready");
	struct dec_at serving = dec_field(&conditions, "serving");
	struct dec_at terminating = dec_field(&conditions, "terminating");
	struct dec_at topology = dec_field(at, "topology");
	struct dec_at node = dec_field(at, "nodeName");
	struct dec_at hints = dec_field(at, "hints");
	struct dec_at old_node = dec_field(&topology, TOPOLOGY_NODE);
	struct kube_endpoint e = { .is_ready = false };

	if (!dec_is_object(d, at))
		return e;
	(void)dec_is_object(d, &conditions);
	e.ip = endpoint_ip(d, at, family);
	e.is_ready = dec_bool(d, &ready, true);
	e.is_serving = dec_bool(d, &serving, e.is_ready);
	e.is_terminating = dec_bool(d, &terminating, false);
	e.node_name = dec_str(d, node.node != NULL ? &node : &old_node);
	e.hints = endpoint_hints(d, &hints);
	return e;
}

void
dec_slice(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at meta = dec_field(root, "metadata");
	struct dec_at labels = dec_field(&meta, "labels");
	struct dec_at service = dec_field(&labels, LABEL_SERVICE);
	struct dec_at type = dec_field(root, "addressType");
	struct dec_at ports = dec_field(root, "ports");
	struct dec_at endpoints = dec_field(root, "endpoints");
	struct kube_endpoint_slice *s = &o->slice;

	s->service = dec_str(d, &service);
	if (s->service != NULL && s->service[0] == '\0')
		s->service = NULL;
	if (dec_peek(d, &type) == NULL)
		dec_fail(d, &type, "is missing; write IPv4, IPv6 or FQDN");
	s->family = (uint8_t)dec_word(d, &type, address_types, FQDN);
	s->nports = dec_count(d, &ports, DEC_PORTS_MAX);
	if (s->nports > 0)
		s->ports = arena_array(d->arena, s->nports, sizeof(*s->ports));
	for (struct dec_at it = dec_first(&ports); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		s->ports[it.index] = slice_port(d, &it);
	if (s->family == FQDN || d->is_bad)
		return;		/* names lead to no address we could forward to */
	s->nendpoints = dec_count(d, &endpoints, DEC_ENDPOINTS_MAX);
	if (s->nendpoints > 0)
		s->endpoints = arena_array(d->arena, s->nendpoints,
		    sizeof(*s->endpoints));
	for (struct dec_at it = dec_first(&endpoints);
	     it.node != NULL && !d->is_bad; it = dec_next(&it))
		s->endpoints[it.index] = endpoint(d, &it, s->family);
}
