/* decode_core.c - the core/v1 kinds: Service, Node, Pod. */
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"

#define SOURCE_RANGES "service.beta.kubernetes.io/load-balancer-source-ranges"

enum service_type { CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME };

static const struct dec_word service_types[] = {
	{ "ClusterIP", CLUSTER_IP },
	{ "NodePort", NODE_PORT },
	{ "LoadBalancer", LOAD_BALANCER },
	{ "ExternalName", EXTERNAL_NAME },
	{ NULL, 0 },
};

static const struct dec_word policies[] = {
	{ "Cluster", KUBE_POLICY_CLUSTER },
	{ "Local", KUBE_POLICY_LOCAL },
	{ NULL, 0 },
};

static const struct dec_word family_policies[] = {
	{ "SingleStack", KUBE_SINGLE_STACK },
	{ "PreferDualStack", KUBE_PREFER_DUAL_STACK },
	{ "RequireDualStack", KUBE_REQUIRE_DUAL_STACK },
	{ NULL, 0 },
};

static const struct dec_word families[] = {
	{ "IPv4", IP_V4 },
	{ "IPv6", IP_V6 },
	{ NULL, 0 },
};

static const struct dec_word affinities[] = {
	{ "None", 0 },
	{ "ClientIP", 1 },
	{ NULL, 0 },
};

