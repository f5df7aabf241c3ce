#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "tests/check.h"
#include "tests/kube/json.h"
#include "tests/kube/kinds.h"

static struct kube_object *
decode(const char *quoted)
{
	return json_object(quoted, NULL);
}

static const char full_service[] =
"{'apiVersion':'v1','kind':'Service','metadata':{'name':'web','namespace':'shop',"
"'uid':'u-1','resourceVersion':'42','generation':3,"
"'creationTimestamp':'2026-11-20T23:00:00Z','labels':{'app':'web','empty':''},"
"'annotations':{'metallb.io/loadBalancerIPs':'192.0.2.7',"
"'kubectl.kubernetes.io/last-applied-configuration':'{...}'},"
"'managedFields':[{'manager':'x','fieldsV1':{'f:spec':{}}}]},"
"'spec':{'type':'LoadBalancer','loadBalancerClass':'heraldlb.io/herald',"
"'loadBalancerIP':'192.0.2.7','clusterIP':'10.96.0.7',"
"'clusterIPs':['10.96.0.7','fd00::7'],'ipFamilies':['IPv4','IPv6'],"
"'ipFamilyPolicy':'RequireDualStack','externalTrafficPolicy':'Local',"
"'internalTrafficPolicy':'Cluster','sessionAffinity':'ClientIP',"
"'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':60}},"
"'publishNotReadyAddresses':true,'healthCheckNodePort':31000,"
"'loadBalancerSourceRanges':[' 192.0.2.0/24 ','2001:db8::/32'],"
"'selector':{'app':'web'},"
"'ports':[{'name':'http','protocol':'TCP','port':80,'targetPort':8080,"
"'nodePort':30080},{'name':'dns','protocol':'UDP','port':53,'targetPort':'dns'},"
"{'name':'s','protocol':'SCTP','port':80}]},"
"'status':{'loadBalancer':{'ingress':[{'ip':'192.0.2.7','ipMode':'Proxy'},"
"{'hostname':'lb.example'}]}}}";

START_TEST(service)
{
	struct kube_object *o = decode(full_service);
	const struct kube_service *s = &o->service;

	ck_assert_str_eq(KUBE_KEY(o), "shop/web");
	ck_assert_str_eq(o->meta.uid, "u-1");
	ck_assert_str_eq(o->meta.resource_version, "42");
	ck_assert_int_eq(o->meta.generation, 3);
	ck_assert_int_eq(o->meta.created_sec, 1795215600);
	ck_assert(!o->meta.is_deleting);
	ck_assert_str_eq(kube_map_get(&o->meta.labels, "empty"), "");
	ck_assert_msg(o->meta.annotations.n == 1, "last-applied is not kept");
	ck_assert_ptr_null(o->origin);

	ck_assert(s->is_load_balancer && !s->is_headless && s->publish_not_ready);
	ck_assert_str_eq(s->load_balancer_class, "heraldlb.io/herald");
	ck_assert_str_eq(s->load_balancer_ip, "192.0.2.7");
	ck_assert_uint_eq(s->ncluster_ips, 2);
	ck_assert_str_eq(IP_STR(&s->cluster_ips[1]), "fd00::7");
	ck_assert_int_eq(s->family_policy, KUBE_REQUIRE_DUAL_STACK);
	ck_assert(s->families[0] == IP_V4 && s->families[1] == IP_V6);
	ck_assert_int_eq(s->external_policy, KUBE_POLICY_LOCAL);
	ck_assert_uint_eq(s->affinity_sec, 60);
	ck_assert_uint_eq(s->nsource_ranges, 2);
	ck_assert_str_eq(PREFIX_STR(&s->source_ranges[0]), "192.0.2.0/24");
	ck_assert_str_eq(kube_map_get(&s->selector, "app"), "web");

	ck_assert_uint_eq(s->nports, 3);
	ck_assert_str_eq(s->ports[0].name, "http");
	ck_assert_int_eq(s->ports[1].proto, KUBE_UDP);

	ck_assert_uint_eq(s->ningress, 2);
	ck_assert_str_eq(IP_STR(&s->ingress[0].ip), "192.0.2.7");
	ck_assert_str_eq(s->ingress[0].ip_mode, "Proxy");
	ck_assert(!ip_is_set(&s->ingress[1].ip));
	ck_assert_str_eq(s->ingress[1].hostname, "lb.example");
	kube_object_free(o);
}
END_TEST

#define RANGES(type, text, spec)						\
	"{'apiVersion':'v1','kind':'Service','metadata':{'name':'a','namespace':'b',"	\
	"'annotations':{'service.beta.kubernetes.io/load-balancer-source-ranges':"	\
	"'" text "'}},'spec':{'type':'" type "','ports':[{'port':80}]" spec "}}"

