/* types.c - names, keys and selectors; see types.h. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/types.h"
#include "lib/mem.h"

const char *
kube_kind_name(enum kube_kind kind)
{
	static const char *const names[KUBE_NKINDS] = {
		[KUBE_SERVICE] = "Service",
		[KUBE_ENDPOINT_SLICE] = "EndpointSlice",
		[KUBE_NODE] = "Node",
		[KUBE_NAMESPACE] = "Namespace",
		[KUBE_POD] = "Pod",
		[KUBE_SECRET] = "Secret",
		[KUBE_CONFIG_MAP] = "ConfigMap",
		[KUBE_IP_ADDRESS_POOL] = "IPAddressPool",
		[KUBE_L2_ADVERTISEMENT] = "L2Advertisement",
		[KUBE_BGP_ADVERTISEMENT] = "BGPAdvertisement",
		[KUBE_BGP_PEER] = "BGPPeer",
		[KUBE_COMMUNITY] = "Community",
		[KUBE_BFD_PROFILE] = "BFDProfile",
		[KUBE_FORWARDING_PROFILE] = "ForwardingProfile",
		[KUBE_SERVICE_L2_STATUS] = "ServiceL2Status",
		[KUBE_SERVICE_BGP_STATUS] = "ServiceBGPStatus",
		[KUBE_BGP_SESSION_STATE] = "BGPSessionState",
	};

	return (unsigned)kind < KUBE_NKINDS ? names[kind] : "unknown kind";
}

bool
kube_kind_is_namespaced(enum kube_kind kind)
{
	return kind != KUBE_NODE && kind != KUBE_NAMESPACE;
}

bool
kube_kind_is_custom(enum kube_kind kind)
{
	switch (kind) {
	case KUBE_IP_ADDRESS_POOL:
	case KUBE_L2_ADVERTISEMENT:
	case KUBE_BGP_ADVERTISEMENT:
	case KUBE_BGP_PEER:
	case KUBE_COMMUNITY:
	case KUBE_BFD_PROFILE:
	case KUBE_FORWARDING_PROFILE:
		return true;
	case KUBE_SERVICE:
	case KUBE_ENDPOINT_SLICE:
	case KUBE_NODE:
	case KUBE_NAMESPACE:
	case KUBE_POD:
	case KUBE_SECRET:
	case KUBE_CONFIG_MAP:
	case KUBE_SERVICE_L2_STATUS:
	case KUBE_SERVICE_BGP_STATUS:
	case KUBE_BGP_SESSION_STATE:
	case KUBE_NKINDS:
		break;
	}
	return false;
}

bool
kube_kind_is_report(enum kube_kind kind)
{
	return kind == KUBE_SERVICE_L2_STATUS || kind == KUBE_SERVICE_BGP_STATUS ||
	    kind == KUBE_BGP_SESSION_STATE;
}

bool
kube_kind_is_local(enum kube_kind kind)
{
	return kube_kind_is_custom(kind) || kube_kind_is_report(kind) ||
	    kind == KUBE_SECRET || kind == KUBE_CONFIG_MAP;
}

const char *
kube_strategy_name(enum kube_pool_strategy s)
{
	switch (s) {
	case KUBE_STRATEGY_LOWEST:
		return "lowest";
	case KUBE_STRATEGY_SPREAD:
		return "spread";
	case KUBE_STRATEGY_STICKY:
		return "sticky";
	}
	return "unknown";
}

const char *
kube_sharing_name(enum kube_pool_sharing s)
{
	switch (s) {
	case KUBE_SHARING_SAME_NAMESPACE:
		return "SameNamespace";
	case KUBE_SHARING_ANY_NAMESPACE:
		return "AnyNamespace";
	}
	return "unknown";
}

const char *
kube_check_type_name(enum kube_check_type t)
{
	static const char *const names[] = {
		[KUBE_CHECK_NONE] = "none", [KUBE_CHECK_TCP] = "tcp",
		[KUBE_CHECK_TCP_HALF_OPEN] = "tcp-half-open",
		[KUBE_CHECK_HTTP] = "http", [KUBE_CHECK_HTTPS] = "https",
		[KUBE_CHECK_GRPC] = "grpc", [KUBE_CHECK_UDP] = "udp",
		[KUBE_CHECK_DNS] = "dns",
	};

	return (size_t)t < nitems(names) ? names[t] : "unknown";
}

const char *
kube_proto_name(enum kube_proto proto)
{
	switch (proto) {
	case KUBE_TCP:
		return "TCP";
	case KUBE_UDP:
		return "UDP";
	case KUBE_SCTP:
		return "SCTP";
	}
	return "unknown protocol";
}

const char *
kube_key(const struct kube_object *o, char buf[KUBE_KEY_LEN])
{
	const char *ns = o->meta.ns;

	snprintf(buf, KUBE_KEY_LEN, "%s%s%s", ns == NULL ? "" : ns,
	    ns == NULL ? "" : "/", o->meta.name);
	return buf;
}

const char *
kube_map_get(const struct kube_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->kv[i].key, key) == 0)
			return m->kv[i].value;
	return NULL;
}

static bool
requirement_lists(const struct kube_requirement *r, const char *value)
{
	for (size_t i = 0; i < r->nvalues; i++)
		if (strcmp(r->values[i], value) == 0)
			return true;
	return false;
}

static bool
requirement_matches(const struct kube_requirement *r,
    const struct kube_map *labels)
{
	const char *value = kube_map_get(labels, r->key);

	switch (r->op) {
	case KUBE_OP_IN:
		return value != NULL && requirement_lists(r, value);
	case KUBE_OP_NOT_IN:
		/* An absent label is not among the values: as the API has it. */
		return value == NULL || !requirement_lists(r, value);
	case KUBE_OP_EXISTS:
		return value != NULL;
	case KUBE_OP_NOT_EXISTS:
		return value == NULL;
	}
	return false;
}