static struct kube_service_port
service_port(struct dec *d, const struct dec_at *at)
{
	struct dec_at name = dec_field(at, "name");
	struct dec_at proto = dec_field(at, "protocol");
	struct dec_at port = dec_field(at, "port");
	struct kube_service_port p = { .port = 0 };

	if (!dec_is_object(d, at))
		return p;
	if (port.node == NULL)
		dec_fail(d, &port, "is missing; write the port clients use");
	p.name = dec_str(d, &name);
	p.proto = (enum kube_proto)dec_word(d, &proto, dec_protos, KUBE_TCP);
	p.port = (uint16_t)dec_int(d, &port, 1, UINT16_MAX, 1);
	return p;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A port and protocol, or a name, that two ports share: the API refuses it. */
static void
service_ports_check(struct dec *d, const struct dec_at *at,
    const struct kube_service *s)
{
	uint32_t *numbers = arena_array(d->arena, s->nports, sizeof(*numbers));
	const char **names = arena_array(d->arena, s->nports, sizeof(*names));

	for (size_t i = 0; i < s->nports; i++) {
		struct dec_at it = { .up = at, .index = i };

		if (s->ports[i].name == NULL) {
			dec_fail(d, &it, "has no name; give every port one "
			    "where there are several");
			return;
		}
		names[i] = s->ports[i].name;
		numbers[i] = (uint32_t)s->ports[i].proto << 16 | s->ports[i].port;
	}
	qsort(numbers, s->nports, sizeof(*numbers), by_number);
	qsort(names, s->nports, sizeof(*names), by_name);
	for (size_t i = 1; i < s->nports; i++) {
		if (numbers[i] == numbers[i - 1])
			dec_fail(d, at, "port %u/%s appears twice; remove one",
			    numbers[i] & 0xffff,
			    kube_proto_name((enum kube_proto)(numbers[i] >> 16)));
		if (strcmp(names[i], names[i - 1]) == 0)
			dec_fail(d, at, "two ports are named \"%.63s\"; rename "
			    "one", names[i]);
	}
}

static void
service_ports(struct dec *d, const struct dec_at *spec, struct kube_service *s,
    bool may_be_none)
{
	struct dec_at ports = dec_field(spec, "ports");

	s->nports = dec_count(d, &ports, DEC_PORTS_MAX);
	if (s->nports == 0 && !may_be_none)
		dec_fail(d, &ports, "a Service needs at least one port");
	if (s->nports == 0)
		return;
	s->ports = arena_array(d->arena, s->nports, sizeof(*s->ports));
	for (struct dec_at it = dec_first(&ports); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		s->ports[it.index] = service_port(d, &it);
	if (s->nports > 1 && !d->is_bad)
		service_ports_check(d, &ports, s);
}

/* clusterIPs, or clusterIP where the former is not there. */
static void
service_cluster_ips(struct dec *d, const struct dec_at *spec,
    struct kube_service *s)
{
	struct dec_at one = dec_field(spec, "clusterIP");
	struct dec_at all = dec_field(spec, "clusterIPs");
	size_t n = dec_count(d, &all, DEC_ADDRESSES_MAX);
	struct dec_at it = n > 0 ? dec_first(&all) : one;

	s->cluster_ips = arena_array(d->arena, n > 0 ? n : 1,
	    sizeof(*s->cluster_ips));
	while (it.node != NULL && !d->is_bad) {
		const char *text = dec_peek(d, &it);

		if (text != NULL && strcmp(text, "None") == 0)
			s->is_headless = true;
		else if (text != NULL)
			s->cluster_ips[s->ncluster_ips++] = dec_ip(d, &it);
		if (n == 0)
			break;
		it = dec_next(&it);
	}
}

static void
service_families(struct dec *d, const struct dec_at *spec, struct kube_service *s)
{
	struct dec_at policy = dec_field(spec, "ipFamilyPolicy");
	struct dec_at list = dec_field(spec, "ipFamilies");

	s->family_policy = (enum kube_ip_families)dec_word(d, &policy,
	    family_policies, KUBE_FAMILIES_DEFAULT);
	if (dec_count(d, &list, 2) == 0)
		return;
	for (struct dec_at it = dec_first(&list); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		s->families[it.index] = (uint8_t)dec_word(d, &it, families, IP_NONE);
		if (s->families[it.index] == IP_NONE)
			dec_fail(d, &it, "is empty; write IPv4 or IPv6");
	}
	if (s->families[0] == s->families[1])
		dec_fail(d, &list, "names one family twice; remove one");
}

static void
service_affinity(struct dec *d, const struct dec_at *spec, struct kube_service *s)
{
	enum { DEFAULT_SEC = 10800, MAX_SEC = 86400 };	/* as the API server */
	struct dec_at affinity = dec_field(spec, "sessionAffinity");
	struct dec_at config = dec_field(spec, "sessionAffinityConfig");
	struct dec_at client = dec_field(&config, "clientIP");
	struct dec_at sec = dec_field(&client, "timeoutSeconds");

	if (dec_word(d, &affinity, affinities, 0) == 0)
		return;
	(void)dec_is_object(d, &config);
	(void)dec_is_object(d, &client);
	s->affinity_sec = (uint32_t)dec_int(d, &sec, 1, MAX_SEC, DEFAULT_SEC);
}

/* The block in the first n characters of s, at `at`; spaces around it are fine. */
static struct prefix
source_range(struct dec *d, const struct dec_at *at, const char *s, size_t n)
{
	static const char spaces[] = " \t\r\n";
	struct prefix p = { .len = 0 };
	char *text;

	while (n > 0 && strchr(spaces, *s) != NULL) {
		s++;
		n--;
	}
	while (n > 0 && strchr(spaces, s[n - 1]) != NULL)
		n--;
	text = arena_strndup(d->arena, s, n);
	if (prefix_parse(text, &p) != 0)
		dec_fail(d, at, "is no address block; write ADDRESS/LENGTH, for "
		    "one address 192.0.2.1/32");
	return p;
}

/*
 * The annotation is what clouds had before there was a field, and counts where that
 * is empty: blocks with commas between them.
 */
static void
annotated_source_ranges(struct dec *d, const struct dec_at *root, struct kube_service *s)
{
	struct dec_at meta = dec_field(root, "metadata");
	struct dec_at annotations = dec_field(&meta, "annotations");
	struct dec_at at = dec_field(&annotations, SOURCE_RANGES);
	const char *text = dec_peek(d, &at);
	size_t max = 1;

	if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
		return;
	for (const char *p = text; *p != '\0'; p++)
		max += *p == ',';
	if (max > DEC_LIST_MAX) {
		dec_fail(d, &at, "has more than %d address blocks", DEC_LIST_MAX);
		return;
	}
	s->source_ranges = arena_array(d->arena, max, sizeof(*s->source_ranges));
	for (; !d->is_bad && s->nsource_ranges < max; text += strcspn(text, ",") + 1)
		s->source_ranges[s->nsource_ranges++] = source_range(d, &at, text,
		    strcspn(text, ","));
}

static void
service_source_ranges(struct dec *d, const struct dec_at *root,
    const struct dec_at *spec, struct kube_service *s)
{
	struct dec_at at = dec_field(spec, "loadBalancerSourceRanges");
	size_t n = dec_count(d, &at, DEC_LIST_MAX);

	if (n == 0 && s->is_load_balancer)
		annotated_source_ranges(d, root, s);
	if (n == 0)
		return;
	s->nsource_ranges = n;
	s->source_ranges = arena_array(d->arena, n, sizeof(*s->source_ranges));
	for (struct dec_at it = dec_first(&at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		const char *text = dec_peek(d, &it);

		if (text == NULL)
			dec_fail(d, &it, "is empty; remove the item");
		else
			s->source_ranges[it.index] = source_range(d, &it, text,
			    strlen(text));
	}
}

void
dec_lb_status(struct dec *d, const struct dec_at *root, struct kube_service *s)
{
	struct dec_at status = dec_field(root, "status");
	struct dec_at lb = dec_field(&status, "loadBalancer");
	struct dec_at ingress = dec_field(&lb, "ingress");

	(void)dec_is_object(d, &status);
	(void)dec_is_object(d, &lb);
	s->ningress = dec_count(d, &ingress, DEC_LIST_MAX);
	if (s->ningress == 0)
		return;
	s->ingress = arena_array(d->arena, s->ningress, sizeof(*s->ingress));
	for (struct dec_at it = dec_first(&ingress); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at ip = dec_field(&it, "ip");
		struct dec_at hostname = dec_field(&it, "hostname");
		struct dec_at mode = dec_field(&it, "ipMode");

		if (!dec_is_object(d, &it))
			return;
		s->ingress[it.index] = (struct kube_ingress){
			.ip = dec_ip(d, &ip),
			.hostname = dec_str(d, &hostname),
			.ip_mode = dec_str(d, &mode),
		};
	}
}

void
dec_service(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at type = dec_field(&spec, "type");
	struct dec_at class = dec_field(&spec, "loadBalancerClass");
	struct dec_at lb_ip = dec_field(&spec, "loadBalancerIP");
	struct dec_at external = dec_field(&spec, "externalTrafficPolicy");
	struct dec_at not_ready = dec_field(&spec, "publishNotReadyAddresses");
	struct dec_at selector = dec_field(&spec, "selector");
	struct kube_service *s = &o->service;
	int t;

	if (!dec_is_object(d, &spec)) {
		dec_fail(d, &spec, "is missing");
		return;
	}
	t = dec_word(d, &type, service_types, CLUSTER_IP);
	s->is_load_balancer = t == LOAD_BALANCER;
	s->load_balancer_class = dec_str(d, &class);
	s->load_balancer_ip = dec_str(d, &lb_ip);
	s->external_policy = (enum kube_policy)dec_word(d, &external, policies,
	    KUBE_POLICY_CLUSTER);
	s->publish_not_ready = dec_bool(d, &not_ready, false);
	s->selector = dec_map(d, &selector, NULL);
	service_cluster_ips(d, &spec, s);
	service_families(d, &spec, s);
	service_affinity(d, &spec, s);
	service_source_ranges(d, root, &spec, s);
	service_ports(d, &spec, s, s->is_headless || t == EXTERNAL_NAME);
}

static void
node_addresses(struct dec *d, const struct dec_at *status, struct kube_node *n)
{
	struct dec_at list = dec_field(status, "addresses");
	size_t count = dec_count(d, &list, DEC_LIST_MAX);

	if (count == 0)
		return;
	n->internal_ips = arena_array(d->arena, count, sizeof(*n->internal_ips));
	for (struct dec_at it = dec_first(&list); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at type = dec_field(&it, "type");
		struct dec_at address = dec_field(&it, "address");
		const char *t = dec_peek(d, &type);
		const char *text = dec_peek(d, &address);

		/* The API server takes any text here: skip what is none. */
		if (t != NULL && strcmp(t, "InternalIP") == 0 && text != NULL &&
		    ip_parse(text, &n->internal_ips[n->ninternal_ips]) == 0)
			n->ninternal_ips++;
	}
}

static void
node_conditions(struct dec *d, const struct dec_at *status, struct kube_node *n)
{
	struct dec_at list = dec_field(status, "conditions");

	if (dec_count(d, &list, DEC_LIST_MAX) == 0)
		return;
	for (struct dec_at it = dec_first(&list); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at type = dec_field(&it, "type");
		struct dec_at value = dec_field(&it, "status");
		const char *t = dec_peek(d, &type);
		const char *v = dec_peek(d, &value);
		bool is_true = v != NULL && strcmp(v, "True") == 0;

		if (t != NULL && strcmp(t, "Ready") == 0)
			n->is_ready = is_true;
		else if (t != NULL && strcmp(t, "NetworkUnavailable") == 0)
			n->is_network_unavailable = is_true;
	}
}

void
dec_node(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at status = dec_field(root, "status");
	struct dec_at unschedulable = dec_field(&spec, "unschedulable");
	struct kube_node *n = &o->node;

	(void)dec_is_object(d, &spec);
	(void)dec_is_object(d, &status);
	n->is_unschedulable = dec_bool(d, &unschedulable, false);
	node_addresses(d, &status, n);
	node_conditions(d, &status, n);
}

void
dec_pod(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at status = dec_field(root, "status");
	struct dec_at node_name = dec_field(&spec, "nodeName");
	struct dec_at host_network = dec_field(&spec, "hostNetwork");
	struct dec_at one = dec_field(&status, "podIP");
	struct dec_at all = dec_field(&status, "podIPs");
	size_t count = dec_count(d, &all, DEC_ADDRESSES_MAX);
	struct kube_pod *p = &o->pod;

	(void)dec_is_object(d, &spec);
	(void)dec_is_object(d, &status);
	p->node_name = dec_str(d, &node_name);
	p->is_host_network = dec_bool(d, &host_network, false);
	p->ips = arena_array(d->arena, count > 0 ? count : 1, sizeof(*p->ips));
	if (count == 0 && dec_peek(d, &one) != NULL)
		p->ips[p->nips++] = dec_ip(d, &one);
	for (struct dec_at it = dec_first(&all); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at ip = dec_field(&it, "ip");

		if (dec_is_object(d, &it) && dec_peek(d, &ip) != NULL)
			p->ips[p->nips++] = dec_ip(d, &ip);
	}
}
