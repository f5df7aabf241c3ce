/*
 * The plan by table: a small world in JSON, one change to it per row, and what
 * this node should then do, as one line of text.
 */
#include <stdio.h>
#include <string.h>

#include "ipvs/subset.h"
#include "kube/decode.h"
#include "kube/manifest.h"
#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })

#define NODE(name, ip) \
	"{'apiVersion':'v1','kind':'Node','metadata':{'name':'" name "'}," \
	"'status':{'addresses':[{'type':'InternalIP','address':'" ip "'}]," \
	"'conditions':[{'type':'Ready','status':'True'}]}}"
#define NODE_WITH(name, ip, meta, spec) \
	"{'apiVersion':'v1','kind':'Node','metadata':{'name':'" name "'," \
	meta "},'spec':{" spec "},'status':{'addresses':[{'type':'InternalIP'," \
	"'address':'" ip "'}],'conditions':[{'type':'Ready','status':'True'}]}}"
#define DRAINED "'annotations':{'heraldlb.io/drain':'true'}"
#define N1(meta, spec) NODE_WITH("n1", "10.0.0.1", meta, spec)
#define N2(meta, spec) NODE_WITH("n2", "10.0.0.2", meta, spec)
#define N3(meta, spec) NODE_WITH("n3", "10.0.0.3", meta, spec)
#define META(ns, name) "'metadata':{'namespace':'" ns "','name':'" name "'}"
#define POOL \
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool'," \
	META("herald-system", "pool") ",'spec':{'addresses':['10.0.9.0/24','fd09::/64']}}"
#define ADVERT(spec) \
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'L2Advertisement'," \
	META("herald-system", "l2") ",'spec':{" spec "}}"
#define SVC_WITH(name, spec, port, vip) \
	"{'apiVersion':'v1','kind':'Service'," META("d", name) ",'spec':" \
	"{'type':'LoadBalancer'," spec "'ports':[{" port "}]},'status':" \
	"{'loadBalancer':{'ingress':[{'ip':'" vip "','ipMode':'Proxy'}]}}}"
#define SVC_OF(name, spec, vip) SVC_WITH(name, spec, "'name':'web','port':80," \
	"'targetPort':8080,'protocol':'TCP'", vip)
#define UDP_SVC SVC_WITH("s", "", "'name':'web','port':80,'protocol':'UDP'", "10.0.9.3")
#define SVC(spec) SVC_OF("s", spec, "10.0.9.3")
#define EP(ip, node, cond) \
	"{'addresses':['" ip "'],'nodeName':'" node "','conditions':{" cond "}}"
#define READY "'ready':true"
#define DRAIN "'ready':false,'serving':true,'terminating':true"
#define UNREADY "'ready':false,'serving':false"
#define SLICE_FOR(name, family, proto, eps) \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	"'metadata':{'namespace':'d','name':'" name "'," \
	"'labels':{'kubernetes.io/service-name':'s'}},'addressType':'" family "'," \
	"'ports':[{'name':'web','port':8080,'protocol':'" proto "'}]," \
	"'endpoints':[" eps "]}"
#define SLICE_OF(name, family, eps) SLICE_FOR(name, family, "TCP", eps)
#define SLICE(eps) SLICE_OF("s-1", "IPv4", eps)
#define UDP_SLICE(eps) SLICE_FOR("s-1", "IPv4", "UDP", eps)

static const char *const world[] = {
	NODE("n1", "10.0.0.1"), NODE("n2", "10.0.0.2"), NODE("n3", "10.0.0.3"),
	POOL, ADVERT(""), SVC(""),
	SLICE(EP("10.1.0.2", "n2", READY) "," EP("10.1.0.1", "n1", READY)),
};