static const struct {
	const char *why, *object, *ranges, *err;
} annotated[] = {
	{ "both families, spaces", RANGES("LoadBalancer", " 192.0.2.0/24 , 2001:db8::/32",
	    ""), "192.0.2.0/24 2001:db8::/32 ", NULL },
	{ "the field goes before it", RANGES("LoadBalancer", "192.0.2.0/24",
	    ",'loadBalancerSourceRanges':['198.51.100.0/24']"), "198.51.100.0/24 ", NULL },
	{ "unless that is empty", RANGES("LoadBalancer", "192.0.2.0/24",
	    ",'loadBalancerSourceRanges':[]"), "192.0.2.0/24 ", NULL },
	{ "nothing in it: everyone", RANGES("LoadBalancer", "  ", ""), "", NULL },
	{ "of another type it says nothing", RANGES("ClusterIP", "x", ""), "", NULL },
	{ "an address", RANGES("LoadBalancer", "192.0.2.0/24,192.0.2.1", ""), NULL,
	    "load-balancer-source-ranges\"]: \"192.0.2.0/24,192.0.2.1\": is no address block" },
	{ "a comma too many", RANGES("LoadBalancer", "192.0.2.0/24,", ""), NULL,
	    "is no address block" },
};

START_TEST(service_annotated)
{
	char *object = json(annotated[_i].object), text[128] = "";
	struct kube_error err = { .text = "" };
	struct kube_object *o = NULL;
	int r = json_decode(object, strlen(object), NULL, KUBE_NKINDS, &o, &err);

	free(object);
	ck_assert_msg((r != 0) == (annotated[_i].err != NULL), "%s: %s", annotated[_i].why,
	    err.text);
	if (r != 0) {
		ck_assert_msg(strstr(err.text, annotated[_i].err) != NULL, "%s: %s",
		    annotated[_i].why, err.text);
		kube_object_free(o);
		return;
	}
	for (size_t i = 0; i < o->service.nsource_ranges; i++) {
		strcat(text, PREFIX_STR(&o->service.source_ranges[i]));
		strcat(text, " ");
	}
	ck_assert_msg(strcmp(text, annotated[_i].ranges) == 0, "%s: %s", annotated[_i].why,
	    text);
	kube_object_free(o);
}
END_TEST

START_TEST(service_defaults)
{
	struct kube_object *o = decode(SPEC("'sessionAffinity':'ClientIP',"
	    "'loadBalancerIP':'','clusterIP':'','status':null"));
	const struct kube_service *s = &o->service;

	ck_assert(!s->is_load_balancer && !s->is_headless);
	ck_assert_msg(s->affinity_sec == 10800, "the API server's default");
	ck_assert_msg(s->load_balancer_ip == NULL, "\"\" is absent");
	ck_assert_ptr_null(s->load_balancer_class);
	ck_assert_int_eq(s->ports[0].proto, KUBE_TCP);
	ck_assert_uint_eq(s->ncluster_ips, 0);
	ck_assert_int_eq(s->family_policy, KUBE_FAMILIES_DEFAULT);
	ck_assert_uint_eq(s->affinity_sec, 10800);
	kube_object_free(o);

	o = decode(SVC("'spec':{'clusterIP':'None'}"));
	ck_assert_msg(o->service.is_headless && o->service.nports == 0,
	    "a headless Service needs no port");
	kube_object_free(o);
	o = decode(SVC("'spec':{'type':'ExternalName','externalName':'x.example'}"));
	ck_assert(!o->service.is_load_balancer);
	kube_object_free(o);
}
END_TEST

START_TEST(memory_of_a_service_is_small)
{
	struct kube_object *o = decode(full_service);

	/* 10,000 such are 25 MB, and plain ones half of that. */
	ck_assert_uint_le(arena_size(&o->arena), 2304);
	kube_object_free(o);
	o = decode(SPEC("'type':'LoadBalancer','clusterIP':'10.0.0.1',"
	    "'selector':{'app':'web'}"));
	ck_assert_uint_le(arena_size(&o->arena), 768);
	kube_object_free(o);
}
END_TEST

