/*
 * A plan brought up to date is the plan built anew: after each of many random
 * changes of EndpointSlices in a world with every kind of Service, by everything
 * that follows from endpoints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })
#define HERALD(kind, name, spec) \
	"{'apiVersion':'heraldlb.io/" kind "','metadata':{'namespace':'herald-system'," \
	"'name':'" name "'},'spec':{" spec "}}"
#define SERVICE(name, meta, spec, ports, status) \
	"{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d','name':'" name \
	"'" meta "},'spec':{'type':'LoadBalancer'," spec "'ports':[" ports "]}," \
	"'status':{'loadBalancer':{'ingress':[" status "]}}}"
#define WEB "{'name':'web','port':80}"
#define ADM "{'name':'adm','port':81}"
#define BY(profile) ",'annotations':{'heraldlb.io/forwarding-profile':'" profile "'}"

static const char *const world[] = {
	HERALD("v1beta1','kind':'IPAddressPool", "p",
	    "'addresses':['10.0.9.0/24','fd09::/64']"),
	HERALD("v1beta1','kind':'L2Advertisement", "a", ""),
	HERALD("v1beta1','kind':'ForwardingProfile", "wrr", "'scheduler':'wrr'"),
	HERALD("v1beta1','kind':'ForwardingProfile", "masq", "'mode':'masquerade',"
	    "'topologyHints':true"),
	HERALD("v1beta1','kind':'ForwardingProfile", "checks",
	    "'healthCheck':{'type':'tcp'}"),
	HERALD("v1beta1','kind':'ForwardingProfile", "quorum", "'quorum':{'up':2}"),
	HERALD("v1beta1','kind':'ForwardingProfile", "cni", "'mode':'delegate'"),
	SERVICE("s0", "", "", WEB "," ADM, "{'ip':'10.0.9.1'},{'ip':'fd09::1'}"),
	SERVICE("s1", BY("wrr"), "", WEB, "{'ip':'10.0.9.2'},{'ip':'10.0.9.2'}"),
	SERVICE("s2", BY("masq"), "", ADM, "{'ip':'10.0.9.2'}"),
	/* The port is s1's. */
	SERVICE("s3", "", "", WEB, "{'ip':'10.0.9.2'}"),
	SERVICE("s4", "", "'publishNotReadyAddresses':true,", WEB, "{'ip':'10.0.9.4'}"),
	SERVICE("s5", BY("cni"), "", WEB, "{'ip':'10.0.9.5'}"),
	SERVICE("s6", "", "", WEB, "{'ip':'192.0.2.1'}"),
	/* From here on endpoints decide more than what is forwarded. */
	SERVICE("s7", "", "'externalTrafficPolicy':'Local',", WEB, "{'ip':'10.0.9.7'}"),
	SERVICE("s8", BY("checks"), "", WEB, "{'ip':'10.0.9.8'}"),
	SERVICE("s9", BY("quorum"), "", WEB, "{'ip':'10.0.9.9'}"),
};
enum { NPLAIN = 7, NSERVICES = 11 };

static const struct {
	const char *why;
	const char *added[2];
	bool	is_plain;		/* only for Services of which all can be updated */
	bool	may_refuse;		/* now and then a whole plan is needed */
} variants[] = {
	{ "layer 2", { NULL }, true, false },
	{ "BGP: a route comes with the first endpoint, and goes with the last",
	    { HERALD("v1beta2','kind':'BGPPeer", "r", "'myASN':64512,'peerASN':64513,"
	      "'peerAddress':'10.0.0.254'"),
	      HERALD("v1beta1','kind':'BGPAdvertisement", "b", "") }, true, true },
	{ "all kinds of Services; s0's endpoints are in s10's table, too",
	    { HERALD("v1beta1','kind':'ForwardingProfile", "sorry", "'quorum':{'up':2},"
	      "'fallback':[{'service':{'name':'s0'}}]"),
	      SERVICE("s10", BY("sorry"), "", WEB, "{'ip':'10.0.9.10'}") }, false, true },
};

static uint64_t random_state;

static unsigned
draw(unsigned below)
{
	random_state = hash_bytes(&below, sizeof(below), random_state);
	return (unsigned)(random_state % below);
}

static void
put_nodes(struct kube_store *s, struct alive *alive)
{
	/* n2's speaker is up, n3's node has gone, n4 has no speaker. */
	static const enum alive_report heard[] = { ALIVE_HEARD_UP, ALIVE_HEARD_DOWN };

	alive_begin_nodes(alive);
	for (unsigned i = 1; i <= 4; i++) {
		struct ip ip = ip_from_v4(0x0a000000 + i);
		char text[512], name[8];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(text, sizeof(text), "{'apiVersion':'v1','kind':'Node','metadata':"
		    "{'name':'%s','labels':{'topology.kubernetes.io/zone':'z1'},"
		    "'annotations':{'heraldlb.io/weight':'%u'}},'status':"
		    "{'addresses':[{'type':'InternalIP','address':'%s'}]}}", name, i,
		    IP_STR(&ip));
		json_put(s, text);
		if (i > 1)
			alive_put_node(alive, name, &ip, i < 4, T0);
	}
	alive_end_nodes(alive);
	for (size_t i = 0; i < nitems(heard); i++) {
		struct ip ip = ip_from_v4(0x0a000002 + (uint32_t)i);

		alive_report(alive, &ip, ALIVE_HEARD_UP, T0);
		alive_report(alive, &ip, heard[i], T0);
	}
}

