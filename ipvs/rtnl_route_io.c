/* rtnl_route_io.c - see rtnl_route_io.h. */
#include "ipvs/rtnl_route_io.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "ipvs/rtnl_nl.h"
#include "lib/mem.h"

static uint32_t
get_u32(struct nlattr *a, uint32_t otherwise)
{
	return a != NULL && nla_len(a) == sizeof(uint32_t) ? nla_get_u32(a) : otherwise;
}

static int
route_request(struct rtnl *r, int type, int flags, const struct rtnl_route *route)
{
	struct rtmsg rt = { .rtm_family = (uint8_t)ip_af(&route->via),
		.rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC,
		.rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_dst_len = (uint8_t)(ip_len(&route->dst) * 8) };
	struct nl_msg *msg = rtnl_msg(type, flags, &rt, sizeof(rt));
	struct nlattr *metrics;

	rtnl_put_u32(msg, RTA_TABLE, route->table);
	rtnl_put_u32(msg, RTA_OIF, (uint32_t)route->index);
	rtnl_put_ip(msg, RTA_GATEWAY, &route->via);
	if (ip_is_set(&route->dst))
		rtnl_put_ip(msg, RTA_DST, &route->dst);
	if (route->mtu != 0) {
		metrics = rtnl_nest(msg, RTA_METRICS);
		rtnl_put_u32(msg, RTAX_LOCK, 1u << RTAX_MTU);
		rtnl_put_u32(msg, RTAX_MTU, route->mtu);
		nla_nest_end(msg, metrics);
	}
	return rtnl_request(r, msg);
}

int
rtnl_route_add(struct rtnl *r, const struct rtnl_route *route)
{
	return route_request(r, RTM_NEWROUTE, RTNL_EXCL, route);
}

int
rtnl_route_delete(struct rtnl *r, const struct rtnl_route *route)
{
	return route_request(r, RTM_DELROUTE, 0, route);
}

struct each_route {
	void	(*fn)(void *arg, const struct rtnl_route *route);
	void	*arg;
};

static bool
get_ip(struct nlattr *a, uint8_t family, struct ip *ret)
{
	struct ip ip = { .family = family };

	if (a == NULL || (size_t)nla_len(a) != ip_len(&ip))
		return false;
	memcpy(ip.b, nla_data(a), ip_len(&ip));
	*ret = ip;
	return true;
}

static void
got_route(struct nlmsghdr *hdr, void *arg)
{
	struct each_route *e = arg;
	struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *rt = nlmsg_data(hdr);
	struct rtnl_route route = { 0 };
	uint8_t family;

	if (hdr->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST ||
	    nlmsg_parse(hdr, sizeof(*rt), tb, RTA_MAX, NULL) < 0)
		return;
	family = rt->rtm_family == AF_INET ? IP_V4 : IP_V6;
	if (!get_ip(tb[RTA_GATEWAY], family, &route.via) ||
	    (rt->rtm_dst_len != 0 && !get_ip(tb[RTA_DST], family, &route.dst)) ||
	    rt->rtm_dst_len != ip_len(&route.dst) * 8)
		return;
	route.index = (int)get_u32(tb[RTA_OIF], 0);
	route.table = get_u32(tb[RTA_TABLE], rt->rtm_table);
	if (tb[RTA_METRICS] != NULL &&
	    nla_parse_nested(metrics, RTAX_MAX, tb[RTA_METRICS], NULL) == 0)
		route.mtu = get_u32(metrics[RTAX_MTU], 0);
	e->fn(e->arg, &route);
}

int
rtnl_route_each(struct rtnl *r, uint8_t family,
    void (*fn)(void *arg, const struct rtnl_route *route), void *arg)
{
	struct ip ip = { .family = family };
	struct rtmsg rt = { .rtm_family = (uint8_t)ip_af(&ip) };
	struct each_route e = { fn, arg };

	return rtnl_dump(r, RTM_GETROUTE, &rt, sizeof(rt), got_route, &e);
}

/* In the table where the kernel has the routes to addresses of links. */
static int
local_request(struct rtnl *r, int type, int flags, int index, const struct ip *a)
{
	struct rtmsg rt = { .rtm_family = (uint8_t)ip_af(a),
		.rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL,
		.rtm_dst_len = (uint8_t)(ip_len(a) * 8) };
	struct nl_msg *msg = rtnl_msg(type, flags, &rt, sizeof(rt));

	rtnl_put_u32(msg, RTA_OIF, (uint32_t)index);
	rtnl_put_ip(msg, RTA_DST, a);
	return rtnl_request(r, msg);
}