START_TEST(slice_v1)
{
	struct kube_object *o = decode(
"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{"
"'name':'web-x7','namespace':'shop','labels':{'kubernetes.io/service-name':'web'}},"
"'addressType':'IPv4','ports':[{'name':'','port':8080,'protocol':'TCP'},"
"{'name':'dns','port':53,'protocol':'UDP'},{'name':'all'}],"
"'endpoints':[{'addresses':['10.244.1.5','10.244.1.6'],'conditions':{'ready':true,"
"'serving':true,'terminating':false},'nodeName':'n1','zone':'z1','hints':{"
    "'forZones':[{'name':'z1'},{'name':'z2'}],'forNodes':[{'name':'n1'}]}},"
"{'addresses':['10.244.2.5'],'conditions':{'ready':false,'serving':true,"
"'terminating':true}},{'addresses':['10.244.3.5'],'conditions':{'ready':false}},"
"{'addresses':['10.244.4.5'],'conditions':{}}, {'addresses':['10.244.4.6']}]}");
	const struct kube_endpoint_slice *s = &o->slice;

	ck_assert_str_eq(s->service, "web");
	ck_assert_uint_eq(s->family, IP_V4);
	ck_assert_uint_eq(s->nports, 3);
	ck_assert_str_eq(s->ports[0].name, "");
	ck_assert_uint_eq(s->ports[0].port, 8080);
	ck_assert_int_eq(s->ports[1].proto, KUBE_UDP);
	ck_assert_msg(s->ports[2].port == 0, "no port is every port");
	ck_assert_uint_eq(s->nendpoints, 5);
	ck_assert_str_eq(IP_STR(&s->endpoints[0].ip), "10.244.1.5");
	ck_assert_str_eq(s->endpoints[0].node_name, "n1");
	ck_assert(s->endpoints[0].hints->nzones == 2 && s->endpoints[0].hints->nnodes == 1);
	ck_assert_str_eq(s->endpoints[0].hints->zones[1], "z2");
	ck_assert_str_eq(s->endpoints[0].hints->nodes[0], "n1");
	ck_assert_ptr_null(s->endpoints[1].hints);
	ck_assert(s->endpoints[0].is_ready && s->endpoints[0].is_serving);
	ck_assert(!s->endpoints[1].is_ready && s->endpoints[1].is_serving &&
	    s->endpoints[1].is_terminating);
	ck_assert_ptr_null(s->endpoints[1].node_name);
	ck_assert_msg(!s->endpoints[2].is_ready && !s->endpoints[2].is_serving,
	    "serving is as ready where it is absent");
	ck_assert_msg(s->endpoints[3].is_ready && s->endpoints[4].is_ready,
	    "an unknown ready counts as true");
	kube_object_free(o);
}
END_TEST

START_TEST(slice_v1beta1)
{
	struct kube_object *o = decode(
"{'apiVersion':'discovery.k8s.io/v1beta1','kind':'EndpointSlice',"
"'metadata':{'name':'web-x7','namespace':'shop'},'addressType':'IPv6',"
"'ports':null,'endpoints':[{'addresses':['fd00::5'],'conditions':{'ready':true},"
"'topology':{'kubernetes.io/hostname':'n1','topology.kubernetes.io/zone':'z1'}}]}");
	const struct kube_endpoint *e = &o->slice.endpoints[0];

	ck_assert_ptr_null(o->slice.service);
	ck_assert_uint_eq(o->slice.family, IP_V6);
	ck_assert_str_eq(e->node_name, "n1");
	ck_assert(e->is_ready && e->is_serving && !e->is_terminating);
	kube_object_free(o);
	o = decode(SLICE("'addressType':'FQDN','endpoints':[{'addresses':['a.example']}]"));
	ck_assert_msg(o->slice.family == 0 && o->slice.nendpoints == 0,
	    "names are no endpoints of ours");
	kube_object_free(o);
}
END_TEST

START_TEST(node_namespace_pod)
{
	struct kube_object *o = decode(NODE(
	    "'spec':{'unschedulable':true},'status':{'addresses':["
	    "{'type':'Hostname','address':'n1'},{'type':'InternalIP','address':"
	    "'192.0.2.11'},{'type':'InternalIP','address':'n1.example'},"
	    "{'type':'ExternalIP','address':'203.0.113.1'},"
	    "{'type':'InternalIP','address':'2001:db8::11'}],'conditions':["
	    "{'type':'Ready','status':'True'},"
	    "{'type':'NetworkUnavailable','status':'False'}],"
	    "'nodeInfo':{'bootID':'b-1'}}"));

	ck_assert_str_eq(KUBE_KEY(o), "n1");
	ck_assert_ptr_null(o->meta.ns);
	ck_assert(o->node.is_unschedulable && o->node.is_ready &&
	    !o->node.is_network_unavailable);
	ck_assert_msg(o->node.ninternal_ips == 2, "a name among them is skipped");
	ck_assert_str_eq(IP_STR(&o->node.internal_ips[1]), "2001:db8::11");
	kube_object_free(o);

	o = decode(NODE("'status':{'conditions':["
	    "{'type':'Ready','status':'Unknown'},"
	    "{'type':'NetworkUnavailable','status':'True'}]}"));
	ck_assert(!o->node.is_ready && o->node.is_network_unavailable);
	kube_object_free(o);

	o = decode("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'shop',"
	    "'namespace':'ignored','deletionTimestamp':'2026-11-20T23:00:00Z',"
	    "'labels':{'team':'a'}}}");
	ck_assert(o->kind == KUBE_NAMESPACE && o->meta.is_deleting);
	ck_assert_str_eq(KUBE_KEY(o), "shop");
	kube_object_free(o);

	o = decode("{'apiVersion':'v1','kind':'Pod'," META ",'spec':{'nodeName':'n1',"
	    "'hostNetwork':true},'status':{'podIP':'10.0.0.1','podIPs':["
	    "{'ip':'10.0.0.1'},{'ip':'fd00::1'}]}}");
	ck_assert_str_eq(o->pod.node_name, "n1");
	ck_assert(o->pod.is_host_network);
	ck_assert_uint_eq(o->pod.nips, 2);
	kube_object_free(o);
	o = decode("{'apiVersion':'v1','kind':'Pod'," META ",'spec':{},"
	    "'status':{'podIP':'10.0.0.1'}}");
	ck_assert_uint_eq(o->pod.nips, 1);
	kube_object_free(o);
}
END_TEST

