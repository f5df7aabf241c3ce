/* goal.c - see goal.h. */
#include "ipvs/goal.h"

#include <stdlib.h>
#include <string.h>

#include "ipvs/tier2.h"
#include "lib/mem.h"

static struct ipvs_rs
rs_of(const struct ipvs_endpoint *ep)
{
	return (struct ipvs_rs){
		.ip = ep->ip,
		.port = ep->port,
		.weight = ep->weight,
		.slots = ep->weight != 0 ? ep->weight : ep->drain_weight,
		.has_left = ep->life == IPVS_LEFT,
		.fwd = ep->reach == IPVS_REACH_TUNNEL ? IPVS_FWD_TUNNEL : IPVS_FWD_MASQ,
	};
}

/*
 * Session affinity is twofold: mh without the client's port gives a client the
 * same endpoint on every node and after a takeover, persistence keeps it there
 * when endpoints come and go.
 */
static void
vs_fill(struct ipvs_vs *vs, const struct ipvs_service *s)
{
	const char *sched = ipvs_sched_name(s->sched);

	memcpy(vs->sched, sched, strlen(sched) + 1);
	if (s->sched == IPVS_SCHED_MH || s->sched == IPVS_SCHED_SH)
		vs->flags = IPVS_F_MH_FALLBACK |
		    (s->affinity_sec == 0 ? IPVS_F_MH_PORT : 0);
	if (s->affinity_sec != 0) {
		vs->flags |= IPVS_F_PERSISTENT;
		vs->timeout_sec = s->affinity_sec;
	}
	if (s->is_one_packet)
		vs->flags |= IPVS_F_ONEPACKET;
}

static size_t
count_local(const struct ipvs_service *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->nendpoints; i++)
		n += s->endpoints[i].reach == IPVS_REACH_LOCAL;
	return n;
}

/* Is there one that is not draining? */
static bool
takes_new(const struct ipvs_service *s)
{
	size_t i;

	for (i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].weight > 0)
			return true;
	return false;
}

/* Nobody tunnels to a service whose policy is Local, and to itself no node. */
static bool
has_tier2(const struct ipvs_service *s)
{
	return !s->is_local_only && count_local(s) > 0;
}

bool
goal_needs_marks(const struct ipvs_service *s)
{
	return s->is_one_packet || has_tier2(s);
}

/* The service of what clients send, or that of local clients' flows, by mark. */
static void
add_tier1(struct ipvs_table *t, const struct ipvs_service *s, uint32_t flows_mark)
{
	struct ipvs_vs *vs = ipvs_table_add(t);
	size_t i;

	vs->tier = IPVS_TIER_CLIENTS;
	vs->key = (struct ipvs_key){ .vip = s->vip, .family = s->vip.family,
		.proto = s->proto, .port = s->port };
	vs_fill(vs, s);
	if (flows_mark != 0) {
		vs->tier = IPVS_TIER_FLOWS;
		vs->key = (struct ipvs_key){ .family = s->vip.family,
			.fwmark = flows_mark };
		vs->flags &= ~(uint32_t)IPVS_F_ONEPACKET;
	}
	vs->name = arena_strdup(&t->arena, s->name);
	vs->rs = arena_array(&t->arena, s->nendpoints, sizeof(vs->rs[0]));
	for (i = 0; i < s->nendpoints; i++) {
		const struct ipvs_endpoint *ep = &s->endpoints[i];

		if (s->is_local_only && ep->reach != IPVS_REACH_LOCAL)
			continue;
		vs->rs[vs->nrs] = rs_of(ep);
		if (ep->is_passed_over)
			vs->rs[vs->nrs].weight = 0;
		vs->nrs++;
	}
}

/*
 * Persistence of a service by mark takes no heed of endpoints' ports: the kernel sends
 * to the port that the client chose.
 */
static bool
can_persist(const struct ipvs_service *s)
{
	size_t i;

	for (i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].port != s->port)
			return false;
	return true;
}

/*
 * The choice within the second tier matters to affinity: the client must get
 * the endpoint that the first tier chose on the other node, and would choose
 * here, should the VIP move to us. So the other nodes' endpoints are in the
 * table, too, in their places and with their slots, but with weight 0: nothing
 * goes to them, not even where two nodes' tables differ for a moment. Where ports
 * do not allow for persistence this is all there is to affinity in this tier.
 */
static void
add_tier2(struct ipvs_table *t, const struct ipvs_service *s, uint32_t mark)
{
	bool has_all = s->affinity_sec != 0 && s->sched == IPVS_SCHED_MH;
	struct ipvs_vs *vs = ipvs_table_add(t);
	struct ipvs_rs *rs;
	size_t i;

	vs->tier = IPVS_TIER_TUNNEL;
	vs->key = (struct ipvs_key){ .family = s->vip.family, .fwmark = mark };
	vs_fill(vs, s);
	if (!can_persist(s)) {
		vs->flags &= ~(uint32_t)IPVS_F_PERSISTENT;
		vs->timeout_sec = 0;
	}
	vs->name = arena_strdup(&t->arena, s->name);
	vs->rs = arena_array(&t->arena, has_all ? s->nendpoints : count_local(s),
	    sizeof(vs->rs[0]));
	for (i = 0; i < s->nendpoints; i++) {
		bool is_local = s->endpoints[i].reach == IPVS_REACH_LOCAL;

		if (!is_local && !has_all)
			continue;
		rs = &vs->rs[vs->nrs++];
		*rs = rs_of(&s->endpoints[i]);
		if (!is_local)
			rs->weight = 0;
	}
}

static void
add_addr(struct nft_state *n, enum nft_set_id id, const struct ip *a)
{
	nft_state_add(n, id, &(struct nft_elem){ .addr = *a });
}

