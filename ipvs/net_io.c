/* net_io.c - see net_io.h. */
#include "ipvs/net_io.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipvs/error.h"
#include "ipvs/net_list_io.h"
#include "ipvs/netns_io.h"
#include "ipvs/nft_rules.h"
#include "ipvs/rtnl_route_io.h"
#include "ipvs/sysctl_io.h"
#include "ipvs/tier2.h"
#include "lib/mem.h"

enum {
	MTU_MIN = 1280,		/* what IPv6 asks of every link */
	MTU_VETH_MIN = MTU_MIN + 40,	/* with less, IPVS would tunnel no IPv6 */
	MTU_DEFAULT = 1500,
};

static struct ip
addr(const char *s)
{
	struct ip a = { 0 };

	(void)ip_parse(s, &a);
	return a;
}

int
net_open(struct director_net *n, const struct director_conf *conf,
    struct director_error *ret_err)
{
	struct netns_visit v;
	int r;

	*n = (struct director_net){ .ns = -1, .home = netns_current() };
	n->has_v6 = sysctl_has_ipv6();
	n->ns = netns_open(conf->name);
	if (n->ns == -ENOENT || n->ns == -EINVAL)
		n->ns = netns_create(conf->name, ret_err);
	else if (n->ns < 0)
		director_fail(ret_err, n->ns, "cannot open network namespace %s: %s",
		    conf->name, strerror(-n->ns));
	if (n->ns < 0)
		return n->ns;
	r = rtnl_open(&n->host);
	if (r == 0)
		r = netns_enter(n->ns, &v);
	if (r == 0) {
		r = rtnl_open(&n->inside);
		netns_leave(&v);
	}
	if (r < 0)
		return director_fail(ret_err, r, "cannot enter network namespace %s: "
		    "%s; CAP_SYS_ADMIN and CAP_NET_ADMIN are needed", conf->name,
		    strerror(-r));
	return 0;
}

void
net_close(struct director_net *n)
{
	rtnl_close(n->host);
	rtnl_close(n->inside);
	if (n->ns >= 0)
		close(n->ns);
	if (n->home >= 0)
		close(n->home);
	net_lists_fini(n);
	*n = (struct director_net){ .ns = -1, .home = -1 };
}

/* Count what had to be made; turn "is there" into success. */
static int
made(int r, unsigned *count, const char *what, struct director_error *ret_err)
{
	if (r == 0)
		(*count)++;
	if (r == 0 || r == -EEXIST)
		return 0;
	return director_fail(ret_err, r, "cannot add %s: %s%s", what, strerror(-r),
	    r == -EPERM ? "; CAP_NET_ADMIN is needed" : "");
}

static int
link_up(struct rtnl *r, const char *name, struct rtnl_link *link, unsigned *count,
    struct director_error *ret_err)
{
	int error;

	if (link->is_up)
		return 0;
	error = rtnl_link_set_up(r, link->index);
	if (error < 0)
		return director_fail(ret_err, error, "cannot bring up link %s: %s",
		    name, strerror(-error));
	(*count)++;
	return 0;
}

/* A change is nobody's fault, and no piece put right. */
static int
ensure_mtu(struct rtnl *r, const char *name, const struct rtnl_link *link, uint16_t mtu,
    struct director_error *ret_err)
{
	uint32_t want = mtu > MTU_VETH_MIN ? mtu : MTU_VETH_MIN;
	int error = link->mtu == want ? 0 : rtnl_link_set_mtu(r, link->index, want);

	return error == 0 ? 0 : director_fail(ret_err, error, "cannot set the MTU of "
	    "link %s to %u: %s", name, want, strerror(-error));
}

/*
 * The veth pair. A half whose other half is not where it belongs is what is
 * left of a director that is gone: it has our name, it goes.
 */
static int
ensure_veth(struct director_net *n, const struct director_conf *conf,
    struct rtnl_link *outer, struct rtnl_link *inner, unsigned *count,
    struct director_error *ret_err)
{
	int r = rtnl_link_find(n->host, conf->host_if, outer);