/* One of two slices of some Service comes, changes or goes. */
static void
change_slice(struct kube_store *s, unsigned nservices)
{
	static const char *const conditions[] = { "'ready':true", "'ready':false",
		"'ready':false,'serving':true,'terminating':true" };
	unsigned svc = draw(nservices), which = draw(2), v6 = draw(4) == 0, n = draw(4);
	char name[16], *text = NULL;
	size_t len = 0;
	FILE *f;

	snprintf(name, sizeof(name), "x%u-%u", which, svc);
	if (draw(5) == 0) {
		kube_store_delete(s, KUBE_ENDPOINT_SLICE, "d", name);
		return;
	}
	f = open_memstream(&text, &len);
	fprintf(f, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':"
	    "{'namespace':'d','name':'%s','labels':{'kubernetes.io/service-name':'s%u'}},"
	    "'addressType':'%s','ports':[{'name':'web','port':8080},{'name':'adm',"
	    "'port':%u}],'endpoints':[", name, svc, v6 ? "IPv6" : "IPv4", 8081 + draw(2));
	for (unsigned i = 0; i < n; i++) {
		unsigned node = draw(6);

		fprintf(f, "%s{'addresses':['%s%u'],", i > 0 ? "," : "", v6 ? "fd01::" :
		    "10.1.0.", 1 + draw(12));
		if (node > 0)
			fprintf(f, "'nodeName':'n%u',", node);
		if (draw(8) > 0)
			fprintf(f, "'hints':{'forZones':[{'name':'z%u'}]},", draw(2));
		fprintf(f, "'conditions':{%s}}", conditions[draw(3)]);
	}
	fputs("]}", f);
	fclose(f);
	json_put(s, text);
	free(text);
}

static void
assert_services_equal(const struct director_want *a, const struct director_want *b)
{
	ck_assert_uint_eq(a->nservices, b->nservices);
	for (size_t i = 0; i < a->nservices; i++) {
		const struct ipvs_service *x = &a->services[i], *y = &b->services[i];

		ck_assert_str_eq(x->name, y->name);
		ck_assert(ip_eq(&x->vip, &y->vip));
		ck_assert_int_eq(x->sched, y->sched);
		ck_assert_msg(x->nendpoints == y->nendpoints, "%s: %zu and %zu", x->name,
		    x->nendpoints, y->nendpoints);
		for (size_t j = 0; j < x->nendpoints; j++) {
			const struct ipvs_endpoint *e = &x->endpoints[j],
			    *g = &y->endpoints[j];

			ck_assert_msg(ip_eq(&e->ip, &g->ip) && e->port == g->port &&
			    e->weight == g->weight && e->reach == g->reach &&
			    e->drain_weight == g->drain_weight &&
			    e->is_passed_over == g->is_passed_over, "%s: endpoint %zu",
			    x->name, j);
		}
	}
}

/* What an update leaves as it was is as a whole plan would have it. */
static void
assert_equal(const struct plan *a, const struct plan *b)
{
	assert_services_equal(&a->want, &b->want);
	ck_assert_uint_eq(a->nvips, b->nvips);
	for (size_t i = 0; i < a->nvips; i++)
		ck_assert(a->vips[i].owner == NULL ? b->vips[i].owner == NULL :
		    b->vips[i].owner != NULL &&
		    strcmp(a->vips[i].owner, b->vips[i].owner) == 0);
	ck_assert_uint_eq(a->nbgp_routes, b->nbgp_routes);
	for (size_t i = 0; i < a->nbgp_routes; i++)
		ck_assert(prefix_cmp(&a->bgp_routes[i].route.prefix,
		    &b->bgp_routes[i].route.prefix) == 0);
	ck_assert_uint_eq(a->nchecks, b->nchecks);
	ck_assert_uint_eq(a->nquorums, b->nquorums);
}

/* The update names services of the plan, each once. */
static void
assert_named(const struct plan *p)
{
	for (size_t i = 0; i < p->nupdates; i++) {
		const struct director_update *u = &p->updates[i];

		ck_assert(u->is >= p->want.services &&
		    u->is < p->want.services + p->want.nservices);
		ck_assert_str_eq(u->was->name, u->is->name);
		for (size_t j = 0; j < i; j++)
			ck_assert_ptr_ne(p->updates[j].is, u->is);
	}
}

START_TEST(updated_is_built)
{
	struct kube_store *store = kube_store_new();
	struct alive alive;
	struct plan_input in = { .store = store, .self = "n1", .alive = &alive, .now = T0,
		.self_state = ALIVE_UP };
	struct plan plan, fresh;
	unsigned nupdated = 0, nrefused = 0;

	random_state = (uint64_t)_i;
	alive_init(&alive);
	for (size_t i = 0; i < nitems(world); i++)
		json_put(store, world[i]);
	for (size_t i = 0; i < 2 && variants[_i].added[i] != NULL; i++)
		json_put(store, variants[_i].added[i]);
	put_nodes(store, &alive);
	plan_build(&in, &plan);
	for (unsigned step = 0; step < 1000; step++) {
		bool is_updated;

		for (unsigned n = 1 + draw(3); n > 0; n--)
			change_slice(store, variants[_i].is_plain ? NPLAIN : NSERVICES);
		is_updated = plan_update(&in, kube_store_touched(store), &plan);
		kube_store_forget_touched(store);
		plan_build(&in, &fresh);
		if (is_updated) {
			assert_named(&plan);
			assert_equal(&plan, &fresh);
			plan_fini(&fresh);
			nupdated++;
			continue;
		}
		nrefused++;
		plan_fini(&plan);
		plan = fresh;
	}
	plan_fini(&plan);
	ck_assert_msg(nupdated > 50, "%s: %u updates", variants[_i].why, nupdated);
	ck_assert_msg((nrefused > 0) == variants[_i].may_refuse, "%s: %u refused",
	    variants[_i].why, nrefused);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, updated_is_built, 0, nitems(variants));
}

TEST_MAIN("plan update", fill)
