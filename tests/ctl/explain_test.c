/*
 * heraldctl explain by table: a world in which all is well, one thing in it that
 * is not, and the line that has to say so.
 */
#include <string.h>

#include "ctl/explain_decode.h"
#include "kube/decode.h"
#include "tests/check.h"
#include "tests/kube/json.h"
#include "tests/kube/kinds.h"

#undef NODE
#define NODE(name, meta, conditions) "{'apiVersion':'v1','kind':'Node','metadata':{'name':'" \
	name "'" meta "},'status':{'conditions':[" conditions "]}}"
#define SERVICE(spec, status) "{'apiVersion':'v1','kind':'Service','metadata':{'name':'web'," \
	"'namespace':'d'},'spec':{'ports':[{'port':80}],'selector':{'app':'web'}" spec \
	"},'status':{'loadBalancer':{'ingress':[" status "]}}}"
#define LB ",'type':'LoadBalancer'"
#define VIP "{'ip':'10.0.9.3'}"
#define SLICE_OF(endpoints) "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	"'metadata':{'name':'web-1','namespace':'d','labels':{" \
	"'kubernetes.io/service-name':'web'}},'addressType':'IPv4','ports':[{'name':''," \
	"'port':8080}],'endpoints':[" endpoints "]}"
#define EP(node, ready) "{'addresses':['10.1.0.1'],'nodeName':'" node "','conditions':{" \
	"'ready':" ready "}}"
#undef POOL
#define POOL(range) "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool'," \
	"'metadata':{'name':'lan','namespace':'hs'},'spec':{'addresses':['" range "']}}"
#define L2_STATUS "{'apiVersion':'heraldlb.io/v1beta1','kind':'ServiceL2Status','metadata':" \
	"{'name':'w','namespace':'hs'},'status':{'node':'n2','serviceName':'web'," \
	"'serviceNamespace':'d','interfaces':[{'name':'eth0'},{'name':'eth1'}]}}"
#define BGP_STATUS "{'apiVersion':'heraldlb.io/v1beta1','kind':'ServiceBGPStatus'," \
	"'metadata':{'name':'w','namespace':'hs'},'status':{'node':'n1','serviceName':'web'," \
	"'serviceNamespace':'d','peers':['tor']}}"
#define PEER "{'apiVersion':'heraldlb.io/v1beta2','kind':'BGPPeer','metadata':{'name':'tor'," \
	"'namespace':'hs'},'spec':{'myASN':1,'peerASN':2,'peerAddress':'10.0.0.254'}}"

static const char *const world[] = {
	SERVICE(LB, VIP), SLICE_OF(EP("n1", "true") "," EP("n2", "true")),
	NODE("n1", "", ""), NODE("n2", "", ""), NODE("n3", "", ""), POOL("10.0.9.0/24"),
	L2_STATUS,
};

/* A speaker's /status: of its VIPs, its sessions and its rivals. */
#define STATUS(vips, more) "{'node':'x','vips':[" vips "]" more "}"
#define MINE STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true,'announced':true}", "")
#define OTHER STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true,'announced':false}," \
	"{'ip':'10.0.9.4','owner':'n1','programmed':true,'announced':true}", "")
#define NOBODY(why) STATUS("{'ip':'10.0.9.3','reason':'" why "','programmed':true," \
	"'announced':false}", "")
#define SESSION(state) STATUS("{'ip':'10.0.9.3','reason':'no L2','programmed':true}", \
	",'bgp':[{'name':'tor','state':'" state "','reason':'Connection refused'}]")
#define CHECKED(served, up, failing) STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':" \
	"true,'announced':true}", ",'quorums':[{'service':'d/x:1/TCP','vip':'10.0.9.9','up':0," \
	"'needed':1,'served':'nobody'},{'service':'d/web:80/TCP','vip':'10.0.9.3','up':" up \
	",'needed':1,'served':'" served "'}],'checks':[{'service':'d/x','ip':'10.1.9.9'," \
	"'port':1,'up':false},{'service':'d/web','ip':'10.1.0.2','port':8080,'up':true}" \
	failing "]")
