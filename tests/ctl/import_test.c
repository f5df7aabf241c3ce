/* heraldctl import metallb: MetalLB's manifests out and in again. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl/import.h"
#include "ctl/pools_io.h"
#include "kube/manifest.h"
#include "kube/store.h"
#include "tests/check.h"

static const char docs[] =
"apiVersion: metallb.io/v1beta1\n"
"kind: IPAddressPool\n"
"metadata: {name: full, namespace: metallb-system, labels: {tier: \"1\", on: 'yes'},\n"
"  annotations: {note: \"a \\\"b\\\"\\n\\tc\"}}\n"
"spec:\n"
"  addresses: [192.168.10.0/24, 192.168.9.1-192.168.9.5, 'fc00:f853:ccd:e799::/124']\n"
"  autoAssign: false\n"
"  avoidBuggyIPs: true\n"
"  serviceAllocation:\n"
"    priority: 50\n"
"    namespaces: [namespace-a, \"123\"]\n"
"    namespaceSelectors: [{matchLabels: {foo: bar, x: ''}}]\n"
"    serviceSelectors:\n"
"    - {matchLabels: {a: b}, matchExpressions: [\n"
"      {key: app, operator: In, values: [bar, \"1.0\", '']},\n"
"      {key: b, operator: NotIn, values: ['no']}, {key: c, operator: Exists},\n"
"      {key: d, operator: DoesNotExist}]}\n"
"    - {}\n"
"---\n"
"{apiVersion: metallb.io/v1beta1, kind: IPAddressPool,\n"
"  metadata: {name: plain, namespace: metallb-system}, spec: {addresses: [10.0.0.0/8]}}\n"
"---\n"
"{apiVersion: metallb.io/v1beta1, kind: L2Advertisement,\n"
"  metadata: {name: all, namespace: metallb-system}}\n"
"---\n"
"apiVersion: metallb.io/v1beta1\n"
"kind: L2Advertisement\n"
"metadata: {name: full, namespace: metallb-system}\n"
"spec: {ipAddressPools: [full], ipAddressPoolSelectors: [{matchLabels: {tier: \"1\"}}],\n"
"  nodeSelectors: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In,\n"
"  values: [NodeA, NodeB]}]}], serviceSelectors: [{matchLabels: {p: q}}],\n"
"  interfaces: [eth0, bond0.100]}\n"
"---\n"
"apiVersion: metallb.io/v1beta1\n"
"kind: BGPAdvertisement\n"
"metadata: {name: full, namespace: metallb-system}\n"
"spec: {ipAddressPools: [full], ipAddressPoolSelectors: [{}], nodeSelectors: [{}],\n"
"  serviceSelectors: [{}], aggregationLength: 24, aggregationLengthV6: 124,\n"
"  localPref: 0, communities: [vpn-only, '65535:65282', 'large:123:456:7890'],\n"
"  peers: [tor-1]}\n"
"---\n"
"apiVersion: metallb.io/v1beta1\n"
"kind: Community\n"
"metadata: {name: communities, namespace: metallb-system}\n"
"spec: {communities: [{name: vpn-only, value: '1234:1'},\n"
"  {name: NO_ADVERTISE, value: 'large:65535:65282:1'}]}\n"
"---\n"
"apiVersion: metallb.io/v1beta2\n"
"kind: BGPPeer\n"
"metadata: {name: tor-1, namespace: metallb-system}\n"
"spec: {myASN: 64512, localASN: 64600, peerASN: 4200000001, peerAddress: '2001:db8::1',\n"
"  sourceAddress: '2001:db8::2', peerPort: 1179, holdTime: 1m30s,\n"
"  keepaliveTime: 1500ms, connectTime: 5s, routerID: 10.10.10.10,\n"
"  nodeSelectors: [{matchLabels: {rack: frontend}}], passwordSecret: {name: bgp},\n"
"  bfdProfile: fast, enableGracefulRestart: true, ebgpMultiHop: true, vrf: red,\n"
"  disableMP: true, dualStackAddressFamily: true}\n"
"---\n"
"apiVersion: metallb.io/v1beta2\n"
"kind: BGPPeer\n"
"metadata: {name: tor-2, namespace: metallb-system}\n"
"spec: {myASN: 1, dynamicASN: internal, interface: eth1, password: 'a\"b: #c'}\n"
"---\n"
"apiVersion: metallb.io/v1beta1\n"
"kind: BFDProfile\n"
"metadata: {name: fast, namespace: metallb-system}\n"
"spec: {receiveInterval: 380, transmitInterval: 270, detectMultiplier: 5,\n"
"  echoInterval: 38, echoMode: true, passiveMode: true, minimumTtl: 250}\n";

struct reading {
	struct kube_store *store;
	struct import_conf conf;
};

static void
on_item(void *arg, const struct kube_manifest_item *item)
{
	struct reading *r = arg;

	ck_assert_msg(item->error == 0, "line %u: %s", item->line, item->why);
	free(item->json);
	import_object(&r->conf, item->object);
	kube_store_put(r->store, item->object);
}

/* Read text into store, and write it out again; heap. */
static char *
cycle(const char *text, const char *group, struct kube_store *store)
{
	const struct kube_manifest_conf conf = { .api_group = group };
	struct reading r = { .store = store, .conf = { .ns = "herald-system" } };
	char *out = NULL;
	size_t len = 0;

	r.conf.out = open_memstream(&out, &len);
	kube_manifest_read(text, strlen(text), false, &conf, on_item, &r);
	fclose(r.conf.out);
	return out;
}

