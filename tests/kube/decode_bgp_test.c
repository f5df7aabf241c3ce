#include <errno.h>
#include <string.h>

#include "kube/decode.h"
#include "tests/check.h"
#include "tests/kube/json.h"
#include "tests/kube/kinds.h"

#define OURS "{'apiVersion':'heraldlb.io/v1beta1','kind':"
#define ADV(rest) OURS "'BGPAdvertisement'," META ",'spec':{" rest "}}"
#define PEER(rest) "{'apiVersion':'heraldlb.io/v1beta2','kind':'BGPPeer'," META \
	",'spec':{" rest "}}"
#define ROUTER(rest) PEER("'myASN':64512,'peerASN':64513,'peerAddress':'10.0.0.1'" rest)
#define COMMUNITY(rest) OURS "'Community'," META ",'spec':{'communities':[" rest "]}}"
#define BFD(rest) OURS "'BFDProfile'," META ",'spec':{" rest "}}"

static struct kube_object *
decode(const char *quoted)
{
	return json_object(quoted, NULL);
}

static const char full_adv[] = ADV("'aggregationLength':24,'aggregationLengthV6':64,"
    "'localPref':100,'med':4294967295,'asPathPrepend':2,"
    "'linkBandwidthPerEndpoint':1000,'communities':['64512:100',"
    "'large:64512:1:4294967295','vpn-only'],"
    "'ipAddressPools':['a','b'],'ipAddressPoolSelectors':[{'matchLabels':{'x':'y'}}],"
    "'nodeSelectors':[{},{}],'serviceSelectors':[{}],'peers':['tor-1','tor-2']");

START_TEST(advertisement)
{
	struct kube_object *o = decode(full_adv);
	const struct kube_bgp_advertisement *a = &o->bgpadv;

	ck_assert_int_eq(o->kind, KUBE_BGP_ADVERTISEMENT);
	ck_assert(a->aggregation_len == 24 && a->aggregation_len_v6 == 64);
	ck_assert(a->has_local_pref && a->local_pref == 100);
	ck_assert(a->has_med && a->med == UINT32_MAX);
	ck_assert(a->has_prepend && a->prepend == 2 && a->endpoint_mbps == 1000);
	ck_assert_uint_eq(a->ncommunities, 3);
	ck_assert_ptr_null(a->communities[0].name);
	ck_assert(!a->communities[0].value.is_large);
	ck_assert_uint_eq(a->communities[0].value.part[0], 64512);
	ck_assert_uint_eq(a->communities[0].value.part[1], 100);
	ck_assert(a->communities[1].value.is_large);
	ck_assert_uint_eq(a->communities[1].value.part[2], UINT32_MAX);
	ck_assert_str_eq(a->communities[2].name, "vpn-only");
	ck_assert_uint_eq(a->scope.npools, 2);
	ck_assert_uint_eq(a->scope.npool_selectors, 1);
	ck_assert_uint_eq(a->scope.nnode_selectors, 2);
	ck_assert_uint_eq(a->scope.nservice_selectors, 1);
	ck_assert_str_eq(a->peers[1], "tor-2");
	kube_object_free(o);

	o = decode(OURS "'BGPAdvertisement'," META "}");
	a = &o->bgpadv;
	ck_assert_msg(a->aggregation_len == 32 && a->aggregation_len_v6 == 128,
	    "no aggregation unless asked for");
	ck_assert(!a->has_local_pref && a->scope.npools == 0 && a->npeers == 0);
	ck_assert_ptr_null(a->accepted.status);
	kube_object_free(o);
}
END_TEST

static const char full_peer[] = PEER("'myASN':64512,'localASN':64600,'peerASN':4200000001,"
    "'peerAddress':'2001:db8::1','sourceAddress':'2001:db8::2','peerPort':1179,"
    "'holdTime':'1m30s','keepaliveTime':'30s','connectTime':'5s',"
    "'routerID':'10.10.10.10','nodeSelectors':[{'matchLabels':{'rack':'1'}}],"
    "'passwordSecret':{'name':'s','namespace':'n'},'bfdProfile':'fast',"
    "'enableGracefulRestart':true,'ebgpMultiHop':true,'vrf':'red','disableMP':true,"
    "'dualStackAddressFamily':true,'role':'customer','strictRole':true,"
    "'passive':true,'extendedMessages':true,'authType':'TCP-AO','keyID':7");

