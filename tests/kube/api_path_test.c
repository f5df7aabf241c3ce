/* Where in the API an object is, and how it is asked for. */
#include <stdlib.h>

#include "kube/api_path.h"
#include "tests/check.h"

static const struct api_scope everywhere = { .api_group = "heraldlb.io" };
static const struct api_scope narrow = { .api_group = "metallb.io", .ns = "lb",
    .node_name = "n/1" };

START_TEST(paths)
{
	const struct { char *got; const char *want; } p[] = {
		{ api_list_path(KUBE_SERVICE, 0, &narrow, 500, NULL),
		    "/api/v1/services?limit=500" },
		{ api_list_path(KUBE_ENDPOINT_SLICE, 1, &everywhere, 0, NULL),
		    "/apis/discovery.k8s.io/v1beta1/endpointslices?limit=0" },
		{ api_list_path(KUBE_POD, 0, &narrow, 500, "t"),
		    "/api/v1/pods?limit=500&continue=t&fieldSelector=spec.nodeName%3Dn%2F1" },
		{ api_list_path(KUBE_POD, 0, &everywhere, 500, NULL),
		    "/api/v1/pods?limit=500" },
		{ api_list_path(KUBE_SECRET, 0, &narrow, 500, NULL),
		    "/api/v1/namespaces/lb/secrets?limit=500"
		    "&fieldSelector=type%21%3DOpaque"
		    "%2Ctype%21%3Dkubernetes.io%2Fservice-account-token"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockercfg"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockerconfigjson"
		    "%2Ctype%21%3Dkubernetes.io%2Fssh-auth"
		    "%2Ctype%21%3Dbootstrap.kubernetes.io%2Ftoken"
		    "%2Ctype%21%3Dhelm.sh%2Frelease.v1" },
		{ api_list_path(KUBE_CONFIG_MAP, 0, &narrow, 500, NULL),
		    "/api/v1/namespaces/lb/configmaps?limit=500" },
		{ api_list_path(KUBE_SERVICE_L2_STATUS, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/servicel2statuses?limit=500"
		    "&labelSelector=metallb.io%2Fnode%3Dn%2F1" },
		{ api_list_path(KUBE_SERVICE_BGP_STATUS, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/servicebgpstatuses?limit=500" },
		{ api_watch_path(KUBE_BGP_SESSION_STATE, 0, &narrow, "7", 60),
		    "/apis/heraldlb.io/v1beta1/namespaces/lb/bgpsessionstates?watch=true"
		    "&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=60"
		    "&labelSelector=heraldlb.io%2Fnode%3Dn%2F1" },
		{ api_list_path(KUBE_IP_ADDRESS_POOL, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools?limit=500" },
		{ api_list_path(KUBE_IP_ADDRESS_POOL, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/ipaddresspools?limit=500" },
		{ api_list_path(KUBE_BGP_PEER, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta2/namespaces/lb/bgppeers?limit=500" },
		{ api_list_path(KUBE_BGP_ADVERTISEMENT, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/bgpadvertisements?limit=500" },
		{ api_list_path(KUBE_COMMUNITY, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/communities?limit=500" },
		{ api_list_path(KUBE_BFD_PROFILE, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/bfdprofiles?limit=500" },
		{ api_object_path(KUBE_SERVICE, 0, &everywhere, "a", "../b", "/status"),
		    "/api/v1/namespaces/a/services/..%2Fb/status" },
		{ api_object_path(KUBE_NODE, 0, &everywhere, NULL, "n", ""),
		    "/api/v1/nodes/n" },
		{ api_proxy_path("n/1", 7473, "/status"),
		    "/api/v1/nodes/n%2F1:7473/proxy/status" },
		{ api_events_path("a b"), "/api/v1/namespaces/a%20b/events" },
	};

	for (size_t i = 0; i < nitems(p); i++) {
		ck_assert_str_eq(p[i].got, p[i].want);
		free(p[i].got);
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, paths);
}

TEST_MAIN("api paths", fill)