	if (r == 0 && strcmp(outer->kind, "veth") != 0)
		return director_fail(ret_err, -EEXIST, "interface %s is there already "
		    "and is not ours: rename it, or choose another name with "
		    "--director-link", conf->host_if);
	if (r == 0 && (rtnl_link_find(n->inside, DIRECTOR_IF, inner) < 0 ||
	    inner->peer_index != outer->index)) {
		(void)rtnl_link_delete(n->host, outer->index);
		r = -ENODEV;
	}
	if (r == -ENODEV) {
		r = rtnl_veth_add(n->host, conf->host_if, DIRECTOR_IF, n->ns);
		if (r < 0)
			return director_fail(ret_err, r, "cannot add the veth pair "
			    "%s: %s%s", conf->host_if, strerror(-r),
			    r == -EOPNOTSUPP ? "; load it with `modprobe veth`" : "");
		(*count)++;
		r = rtnl_link_find(n->host, conf->host_if, outer);
	}
	if (r == 0)
		r = rtnl_link_find(n->inside, DIRECTOR_IF, inner);
	if (r < 0)
		return director_fail(ret_err, r, "cannot find the veth pair %s: %s",
		    conf->host_if, strerror(-r));
	r = link_up(n->host, conf->host_if, outer, count, ret_err);
	return r < 0 ? r : link_up(n->inside, DIRECTOR_IF, inner, count, ret_err);
}

struct old_rules {
	const struct director_conf *conf;
	uint32_t keep;			/* the mark of the one that stays; 0 none */
	uint32_t mark;			/* of one that is to go */
	bool	has_any;
};

static void
note_old_rule(void *arg, const struct rtnl_rule *rule)
{
	struct old_rules *o = arg;

	if (rule->pref != o->conf->rule_pref || rule->table != o->conf->table ||
	    rule->mark == o->keep)
		return;
	o->mark = rule->mark;
	o->has_any = true;
}

/*
 * Rules of ours with another mark, from an earlier start: what somebody else marks
 * so now is not for the director. Each turn takes one away, in both families.
 */
static void
drop_old_rules(struct rtnl *host, const struct director_conf *conf, uint32_t keep)
{
	struct old_rules o = { .conf = conf, .keep = keep };
	int r4, r6;

	do {
		o.has_any = false;
		if (rtnl_rule_each(host, note_old_rule, &o) < 0 || !o.has_any)
			return;
		r4 = rtnl_rule_delete(host, IP_V4, conf->rule_pref, o.mark, conf->table);
		r6 = rtnl_rule_delete(host, IP_V6, conf->rule_pref, o.mark, conf->table);
	} while (r4 == 0 || r6 == 0);
}

/* Addresses and routes of one family, on both ends. */
static int
ensure_family(struct director_net *n, const struct director_conf *conf, int outer,
    int inner, bool is_v4, unsigned *count, struct director_error *ret_err)
{
	struct ip host = addr(is_v4 ? DIRECTOR_HOST4 : DIRECTOR_HOST6);
	struct ip self = addr(is_v4 ? DIRECTOR_SELF4 : DIRECTOR_SELF6);
	unsigned len = is_v4 ? DIRECTOR_LEN4 : DIRECTOR_LEN6;
	int r;

	r = made(rtnl_addr_add(n->host, outer, &host, len), count,
	    "the host's address on the veth", ret_err);
	if (r == 0)
		r = made(rtnl_addr_add(n->inside, inner, &self, len), count,
		    "the director's address", ret_err);
	if (r == 0)
		r = made(rtnl_route_add(n->inside, &(struct rtnl_route){ .via = host,
		    .index = inner, .table = RT_TABLE_MAIN }), count,
		    "the director's default route", ret_err);
	if (r == 0)
		r = made(rtnl_route_add(n->host, &(struct rtnl_route){ .via = self,
		    .index = outer, .table = conf->table }), count,
		    "the route to the director", ret_err);
	if (r == 0)
		r = made(rtnl_rule_add(n->host, is_v4 ? IP_V4 : IP_V6,
		    conf->rule_pref, conf->fwmark, conf->table), count,
		    "the routing rule for marked packets", ret_err);
	return r;
}

/*
 * Where the director's rules (nft_rules.c, "cut") send IPv6 packets that are too large
 * for the way to an endpoint of this node: out in pieces that pass everywhere.
 */
