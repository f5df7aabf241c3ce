/* api_path.c - see api_path.h. */
#include <stdlib.h>
#include <string.h>

#include "kube/api_path.h"
#include "kube/report.h"
#include "kube/source_impl.h"
#include "lib/mem.h"

static const char *const core_v1[] = { "v1", NULL };
static const char *const discovery[] = { "v1", "v1beta1", NULL };
static const char *const custom[] = { "v1beta1", NULL };
static const char *const custom_v2[] = { "v1beta2", NULL };

static const struct {
	const char *group;		/* NULL: that of our custom resources */
	const char *plural;
	const char *const *versions;
} kinds[KUBE_NKINDS] = {
	[KUBE_SERVICE] = { "", "services", core_v1 },
	[KUBE_ENDPOINT_SLICE] = { "discovery.k8s.io", "endpointslices", discovery },
	[KUBE_NODE] = { "", "nodes", core_v1 },
	[KUBE_NAMESPACE] = { "", "namespaces", core_v1 },
	[KUBE_POD] = { "", "pods", core_v1 },
	[KUBE_SECRET] = { "", "secrets", core_v1 },
	[KUBE_CONFIG_MAP] = { "", "configmaps", core_v1 },
	[KUBE_IP_ADDRESS_POOL] = { NULL, "ipaddresspools", custom },
	[KUBE_L2_ADVERTISEMENT] = { NULL, "l2advertisements", custom },
	[KUBE_BGP_ADVERTISEMENT] = { NULL, "bgpadvertisements", custom },
	[KUBE_BGP_PEER] = { NULL, "bgppeers", custom_v2 },
	[KUBE_COMMUNITY] = { NULL, "communities", custom },
	[KUBE_BFD_PROFILE] = { NULL, "bfdprofiles", custom },
	/* MetalLB has no such thing: ours beside its objects, too. */
	[KUBE_FORWARDING_PROFILE] = { KUBE_API_GROUP_DEFAULT, "forwardingprofiles",
	    custom },
	[KUBE_SERVICE_L2_STATUS] = { NULL, "servicel2statuses", custom },
	[KUBE_SERVICE_BGP_STATUS] = { NULL, "servicebgpstatuses", custom },
	/* MetalLB has it of frr-k8s, in another group. */
	[KUBE_BGP_SESSION_STATE] = { KUBE_API_GROUP_DEFAULT, "bgpsessionstates", custom },
};

const char *
api_plural(enum kube_kind kind)
{
	return kinds[kind].plural;
}

bool
api_is_custom(enum kube_kind kind)
{
	return kube_kind_is_custom(kind) || kube_kind_is_report(kind);
}

const char *
api_group(enum kube_kind kind, const struct api_scope *scope)
{
	return kinds[kind].group == NULL ? scope->api_group : kinds[kind].group;
}

uint8_t
api_nversions(enum kube_kind kind)
{
	uint8_t n = 0;

	while (kinds[kind].versions[n] != NULL)
		n++;
	return n;
}

char *
api_version(enum kube_kind kind, uint8_t version, const struct api_scope *scope)
{
	const char *group = api_group(kind, scope);
	const char *v = kinds[kind].versions[version];

	return group[0] == '\0' ? mem_strdup(v) : mem_printf("%s/%s", group, v);
}

/* RFC 3986: everything but unreserved characters as %XX; heap. */
static char *
escape(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";
	char *out = mem_zalloc(3 * strlen(s) + 1), *p = out;

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (strchr(plain, c) != NULL) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	return out;
}

/* /api/v1 or /apis/GROUP/VERSION, then the namespace where there is one. */
static char *
base_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    const char *ns)
{
	const char *group = api_group(kind, scope);
	const char *v = kinds[kind].versions[version];
	char *ns_esc = escape(ns != NULL ? ns : ""), *path;
	const char *in = ns_esc[0] != '\0' ? "/namespaces/" : "";

	if (group[0] == '\0')
		path = mem_printf("/api/%s%s%s/%s", v, in, ns_esc, kinds[kind].plural);
	else
		path = mem_printf("/apis/%s/%s%s%s/%s", group, v, in, ns_esc,
		    kinds[kind].plural);
	free(ns_esc);
	return path;
}

