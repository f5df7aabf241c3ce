/* syncd_nl.c - see syncd_nl.h. */
#include "ipvs/syncd_nl.h"

#include <errno.h>
#include <linux/ip_vs.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>

#include "ipvs/conn_sync.h"

struct seen {
	const char *ifname;
	bool	is_master, is_backup;
	int	error;
};

/* nl_recvmsgs() gives libnl's errors, of which the kernel's are lost. */
static int
on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct seen *s = arg;

	(void)from;
	s->error = e->error;
	return NL_STOP;
}

static int
on_daemon(struct nl_msg *msg, void *arg)
{
	struct nlattr *outer[IPVS_CMD_ATTR_MAX + 1], *attr[IPVS_DAEMON_ATTR_MAX + 1];
	struct seen *s = arg;
	bool is_ours;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, outer, IPVS_CMD_ATTR_MAX, NULL) < 0 ||
	    outer[IPVS_CMD_ATTR_DAEMON] == NULL ||
	    nla_parse_nested(attr, IPVS_DAEMON_ATTR_MAX, outer[IPVS_CMD_ATTR_DAEMON],
	    NULL) < 0 || attr[IPVS_DAEMON_ATTR_STATE] == NULL ||
	    attr[IPVS_DAEMON_ATTR_MCAST_IFN] == NULL)
		return NL_OK;
	is_ours = nla_strcmp(attr[IPVS_DAEMON_ATTR_MCAST_IFN], s->ifname) == 0;
	if (nla_get_u32(attr[IPVS_DAEMON_ATTR_STATE]) == IP_VS_STATE_MASTER)
		s->is_master = is_ours;
	else
		s->is_backup = is_ours;
	return NL_OK;
}

static int
put_daemon(struct nl_msg *msg, bool is_master, const char *ifname)
{
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_DAEMON);

	if (nest == NULL || nla_put_u32(msg, IPVS_DAEMON_ATTR_STATE, is_master ?
	    IP_VS_STATE_MASTER : IP_VS_STATE_BACKUP) < 0)
		return -EMSGSIZE;
	if (ifname != NULL &&
	    (nla_put_string(msg, IPVS_DAEMON_ATTR_MCAST_IFN, ifname) < 0 ||
	    nla_put_u32(msg, IPVS_DAEMON_ATTR_SYNC_ID, CONN_SYNC_ID) < 0 ||
	    nla_put_u16(msg, IPVS_DAEMON_ATTR_SYNC_MAXLEN, CONN_SYNC_MESSAGE_MAX) < 0))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Send msg, and take in the answers to the last. */
static int
ask(struct nl_sock *sock, struct nl_msg *msg, struct seen *s)
{
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_daemon, s);
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, s);
	if (nl_send_auto(sock, msg) < 0)
		return -EIO;
	/* Of a dump the end, of a command its acknowledgement. */
	if (nl_recvmsgs_default(sock) < 0 && s->error == 0)
		s->error = -EIO;
	return s->error;
}

static int
run(uint8_t cmd, int flags, bool is_master, const char *ifname, struct seen *s)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_msg *msg = nlmsg_alloc();
	int family, r = -ENOMEM;

	if (sock == NULL || msg == NULL)
		goto out;
	r = -ENOENT;
	if (genl_connect(sock) < 0 ||
	    (family = genl_ctrl_resolve(sock, IPVS_GENL_NAME)) < 0)
		goto out;
	r = -EMSGSIZE;
	if (genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST | flags,
	    cmd, IPVS_GENL_VERSION) != NULL &&
	    (flags == NLM_F_DUMP || put_daemon(msg, is_master, ifname) == 0))
		r = ask(sock, msg, s);
out:
	nlmsg_free(msg);
	nl_socket_free(sock);
	return r;
}

int
syncd_nl_look(const char *ifname, bool *ret_master, bool *ret_backup)
{
	struct seen s = { .ifname = ifname };
	int r = run(IPVS_CMD_GET_DAEMON, NLM_F_DUMP, false, NULL, &s);

	if (r == 0) {
		*ret_master = s.is_master;
		*ret_backup = s.is_backup;
	}
	return r;
}

int
syncd_nl_start(bool is_master, const char *ifname)
{
	struct seen s = { .ifname = ifname };

	return run(IPVS_CMD_NEW_DAEMON, NLM_F_ACK, is_master, ifname, &s);
}

int
syncd_nl_stop(bool is_master)
{
	struct seen s = { .ifname = "" };
	int r = run(IPVS_CMD_DEL_DAEMON, NLM_F_ACK, is_master, NULL, &s);

	return r == -ESRCH ? 0 : r;
}