#define CROWDED(serving, omitted) STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':" \
	"true,'announced':true}", ",'crowds':[{'service':'d/x:1/TCP','vip':'10.0.9.9'," \
	"'serving':3000,'omitted':9,'slots':4093},{'service':'d/web:80/TCP','vip':" \
	"'10.0.9.3','serving':" serving ",'omitted':" omitted ",'slots':4093}]")
#define HINTED(also) STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true," \
	"'announced':true}", ",'services':[{'name':'d/web2:80/TCP','vip':'10.0.9.3'," \
	"'endpoints':[{'ip':'10.1.9.9','port':1,'weight':0,'passed_over':true}]}," \
	"{'name':'d/web:80/TCP','vip':'10.0.9.3','endpoints':[{'ip':'10.1.0.1'," \
	"'port':8080,'weight':1},{'ip':'10.1.0.2','port':8080,'weight':0," \
	"'passed_over':true}" also "]},{'name':'d/web:80/TCP','vip':'10.0.9.4'," \
	"'endpoints':[{'ip':'10.1.0.2','port':8080,'weight':0,'passed_over':true}]}]")
#define FAILING ",{'service':'d/web','ip':'10.1.0.1','port':8080,'up':false," \
	"'error':'HTTP 503'}"

#define IN_THE_WAY(held, stops) STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true," \
	"'announced':true" held "}", ",'obstacles':[{'text':'a firewall: open it','stops':" \
	stops "},{'text':'of other VIPs','vip':'10.0.9.9'}]")
#define WARNED STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true,'announced':true}", \
	",'warnings':['d/web: not checked; create it','d/web2: of another',7]")
#define NAMES_PROFILE "{'apiVersion':'v1','kind':'Service','metadata':{'name':'web'," \
	"'namespace':'d','annotations':{'heraldlb.io/forwarding-profile':'fast'}},'spec':{" \
	"'ports':[{'port':80}]" LB "},'status':{'loadBalancer':{'ingress':[" VIP "]}}}"
#undef PROFILE
#define PROFILE(spec) "{'apiVersion':'heraldlb.io/v1beta1','kind':'ForwardingProfile'," \
	"'metadata':{'name':'all','namespace':'hs'},'spec':{" spec ",'serviceSelectors':[{}]}}"

