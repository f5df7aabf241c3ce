/*
 * decode_bgp.c - our own resources of BGP, in MetalLB's form with some fields
 * more: BGPAdvertisement, Community and BFDProfile (v1beta1), BGPPeer (v1beta2).
 *
 * What MetalLB's webhooks refuse is refused here too, as far as one object
 * alone shows it; names of other objects are the controller's to look up.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"

enum {
	HOLD_MIN_MS = 3000,		/* RFC 4271, section 4.2; or 0 */
	HOLD_MAX_MS = 65535 * 1000,	/* 16 bits of seconds */
	CONNECT_MIN_MS = 1000,
	PREPEND_MAX = 16,
	ENDPOINT_MBPS_MAX = 1000000,
};

/* "16:16" or "large:32:32:32", whole; false for anything else. */
static bool
community_parse(const char *s, struct kube_bgp_community *ret)
{
	struct kube_bgp_community c = { .is_large = strncmp(s, "large:", 6) == 0 };
	uint32_t max = c.is_large ? UINT32_MAX : UINT16_MAX;
	size_t n = c.is_large ? 3 : 2;

	if (c.is_large)
		s += 6;
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long long v;

		if (!isdigit((unsigned char)*s))
			return false;
		v = strtoull(s, &end, 10);	/* saturates, far above max */
		if (v > max || *end != (i + 1 < n ? ':' : '\0'))
			return false;
		c.part[i] = (uint32_t)v;
		s = end + 1;
	}
	*ret = c;
	return true;
}

static struct kube_community_ref
community_ref(struct dec *d, const struct dec_at *at)
{
	struct kube_community_ref r = { .name = dec_str(d, at) };

	if (r.name == NULL)
		dec_fail(d, at, "is empty; remove the item");
	else if (community_parse(r.name, &r.value))
		r.name = NULL;
	else if (strchr(r.name, ':') != NULL)
		dec_fail(d, at, "is neither 16:16 bits (64512:100) nor large:32:32:32 "
		    "bits (large:64512:1:2), nor the name of a Community's entry; "
		    "write one of these");
	return r;
}

static struct kube_community_ref *
community_refs(struct dec *d, const struct dec_at *at, size_t *ret_n)
{
	size_t n = dec_count(d, at, DEC_LIST_MAX);
	struct kube_community_ref *r = arena_array(d->arena, n, sizeof(*r));

	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		r[it.index] = community_ref(d, &it);
	*ret_n = n;
	return r;
}

void
dec_bgpadv(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at len = dec_field(&spec, "aggregationLength");
	struct dec_at len_v6 = dec_field(&spec, "aggregationLengthV6");
	struct dec_at pref = dec_field(&spec, "localPref");
	struct dec_at med = dec_field(&spec, "med");
	struct dec_at prepend = dec_field(&spec, "asPathPrepend");
	struct dec_at mbps = dec_field(&spec, "linkBandwidthPerEndpoint");
	struct dec_at communities = dec_field(&spec, "communities");
	struct dec_at peers = dec_field(&spec, "peers");
	struct kube_bgp_advertisement *a = &o->bgpadv;

	/* No spec at all is every pool, from every node, to every peer. */
	(void)dec_is_object(d, &spec);
	a->scope = dec_scope(d, &spec);
	a->aggregation_len = (uint8_t)dec_int(d, &len, 1, 32, 32);
	a->aggregation_len_v6 = (uint8_t)dec_int(d, &len_v6, 1, 128, 128);
	a->has_local_pref = pref.node != NULL;
	a->local_pref = (uint32_t)dec_int(d, &pref, 0, UINT32_MAX, 0);
	a->has_med = med.node != NULL;
	a->med = (uint32_t)dec_int(d, &med, 0, UINT32_MAX, 0);
	a->has_prepend = prepend.node != NULL;
	a->prepend = (uint8_t)dec_int(d, &prepend, 0, PREPEND_MAX, 0);
	a->endpoint_mbps = (uint32_t)dec_int(d, &mbps, 1, ENDPOINT_MBPS_MAX, 0);
	a->communities = community_refs(d, &communities, &a->ncommunities);
	a->peers = dec_strings(d, &peers, DEC_LIST_MAX, &a->npeers);
}

