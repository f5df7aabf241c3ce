/* What BGP is to tell whom, by table. */
#include <stdio.h>
#include <string.h>

#include "tests/speaker/plan_world.h"

#define BGP(kind, name, spec) \
	"{'apiVersion':'heraldlb.io/v1beta" kind "','metadata':{'namespace':" \
	"'herald-system','name':'" name "'},'spec':{" spec "}}"
#define PEER(name, spec) BGP("2','kind':'BGPPeer", name, \
	"'myASN':64512,'peerASN':64513," spec)
#define SECRET(password) "{'apiVersion':'v1','kind':'Secret','metadata':{'namespace':" \
	"'herald-system','name':'s'},'type':'kubernetes.io/basic-auth'," \
	"'stringData':{'password':'" password "'}}"
#define BGPADV(name, spec) BGP("1','kind':'BGPAdvertisement", name, spec)

/* The same world with BGP: what n1 tells whom. */
static const struct {
	const char *why;
	const char *added[5];
	const char *expect;
} rows[] = {
	{ "no peer, no routes", { BGPADV("a", "") }, "" },
	{ "a peer and no advertisement: a session and no route",
	    { PEER("p", "'peerAddress':'10.0.0.254'") }, "p 10.0.0.254 as 64513" },
	{ "the plain case: a host route",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "a peer of other nodes is none of ours",
	    { PEER("p", "'peerAddress':'10.0.0.254','nodeSelectors':[{'matchLabels':"
	      "{'rack':'2'}}]"), BGPADV("a", "") }, "" },
	{ "an advertisement of other nodes likewise",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a",
	      "'nodeSelectors':[{'matchLabels':{'rack':'2'}}]") },
	    "p 10.0.0.254 as 64513" },
	{ "aggregation",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'aggregationLength':24") },
	    "p 10.0.0.254 as 64513; 10.0.9.0/24 to p pref 100" },
	{ "only to the peers it names",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      PEER("q", "'peerAddress':'10.0.0.253'"),
	      BGPADV("a", "'peers':['q'],'localPref':200") },
	    "p 10.0.0.254 as 64513; q 10.0.0.253 as 64513; "
	    "10.0.9.3/32 to q pref 200" },
	{ "two that overlap add up: communities, the highest localPref",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['64512:2'],'localPref':50"),
	      BGPADV("b", "'communities':['64512:1','large:1:2:3'],'localPref':70") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 70 64512:1 64512:2 1:2:3" },
	{ "a community by its name",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['vpn']"), BGP("1','kind':'Community", "c",
	      "'communities':[{'name':'vpn','value':'64512:7'}]") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 64512:7" },
	{ "a name that no Community has is said, the route goes out",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['vpn']") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100; warning "
	    "BGPAdvertisement: spec.communities[0]: no Community has an entry \"vpn\"; "
	    "it is left out" },
	{ "Local: no route from a node without an endpoint",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.2", "n2", READY)) }, "p 10.0.0.254 as 64513" },
	{ "Cluster: no route while there is no endpoint at all",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      SLICE(EP("10.1.0.2", "n2", UNREADY)) }, "p 10.0.0.254 as 64513" },
	{ "an excluded node keeps its sessions and tells nothing",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','labels':"
	      "{'node.kubernetes.io/exclude-from-external-load-balancers':''}},"
	      "'status':{'addresses':[{'type':'InternalIP','address':'10.0.0.1'}]}}" },
	    "p 10.0.0.254 as 64513" },
	{ "a drained node marks what others tell, too (RFC 8326)",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'communities':['64512:1'],'localPref':70"),
	      N1(DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 0 64512:1 65535:0 retiring" },
	{ "what only this node has endpoints for (Local) stays",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""), N1(DRAINED, ""),
	      SVC("'externalTrafficPolicy':'Local',"),
	      SLICE(EP("10.1.0.1", "n1", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "and what no other node is to announce",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", "'nodeSelectors':"
	      "[{'matchLabels':{'a':''}}]"), N1("'labels':{'a':''}," DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "MED and prepending", { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'med':7,'asPathPrepend':2") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 med 7 prepend 2" },
	{ "of two, what attracts more; who says nothing has no say",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'med':7,'asPathPrepend':2,'localPref':10"),
	      BGPADV("b", "'med':0,'asPathPrepend':3,'localPref':20"), BGPADV("c", "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 20 med 0 prepend 2" },
	{ "bandwidth: 1 of 2 endpoints is here, 8 Mbit/s are a million bytes (0x49742400)",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'linkBandwidthPerEndpoint':8") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4fc0049742400" },
	{ "non-transitive within the AS; two endpoints are twice as much",
	    { BGP("2','kind':'BGPPeer", "p", "'myASN':64513,'peerASN':64513,"
	      "'peerAddress':'10.0.0.254'"), BGPADV("a", "'linkBandwidthPerEndpoint':8"),
	      SLICE(EP("10.1.0.1", "n1", READY) "," EP("10.1.0.2", "n1", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4004fc0149f42400" },
	{ "a node with none forwards, too: as much as one",
	    { PEER("p", "'peerAddress':'10.0.0.254'"),
	      BGPADV("a", "'linkBandwidthPerEndpoint':8"),
	      SLICE(EP("10.1.0.2", "n2", READY)) },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100 ext 4fc0049742400" },
	{ "all are drained: it tells what it did",
	    { PEER("p", "'peerAddress':'10.0.0.254'"), BGPADV("a", ""),
	      N1(DRAINED, ""), N2(DRAINED, ""), N3(DRAINED, "") },
	    "p 10.0.0.254 as 64513; 10.0.9.3/32 to p pref 100" },
	{ "a password from a Secret",
	    { PEER("p", "'peerAddress':'10.0.0.254','passwordSecret':{'name':'s'}"),
	      SECRET("x") }, "p 10.0.0.254 as 64513 md5 x" },
	{ "a Secret that is not there: that session waits, the other does not",
	    { PEER("p", "'peerAddress':'10.0.0.254','passwordSecret':{'name':'t'}"),
	      PEER("q", "'peerAddress':'10.0.0.253','passwordSecret':{'name':'s'}"),
	      SECRET("y") },
	    "p 10.0.0.254 as 64513 refused: spec.passwordSecret: there is no Secret "
	    "herald-system/t of type kubernetes.io/basic-auth; create it with the "
	    "password under the key \"password\"; q 10.0.0.253 as 64513 md5 y" },
	{ "a profile that is not there: without BFD, and it is said",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'") },
	    "p 10.0.0.254 as 64513; warning BGPPeer herald-system/p: spec.bfdProfile: "
	    "there is no BFDProfile \"fast\", so it runs without BFD; create it or "
	    "correct the name" },
	{ "a profile",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'"),
	      BGP("1','kind':'BFDProfile", "fast", "'receiveInterval':50,"
	      "'transmitInterval':60,'detectMultiplier':5") },
	    "p 10.0.0.254 as 64513 bfd 5x60/50ms echo 0ms" },
	{ "an echo interval without the mode is no offer; with it, it is",
	    { PEER("p", "'peerAddress':'10.0.0.254','bfdProfile':'fast'"),
	      PEER("q", "'peerAddress':'10.0.0.253','bfdProfile':'echo'"),
	      BGP("1','kind':'BFDProfile", "fast", "'echoInterval':70"),
	      BGP("1','kind':'BFDProfile", "echo", "'echoInterval':70,'echoMode':true") },
	    "p 10.0.0.254 as 64513 bfd 3x300/300ms echo 0ms; "
	    "q 10.0.0.253 as 64513 bfd 3x300/300ms echo 70ms" },
};

static char *
print_bgp(const struct plan *p)
{
	const char *sep = "";
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < p->nbgp_peers; i++, sep = "; ") {
		const struct bgp_io_peer *q = &p->bgp_peers[i];

		fprintf(f, "%s%s %s as %u", sep, q->name, IP_STR(&q->addr),
		    q->session.peer_as);
		ck_assert_uint_eq(q->session.router_id, 0x0a000001);
		ck_assert_uint_eq(q->session.families, 1u << BGP_IPV4_UNICAST);
		if (q->fault != NULL)
			fprintf(f, " refused: %s", q->fault);
		if (q->auth == BGP_IO_AUTH_MD5)
			fprintf(f, " md5 %s", q->password);
		if (q->bfd.detect_mult > 0)
			fprintf(f, " bfd %ux%u/%ums echo %ums", q->bfd.detect_mult,
			    q->bfd.min_tx_us / 1000, q->bfd.min_rx_us / 1000,
			    q->bfd.echo_us / 1000);
	}
	for (size_t i = 0; i < p->nbgp_routes; i++) {
		const struct bgp_io_route *r = &p->bgp_routes[i].route;

		fprintf(f, "; %s to %s pref %u", PREFIX_STR(&r->prefix), r->peers[0],
		    r->attrs->local_pref);
		for (size_t j = 0; j < r->attrs->ncommunities; j++)
			fprintf(f, " %u:%u", r->attrs->communities[j] >> 16,
			    r->attrs->communities[j] & 0xffff);
		for (size_t j = 0; j < r->attrs->nlarge; j++)
			fprintf(f, " %u:%u:%u", r->attrs->large[j][0],
			    r->attrs->large[j][1], r->attrs->large[j][2]);
		if (r->attrs->has_med)
			fprintf(f, " med %u", r->attrs->med);
		if (r->attrs->nprepend > 0)
			fprintf(f, " prepend %u", r->attrs->nprepend);
		for (size_t j = 0; j < r->attrs->next; j++)
			fprintf(f, " ext %llx", (unsigned long long)r->attrs->ext[j]);
		fputs(p->bgp_routes[i].is_retiring ? " retiring" : "", f);
		ck_assert_uint_eq(p->bgp_routes[i].nvips, 1);
	}
	for (size_t i = 0; i < p->nwarnings; i++)
		fprintf(f, "; warning %s", p->warnings[i]);
	fclose(f);
	return text;
}

START_TEST(bgp)
{
	struct planned w;
	char *got;

	planned_init(&w, rows[_i].added, nitems(rows[_i].added), ALIVE_HEARD_UP);
	planned_build(&w, (struct plan_input){ .self_state = ALIVE_UP });
	got = print_bgp(&w.plan);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	planned_fini(&w);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, bgp, 0, nitems(rows));
}

TEST_MAIN("plan, BGP", fill)
