/* Whose datagrams are scheduled one by one, and why others' are not. */
#include <stdio.h>
#include <string.h>

#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })
#define NODE(i) "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n" i "'}," \
	"'status':{'addresses':[{'type':'InternalIP','address':'10.0.0." i "'}]}}"
#define PROFILE(spec) "{'apiVersion':'heraldlb.io/v1beta1','kind':'ForwardingProfile'," \
	"'metadata':{'namespace':'herald-system','name':'p'},'spec':{'scheduler':'wrr'," \
	"'namespaces':['d']" spec "}}"
#define PORTS "{'name':'u','port':53,'protocol':'UDP'},{'name':'t','port':53}"
#define SERVICE(name, spec, ports, ips) "{'apiVersion':'v1','kind':'Service','metadata':{" \
	"'namespace':'d','name':'" name "'},'spec':{'type':'LoadBalancer'" spec ",'ports':[" \
	ports "]},'status':{'loadBalancer':{'ingress':[" ips "]}}}"
#define IP(ip) "{'ip':'" ip "'}"
#define EP(i, node, conditions) "{'addresses':['10.1.0." i "']" node ",'conditions':{" \
	conditions "}}"
#define ON(i) ",'nodeName':'n" i "'"
#define UP "'ready':true"
#define SLICE(name, port, eps) "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	"'metadata':{'namespace':'d','name':'" name "-1','labels':{" \
	"'kubernetes.io/service-name':'" name "'}},'addressType':'IPv4','ports':[{'name':'u'," \
	"'port':" port ",'protocol':'UDP'},{'name':'t','port':" port "}],'endpoints':[" eps "]}"
#define BOTH EP("1", ON("1"), UP) "," EP("2", ON("2"), UP)

static const char *const world[] = {
	NODE("1"), NODE("2"), PROFILE(",'onePacket':true"),
	"{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool','metadata':"
	"{'namespace':'herald-system','name':'p'},'spec':{'addresses':['10.0.9.0/24',"
	"'fd00:9::/64']}}",
	SERVICE("s", "", PORTS, IP("10.0.9.3")), SLICE("s", "5353", BOTH),
};