static const struct kube_object *
ours(const struct kube_store *s, enum kube_kind kind, const char *name)
{
	const struct kube_object *o = kube_store_get(s, kind, "herald-system", name);

	ck_assert_msg(o != NULL, "%s %s is missing", kube_kind_name(kind), name);
	return o;
}

static void
check_pools(const struct kube_store *s)
{
	const struct kube_object *o = ours(s, KUBE_IP_ADDRESS_POOL, "full");
	const struct kube_ip_address_pool *p = &o->pool;

	ck_assert_str_eq(kube_map_get(&o->meta.labels, "tier"), "1");
	ck_assert_str_eq(kube_map_get(&o->meta.labels, "on"), "yes");
	ck_assert_str_eq(kube_map_get(&o->meta.annotations, "note"), "a \"b\"\n\tc");
	ck_assert_uint_eq(p->naddresses, 3);
	ck_assert_str_eq(p->addresses[1].text, "192.168.9.1-192.168.9.5");
	ck_assert(!p->auto_assign && p->avoid_buggy_ips && p->has_allocation);
	ck_assert_msg(p->sharing == KUBE_SHARING_ANY_NAMESPACE, "as MetalLB does");
	ck_assert_int_eq(p->priority, 50);
	ck_assert_uint_eq(p->nnamespaces, 2);
	ck_assert_str_eq(p->namespaces[1], "123");
	ck_assert_str_eq(kube_map_get(&p->namespace_selectors[0].match_labels, "x"), "");
	ck_assert_uint_eq(p->nservice_selectors, 2);
	ck_assert_uint_eq(p->service_selectors[0].match_labels.n, 1);
	ck_assert_uint_eq(p->service_selectors[0].nexprs, 4);
	ck_assert_uint_eq(p->service_selectors[0].exprs[0].nvalues, 3);
	ck_assert_str_eq(p->service_selectors[0].exprs[0].values[1], "1.0");
	ck_assert_str_eq(p->service_selectors[0].exprs[1].values[0], "no");
	ck_assert_int_eq(p->service_selectors[0].exprs[3].op, KUBE_OP_NOT_EXISTS);
	ck_assert_uint_eq(p->service_selectors[1].nexprs, 0);
	p = &ours(s, KUBE_IP_ADDRESS_POOL, "plain")->pool;
	ck_assert(p->auto_assign && !p->avoid_buggy_ips && !p->has_allocation);
}

