/*
 * director.c - see director.h. Parts and order:
 *
 *	life.c		what is wanted, and who drains still (pure)
 *	goal.c		both as tables and sets (pure)
 *	net_io.c	namespace, links, addresses, routes, parameters
 *	net_list_io.c	VIPs and routes to endpoints, one by one
 *	diff.c, ipvs_nl.c	IPVS: the fewest operations; the socket
 *	nft_*.c		rules and sets, on the host and inside
 *
 * A VIP comes up from the inside out: the way back for replies that IPVS does not know,
 * IPVS services, the director's sets, the VIP as an address, last the host's set that
 * steers packets in. It goes down in the reverse order. What is in the kernel is read
 * once and remembered; where an operation fails, or director_recheck() says so, it is
 * read again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/director_impl.h"
#include "ipvs/error.h"
#include "ipvs/netns_io.h"
#include "ipvs/nft_rules.h"
#include "ipvs/syncd_io.h"
#include "ipvs/walk_nl.h"
#include "lib/mem.h"

static int
open_watch(struct director *d, enum nft_side side, struct director_error *ret_err)
{
	struct watch_scope scope = { .is_all = side == NFT_DIRECTOR,
		.ifname = d->host_if, .table = d->conf.table,
		.rule_pref = d->conf.rule_pref };
	int r;

	(void)ip_parse(DIRECTOR_HOST4, &scope.addrs[0]);
	(void)ip_parse(DIRECTOR_HOST6, &scope.addrs[1]);
	r = watch_open(&scope, &d->side[side].watch);
	if (r < 0)
		return director_fail(ret_err, r, "no rtnetlink socket to watch "
		    "links and routes: %s", strerror(-r));
	/* The first sync looks at the table itself: what comes before it is no news. */
	d->side[side].others = watch_nft_generation(d->side[side].watch);
	return 0;
}

/* In the namespace of that side. */
static int
open_side(struct director *d, enum nft_side side, struct director_error *ret_err)
{
	int r = nft_io_open(side, d->name, &d->have.nft, &d->side[side].nft,
	    ret_err);

	return r < 0 ? r : open_watch(d, side, ret_err);
}

static int
open_sides(struct director *d, struct director_error *ret_err)
{
	struct netns_visit v;
	int r = open_side(d, NFT_HOST, ret_err);

	if (r < 0)
		return r;
	r = netns_enter(d->net.ns, &v);
	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director: %s",
		    strerror(-r));
	r = open_side(d, NFT_DIRECTOR, ret_err);
	netns_leave(&v);
	return r;
}

/* Have connection sync as conf says; *count grows by what had to be made. */
static int
ensure_sync(struct director *d, unsigned *count, struct director_error *ret_err)
{
	return d->conf.has_sync ? syncd_ensure(&d->net, count, &d->sync_link, ret_err) :
	    syncd_remove(&d->net, ret_err);
}

int
director_sync_socket(struct director *d)
{
	return syncd_socket(&d->net);
}

int
director_sync_link(const struct director *d)
{
	return d->sync_link;
}

int
director_open(const struct director_conf *conf, struct director **ret,
    struct director_error *ret_err)
{
	struct director *d = mem_zalloc(sizeof(*d));
	unsigned nmade;
	int r;

	d->conf = *conf;
	d->conf.name = d->name = mem_strdup(conf->name);
	d->conf.host_if = d->host_if = mem_strdup(conf->host_if);
	r = net_open(&d->net, &d->conf, ret_err);
	if (r == 0)
		r = director_choose_mark(d, ret_err);
	if (r == 0) {
		d->mtu = net_uplink_mtu(&d->net, &d->conf);
		r = net_ensure(&d->net, &d->conf, d->mtu, &nmade, ret_err);
	}
	if (r == 0)
		r = director_open_ipvs(d, ret_err);
	if (r == 0)
		r = net_ensure_ipvs(&d->net, ret_err);
	if (r >= 0)
		r = ensure_sync(d, &nmade, ret_err);
	if (r >= 0)
		r = open_sides(d, ret_err);
	if (r < 0) {
		director_close(d);
		return r;
	}
	d->is_net_known = true;
	d->life.next = MONO_NEVER;
	*ret = d;
	return 0;
}

void
director_close(struct director *d)
{
	if (d == NULL)
		return;
	ipvs_nl_close(d->ipvs);
	ipvs_walk_close(d->walk);
	for (size_t i = 0; i < nitems(d->side); i++) {
		nft_io_close(d->side[i].nft);
		watch_close(d->side[i].watch);
	}
	net_close(&d->net);
	goal_fini(&d->have);
	life_fini(&d->life);
	free(d->failed);
	free(d->stale);
	free(d->addrs);
	free(d->name);
	free(d->host_if);
	free(d);
}

