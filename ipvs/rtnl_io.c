/* rtnl_io.c - see rtnl_io.h. */
#include "ipvs/rtnl_io.h"

#include <net/if.h>	/* must come before linux/if.h, which yields to it */

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/rtnl_nl.h"
#include "lib/mem.h"

static int
on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct rtnl *r = arg;

	(void)from;
	r->error = e->error;
	r->is_done = true;
	return NL_SKIP;		/* NL_STOP would make nl_recvmsgs() fail */
}

static int
on_ack(struct nl_msg *msg, void *arg)
{
	struct rtnl *r = arg;

	(void)msg;
	r->is_done = true;
	return NL_STOP;
}

static int
on_valid(struct nl_msg *msg, void *arg)
{
	struct rtnl *r = arg;

	if (r->got != NULL)
		r->got(nlmsg_hdr(msg), r->arg);
	return NL_OK;
}

/* One request at a time: an answer can only be to that. */
static int
any_seq(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

int
rtnl_open(struct rtnl **ret)
{
	struct rtnl *r = mem_zalloc(sizeof(*r));

	r->sock = nl_socket_alloc();
	r->cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (r->sock == NULL || r->cb == NULL || nl_connect(r->sock, NETLINK_ROUTE) < 0) {
		rtnl_close(r);
		return -EIO;
	}
	nl_cb_set(r->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_seq, NULL);
	nl_cb_err(r->cb, NL_CB_CUSTOM, on_error, r);
	nl_cb_set(r->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, r);
	nl_cb_set(r->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_ack, r);
	nl_cb_set(r->cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, r);
	*ret = r;
	return 0;
}

void
rtnl_close(struct rtnl *r)
{
	if (r == NULL)
		return;
	if (r->cb != NULL)
		nl_cb_put(r->cb);
	if (r->sock != NULL)
		nl_socket_free(r->sock);
	free(r);
}

int
rtnl_request(struct rtnl *r, struct nl_msg *msg)
{
	int n;

	r->error = 0;
	r->is_done = false;
	n = nl_send_auto(r->sock, msg);
	nlmsg_free(msg);
	while (n >= 0 && !r->is_done)
		n = nl_recvmsgs(r->sock, r->cb);
	return n < 0 ? -EIO : r->error;
}

struct nl_msg *
rtnl_msg(int type, int flags, const void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);

	/* Our messages are far smaller than libnl's default size of a page. */
	if (msg == NULL || nlmsg_append(msg, (void *)(uintptr_t)header, len,
	    NLMSG_ALIGNTO) < 0)
		abort();
	return msg;
}

static void
put(struct nl_msg *msg, int attr, const void *p, size_t len)
{
	if (nla_put(msg, attr, (int)len, p) < 0)
		abort();
}

static void
put_str(struct nl_msg *msg, int attr, const char *s)
{
	put(msg, attr, s, strlen(s) + 1);
}

void
rtnl_put_u32(struct nl_msg *msg, int attr, uint32_t v)
{
	put(msg, attr, &v, sizeof(v));
}

static void
put_u8(struct nl_msg *msg, int attr, uint8_t v)
{
	put(msg, attr, &v, sizeof(v));
}

void
rtnl_put_ip(struct nl_msg *msg, int attr, const struct ip *a)
{
	put(msg, attr, a->b, ip_len(a));
}

int
rtnl_dump(struct rtnl *r, int type, const void *header, size_t len,
    void (*got)(struct nlmsghdr *hdr, void *arg), void *arg)
{
	int error;

	r->got = got;
	r->arg = arg;
	error = rtnl_request(r, rtnl_msg(type, NLM_F_DUMP, header, len));
	r->got = NULL;
	return error;
}

struct nlattr *
rtnl_nest(struct nl_msg *msg, int attr)
{
	struct nlattr *a = nla_nest_start(msg, attr);

	if (a == NULL)
		abort();
	return a;
}

static void
link_parse(struct nlmsghdr *hdr, struct rtnl_link *ret)
{
	struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	const struct ifinfomsg *ifi = nlmsg_data(hdr);
	struct rtnl_link l = { 0 };

	if (hdr->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(hdr, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return;
	l.index = ifi->ifi_index;
	l.is_up = (ifi->ifi_flags & IFF_UP) != 0;
	l.is_loopback = (ifi->ifi_flags & IFF_LOOPBACK) != 0;
	if (tb[IFLA_IFNAME] != NULL)
		nla_strlcpy(l.name, tb[IFLA_IFNAME], sizeof(l.name));
	if (tb[IFLA_MTU] != NULL && nla_len(tb[IFLA_MTU]) >= 4)
		l.mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_LINK] != NULL && nla_len(tb[IFLA_LINK]) >= 4)
		l.peer_index = (int)nla_get_u32(tb[IFLA_LINK]);
	if (tb[IFLA_LINKINFO] != NULL &&
	    nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) == 0 &&
	    info[IFLA_INFO_KIND] != NULL)
		nla_strlcpy(l.kind, info[IFLA_INFO_KIND], sizeof(l.kind));
	*ret = l;
}

static void
got_link(struct nlmsghdr *hdr, void *arg)
{
	link_parse(hdr, arg);
}

