#include <errno.h>
#include <string.h>

#include "controller/request.h"
#include "lib/mem.h"

enum annotation { ANN_IPS, ANN_POOL, ANN_SHARE };

/* The prefix on the left goes first. */
static const char *const annotations[][3] = {
	[ANN_IPS] = { "heraldlb.io/loadBalancerIPs", "metallb.io/loadBalancerIPs",
	    "metallb.universe.tf/loadBalancerIPs" },
	[ANN_POOL] = { "heraldlb.io/address-pool", "metallb.io/address-pool",
	    "metallb.universe.tf/address-pool" },
	[ANN_SHARE] = { "heraldlb.io/allow-shared-ip", "metallb.io/allow-shared-ip",
	    "metallb.universe.tf/allow-shared-ip" },
};

/* The value, NULL where absent or empty; *ret_key is the annotation's name. */
static const char *
annotation_get(const struct kube_object *svc, enum annotation which,
    const char **ret_key)
{
	for (size_t i = 0; i < nitems(annotations[which]); i++) {
		const char *key = annotations[which][i];
		const char *v = kube_map_get(&svc->meta.annotations, key);

		if (v == NULL || *v == '\0')
			continue;
		*ret_key = key;
		return v;
	}
	return NULL;
}

static const char *
family_name(enum ip_family f)
{
	return f == IP_V4 ? "IPv4" : "IPv6";
}

/* The word between from and to, trimmed, as an address. */
static int
parse_one(const char *from, const char *to, struct ip *ret)
{
	char word[IP_STRLEN];

	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	if ((size_t)(to - from) >= sizeof(word))
		return -EINVAL;
	memcpy(word, from, (size_t)(to - from));
	word[to - from] = '\0';
	return ip_parse(word, ret);
}

/*
 * Parse "A" or "A,B", spaces around addresses allowed: one or two addresses
 * that a Service can have, of different families. 0 or -EINVAL with only
 * *ret_err changed, naming `from`, the place of text.
 */
static int
parse_list(const char *text, const char *from, struct ip ret[2],
    unsigned *ret_n, struct kube_error *ret_err)
{
	struct ip ips[2];
	unsigned n = 0;

	for (const char *p = text, *end; p != NULL; p = *end == ',' ? end + 1 : NULL) {
		end = p + strcspn(p, ",");
		if (n == 2) {
			kube_error_set(ret_err, "%s: \"%.100s\" names more than two "
			    "addresses: give one, or one per family", from, text);
			return -EINVAL;
		}
		if (parse_one(p, end, &ips[n]) < 0) {
			kube_error_set(ret_err, "%s: \"%.*s\" is not an IP address: "
			    "write it as 192.0.2.10 or 2001:db8::10, two of them "
			    "with a comma", from, (int)(end - p < 60 ? end - p : 60), p);
			return -EINVAL;
		}
		if (ip_is_special(&ips[n]) || ip_is_link_local(&ips[n])) {
			kube_error_set(ret_err, "%s: no Service can have %s: ask for "
			    "an address of an IPAddressPool", from, IP_STR(&ips[n]));
			return -EINVAL;
		}
		n++;
	}
	if (n == 2 && ips[0].family == ips[1].family) {
		kube_error_set(ret_err, "%s: %s and %s are of one family: a Service "
		    "has at most one IPv4 and one IPv6 address", from,
		    IP_STR(&ips[0]), IP_STR(&ips[1]));
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++)
		ret[i] = ips[i];
	*ret_n = n;
	return 0;
}

const struct ip *
request_ip(const struct request *r, enum ip_family family)
{
	for (unsigned i = 0; i < r->nips; i++) {
		if (r->ips[i].family == family)
			return &r->ips[i];
	}
	return NULL;
}

bool
request_wants(const struct request *r, enum ip_family family)
{
	return (r->nfamilies > 0 && r->families[0] == family) ||
	    (r->nfamilies > 1 && r->families[1] == family);
}