START_TEST(pool_and_l2adv)
{
	struct kube_object *o = decode(POOL("'addresses':['192.0.2.0/28',"
	    "'192.0.2.100-192.0.2.120','2001:db8::/120'],'autoAssign':false,"
	    "'avoidBuggyIPs':true,'serviceAllocation':{'priority':50,"
	    "'namespaces':['shop'],'namespaceSelectors':[{'matchLabels':{'a':'b'}}],"
	    "'serviceSelectors':[{'matchExpressions':[{'key':'app','operator':'In',"
	    "'values':['web','']},{'key':'x','operator':'DoesNotExist'}]}]}"));
	const struct kube_ip_address_pool *p = &o->pool;

	ck_assert_uint_eq(p->naddresses, 3);
	ck_assert_str_eq(p->addresses[0].text, "192.0.2.0/28");
	ck_assert(p->addresses[0].is_cidr && !p->addresses[1].is_cidr);
	ck_assert_str_eq(IP_RANGE_STR(&p->addresses[1].range),
	    "192.0.2.100-192.0.2.120");
	ck_assert(!p->auto_assign && p->avoid_buggy_ips && p->has_allocation);
	ck_assert_int_eq(p->priority, 50);
	ck_assert_str_eq(p->namespaces[0], "shop");
	ck_assert_str_eq(kube_map_get(&p->namespace_selectors[0].match_labels, "a"), "b");
	ck_assert_uint_eq(p->service_selectors[0].nexprs, 2);
	ck_assert_uint_eq(p->service_selectors[0].exprs[0].nvalues, 2);
	ck_assert_str_eq(p->service_selectors[0].exprs[0].values[1], "");
	ck_assert_int_eq(p->service_selectors[0].exprs[1].op, KUBE_OP_NOT_EXISTS);
	kube_object_free(o);

	o = decode(POOL("'addresses':['192.0.2.1/32']"));
	ck_assert_msg(o->pool.auto_assign, "autoAssign is true unless said");
	ck_assert(!o->pool.has_allocation);
	kube_object_free(o);

	o = decode(L2ADV("'ipAddressPools':['a','b'],'interfaces':['eth0'],"
	    "'nodeSelectors':[{'matchLabels':{'edge':'yes'}}],"
	    "'ipAddressPoolSelectors':[{}],'serviceSelectors':[{},{}],"
	    "'preferredNodeSelectors':[{'weight':100,'preference':"
	    "{'matchLabels':{'a':'b'}}},{'weight':1,'preference':{}}]"));
	ck_assert_uint_eq(o->l2adv.scope.npools, 2);
	ck_assert_str_eq(o->l2adv.interfaces[0], "eth0");
	ck_assert_uint_eq(o->l2adv.scope.nnode_selectors, 1);
	ck_assert_uint_eq(o->l2adv.scope.npool_selectors, 1);
	ck_assert_uint_eq(o->l2adv.scope.nservice_selectors, 2);
	ck_assert_uint_eq(o->l2adv.npreferred, 2);
	ck_assert_uint_eq(o->l2adv.preferred[0].weight, 100);
	ck_assert_uint_eq(o->l2adv.preferred[0].selector.match_labels.n, 1);
	kube_object_free(o);
	o = decode("{'apiVersion':'heraldlb.io/v1beta1','kind':'L2Advertisement'," META
	    "}");
	ck_assert_msg(o->l2adv.scope.npools == 0, "no spec: everything");
	kube_object_free(o);
}
END_TEST

#define WHOLE(min, max) "a whole number from " min " to " max " belongs here"