static int
ensure_cut(struct director_net *n, const struct director_conf *conf, unsigned *count,
    struct director_error *ret_err)
{
	struct rtnl_route route = { .via = addr(DIRECTOR_HOST6), .index = n->inner,
		.table = conf->table, .mtu = MTU_MIN };
	int r = made(rtnl_route_add(n->inside, &route), count,
	    "the director's route for fragments", ret_err);

	return r < 0 ? r : made(rtnl_rule_add(n->inside, IP_V6, conf->rule_pref,
	    TIER2_MARK_CUT, conf->table), count,
	    "the director's routing rule for fragments", ret_err);
}

static int
ensure_tunnel(struct director_net *n, bool is_v4, unsigned *count,
    struct director_error *ret_err)
{
	const char *name = is_v4 ? DIRECTOR_TUNNEL4 : DIRECTOR_TUNNEL6;
	struct ip self = addr(is_v4 ? DIRECTOR_SELF4 : DIRECTOR_SELF6);
	struct rtnl_link link;
	int r = rtnl_tunnel_add(n->inside, name, &self);

	if (r == 0)
		(*count)++;
	if (r < 0 && r != -EEXIST)
		return director_fail(ret_err, r, "cannot add tunnel device %s: %s%s%s",
		    name, strerror(-r), r == -EOPNOTSUPP ? "; load it with modprobe "
		    : "", r != -EOPNOTSUPP ? "" : is_v4 ? "ipip" : "ip6_tunnel");
	r = rtnl_link_find(n->inside, name, &link);
	if (r < 0)
		return director_fail(ret_err, r, "tunnel device %s vanished: %s", name,
		    strerror(-r));
	return link_up(n->inside, name, &link, count, ret_err);
}

/* Kernel parameters of the director; links says whether its links are there. */
static int
sysctl_inside(struct director_net *n, bool links, unsigned *count,
    struct director_error *ret_err)
{
	static const char *const names[] = { DIRECTOR_IF, DIRECTOR_TUNNEL4 };
	struct netns_visit v;
	int r = netns_enter(n->ns, &v);
	size_t i;

	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director's network "
		    "namespace: %s", strerror(-r));
	for (i = 0; links && r >= 0 && i < nitems(names); i++) {
		r = sysctl_apply(sysctl_director_link, names[i], ret_err);
		*count += r > 0 ? (unsigned)r : 0;
	}
	if (!links) {
		r = sysctl_apply(sysctl_director, "", ret_err);
		*count += r > 0 ? (unsigned)r : 0;
	}
	if (!links && r >= 0 && n->has_v6) {
		r = sysctl_apply(sysctl_director_v6, "", ret_err);
		*count += r > 0 ? (unsigned)r : 0;
	}
	netns_leave(&v);
	return r < 0 ? r : 0;
}

int
net_ensure(struct director_net *n, const struct director_conf *conf, uint16_t mtu,
    unsigned *ret_made, struct director_error *ret_err)
{
	struct rtnl_link outer = { 0 }, inner = { 0 }, lo = { 0 };
	unsigned count = 0;
	int r;

	r = netns_keep(conf->name, n->ns);
	if (r < 0)
		return director_fail(ret_err, r, "cannot mount the director's network "
		    "namespace on its name %s again: %s", conf->name, strerror(-r));
	count += (unsigned)r;
	r = rtnl_link_find(n->inside, "lo", &lo);
	if (r < 0)
		return director_fail(ret_err, r, "no lo in the director: %s",
		    strerror(-r));
	r = link_up(n->inside, "lo", &lo, &count, ret_err);
	if (r == 0)
		r = sysctl_inside(n, false, &count, ret_err);
	if (r == 0)
		r = ensure_veth(n, conf, &outer, &inner, &count, ret_err);
	if (r == 0)
		r = ensure_mtu(n->host, conf->host_if, &outer, mtu, ret_err);
	if (r == 0)
		r = ensure_mtu(n->inside, DIRECTOR_IF, &inner, mtu, ret_err);
	n->inner = inner.index;
	if (r == 0)
		r = sysctl_apply(sysctl_host, conf->host_if, ret_err);
	if (r > 0) {
		count += (unsigned)r;
		r = 0;
	}
	drop_old_rules(n->host, conf, conf->fwmark);
	if (r == 0)
		r = ensure_tunnel(n, true, &count, ret_err);
	if (r == 0)
		r = ensure_family(n, conf, outer.index, inner.index, true, &count,
		    ret_err);
	if (r == 0 && n->has_v6)
		r = ensure_tunnel(n, false, &count, ret_err);
	if (r == 0 && n->has_v6)
		r = ensure_family(n, conf, outer.index, inner.index, false, &count,
		    ret_err);
	if (r == 0 && n->has_v6)
		r = ensure_cut(n, conf, &count, ret_err);
	if (r == 0)
		r = sysctl_inside(n, true, &count, ret_err);
	*ret_made = count;
	return r;
}