static const struct {
	const char *why;
	const char *changed[3];		/* objects in place of the world's, or more */
	const char *gone;		/* "Kind/name" that is not there */
	const char *said[3];		/* by n1, n2, n3: NULL the plain case, "" nothing */
	const char *line;		/* in the output, whole */
	const char *end;		/* its last line */
} rows[] = {
	{ "all is well", { NULL }, NULL, { NULL },
	    "ok   announced   10.0.9.3 by n2 by ARP on eth0, eth1", "nothing stops traffic" },
	{ "the Service, as it is", { NULL }, NULL, { NULL },
	    "ok   service     LoadBalancer, externalTrafficPolicy Cluster, ports 80/TCP",
	    "nothing stops traffic" },
	{ "its pool", { NULL }, NULL, { NULL },
	    "ok   address     10.0.9.3 of IPAddressPool lan", "nothing stops traffic" },
	{ "its endpoints", { NULL }, NULL, { NULL },
	    "ok   endpoints   2 of 2 are ready", "nothing stops traffic" },
	{ "forwarding", { NULL }, NULL, { NULL },
	    "ok   forwarding  10.0.9.3 is programmed on 3 of 3 nodes asked",
	    "nothing stops traffic" },
	{ "who is let in", { SERVICE(LB ",'loadBalancerSourceRanges':['192.0.2.0/24']", VIP) },
	    NULL, { NULL }, "ok   service     LoadBalancer, externalTrafficPolicy Cluster, "
	    "ports 80/TCP, to clients in 192.0.2.0/24", "nothing stops traffic" },
	{ "checks pass", { NULL }, NULL, { NULL, CHECKED("endpoints", "2", "") },
	    "ok   health      d/web:80/TCP: 2 endpoints pass their checks, and 1 are needed",
	    "nothing stops traffic" },
	{ "one fails, and others do", { NULL }, NULL, { NULL, CHECKED("endpoints", "1",
	      FAILING) }, "warn health      d/web:80/TCP: 1 endpoints pass their checks, and "
	    "1 are needed; failing: 10.1.0.1 port 8080: HTTP 503", "nothing stops traffic" },
	{ "all fail", { NULL }, NULL, { CHECKED("fallback", "0", ""), CHECKED("nobody", "0",
	      FAILING), CHECKED("fallback", "0", "") }, "STOP health      d/web:80/TCP: 0 "
	    "endpoints pass their checks, and 1 are needed: served by nobody; see the "
	    "healthCheck of its ForwardingProfile, and let NetworkPolicies admit "
	    "169.254.77.2 and fd48:6572:616c:64::2; failing: 10.1.0.1 port 8080: HTTP 503",
	    "traffic stops at: health" },
	{ "the sorry server answers", { NULL }, NULL, { NULL, CHECKED("fallback", "0", "") },
	    "warn health      d/web:80/TCP: 0 endpoints pass their checks, and 1 are needed: "
	    "served by fallback; see the healthCheck of its ForwardingProfile, and let "
	    "NetworkPolicies admit 169.254.77.2 and fd48:6572:616c:64::2",
	    "nothing stops traffic" },
	{ "left to kube-proxy", { PROFILE("'mode':'delegate'") }, NULL, { NULL },
	    "ok   profile     ForwardingProfile all leaves what comes to it to kube-proxy or "
	    "the CNI (mode delegate): Herald checks no endpoints, and spreads no connections",
	    "nothing stops traffic" },
	{ "another profile", { PROFILE("'healthCheck':{'type':'tcp'}") }, NULL, { NULL },
	    "ok   profile     ForwardingProfile all, which has endpoints checked",
	    "nothing stops traffic" },
	{ "two speakers warn of it, one line", { NULL }, NULL, { WARNED, WARNED },
	    "warn plan        n1, n2: d/web: not checked; create it",
	    "nothing stops traffic" },
	{ "a doubtful profile", { "{'apiVersion':'heraldlb.io/v1beta1',"
	      "'kind':'ForwardingProfile','metadata':{'name':'all','namespace':'hs',"
	      "'generation':3},'spec':{'serviceSelectors':[{}]},'status':{'conditions':["
	      "{'type':'Accepted','status':'True','reason':'Doubtful',"
	      "'observedGeneration':3,'message':'spec.fallback: no Service: create it'}]}}" },
	    NULL, { NULL }, "warn profile     ForwardingProfile all; doubtful: spec.fallback: "
	    "no Service: create it", "nothing stops traffic" },
	{ "a profile that is not there", { NAMES_PROFILE }, NULL, { NULL },
	    "warn profile     the annotation heraldlb.io/forwarding-profile names "
	    "ForwardingProfile fast, which is not there, so the defaults hold; create it or "
	    "correct the name", "nothing stops traffic" },
	{ "in the way on two hosts, one line", { NULL }, NULL, { IN_THE_WAY("", "false"),
	      IN_THE_WAY("", "false") }, "warn host        n1, n2: a firewall: open it",
	    "nothing stops traffic" },
	{ "it stops all, and that at the owner", { NULL }, NULL, { NULL,
	      IN_THE_WAY("", "true") }, "STOP host        n2: a firewall: open it",
	    "traffic stops at: host" },
	{ "it stops all elsewhere", { NULL }, NULL, { IN_THE_WAY("", "true") },
	    "warn host        n1: a firewall: open it", "nothing stops traffic" },
	{ "a VIP that the host holds", { NULL }, NULL, { NULL, IN_THE_WAY(",'held':true",
	      "false,'vip':'10.0.9.2'") }, "warn host        n2: a firewall: open it",
	    "nothing stops traffic" },
	{ "no such Service", { NULL }, "Service/web", { NULL },
	    "STOP service     there is no Service d/web; see kubectl get services -A",
	    "traffic stops at: service" },
	{ "of another type", { SERVICE("", "") }, NULL, { NULL },
	    "STOP service     its spec.type is not LoadBalancer; no other Service has a VIP",
	    "traffic stops at: service" },
	{ "of another class", { SERVICE(LB ",'loadBalancerClass':'x/y'", "") }, NULL,
	    { NULL }, "STOP class       spec.loadBalancerClass is x/y, and Herald takes "
	    "heraldlb.io/herald or none; make the Service anew with that, or name another "
	    "with --lb-class", "traffic stops at: class" },
	{ "of Herald's class", { SERVICE(LB ",'loadBalancerClass':'heraldlb.io/herald'",
	      VIP) }, NULL, { NULL }, "ok   class       heraldlb.io/herald",
	    "nothing stops traffic" },
	{ "an address that no pool has: the controller's own words",
	    { SERVICE(LB ",'loadBalancerIP':'10.7.7.7'", "") }, NULL, { NULL },
	    "STOP address     none: spec.loadBalancerIP: 10.7.7.7 is not allowed in config: "
	    "no IPAddressPool holds it; ask for an address of an IPAddressPool",
	    "traffic stops at: address" },
	{ "no controller", { SERVICE(LB, "") }, NULL, { NULL },
	    "STOP address     none, though 10.0.9.0 is to be had: no herald-controller is at "
	    "work, or it may not write services/status; see its log, and the Lease "
	    "herald-controller", "traffic stops at: address" },
	{ "somebody else's address", { SERVICE(LB, "{'ip':'192.0.2.1'}") }, NULL, { NULL },
	    "STOP address     192.0.2.1: in no IPAddressPool, so somebody else gave it, and "
	    "no speaker announces it; add it to a pool, or give this Service another "
	    "loadBalancerClass", "traffic stops at: address" },
	{ "no endpoints", { SLICE_OF("") }, NULL, { NULL },
	    "STOP endpoints   none: no Pod matches its selector, or none has an address yet; "
	    "see kubectl -n d get pods -l app=web", "traffic stops at: endpoints" },
	{ "no slice at all", { NULL }, "EndpointSlice/web-1", { NULL },
	    "STOP endpoints   none: no Pod matches its selector, or none has an address yet; "
	    "see kubectl -n d get pods -l app=web", "traffic stops at: endpoints" },
	{ "none is ready", { SLICE_OF(EP("n1", "false") "," EP("n2", "false")) }, NULL,
	    { NULL }, "STOP endpoints   none of 2 is ready: do their readinessProbes "
	    "succeed? see kubectl -n d describe pods -l app=web",
	    "traffic stops at: endpoints" },
	{ "nor need be", { SERVICE(LB ",'publishNotReadyAddresses':true", VIP),
	      SLICE_OF(EP("n1", "false")) }, NULL, { NULL },
	    "ok   endpoints   1 of 1 are ready", "nothing stops traffic" },
	{ "a node that is excluded is named",
	    { NODE("n1", ",'labels':{'node.kubernetes.io/exclude-from-external-load-"
	      "balancers':''}", "") }, NULL, { NULL },
	    "ok   nodes       2 of 3 may attract traffic; not n1: label "
	    "node.kubernetes.io/exclude-from-external-load-balancers",
	    "nothing stops traffic" },
	{ "Local, and the endpoint's node may not",
	    { SERVICE(LB ",'externalTrafficPolicy':'Local'", VIP),
	      SLICE_OF(EP("n1", "true")), NODE("n1", "",
	      "{'type':'NetworkUnavailable','status':'True'}") }, NULL, { NULL },
	    "STOP nodes       externalTrafficPolicy is Local, and none of the 2 nodes that "
	    "may attract traffic has a ready endpoint; others: n1: condition "
	    "NetworkUnavailable", "traffic stops at: nodes" },
	{ "Local", { SERVICE(LB ",'externalTrafficPolicy':'Local'", VIP) }, NULL, { NULL },
	    "ok   nodes       2 of 3 may attract traffic, those with a ready endpoint",
	    "nothing stops traffic" },
	{ "one speaker is away", { NULL }, NULL, { NULL, NULL, "" },
	    "warn speakers    1 of 3 do not answer: n3: connection refused; does "
	    "herald-speaker run there, with --http?", "nothing stops traffic" },
	{ "all are", { NULL }, NULL, { "", "", "" },
	    "?    speakers    none of 3 answers, so what they do cannot be said: n1: "
	    "connection refused, n2: connection refused, n3: connection refused",
	    "nothing is seen to stop traffic, but not everything could be seen" },
	{ "the owner's is", { NULL }, NULL, { NULL, "" },
	    "?    announced   10.0.9.3 is to be announced by n2 by ARP on eth0, eth1, whose "
	    "speaker was not asked or did not answer",
	    "nothing is seen to stop traffic, but not everything could be seen" },
	{ "nobody may announce it: the speaker's own words", { NULL }, NULL,
	    { NOBODY("no L2Advertisement covers its pool and Service"),
	      NOBODY("no L2Advertisement covers its pool and Service"),
	      NOBODY("no L2Advertisement covers its pool and Service") },
	    "STOP owner       10.0.9.3: nobody announces it: no L2Advertisement covers its "
	    "pool and Service", "traffic stops at: owner" },
	{ "speakers behind the API", { NULL }, NULL,
	    { STATUS("", ""), STATUS("", ""), STATUS("", "") },
	    "STOP owner       10.0.9.3: nobody announces it: the speakers do not know it; "
	    "are they in step with the API? see their /readyz", "traffic stops at: owner" },
	{ "split minds", { NULL }, NULL,
	    { STATUS("{'ip':'10.0.9.3','owner':'n1','programmed':true,'announced':true}", "") },
	    "STOP owner       10.0.9.3: the speakers do not agree: n1 says n1, n2 says n2, n3 "
	    "says n2; do they hear each other's BFD (UDP port 7847), and see the same API?",
	    "traffic stops at: owner" },
	{ "the owner has no link", { NULL }, NULL, { NULL, OTHER },
	    "STOP announced   10.0.9.3 is to be announced by n2 and is not: no link of its "
	    "that may announce it is up; see ip link there, and the interfaces of the "
	    "L2Advertisement", "traffic stops at: announced" },
	{ "the owner's kernel refuses", { NULL }, NULL,
	    { NULL, STATUS("{'ip':'10.0.9.3','owner':'n2'}", "") },
	    "STOP forwarding  10.0.9.3 is not programmed on n2; see the logs of their "
	    "speakers, and the metric herald_director_errors_total",
	    "traffic stops at: announced" },
	{ "another's does", { NULL }, NULL,
	    { STATUS("{'ip':'10.0.9.3','owner':'n2'}", "") },
	    "warn forwarding  10.0.9.3 is not programmed on n1; see the logs of their "
	    "speakers, and the metric herald_director_errors_total",
	    "nothing stops traffic" },
	{ "a stranger has the address", { NULL }, NULL,
	    { NULL, STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true,"
	      "'announced':true}", ",'conflicts':[{'ip':'10.0.9.9','interface':'eth0',"
	      "'mac':'x'},{'ip':'10.0.9.3','interface':'eth0','mac':'02:00:00:00:00:09'}]") },
	    "STOP duplicates  used by others, too: 10.0.9.3 by 02:00:00:00:00:09, as n2 sees "
	    "on eth0; find the machine with that MAC, or take the address out of its pool",
	    "traffic stops at: duplicates" },
	{ "more endpoints than mh takes", { NULL }, NULL,
	    { CROWDED("2046", "7954"), CROWDED("2046", "7954") },
	    "warn spread      d/web:80/TCP: 2046 of 10000 endpoints serve, on all nodes the "
	    "same: the scheduler mh has 4093 slots, two for each; choose another scheduler "
	    "by a ForwardingProfile, or give the Service fewer", "nothing stops traffic" },
	{ "so many that it is uneven", { NULL }, NULL, { CROWDED("1500", "0") },
	    "ok   spread      d/web:80/TCP: 1500 endpoints share the 4093 slots of the "
	    "scheduler mh: some get 2/3 of what others get", "nothing stops traffic" },
	{ "nearer ones serve, by node; other Services' are theirs", { NULL }, NULL,
	    { HINTED(""), HINTED(",{'ip':'fd00::1','port':8080,'passed_over':true}") },
	    "ok   hints       passed over, for others are nearer by the hints of its "
	    "EndpointSlices: 10.1.0.2 port 8080 by n1, 10.1.0.2 port 8080 by n2, fd00::1 "
	    "port 8080 by n2", "nothing stops traffic" },
	{ "by BGP alone", { PEER, BGP_STATUS }, NULL,
	    { SESSION("Established"), SESSION("Established"), SESSION("Established") },
	    "ok   bgp         1 node announces it, over 1 session seen to be up",
	    "nothing stops traffic" },
	{ "and not by ARP: no fault", { PEER, BGP_STATUS }, NULL,
	    { SESSION("Established"), SESSION("Established"), SESSION("Established") },
	    "ok   owner       10.0.9.3: none by ARP or NDP (no L2)", "nothing stops traffic" },
	{ "its session is down", { PEER, BGP_STATUS }, NULL,
	    { SESSION("Active"), SESSION("Active"), SESSION("Active") },
	    "STOP bgp         no session that it is announced over is up: n1 to tor is "
	    "Active: Connection refused", "traffic stops at: bgp" },
	{ "down, and ARP goes on", { PEER, BGP_STATUS }, NULL,
	    { STATUS("{'ip':'10.0.9.3','owner':'n2','programmed':true}",
	      ",'bgp':[{'name':'tor','state':'Active'}]") },
	    "warn bgp         no session that it is announced over is up: n1 to tor is "
	    "Active", "nothing stops traffic" },
	{ "no BGPAdvertisement", { PEER }, NULL,
	    { NOBODY("no L2"), NOBODY("no L2"), NOBODY("no L2") },
	    "STOP bgp         there are BGPPeers, and no node announces it to one: no "
	    "BGPAdvertisement covers its pool and Service, or (no ServiceBGPStatus at all) "
	    "speakers run with --status-resources no", "traffic stops at: owner" },
};