/* What does not grow with the number of services. What fails the next sync tells of. */
static bool
recheck_net(struct director *d)
{
	struct director_error ignored;
	unsigned nmade = 0, nstarted = 0;
	int r;

	if (net_uplink_mtu(&d->net, &d->conf) != d->mtu) {
		d->mtu = 0;
		d->is_net_known = false;
		return true;
	}
	r = net_ensure(&d->net, &d->conf, d->mtu, &nmade, &ignored);
	d->nmended += nmade;
	if (r == 0)
		r = net_ensure_ipvs(&d->net, &ignored);
	if (r >= 0) {
		d->nmended += (unsigned)r;
		r = ensure_sync(d, &nstarted, &ignored);
		d->nmended += nstarted;
	}
	if (r < 0)
		d->is_net_known = false;
	return r < 0 || d->nmended > 0;
}

bool
director_recheck(struct director *d)
{
	d->is_addrs_known = false;
	if (d->have.table.n > DIRECTOR_LOOK_SERVICES)
		return recheck_net(d);
	d->is_net_known = false;
	d->is_table_known = false;
	net_lists_forget(&d->net);
	d->mtu = 0;
	for (size_t i = 0; i < nitems(d->side); i++)
		nft_io_recheck(d->side[i].nft);
	return true;
}

int
director_destroy(const struct director_conf *conf, struct director_error *ret_err)
{
	struct nft_state unused = { 0 };
	struct nft_io *n;
	int r = nft_io_open(NFT_HOST, conf->name, &unused, &n, ret_err);

	if (r < 0)
		return r;
	/* Steering goes first: no packet is sent to where nobody is. */
	r = nft_io_remove(n, ret_err);
	nft_io_close(n);
	return r < 0 ? r : net_destroy(conf, ret_err);
}

void
director_report(struct director_run *s, const struct director_error *err)
{
	s->has_failed = true;
	if (s->fail != NULL)
		s->fail(s->arg, err);
}

void
director_vip_failed(struct director *d, const struct ip *vip)
{
	d->failed = mem_grow(d->failed, d->nfailed, &d->failed_cap,
	    sizeof(d->failed[0]));
	d->failed[d->nfailed++] = *vip;
}

/* A failure that leaves no VIP complete. */
static void
all_failed(struct director_run *s, const struct director_error *err)
{
	size_t i;

	director_report(s, err);
	for (i = 0; i < s->want->nvips; i++)
		director_vip_failed(s->d, &s->want->vips[i]);
}

static bool
has_family(const struct ip *list, size_t n, uint8_t family, struct ip *ret)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].family == family) {
			*ret = list[i];
			return true;
		}
	return false;
}

/* False where it is to be tried again; VIPs are served all the same. */
static bool
sync_daemons(struct director_run *s)
{
	struct director_error err;
	unsigned nmade = 0;
	int r = ensure_sync(s->d, &nmade, &err);

	if (r < 0)
		director_report(s, &err);
	s->changes->repairs += nmade;
	return r == 0;
}

/* Links, routes and parameters; and the few values the rules depend on. */
static int
sync_net(struct director_run *s, struct director_error *ret_err)
{
	struct director *d = s->d;
	struct ip any;
	unsigned nmade = 0;
	int r = 0;

	if (d->mtu == 0)
		d->mtu = net_uplink_mtu(&d->net, &d->conf);
	if (!d->is_net_known) {
		r = net_ensure(&d->net, &d->conf, d->mtu, &nmade, ret_err);
		s->changes->repairs += nmade;
		d->is_net_known = r == 0 && sync_daemons(s);
	}
	if (r == 0 && has_family(s->want->vips, s->want->nvips, IP_V6, &any))
		r = net_forward_v6(&d->net, ret_err);
	s->rules = (struct nft_rules){ .table = d->name, .host_if = d->host_if,
		.fwmark = d->conf.fwmark, .drops_unknown = d->conf.drops_unknown,
		.mtu = d->mtu };
	(void)has_family(s->want->node_ips, s->want->nnode_ips, IP_V4,
	    &s->rules.node4);
	(void)has_family(s->want->node_ips, s->want->nnode_ips, IP_V6,
	    &s->rules.node6);
	return r;
}

static void
sync_nft(struct director_run *s, enum nft_side side, const struct nft_state *want,
    enum nft_step step)
{
	struct director *d = s->d;
	struct nft_result res = { 0 };
	struct netns_visit v;
	struct director_error err;
	int r = 0;

	if (side == NFT_DIRECTOR)
		r = netns_enter(d->net.ns, &v);
	if (r == 0) {
		r = nft_io_sync(d->side[side].nft, &s->rules, want, step, &res, &err);
		if (side == NFT_DIRECTOR)
			netns_leave(&v);
	} else {
		director_fail(&err, r, "cannot enter the director: %s", strerror(-r));
	}
	s->changes->nft_commits += res.has_committed;
	s->changes->repairs += res.has_repaired;
	if (r < 0)
		all_failed(s, &err);
}

