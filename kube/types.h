/*
 * types.h - the Kubernetes objects Herald reads, as plain C.
 *
 * kube/decode.c makes them from JSON (or YAML, by way of the same tree); the
 * store owns them; the controller, the speaker and heraldctl only read them.
 * Every string and array lives in the object's arena. Absent strings are
 * NULL, absent arrays have count 0. What the decoder could not accept makes
 * it refuse the object as a whole; no half-decoded object exists.
 */
#ifndef HERALD_KUBE_TYPES_H
#define HERALD_KUBE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/ip.h"

enum kube_kind {
	KUBE_SERVICE,
	KUBE_ENDPOINT_SLICE,
	KUBE_NODE,
	KUBE_NAMESPACE,
	KUBE_POD,
	KUBE_IP_ADDRESS_POOL,
	KUBE_L2_ADVERTISEMENT,
	KUBE_NKINDS,
};

/* Labels or annotations, in the order they came. */
struct kube_map {
	struct kube_kv {
		const char *key;
		const char *value;
	} *kv;
	size_t n;
};

/* metav1.LabelSelector. Empty (both 0) selects everything. */
struct kube_selector {
	struct kube_map match_labels;
	struct kube_requirement {
		const char *key;
		enum kube_selector_op {
			KUBE_OP_IN, KUBE_OP_NOT_IN, KUBE_OP_EXISTS,
			KUBE_OP_NOT_EXISTS,
		} op;
		const char **values;
		size_t nvalues;
	} *exprs;
	size_t nexprs;
};

struct kube_meta {
	const char *ns;			/* NULL for cluster-scoped kinds */
	const char *name;		/* never NULL */
	const char *uid;
	const char *resource_version;	/* opaque; of a dir source, a hash */
	int64_t	generation;
	int64_t	created_sec;		/* seconds since the epoch, 0 unknown */
	bool	is_deleting;		/* metadata.deletionTimestamp is set */
	struct kube_map labels;
	struct kube_map annotations;
};

enum kube_proto { KUBE_TCP = 6, KUBE_UDP = 17, KUBE_SCTP = 132 }; /* IPPROTO_* */

enum kube_policy { KUBE_POLICY_CLUSTER, KUBE_POLICY_LOCAL };

enum kube_ip_families {
	KUBE_FAMILIES_DEFAULT,		/* ipFamilyPolicy absent */
	KUBE_SINGLE_STACK, KUBE_PREFER_DUAL_STACK, KUBE_REQUIRE_DUAL_STACK,
};

struct kube_service_port {
	const char *name;
	enum kube_proto proto;
	uint16_t port;			/* 1..65535 */
	uint16_t target_port;		/* 0 where target_name is set */
	const char *target_name;	/* a named container port */
	uint16_t node_port;		/* 0 none */
};

struct kube_ingress {			/* status.loadBalancer.ingress[] */
	struct ip ip;			/* IP_NONE where only a hostname is set */
	const char *hostname;
	const char *ip_mode;		/* "VIP", "Proxy" or NULL */
};

struct kube_service {
	bool	is_load_balancer;	/* spec.type is LoadBalancer */
	const char *load_balancer_class;
	const char *load_balancer_ip;	/* as written; the controller judges it */
	bool	is_headless;
	struct ip *cluster_ips;		/* valid addresses only */
	size_t	ncluster_ips;
	enum kube_ip_families family_policy;
	uint8_t	families[2];		/* spec.ipFamilies: IP_V4, IP_V6, 0 */
	enum kube_policy external_policy;
	enum kube_policy internal_policy;
	uint32_t affinity_sec;		/* ClientIP timeout, 0 for no affinity */
	bool	publish_not_ready;
	uint16_t health_check_node_port;
	struct prefix *source_ranges;	/* loadBalancerSourceRanges */
	size_t	nsource_ranges;
	struct kube_map selector;
	struct kube_service_port *ports;
	size_t	nports;
	struct kube_ingress *ingress;
	size_t	ningress;
};