/* Of each service VIP:PORT/PROTOCOL, and "1"; a word of each warning. */
static const struct {
	const char *why, *changed[2];
	bool is_n2_mute;		/* it has no speaker */
	const char *expect, *warnings[2];
} rows[] = {
	{ "of UDP alone", { NULL }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1", { NULL } },
	{ "not asked for", { PROFILE("") }, false, "10.0.9.3:53/6 10.0.9.3:53/17", { NULL } },
	{ "policy Local", { SERVICE("s", ",'externalTrafficPolicy':'Local'", PORTS,
	    IP("10.0.9.3")) }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1", { NULL } },
	{ "a client that is to keep its endpoint", { SERVICE("s",
	    ",'sessionAffinity':'ClientIP'", PORTS, IP("10.0.9.3")) }, false,
	    "10.0.9.3:53/6 10.0.9.3:53/17", { "d/s:53/UDP at 10.0.9.3: its datagrams are not "
	    "scheduled one by one, as its profile's onePacket has it, but by flow: its "
	    "sessionAffinity" } },
	{ "a node without a speaker", { NULL }, true,
	    "10.0.9.3:53/6 10.0.9.3:53/17", { "endpoint 10.1.0.2 is on no node with a speaker" } },
	{ "an endpoint on no node", { SLICE("s", "5353", BOTH "," EP("3", "", UP)) }, false,
	    "10.0.9.3:53/6 10.0.9.3:53/17", { "endpoint 10.1.0.3 is on no node" } },
	{ "one that serves nothing is in nobody's way", { SLICE("s", "5353", BOTH ","
	    EP("3", "", "'ready':false")) }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1", { NULL } },
	{ "two VIPs of a family: whose reply is it?", { SERVICE("s", "", PORTS,
	    IP("10.0.9.3") "," IP("10.0.9.4")) }, false, "10.0.9.3:53/6 "
	    "10.0.9.3:53/17 10.0.9.4:53/6 10.0.9.4:53/17", {
	    "d/s:53/UDP at 10.0.9.3: its", "d/s:53/UDP at 10.0.9.4: its" } },
	{ "one VIP of each", { SERVICE("s", "", PORTS, IP("10.0.9.3") "," IP("fd00:9::3")) },
	    false, "10.0.9.3:53/6 10.0.9.3:53/17 1 fd00:9::3:53/6 fd00:9::3:53/17 1",
	    { NULL } },
	{ "another Service of the same pods' port", { SERVICE("o", "", PORTS,
	    IP("10.0.9.4")), SLICE("o", "5353", EP("2", ON("2"), UP)) }, false,
	    "10.0.9.3:53/6 10.0.9.3:53/17 10.0.9.4:53/6 10.0.9.4:53/17", {
	    "10.1.0.2 port 5353 serves d/o:53/UDP at 10.0.9.4 in the same way",
	    "10.1.0.2 port 5353 serves d/s:53/UDP at 10.0.9.3 in the same way" } },
	{ "of another port of theirs", { SERVICE("o", "", PORTS, IP("10.0.9.4")),
	    SLICE("o", "5354", BOTH) }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1 "
	    "10.0.9.4:53/6 10.0.9.4:53/17 1", { NULL } },
	{ "two that share a VIP and have ports of their own", { SERVICE("o", "",
	    "{'name':'u','port':54,'protocol':'UDP'}", IP("10.0.9.3")),
	    SLICE("o", "5354", BOTH) }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1 "
	    "10.0.9.3:54/17 1", { NULL } },
	{ "another that is by flow anyway is in nobody's way", { SERVICE("o",
	    ",'sessionAffinity':'ClientIP'", PORTS, IP("10.0.9.4")),
	    SLICE("o", "5353", BOTH) }, false, "10.0.9.3:53/6 10.0.9.3:53/17 1 "
	    "10.0.9.4:53/6 10.0.9.4:53/17", { "d/o:53/UDP at 10.0.9.4: its" } },
	{ "the fallback is reached by masquerading", { PROFILE(",'onePacket':true,"
	    "'quorum':{'up':3},'fallback':[{'address':'10.1.0.9'}]") }, false,
	    "10.0.9.3:53/6 10.0.9.3:53/17", { "endpoint 10.1.0.9" } },
};

static void
print_plan(FILE *f, const struct plan *p)
{
	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];

		fprintf(f, "%s%s:%u/%u%s", i > 0 ? " " : "", IP_STR(&s->vip), s->port,
		    s->proto, s->is_one_packet ? " 1" : "");
	}
}

static void
check_warnings(const struct plan *p, const char *const expect[2], const char *why)
{
	size_t n = 0;

	while (n < 2 && expect[n] != NULL)
		n++;
	ck_assert_msg(p->nwarnings == n, "%s: %zu warnings: %s", why, p->nwarnings,
	    p->nwarnings > 0 ? p->warnings[0] : "");
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(strstr(p->warnings[i], expect[i]) != NULL, "%s: %s", why,
		    p->warnings[i]);
}

START_TEST(table)
{
	struct kube_store *store = kube_store_new();
	struct ip ip = ip_from_v4(0x0a000002);
	struct alive alive;
	struct plan_input in = { .store = store, .self = "n1", .alive = &alive, .now = T0,
		.self_state = ALIVE_UP };
	struct plan plan;
	char *got = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&got, &len);

	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < nitems(rows[_i].changed); i++)
		if (rows[_i].changed[i] != NULL)
			json_put(store, rows[_i].changed[i]);
	alive_init(&alive);
	if (!rows[_i].is_n2_mute)
		alive_put_node(&alive, "n2", &ip, true, T0);
	plan_build(&in, &plan);
	print_plan(f, &plan);
	fclose(f);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	check_warnings(&plan, rows[_i].warnings, rows[_i].why);
	free(got);
	plan_fini(&plan);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
}

TEST_MAIN("speaker plan packet", fill)
