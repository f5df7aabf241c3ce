/*
 * types.h - the Kubernetes objects Herald reads, as plain C.
 *
 * kube/decode.c makes them from JSON (or YAML, by way of the same tree); the
 * store owns them; the controller, the speaker and heraldctl only read them.
 * Every string and array lives in the object's arena. Absent strings are
 * NULL, absent arrays have count 0. What the decoder could not accept makes
 * it refuse the object as a whole: all there is of it then is a stub, which
 * says who it is, why it was refused and what its status shows.
 */
#ifndef HERALD_KUBE_TYPES_H
#define HERALD_KUBE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/ip.h"

/*
 * On a Node, as an annotation or a label with any value but "false": its speaker
 * is to hand over what it attracts. Set by heraldctl drain, or by hand.
 */
#define KUBE_DRAIN_KEY "heraldlb.io/drain"

enum kube_kind {
	KUBE_SERVICE,
	KUBE_ENDPOINT_SLICE,
	KUBE_NODE,
	KUBE_NAMESPACE,
	KUBE_POD,
	KUBE_SECRET,
	KUBE_CONFIG_MAP,
	KUBE_IP_ADDRESS_POOL,
	KUBE_L2_ADVERTISEMENT,
	KUBE_BGP_ADVERTISEMENT,
	KUBE_BGP_PEER,
	KUBE_COMMUNITY,
	KUBE_BFD_PROFILE,
	KUBE_FORWARDING_PROFILE,
	KUBE_SERVICE_L2_STATUS,
	KUBE_SERVICE_BGP_STATUS,
	KUBE_BGP_SESSION_STATE,
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
	const char *uid;		/* NULL of EndpointSlices and reports */
	const char *resource_version;	/* opaque; of a dir source, a hash */
	int64_t	generation;
	int64_t	created_sec;		/* seconds since the epoch, 0 unknown */
	bool	is_deleting;		/* metadata.deletionTimestamp is set */
	struct kube_map labels;		/* empty of EndpointSlices and reports */
	struct kube_map annotations;	/* likewise */
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
};

struct kube_ingress {			/* status.loadBalancer.ingress[] */
	struct ip ip;			/* IP_NONE where only a hostname is set */
	const char *hostname;
	const char *ip_mode;		/* "VIP", "Proxy" or NULL */
};

struct kube_service {
	bool	is_load_balancer;	/* spec.type is LoadBalancer */
	bool	is_headless;
	bool	publish_not_ready;
	uint8_t	families[2];		/* spec.ipFamilies: IP_V4, IP_V6, 0 */
	enum kube_ip_families family_policy;
	enum kube_policy external_policy;
	uint32_t affinity_sec;		/* ClientIP timeout, 0 for no affinity */
	const char *load_balancer_class;
	const char *load_balancer_ip;	/* as written; the controller judges it */
	struct ip *cluster_ips;		/* valid addresses only */
	size_t	ncluster_ips;
	struct prefix *source_ranges;	/* loadBalancerSourceRanges, or the annotation */
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
	/* Whose traffic it is meant for, as trafficDistribution has it; NULL: no hint. */
	struct kube_hints {
		const char **zones, **nodes;	/* either may be empty */
		size_t	nzones, nnodes;
	} *hints;
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
	bool	is_unschedulable;
	bool	is_ready;		/* condition Ready is True */
	bool	is_network_unavailable;	/* condition NetworkUnavailable is True */
};

struct kube_pod {
	const char *node_name;
	struct ip *ips;
	size_t	nips;
	bool	is_host_network;
};

/*
 * A Secret, with all it holds in clear. Only those in our own namespace are
 * read, and from the API none of Kubernetes' other types than these. Its memory
 * is overwritten when it is freed; what it holds must never be logged or shown.
 */
#define KUBE_SECRET_BASIC_AUTH "kubernetes.io/basic-auth"
#define KUBE_SECRET_TLS "kubernetes.io/tls"
struct kube_secret {
	const char *type;		/* NULL where absent */
	struct kube_secret_item {
		const char *key;
		const char *value;	/* any bytes; a NUL follows them */
		size_t	len;
	} *items;
	size_t	nitems;
};

/* A ConfigMap of our own namespace; what is not text is left out. */
struct kube_config_map {
	struct kube_map data;
};

/*
 * The condition Accepted in a status of ours, as it was last written. All of
 * it may be absent, or made up by somebody: it says what need not be written
 * again and is never a reason to refuse the object.
 */
struct kube_condition {
	const char *status;		/* "True", "False"; NULL: none is there */
	const char *reason;
	const char *message;
	const char *since;		/* lastTransitionTime, as written */
	int64_t	observed_generation;	/* 0 where absent */
};

enum kube_pool_strategy {		/* which free address a Service gets */
	KUBE_STRATEGY_LOWEST,
	KUBE_STRATEGY_SPREAD,
	KUBE_STRATEGY_STICKY,
};