START_TEST(peer)
{
	struct kube_object *o = decode(full_peer);
	const struct kube_bgp_peer *p = &o->bgp_peer;

	ck_assert_uint_eq(p->my_asn, 64512);
	ck_assert_uint_eq(p->local_asn, 64600);
	ck_assert_uint_eq(p->peer_asn, UINT32_C(4200000001));
	ck_assert_int_eq(p->dynamic_asn, KUBE_ASN_FIXED);
	ck_assert_str_eq(IP_STR(&p->address), "2001:db8::1");
	ck_assert_str_eq(IP_STR(&p->source), "2001:db8::2");
	ck_assert_uint_eq(p->port, 1179);
	ck_assert(p->has_hold_time && p->has_keepalive_time);
	ck_assert_uint_eq(p->hold_ms, 90000);
	ck_assert_uint_eq(p->keepalive_ms, 30000);
	ck_assert_uint_eq(p->connect_sec, 5);
	ck_assert_str_eq(IP_STR(&p->router_id), "10.10.10.10");
	ck_assert_uint_eq(p->nnode_selectors, 1);
	ck_assert_str_eq(p->password_secret, "s");
	ck_assert_str_eq(p->password_secret_ns, "n");
	ck_assert_ptr_null(p->password);
	ck_assert_str_eq(p->bfd_profile, "fast");
	ck_assert_str_eq(p->vrf, "red");
	ck_assert(p->ebgp_multi_hop && p->graceful_restart && p->disable_mp &&
	    p->is_dual_stack);
	ck_assert(p->role == KUBE_ROLE_CUSTOMER && p->is_role_strict);
	ck_assert(p->is_passive && p->has_extended_messages && !p->has_ttl_security);
	ck_assert(p->is_tcp_ao && p->key_id == 7);
	kube_object_free(o);

	o = decode(PEER("'myASN':1,'dynamicASN':'external','interface':'eth1',"
	    "'password':'x'"));
	p = &o->bgp_peer;
	ck_assert(p->dynamic_asn == KUBE_ASN_EXTERNAL && p->peer_asn == 0);
	ck_assert(!ip_is_set(&p->address));
	ck_assert_str_eq(p->interface, "eth1");
	ck_assert_str_eq(p->password, "x");
	ck_assert_msg(p->port == 179, "BGP's own port");
	ck_assert(!p->has_hold_time && p->connect_sec == 0);
	ck_assert(p->role == KUBE_ROLE_NONE && !p->is_tcp_ao && !p->is_passive);
	kube_object_free(o);
}
END_TEST

START_TEST(community_and_bfd)
{
	struct kube_object *o = decode(COMMUNITY("{'name':'a','value':'0:65535'},"
	    "{'name':'b','value':'large:1:2:3'}"));

	ck_assert_uint_eq(o->community.naliases, 2);
	ck_assert_str_eq(o->community.aliases[1].name, "b");
	ck_assert_uint_eq(o->community.aliases[0].value.part[1], 65535);
	ck_assert_uint_eq(o->community.aliases[1].value.part[2], 3);
	kube_object_free(o);
	o = decode(OURS "'Community'," META "}");
	ck_assert_uint_eq(o->community.naliases, 0);
	kube_object_free(o);

	o = decode(BFD("'receiveInterval':100,'transmitInterval':200,'echoInterval':60,"
	    "'detectMultiplier':5,'minimumTtl':250,'echoMode':true,'passiveMode':true"));
	ck_assert_uint_eq(o->bfd_profile.receive_ms, 100);
	ck_assert_uint_eq(o->bfd_profile.transmit_ms, 200);
	ck_assert_uint_eq(o->bfd_profile.echo_ms, 60);
	ck_assert_uint_eq(o->bfd_profile.detect_multiplier, 5);
	ck_assert_uint_eq(o->bfd_profile.minimum_ttl, 250);
	ck_assert(o->bfd_profile.echo_mode && o->bfd_profile.passive_mode);
	kube_object_free(o);
	o = decode(OURS "'BFDProfile'," META "}");
	ck_assert(o->bfd_profile.receive_ms == 300 && o->bfd_profile.transmit_ms == 300 &&
	    o->bfd_profile.echo_ms == 50 && o->bfd_profile.detect_multiplier == 3 &&
	    o->bfd_profile.minimum_ttl == 254);
	kube_object_free(o);
}
END_TEST