static void
check_adverts(const struct kube_store *s)
{
	const struct kube_l2_advertisement *l;
	const struct kube_bgp_advertisement *b;

	l = &ours(s, KUBE_L2_ADVERTISEMENT, "all")->l2adv;
	ck_assert(l->scope.npools == 0 && l->ninterfaces == 0);
	l = &ours(s, KUBE_L2_ADVERTISEMENT, "full")->l2adv;
	ck_assert(l->scope.npools == 1 && l->scope.npool_selectors == 1 &&
	    l->scope.nservice_selectors == 1);
	ck_assert_str_eq(l->scope.node_selectors[0].exprs[0].values[1], "NodeB");
	ck_assert_str_eq(l->interfaces[1], "bond0.100");
	b = &ours(s, KUBE_BGP_ADVERTISEMENT, "full")->bgpadv;
	ck_assert(b->scope.npools == 1 && b->scope.npool_selectors == 1 &&
	    b->scope.nnode_selectors == 1 && b->scope.nservice_selectors == 1 && b->npeers == 1);
	ck_assert(b->aggregation_len == 24 && b->aggregation_len_v6 == 124);
	ck_assert_msg(b->has_local_pref && b->local_pref == 0, "0 is not nothing");
	ck_assert_uint_eq(b->ncommunities, 3);
	ck_assert_str_eq(b->communities[0].name, "vpn-only");
	ck_assert_uint_eq(b->communities[1].value.part[1], 65282);
	ck_assert_uint_eq(b->communities[2].value.part[2], 7890);
}

static void
check_peers(const struct kube_store *s)
{
	const struct kube_bgp_peer *p = &ours(s, KUBE_BGP_PEER, "tor-1")->bgp_peer;

	ck_assert(p->my_asn == 64512 && p->local_asn == 64600 &&
	    p->peer_asn == UINT32_C(4200000001) && p->port == 1179);
	ck_assert_str_eq(IP_STR(&p->address), "2001:db8::1");
	ck_assert_str_eq(IP_STR(&p->source), "2001:db8::2");
	ck_assert_str_eq(IP_STR(&p->router_id), "10.10.10.10");
	ck_assert(p->hold_ms == 90000 && p->keepalive_ms == 1500 && p->connect_sec == 5);
	ck_assert_str_eq(kube_map_get(&p->node_selectors[0].match_labels, "rack"),
	    "frontend");
	ck_assert_str_eq(p->password_secret, "bgp");
	ck_assert_str_eq(p->password_secret_ns, "herald-system");
	ck_assert_str_eq(p->bfd_profile, "fast");
	ck_assert_str_eq(p->vrf, "red");
	ck_assert(p->graceful_restart && p->ebgp_multi_hop && p->is_dual_stack);
	p = &ours(s, KUBE_BGP_PEER, "tor-2")->bgp_peer;
	ck_assert_int_eq(p->dynamic_asn, KUBE_ASN_INTERNAL);
	ck_assert_str_eq(p->interface, "eth1");
	ck_assert_str_eq(p->password, "a\"b: #c");
	ck_assert(!p->has_hold_time && !p->has_keepalive_time && p->port == 179);
}

static void
check_others(const struct kube_store *s)
{
	const struct kube_community *c = &ours(s, KUBE_COMMUNITY, "communities")->community;
	const struct kube_bfd_profile *b = &ours(s, KUBE_BFD_PROFILE, "fast")->bfd_profile;

	ck_assert_uint_eq(c->naliases, 2);
	ck_assert_str_eq(c->aliases[1].name, "NO_ADVERTISE");
	ck_assert_uint_eq(c->aliases[1].value.part[1], 65282);
	ck_assert(b->receive_ms == 380 && b->transmit_ms == 270 && b->echo_ms == 38 &&
	    b->detect_multiplier == 5 && b->minimum_ttl == 250 && b->echo_mode &&
	    b->passive_mode);
}

