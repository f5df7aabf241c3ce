/*
 * world.h - the world of tests about who announces: nodes n1, n2 and n3, and
 * Service d/s at 10.0.9.3, which is n2's by the hash.
 */
#ifndef HERALD_TESTS_SPEAKER_WORLD_H
#define HERALD_TESTS_SPEAKER_WORLD_H

#include <stdio.h>

#include "tests/kube/json.h"

static inline struct kube_store *
world_new(void)
{
	struct kube_store *store = kube_store_new();
	char node[1024];

	for (int i = 1; i <= 3; i++) {
		snprintf(node, sizeof(node), "{'apiVersion':'v1','kind':'Node','metadata':"
		    "{'name':'n%d','labels':{'n':'%d'}},'status':{'addresses':"
		    "[{'type':'InternalIP','address':'10.0.0.%d'}]}}", i, i, i);
		json_put(store, node);
	}
	json_put(store, "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool',"
	    "'metadata':{'namespace':'herald-system','name':'p'},'spec':"
	    "{'addresses':['10.0.9.0/24']}}");
	json_put(store, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"
	    "'name':'s'},'spec':{'type':'LoadBalancer','ports':[{'port':80}]},'status':"
	    "{'loadBalancer':{'ingress':[{'ip':'10.0.9.3'}]}}}");
	return store;
}

#endif
