/*
 * director.c - see director.h. Parts and order:
 *
 *	goal.c		what is wanted, as tables and sets (pure)
 *	net_io.c	namespace, links, addresses, routes, parameters
 *	diff.c, ipvs_nl.c	IPVS: the fewest operations; the socket
 *	nft_*.c		rules and sets, on the host and inside
 *
 * A VIP comes up from the inside out: IPVS services, the director's sets, the
 * VIP as an address, last the host's set that steers packets in. It goes down
 * in the reverse order. What is in the kernel is read once and remembered;
 * where an operation fails, or director_recheck() says so, it is read again.
 */
#include "ipvs/director.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/diff.h"
#include "ipvs/error.h"
#include "ipvs/goal.h"
#include "ipvs/ipvs_nl.h"
#include "ipvs/net_io.h"
#include "ipvs/netns_io.h"
#include "ipvs/nft_io.h"
#include "lib/mem.h"

struct director {
	struct director_conf conf;
	char	*name, *host_if;	/* what conf points at */
	struct director_net net;
	struct ipvs_nl *ipvs;
	struct nft_io *nft_host, *nft_inside;
	uint16_t mtu;			/* of the node's links; 0: look again */
	bool	is_net_known;		/* links and routes were looked at */
	bool	is_table_known;		/* have.table is what the kernel has */
	bool	is_table_complete;	/* the last sync had no failure: what differs
					   from have.table is others' work */
	struct goal have;		/* what the last sync brought about */
	struct ip *failed;		/* VIPs that are not complete, unsorted */
	size_t	nfailed, failed_cap;
};

/* One sync under way. */
struct sync {
	struct director *d;
	const struct director_want *want;
	struct goal goal;
	struct nft_rules rules;
	struct director_changes *changes;
	void	(*fail)(void *arg, const struct director_error *err);
	void	*arg;
	bool	has_failed;
};

static int
open_nft(struct director *d, struct director_error *ret_err)
{
	struct netns_visit v;
	int r = nft_io_open(NFT_HOST, d->name, &d->nft_host, ret_err);

	if (r < 0)
		return r;
	r = netns_enter(d->net.ns, &v);
	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director: %s",
		    strerror(-r));
	r = nft_io_open(NFT_DIRECTOR, d->name, &d->nft_inside, ret_err);
	netns_leave(&v);
	return r;
}

static int
open_ipvs(struct director *d, struct director_error *ret_err)
{
	struct netns_visit v;
	int r;

	if (d->ipvs != NULL)
		return 0;
	r = netns_enter(d->net.ns, &v);
	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director: %s",
		    strerror(-r));
	r = ipvs_nl_open(&d->ipvs, ret_err);
	netns_leave(&v);
	return r;
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
		r = net_ensure(&d->net, &d->conf, &nmade, ret_err);
	if (r == 0)
		r = open_ipvs(d, ret_err);
	if (r == 0)
		r = net_ensure_ipvs(&d->net, ret_err);
	if (r >= 0)
		r = open_nft(d, ret_err);
	if (r < 0) {
		director_close(d);
		return r;
	}
	d->is_net_known = true;
	*ret = d;
	return 0;
}

void
director_close(struct director *d)
{
	if (d == NULL)
		return;
	ipvs_nl_close(d->ipvs);
	nft_io_close(d->nft_host);
	nft_io_close(d->nft_inside);
	net_close(&d->net);
	goal_fini(&d->have);
	free(d->failed);
	free(d->name);
	free(d->host_if);
	free(d);
}

void
director_recheck(struct director *d)
{
	d->is_net_known = false;
	d->is_table_known = false;
	d->net.is_known = false;
	d->mtu = 0;
	nft_io_recheck(d->nft_host);
	nft_io_recheck(d->nft_inside);
}

int
director_destroy(const struct director_conf *conf, struct director_error *ret_err)
{
	struct nft_io *n;
	int r = nft_io_open(NFT_HOST, conf->name, &n, ret_err);

	if (r < 0)
		return r;
	/* Steering goes first: no packet is sent to where nobody is. */
	r = nft_io_remove(n, ret_err);
	nft_io_close(n);
	return r < 0 ? r : net_destroy(conf, ret_err);
}

static void
report(struct sync *s, const struct director_error *err)
{
	s->has_failed = true;
	if (s->fail != NULL)
		s->fail(s->arg, err);
}

static void
vip_failed(struct director *d, const struct ip *vip)
{
	d->failed = mem_grow(d->failed, d->nfailed, &d->failed_cap,
	    sizeof(d->failed[0]));
	d->failed[d->nfailed++] = *vip;
}

/* A failure that leaves no VIP complete. */
static void
all_failed(struct sync *s, const struct director_error *err)
{
	size_t i;

	report(s, err);
	for (i = 0; i < s->want->nvips; i++)
		vip_failed(s->d, &s->want->vips[i]);
}