static void
take_away(struct kube_store *s, const char *what)
{
	for (unsigned k = 0; what != NULL && k < KUBE_NKINDS; k++) {
		const char *kind = kube_kind_name((enum kube_kind)k);
		size_t n = strlen(kind);

		if (strncmp(what, kind, n) == 0 && what[n] == '/')
			ck_assert(kube_store_delete(s, (enum kube_kind)k, "d", what + n + 1));
	}
}

/* What a speaker says goes through its decoder, cut short at every byte, too. */
static void
hear(struct explain_speaker *s, const char *said, const struct kube_object *svc,
    struct arena *a)
{
	char *text;

	if (said[0] == '\0') {
		s->trouble = "connection refused";
		return;
	}
	text = json(said);
	for (size_t len = 0; len < strlen(text); len++) {
		struct explain_speaker none = { .node = s->node };
		char *cut = strndup(text, len);

		ck_assert_int_ne(explain_decode(cut, svc, a, &none), 0);
		ck_assert(none.nviews == 0 && none.nsessions == 0);
		free(cut);
	}
	ck_assert_int_eq(explain_decode(text, svc, a, s), 0);
	free(text);
}

START_TEST(explained)
{
	static const char *const plain[] = { OTHER, MINE, OTHER };
	struct explain_speaker speakers[3] = { { .node = "n1" }, { .node = "n2" },
		{ .node = "n3" } };
	struct kube_store *store = kube_store_new();
	const struct kube_object *svc;
	struct arena arena = { NULL };
	char *out = NULL, *line;
	struct explain e;
	size_t len = 0;
	FILE *f;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < 3 && rows[_i].changed[i] != NULL; i++)
		json_put(store, rows[_i].changed[i]);
	take_away(store, rows[_i].gone);
	svc = kube_store_get(store, KUBE_SERVICE, "d", "web");
	for (size_t i = 0; i < 3 && svc != NULL; i++)
		hear(&speakers[i], rows[_i].said[i] != NULL ? rows[_i].said[i] : plain[i],
		    svc, &arena);
	explain_run(&(struct explain_input){ .store = store, .ns = "d", .name = "web",
	    .speakers = speakers, .nspeakers = 3 }, &e);
	f = open_memstream(&out, &len);
	explain_print(&e, f);
	fclose(f);
	line = strstr(out, rows[_i].line);
	ck_assert_msg(line != NULL && (line == out || line[-1] == '\n'), "%s:\n%s",
	    rows[_i].why, out);
	line = strrchr(out, '\n') - strlen(rows[_i].end);
	ck_assert_msg(line > out && line[-1] == '\n' && strncmp(line, rows[_i].end,
	    strlen(rows[_i].end)) == 0, "%s: the end:\n%s", rows[_i].why, out);
	explain_fini(&e);
	arena_fini(&arena);
	free(out);
	kube_store_free(store);
}
END_TEST