/* The world as n1 sees it: n2 up; n3's state by the row, UP unless it says. */
static const struct {
	const char *why;
	const char *changed[3];		/* objects put over the world's */
	enum alive_report n3;
	const char *expect;
} rows[] = {
	{ "the plain case: own endpoint by NAT, the other by tunnel, in order",
	    { NULL }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
	{ "no status, no VIP",
	    { "{'apiVersion':'v1','kind':'Service'," META("d", "s") ","
	      "'spec':{'type':'LoadBalancer','ports':[{'port':80}]}}" },
	    ALIVE_HEARD_UP, "" },
	{ "an address outside every pool is somebody else's",
	    { SVC_OF("s", "", "10.0.8.1") }, ALIVE_HEARD_UP, "" },
	{ "a ClusterIP Service with a stale status is not served",
	    { "{'apiVersion':'v1','kind':'Service'," META("d", "s") ","
	      "'spec':{'type':'ClusterIP','ports':[{'port':80}]},'status':"
	      "{'loadBalancer':{'ingress':[{'ip':'10.0.9.3'}]}}}" },
	    ALIVE_HEARD_UP, "" },
	{ "an endpoint on a dead node keeps its slots and gets nothing new",
	    { SLICE(EP("10.1.0.3", "n3", READY) "," EP("10.1.0.1", "n1", READY)) },
	    ALIVE_HEARD_DOWN,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.3:8080*0T" },
	{ "a node whose speaker alone is gone still takes tunnelled packets",
	    { SLICE(EP("10.1.0.3", "n3", READY)) }, ALIVE_HEARD_REFUSED,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.3:8080*1T" },
	{ "an endpoint on no node is reached by masquerading",
	    { SLICE("{'addresses':['10.1.0.9'],'conditions':{}}") }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.9:8080*1M" },
	{ "terminating gets nothing new while another is ready",
	    { SLICE(EP("10.1.0.1", "n1", DRAIN) "," EP("10.1.0.2", "n2", READY)) },
	    ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*0Ld 10.1.0.2:8080*1T" },
	{ "and serves when nothing else is left (KEP-1669)",
	    { SLICE(EP("10.1.0.1", "n1", DRAIN) "," EP("10.1.0.2", "n2", UNREADY)) },
	    ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1Ld 10.1.0.2:8080*0T" },
	{ "UDP: a draining one drains, one that serves nothing is gone",
	    { UDP_SVC,
	      UDP_SLICE(EP("10.1.0.1", "n1", DRAIN) "," EP("10.1.0.2", "n2", READY) ","
	      EP("10.1.0.3", "n2", UNREADY)) }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/UDP 10.1.0.1:8080*0Ld 10.1.0.2:8080*1T "
	    "10.1.0.3:8080*0Tx" },
	{ "UDP: on a dead node, likewise",
	    { UDP_SVC,
	      UDP_SLICE(EP("10.1.0.3", "n3", READY) "," EP("10.1.0.1", "n1", READY)) },
	    ALIVE_HEARD_DOWN,
	    "10.0.9.3 owner=n2; d/s:80/UDP 10.1.0.1:8080*1L 10.1.0.3:8080*0Tx" },
	{ "nobody ready: all at weight 0",
	    { SLICE(EP("10.1.0.1", "n1", UNREADY)) }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*0L" },
	{ "publishNotReadyAddresses takes them all",
	    { SVC("'publishNotReadyAddresses':true,"),
	      SLICE(EP("10.1.0.1", "n1", UNREADY)) }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1L" },
	{ "an endpoint in two slices counts once, at its better state",
	    { SLICE(EP("10.1.0.1", "n1", UNREADY)),
	      SLICE_OF("s-2", "IPv4", EP("10.1.0.1", "n1", READY)) }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1L" },
	{ "slices of the other family are not mixed in",
	    { SLICE_OF("s-2", "IPv6", EP("fd01::1", "n1", READY)) }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
	{ "an IPv6 VIP has the IPv6 endpoints",
	    { SVC_OF("s", "", "fd09::5"),
	      SLICE_OF("s-2", "IPv6", EP("fd01::1", "n1", READY)) }, ALIVE_HEARD_UP,
	    "fd09::5 owner=n3; d/s:80/TCP [fd01::1]:8080*1L" },
	{ "Local: only own endpoints, only nodes with one are candidates",
	    { SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.1", "n1", READY) "," EP("10.1.0.3", "n1", READY)) },
	    ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n1 local mine; d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.3:8080*1L" },
	{ "Local: a node with only a terminating one loses to one with a ready one",
	    { SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.1", "n1", DRAIN) "," EP("10.1.0.3", "n3", READY)) },
	    ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n3 local; d/s:80/TCP 10.1.0.1:8080*1Ld 10.1.0.3:8080*0T" },
	{ "Local with no ready endpoint: nobody announces, and it says why",
	    { SVC("'externalTrafficPolicy':'Local',"), SLICE("") }, ALIVE_HEARD_UP,
	    "10.0.9.3 none(externalTrafficPolicy is Local and no node that may "
	    "announce it has a ready endpoint) local; d/s:80/TCP" },
	{ "no advertisement: nobody announces",
	    { ADVERT("'ipAddressPools':['other']") }, ALIVE_HEARD_UP,
	    "10.0.9.3 none(no L2Advertisement covers its pool and Service); "
	    "d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
	{ "an advertisement's node selector names the candidates",
	    { ADVERT("'nodeSelectors':[{'matchExpressions':[{'key':'x',"
	      "'operator':'DoesNotExist'}]}],'interfaces':['eth1','eth0']"),
	      "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n2',"
	      "'labels':{'x':''}},'status':{'addresses':[{'type':'InternalIP',"
	      "'address':'10.0.0.2'}]}}" }, ALIVE_HEARD_DOWN,
	    "10.0.9.3 owner=n1 mine on eth1 eth0; "
	    "d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
	{ "the exclude label takes a node out",
	    { "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n2','labels':"
	      "{'node.kubernetes.io/exclude-from-external-load-balancers':''}},"
	      "'status':{'addresses':[{'type':'InternalIP','address':'10.0.0.2'}]}}" },
	    ALIVE_HEARD_DOWN,
	    "10.0.9.3 owner=n1 mine; d/s:80/TCP 10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
	{ "two Services at one VIP and port: the first by name has it",
	    { SVC_OF("r", "", "10.0.9.3") }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/r:80/TCP; warning d/s:80/TCP: d/r:80/TCP already "
	    "serves this port of 10.0.9.3; give one of the two another address or port" },
	{ "session affinity and source ranges are passed on",
	    { SVC("'sessionAffinity':'ClientIP','loadBalancerSourceRanges':"
	      "['192.0.2.0/24'],") }, ALIVE_HEARD_UP,
	    "10.0.9.3 owner=n2; d/s:80/TCP affinity=10800 from=192.0.2.0/24 "
	    "10.1.0.1:8080*1L 10.1.0.2:8080*1T" },
};

#define BGP(kind, name, spec) \
	"{'apiVersion':'heraldlb.io/v1beta" kind "','metadata':{'namespace':" \
	"'herald-system','name':'" name "'},'spec':{" spec "}}"
#define PEER(name, spec) BGP("2','kind':'BGPPeer", name, \
	"'myASN':64512,'peerASN':64513," spec)
#define SECRET(password) "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':" \
	"'herald-system','name':'s'},'type':'kubernetes.io/basic-auth'," \
	"'stringData':{'password':'" password "'}}"
#define BGPADV(name, spec) BGP("1','kind':'BGPAdvertisement", name, spec)

/* The same world with BGP: what n1 tells whom. */
static const struct {
	const char *why;
	const char *added[5];
	const char *expect;
} bgp_rows[] = {
	{ "no peer, no routes", { BGPADV("a", "") }, "" },
	{ "a peer and no advertisement: a session and no route",
	    { PEER("p", "'peerAddress':'10.0.0.254'") }, "p 10.0.0.254 as 64513" },
	{ "the plain case: a host route",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "a peer of other nodes is none of ours",
	    { PEER("p", "'peerAddress':'10.0.0.254','nodeSelectors':[{'matchLabels':"
	      "{'rack':'2'}}]"), BGPADV("a", "") }, "" },
	{ "an advertisement of other nodes likewise",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a",
	      "'nodeSelectors':[{'matchLabels':{'rack':'2'}}]") },
	    "p 10.0.0.254 as 64513" },
	{ "aggregation",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'aggregationLength':24") },
	    "p 10.0.0.254 as 64513; 10.0.9.0/24 to p pref 100" },
	{ "only to the peers it names",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      PEER("q", "'peerAddress':'10.0.0.253'"),
	      BGPADV("a", "'peers':['q'],'localPref':200") },
	    "p 10.0.0.254 as 64513; q 10.0.0.253 as 64513; "
	    "10.0.9.3/32 to q pref 200" },
	{ "two that overlap add up: communities, the highest localPref",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['64512:2'],'localPref':50"),
	      BGPADV("b", "'communities':['64512:1','large:1:2:3'],'localPref':70") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 70 64512:1 64512:2 1:2:3" },
	{ "a community by its name",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['vpn']"), BGP("1','kind':'Community", "c",
	      "'communities':[{'name':'vpn','value':'64512:7'}]") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 64512:7" },
	{ "a name that no Community has is said, the route goes out",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['vpn']") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100; warning "
	    "BGPAdvertisement: spec.communities[0]: no Community has an entry \"vpn\"; "
	    "it is left out" },
	{ "Local: no route from a node without an endpoint",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.2", "n2", READY)) }, "p 10.0.0.254 as 64513" },
	{ "Cluster: no route while there is no endpoint at all",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      SLICE(EP("10.1.0.2", "n2", UNREADY)) }, "p 10.0.0.254 as 64513" },
	{ "an excluded node keeps its sessions and tells nothing",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','labels':"
	      "{'node.kubernetes.io/exclude-from-external-load-balancers':''}},"
	      "'status':{'addresses':[{'type':'InternalIP','address':'10.0.0.1'}]}}" },
	    "p 10.0.0.254 as 64513" },
	{ "a drained node marks what others tell, too (RFC 8326)",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['64512:1'],'localPref':70"),
	      N1(DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 0 64512:1 65535:0 retiring" },
	{ "what only this node has endpoints for (Local) stays",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""), N1(DRAINED, ""),
	      SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.1", "n1", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "and what no other node is to announce",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", "'nodeSelectors':"
	      "[{'matchLabels':{'a':''}}]"), N1("'labels':{'a':''}," DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "MED and prepending", { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'med':7,'asPathPrepend':2") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 med 7 prepend 2" },
	{ "of two, what attracts more; who says nothing has no say",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'med':7,'asPathPrepend':2,'localPref':10"),
	      BGPADV("b", "'med':0,'asPathPrepend':3,'localPref':20"), BGPADV("c", "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 20 med 0 prepend 2" },
	{ "bandwidth: 1 of 2 endpoints is here, 8 Mbit/s are a million bytes (0x49742400)",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'linkBandwidthPerEndpoint':8") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4fc0049742400" },
	{ "non-transitive within the AS; two endpoints are twice as much",
	    { BGP("2','kind':'BGPPeer", "p", "'myASN':64513,'peerASN':64513,"
	      "'peerAddress':'10.0.0.254'"), BGPADV("a", "'linkBandwidthPerEndpoint':8"),
	      SLICE(EP("10.1.0.1", "n1", READY) "," EP("10.1.0.2", "n1", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4004fc0149f42400" },
	{ "a node with none forwards, too: as much as one",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'linkBandwidthPerEndpoint':8"),
	      SLICE(EP("10.1.0.2", "n2", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4fc0049742400" },
	{ "all are drained: it tells what it did",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      N1(DRAINED, ""), N2(DRAINED, ""), N3(DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "a password from a Secret",
	    { PEER("p", "'peerAddress':'10.0.0.254','passwordSecret':{'name':'s'}"),
	      SECRET("x") }, "p 10.0.0.254 as 64513 md5 x" },
	{ "a Secret that is not there: that session waits, the other does not",
	    { PEER("p", "'peerAddress':'10.0.0.254','passwordSecret':{'name':'t'}"),
	      PEER("q", "'peerAddress':'10.0.0.253','passwordSecret':{'name':'s'}"),
	      SECRET("y") },
	    "p 10.0.0.254 as 64513 refused: spec.passwordSecret: there is no Secret "
	    "herald-system/t of type kubernetes.io/basic-auth; create it with the "
	    "password under the key \"password\"; q 10.0.0.253 as 64513 md5 y" },
	{ "a profile that is not there: without BFD, and it is said",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'") },
	    "p 10.0.0.254 as 64513; warning BGPPeer herald-system/p: spec.bfdProfile: "
	    "there is no BFDProfile \"fast\", so it runs without BFD; create it or "
	    "correct the name" },
	{ "a profile",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'"),
	      BGP("1','kind':'BFDProfile", "fast", "'receiveInterval':50,"
	      "'transmitInterval':60,'detectMultiplier':5") },
	    "p 10.0.0.254 as 64513 bfd 5x60/50ms echo 0ms" },
	{ "an echo interval without the mode is no offer; with it, it is",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'"),
	      PEER("q", "'peerAddress':'10.0.0.253','bfdProfile':'echo'"),
	      BGP("1','kind':'BFDProfile", "fast", "'echoInterval':70"),
	      BGP("1','kind':'BFDProfile", "echo", "'echoInterval':70,'echoMode':true") },
	    "p 10.0.0.254 as 64513 bfd 3x300/300ms echo 0ms; "
	    "q 10.0.0.253 as 64513 bfd 3x300/300ms echo 70ms" },
};

#define PREFER(weight, key) "{'weight':" weight ",'preference':{'matchLabels':" \
	"{'" key "':''}}}"

/* Who announces 10.0.9.3, n2's in the plain world: what n1 thinks, and must. */
static const struct {
	const char *why;
	const char *changed[4];
	enum alive_state n1;
	enum alive_report n2, n3;
	bool yields_on_cordon;
	const char *owner;
} owner_rows[] = {
	{ "the plain case", { NULL }, ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false,
	    "n2" },
	{ "a drained node hands over", { N2(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "by label, too", { N2("'labels':{'heraldlb.io/drain':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "unless it says false", { N2("'labels':{'heraldlb.io/drain':'false'}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "this node likewise", { N1(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_DOWN, ALIVE_HEARD_UP, false, "n3" },
	{ "all drained: where it was, for want of a better",
	    { N1(DRAINED, ""), N2(DRAINED, ""), N3(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "cordoned means nothing", { N2("'labels':{}", "'unschedulable':true") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n2" },
	{ "unless asked for", { N2("'labels':{}", "'unschedulable':true") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, true, "n1" },
	{ "a node that waits owns nothing", { NULL },
	    ALIVE_UP, ALIVE_HEARD_WAITING, ALIVE_HEARD_DOWN, false, "n1" },
	{ "this node likewise", { NULL },
	    ALIVE_WAITING, ALIVE_HEARD_DOWN, ALIVE_HEARD_UP, false, "n3" },
	{ "all wait, as after a power cut: no waiting then", { NULL },
	    ALIVE_WAITING, ALIVE_HEARD_WAITING, ALIVE_HEARD_WAITING, false, "n2" },
	{ "waiting comes before drained", { N2(DRAINED, "") },
	    ALIVE_WAITING, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "cut off comes never", { N1(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_CUT_OFF, ALIVE_HEARD_CUT_OFF, false, "n1" },
	{ "not even alone", { NULL },
	    ALIVE_CUT_OFF, ALIVE_HEARD_DOWN, ALIVE_HEARD_DOWN, false, "nobody" },
	{ "preferred", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n3" },
	{ "preferred and dead", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n2" },
	{ "preferred and drained", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}," DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "weights add up", { ADVERT("'preferredNodeSelectors':[" PREFER("3", "a") ","
	      PREFER("2", "b") "," PREFER("2", "c") "]"),
	      N3("'labels':{'a':''}", ""), N1("'labels':{'b':'','c':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n1" },
	{ "preference gives no candidacy: Local has none there",
	    { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", ""), SVC("'externalTrafficPolicy':'Local',") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
};

static void
print_service(FILE *f, const struct ipvs_service *s)
{
	fprintf(f, "; %s", s->name);
	if (s->affinity_sec > 0)
		fprintf(f, " affinity=%u", s->affinity_sec);
	for (size_t i = 0; i < s->nsource_ranges; i++)
		fprintf(f, " from=%s", PREFIX_STR(&s->source_ranges[i]));
	for (size_t i = 0; i < s->nendpoints; i++) {
		const struct ipvs_endpoint *e = &s->endpoints[i];

		fprintf(f, ip_is_v4(&e->ip) ? " %s:%u*%u%c" : " [%s]:%u*%u%c",
		    IP_STR(&e->ip), e->port, e->weight, "LTM"[e->reach]);
		fputs((const char *[]){ "", "d", "x" }[e->life], f);
	}
}

static char *
print_plan(const struct plan *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];

		fputs(IP_STR(&v->ip), f);
		if (v->owner != NULL)
			fprintf(f, " owner=%s", v->owner);
		else
			fprintf(f, " none(%s)", v->why_none);
		fputs(v->is_local ? " local" : "", f);
		if (v->is_mine) {
			fprintf(f, " mine%s", v->announce.ninterfaces > 0 ? " on" : "");
			for (size_t j = 0; j < v->announce.ninterfaces; j++)
				fprintf(f, " %s", v->announce.interfaces[j]);
		}
	}
	for (size_t i = 0; i < p->want.nservices; i++)
		print_service(f, &p->want.services[i]);
	for (size_t i = 0; i < p->nwarnings; i++)
		fprintf(f, "; warning %s", p->warnings[i]);
	fclose(f);
	return text;
}

/* n2 up, n3 once up and then as given. */
static void
make_alive(struct alive *a, enum alive_report n3)
{
	struct ip ip2 = ip_from_v4(0x0a000002), ip3 = ip_from_v4(0x0a000003);

	alive_init(a);
	alive_begin_nodes(a);
	alive_put_node(a, "n2", &ip2, true, T0);
	alive_put_node(a, "n3", &ip3, true, T0);
	alive_end_nodes(a);
	alive_report(a, &ip2, ALIVE_HEARD_UP, T0);
	alive_report(a, &ip3, ALIVE_HEARD_UP, T0);
	alive_report(a, &ip3, n3, T0);
}

START_TEST(table)
{
	struct kube_store *store = kube_store_new();
	struct alive alive;
	struct plan plan;
	char *got;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(rows[_i].changed); i++) {
		if (rows[_i].changed[i] != NULL)
			json_put(store, rows[_i].changed[i]);
	}
	make_alive(&alive, rows[_i].n3);
	plan_build(&(struct plan_input){ .store = store, .self = "n1",
	    .alive = &alive, .now = T0,
	    .self_state = ALIVE_UP }, &plan);
	got = print_plan(&plan);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

#define BAD_POOL \
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool'," \
	META("herald-system", "bad") ",'spec':{'addresses':['10.0.8.9-10.0.8.1']}}"

static const struct {
	const char *why, *svc;
	bool is_claimed;
} unread[] = {
	{ "an address of no pool is of the one that cannot be read",
	    SVC_OF("s", "", "10.0.8.3"), true },
	{ "unless it was not our controller that gave it",
	    "{'apiVersion':'v1','kind':'Service'," META("d", "s") ",'spec':{'type':"
	    "'LoadBalancer','ports':[{'port':80}]},'status':{'loadBalancer':"
	    "{'ingress':[{'ip':'10.0.8.3','ipMode':'VIP'}]}}}", false },
};

START_TEST(unread_pool)
{
	static const struct kube_manifest_conf conf = { .own_ns = "herald-system" };
	struct kube_store *store = kube_store_new();
	char *text = json(BAD_POOL);
	struct alive alive;
	struct plan plan;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	json_put(store, unread[_i].svc);
	kube_store_put(store, kube_manifest_stub(text, KUBE_IP_ADDRESS_POOL, NULL,
	    &conf));
	make_alive(&alive, ALIVE_HEARD_UP);
	plan_build(&(struct plan_input){ .store = store, .self = "n1",
	    .alive = &alive, .now = T0, .self_state = ALIVE_UP }, &plan);
	ck_assert_msg((plan.nvips == 1) == unread[_i].is_claimed, "%s", unread[_i].why);
	if (unread[_i].is_claimed) {
		ck_assert_str_eq(plan.vips[0].pool, "bad");
		ck_assert_ptr_nonnull(plan.vips[0].owner);
	}
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
	free(text);
}
END_TEST

START_TEST(owner)
{
	struct kube_store *store = kube_store_new();
	struct ip ip2 = ip_from_v4(0x0a000002);
	struct alive alive;
	struct plan plan;
	const char *got;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(owner_rows[_i].changed); i++) {
		if (owner_rows[_i].changed[i] != NULL)
			json_put(store, owner_rows[_i].changed[i]);
	}
	make_alive(&alive, owner_rows[_i].n3);
	alive_report(&alive, &ip2, owner_rows[_i].n2, T0);
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = owner_rows[_i].n1,
	    .yields_on_cordon = owner_rows[_i].yields_on_cordon }, &plan);
	got = plan.vips[0].owner != NULL ? plan.vips[0].owner : "nobody";
	ck_assert_msg(strcmp(got, owner_rows[_i].owner) == 0, "%s: got %s, want %s",
	    owner_rows[_i].why, got, owner_rows[_i].owner);
	ck_assert(plan.vips[0].is_mine == (strcmp(got, "n1") == 0));
	ck_assert_msg(plan.vips[0].is_eligible, "whatever its state");
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static char *
print_bgp(const struct plan *p)
{
	const char *sep = "";
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < p->nbgp_peers; i++, sep = "; ") {
		const struct bgp_io_peer *q = &p->bgp_peers[i];

		fprintf(f, "%s%s %s as %u", sep, q->name, IP_STR(&q->addr),
		    q->session.peer_as);
		ck_assert_uint_eq(q->session.router_id, 0x0a000001);
		ck_assert_uint_eq(q->session.families, 1u << BGP_IPV4_UNICAST);
		if (q->fault != NULL)
			fprintf(f, " refused: %s", q->fault);
		if (q->auth == BGP_IO_AUTH_MD5)
			fprintf(f, " md5 %s", q->password);
		if (q->bfd.detect_mult > 0)
			fprintf(f, " bfd %ux%u/%ums echo %ums", q->bfd.detect_mult,
			    q->bfd.min_tx_us / 1000, q->bfd.min_rx_us / 1000,
			    q->bfd.echo_us / 1000);
	}
	for (size_t i = 0; i < p->nbgp_routes; i++) {
		const struct bgp_io_route *r = &p->bgp_routes[i].route;

		fprintf(f, "; %s to %s pref %u", PREFIX_STR(&r->prefix), r->peers[0],
		    r->attrs->local_pref);
		for (size_t j = 0; j < r->attrs->ncommunities; j++)
			fprintf(f, " %u:%u", r->attrs->communities[j] >> 16,
			    r->attrs->communities[j] & 0xffff);
		for (size_t j = 0; j < r->attrs->nlarge; j++)
			fprintf(f, " %u:%u:%u", r->attrs->large[j][0],
			    r->attrs->large[j][1], r->attrs->large[j][2]);
		if (r->attrs->has_med)
			fprintf(f, " med %u", r->attrs->med);
		if (r->attrs->nprepend > 0)
			fprintf(f, " prepend %u", r->attrs->nprepend);
		for (size_t j = 0; j < r->attrs->next; j++)
			fprintf(f, " ext %llx", (unsigned long long)r->attrs->ext[j]);
		fputs(p->bgp_routes[i].is_retiring ? " retiring" : "", f);
		ck_assert_uint_eq(p->bgp_routes[i].nvips, 1);
	}
	for (size_t i = 0; i < p->nwarnings; i++)
		fprintf(f, "; warning %s", p->warnings[i]);
	fclose(f);
	return text;
}

START_TEST(bgp)
{
	struct kube_store *store = kube_store_new();
	struct alive alive;
	struct plan plan;
	char *got;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(bgp_rows[_i].added); i++) {
		if (bgp_rows[_i].added[i] != NULL)
			json_put(store, bgp_rows[_i].added[i]);
	}
	make_alive(&alive, ALIVE_HEARD_UP);
	plan_build(&(struct plan_input){ .store = store, .self = "n1",
	    .alive = &alive, .now = T0,
	    .self_state = ALIVE_UP }, &plan);
	got = print_bgp(&plan);
	ck_assert_msg(strcmp(got, bgp_rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    bgp_rows[_i].why, got, bgp_rows[_i].expect);
	free(got);
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

/* Reach apart, every node must compute the same endpoints and weights. */
START_TEST(same_table_on_every_node)
{
	static const char *const selves[] = { "n1", "n2" };
	struct kube_store *store = kube_store_new();
	struct alive alive[2];
	struct plan plan[2];
	struct ip ip1 = ip_from_v4(0x0a000001), ip3 = ip_from_v4(0x0a000003);

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	json_put(store, SLICE(EP("10.1.0.3", "n3", READY) "," EP("10.1.0.2", "n2", READY)
	    "," EP("10.1.0.1", "n1", READY)));
	make_alive(&alive[0], ALIVE_HEARD_DOWN);
	alive_init(&alive[1]);
	alive_begin_nodes(&alive[1]);
	alive_put_node(&alive[1], "n1", &ip1, true, T0);
	alive_put_node(&alive[1], "n3", &ip3, true, T0);
	alive_end_nodes(&alive[1]);
	alive_report(&alive[1], &ip1, ALIVE_HEARD_UP, T0);
	alive_report(&alive[1], &ip3, ALIVE_HEARD_UP, T0);
	alive_report(&alive[1], &ip3, ALIVE_HEARD_DOWN, T0);
	for (size_t i = 0; i < 2; i++)
		plan_build(&(struct plan_input){ .store = store, .self = selves[i],
		    .alive = &alive[i], .now = T0,
		    .self_state = ALIVE_UP }, &plan[i]);
	ck_assert_str_eq(plan[0].vips[0].owner, plan[1].vips[0].owner);
	ck_assert(plan[0].vips[0].is_mine != plan[1].vips[0].is_mine);
	ck_assert_uint_eq(plan[0].want.services[0].nendpoints, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct ipvs_endpoint *a = &plan[0].want.services[0].endpoints[i];
		const struct ipvs_endpoint *b = &plan[1].want.services[0].endpoints[i];

		ck_assert(ip_eq(&a->ip, &b->ip) && a->port == b->port);
		ck_assert_uint_eq(a->weight, b->weight);
	}
	for (size_t i = 0; i < 2; i++) {
		plan_fini(&plan[i]);
		alive_fini(&alive[i]);
	}
	kube_store_free(store);
}
END_TEST

/* Endpoints of n1 and n2 in turn. */
static void
put_slice_of_50(struct kube_store *store, int first)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{"
	    "'name':'s-%d','namespace':'d','labels':{'kubernetes.io/service-name':'s'}},"
	    "'addressType':'IPv4','ports':[{'name':'web','port':8080}],'endpoints':[", first);
	for (int i = first; i < first + 50; i++)
		fprintf(f, "%s{'addresses':['10.2.%d.%d'],'nodeName':'n%d'}",
		    i > first ? "," : "", i / 250, i % 250 + 1, i % 2 + 1);
	fputs("]}", f);
	fclose(f);
	json_put(store, text);
	free(text);
}

/* With more endpoints than mh takes the nodes use the same of them, and say so. */
START_TEST(same_subset_on_every_node)
{
	struct kube_store *store = kube_store_new();
	struct plan plan[2];
	struct alive alive;
	size_t n = 0;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (int i = 0; i < 3000; i += 50)
		put_slice_of_50(store, i);
	alive_init(&alive);
	for (size_t i = 0; i < 2; i++)
		plan_build(&(struct plan_input){ .store = store, .self = i == 0 ? "n1" : "n2",
		    .alive = &alive, .now = T0, .self_state = ALIVE_UP }, &plan[i]);
	ck_assert_uint_eq(plan[0].want.services[0].nendpoints, IPVS_MH_MOST);
	ck_assert_uint_eq(plan[0].want.services[0].nomitted, 3002 - IPVS_MH_MOST);
	ck_assert_uint_eq(plan[0].nwarnings, 1);
	ck_assert_msg(strncmp(plan[0].warnings[0], "d/s:", 4) == 0, "%s",
	    plan[0].warnings[0]);
	for (size_t i = 0; i < IPVS_MH_MOST; i++) {
		const struct ipvs_endpoint *a = &plan[0].want.services[0].endpoints[i];
		const struct ipvs_endpoint *b = &plan[1].want.services[0].endpoints[i];

		ck_assert(ip_eq(&a->ip, &b->ip) && a->weight == b->weight);
		n += a->reach == IPVS_REACH_LOCAL;
	}
	ck_assert_msg(n > 900 && n < 1150, "%zu of n1's, half of all", n);
	for (size_t i = 0; i < 2; i++)
		plan_fini(&plan[i]);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

START_TEST(addresses)
{
	struct kube_store *store = kube_store_new();
	struct alive alive;
	struct plan plan;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	json_put(store, "{'apiVersion':'v1','kind':'Pod'," META("d", "a") ",'spec':"
	    "{'nodeName':'n1'},'status':{'podIP':'10.1.0.7','podIPs':"
	    "[{'ip':'10.1.0.7'},{'ip':'fd01::7'}]}}");
	json_put(store, "{'apiVersion':'v1','kind':'Pod'," META("d", "b") ",'spec':"
	    "{'nodeName':'n2'},'status':{'podIP':'10.1.0.8'}}");
	json_put(store, "{'apiVersion':'v1','kind':'Pod'," META("d", "c") ",'spec':"
	    "{'nodeName':'n1','hostNetwork':true},'status':{'podIP':'10.0.0.1'}}");
	make_alive(&alive, ALIVE_HEARD_UP);
	plan_build(&(struct plan_input){ .store = store, .self = "n1",
	    .alive = &alive, .now = T0,
	    .self_state = ALIVE_UP }, &plan);
	ck_assert_uint_eq(plan.want.nnode_ips, 1);
	ck_assert_str_eq(IP_STR(&plan.want.node_ips[0]), "10.0.0.1");
	ck_assert_uint_eq(plan.want.npeers, 2);
	ck_assert_str_eq(IP_STR(&plan.want.peers[1]), "10.0.0.3");
	ck_assert_msg(plan.want.nlocal_clients == 2, "own pods, both families, not "
	    "those of the host's network");
	ck_assert_str_eq(IP_STR(&plan.want.local_clients[1]), "fd01::7");
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
	tcase_add_loop_test(tc, unread_pool, 0, nitems(unread));
	tcase_add_loop_test(tc, owner, 0, nitems(owner_rows));
	tcase_add_loop_test(tc, bgp, 0, nitems(bgp_rows));
	tcase_add_test(tc, same_table_on_every_node);
	tcase_add_test(tc, same_subset_on_every_node);
	tcase_add_test(tc, addresses);
}

TEST_MAIN("plan", fill)