static void
add_family(struct request *r, int family)
{
	if ((family == IP_V4 || family == IP_V6) && r->nfamilies < 2 &&
	    !request_wants(r, (enum ip_family)family))
		r->families[r->nfamilies++] = (enum ip_family)family;
}

/*
 * The API server fills in ipFamilies and ipFamilyPolicy; a manifest from a
 * directory may leave both out. Then its cluster IPs tell, or else it takes
 * what there is.
 */
static void
parse_families(const struct kube_service *svc, struct request *r)
{
	bool is_single = svc->family_policy == KUBE_SINGLE_STACK;

	for (size_t i = 0; i < nitems(svc->families); i++)
		add_family(r, svc->families[i]);
	for (size_t i = 0; i < svc->ncluster_ips && r->nfamilies == 0; i++)
		add_family(r, svc->cluster_ips[i].family);

	switch (svc->family_policy) {
	case KUBE_PREFER_DUAL_STACK:
		r->stack = REQUEST_PREFER_DUAL;
		/* A cluster of one family lists it alone, and means it. */
		if (r->nfamilies == 1)
			r->stack = REQUEST_SINGLE;
		break;
	case KUBE_REQUIRE_DUAL_STACK:
		r->stack = REQUEST_REQUIRE_DUAL;
		break;
	case KUBE_SINGLE_STACK:
	case KUBE_FAMILIES_DEFAULT:
		/* Two families without a policy: the API reads that as Require. */
		r->stack = r->nfamilies == 2 && !is_single ? REQUEST_REQUIRE_DUAL :
		    r->nfamilies > 0 ? REQUEST_SINGLE : REQUEST_EITHER;
		break;
	}
	if (r->stack == REQUEST_SINGLE)
		r->nfamilies = 1;
	else {
		add_family(r, IP_V4);
		add_family(r, IP_V6);
	}
}

static int
parse_ips(const struct kube_object *svc, struct request *r, struct kube_error *err)
{
	const char *spec = svc->service.load_balancer_ip, *key = NULL;
	const char *ann = annotation_get(svc, ANN_IPS, &key);
	struct ip ips[2];
	unsigned n;

	if (spec != NULL && *spec == '\0')
		spec = NULL;
	if (ann == NULL && spec == NULL)
		return 0;
	if (ann != NULL && spec != NULL && strcmp(ann, spec) != 0) {
		kube_error_set(err, "the Service has both annotation %s: \"%.60s\" and "
		    "spec.loadBalancerIP: \"%.60s\": remove one", key, ann, spec);
		return -EINVAL;
	}
	r->ips_from = ann != NULL ? key : "spec.loadBalancerIP";
	if (parse_list(ann != NULL ? ann : spec, r->ips_from, ips, &n, err) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		enum ip_family f = (enum ip_family)ips[i].family;

		if (request_wants(r, f))
			continue;
		kube_error_set(err, "%s: requested loadBalancer IP %s does not match "
		    "the ipFamily of the Service, which is %s only: ask for such an "
		    "address, or change spec.ipFamilyPolicy", r->ips_from,
		    IP_STR(&ips[i]), family_name(r->families[0]));
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++)
		r->ips[i] = ips[i];
	r->nips = n;
	return 0;
}

int
request_parse(const struct kube_object *svc, struct request *ret,
    struct kube_error *ret_err)
{
	struct request r = { 0 };
	const char *key;
	int rc;

	parse_families(&svc->service, &r);
	r.share_key = annotation_get(svc, ANN_SHARE, &key);
	rc = parse_ips(svc, &r, ret_err);
	if (rc == 0)
		r.pool = annotation_get(svc, ANN_POOL, &r.pool_from);
	/* Who takes either family takes those he names. */
	if (r.stack == REQUEST_EITHER && r.nips > 0) {
		r.families[0] = (enum ip_family)r.ips[0].family;
		r.families[1] = (enum ip_family)r.ips[r.nips - 1].family;
		r.nfamilies = r.nips;
		r.stack = r.nips == 1 ? REQUEST_SINGLE : REQUEST_REQUIRE_DUAL;
	}
	*ret = r;
	return rc;
}