START_TEST(refused_profile)
{
	char *bad = json("{'type':'ADDED','object':" PROFILE("'mode':'delegate',"
	    "'healthCheck':{'type':'tcp'}") "}");
	struct kube_store *store = kube_store_new();
	struct kube_watch_event ev;
	struct kube_error err;
	struct explain e;
	char *out = NULL;
	size_t len = 0;
	FILE *f;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	ck_assert_int_eq(kube_decode_watch(bad, strlen(bad), NULL, KUBE_FORWARDING_PROFILE,
	    &ev, &err), 0);
	ck_assert_ptr_nonnull(ev.object);
	(void)kube_store_put(store, ev.object);
	explain_run(&(struct explain_input){ .store = store, .ns = "d", .name = "web" }, &e);
	f = open_memstream(&out, &len);
	explain_print(&e, f);
	fclose(f);
	ck_assert_msg(strstr(out, "\nwarn profile     ForwardingProfile all is refused, so what "
	    "it said before holds, or the defaults: spec.mode: \"delegate\": leaves "
	    "forwarding") != NULL, "%s", out);
	explain_fini(&e);
	free(out);
	free(bad);
	kube_store_free(store);
}
END_TEST

START_TEST(whom)
{
	struct kube_store *store = kube_store_new();
	struct explain_input in = { .store = store, .ns = "d", .name = "web" };
	const char *nodes[4];

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	json_put(store, SLICE_OF(EP("n3", "true") "," EP("n1", "false")));
	ck_assert_uint_eq(explain_whom(&in, nodes, 4), 3);
	ck_assert_msg(strcmp(nodes[0], "n2") == 0, "who says that it announces");
	ck_assert_msg(strcmp(nodes[1], "n3") == 0, "who has an endpoint");
	ck_assert_str_eq(nodes[2], "n1");
	ck_assert_uint_eq(explain_whom(&in, nodes, 2), 2);
	in.name = "other";
	ck_assert_uint_eq(explain_whom(&in, nodes, 4), 0);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, explained, 0, nitems(rows));
	tcase_add_test(tc, refused_profile);
	tcase_add_test(tc, whom);
}

TEST_MAIN("explain", fill)