/* Durations, as Go writes and reads them. */
static const struct {
	const char *why, *text;
	uint32_t ms;			/* UINT32_MAX: refused */
} durations[] = {
	{ "seconds", "90s", 90000 },
	{ "minutes and seconds", "1m30s", 90000 },
	{ "as the API writes it back", "1h0m0s", 3600000 },
	{ "a fraction", "3.5s", 3500 },
	{ "milliseconds", "3500ms", 3500 },
	{ "microseconds in Greek", "4000000\u00b5s", 4000 },
	{ "none at all", "0s", 0 },
	{ "a bare nought", "0", 0 },
	{ "a bare number", "90", UINT32_MAX },
	{ "no number", "s", UINT32_MAX },
	{ "no such unit", "90d", UINT32_MAX },
	{ "negative", "-90s", UINT32_MAX },
	{ "two points", "1.2.3s", UINT32_MAX },
	{ "a point first", ".5m", UINT32_MAX },
	{ "a space", "1m 30s", UINT32_MAX },
	{ "no more than 16 bits of seconds", "18h12m15s", 65535000 },
	{ "and one more", "18h12m16s", UINT32_MAX },
	{ "hexadecimal", "0x10s", UINT32_MAX },
	{ "an exponent", "1e3s", UINT32_MAX },
	{ "too many digits", "0000000000000000001s", UINT32_MAX },
};

START_TEST(duration)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *quoted = mem_printf(ROUTER(",'holdTime':'%s'"), durations[_i].text);
	char *text = json(quoted);
	int rc;

	rc = json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err);
	if (durations[_i].ms == UINT32_MAX) {
		ck_assert_msg(rc == -EINVAL, "%s", durations[_i].why);
		ck_assert_msg(strstr(err.text, "spec.holdTime: \"") != NULL, "%s: %s",
		    durations[_i].why, err.text);
	} else {
		ck_assert_msg(rc == 0, "%s: %s", durations[_i].why, err.text);
		ck_assert_msg(o->bgp_peer.hold_ms == durations[_i].ms, "%s: %u",
		    durations[_i].why, o->bgp_peer.hold_ms);
	}
	kube_object_free(o);
	free(quoted);
	free(text);
}
END_TEST

