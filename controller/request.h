/*
 * request.h - what a Service asks for: families, addresses, pool, sharing.
 *
 * From spec.loadBalancerIP, spec.ipFamilies, spec.ipFamilyPolicy and these
 * annotations, the prefix on the left going before those on its right:
 *	{heraldlb.io,metallb.io,metallb.universe.tf}/loadBalancerIPs
 *	{heraldlb.io,metallb.io,metallb.universe.tf}/address-pool
 *	{heraldlb.io,metallb.io,metallb.universe.tf}/allow-shared-ip
 * Pure; every string points into the Service.
 */
#ifndef HERALD_CONTROLLER_REQUEST_H
#define HERALD_CONTROLLER_REQUEST_H

#include "kube/error.h"
#include "kube/types.h"

/* How many of the families are wanted. */
enum request_stack {
	REQUEST_EITHER,		/* one address, of the first family that has one */
	REQUEST_SINGLE,		/* families[0] only */
	REQUEST_PREFER_DUAL,	/* both, or what there is */
	REQUEST_REQUIRE_DUAL,	/* both; a new Service gets both or none */
};

struct request {
	enum request_stack stack;
	enum ip_family families[2];	/* wanted, the primary one first */
	unsigned nfamilies;
	struct ip ips[2];		/* asked for, each of one of families */
	unsigned nips;
	const char *ips_from;		/* the field or annotation they are in */
	const char *pool;		/* NULL: any */
	const char *pool_from;
	const char *share_key;		/* NULL: no sharing */
};

/*
 * Returns 0, or -EINVAL where addresses or pool make no sense; then *ret_err
 * names the field, its value and the remedy, and *ret has no addresses and no
 * pool but all the rest.
 */
int request_parse(const struct kube_object *svc, struct request *ret,
    struct kube_error *ret_err);

/* The address of that family that is asked for, or NULL. */
const struct ip *request_ip(const struct request *r, enum ip_family family);

bool request_wants(const struct request *r, enum ip_family family);

#endif