static const struct {
	const char *why, *text;
	int rc;
	const char *error;
} refusals[] = {
	{ "a pool's range reversed", POOL("'addresses':['10.0.1.0/24',"
	    "'10.0.0.9-10.0.0.1']"), -EINVAL, "spec.addresses[1]: "
	    "\"10.0.0.9-10.0.0.1\": the range ends before it starts; swap the two "
	    "addresses" },
	{ "a range over two families", POOL("'addresses':['10.0.0.1-fd00::1']"),
	    -EINVAL, "spec.addresses[0]: \"10.0.0.1-fd00::1\": the range goes from one "
	    "IP family to the other; write one range for each" },
	{ "a lone address", POOL("'addresses':['10.0.0.1']"), -EINVAL,
	    "spec.addresses[0]: \"10.0.0.1\": is neither a block (192.0.2.0/28) nor a "
	    "range (192.0.2.10-192.0.2.20); for one address write 192.0.2.10/32" },
	{ "an empty entry", POOL("'addresses':['']"), -EINVAL,
	    "spec.addresses[0]: \"\": is empty; remove the item" },
	{ "multicast", POOL("'addresses':['224.0.0.0/28']"), -EINVAL,
	    "spec.addresses[0]: \"224.0.0.0/28\": holds loopback, multicast or "
	    "unspecified addresses, which no Service can have; take them out" },
	{ "a pool of nothing", POOL("'addresses':[]"), -EINVAL,
	    "spec.addresses: an array: a pool needs at least one block or range" },
	{ "no spec", "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool'," META
	    "}", -EINVAL, "spec.addresses: a pool needs at least one block or range" },
	{ "a number for a range", POOL("'addresses':[10.5]"), -EINVAL,
	    "spec.addresses[0]: 10.5: a string belongs here; put the value in quotes" },
	{ "a priority that is none", POOL("'addresses':['10.0.0.0/30'],"
	    "'serviceAllocation':{'priority':1.5}"), -EINVAL,
	    "spec.serviceAllocation.priority: 1.5: "
	    WHOLE("-2147483648", "2147483647") },
	{ "a string for a boolean", POOL("'addresses':['10.0.0.0/30'],"
	    "'autoAssign':'false'"), -EINVAL, "spec.autoAssign: \"false\": true or "
	    "false belongs here, without quotes" },
	{ "a selector without operator", L2ADV("'nodeSelectors':[{'matchExpressions':"
	    "[{'key':'a'}]}]"), -EINVAL, "spec.nodeSelectors[0].matchExpressions[0]."
	    "operator: is missing; write In, NotIn, Exists or DoesNotExist" },
	{ "an operator that is none", L2ADV("'nodeSelectors':[{'matchExpressions':"
	    "[{'key':'a','operator':'in','values':['b']}]}]"), -EINVAL,
	    "spec.nodeSelectors[0].matchExpressions[0].operator: \"in\": is not known "
	    "here; write In, NotIn, Exists or DoesNotExist" },
	{ "In without values", L2ADV("'nodeSelectors':[{'matchExpressions':"
	    "[{'key':'a','operator':'In'}]}]"), -EINVAL, "spec.nodeSelectors[0]."
	    "matchExpressions[0].values: In needs at least one value" },
	{ "Exists with values", L2ADV("'nodeSelectors':[{'matchExpressions':"
	    "[{'key':'a','operator':'Exists','values':['b']}]}]"), -EINVAL,
	    "spec.nodeSelectors[0].matchExpressions[0].values: an array: Exists takes "
	    "no values; remove them" },
	{ "no operator, but values", L2ADV("'nodeSelectors':[{'matchExpressions':"
	    "[{'key':'a','values':['b']}]}]"), -EINVAL, "spec.nodeSelectors[0]."
	    "matchExpressions[0].operator: is missing; write In, NotIn, Exists or "
	    "DoesNotExist" },
	{ "no key", L2ADV("'nodeSelectors':[{'matchExpressions':[{}]}]"), -EINVAL,
	    "spec.nodeSelectors[0].matchExpressions[0].key: is missing; name a label" },
	{ "a preference beyond the scale",
	    L2ADV("'preferredNodeSelectors':[{'weight':101,'preference':{}}]"), -EINVAL,
	    "spec.preferredNodeSelectors[0].weight: 101: " WHOLE("1", "100") },
	{ "a preference without weight",
	    L2ADV("'preferredNodeSelectors':[{'preference':{}}]"), -EINVAL,
	    "spec.preferredNodeSelectors[0].weight: is missing; give a weight from 1 "
	    "to 100" },
	{ "a preference for nobody",
	    L2ADV("'preferredNodeSelectors':[{'weight':5}]"), -EINVAL,
	    "spec.preferredNodeSelectors[0].preference: is missing; say which nodes are "
	    "preferred, {} is all" },
	{ "a selector that is none", L2ADV("'nodeSelectors':[null]"), -EINVAL,
	    "spec.nodeSelectors[0]: null: an object belongs here" },
	{ "an interface without name", L2ADV("'interfaces':['']"), -EINVAL,
	    "spec.interfaces[0]: \"\": is empty; remove the item" },

	{ "no ports", SVC("'spec':{'type':'LoadBalancer'}"), -EINVAL,
	    "spec.ports: a Service needs at least one port" },
	{ "no spec", "{'apiVersion':'v1','kind':'Service'," META "}", -EINVAL,
	    "spec: is missing" },
	{ "a type that is none", SPEC("'type':'Loadbalancer'"), -EINVAL,
	    "spec.type: \"Loadbalancer\": is not known here; write ClusterIP, "
	    "NodePort, LoadBalancer or ExternalName" },
	{ "a negative port", SVC("'spec':{'ports':[{'port':-80}]}"), -EINVAL,
	    "spec.ports[0].port: -80: " WHOLE("1", "65535") },
	{ "port 0", SVC("'spec':{'ports':[{'port':0}]}"), -EINVAL,
	    "spec.ports[0].port: 0: " WHOLE("1", "65535") },
	{ "a port past the end", SVC("'spec':{'ports':[{'port':65536}]}"), -EINVAL,
	    "spec.ports[0].port: 65536: " WHOLE("1", "65535") },
	{ "half a port", SVC("'spec':{'ports':[{'port':80.5}]}"), -EINVAL,
	    "spec.ports[0].port: 80.5: " WHOLE("1", "65535") },
	{ "a port beyond all doubles", SVC("'spec':{'ports':[{'port':1e999}]}"),
	    -EINVAL, "spec.ports[0].port: inf: " WHOLE("1", "65535") },
	{ "a quoted port", SVC("'spec':{'ports':[{'port':'80'}]}"), -EINVAL,
	    "spec.ports[0].port: \"80\": " WHOLE("1", "65535") },
	{ "a missing port", SVC("'spec':{'ports':[{'name':'x'}]}"), -EINVAL,
	    "spec.ports[0].port: is missing; write the port clients use" },
	{ "a protocol in lower case", SVC("'spec':{'ports':[{'port':80,"
	    "'protocol':'tcp'}]}"), -EINVAL, "spec.ports[0].protocol: \"tcp\": is not "
	    "known here; write TCP, UDP or SCTP" },
	{ "two ports, one without name", SVC("'spec':{'ports':[{'port':80,'name':'a'},"
	    "{'port':81}]}"), -EINVAL, "spec.ports[1]: has no name; give every port "
	    "one where there are several" },
	{ "one port twice", SVC("'spec':{'ports':[{'port':80,'name':'a'},"
	    "{'port':80,'name':'b'}]}"), -EINVAL,
	    "spec.ports: an array: port 80/TCP appears twice; remove one" },
	{ "one name twice", SVC("'spec':{'ports':[{'port':80,'name':'a'},"
	    "{'port':81,'name':'a'}]}"), -EINVAL,
	    "spec.ports: an array: two ports are named \"a\"; rename one" },
	{ "ports that are no array", SVC("'spec':{'ports':{'port':80}}"), -EINVAL,
	    "spec.ports: an object: an array belongs here" },
	{ "a port that is no object", SVC("'spec':{'ports':[80]}"), -EINVAL,
	    "spec.ports[0]: 80: an object belongs here" },
	{ "a source range that is an address",
	    SPEC("'loadBalancerSourceRanges':['192.0.2.1']"), -EINVAL,
	    "spec.loadBalancerSourceRanges[0]: \"192.0.2.1\": is no address block; "
	    "write ADDRESS/LENGTH, for one address 192.0.2.1/32" },
	{ "a cluster IP that is none", SPEC("'clusterIPs':['10.0.0.1','x']"), -EINVAL,
	    "spec.clusterIPs[1]: \"x\": is no IPv4 or IPv6 address; write it as "
	    "192.0.2.1 or 2001:db8::1, without leading zeros" },
	{ "a family twice", SPEC("'ipFamilies':['IPv4','IPv4']"), -EINVAL,
	    "spec.ipFamilies: an array: names one family twice; remove one" },
	{ "three families", SPEC("'ipFamilies':['IPv4','IPv6','IPv4']"), -EINVAL,
	    "spec.ipFamilies: an array: holds more than 2 items; split the object" },
	{ "an affinity without end", SPEC("'sessionAffinity':'ClientIP',"
	    "'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':86401}}"), -EINVAL,
	    "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401: "
	    WHOLE("1", "86400") },
	{ "a label that is a number", "{'apiVersion':'v1','kind':'Service','metadata':{"
	    "'name':'web','namespace':'d','labels':{'app.io/v':1}},'spec':{}}", -EINVAL,
	    "metadata.labels[\"app.io/v\"]: 1: a string belongs here; put the value in "
	    "quotes" },
	{ "an ingress that is none", SVC("'spec':{'ports':[{'port':80}]},'status':"
	    "{'loadBalancer':{'ingress':[{'ip':'nope'}]}}"), -EINVAL,
	    "status.loadBalancer.ingress[0].ip: \"nope\": is no IPv4 or IPv6 address; "
	    "write it as 192.0.2.1 or 2001:db8::1, without leading zeros" },

	{ "an address of the other family", SLICE("'addressType':'IPv4','endpoints':"
	    "[{'addresses':['fd00::1']}]"), -EINVAL, "endpoints[0].addresses[0]: "
	    "\"fd00::1\": is no IPv4 address, as addressType says; put it into a slice "
	    "of its own" },
	{ "an endpoint on loopback", SLICE("'addressType':'IPv4','endpoints':"
	    "[{'addresses':['127.0.0.1']}]"), -EINVAL, "endpoints[0].addresses[0]: "
	    "\"127.0.0.1\": no endpoint may have a loopback, link-local, multicast or "
	    "unspecified address" },
	{ "an endpoint in the director's own network", SLICE("'addressType':'IPv4',"
	    "'endpoints':[{'addresses':['169.254.1.1']}]"), -EINVAL,
	    "endpoints[0].addresses[0]: \"169.254.1.1\": no endpoint may have a "
	    "loopback, link-local, multicast or unspecified address" },
	{ "no address type", SLICE("'endpoints':[]"), -EINVAL,
	    "addressType: is missing; write IPv4, IPv6 or FQDN" },
	{ "an endpoint without address", SLICE("'addressType':'IPv4','endpoints':[{}]"),
	    -EINVAL, "endpoints[0].addresses: an endpoint needs an address" },
	{ "a truth in quotes", NODE("'spec':{'unschedulable':'true'}"), -EINVAL,
	    "spec.unschedulable: \"true\": true or false belongs here, without quotes" },

	{ "no name", "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d'},"
	    "'spec':{}}", -EINVAL, "metadata.name: is missing" },
	{ "no namespace", "{'apiVersion':'v1','kind':'Service','metadata':{'name':'d'},"
	    "'spec':{}}", -EINVAL, "metadata.namespace: is missing" },
	{ "no metadata", "{'apiVersion':'v1','kind':'Service','spec':{}}", -EINVAL,
	    "metadata: is missing" },
	{ "a name that is a path", "{'apiVersion':'v1','kind':'Node','metadata':{"
	    "'name':'../../etc/passwd'}}", -EINVAL, "metadata.name: "
	    "\"../../etc/passwd\": is no name of an object; use lower-case letters, "
	    "digits, '-' and '.'" },
	{ "a namespace with a dot", "{'apiVersion':'v1','kind':'Service','metadata':{"
	    "'name':'a','namespace':'a.b'}}", -EINVAL, "metadata.namespace: \"a.b\": is "
	    "no name of a namespace; use at most 63 lower-case letters, digits and '-'" },
	{ "a control character is shown, not sent to the terminal",
	    "{'apiVersion':'v1','kind':'Node','metadata':{'name':'a\\u001b[2J'}}",
	    -EINVAL, "metadata.name: \"a\\x1b[2J\": is no name of an object; use "
	    "lower-case letters, digits, '-' and '.'" },
	{ "a time that is none", "{'apiVersion':'v1','kind':'Node','metadata':{"
	    "'name':'a','creationTimestamp':'yesterday'}}", -EINVAL,
	    "metadata.creationTimestamp: \"yesterday\": is no time; write it as "
	    "2026-01-31T23:59:59Z" },

	{ "another kind", "{'apiVersion':'apps/v1','kind':'Deployment'," META "}",
	    -ENOTSUP, "kind: \"Deployment\": is not a kind that Herald reads" },
	{ "another group's Service", "{'apiVersion':'serving.knative.dev/v1',"
	    "'kind':'Service'," META "}", -ENOTSUP,
	    "kind: \"Service\": is not a kind that Herald reads" },
	{ "another version", "{'apiVersion':'discovery.k8s.io/v1alpha1',"
	    "'kind':'EndpointSlice'," META "}", -EPROTONOSUPPORT,
	    "apiVersion: \"discovery.k8s.io/v1alpha1\": this version of EndpointSlice "
	    "is not read; write discovery.k8s.io/v1" },
	{ "the group we were not asked to read", "{'apiVersion':'metallb.io/v1beta1',"
	    "'kind':'IPAddressPool'," META "}", -EPROTONOSUPPORT,
	    "apiVersion: \"metallb.io/v1beta1\": is of another API group than "
	    "heraldlb.io, which is read here; change it, or use --api-group" },
	{ "a misspelt kind of ours", "{'apiVersion':'heraldlb.io/v1beta1',"
	    "'kind':'IPAdressPool'," META "}", -EPROTONOSUPPORT, "kind: "
	    "\"IPAdressPool\": Herald has no such kind; check the spelling" },
	{ "no kind", "{'apiVersion':'v1'}", -EINVAL, "kind: is missing; every object "
	    "needs apiVersion and kind" },
	{ "an array", "[]", -EINVAL, "is no object; it must begin with apiVersion and "
	    "kind" },
	{ "no JSON", "{'apiVersion':", -EINVAL, "line 1: this is no JSON, or it breaks "
	    "off (at byte 13 of 14)" },
	{ "text behind it", NODE("'spec':{}") "\n\nx", -EINVAL, "line 3: this is no "
	    "JSON, or it breaks off (at byte 70 of 71)" },
};

