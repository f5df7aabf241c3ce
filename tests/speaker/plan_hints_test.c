/*
 * Hints of EndpointSlices: which endpoints each of three nodes passes over. n1 and n2
 * are in zone a, n3 in zone b; each hosts one endpoint.
 */
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })
#define NODE(i, labels) "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n" i "'," \
	"'labels':{" labels "}},'status':{'addresses':[{'type':'InternalIP'," \
	"'address':'10.0.0." i "'}]}}"
#define IN(zone) "'topology.kubernetes.io/zone':'" zone "'"
#define PROFILE(spec) "{'apiVersion':'heraldlb.io/v1beta1','kind':'ForwardingProfile'," \
	"'metadata':{'namespace':'herald-system','name':'p'},'spec':{'namespaces':['d']" spec "}}"
#define SERVICE(spec) "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d'," \
	"'name':'s'},'spec':{'type':'LoadBalancer'" spec ",'ports':[{'port':80}]},'status':{" \
	"'loadBalancer':{'ingress':[{'ip':'10.0.9.3'}]}}}"
#define EP(i, conditions, hints) "{'addresses':['10.1.0." i "'],'nodeName':'n" i "'," \
	"'conditions':{" conditions "}" hints "}"
#define UP "'ready':true"
#define LEAVING "'ready':false,'serving':true,'terminating':true"
#define ZONES(names) ",'hints':{'forZones':[" names "]}"
#define NODES(zone, node) ",'hints':{'forZones':[{'name':'" zone "'}],'forNodes':[{'name':'" \
	node "'}]}"
#define A "{'name':'a'}"
#define B "{'name':'b'}"
#define SLICE(eps) "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{" \
	"'namespace':'d','name':'s-1','labels':{'kubernetes.io/service-name':'s'}}," \
	"'addressType':'IPv4','ports':[{'name':'','port':8080}],'endpoints':[" eps "]}"
#define HINTED SLICE(EP("1", UP, ZONES(A)) "," EP("2", UP, ZONES(A)) "," \
	EP("3", UP, ZONES(B)))

static const char *const world[] = {
	NODE("1", IN("a")), NODE("2", IN("a")), NODE("3", IN("b")),
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool','metadata':"
	"{'namespace':'herald-system','name':'p'},'spec':{'addresses':['10.0.9.0/24']}}",
	SERVICE(""), HINTED, PROFILE(",'topologyHints':true"),
};