static const struct dec_word dynamic_asns[] = {
	{ "internal", KUBE_ASN_INTERNAL },
	{ "external", KUBE_ASN_EXTERNAL },
	{ NULL, 0 },
};

static void
peer_asns(struct dec *d, const struct dec_at *spec, struct kube_bgp_peer *p)
{
	struct dec_at my = dec_field(spec, "myASN");
	struct dec_at local = dec_field(spec, "localASN");
	struct dec_at peer = dec_field(spec, "peerASN");
	struct dec_at dynamic = dec_field(spec, "dynamicASN");

	p->my_asn = (uint32_t)dec_int(d, &my, 0, UINT32_MAX, 0);
	p->local_asn = (uint32_t)dec_int(d, &local, 0, UINT32_MAX, 0);
	p->peer_asn = (uint32_t)dec_int(d, &peer, 0, UINT32_MAX, 0);
	p->dynamic_asn = (enum kube_bgp_dynamic_asn)dec_word(d, &dynamic, dynamic_asns,
	    KUBE_ASN_FIXED);
	if (d->is_bad)
		return;
	/* AS 0 is nobody's (RFC 7607). */
	if (p->my_asn == 0)
		dec_fail(d, &my, "write the AS number of the nodes, from 1");
	else if (p->peer_asn != 0 && p->dynamic_asn != KUBE_ASN_FIXED)
		dec_fail(d, &dynamic, "goes not together with peerASN; remove one");
	else if (p->peer_asn == 0 && p->dynamic_asn == KUBE_ASN_FIXED)
		dec_fail(d, &peer, "write the router's AS number, from 1, or "
		    "dynamicASN: internal or external");
}

static void
peer_address(struct dec *d, const struct dec_at *spec, struct kube_bgp_peer *p)
{
	struct dec_at address = dec_field(spec, "peerAddress");
	struct dec_at interface = dec_field(spec, "interface");
	struct dec_at source = dec_field(spec, "sourceAddress");
	struct dec_at port = dec_field(spec, "peerPort");

	p->address = dec_ip(d, &address);
	p->interface = dec_str(d, &interface);
	p->source = dec_ip(d, &source);
	p->port = (uint16_t)dec_int(d, &port, 1, UINT16_MAX, 179);
	if (d->is_bad)
		return;
	if (ip_is_set(&p->address) == (p->interface != NULL))
		dec_fail(d, &address, "write the router's address here, or the name "
		    "of the link to it in spec.interface, and not both");
	else if (ip_is_set(&p->address) && ip_is_special(&p->address))
		dec_fail(d, &address, "no router has such an address; write the one "
		    "it listens at");
	else if (ip_is_set(&p->source) && ip_is_set(&p->address) &&
	    p->source.family != p->address.family)
		dec_fail(d, &source, "is of another IP family than peerAddress; write "
		    "one of the same family");
}

static void
peer_times(struct dec *d, const struct dec_at *spec, struct kube_bgp_peer *p)
{
	struct dec_at hold = dec_field(spec, "holdTime");
	struct dec_at keepalive = dec_field(spec, "keepaliveTime");
	struct dec_at connect = dec_field(spec, "connectTime");
	uint32_t connect_ms;

	p->has_hold_time = hold.node != NULL;
	p->hold_ms = dec_duration_ms(d, &hold, 0, HOLD_MAX_MS);
	p->has_keepalive_time = keepalive.node != NULL;
	p->keepalive_ms = dec_duration_ms(d, &keepalive, 0, HOLD_MAX_MS);
	connect_ms = dec_duration_ms(d, &connect, CONNECT_MIN_MS, HOLD_MAX_MS);
	p->connect_sec = connect_ms / 1000;
	if (d->is_bad)
		return;
	if (p->has_hold_time && p->hold_ms > 0 && p->hold_ms < HOLD_MIN_MS)
		dec_fail(d, &hold, "BGP has no hold time between 0 and 3 s; write 0s "
		    "(never) or at least 3s");
	else if (p->has_hold_time && p->has_keepalive_time &&
	    p->keepalive_ms > p->hold_ms)
		dec_fail(d, &keepalive, "is longer than holdTime, so that the session "
		    "would not live; write a third of it");
	else if (connect_ms % 1000 != 0)
		dec_fail(d, &connect, "write a whole number of seconds");
}