enum kube_pool_sharing {		/* how far a sharing key reaches */
	KUBE_SHARING_SAME_NAMESPACE,	/* the default in our own API group */
	KUBE_SHARING_ANY_NAMESPACE,	/* MetalLB's, and so that of its group */
};

struct kube_pool_entry {
	const char *text;		/* as written */
	struct ip_range range;
	bool	is_cidr;
};

/* MetalLB's v1beta1 IPAddressPool, and what is marked as ours. */
struct kube_ip_address_pool {
	struct kube_pool_entry *addresses;
	size_t	naddresses;
	struct kube_pool_entry *reserved;	/* ours: never handed out */
	size_t	nreserved;
	bool	auto_assign;		/* default true */
	bool	avoid_buggy_ips;
	enum kube_pool_strategy strategy;	/* ours */
	enum kube_pool_sharing sharing;		/* ours */
	bool	has_allocation;		/* spec.serviceAllocation is present */
	int64_t	priority;		/* 0: last */
	const char **namespaces;
	size_t	nnamespaces;
	struct kube_selector *namespace_selectors;
	size_t	nnamespace_selectors;
	struct kube_selector *service_selectors;
	size_t	nservice_selectors;
	int64_t	assigned[2];		/* status: IPv4, IPv6; -1 where absent */
	int64_t	available[2];		/* likewise */
	struct kube_condition accepted;
};

/* What both kinds of advertisement say of which addresses, and from where. */
struct kube_scope {
	const char **pools;		/* with no pool_selectors either: every pool */
	size_t	npools;
	struct kube_selector *pool_selectors;
	size_t	npool_selectors;
	struct kube_selector *node_selectors;	/* none: every node */
	size_t	nnode_selectors;
	struct kube_selector *service_selectors;	/* none: every Service */
	size_t	nservice_selectors;
};

struct kube_l2_advertisement {		/* MetalLB's v1beta1 L2Advertisement */
	struct kube_scope scope;
	const char **interfaces;	/* none: every eligible one */
	size_t	ninterfaces;
	struct kube_preferred_node {	/* the highest sum of weights wins */
		uint32_t weight;	/* 1..100 */
		struct kube_selector selector;
	} *preferred;
	size_t	npreferred;
	struct kube_condition accepted;
};

/* A BGP community: two numbers of 16 bits (RFC 1997) or three of 32 (RFC 8092). */
struct kube_bgp_community {
	bool	is_large;
	uint32_t part[3];		/* part[2] of large ones only */
};

/* MetalLB's v1beta1 BGPAdvertisement; med, prepend and bandwidth are ours. */
struct kube_bgp_advertisement {
	struct kube_scope scope;
	uint8_t	aggregation_len;	/* IPv4: 1..32, default 32 */
	uint8_t	aggregation_len_v6;	/* 1..128, default 128 */
	bool	has_local_pref;
	uint32_t local_pref;		/* LOCAL_PREF to internal peers */
	bool	has_med;
	uint32_t med;			/* MULTI_EXIT_DISC, the lower one is preferred */
	bool	has_prepend;
	uint8_t	prepend;		/* times our AS is put before itself, 0..16 */
	uint32_t endpoint_mbps;		/* link bandwidth community: what a ready endpoint
					   here stands for, Mbit/s; 0: none */
	struct kube_community_ref {
		const char *name;	/* of a Community's entry; NULL: a value */
		struct kube_bgp_community value;
	} *communities;
	size_t	ncommunities;
	const char **peers;		/* names of BGPPeers; none: all */
	size_t	npeers;
	struct kube_condition accepted;
};

enum kube_bgp_dynamic_asn {
	KUBE_ASN_FIXED,			/* peer_asn says it */
	KUBE_ASN_INTERNAL,		/* whoever has ours */
	KUBE_ASN_EXTERNAL,		/* whoever has another than ours */
};

enum kube_bgp_role {			/* RFC 9234: what we are to the router */
	KUBE_ROLE_NONE,
	KUBE_ROLE_PROVIDER,
	KUBE_ROLE_RS,
	KUBE_ROLE_RS_CLIENT,
	KUBE_ROLE_CUSTOMER,
	KUBE_ROLE_PEER,
};