/* Without its route an endpoint is reached, but not by the largest datagrams. */
static void
on_list_fail(void *arg, enum net_list_id id, const struct ip *a,
    const struct director_error *err)
{
	struct director_run *s = arg;

	director_report(s, err);
	if (id == NET_VIPS)
		director_vip_failed(s->d, a);
	else
		s->d->is_net_known = false;	/* for a whole sync to try again */
}

void
director_sync_endpoints(struct director_run *s, const struct goal *g)
{
	const struct nft_set *set = &g->nft.set[NFT_DIR_ENDPOINTS * 2 + 1];
	struct ip *list = mem_zalloc((set->n + 1) * sizeof(list[0]));
	struct director_net *net = &s->d->net;
	size_t i;

	for (i = 0; i < set->n; i++)
		list[i] = nft_set_at(set, i).addr;
	(void)net_list_add(net, NET_ENDPOINTS, list, set->n, on_list_fail, s);
	s->changes->repairs += net->list[NET_ENDPOINTS].nlost;
	(void)net_list_remove(net, NET_ENDPOINTS, list, set->n, on_list_fail, s);
	free(list);
}

static void
sync_replies(struct director_run *s)
{
	struct nft_state is = nft_state_replies(&s->goal.nft);
	struct nft_state was = nft_state_replies(&s->d->have.nft);

	if (!nft_state_is_equal(&is, &was, NFT_DIRECTOR))
		sync_nft(s, NFT_DIRECTOR, &is, NFT_ADD_ONLY);
}

/* From the inside out, then from the outside in; see the top of this file. */
static void
sync_parts(struct director_run *s)
{
	struct director *d = s->d;
	const struct director_want *w = s->want;
	const struct nft_state *nft = &s->goal.nft;
	struct ipvs_ops ops = { 0 };
	size_t nup;

	ipvs_diff(&s->goal.table, &d->have.table, &ops, &nup);
	director_sync_endpoints(s, &s->goal);
	sync_replies(s);
	director_table_run(s, ops.op, nup);
	sync_nft(s, NFT_DIRECTOR, nft, NFT_ADD_ONLY);
	s->changes->vips_added += net_list_add(&d->net, NET_VIPS, w->vips, w->nvips,
	    on_list_fail, s);
	s->changes->repairs += d->net.list[NET_VIPS].nlost;
	sync_nft(s, NFT_HOST, nft, NFT_ADD_ONLY);
	sync_nft(s, NFT_HOST, nft, NFT_EXACT);
	s->changes->vips_removed += net_list_remove(&d->net, NET_VIPS, w->vips,
	    w->nvips, on_list_fail, s);
	director_table_run(s, ops.op + nup, ops.n - nup);
	sync_nft(s, NFT_DIRECTOR, nft, NFT_EXACT);
	ipvs_ops_fini(&ops);
}

/* What is wanted, and what life_apply() makes of it, as tables and sets. */
static void
build_goal(struct director_run *s, struct mono now)
{
	struct arena scratch = { 0 };
	struct director_want want;

	life_apply(&s->d->life, s->want, &s->d->have, now, &scratch, &want);
	goal_build(&want, s->d->addrs, s->d->naddrs, &s->goal);
	arena_fini(&scratch);
}

int
director_sync(struct director *d, const struct director_want *want, struct mono now,
    struct director_changes *ret_changes,
    void (*fail)(void *arg, const struct director_error *err), void *arg)
{
	struct director_changes changes = { 0 };
	struct director_run s = { .d = d, .want = want, .changes = &changes, .fail = fail,
		.arg = arg };
	struct director_error err;

	d->nfailed = 0;
	changes.repairs = d->nmended;
	d->nmended = 0;
	if (sync_net(&s, &err) < 0)
		all_failed(&s, &err);
	if (director_table_examine(&s, &err) < 0) {
		all_failed(&s, &err);
	} else {
		director_read_addrs(d);
		build_goal(&s, now);
		sync_parts(&s);
		ipvs_table_fini(&d->have.table);
		d->have.table = s.goal.table;
		nft_state_fini(&s.goal.nft);	/* have.nft is nft_io's */
	}
	*ret_changes = changes;
	return s.has_failed ? -EAGAIN : 0;
}

struct mono
director_deadline(const struct director *d)
{
	return d->life.next;
}

size_t
director_ndraining(const struct director *d)
{
	return d->life.ndraining;
}

static bool
has_vip(const struct director *d, enum nft_set_id id, const struct ip *vip)
{
	return nft_set_has(&d->have.nft.set[(size_t)id * 2 + (ip_is_v4(vip) ? 0 : 1)],
	    &(struct nft_elem){ .addr = *vip });
}

bool
director_has_vip(const struct director *d, const struct ip *vip)
{
	size_t i;

	for (i = 0; i < d->nfailed; i++)
		if (ip_eq(&d->failed[i], vip))
			return false;
	return has_vip(d, NFT_DIR_VIPS, vip);
}

bool
director_is_held(const struct director *d, const struct ip *vip)
{
	return has_vip(d, NFT_DIR_VIPS, vip) && !has_vip(d, NFT_HOST_VIPS, vip);
}