/* Every refusal: field, value, remedy. */
static const struct {
	const char *why, *text, *error;
} refusals[] = {
	{ "no AS number of ours", PEER("'peerASN':1,'peerAddress':'10.0.0.1'"),
	    "spec.myASN: write the AS number of the nodes" },
	{ "AS 0", PEER("'myASN':0,'peerASN':1,'peerAddress':'10.0.0.1'"),
	    "spec.myASN: 0: write the AS number" },
	{ "an AS number of 33 bits", PEER("'myASN':4294967296,'peerASN':1"),
	    "spec.myASN: 4294967296: a whole number from 0 to 4294967295" },
	{ "no AS number of the router", PEER("'myASN':1,'peerAddress':'10.0.0.1'"),
	    "spec.peerASN: write the router's AS number, from 1, or dynamicASN" },
	{ "two ways to an AS number", PEER("'myASN':1,'peerASN':2,'dynamicASN':'external',"
	    "'peerAddress':'10.0.0.1'"),
	    "spec.dynamicASN: \"external\": goes not together with peerASN" },
	{ "a mode that is none", PEER("'myASN':1,'dynamicASN':'local'"),
	    "spec.dynamicASN: \"local\": is not known here; write internal or external" },
	{ "no address", PEER("'myASN':1,'peerASN':2"),
	    "spec.peerAddress: write the router's address here, or" },
	{ "address and interface", ROUTER(",'interface':'eth0'"),
	    "spec.peerAddress: \"10.0.0.1\": write the router's address here, or" },
	{ "a name for an address", PEER("'myASN':1,'peerASN':2,'peerAddress':'tor-1'"),
	    "spec.peerAddress: \"tor-1\": is no IPv4 or IPv6 address" },
	{ "a loopback address", PEER("'myASN':1,'peerASN':2,'peerAddress':'127.0.0.1'"),
	    "spec.peerAddress: \"127.0.0.1\": no router has such an address" },
	{ "a source of the other family", ROUTER(",'sourceAddress':'fd00::1'"),
	    "spec.sourceAddress: \"fd00::1\": is of another IP family" },
	{ "port 0", ROUTER(",'peerPort':0"), "spec.peerPort: 0: a whole number from 1" },
	{ "a hold time of 2 s", ROUTER(",'holdTime':'2s'"),
	    "spec.holdTime: \"2s\": BGP has no hold time between 0 and 3 s" },
	{ "a number for a time", ROUTER(",'holdTime':90"),
	    "spec.holdTime: 90: a string belongs here; put the value in quotes" },
	{ "keepalives beyond the hold time", ROUTER(",'holdTime':'9s',"
	    "'keepaliveTime':'10s'"), "spec.keepaliveTime: \"10s\": is longer than holdTime" },
	{ "a fraction of a connect time", ROUTER(",'connectTime':'1500ms'"),
	    "spec.connectTime: \"1500ms\": write a whole number of seconds" },
	{ "no connect time", ROUTER(",'connectTime':'0s'"),
	    "spec.connectTime: \"0s\": a time from 1s to 65535s" },
	{ "an IPv6 router ID", ROUTER(",'routerID':'fd00::1'"),
	    "spec.routerID: \"fd00::1\": a BGP identifier has the form of an IPv4" },
	{ "router ID 0.0.0.0", ROUTER(",'routerID':'0.0.0.0'"),
	    "spec.routerID: \"0.0.0.0\": a BGP identifier" },
	{ "two passwords", ROUTER(",'password':'x','passwordSecret':{'name':'s'}"),
	    "spec.passwordSecret: an object: goes not together with password" },
	{ "a password of 81 bytes: and it is not told", ROUTER(",'password':'"
	    "123456789 123456789 123456789 123456789 123456789 123456789 123456789 "
	    "123456789 1'"), "spec: an object: password: is longer than the 80 bytes" },
	{ "multihop to our own AS", PEER("'myASN':1,'peerASN':1,'peerAddress':'10.0.0.1',"
	    "'ebgpMultiHop':true"), "spec.ebgpMultiHop: true: is for external peers" },
	{ "multihop to whoever has our AS", PEER("'myASN':1,'dynamicASN':'internal',"
	    "'peerAddress':'10.0.0.1','ebgpMultiHop':true"),
	    "spec.ebgpMultiHop: true: is for external peers" },
	{ "TTL security over hops", ROUTER(",'ttlSecurity':true,'ebgpMultiHop':true"),
	    "spec.ttlSecurity: true: takes nothing from further than one hop away" },
	{ "a strict role without one", ROUTER(",'strictRole':true"),
	    "spec.strictRole: true: goes with a role" },
	{ "a role of no RFC", ROUTER(",'role':'friend'"), "spec.role: \"friend\": " },
	{ "a role within an AS", PEER("'myASN':1,'peerASN':1,'peerAddress':'10.0.0.1',"
	    "'role':'peer'"), "spec.role: \"peer\": is for external peers" },
	{ "TCP-AO without a key", ROUTER(",'authType':'TCP-AO'"),
	    "spec.authType: \"TCP-AO\": needs a key; write passwordSecret" },
	{ "a key ID for MD5", ROUTER(",'password':'x','keyID':1"),
	    "spec.keyID: 1: is of TCP-AO; write authType: TCP-AO" },
	{ "a key ID of 9 bits", ROUTER(",'password':'x','authType':'TCP-AO','keyID':256"),
	    "spec.keyID: 256: " },
	{ "the older version", "{'apiVersion':'heraldlb.io/v1beta1','kind':'BGPPeer'," META
	    "}", "this version of BGPPeer is not read; write heraldlb.io/v1beta2" },
	{ "a prefix of 33 bits", ADV("'aggregationLength':33"),
	    "spec.aggregationLength: 33: a whole number from 1 to 32" },
	{ "a prefix of no bits", ADV("'aggregationLengthV6':0"),
	    "spec.aggregationLengthV6: 0: a whole number from 1 to 128" },
	{ "a community of 17 bits", ADV("'communities':['64512:65536']"),
	    "spec.communities[0]: \"64512:65536\": is neither 16:16 bits" },
	{ "a large community of two", ADV("'communities':['large:1:2']"),
	    "spec.communities[0]: \"large:1:2\": is neither" },
	{ "a community with more behind it", ADV("'communities':['1:2:3']"),
	    "spec.communities[0]: \"1:2:3\": is neither" },
	{ "a community with a sign", ADV("'communities':['+1:2']"),
	    "spec.communities[0]: \"+1:2\": is neither" },
	{ "an empty community", ADV("'communities':['']"),
	    "spec.communities[0]: \"\": is empty" },
	{ "a preference below nothing", ADV("'localPref':-1"), "spec.localPref: -1: " },
	{ "prepended for ever", ADV("'asPathPrepend':17"),
	    "spec.asPathPrepend: 17: a whole number from 0 to 16" },
	{ "a negative MED", ADV("'med':-1"), "spec.med: -1: " },
	{ "no bandwidth", ADV("'linkBandwidthPerEndpoint':0"),
	    "spec.linkBandwidthPerEndpoint: 0: a whole number from 1" },
	{ "a peer without name", ADV("'peers':['']"), "spec.peers[0]: \"\": is empty" },
	{ "an entry without name", COMMUNITY("{'value':'1:2'}"),
	    "spec.communities[0].name: is missing" },
	{ "an entry without value", COMMUNITY("{'name':'a'}"),
	    "spec.communities[0].value: is missing" },
	{ "an entry that is another's name", COMMUNITY("{'name':'a','value':'b'}"),
	    "spec.communities[0].value: \"b\": is neither" },
	{ "one name twice", COMMUNITY("{'name':'a','value':'1:2'},"
	    "{'name':'a','value':'1:3'}"), "spec.communities[1]: an object: has the name "
	    "of item 0; rename one" },
	{ "an interval of 9 ms", BFD("'receiveInterval':9"),
	    "spec.receiveInterval: 9: a whole number from 10 to 60000" },
	{ "a multiplier of 1", BFD("'detectMultiplier':1"), "from 2 to 255" },
	{ "a TTL of 255", BFD("'minimumTtl':255"), "from 1 to 254" },
	{ "an echo mode that is none", BFD("'echoMode':'yes'"),
	    "spec.echoMode: \"yes\": true or false belongs here" },
};

