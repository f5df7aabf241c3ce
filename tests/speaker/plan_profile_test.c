/*
 * What ForwardingProfiles, verdicts and quorums make of the plan of n1: one
 * Service with an endpoint on each of n1, n2 and n3, and one on no node.
 */
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })
#define NODE(i) \
	"{'apiVersion':'v1','kind':'Node','metadata':{'name':'n" i "'}," \
	"'status':{'addresses':[{'type':'InternalIP','address':'10.0.0." i "'}]}}"
#define SERVICE(meta, spec) \
	"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d','name':'s'" meta \
	"},'spec':{'type':'LoadBalancer'," spec "'ports':[{'name':'web','port':80}," \
	"{'name':'adm','port':81}]},'status':{'loadBalancer':" \
	"{'ingress':[{'ip':'10.0.9.3'}]}}}"
#define EP(ip, on, ready) \
	"{'addresses':['" ip "']" on ",'conditions':{'ready':" ready "}}"
#define ON(node) ",'nodeName':'" node "'"
#define ENDPOINTS(eps) \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	"'metadata':{'namespace':'d','name':'s-1'," \
	"'labels':{'kubernetes.io/service-name':'s'}},'addressType':'IPv4'," \
	"'ports':[{'name':'web','port':8080},{'name':'adm','port':8081}]," \
	"'endpoints':[" eps "]}"
#define PROFILE(spec) \
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'ForwardingProfile'," \
	"'metadata':{'namespace':'herald-system','name':'p'},'spec':{" spec "}}"
#define SORRY(ns, ports) \
	"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'" ns "'," \
	"'name':'sorry'},'spec':{'ports':[" ports "]}}"
/* One ready endpoint on n1, one on n2; one on n3 that is not. */
#define SORRY_ENDPOINTS(ns) \
	"{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	"'metadata':{'namespace':'" ns "','name':'sorry-1'," \
	"'labels':{'kubernetes.io/service-name':'sorry'}},'addressType':'IPv4'," \
	"'ports':[{'name':'http','port':80}],'endpoints':[" \
	EP("10.1.0.21", ON("n1"), "true") "," EP("10.1.0.22", ON("n2"), "true") "," \
	EP("10.1.0.23", ON("n3"), "false") "]}"
#define HTTP "{'name':'http','port':9080}"
#define FALLS_BACK(entry) CHECKED(",'quorum':{'up':3},'fallback':[{" entry "}]")
#define CHECKED(rest) PROFILE("'namespaces':['d'],'healthCheck':{'type':'tcp'}" rest)

static const char *const world[] = {
	NODE("1"), NODE("2"), NODE("3"),
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool','metadata':"
	"{'namespace':'herald-system','name':'p'},'spec':{'addresses':['10.0.9.0/24']}}",
	SERVICE("", ""),
	ENDPOINTS(EP("10.1.0.1", ON("n1"), "true") "," EP("10.1.0.2", ON("n2"), "true") ","
	    EP("10.1.0.3", ON("n3"), "true") "," EP("10.1.9.9", "", "true")),
};