/* MetalLB's v1beta2 BGPPeer; from role on the fields are ours. */
struct kube_bgp_peer {
	uint32_t my_asn;
	uint32_t local_asn;		/* what this peer is shown; 0: my_asn */
	uint32_t peer_asn;		/* 0 unless KUBE_ASN_FIXED */
	enum kube_bgp_dynamic_asn dynamic_asn;
	struct ip address;		/* IP_NONE where interface is set */
	const char *interface;		/* unnumbered peering; NULL none */
	struct ip source;		/* IP_NONE: the system's choice */
	uint16_t port;			/* default 179 */
	bool	has_hold_time;
	uint32_t hold_ms;		/* 0 (no keepalives) or >= 3000 */
	bool	has_keepalive_time;
	uint32_t keepalive_ms;
	uint32_t connect_sec;		/* between attempts; 0: our default */
	struct ip router_id;		/* IPv4; IP_NONE: our choice */
	struct kube_selector *node_selectors;
	size_t	nnode_selectors;
	const char *password;		/* TCP MD5; NULL none */
	const char *password_secret;	/* name of a Secret; NULL none */
	const char *password_secret_ns;	/* NULL: the peer's namespace */
	const char *bfd_profile;	/* NULL: no BFD */
	const char *vrf;		/* NULL none */
	bool	ebgp_multi_hop;
	bool	graceful_restart;
	bool	disable_mp;		/* deprecated in MetalLB, without effect */
	bool	is_dual_stack;		/* both families over this session */
	enum kube_bgp_role role;
	bool	is_role_strict;		/* no session with a router that tells no role */
	bool	has_ttl_security;	/* GTSM (RFC 5082): on the link or not at all */
	bool	is_passive;		/* wait for the router to connect */
	bool	has_extended_messages;	/* RFC 8654 */
	bool	is_tcp_ao;		/* the password is a TCP-AO key, not one of MD5 */
	uint8_t	key_id;			/* of TCP-AO: SendID and RecvID */
	struct kube_condition accepted;
};

struct kube_community {			/* MetalLB's v1beta1 Community */
	struct kube_community_alias {
		const char *name;
		struct kube_bgp_community value;
	} *aliases;
	size_t	naliases;
};

struct kube_bfd_profile {		/* MetalLB's v1beta1 BFDProfile */
	uint32_t receive_ms;		/* 10..60000, default 300 */
	uint32_t transmit_ms;		/* likewise */
	uint32_t echo_ms;		/* 10..60000, default 50 */
	uint8_t	detect_multiplier;	/* 2..255, default 3 */
	uint8_t	minimum_ttl;		/* 1..254 of multi-hop sessions, default 254 */
	bool	echo_mode;
	bool	passive_mode;
};

enum kube_check_type {			/* what a health check speaks */
	KUBE_CHECK_NONE,		/* readiness alone counts */
	KUBE_CHECK_TCP, KUBE_CHECK_TCP_HALF_OPEN, KUBE_CHECK_HTTP, KUBE_CHECK_HTTPS,
	KUBE_CHECK_GRPC, KUBE_CHECK_UDP, KUBE_CHECK_DNS,
};

/* Bytes, not text: what a UDP check sends and expects. */
struct kube_bytes {
	const uint8_t *b;		/* NULL where absent */
	size_t	len;
};

struct kube_health_check {
	enum kube_check_type type;
	uint16_t port;			/* 0: the endpoint's own */
	uint32_t interval_ms;		/* from probe to probe; 10..3600000 */
	uint32_t timeout_ms;		/* 1..interval_ms */
	uint8_t	rise;			/* good results in a row to come up; 1..100 */
	uint8_t	fall;			/* bad ones to go down; 1..100 */
	uint8_t	jitter_percent;		/* an interval is shorter by up to so much; 0..50 */
	bool	starts_down;		/* until it has risen; else as readiness says */
	const char *path;		/* http, https: from "/"; never NULL there */
	const char *host;		/* http, https: NULL for the address */
	struct kube_status_range {
		uint16_t first, last;	/* 100..599 */
	} *statuses;			/* http, https: never empty there */
	size_t	nstatuses;
	const char *body_regex;		/* http, https: POSIX extended; NULL none */
	bool	is_tls;			/* https; grpc where spec has tls */
	const char *tls_name;		/* NULL: host, else the address */
	const char *tls_ca;		/* PEM; NULL: see tls_ca_from */
	struct kube_key_ref {
		enum kube_kind kind;	/* KUBE_SECRET (of type TLS), KUBE_CONFIG_MAP */
		const char *name;	/* NULL: any certificate will do */
		const char *key;	/* never NULL where name is not */
	} tls_ca_from;			/* in the profile's namespace; see tls.h */
	const char *tls_client;		/* a Secret of type TLS: what we show; NULL */
	const char *grpc_service;	/* "" the server as a whole; NULL not grpc */
	struct kube_bytes send;		/* udp */
	struct kube_bytes expect;	/* udp: somewhere in the answer; any: NULL */
	const char *dns_name;		/* dns: without the final dot */
	uint16_t dns_type;		/* dns: the QTYPE */
};

enum kube_forward_mode {
	KUBE_FORWARD_TUNNEL, KUBE_FORWARD_MASQUERADE, KUBE_FORWARD_DELEGATE,
};