START_TEST(refusal)
{
	char *text = json(refusals[_i].text);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };

	ck_assert_msg(json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err) != 0, "%s",
	    refusals[_i].why);
	ck_assert_msg(strstr(err.text, refusals[_i].error) != NULL, "%s: %s\nwanted: %s",
	    refusals[_i].why, err.text, refusals[_i].error);
	ck_assert_ptr_null(strstr(err.text, "123456789"));
	ck_assert_ptr_null(o);
	free(text);
}
END_TEST

/* The pool's fields that are ours, and the status that we wrote. */
START_TEST(pool)
{
	struct kube_object *o = decode("{'apiVersion':'heraldlb.io/v1beta1',"
	    "'kind':'IPAddressPool'," META ",'spec':{'addresses':['10.0.0.0/24'],"
	    "'reserved':['10.0.0.1-10.0.0.9','10.0.0.255/32'],'strategy':'sticky',"
	    "'sharing':'AnyNamespace'},'status':{'assignedIPv4':3,'availableIPv4':250,"
	    "'assignedIPv6':'x','conditions':[{'type':'Other','status':'False'},"
	    "{'type':'Accepted','status':'True','reason':'Accepted','message':'in force',"
	    "'observedGeneration':4,'lastTransitionTime':'2026-01-31T23:59:59Z'}]}}");
	const struct kube_ip_address_pool *p = &o->pool;

	ck_assert_uint_eq(p->nreserved, 2);
	ck_assert_str_eq(IP_RANGE_STR(&p->reserved[0].range), "10.0.0.1-10.0.0.9");
	ck_assert_int_eq(p->strategy, KUBE_STRATEGY_STICKY);
	ck_assert_int_eq(p->sharing, KUBE_SHARING_ANY_NAMESPACE);
	ck_assert(p->assigned[0] == 3 && p->available[0] == 250);
	ck_assert_msg(p->assigned[1] == -1 && p->available[1] == -1,
	    "what is no count is not there");
	ck_assert_str_eq(p->accepted.status, "True");
	ck_assert_str_eq(p->accepted.since, "2026-01-31T23:59:59Z");
	ck_assert_int_eq(p->accepted.observed_generation, 4);
	kube_object_free(o);

	o = decode(POOL("'addresses':['10.0.0.0/24']"));
	ck_assert_int_eq(o->pool.strategy, KUBE_STRATEGY_LOWEST);
	ck_assert_int_eq(o->pool.sharing, KUBE_SHARING_SAME_NAMESPACE);
	ck_assert_ptr_null(o->pool.accepted.status);
	kube_object_free(o);
}
END_TEST

