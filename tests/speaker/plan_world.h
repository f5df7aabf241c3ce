/*
 * plan_world.h - the world of tests of what n1 plans: nodes n1, n2 and n3, a pool, and
 * Service d/s at 10.0.9.3 with an endpoint on n1 and one on n2. In JSON, so that a row
 * of a test says its one change as a manifest would.
 */
#ifndef HERALD_TESTS_SPEAKER_PLAN_WORLD_H
#define HERALD_TESTS_SPEAKER_PLAN_WORLD_H

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

/* n2 up, n3 once up and then as given. */
static inline void
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

struct planned {
	struct kube_store *store;
	struct alive alive;
	struct plan plan;
};

/* The world, changed by these n objects (NULL: none), n3 as given. */
static inline void
planned_init(struct planned *w, const char *const *changed, size_t n, enum alive_report n3)
{
	w->store = kube_store_new();
	for (size_t i = 0; i < nitems(world); i++)
		json_put(w->store, world[i]);
	for (size_t i = 0; i < n; i++)
		if (changed[i] != NULL)
			json_put(w->store, changed[i]);
	make_alive(&w->alive, n3);
}

/* What n1 plans then; in: the rest of its input. */
static inline void
planned_build(struct planned *w, struct plan_input in)
{
	in.store = w->store;
	in.self = "n1";
	in.alive = &w->alive;
	in.now = T0;
	plan_build(&in, &w->plan);
}

static inline void
planned_fini(struct planned *w)
{
	plan_fini(&w->plan);
	alive_fini(&w->alive);
	kube_store_free(w->store);
}

#endif
