/* watch_nl.c - see watch_nl.h. */
#include "ipvs/watch_nl.h"

#include <net/if.h>	/* must come before linux/if.h, which yields to it */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct watch {
	struct watch_scope scope;
	struct nl_sock *events;		/* rtnetlink groups, not blocking */
	struct nl_cb *events_cb;
	unsigned news;			/* WATCH_* */
	struct nl_sock *nft;		/* NULL: no nfnetlink in this kernel */
	struct nl_cb *nft_cb;
	uint32_t generation;		/* of the answer under way */
};

static int
any_seq(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static bool
is_our_link(const struct watch_scope *s, struct nlmsghdr *hdr)
{
	struct nlattr *name = nlmsg_find_attr(hdr, sizeof(struct ifinfomsg),
	    IFLA_IFNAME);

	return s->is_all || (name != NULL &&
	    nla_strcmp(name, s->ifname) == 0);
}

static bool
is_our_addr(const struct watch_scope *s, struct nlmsghdr *hdr)
{
	struct nlattr *a = nlmsg_find_attr(hdr, sizeof(struct ifaddrmsg), IFA_ADDRESS);

	if (s->is_all || a == NULL)
		return s->is_all;
	for (size_t i = 0; i < nitems(s->addrs); i++)
		if (ip_is_set(&s->addrs[i]) &&
		    (size_t)nla_len(a) == ip_len(&s->addrs[i]) &&
		    memcmp(nla_data(a), s->addrs[i].b, ip_len(&s->addrs[i])) == 0)
			return true;
	return false;
}

static bool
has_u32(struct nlmsghdr *hdr, size_t fixed, int attr, uint32_t value)
{
	struct nlattr *a = nlmsg_find_attr(hdr, (int)fixed, attr);

	return a != NULL && nla_len(a) == sizeof(value) && nla_get_u32(a) == value;
}

static bool
is_of_host(struct nlmsghdr *hdr)
{
	const struct ifaddrmsg *ifa = nlmsg_data(hdr);

	return ifa->ifa_scope != RT_SCOPE_LINK;
}

/* Parameters of our link, or of all: rp_filter and forwarding, among others. */
static bool
is_our_conf(const struct watch_scope *s, struct nlmsghdr *hdr)
{
	struct nlattr *a = nlmsg_find_attr(hdr, sizeof(struct netconfmsg),
	    NETCONFA_IFINDEX);
	int index;

	if (s->is_all || a == NULL || nla_len(a) != sizeof(int32_t))
		return s->is_all;
	index = nla_get_s32(a);
	return index == NETCONFA_IFINDEX_ALL || (index > 0 &&
	    (unsigned)index == if_nametoindex(s->ifname));
}

/* What is added by others does no harm: but a link's news may be that it is down. */
static int
on_event(struct nl_msg *msg, void *arg)
{
	struct watch *w = arg;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	const struct watch_scope *s = &w->scope;

	switch (hdr->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		w->news |= is_our_link(s, hdr) ? WATCH_OURS : 0;
		break;
	case RTM_NEWNETCONF:
		w->news |= is_our_conf(s, hdr) ? WATCH_OURS : 0;
		break;
	case RTM_NEWADDR:
		w->news |= is_of_host(hdr) ? WATCH_ADDRS : 0;
		break;
	case RTM_DELADDR:
		w->news |= (is_our_addr(s, hdr) ? WATCH_OURS : 0) |
		    (is_of_host(hdr) ? WATCH_ADDRS : 0);
		break;
	case RTM_DELROUTE:
		w->news |= s->is_all || has_u32(hdr, sizeof(struct rtmsg),
		    RTA_TABLE, s->table) ? WATCH_OURS : 0;
		break;
	case RTM_NEWRULE:
		w->news |= has_u32(hdr, sizeof(struct fib_rule_hdr), FRA_PRIORITY,
		    s->rule_pref) ? 0 : WATCH_RULES;
		break;
	case RTM_DELRULE:
		w->news |= s->is_all || has_u32(hdr, sizeof(struct fib_rule_hdr),
		    FRA_PRIORITY, s->rule_pref) ? WATCH_OURS : WATCH_RULES;
		break;
	default:
		break;
	}
	return NL_OK;
}

static int
on_generation(struct nl_msg *msg, void *arg)
{
	struct watch *w = arg;
	struct nlattr *id = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct nfgenmsg),
	    NFTA_GEN_ID);

	if (id != NULL && nla_len(id) == sizeof(uint32_t))
		w->generation = ntohl(nla_get_u32(id));
	return NL_OK;
}

static struct nl_sock *
sock_open(int protocol, struct nl_cb **ret_cb,
    int (*fn)(struct nl_msg *msg, void *arg), struct watch *w)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (sock == NULL || cb == NULL || nl_connect(sock, protocol) < 0) {
		nl_socket_free(sock);
		if (cb != NULL)
			nl_cb_put(cb);
		return NULL;
	}
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_seq, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, fn, w);
	*ret_cb = cb;
	return sock;
}

int
watch_open(const struct watch_scope *scope, struct watch **ret)
{
	struct watch *w = mem_zalloc(sizeof(*w));

	w->scope = *scope;
	w->events = sock_open(NETLINK_ROUTE, &w->events_cb, on_event, w);
	if (w->events == NULL || nl_socket_set_nonblocking(w->events) < 0 ||
	    nl_socket_add_memberships(w->events, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
	    RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	    RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_NETCONF, 0) < 0) {
		watch_close(w);
		return -EIO;
	}
	w->nft = sock_open(NETLINK_NETFILTER, &w->nft_cb, on_generation, w);
	if (w->nft != NULL)
		nl_socket_disable_auto_ack(w->nft);	/* one answer to a question */
	*ret = w;
	return 0;
}

void
watch_close(struct watch *w)
{
	if (w == NULL)
		return;
	nl_socket_free(w->events);
	if (w->events_cb != NULL)
		nl_cb_put(w->events_cb);
	nl_socket_free(w->nft);
	if (w->nft_cb != NULL)
		nl_cb_put(w->nft_cb);
	free(w);
}

unsigned
watch_news(struct watch *w)
{
	int r;

	w->news = 0;
	do
		r = nl_recvmsgs(w->events, w->events_cb);
	while (r >= 0);
	/* Overrun, -NLE_NOMEM: what was lost may have been ours. */
	return r != -NLE_AGAIN ? WATCH_ALL : w->news;
}

uint32_t
watch_nft_generation(struct watch *w)
{
	struct nfgenmsg nfg = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };

	w->generation = 0;
	if (w->nft == NULL || nl_send_simple(w->nft, NFNL_SUBSYS_NFTABLES << 8 |
	    NFT_MSG_GETGEN, NLM_F_REQUEST, &nfg, sizeof(nfg)) < 0)
		return 0;
	(void)nl_recvmsgs(w->nft, w->nft_cb);
	return w->generation;
}