/* Says who says what is down: "1" is 10.1.0.1's web port, "a1" its adm port. */
static const struct {
	const char *why;
	const char *changed[4];
	const char *n1, *n2;		/* what n1 and n2 say is down */
	bool	had_quorum;
	const char *expect;		/* services; checks; quorums that are gone */
} rows[] = {
	{ "no profile: no checks, and no verdict counts", { NULL }, "1", "2", true,
	    "web 1 1 1 1; adm 1 1 1 1; checks" },
	{ "a profile: its own endpoints and those on no node, each port",
	    { CHECKED("") }, "", "", true,
	    "web 1 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "what the check needs is missing: it is said, and nothing changes",
	    { PROFILE("'namespaces':['d'],'healthCheck':{'type':'https',"
	    "'tls':{'caConfigMap':{'name':'ca'}}}") }, "1", "", true,
	    "web 0 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9; warning" },
	{ "one port to check for all", { PROFILE("'namespaces':['d'],'healthCheck':"
	    "{'type':'tcp','port':9000}") }, "", "", true,
	    "web 1 1 1 1; adm 1 1 1 1; checks 1:9000 9:9000" },
	{ "a profile without checks", { PROFILE("'namespaces':['d']") }, "1", "", true,
	    "web 1 1 1 1; adm 1 1 1 1; checks" },
	{ "down here", { CHECKED("") }, "1", "", true,
	    "web 0 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "down there, as its node says", { CHECKED("") }, "", "2", true,
	    "web 1 0 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "what a node says of others' endpoints counts nothing", { CHECKED("") },
	    "2 3", "1 3 9", true, "web 1 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "on no node: each for itself", { CHECKED("") }, "9", "", true,
	    "web 1 1 1 0; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "unready ones are not asked, and not believed", { CHECKED(""),
	    ENDPOINTS(EP("10.1.0.1", ON("n1"), "false") "," EP("10.1.0.2", ON("n2"),
	    "true")) }, "", "", true, "web 0 1; adm 0 1; checks" },
	{ "named by annotation", { PROFILE("'healthCheck':{'type':'tcp'}"),
	    SERVICE(",'annotations':{'heraldlb.io/forwarding-profile':'p'}", "") },
	    "1", "", true, "web 0 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "named in vain, and it is said",
	    { SERVICE(",'annotations':{'heraldlb.io/forwarding-profile':'q'}", "") },
	    "", "", true, "web 1 1 1 1; adm 1 1 1 1; checks; warning" },
	{ "none left: nobody serves", { CHECKED("") }, "1 9", "2 3", true,
	    "web 0 0 1 0; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "a quorum that holds", { CHECKED(",'quorum':{'up':3}") }, "1", "", true,
	    "web 0 1 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "a quorum that is lost", { CHECKED(",'quorum':{'up':3}") }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3" },
	{ "hysteresis: had, so it holds", { CHECKED(",'quorum':{'up':3,'hysteresis':1}") },
	    "1", "2", true, "web 0 0 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "had not, so it takes more",
	    { CHECKED(",'quorum':{'up':3,'hysteresis':1}") },
	    "1", "2", false, "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3" },
	{ "the fallback, in its place; gone from the other port",
	    { CHECKED(",'quorum':{'up':3},'fallback':["
	    "{'address':'10.1.0.20'},{'address':'fd00::1'}]") }, "1", "2", true,
	    "web 0 0 0 10.1.0.20:80M*1 0; adm 1 1 1 0x 1; checks 1 9 a1 a9; fallback web 2/3" },
	{ "a fallback that is an endpoint",
	    { CHECKED(",'quorum':{'up':3},'fallback':[{'address':'10.1.0.1',"
	    "'port':8080}]") }, "1", "2", true,
	    "web 1 0 0 0; adm 0x 1 1 1 1; checks 1 9 a1 a9; fallback web 2/3" },
	{ "a Service: its ready endpoints, reached as the own ones; gone from the other "
	    "port", { FALLS_BACK("'service':{'name':'sorry'}"), SORRY("d", HTTP),
	    SORRY_ENDPOINTS("d") }, "1", "2", true,
	    "web 0 0 0 10.1.0.21:80L*1 10.1.0.22:80T*1 0; "
	    "adm 1 1 1 10.1.0.21:80L*0x 10.1.0.22:80T*0x 1; checks 1 9 a1 a9; "
	    "fallback web 2/3" },
	{ "a Service and an address that is one of its endpoints",
	    { CHECKED(",'quorum':{'up':3},'fallback':[{'service':{'name':'sorry'}},"
	    "{'address':'10.1.0.22'}]"), SORRY("d", HTTP), SORRY_ENDPOINTS("d") },
	    "1", "2", true, "web 0 0 0 10.1.0.21:80L*1 10.1.0.22:80T*1 0; "
	    "adm 1 1 1 10.1.0.21:80L*0x 10.1.0.22:80T*0x 0x 1; checks 1 9 a1 a9; "
	    "fallback web 2/3" },
	{ "a Service of another namespace, its port by number",
	    { FALLS_BACK("'service':{'name':'sorry','namespace':'e'},'port':9080"),
	    SORRY("e", HTTP ",{'name':'x','port':9081}"), SORRY_ENDPOINTS("e") },
	    "1", "2", true, "web 0 0 0 10.1.0.21:80L*1 10.1.0.22:80T*1 0; "
	    "adm 1 1 1 10.1.0.21:80L*0x 10.1.0.22:80T*0x 1; checks 1 9 a1 a9; "
	    "fallback web 2/3" },
	{ "a Service of the name in another namespace is another",
	    { FALLS_BACK("'service':{'name':'sorry'}"), SORRY("e", HTTP),
	    SORRY_ENDPOINTS("e") }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3; warning" },
	{ "a Service without such a port, and it is said",
	    { FALLS_BACK("'service':{'name':'sorry'},'port':9081"), SORRY("d", HTTP),
	    SORRY_ENDPOINTS("d") }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3; warning" },
	{ "of several ports none can be guessed",
	    { FALLS_BACK("'service':{'name':'sorry'}"),
	    SORRY("d", HTTP ",{'name':'x','port':9081}"), SORRY_ENDPOINTS("d") }, "1", "2",
	    true, "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3; warning" },
	{ "another protocol's port is none", { FALLS_BACK("'service':{'name':'sorry'}"),
	    SORRY("d", "{'name':'http','port':80,'protocol':'UDP'}"),
	    SORRY_ENDPOINTS("d") }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3; warning" },
	{ "a Service without endpoints", { FALLS_BACK("'service':{'name':'sorry'}"),
	    SORRY("d", HTTP) }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3" },
	{ "itself is none, and a profile for all may say so",
	    { FALLS_BACK("'service':{'name':'s'}") }, "1", "2", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 2/3" },
	{ "mode masquerade is the fallback's, too", { CHECKED(",'mode':'masquerade',"
	    "'quorum':{'up':3},'fallback':[{'service':{'name':'sorry'}}]"),
	    SORRY("d", HTTP), SORRY_ENDPOINTS("d") }, "1", "2", true,
	    "web 0 0 0 10.1.0.21:80L*1 10.1.0.22:80M*1 0; "
	    "adm 1 1 1 10.1.0.21:80L*0x 10.1.0.22:80M*0x 1; checks 1 9 a1 a9; "
	    "fallback web 2/3" },
	{ "a quorum of what is ready, without checks",
	    { PROFILE("'namespaces':['d'],'quorum':{'up':5}") }, "", "", true,
	    "web 0 0 0 0; adm 0 0 0 0; checks; lost web 4/5; lost adm 4/5" },
	{ "Local: the others' do not count for weights, but for the quorum",
	    { CHECKED(",'quorum':{'up':2}"),
	    SERVICE("", "'externalTrafficPolicy':'Local',") }, "", "2", true,
	    "web 1 0 1 1; adm 1 1 1 1; checks 1 9 a1 a9" },
	{ "Local has no use for a fallback, and it is said",
	    { CHECKED(",'quorum':{'up':4},'fallback':[{'address':'10.1.0.20'}]"),
	    SERVICE("", "'externalTrafficPolicy':'Local',") }, "1", "", true,
	    "web 0 0 0 0; adm 1 1 1 1; checks 1 9 a1 a9; lost web 3/4; warning" },
};

static int
id_cmp(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/* "1 a2" to ids: the web port of 10.1.0.1, the adm port of 10.1.0.2. */
static size_t
parse_down(const char *text, uint64_t ids[8])
{
	uint64_t service = vouch_service("d", "s");
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		uint16_t port = p[0] == 'a' ? 8081 : 8080;
		struct ip ip;

		if (*p == ' ')
			continue;
		p += *p == 'a';
		ip = ip_from_v4(*p == '9' ? 0x0a010909 : 0x0a010000 + (uint32_t)(*p - '0'));
		ids[n++] = vouch_id(service, &ip, port);
	}
	qsort(ids, n, sizeof(ids[0]), id_cmp);
	return n;
}

/* n1's own word and n2's, as it would come from the network. */
static void
make_vouch(struct vouch *v, const char *n1, const char *n2)
{
	static const struct keys no_keys;
	static uint8_t buf[VOUCH_PACKET_MAX];
	struct ip ip1 = ip_from_v4(0x0a000001), ip2 = ip_from_v4(0x0a000002), to;
	struct ip self[2] = { ip2 };
	uint64_t ids[8];
	struct vouch other;
	size_t n, len;

	vouch_init(v, 1, &no_keys);
	vouch_put_peer(v, "n2", &ip2, T0);
	n = parse_down(n1, ids);
	vouch_say(v, ids, n, T0);
	vouch_init(&other, 1, &no_keys);
	vouch_put_peer(&other, "n1", &ip1, T0);
	vouch_begin(&other, T0);
	n = parse_down(n2, ids);
	vouch_say(&other, ids, n, T0);
	len = vouch_next(&other, self, T0, buf, &to);
	ck_assert_int_le(vouch_hear(v, &ip2, buf, len, T0), VOUCH_NEWS);
	vouch_fini(&other);
}

static void
print_checks(FILE *f, const struct plan *p)
{
	static const struct { uint32_t ip; uint16_t port; const char *name; } known[] = {
		{ 0x0a010001, 8080, " 1" }, { 0x0a010001, 9000, " 1:9000" },
		{ 0x0a010909, 8080, " 9" }, { 0x0a010909, 9000, " 9:9000" },
		{ 0x0a010001, 8081, " a1" }, { 0x0a010909, 8081, " a9" },
	};
	size_t nseen = 0;

	fputs("; checks", f);
	for (size_t i = 0; i < nitems(known); i++) {
		for (size_t j = 0; j < p->nchecks; j++) {
			if (ip_to_v4(&p->checks[j].want.ip) == known[i].ip &&
			    p->checks[j].want.port == known[i].port) {
				fputs(known[i].name, f);
				nseen++;
			}
		}
	}
	ck_assert_msg(nseen == p->nchecks, "%zu checks nobody asked for",
	    p->nchecks - nseen);
	for (size_t j = 1; j < p->nchecks; j++)
		ck_assert(p->checks[j - 1].want.id < p->checks[j].want.id);
}

static char *
print_plan(const struct plan *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];

		fprintf(f, "%s%s", i > 0 ? "; " : "", s->port == 80 ? "web" : "adm");
		for (size_t j = 0; j < s->nendpoints; j++) {
			const struct ipvs_endpoint *e = &s->endpoints[j];
			const char *gone = e->life == IPVS_GONE ? "x" : "";

			if (e->port != 80)
				fprintf(f, " %u%s", e->weight, gone);
			else
				fprintf(f, " %s:%u%c*%u%s", IP_STR(&e->ip), e->port,
				    "LTM"[e->reach], e->weight, gone);
		}
	}
	print_checks(f, p);
	for (int port = 80; port <= 81; port++) {
		for (size_t i = 0; i < p->nquorums; i++) {
			const struct plan_quorum *q = &p->quorums[i];

			if (strstr(q->name, port == 80 ? ":80/" : ":81/") == NULL ||
			    q->is_there || q->nneeded < 2)
				continue;
			fprintf(f, "; %s %s %u/%u", q->has_fallback ? "fallback" : "lost",
			    port == 80 ? "web" : "adm", q->nup, q->nneeded);
		}
	}
	fputs(p->nwarnings > 0 ? "; warning" : "", f);
	fclose(f);
	return text;
}

START_TEST(table)
{
	struct kube_store *store = kube_store_new();
	struct ip ip2 = ip_from_v4(0x0a000002), ip3 = ip_from_v4(0x0a000003);
	struct plan before = { 0 }, plan;
	struct alive alive;
	struct vouch vouch;
	struct plan_input in = { .store = store, .self = "n1", .alive = &alive,
		.now = T0, .self_state = ALIVE_UP, .vouch = &vouch };
	char *got;

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(rows[_i].changed); i++) {
		if (rows[_i].changed[i] != NULL)
			json_put(store, rows[_i].changed[i]);
	}
	alive_init(&alive);
	alive_put_node(&alive, "n2", &ip2, true, T0);
	alive_put_node(&alive, "n3", &ip3, true, T0);
	make_vouch(&vouch, rows[_i].n1, rows[_i].n2);
	if (!rows[_i].had_quorum) {
		/* n1 and two of n2's say: none left, so the quorum was lost. */
		struct vouch worse;

		make_vouch(&worse, "1 9", "2");
		in.vouch = &worse;
		plan_build(&in, &before);
		vouch_fini(&worse);
		in.vouch = &vouch;
		in.before = &before;
	}
	plan_build(&in, &plan);
	if (rows[_i].changed[0] == NULL || (strstr(rows[_i].changed[0], "Check") == NULL &&
	    strstr(rows[_i].changed[0], "quorum") == NULL))
		ck_assert_msg(plan.nquorums == 0, "%s: nobody asked for a quorum",
		    rows[_i].why);
	got = print_plan(&plan);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	plan_fini(&plan);
	plan_fini(&before);
	vouch_fini(&vouch);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
}

TEST_MAIN("speaker plan profile", fill)