static char *
collection_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope)
{
	return base_path(kind, version, scope, kube_kind_is_local(kind) ? scope->ns : NULL);
}

/* "&fieldSelector=...", "&labelSelector=..." or ""; heap. */
static char *
selector_query(enum kube_kind kind, const struct api_scope *scope)
{
	char label[KUBE_LABEL_LEN], *node, *query = NULL;

	/* No other Secrets are any business of ours. A selector knows no "or", so those
	   of all common types but ours are left out, one by one. */
	if (kind == KUBE_SECRET)
		return mem_strdup("&fieldSelector=type%21%3DOpaque"
		    "%2Ctype%21%3Dkubernetes.io%2Fservice-account-token"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockercfg"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockerconfigjson"
		    "%2Ctype%21%3Dkubernetes.io%2Fssh-auth"
		    "%2Ctype%21%3Dbootstrap.kubernetes.io%2Ftoken"
		    "%2Ctype%21%3Dhelm.sh%2Frelease.v1");
	if (scope->node_name == NULL || (scope->wide_kinds & 1u << kind))
		return mem_strdup("");
	if (kube_kind_is_report(kind)) {
		node = escape(kube_label_value(scope->node_name, label));
		query = mem_printf("&labelSelector=%s%%2Fnode%%3D%s",
		    api_group(kind, scope), node);
		free(node);
	} else if (kind == KUBE_POD) {
		node = escape(scope->node_name);
		query = mem_printf("&fieldSelector=spec.nodeName%%3D%s", node);
		free(node);
	}
	return query != NULL ? query : mem_strdup("");
}

char *
api_list_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    unsigned limit, const char *cont)
{
	char *base = collection_path(kind, version, scope);
	char *selector = selector_query(kind, scope);
	char *token = escape(cont != NULL ? cont : ""), *path;

	path = mem_printf("%s?limit=%u%s%s%s", base, limit,
	    token[0] != '\0' ? "&continue=" : "", token, selector);
	free(token);
	free(selector);
	free(base);
	return path;
}

char *
api_watch_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    const char *resource_version, unsigned timeout_sec)
{
	char *base = collection_path(kind, version, scope);
	char *selector = selector_query(kind, scope);
	char *rv = escape(resource_version), *path;

	path = mem_printf("%s?watch=true&allowWatchBookmarks=true&resourceVersion=%s"
	    "&timeoutSeconds=%u%s", base, rv, timeout_sec, selector);
	free(rv);
	free(selector);
	free(base);
	return path;
}

char *
api_create_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    const char *ns)
{
	return base_path(kind, version, scope, ns);
}

char *
api_object_path(enum kube_kind kind, uint8_t version, const struct api_scope *scope,
    const char *ns, const char *name, const char *subresource)
{
	char *base = base_path(kind, version, scope, ns);
	char *esc = escape(name), *path;

	path = mem_printf("%s/%s%s", base, esc, subresource);
	free(esc);
	free(base);
	return path;
}

char *
api_events_path(const char *ns)
{
	char *esc = escape(ns), *path;

	path = mem_printf("/api/v1/namespaces/%s/events", esc);
	free(esc);
	return path;
}

char *
api_proxy_path(const char *node, uint16_t port, const char *path)
{
	char *esc = escape(node), *full;

	full = mem_printf("/api/v1/nodes/%s:%u/proxy%s", esc, port, path);
	free(esc);
	return full;
}

char *
api_lease_path(const char *ns, const char *name)
{
	char *ns_esc = escape(ns), *esc = escape(name != NULL ? name : ""), *path;

	path = mem_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", ns_esc,
	    esc[0] != '\0' ? "/" : "", esc);
	free(esc);
	free(ns_esc);
	return path;
}