int
rtnl_link_find(struct rtnl *r, const char *name, struct rtnl_link *ret)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct rtnl_link l = { 0 };
	int error;

	put_str(msg, IFLA_IFNAME, name);
	r->got = got_link;
	r->arg = &l;
	error = rtnl_request(r, msg);
	r->got = NULL;
	if (error < 0)
		return error;
	if (l.index == 0)
		return -ENODEV;
	*ret = l;
	return 0;
}

struct each_link {
	void	(*fn)(void *arg, const struct rtnl_link *link);
	void	*arg;
};

static void
got_each_link(struct nlmsghdr *hdr, void *arg)
{
	struct each_link *e = arg;
	struct rtnl_link l = { 0 };

	link_parse(hdr, &l);
	if (l.index != 0)
		e->fn(e->arg, &l);
}

int
rtnl_link_each(struct rtnl *r,
    void (*fn)(void *arg, const struct rtnl_link *link), void *arg)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct each_link e = { fn, arg };

	return rtnl_dump(r, RTM_GETLINK, &ifi, sizeof(ifi), got_each_link, &e);
}

int
rtnl_veth_add(struct rtnl *r, const char *name, const char *peer, int ns_fd)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, RTNL_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data, *other;

	put_str(msg, IFLA_IFNAME, name);
	info = rtnl_nest(msg, IFLA_LINKINFO);
	put_str(msg, IFLA_INFO_KIND, "veth");
	data = rtnl_nest(msg, IFLA_INFO_DATA);
	other = rtnl_nest(msg, VETH_INFO_PEER);
	if (nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0)
		abort();
	put_str(msg, IFLA_IFNAME, peer);
	rtnl_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns_fd);
	nla_nest_end(msg, other);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return rtnl_request(r, msg);
}

int
rtnl_tunnel_add(struct rtnl *r, const char *name, const struct ip *local)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, RTNL_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data;
	bool is_v4 = ip_is_v4(local);

	put_str(msg, IFLA_IFNAME, name);
	info = rtnl_nest(msg, IFLA_LINKINFO);
	put_str(msg, IFLA_INFO_KIND, is_v4 ? "ipip" : "ip6tnl");
	data = rtnl_nest(msg, IFLA_INFO_DATA);
	rtnl_put_ip(msg, IFLA_IPTUN_LOCAL, local);
	put_u8(msg, IFLA_IPTUN_PROTO, is_v4 ? IPPROTO_IPIP : IPPROTO_IPV6);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return rtnl_request(r, msg);
}

int
rtnl_link_set_up(struct rtnl *r, int index)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = index,
		.ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	return rtnl_request(r, rtnl_msg(RTM_NEWLINK, 0, &ifi, sizeof(ifi)));
}

int
rtnl_link_set_mtu(struct rtnl *r, int index, uint32_t mtu)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, 0, &ifi, sizeof(ifi));

	rtnl_put_u32(msg, IFLA_MTU, mtu);
	return rtnl_request(r, msg);
}

int
rtnl_link_delete(struct rtnl *r, int index)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = index };

	return rtnl_request(r, rtnl_msg(RTM_DELLINK, 0, &ifi, sizeof(ifi)));
}

static int
addr_request(struct rtnl *r, int type, int flags, int index, const struct ip *a,
    unsigned len)
{
	struct ifaddrmsg ifa = { .ifa_family = (uint8_t)ip_af(a),
		.ifa_prefixlen = (uint8_t)len, .ifa_flags = IFA_F_NODAD,
		.ifa_index = (unsigned)index };
	struct nl_msg *msg = rtnl_msg(type, flags, &ifa, sizeof(ifa));

	rtnl_put_ip(msg, IFA_LOCAL, a);
	rtnl_put_ip(msg, IFA_ADDRESS, a);
	return rtnl_request(r, msg);
}

int
rtnl_addr_add(struct rtnl *r, int index, const struct ip *a, unsigned len)
{
	return addr_request(r, RTM_NEWADDR, RTNL_EXCL, index, a, len);
}

int
rtnl_addr_delete(struct rtnl *r, int index, const struct ip *a, unsigned len)
{
	return addr_request(r, RTM_DELADDR, 0, index, a, len);
}

struct each_addr {
	int	index;
	void	(*fn)(void *arg, const struct ip *a, unsigned len);
	void	*arg;
};

static void
got_addr(struct nlmsghdr *hdr, void *arg)
{
	struct each_addr *e = arg;
	struct nlattr *tb[IFA_MAX + 1], *a;
	const struct ifaddrmsg *ifa = nlmsg_data(hdr);
	struct ip ip = { 0 };

	if (hdr->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse(hdr, sizeof(*ifa), tb, IFA_MAX, NULL) < 0 ||
	    (e->index != 0 && (int)ifa->ifa_index != e->index))
		return;
	a = tb[IFA_LOCAL] != NULL ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	ip.family = ifa->ifa_family == AF_INET ? IP_V4 :
	    ifa->ifa_family == AF_INET6 ? IP_V6 : IP_NONE;
	if (a == NULL || !ip_is_set(&ip) || (size_t)nla_len(a) != ip_len(&ip))
		return;
	memcpy(ip.b, nla_data(a), ip_len(&ip));
	e->fn(e->arg, &ip, ifa->ifa_prefixlen);
}

int
rtnl_addr_each(struct rtnl *r, int index,
    void (*fn)(void *arg, const struct ip *a, unsigned len), void *arg)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };
	struct each_addr e = { index, fn, arg };

	return rtnl_dump(r, RTM_GETADDR, &ifa, sizeof(ifa), got_addr, &e);
}