/* MetalLB's group: MetalLB's defaults, and its own version of BGPPeer. */
START_TEST(of_metallb)
{
	static const char *const texts[] = {
		"{'apiVersion':'metallb.io/v1beta1','kind':'IPAddressPool'," META
		",'spec':{'addresses':['10.0.0.0/24']}}",
		"{'apiVersion':'metallb.io/v1beta2','kind':'BGPPeer'," META ",'spec':{"
		"'myASN':1,'peerASN':2,'peerAddress':'10.0.0.1'}}",
	};

	for (size_t i = 0; i < nitems(texts); i++) {
		struct kube_object *o = NULL;
		struct kube_error err = { "" };
		char *text = json(texts[i]);

		ck_assert_int_eq(json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o,
		    &err), -EPROTONOSUPPORT);
		ck_assert_msg(json_decode(text, strlen(text), KUBE_API_GROUP_METALLB,
		    KUBE_NKINDS, &o, &err) == 0, "%s", err.text);
		if (o->kind == KUBE_IP_ADDRESS_POOL)
			ck_assert_int_eq(o->pool.sharing, KUBE_SHARING_ANY_NAMESPACE);
		kube_object_free(o);
		free(text);
	}
}
END_TEST

/* A status is no user's input: whatever it is, the object stands. */
START_TEST(status_is_no_reason)
{
	static const char *const junk[] = { "1", "[]", "'x'", "{'conditions':1}",
	    "{'conditions':[1,[],'x',{}]}", "{'conditions':[{'type':'Accepted',"
	    "'status':1,'message':{},'observedGeneration':1e99}]}",
	    "{'assignedIPv4':-1,'availableIPv4':1e300}" };

	for (size_t i = 0; i < nitems(junk); i++) {
		char *text = mem_printf("{'apiVersion':'heraldlb.io/v1beta1','kind':"
		    "'IPAddressPool'," META ",'spec':{'addresses':['10.0.0.0/24']},"
		    "'status':%s}", junk[i]);
		struct kube_object *o = decode(text);

		ck_assert_ptr_null(o->pool.accepted.status);
		ck_assert(o->pool.assigned[0] == -1 && o->pool.available[0] == -1);
		kube_object_free(o);
		free(text);
	}
}
END_TEST

START_TEST(every_prefix_and_every_flipped_bit)
{
	static const char *const docs[] = { full_adv, full_peer,
	    COMMUNITY("{'name':'a','value':'large:1:2:3'}"), BFD("'echoMode':true") };

	for (size_t i = 0; i < nitems(docs); i++)
		json_maul(docs[i]);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, advertisement);
	tcase_add_test(tc, peer);
	tcase_add_test(tc, community_and_bfd);
	tcase_add_loop_test(tc, duration, 0, nitems(durations));
	tcase_add_loop_test(tc, refusal, 0, nitems(refusals));
	tcase_add_test(tc, pool);
	tcase_add_test(tc, of_metallb);
	tcase_add_test(tc, status_is_no_reason);
	tcase_add_test(tc, every_prefix_and_every_flipped_bit);
}

TEST_MAIN("kube decode bgp", fill)