enum kube_scheduler {
	KUBE_SCHED_MH, KUBE_SCHED_WRR, KUBE_SCHED_WLC, KUBE_SCHED_LC,
	KUBE_SCHED_SH, KUBE_SCHED_FO,
};

/* Ours, v1beta1: how the traffic of the Services it is for is forwarded. */
struct kube_forwarding_profile {
	/* A Service that no annotation sends elsewhere has to match both lists;
	   with neither, the profile is for those that name it only. */
	struct kube_selector *service_selectors;
	size_t	nservice_selectors;
	const char **namespaces;
	size_t	nnamespaces;
	enum kube_forward_mode mode;
	enum kube_scheduler scheduler;
	bool	has_drain;
	uint32_t drain_sec;		/* has_drain: for endpoints that leave, 0 none */
	uint32_t slow_start_sec;	/* 0 none; with WRR and WLC only */
	bool	is_one_packet;		/* schedule each datagram by itself; with WRR only */
	bool	has_hints;		/* endpoints' hints count, for this node */
	struct kube_health_check check;
	uint16_t quorum_up;		/* endpoints it takes to serve; 0: none set */
	uint16_t quorum_hysteresis;	/* so many fewer before it is lost; < up */
	struct kube_fallback {		/* a server, or the endpoints of a Service */
		struct ip ip;		/* IP_NONE where service is set */
		const char *service;	/* NULL: it is ip */
		const char *service_ns;	/* NULL: that of the Service without quorum */
		uint16_t port;		/* of ip, or of the service; 0: as that of the
					   Service without quorum */
	} *fallback;			/* who serves without quorum */
	size_t	nfallback;
	struct kube_condition accepted;
};

/* MetalLB's v1beta1 ServiceL2Status and ServiceBGPStatus; see report.h. */
struct kube_service_status {
	const char *node;		/* that announces; NULL not written yet */
	const char *svc_ns, *svc_name;
	const char **names;		/* L2: of interfaces; BGP: of BGPPeers */
	size_t	nnames;
	struct kube_condition conflict;	/* L2, in our own group: AddressConflict */
};

/* The BGPSessionState of frr-k8s, in our own API group. */
struct kube_session_state {
	const char *node;
	const char *peer;		/* the router's address, or the link to it */
	const char *peer_name;		/* ours: the BGPPeer's name */
	const char *vrf;
	const char *bgp;		/* "Established", "Active", "Idle" */
	const char *bfd;		/* "up", "down", "N/A" */
};

struct kube_object {
	enum kube_kind kind;
	struct kube_meta meta;
	const char *origin;		/* "FILE:LINE" from a dir source, else NULL */
	/*
	 * NULL, or why it was refused, field and remedy: then this is a stub,
	 * and nothing but kind, meta, origin and what its status holds (a
	 * Service's ingress, counters, the condition Accepted) is filled.
	 */
	const char *why_refused;
	struct arena arena;		/* holds the object and all it points at */
	/* One that kube_object_new() made ends with the member of its kind. */
	union {
		struct kube_service service;
		struct kube_endpoint_slice slice;
		struct kube_node node;
		struct kube_pod pod;
		struct kube_secret secret;
		struct kube_config_map config_map;
		struct kube_ip_address_pool pool;
		struct kube_l2_advertisement l2adv;
		struct kube_bgp_advertisement bgpadv;
		struct kube_bgp_peer bgp_peer;
		struct kube_community community;
		struct kube_bfd_profile bfd_profile;
		struct kube_service_status service_status;
		struct kube_session_state session_state;
		struct kube_forwarding_profile profile;
	};
};

/* Bytes of one: thousands are kept of some kinds, and the largest is that of few. */
size_t kube_object_size(enum kube_kind kind);

/* One of that kind, zeroed, with room for so many bytes in its arena; 0: not known. */
struct kube_object *kube_object_new(enum kube_kind kind, size_t room);

/* "Service", "EndpointSlice", ... */
const char *kube_kind_name(enum kube_kind kind);

/* False for Node and Namespace. */
bool kube_kind_is_namespaced(enum kube_kind kind);

/*
 * True for the kinds of our own API group, or MetalLB's, that people write: they
 * are there only once their CRDs are.
 */
bool kube_kind_is_custom(enum kube_kind kind);

/* True for the kinds that speakers write, see report.h; CRDs likewise. */
bool kube_kind_is_report(enum kube_kind kind);

/* True for kinds of one namespace only: the above, Secrets and ConfigMaps. */
bool kube_kind_is_local(enum kube_kind kind);

/* "lowest", "spread", "sticky"; "SameNamespace", "AnyNamespace": as in a spec. */
const char *kube_strategy_name(enum kube_pool_strategy s);
const char *kube_sharing_name(enum kube_pool_sharing s);

/* "none", "tcp", "http", ...: as in a spec. */
const char *kube_check_type_name(enum kube_check_type t);

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