START_TEST(refusal)
{
	char *text = json(refusals[_i].text);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	int rc = json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err);

	ck_assert_msg(rc == refusals[_i].rc, "%s: %d, %s", refusals[_i].why, rc,
	    err.text);
	ck_assert_msg(strcmp(err.text, refusals[_i].error) == 0, "%s:\n%s\nwanted:\n%s",
	    refusals[_i].why, err.text, refusals[_i].error);
	ck_assert_ptr_null(o);
	free(text);
}
END_TEST

START_TEST(hints)
{
	static const char bare[] = "{\"metadata\":{\"name\":\"n1\"}}";
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text;

	ck_assert_int_eq(json_decode(bare, strlen(bare), NULL, KUBE_NODE, &o, &err), 0);
	ck_assert_int_eq(o->kind, KUBE_NODE);
	kube_object_free(o);
	text = json(NODE("'spec':{}"));
	ck_assert_int_eq(json_decode(text, strlen(text), NULL, KUBE_POD, &o, &err), -EINVAL);
	ck_assert_str_eq(err.text, "kind: \"Node\": a Pod was expected");
	free(text);
	text = json("{'apiVersion':'metallb.io/v1beta1','kind':'L2Advertisement'," META
	    "}");
	ck_assert_int_eq(kube_decode(text, strlen(text), "metallb.io",
	    KUBE_L2_ADVERTISEMENT, &o, &err), 0);
	kube_object_free(o);
	free(text);
}
END_TEST