/* For n1, n2 and n3: of each endpoint its weight, in () where it is passed over. */
static const struct {
	const char *why, *changed[2], *expect;
} rows[] = {
	{ "each zone its own", { NULL }, "1 1 (1); 1 1 (1); (1) (1) 1" },
	{ "not asked for", { PROFILE("") }, "1 1 1; 1 1 1; 1 1 1" },
	{ "no hints", { SLICE(EP("1", UP, "") "," EP("2", UP, "") "," EP("3", UP, "")) },
	    "1 1 1; 1 1 1; 1 1 1" },
	{ "a ready one has none: they are on their way", { SLICE(EP("1", UP, ZONES(A)) ","
	    EP("2", UP, "") "," EP("3", UP, ZONES(B))) }, "1 1 1; 1 1 1; 1 1 1" },
	{ "an empty hint is none", { SLICE(EP("1", UP, ZONES(A)) "," EP("2", UP, ZONES(""))
	    "," EP("3", UP, ZONES(B))) }, "1 1 1; 1 1 1; 1 1 1" },
	{ "one that is not ready needs none", { SLICE(EP("1", UP, ZONES(A)) ","
	    EP("2", "'ready':false", "") "," EP("3", UP, ZONES(B))) },
	    "1 0 (1); 1 0 (1); (1) 0 1" },
	{ "lent to another zone: its own node passes it over",
	    { SLICE(EP("1", UP, ZONES(A)) "," EP("2", UP, ZONES(B)) ","
	    EP("3", UP, ZONES(B))) }, "1 (1) (1); 1 (1) (1); (1) 1 1" },
	{ "for both zones", { SLICE(EP("1", UP, ZONES(A "," B)) "," EP("2", UP, ZONES(A))
	    "," EP("3", UP, ZONES(B))) }, "1 1 (1); 1 1 (1); 1 (1) 1" },
	{ "none for this zone: all serve it", { SLICE(EP("1", UP, ZONES(A)) ","
	    EP("2", UP, ZONES(A)) "," EP("3", UP, ZONES(A))) }, "1 1 1; 1 1 1; 1 1 1" },
	{ "a node without a zone is sent to all", { NODE("3", "") },
	    "1 1 (1); 1 1 (1); 1 1 1" },
	{ "for nodes, which are nearer than zones", { SLICE(EP("1", UP, NODES("a", "n1")) ","
	    EP("2", UP, NODES("a", "n2")) "," EP("3", UP, NODES("b", "n3"))) },
	    "1 (1) (1); (1) 1 (1); (1) (1) 1" },
	{ "none for this node: its zone's", { SLICE(EP("1", UP, NODES("a", "n1")) ","
	    EP("2", UP, NODES("a", "n1")) "," EP("3", UP, NODES("b", "n3"))) },
	    "1 1 (1); 1 1 (1); (1) (1) 1" },
	{ "nobody is ready: who is leaving serves all", { SLICE(EP("1", LEAVING, ZONES(A))
	    "," EP("2", LEAVING, ZONES(A)) "," EP("3", LEAVING, ZONES(B))) },
	    "1 1 1; 1 1 1; 1 1 1" },
	{ "the last of a zone is leaving: the others' serve it", { SLICE(
	    EP("1", UP, ZONES(A)) "," EP("2", UP, ZONES(A)) "," EP("3", LEAVING,
	    ZONES(B))) }, "1 1 0; 1 1 0; 1 1 0" },
	{ "policy Local has its own", { SERVICE(",'externalTrafficPolicy':'Local'") },
	    "1 1 1; 1 1 1; 1 1 1" },
	{ "without quorum nobody serves, near or far", { PROFILE(",'topologyHints':true,"
	    "'quorum':{'up':4}") }, "0 0 (0); 0 0 (0); (0) (0) 0" },
};

static void
print_plan(FILE *f, struct kube_store *store, const struct alive *alive, const char *self)
{
	struct plan_input in = { .store = store, .self = self, .alive = alive, .now = T0,
		.self_state = ALIVE_UP };
	const struct ipvs_service *s;
	struct plan plan;

	plan_build(&in, &plan);
	ck_assert_uint_eq(plan.want.nservices, 1);
	s = &plan.want.services[0];
	for (size_t i = 0; i < s->nendpoints; i++)
		fprintf(f, s->endpoints[i].is_passed_over ? "%s(%u)" : "%s%u",
		    i > 0 ? " " : "", s->endpoints[i].weight);
	plan_fini(&plan);
}

START_TEST(table)
{
	struct kube_store *store = kube_store_new();
	struct alive alive;
	char *got = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&got, &len);

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(rows[_i].changed); i++) {
		if (rows[_i].changed[i] != NULL)
			json_put(store, rows[_i].changed[i]);
	}
	for (unsigned self = 1; self <= 3; self++) {
		char name[] = "n0";

		alive_init(&alive);
		for (unsigned i = 1; i <= 3; i++) {
			struct ip ip = ip_from_v4(0x0a000000 + i);

			name[1] = (char)('0' + i);
			if (i != self)
				alive_put_node(&alive, name, &ip, true, T0);
		}
		name[1] = (char)('0' + self);
		fputs(self > 1 ? "; " : "", f);
		print_plan(f, store, &alive, name);
		alive_fini(&alive);
	}
	fclose(f);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
}

TEST_MAIN("speaker plan hints", fill)