/* One that a firewall of this node may ask for the state of its connections. */
static void
add_client(struct nft_state *n, const struct ip *a)
{
	add_addr(n, NFT_HOST_CLIENTS, a);
	add_addr(n, NFT_DIR_CLIENTS, a);
}

/* Who is tracked and masqueraded on account of endpoints without a director. */
static void
add_masq(struct nft_state *n, const struct ipvs_service *s)
{
	bool has_masq = false;
	size_t i;

	for (i = 0; i < s->nendpoints && !s->is_local_only; i++)
		if (s->endpoints[i].reach == IPVS_REACH_MASQ) {
			add_addr(n, NFT_DIR_MASQ, &s->endpoints[i].ip);
			has_masq = true;
		}
	if (!has_masq)
		return;
	add_addr(n, NFT_DIR_TRACKED, &s->vip);
	for (i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].reach == IPVS_REACH_LOCAL)
			add_addr(n, NFT_DIR_TRACKED, &s->endpoints[i].ip);
}

/*
 * The way back of what IPVS does not remember: from a local endpoint to the service's
 * mark, and from that to VIP and port.
 */
static void
add_replies(struct nft_state *n, const struct ipvs_service *s,
    const struct tier2_marks *marks)
{
	struct nft_elem e = { .proto = s->proto, .mark = marks->tunnel };
	size_t i;

	for (i = 0; i < s->nendpoints; i++) {
		if (s->endpoints[i].reach != IPVS_REACH_LOCAL)
			continue;
		e.addr = s->endpoints[i].ip;
		e.port = s->endpoints[i].port;
		nft_state_add(n, NFT_DIR_REPLIES, &e);
	}
	e = (struct nft_elem){ .addr = s->vip, .mark = marks->tunnel };
	nft_state_add(n, NFT_DIR_REPLY_VIPS, &e);
	e.addr = (struct ip){ .family = s->vip.family };
	e.port = s->port;
	nft_state_add(n, NFT_DIR_REPLY_PORTS, &e);
	e = (struct nft_elem){ .addr = s->vip, .proto = s->proto, .port = s->port,
		.mark = marks->flows };
	nft_state_add(n, NFT_DIR_FLOWS, &e);
}

void
goal_add_sets(struct nft_state *n, const struct ipvs_service *s,
    const struct tier2_marks *marks)
{
	struct nft_elem e = { .addr = s->vip, .proto = s->proto, .port = s->port };
	size_t i;

	for (i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].reach == IPVS_REACH_LOCAL) {
			add_addr(n, NFT_HOST_ENDPOINTS, &s->endpoints[i].ip);
			add_addr(n, NFT_DIR_ENDPOINTS, &s->endpoints[i].ip);
		}
	add_masq(n, s);
	if (!takes_new(s))
		nft_state_add(n, NFT_DIR_EMPTY, &e);
	else if (s->is_local_only && count_local(s) == 0)
		nft_state_add(n, NFT_DIR_ELSEWHERE, &e);
	if (s->nsource_ranges > 0)
		nft_state_add(n, NFT_DIR_RESTRICTED, &e);
	for (i = 0; i < s->nsource_ranges; i++) {
		e.source = s->source_ranges[i];
		if (e.source.addr.family == s->vip.family)
			nft_state_add(n, NFT_DIR_ALLOWED, &e);
	}
	if (has_tier2(s)) {
		e.source = (struct prefix){ 0 };
		e.mark = marks->tunnel;
		nft_state_add(n, NFT_DIR_MARKS, &e);
	}
	if (s->is_one_packet)
		add_replies(n, s, marks);
}

static int
addr_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void
add_common_sets(struct nft_state *n, const struct director_want *want,
    const struct ip *held, size_t nheld)
{
	size_t i;

	for (i = 0; i < want->nvips; i++) {
		if (nheld == 0 || bsearch(&want->vips[i], held, nheld, sizeof(*held),
		    addr_cmp) == NULL)
			add_addr(n, NFT_HOST_VIPS, &want->vips[i]);
		add_addr(n, NFT_HOST_INNER, &want->vips[i]);
		add_addr(n, NFT_DIR_VIPS, &want->vips[i]);
	}
	for (i = 0; i < want->npeers; i++)
		add_addr(n, NFT_HOST_NODES, &want->peers[i]);
	for (i = 0; i < want->nnode_ips; i++)
		add_client(n, &want->node_ips[i]);
	for (i = 0; i < want->nlocal_clients; i++)
		add_client(n, &want->local_clients[i]);
}

void
goal_add(struct goal *g, const struct ipvs_service *s, const struct tier2_marks *marks)
{
	add_tier1(&g->table, s, 0);
	if (has_tier2(s))
		add_tier2(&g->table, s, marks->tunnel);
	if (s->is_one_packet)
		add_tier1(&g->table, s, marks->flows);
	goal_add_sets(&g->nft, s, marks);
}

void
goal_sort(struct goal *g)
{
	ipvs_table_sort(&g->table);
	nft_state_sort(&g->nft);
}

void
goal_build(const struct director_want *want, const struct ip *held, size_t nheld,
    struct goal *ret)
{
	struct tier2_marks *marks = mem_zalloc((want->nservices + 1) * sizeof(marks[0]));
	struct goal g = { 0 };
	size_t i;

	tier2_marks(want->services, want->nservices, marks);
	for (i = 0; i < want->nservices; i++)
		goal_add(&g, &want->services[i], &marks[i]);
	add_common_sets(&g.nft, want, held, nheld);
	goal_sort(&g);
	free(marks);
	*ret = g;
}

void
goal_fini(struct goal *g)
{
	ipvs_table_fini(&g->table);
	nft_state_fini(&g->nft);
}
