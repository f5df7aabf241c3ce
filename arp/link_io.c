/*
 * link_io.c - see link_io.h.
 *
 * Two sockets: one is in the multicast group and is read as events come; the
 * other lives for the length of a dump, at the start and after events were
 * lost (ENOBUFS). Events queued before a dump may be older than it, but later
 * ones in the queue lead to the same state again.
 */
#include "arp/link_io.h"

#include <errno.h>
#include <ev.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum {
	RCVBUF_BYTES	= 1 << 20,
	MSG_BYTES	= 1 << 16,	/* a link with many VFs is a long message */
	EVENTS_PER_TURN = 64,
	DRAIN_MAX	= 10000,
};

struct link_io {
	struct ev_loop *loop;
	struct link_table *table;
	link_io_changed_fn *changed;	/* NULL while starting: nobody to tell */
	void	*arg;
	struct nl_sock *events;
	struct ev_io readable;
	unsigned dump_changes;		/* of the dump under way */
	bool	is_dumping;
};

/* libnl's error as an errno, where there is one that says the same. */
static int
errno_of(int nl_error)
{
	switch (-nl_error) {
	case NLE_NOMEM:
		return ENOBUFS;
	case NLE_AGAIN:
		return EAGAIN;
	case NLE_PERM:
		return EPERM;
	default:
		return EIO;
	}
}

static void
parse_linkinfo(struct nlattr *info, struct link *l)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1], *data[IFLA_BOND_MAX + 1];

	if (nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	if (tb[IFLA_INFO_SLAVE_KIND] != NULL)
		nla_strlcpy(l->slave_kind, tb[IFLA_INFO_SLAVE_KIND],
		    sizeof(l->slave_kind));
	if (tb[IFLA_INFO_KIND] == NULL || tb[IFLA_INFO_DATA] == NULL)
		return;
	if (nla_strcmp(tb[IFLA_INFO_KIND], "bond") != 0)
		return;
	if (nla_parse_nested(data, IFLA_BOND_MAX, tb[IFLA_INFO_DATA], NULL) < 0)
		return;
	if (data[IFLA_BOND_ACTIVE_SLAVE] != NULL)
		l->active_slave = (int)nla_get_u32(data[IFLA_BOND_ACTIVE_SLAVE]);
}

static void
parse_link(const struct ifinfomsg *ifi, struct nlattr *const tb[], struct link *l)
{
	*l = (struct link){ .ifindex = ifi->ifi_index, .flags = ifi->ifi_flags,
		.type = ifi->ifi_type, .has_carrier = true };
	nla_strlcpy(l->name, tb[IFLA_IFNAME], sizeof(l->name));
	if (tb[IFLA_ADDRESS] != NULL && nla_len(tb[IFLA_ADDRESS]) == ARP_MAC_LEN)
		memcpy(l->mac, nla_data(tb[IFLA_ADDRESS]), ARP_MAC_LEN);
	if (tb[IFLA_MASTER] != NULL)
		l->master = (int)nla_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_OPERSTATE] != NULL)
		l->operstate = nla_get_u8(tb[IFLA_OPERSTATE]);
	if (tb[IFLA_CARRIER] != NULL)
		l->has_carrier = nla_get_u8(tb[IFLA_CARRIER]) != 0;
	if (tb[IFLA_LINKINFO] != NULL)
		parse_linkinfo(tb[IFLA_LINKINFO], l);
}

/* The path beneath a link changed without any attribute of it changing. */
static bool
says_path_changed(struct nlattr *const tb[])
{
	uint32_t event = tb[IFLA_EVENT] != NULL ? nla_get_u32(tb[IFLA_EVENT]) : 0;

	return event == IFLA_EVENT_NOTIFY_PEERS || event == IFLA_EVENT_BONDING_FAILOVER;
}

static void
log_link(const struct link *l)
{
	if (l->why == LINK_ELIGIBLE)
		log_info(LOG_OBJ("iface", l->name), "link is used for layer 2, MAC %s",
		    ARP_MAC_STR(l->mac));
	else
		log_debug(LOG_OBJ("iface", l->name), "link is not used: %s",
		    link_why_text(l->why));
}