/* part n times between head and tail, commas in between. */
static char *
repeat(const char *head, const char *part, size_t n, const char *tail)
{
	char *text = mem_zalloc(strlen(head) + (strlen(part) + 1) * n + strlen(tail) + 1);
	char *p = stpcpy(text, head), *ret;

	for (size_t i = 0; i < n; i++) {
		p = stpcpy(p, part);
		if (i + 1 < n)
			*p++ = ',';
	}
	strcpy(p, tail);
	ret = json(text);
	free(text);
	return ret;
}

#define SLICE_HEAD "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	META ",'addressType':'IPv4','endpoints':["
#define ENDPOINT "{'addresses':['10.0.0.1']}"

static const struct {
	const char *why, *head, *part;
	size_t n;
	const char *tail, *error;	/* NULL: it is taken */
} caps[] = {
	{ "endpoints as many as the API takes", SLICE_HEAD, ENDPOINT, 1000, "]}", NULL },
	{ "one more", SLICE_HEAD, ENDPOINT, 1001, "]}",
	    "endpoints: an array: holds more than 1000 items; split the object" },
	{ "pool entries", "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool',"
	    META ",'spec':{'addresses':[", "'10.0.0.0/32'", 4097, "]}}",
	    "spec.addresses: an array: holds more than 4096 items; split the object" },
	{ "slice ports", "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
	    META ",'addressType':'IPv4','ports':[", "{'port':1}", 20001, "]}",
	    "ports: an array: holds more than 20000 items; split the object" },
	{ "the same key over and over: the first counts", "{'apiVersion':'v1',"
	    "'kind':'Node','metadata':{'name':'n1'},'spec':{", "'unschedulable':true",
	    1000, ",'unschedulable':1}}", NULL },
	{ "nesting in a field nobody reads", "{'apiVersion':'v1','kind':'Node',"
	    "'metadata':{'name':'n1'},'x':", "[[[[[[[[[[[[[[[[[[[[", 1,
	    "]]]]]]]]]]]]]]]]]]]]}", NULL },
};