int
rtnl_local_add(struct rtnl *r, int index, const struct ip *a)
{
	return local_request(r, RTM_NEWROUTE, RTNL_EXCL, index, a);
}

int
rtnl_local_delete(struct rtnl *r, int index, const struct ip *a)
{
	return local_request(r, RTM_DELROUTE, 0, index, a);
}

struct each_local {
	int	index;
	void	(*fn)(void *arg, const struct ip *a, unsigned len);
	void	*arg;
};

static void
got_local(struct nlmsghdr *hdr, void *arg)
{
	struct each_local *e = arg;
	struct nlattr *tb[RTA_MAX + 1];
	const struct rtmsg *rt = nlmsg_data(hdr);
	struct ip dst;

	if (hdr->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_LOCAL ||
	    rt->rtm_protocol != RTPROT_STATIC ||
	    nlmsg_parse(hdr, sizeof(*rt), tb, RTA_MAX, NULL) < 0 ||
	    get_u32(tb[RTA_OIF], 0) != (uint32_t)e->index ||
	    !get_ip(tb[RTA_DST], IP_V4, &dst))
		return;
	e->fn(e->arg, &dst, rt->rtm_dst_len);
}

int
rtnl_local_each(struct rtnl *r, int index,
    void (*fn)(void *arg, const struct ip *a, unsigned len), void *arg)
{
	struct rtmsg rt = { .rtm_family = AF_INET };
	struct each_local e = { index, fn, arg };

	return rtnl_dump(r, RTM_GETROUTE, &rt, sizeof(rt), got_local, &e);
}

static int
rule_request(struct rtnl *r, int type, int flags, uint8_t family, uint32_t pref,
    uint32_t mark, uint32_t table)
{
	struct ip ip = { .family = family };
	struct fib_rule_hdr frh = { .family = (uint8_t)ip_af(&ip),
		.table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC,
		.action = FR_ACT_TO_TBL };
	struct nl_msg *msg = rtnl_msg(type, flags, &frh, sizeof(frh));

	rtnl_put_u32(msg, FRA_PRIORITY, pref);
	if (mark != 0) {
		rtnl_put_u32(msg, FRA_FWMARK, mark);
		rtnl_put_u32(msg, FRA_FWMASK, mark);
	}
	rtnl_put_u32(msg, FRA_TABLE, table);
	return rtnl_request(r, msg);
}

int
rtnl_rule_add(struct rtnl *r, uint8_t family, uint32_t pref, uint32_t mark,
    uint32_t table)
{
	return rule_request(r, RTM_NEWRULE, RTNL_EXCL, family, pref, mark, table);
}

int
rtnl_rule_delete(struct rtnl *r, uint8_t family, uint32_t pref, uint32_t mark,
    uint32_t table)
{
	return rule_request(r, RTM_DELRULE, 0, family, pref, mark, table);
}

struct each_rule {
	void	(*fn)(void *arg, const struct rtnl_rule *rule);
	void	*arg;
};

static void
got_rule(struct nlmsghdr *hdr, void *arg)
{
	struct each_rule *e = arg;
	struct nlattr *tb[FRA_MAX + 1];
	const struct fib_rule_hdr *frh = nlmsg_data(hdr);
	struct rtnl_rule rule;

	if (hdr->nlmsg_type != RTM_NEWRULE ||
	    nlmsg_parse(hdr, sizeof(*frh), tb, FRA_MAX, NULL) < 0 ||
	    tb[FRA_FWMARK] == NULL)
		return;
	rule = (struct rtnl_rule){
		.pref = get_u32(tb[FRA_PRIORITY], 0),
		.mark = get_u32(tb[FRA_FWMARK], 0),
		.mask = get_u32(tb[FRA_FWMASK], UINT32_MAX),
		.table = get_u32(tb[FRA_TABLE], frh->table),
	};
	e->fn(e->arg, &rule);
}

int
rtnl_rule_each(struct rtnl *r,
    void (*fn)(void *arg, const struct rtnl_rule *rule), void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct each_rule e = { fn, arg };
	int error = 0;

	for (size_t i = 0; error == 0 && i < nitems(families); i++) {
		struct fib_rule_hdr frh = { .family = families[i] };

		error = rtnl_dump(r, RTM_GETRULE, &frh, sizeof(frh), got_rule, &e);
		if (error == -EAFNOSUPPORT)
			error = 0;
	}
	return error;
}