static int
on_message(struct nl_msg *msg, void *arg)
{
	struct link_io *io = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *ifi;
	const struct link *known;
	unsigned changes;
	struct link l;

	if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
		return NL_OK;
	if (nlmsg_parse(h, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return NL_OK;
	ifi = nlmsg_data(h);
	/*
	 * A bridge tells of its ports in the same group, and a port that leaves
	 * it as a DELLINK; wireless drivers send scraps. Neither is the link.
	 */
	if (ifi->ifi_family != AF_UNSPEC || tb[IFLA_IFNAME] == NULL ||
	    tb[IFLA_WIRELESS] != NULL)
		return NL_OK;
	known = link_table_find(io->table, ifi->ifi_index);
	if (h->nlmsg_type == RTM_DELLINK) {
		if (known != NULL && known->why == LINK_ELIGIBLE)
			log_info(LOG_OBJ("iface", known->name), "link is gone");
		changes = link_table_del(io->table, ifi->ifi_index);
	} else {
		parse_link(ifi, tb, &l);
		changes = link_table_put(io->table, &l);
		known = link_table_find(io->table, l.ifindex);
		if (known->why == LINK_ELIGIBLE && says_path_changed(tb))
			changes |= LINK_CHANGE_PATH;
		if ((changes & LINK_CHANGE_INFO) != 0)
			log_link(known);
	}
	if (io->is_dumping)
		io->dump_changes |= changes;
	else if (changes != 0)
		io->changed(io->arg, ifi->ifi_index, changes);
	return NL_OK;
}

/* A socket whose messages go to on_message(). NULL: out of memory. */
static struct nl_sock *
open_socket(struct link_io *io)
{
	struct nl_sock *s = nl_socket_alloc();

	if (s == NULL)
		return NULL;
	nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_message, io);
	if (nl_connect(s, NETLINK_ROUTE) < 0) {
		nl_socket_free(s);
		return NULL;
	}
	nl_socket_set_buffer_size(s, RCVBUF_BYTES, 0);
	nl_socket_set_msg_buf_size(s, MSG_BYTES);
	return s;
}

/* One dump; -EAGAIN where links changed meanwhile and it is not consistent. */
static int
dump_once(struct link_io *io)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_sock *s = open_socket(io);
	struct nl_msg *msg = NULL;
	int rc = -ENOMEM;

	if (s == NULL)
		return -EIO;
	msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
	if (msg == NULL || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0 ||
	    nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
		goto out;
	rc = nl_send_auto(s, msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(s);
	if (rc == -NLE_DUMP_INTR)
		rc = -EAGAIN;
	else
		rc = rc < 0 ? -errno_of(rc) : 0;
out:
	nlmsg_free(msg);
	nl_socket_free(s);
	return rc;
}

/* Make the table as the kernel has it now; changes in *ret_changes. */
static int
resync(struct link_io *io, unsigned *ret_changes)
{
	int rc;

	io->is_dumping = true;
	io->dump_changes = 0;
	for (int try = 0; try < 5; try++) {
		link_table_mark(io->table);
		rc = dump_once(io);
		if (rc != -EAGAIN)
			break;
	}
	io->is_dumping = false;
	/* An inconsistent dump may miss links: what it did not show, stays. */
	if (rc == 0)
		io->dump_changes |= link_table_sweep(io->table);
	*ret_changes = io->dump_changes;
	return rc == -EAGAIN ? 0 : rc;
}

static void
on_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct link_io *io = w->data;
	unsigned changes;
	int rc = 0;

	(void)loop;
	(void)revents;
	for (int i = 0; i < EVENTS_PER_TURN && rc >= 0; i++)
		rc = nl_recvmsgs_default(io->events);
	if (rc >= 0 || rc == -NLE_AGAIN)
		return;
	log_warn(LOG_NONE, "link events were lost (%s): reading all links again",
	    nl_geterror(rc));
	/* What is still queued is older than the loss: it must not come last. */
	for (int i = 0; i < DRAIN_MAX && rc != -NLE_AGAIN; i++)
		rc = nl_recvmsgs_default(io->events);
	rc = resync(io, &changes);
	if (rc < 0)
		log_error(LOG_NONE, "cannot list the links: %s", strerror(-rc));
	if (changes != 0)
		io->changed(io->arg, 0, changes);
}

int
link_io_new(struct ev_loop *loop, struct link_table *t, link_io_changed_fn *changed,
    void *arg, struct link_io **ret)
{
	struct link_io *io = mem_zalloc(sizeof(*io));
	unsigned ignored;
	int rc = -EIO;

	io->loop = loop;
	io->table = t;
	io->changed = changed;
	io->arg = arg;
	io->events = open_socket(io);
	if (io->events == NULL)
		goto fail;
	nl_socket_disable_seq_check(io->events);
	nl_socket_set_nonblocking(io->events);
	if (nl_socket_add_membership(io->events, RTNLGRP_LINK) < 0)
		goto fail;
	rc = resync(io, &ignored);
	if (rc < 0)
		goto fail;
	ev_io_init(&io->readable, on_readable, nl_socket_get_fd(io->events), EV_READ);
	io->readable.data = io;
	ev_io_start(loop, &io->readable);
	*ret = io;
	return 0;
fail:
	nl_socket_free(io->events);
	free(io);
	return rc;
}

void
link_io_free(struct link_io *l)
{
	if (l == NULL)
		return;
	ev_io_stop(l->loop, &l->readable);
	nl_socket_free(l->events);
	free(l);
}