START_TEST(cap)
{
	char *text = repeat(caps[_i].head, caps[_i].part, caps[_i].n, caps[_i].tail);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	int rc = json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err);

	ck_assert_msg((rc == 0) == (caps[_i].error == NULL), "%s: %s", caps[_i].why,
	    err.text);
	if (caps[_i].error != NULL)
		ck_assert_msg(strcmp(err.text, caps[_i].error) == 0, "%s: %s",
		    caps[_i].why, err.text);
	kube_object_free(o);
	free(text);
}
END_TEST

START_TEST(nesting_without_end)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text = malloc(1000000);

	memset(text, '[', 1000000);
	ck_assert_int_eq(kube_decode(text, 1000000, NULL, KUBE_NKINDS, &o, &err),
	    -EINVAL);
	free(text);
}
END_TEST

START_TEST(every_prefix_and_every_flipped_bit)
{
	static const char *const docs[] = { full_service, POOL("'addresses':["
	    "'192.0.2.0/28'],'serviceAllocation':{'serviceSelectors':[{"
	    "'matchExpressions':[{'key':'app','operator':'In','values':['web']}]}]}"),
	    SLICE("'addressType':'IPv4','ports':[{'port':80}],'endpoints':["
	    "{'addresses':['10.0.0.1'],'conditions':{'ready':true}}]") };

	for (size_t i = 0; i < nitems(docs); i++)
		json_maul(docs[i]);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, service);
	tcase_add_loop_test(tc, service_annotated, 0, nitems(annotated));
	tcase_add_test(tc, service_defaults);
	tcase_add_test(tc, memory_of_a_service_is_small);
	tcase_add_test(tc, slice_v1);
	tcase_add_test(tc, slice_v1beta1);
	tcase_add_test(tc, node_namespace_pod);
	tcase_add_test(tc, pool_and_l2adv);
	tcase_add_loop_test(tc, refusal, 0, nitems(refusals));
	tcase_add_test(tc, hints);
	tcase_add_loop_test(tc, cap, 0, nitems(caps));
	tcase_add_test(tc, nesting_without_end);
	tcase_add_test(tc, every_prefix_and_every_flipped_bit);
}

TEST_MAIN("kube decode", fill)
