/*
 * The plan by table: a small world in JSON, one change to it per row, and what
 * this node should then do, as one line of text.
 */
#include <stdio.h>
#include <string.h>

#include "ipvs/subset.h"
#include "kube/decode.h"
#include "kube/manifest.h"
#include "tests/speaker/plan_world.h"

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

START_TEST(table)
{
	struct planned w;
	char *got;

	planned_init(&w, rows[_i].changed, nitems(rows[_i].changed), rows[_i].n3);
	planned_build(&w, (struct plan_input){ .self_state = ALIVE_UP });
	got = print_plan(&w.plan);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	planned_fini(&w);
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
	char *text = json(BAD_POOL);
	struct planned w;

	planned_init(&w, &unread[_i].svc, 1, ALIVE_HEARD_UP);
	kube_store_put(w.store, kube_manifest_stub(text, KUBE_IP_ADDRESS_POOL, NULL,
	    &conf));
	planned_build(&w, (struct plan_input){ .self_state = ALIVE_UP });
	ck_assert_msg((w.plan.nvips == 1) == unread[_i].is_claimed, "%s", unread[_i].why);
	if (unread[_i].is_claimed) {
		ck_assert_str_eq(w.plan.vips[0].pool, "bad");
		ck_assert_ptr_nonnull(w.plan.vips[0].owner);
	}
	planned_fini(&w);
	free(text);
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
	static const char *const pods[] = {
		"{'apiVersion':'v1','kind':'Pod'," META("d", "a") ",'spec':"
		    "{'nodeName':'n1'},'status':{'podIP':'10.1.0.7','podIPs':"
		    "[{'ip':'10.1.0.7'},{'ip':'fd01::7'}]}}",
		"{'apiVersion':'v1','kind':'Pod'," META("d", "b") ",'spec':"
		    "{'nodeName':'n2'},'status':{'podIP':'10.1.0.8'}}",
		"{'apiVersion':'v1','kind':'Pod'," META("d", "c") ",'spec':"
		    "{'nodeName':'n1','hostNetwork':true},'status':{'podIP':'10.0.0.1'}}",
	};
	const struct director_want *want;
	struct planned w;

	planned_init(&w, pods, nitems(pods), ALIVE_HEARD_UP);
	planned_build(&w, (struct plan_input){ .self_state = ALIVE_UP });
	want = &w.plan.want;
	ck_assert_uint_eq(want->nnode_ips, 1);
	ck_assert_str_eq(IP_STR(&want->node_ips[0]), "10.0.0.1");
	ck_assert_uint_eq(want->npeers, 2);
	ck_assert_str_eq(IP_STR(&want->peers[1]), "10.0.0.3");
	ck_assert_msg(want->nlocal_clients == 2, "own pods, both families, not "
	    "those of the host's network");
	ck_assert_str_eq(IP_STR(&want->local_clients[1]), "fd01::7");
	planned_fini(&w);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, nitems(rows));
	tcase_add_loop_test(tc, unread_pool, 0, nitems(unread));
	tcase_add_test(tc, same_table_on_every_node);
	tcase_add_test(tc, same_subset_on_every_node);
	tcase_add_test(tc, addresses);
}

TEST_MAIN("plan", fill)