int
net_ensure_ipvs(struct director_net *n, struct director_error *ret_err)
{
	struct netns_visit v;
	int r = netns_enter(n->ns, &v);

	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director's network "
		    "namespace: %s", strerror(-r));
	r = sysctl_apply(sysctl_director_ipvs, "", ret_err);
	netns_leave(&v);
	return r;
}

int
net_expire_nodest(struct director_net *n, bool is_on)
{
	struct netns_visit v;
	int r = netns_enter(n->ns, &v);

	if (r < 0)
		return r;
	r = sysctl_write("net/ipv4/vs/expire_nodest_conn", is_on ? "1" : "0");
	netns_leave(&v);
	return r;
}

/* A host that forwards ignores router advertisements unless told otherwise. */
static void
keep_accepting_ra(void *arg, const struct rtnl_link *link)
{
	static const struct sysctl accept[] = {
		{ "net/ipv6/conf/%s/accept_ra", "2", true }, { NULL, NULL, false },
	};
	struct director_error ignored;

	(void)arg;
	if (sysctl_is("net/ipv6/conf/%s/accept_ra", link->name, "1"))
		(void)sysctl_apply(accept, link->name, &ignored);
}

int
net_forward_v6(struct director_net *n, struct director_error *ret_err)
{
	int r;

	if (!n->has_v6)
		return director_fail(ret_err, -EAFNOSUPPORT, "this kernel has no "
		    "IPv6, so IPv6 VIPs cannot be served here: boot without "
		    "ipv6.disable=1");
	if (sysctl_is("net/ipv6/conf/all/forwarding", "", "1"))
		return 0;
	(void)rtnl_link_each(n->host, keep_accepting_ra, NULL);
	r = sysctl_apply(sysctl_host_v6, "", ret_err);
	return r < 0 ? r : 0;
}

struct mtu {
	const char *host_if;
	uint32_t least;
};

static void
mtu_of(void *arg, const struct rtnl_link *link)
{
	struct mtu *m = arg;

	if (link->is_up && !link->is_loopback && link->mtu >= MTU_MIN &&
	    strcmp(link->name, m->host_if) != 0 && link->mtu < m->least)
		m->least = link->mtu;
}

uint16_t
net_uplink_mtu(struct director_net *n, const struct director_conf *conf)
{
	struct mtu m = { conf->host_if, UINT16_MAX };

	if (rtnl_link_each(n->host, mtu_of, &m) < 0 || m.least == UINT16_MAX)
		return MTU_DEFAULT;
	return (uint16_t)m.least;
}

int
net_destroy(const struct director_conf *conf, struct director_error *ret_err)
{
	struct rtnl_link link;
	struct rtnl *host;
	int r = rtnl_open(&host);

	if (r < 0)
		return director_fail(ret_err, r, "no rtnetlink socket: %s",
		    strerror(-r));
	drop_old_rules(host, conf, 0);
	/* The routes in our table go with the link. */
	r = rtnl_link_find(host, conf->host_if, &link);
	if (r == 0 && strcmp(link.kind, "veth") == 0)
		r = rtnl_link_delete(host, link.index);
	rtnl_close(host);
	if (r < 0 && r != -ENODEV)
		return director_fail(ret_err, r, "cannot remove link %s: %s",
		    conf->host_if, strerror(-r));
	r = netns_remove(conf->name);
	if (r < 0)
		return director_fail(ret_err, r, "cannot remove network namespace %s: "
		    "%s", conf->name, strerror(-r));
	return 0;
}