struct kube_endpoint {
	struct ip ip;			/* the first address (the API uses only it) */
	bool	is_ready;		/* absent counts as true */
	bool	is_serving;		/* absent: as ready */
	bool	is_terminating;
	const char *node_name;		/* NULL where not given */
	const char *zone;
};

struct kube_endpoint_slice {
	const char *service;		/* kubernetes.io/service-name; NULL none */
	uint8_t	family;			/* IP_V4, IP_V6; 0 for FQDN slices */
	struct kube_slice_port {
		const char *name;	/* "" where absent, as the API does */
		enum kube_proto proto;
		uint16_t port;		/* 0: every port, unused by us */
	} *ports;
	size_t	nports;
	struct kube_endpoint *endpoints;
	size_t	nendpoints;
};

struct kube_node {
	struct ip *internal_ips;	/* status.addresses of type InternalIP */
	size_t	ninternal_ips;
	struct prefix *pod_cidrs;
	size_t	npod_cidrs;
	bool	is_unschedulable;
	bool	is_ready;		/* condition Ready is True */
	bool	is_network_unavailable;	/* condition NetworkUnavailable is True */
	const char *boot_id;
};

struct kube_pod {
	const char *node_name;
	struct ip *ips;
	size_t	nips;
	bool	is_host_network;
};

struct kube_ip_address_pool {		/* MetalLB's v1beta1 IPAddressPool */
	struct kube_pool_entry {
		const char *text;	/* as written */
		struct ip_range range;
		bool	is_cidr;	/* for avoidBuggyIPs: .0 and .255 */
	} *addresses;
	size_t	naddresses;
	bool	auto_assign;		/* default true */
	bool	avoid_buggy_ips;
	bool	has_allocation;		/* spec.serviceAllocation is present */
	int64_t	priority;		/* 0: last */
	const char **namespaces;
	size_t	nnamespaces;
	struct kube_selector *namespace_selectors;
	size_t	nnamespace_selectors;
	struct kube_selector *service_selectors;
	size_t	nservice_selectors;
};

struct kube_l2_advertisement {		/* MetalLB's v1beta1 L2Advertisement */
	const char **pools;
	size_t	npools;
	struct kube_selector *pool_selectors;
	size_t	npool_selectors;
	struct kube_selector *node_selectors;
	size_t	nnode_selectors;
	struct kube_selector *service_selectors;
	size_t	nservice_selectors;
	const char **interfaces;	/* none: every eligible one */
	size_t	ninterfaces;
};

struct kube_object {
	enum kube_kind kind;
	struct kube_meta meta;
	const char *origin;		/* "FILE:LINE" from a dir source, else NULL */
	struct arena arena;		/* owns everything the object points at */
	union {
		struct kube_service service;
		struct kube_endpoint_slice slice;
		struct kube_node node;
		struct kube_pod pod;
		struct kube_ip_address_pool pool;
		struct kube_l2_advertisement l2adv;
	};
};

/* "Service", "EndpointSlice", ... */
const char *kube_kind_name(enum kube_kind kind);

/* False for Node and Namespace. */
bool kube_kind_is_namespaced(enum kube_kind kind);

/* "TCP", "UDP", "SCTP". */
const char *kube_proto_name(enum kube_proto proto);

/* "ns/name", or "name" for a cluster-scoped object; lives in buf. */
enum { KUBE_KEY_LEN = 64 + 254 + 1 };
const char *kube_key(const struct kube_object *o, char buf[KUBE_KEY_LEN]);
#define KUBE_KEY(o) kube_key((o), (char[KUBE_KEY_LEN]){ 0 })

/* The value of key, or NULL. */
const char *kube_map_get(const struct kube_map *m, const char *key);

bool kube_selector_matches(const struct kube_selector *s,
    const struct kube_map *labels);

/* True where n is 0 or any of the selectors matches (MetalLB's "or" lists). */
bool kube_any_selector_matches(const struct kube_selector *s, size_t n,
    const struct kube_map *labels);

void kube_object_free(struct kube_object *o);

#endif