static void
count_op(struct director_changes *c, const struct ipvs_op *op)
{
	if (op->is_follow_up || op->is_reorder)
		return;
	switch (op->type) {
	case IPVS_OP_ADD_VS:
		c->services_added++;
		break;
	case IPVS_OP_SET_VS:
		c->services_changed++;
		break;
	case IPVS_OP_DEL_VS:
		c->services_removed++;
		break;
	case IPVS_OP_ADD_RS:
		c->endpoints_added++;
		break;
	case IPVS_OP_SET_RS:
		c->endpoints_changed++;
		break;
	case IPVS_OP_DEL_RS:
		c->endpoints_removed++;
		break;
	}
}

static const char *
errno_remedy(int error, const struct ipvs_op *op)
{
	switch (error) {
	case -ENOENT:
		return op->rs == NULL ? "; is the scheduler's module (ip_vs_NAME) "
		    "installed for this kernel?" : "";
	case -EPERM:
		return "; CAP_NET_ADMIN of the host is needed";
	case -ENOMEM:
		return "; the kernel is out of memory";
	case -EEXIST:
	case -ESRCH:
		return "; somebody else changes the director's table, it will be "
		    "read again";
	default:
		return "";
	}
}

/* Report op, and that its VIP is not complete. */
static void
op_failed(struct sync *s, const struct ipvs_op *op, int error)
{
	struct director_error err;
	const struct ipvs_vs *vs = op->vs;
	char ep[IP_STRLEN + 16] = "";
	size_t i;

	if (op->rs != NULL)
		snprintf(ep, sizeof(ep), " %s port %u", IP_STR(&op->rs->ip),
		    op->rs->port);
	director_fail(&err, error, "svc %s (%s): cannot %s%s: %s%s",
	    vs->name != NULL ? vs->name : "?", IPVS_KEY_STR(&vs->key),
	    ipvs_op_name(op->type), ep, strerror(-error), errno_remedy(error, op));
	report(s, &err);
	if (vs->key.fwmark == 0) {
		vip_failed(s->d, &vs->key.vip);
		return;
	}
	/* The second tier of which service? */
	for (i = 0; i < s->want->nservices; i++)
		if (vs->name != NULL && s->want->services[i].name != NULL &&
		    strcmp(vs->name, s->want->services[i].name) == 0)
			vip_failed(s->d, &s->want->services[i].vip);
}

static bool
has_reorder(const struct ipvs_op *ops, size_t n)
{
	while (n > 0)
		if (ops[--n].is_reorder)
			return true;
	return false;
}

/*
 * While endpoints are taken out and put in again, packets of theirs that come
 * in between must be dropped, and sent again, rather than be given to others.
 */
static void
run_ops(struct sync *s, const struct ipvs_op *ops, size_t n)
{
	struct director *d = s->d;
	const struct ipvs_vs *last_failed = NULL;
	int *errors;
	bool is_reorder = has_reorder(ops, n);
	size_t i;

	if (n == 0)
		return;
	errors = mem_zalloc(n * sizeof(errors[0]));
	if (is_reorder)
		(void)net_expire_nodest(&d->net, false);
	(void)ipvs_nl_apply(d->ipvs, ops, n, errors);
	if (is_reorder)
		(void)net_expire_nodest(&d->net, true);
	for (i = 0; i < n; i++) {
		if (errors[i] == 0) {
			count_op(s->changes, &ops[i]);
			continue;
		}
		d->is_table_known = d->is_table_complete = false;
		/* One message a service: what follows is mostly its consequence. */
		if (ops[i].vs != last_failed)
			op_failed(s, &ops[i], errors[i]);
		last_failed = ops[i].vs;
	}
	free(errors);
}

/* How many operations lie between what we left and what is there now. */
static unsigned
count_repairs(const struct ipvs_table *left, const struct ipvs_table *found)
{
	struct ipvs_ops ops;
	size_t nup, n;

	ipvs_diff(left, found, &ops, &nup);
	n = ops.n;
	ipvs_ops_fini(&ops);
	return (unsigned)n;
}

