/*
 * kinds.h - objects for the tables of the decoders' tests, in json.h's JSON.
 */
#ifndef HERALD_TESTS_KUBE_KINDS_H
#define HERALD_TESTS_KUBE_KINDS_H

#define META "'metadata':{'name':'web','namespace':'d'}"
#define SVC(rest) "{'apiVersion':'v1','kind':'Service'," META "," rest "}"
#define SPEC(rest) SVC("'spec':{'ports':[{'port':80}]," rest "}")
#define SLICE(rest) "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice'," \
	META "," rest "}"
#define NODE(rest) "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'}," \
	rest "}"
#define POOL(rest) "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool'," \
	META ",'spec':{" rest "}}"
#define L2ADV(rest) "{'apiVersion':'heraldlb.io/v1beta1'," \
	"'kind':'L2Advertisement'," META ",'spec':{" rest "}}"

#endif