static void
peer_auth(struct dec *d, const struct dec_at *spec, struct kube_bgp_peer *p)
{
	struct dec_at password = dec_field(spec, "password");
	struct dec_at secret = dec_field(spec, "passwordSecret");
	struct dec_at name = dec_field(&secret, "name");
	struct dec_at ns = dec_field(&secret, "namespace");

	(void)dec_is_object(d, &secret);
	/* Not told at the field itself here and below: that would show it. */
	if (password.node != NULL && !cJSON_IsString(password.node))
		dec_fail(d, spec, "password: a string belongs here; put it in quotes");
	p->password = dec_str(d, &password);
	p->password_secret = dec_str(d, &name);
	p->password_secret_ns = dec_str(d, &ns);
	if (p->password != NULL && strlen(p->password) > 80)
		dec_fail(d, spec, "password: is longer than the 80 bytes that TCP MD5 "
		    "takes; choose a shorter one");
	else if (p->password != NULL && p->password_secret != NULL)
		dec_fail(d, &secret, "goes not together with password; remove one");
}

static const struct dec_word roles[] = {
	{ "provider", KUBE_ROLE_PROVIDER },
	{ "rs", KUBE_ROLE_RS },
	{ "rs-client", KUBE_ROLE_RS_CLIENT },
	{ "customer", KUBE_ROLE_CUSTOMER },
	{ "peer", KUBE_ROLE_PEER },
	{ NULL, 0 },
};

static const struct dec_word auth_types[] = {
	{ "MD5", false },
	{ "TCP-AO", true },
	{ NULL, 0 },
};

/* What MetalLB's BGPPeer has not. */
static void
peer_ours(struct dec *d, const struct dec_at *spec, struct kube_bgp_peer *p)
{
	struct dec_at role = dec_field(spec, "role");
	struct dec_at strict = dec_field(spec, "strictRole");
	struct dec_at ttl = dec_field(spec, "ttlSecurity");
	struct dec_at passive = dec_field(spec, "passive");
	struct dec_at extended = dec_field(spec, "extendedMessages");
	struct dec_at auth = dec_field(spec, "authType");
	struct dec_at key_id = dec_field(spec, "keyID");

	p->role = (enum kube_bgp_role)dec_word(d, &role, roles, KUBE_ROLE_NONE);
	p->is_role_strict = dec_bool(d, &strict, false);
	p->has_ttl_security = dec_bool(d, &ttl, false);
	p->is_passive = dec_bool(d, &passive, false);
	p->has_extended_messages = dec_bool(d, &extended, false);
	p->is_tcp_ao = dec_word(d, &auth, auth_types, false) != 0;
	p->key_id = (uint8_t)dec_int(d, &key_id, 0, UINT8_MAX, 0);
	if (d->is_bad)
		return;
	if (p->is_role_strict && p->role == KUBE_ROLE_NONE)
		dec_fail(d, &strict, "goes with a role; write spec.role, or remove it");
	else if (p->role != KUBE_ROLE_NONE && (p->peer_asn == p->my_asn ||
	    p->dynamic_asn == KUBE_ASN_INTERNAL))
		dec_fail(d, &role, "is for external peers, and this one is internal; "
		    "remove it");
	else if (p->has_ttl_security && p->ebgp_multi_hop)
		dec_fail(d, &ttl, "takes nothing from further than one hop away; remove "
		    "it or ebgpMultiHop");
	else if (p->is_tcp_ao && p->password == NULL && p->password_secret == NULL)
		dec_fail(d, &auth, "needs a key; write passwordSecret");
	else if (key_id.node != NULL && !p->is_tcp_ao)
		dec_fail(d, &key_id, "is of TCP-AO; write authType: TCP-AO, or remove "
		    "it");
}