/* Know what is in the kernel's table. */
static int
table_examine(struct sync *s, struct director_error *ret_err)
{
	struct director *d = s->d;
	struct ipvs_table t = { 0 };
	int r;

	if (d->is_table_known)
		return 0;
	r = open_ipvs(d, ret_err);
	if (r == 0)
		r = net_ensure_ipvs(&d->net, ret_err);
	if (r > 0 && d->is_table_complete)
		s->changes->repairs += (unsigned)r;
	if (r >= 0)
		r = ipvs_nl_read(d->ipvs, &t, ret_err);
	if (r < 0) {
		/* Answers may still be under way on it. */
		ipvs_nl_close(d->ipvs);
		d->ipvs = NULL;
		return r;
	}
	if (d->is_table_complete)
		s->changes->repairs += count_repairs(&d->have.table, &t);
	ipvs_table_fini(&d->have.table);
	d->have.table = t;
	d->is_table_known = d->is_table_complete = true;
	return 0;
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

/* Links, routes and parameters; and the few values the rules depend on. */
static int
sync_net(struct sync *s, struct director_error *ret_err)
{
	struct director *d = s->d;
	struct ip any;
	unsigned nmade = 0;
	int r = 0;

	if (!d->is_net_known) {
		r = net_ensure(&d->net, &d->conf, &nmade, ret_err);
		d->is_net_known = r == 0;
		s->changes->repairs += nmade;
	}
	if (r == 0 && has_family(s->want->vips, s->want->nvips, IP_V6, &any))
		r = net_forward_v6(&d->net, ret_err);
	if (d->mtu == 0)
		d->mtu = net_uplink_mtu(&d->net, &d->conf);
	s->rules = (struct nft_rules){ .table = d->name, .host_if = d->host_if,
		.fwmark = d->conf.fwmark, .mtu = d->mtu };
	(void)has_family(s->want->node_ips, s->want->nnode_ips, IP_V4,
	    &s->rules.node4);
	(void)has_family(s->want->node_ips, s->want->nnode_ips, IP_V6,
	    &s->rules.node6);
	return r;
}

static void
sync_nft(struct sync *s, enum nft_side side, enum nft_step step)
{
	struct director *d = s->d;
	struct nft_result res = { 0 };
	struct netns_visit v;
	struct director_error err;
	int r = 0;

	if (side == NFT_DIRECTOR)
		r = netns_enter(d->net.ns, &v);
	if (r == 0) {
		r = nft_io_sync(side == NFT_HOST ? d->nft_host : d->nft_inside,
		    &s->rules, &s->goal.nft, step, &res, &err);
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

static void
on_vip_fail(void *arg, const struct ip *vip, const struct director_error *err)
{
	struct sync *s = arg;

	report(s, err);
	vip_failed(s->d, vip);
}

/* From the inside out, then from the outside in; see the top of this file. */
static void
sync_parts(struct sync *s)
{
	struct director *d = s->d;
	const struct director_want *w = s->want;
	struct ipvs_ops ops = { 0 };
	size_t nup;

	ipvs_diff(&s->goal.table, &d->have.table, &ops, &nup);
	run_ops(s, ops.op, nup);
	sync_nft(s, NFT_DIRECTOR, NFT_ADD_ONLY);
	s->changes->vips_added += net_vips_add(&d->net, w->vips, w->nvips,
	    on_vip_fail, s);
	s->changes->repairs += d->net.nlost;
	sync_nft(s, NFT_HOST, NFT_EXACT);
	s->changes->vips_removed += net_vips_remove(&d->net, w->vips, w->nvips,
	    on_vip_fail, s);
	run_ops(s, ops.op + nup, ops.n - nup);
	sync_nft(s, NFT_DIRECTOR, NFT_EXACT);
	ipvs_ops_fini(&ops);
}

int
director_sync(struct director *d, const struct director_want *want,
    struct director_changes *ret_changes,
    void (*fail)(void *arg, const struct director_error *err), void *arg)
{
	struct director_changes changes = { 0 };
	struct sync s = { .d = d, .want = want, .changes = &changes, .fail = fail,
		.arg = arg };
	struct director_error err;

	d->nfailed = 0;
	if (sync_net(&s, &err) < 0)
		all_failed(&s, &err);
	goal_build(want, &s.goal);
	if (table_examine(&s, &err) < 0) {
		all_failed(&s, &err);
		goal_fini(&s.goal);
	} else {
		sync_parts(&s);
		goal_fini(&d->have);
		d->have = s.goal;
	}
	*ret_changes = changes;
	return s.has_failed ? -EAGAIN : 0;
}

bool
director_has_vip(const struct director *d, const struct ip *vip)
{
	const struct nft_set *set =
	    &d->have.nft.set[NFT_HOST_VIPS * 2 + (ip_is_v4(vip) ? 0 : 1)];
	size_t i;

	for (i = 0; i < d->nfailed; i++)
		if (ip_eq(&d->failed[i], vip))
			return false;
	return nft_set_has(set, &(struct nft_elem){ .addr = *vip });
}

struct each {
	director_stat_fn *fn;
	void	*arg;
	const struct ipvs_table *have;
};

static void
on_stat(void *arg, const struct ipvs_vs *vs, const struct ipvs_rs *rs,
    const struct ipvs_counters *c)
{
	struct each *e = arg;
	const struct ipvs_vs *ours;
	struct ipvs_service key = { .vip = vs->key.vip, .proto = vs->key.proto,
		.port = vs->key.port, .affinity_sec = vs->timeout_sec };
	struct ipvs_endpoint ep;

	if (vs->key.fwmark != 0)
		return;
	ours = ipvs_table_find(e->have, &vs->key);
	key.name = ours != NULL ? ours->name : NULL;
	if (rs == NULL) {
		e->fn(e->arg, &key, NULL, c);
		return;
	}
	ep = (struct ipvs_endpoint){ .ip = rs->ip, .port = rs->port,
		.weight = rs->weight, .reach = rs->fwd == IPVS_FWD_TUNNEL ?
		IPVS_REACH_TUNNEL : IPVS_REACH_LOCAL };
	e->fn(e->arg, &key, &ep, c);
}

int
director_each(struct director *d, director_stat_fn *fn, void *arg)
{
	struct each e = { fn, arg, &d->have.table };
	struct director_error err;
	int r = open_ipvs(d, &err);

	return r < 0 ? r : ipvs_nl_each(d->ipvs, on_stat, &e, &err);
}