START_TEST(round_trip)
{
	struct kube_store *theirs = kube_store_new(), *s = kube_store_new();
	char *once = cycle(docs, "metallb.io", theirs);
	char *twice = cycle(once, NULL, s);

	check_pools(s);
	check_adverts(s);
	check_peers(s);
	check_others(s);
	ck_assert_msg(strstr(once, "# Copy Secret metallb-system/bgp to namespace "
	    "herald-system.") != NULL, "%s", once);
	ck_assert_msg(strstr(once, "# disableMP is left out") != NULL, "%s", once);
	/* Ours again, it is the same but for what is only said of MetalLB's. */
	ck_assert_uint_eq(kube_store_list(theirs, KUBE_BGP_PEER).n, 2);
	for (char *a = once, *b = twice; *a != '\0';) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (strncmp(a, "  # disableMP", 13) == 0) {
			a += la + 1;
			continue;
		}
		ck_assert_msg(strncmp(a, "  # Copy", 8) == 0 ||
		    (la == lb && memcmp(a, b, la) == 0), "%.*s became %.*s", (int)la, a,
		    (int)lb, b);
		a += la + 1;
		b += lb + 1;
	}
	free(once);
	free(twice);
	kube_store_free(theirs);
	kube_store_free(s);
}
END_TEST

static int
count_objects(const char *text)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, "\nkind: ")) != NULL; p++)
		n++;
	return n;
}

/* From a folder by the dir source, and from its files: the same objects. */
START_TEST(from_source)
{
	char dir[] = "/tmp/import_test_XXXXXX", *path, *spec, *texts[2] = { NULL, NULL };
	char *paths[1];
	size_t len;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = mem_printf("%s/a.yaml", dir);
	spec = mem_printf("dir:%s", dir);
	f = fopen(path, "w");
	ck_assert_int_eq(fputs(docs, f) < 0, 0);
	fclose(f);
	paths[0] = dir;
	for (int i = 0; i < 2; i++) {
		struct pools_conf conf = { .source = i == 0 ? spec : NULL };

		f = open_memstream(&texts[i], &len);
		ck_assert_int_eq(pools_import(&conf, paths, i, f), 0);
		fclose(f);
		ck_assert_msg(count_objects(texts[i]) == 9, "%s", texts[i]);
	}
	remove(path);
	remove(dir);
	free(texts[0]);
	free(texts[1]);
	free(path);
	free(spec);
}
END_TEST

/* What cannot be read is said, in the output too, and counted. */
START_TEST(not_imported)
{
	char path[] = "/tmp/import_test_XXXXXX", *paths[] = { path }, *text = NULL;
	static const char bad[] = "apiVersion: metallb.io/v1beta1\nkind: BGPPeer\n"
	    "metadata: {name: a}\n---\napiVersion: metallb.io/v1beta1\nkind: AddressPool\n"
	    "metadata: {name: b}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	    "---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n"
	    "metadata: {name: d}\nspec: {addresses: [10.0.0.9-10.0.0.1]}\n";
	int fd = mkstemp(path);
	size_t len;
	FILE *f;

	ck_assert_int_eq(write(fd, bad, strlen(bad)), (int)strlen(bad));
	close(fd);
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	f = open_memstream(&text, &len);
	/* Three of MetalLB's, and that there are none that could be read. */
	ck_assert_int_eq(pools_import(&(struct pools_conf){ 0 }, paths, 1, f), 4);
	fclose(f);
	unlink(path);
	ck_assert_ptr_nonnull(strstr(text, ":1: not imported: apiVersion: "));
	ck_assert_ptr_nonnull(strstr(text, "\"AddressPool\""));
	ck_assert_ptr_nonnull(strstr(text, "spec.addresses[0]: \"10.0.0.9-10.0.0.1\""));
	ck_assert_ptr_null(strstr(text, "ConfigMap"));
	free(text);
	ck_assert_int_eq(pools_import(&(struct pools_conf){ 0 },
	    (char *[]){ (char[]){ "/nonexistent" } }, 1, stdout), -ENOENT);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, from_source);
	tcase_add_test(tc, not_imported);
}

TEST_MAIN("import", fill)