void
dec_bgp_peer(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at router_id = dec_field(&spec, "routerID");
	struct dec_at node_selectors = dec_field(&spec, "nodeSelectors");
	struct dec_at bfd = dec_field(&spec, "bfdProfile");
	struct dec_at vrf = dec_field(&spec, "vrf");
	struct dec_at hops = dec_field(&spec, "ebgpMultiHop");
	struct dec_at restart = dec_field(&spec, "enableGracefulRestart");
	struct dec_at disable_mp = dec_field(&spec, "disableMP");
	struct dec_at dual = dec_field(&spec, "dualStackAddressFamily");
	struct kube_bgp_peer *p = &o->bgp_peer;

	(void)dec_is_object(d, &spec);
	peer_asns(d, &spec, p);
	peer_address(d, &spec, p);
	peer_times(d, &spec, p);
	peer_auth(d, &spec, p);
	p->router_id = dec_ip(d, &router_id);
	if (ip_is_set(&p->router_id) && (!ip_is_v4(&p->router_id) ||
	    ip_to_v4(&p->router_id) == 0))
		dec_fail(d, &router_id, "a BGP identifier has the form of an IPv4 "
		    "address other than 0.0.0.0; write such a one");
	p->node_selectors = dec_selectors(d, &node_selectors, &p->nnode_selectors);
	p->bfd_profile = dec_str(d, &bfd);
	p->vrf = dec_str(d, &vrf);
	p->ebgp_multi_hop = dec_bool(d, &hops, false);
	p->graceful_restart = dec_bool(d, &restart, false);
	p->disable_mp = dec_bool(d, &disable_mp, false);
	p->is_dual_stack = dec_bool(d, &dual, false);
	if (!d->is_bad && p->ebgp_multi_hop && (p->peer_asn == p->my_asn ||
	    p->dynamic_asn == KUBE_ASN_INTERNAL))
		dec_fail(d, &hops, "is for external peers, and this one is internal; "
		    "remove it");
	peer_ours(d, &spec, p);
}

static struct kube_community_alias
community_alias(struct dec *d, const struct dec_at *at)
{
	struct dec_at name = dec_field(at, "name");
	struct dec_at value = dec_field(at, "value");
	struct kube_community_alias a = { .name = NULL };
	const char *text;

	if (!dec_is_object(d, at))
		return a;
	a.name = dec_str(d, &name);
	text = dec_peek(d, &value);
	if (a.name == NULL)
		dec_fail(d, &name, "is missing; name the community");
	else if (text == NULL)
		dec_fail(d, &value, "is missing; write 64512:100 or "
		    "large:64512:1:2");
	else if (!community_parse(text, &a.value))
		dec_fail(d, &value, "is neither 16:16 bits (64512:100) nor "
		    "large:32:32:32 bits (large:64512:1:2); write one of these");
	return a;
}

void
dec_community(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at list = dec_field(&spec, "communities");
	struct kube_community *c = &o->community;

	(void)dec_is_object(d, &spec);
	c->naliases = dec_count(d, &list, DEC_LIST_MAX);
	c->aliases = arena_array(d->arena, c->naliases, sizeof(*c->aliases));
	for (struct dec_at it = dec_first(&list); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		c->aliases[it.index] = community_alias(d, &it);
		for (size_t i = 0; i < it.index && !d->is_bad; i++) {
			if (strcmp(c->aliases[i].name, c->aliases[it.index].name) == 0)
				dec_fail(d, &it, "has the name of item %zu; rename one",
				    i);
		}
	}
}

void
dec_bfd_profile(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at spec = dec_field(root, "spec");
	struct dec_at receive = dec_field(&spec, "receiveInterval");
	struct dec_at transmit = dec_field(&spec, "transmitInterval");
	struct dec_at echo = dec_field(&spec, "echoInterval");
	struct dec_at multiplier = dec_field(&spec, "detectMultiplier");
	struct dec_at ttl = dec_field(&spec, "minimumTtl");
	struct dec_at echo_mode = dec_field(&spec, "echoMode");
	struct dec_at passive = dec_field(&spec, "passiveMode");
	struct kube_bfd_profile *p = &o->bfd_profile;

	(void)dec_is_object(d, &spec);
	p->receive_ms = (uint32_t)dec_int(d, &receive, 10, 60000, 300);
	p->transmit_ms = (uint32_t)dec_int(d, &transmit, 10, 60000, 300);
	p->echo_ms = (uint32_t)dec_int(d, &echo, 10, 60000, 50);
	p->detect_multiplier = (uint8_t)dec_int(d, &multiplier, 2, 255, 3);
	p->minimum_ttl = (uint8_t)dec_int(d, &ttl, 1, 254, 254);
	p->echo_mode = dec_bool(d, &echo_mode, false);
	p->passive_mode = dec_bool(d, &passive, false);
}