bool
kube_selector_matches(const struct kube_selector *s,
    const struct kube_map *labels)
{
	for (size_t i = 0; i < s->match_labels.n; i++) {
		const struct kube_kv *want = &s->match_labels.kv[i];
		const char *value = kube_map_get(labels, want->key);

		if (value == NULL || strcmp(value, want->value) != 0)
			return false;
	}
	for (size_t i = 0; i < s->nexprs; i++)
		if (!requirement_matches(&s->exprs[i], labels))
			return false;
	return true;
}

bool
kube_any_selector_matches(const struct kube_selector *s, size_t n,
    const struct kube_map *labels)
{
	for (size_t i = 0; i < n; i++)
		if (kube_selector_matches(&s[i], labels))
			return true;
	return n == 0;
}

size_t
kube_object_size(enum kube_kind kind)
{
#define SIZE_WITH(member) \
	(offsetof(struct kube_object, member) + sizeof(((struct kube_object *)0)->member))
	switch (kind) {
	case KUBE_SERVICE:
		return SIZE_WITH(service);
	case KUBE_ENDPOINT_SLICE:
		return SIZE_WITH(slice);
	case KUBE_POD:
		return SIZE_WITH(pod);
	case KUBE_SERVICE_L2_STATUS:
	case KUBE_SERVICE_BGP_STATUS:
		return SIZE_WITH(service_status);
	default:
		return sizeof(struct kube_object);
	}
#undef SIZE_WITH
}

struct kube_object *
kube_object_new(enum kube_kind kind, size_t room)
{
	size_t size = kube_object_size(kind);
	struct arena a = { NULL };
	struct kube_object *o;

	arena_reserve(&a, size + room);
	o = arena_alloc(&a, size);
	o->kind = kind;
	o->arena = a;
	return o;
}

void
kube_object_free(struct kube_object *o)
{
	struct arena a;

	if (o == NULL)
		return;
	a = o->arena;
	if (o->kind == KUBE_SECRET)
		arena_wipe(&a);
	else
		arena_fini(&a);
}
