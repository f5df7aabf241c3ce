/* attr_nl.c - see attr_nl.h; the format is linux/ip_vs.h's. */
#include "ipvs/attr_nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

/*
 * Addresses travel as the kernel's union of 16 bytes; ip.b has the same form.
 */
static int
put_addr(struct nl_msg *msg, int attr, const struct ip *a)
{
	return nla_put(msg, attr, sizeof(a->b), a->b);
}

static int
put_key_attrs(struct nl_msg *msg, const struct ipvs_key *k)
{
	uint16_t af = k->family == IP_V6 ? AF_INET6 : AF_INET;

	NLA_PUT_U16(msg, IPVS_SVC_ATTR_AF, af);
	if (k->fwmark != 0) {
		NLA_PUT_U32(msg, IPVS_SVC_ATTR_FWMARK, k->fwmark);
		return 0;
	}
	NLA_PUT_U16(msg, IPVS_SVC_ATTR_PROTOCOL, k->proto);
	NLA_PUT_U16(msg, IPVS_SVC_ATTR_PORT, htons(k->port));
	return put_addr(msg, IPVS_SVC_ATTR_ADDR, &k->vip);

nla_put_failure:
	return -EMSGSIZE;
}

int
attr_put_key(struct nl_msg *msg, const struct ipvs_key *key)
{
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_SERVICE);

	if (nest == NULL || put_key_attrs(msg, key) < 0)
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int
put_vs(struct nl_msg *msg, const struct ipvs_vs *vs, const char *sched)
{
	struct ip_vs_flags flags = { .flags = vs->flags, .mask = ~0u };
	uint32_t mask = vs->key.family == IP_V6 ? 128 : UINT32_MAX;
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_SERVICE);

	if (nest == NULL || put_key_attrs(msg, &vs->key) < 0)
		return -EMSGSIZE;
	NLA_PUT_STRING(msg, IPVS_SVC_ATTR_SCHED_NAME, sched);
	NLA_PUT(msg, IPVS_SVC_ATTR_FLAGS, sizeof(flags), &flags);
	NLA_PUT_U32(msg, IPVS_SVC_ATTR_TIMEOUT, vs->timeout_sec);
	NLA_PUT_U32(msg, IPVS_SVC_ATTR_NETMASK, mask);
	nla_nest_end(msg, nest);
	return 0;

nla_put_failure:
	return -EMSGSIZE;
}

static int
put_rs(struct nl_msg *msg, const struct ipvs_rs *rs, uint16_t weight)
{
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_DEST);
	uint16_t af = (uint16_t)ip_af(&rs->ip);

	if (nest == NULL || put_addr(msg, IPVS_DEST_ATTR_ADDR, &rs->ip) < 0)
		return -EMSGSIZE;
	NLA_PUT_U16(msg, IPVS_DEST_ATTR_PORT, htons(rs->port));
	NLA_PUT_U16(msg, IPVS_DEST_ATTR_ADDR_FAMILY, af);
	NLA_PUT_U32(msg, IPVS_DEST_ATTR_FWD_METHOD, rs->fwd);
	NLA_PUT_U32(msg, IPVS_DEST_ATTR_WEIGHT, weight);
	NLA_PUT_U32(msg, IPVS_DEST_ATTR_U_THRESH, 0);
	NLA_PUT_U32(msg, IPVS_DEST_ATTR_L_THRESH, 0);
	nla_nest_end(msg, nest);
	return 0;

nla_put_failure:
	return -EMSGSIZE;
}

int
attr_put_op(struct nl_msg *msg, const struct ipvs_op *op)
{
	int r;

	if (op->type == IPVS_OP_ADD_VS || op->type == IPVS_OP_SET_VS)
		return put_vs(msg, op->vs, op->sched);
	r = attr_put_key(msg, &op->vs->key);
	if (r == 0 && op->rs != NULL)
		r = put_rs(msg, op->rs, op->weight);
	return r;
}

/* The address of `family` in an attribute of 4 or 16 bytes. */
static int
get_addr(struct nlattr *a, uint8_t family, struct ip *ret)
{
	struct ip ip = { .family = family };
	size_t len = ip_len(&ip);

	if (a == NULL || len == 0 || (size_t)nla_len(a) < len)
		return -EBADMSG;
	memcpy(ip.b, nla_data(a), len);
	*ret = ip;
	return 0;
}

static uint8_t
family_of(uint16_t af)
{
	return af == AF_INET ? IP_V4 : af == AF_INET6 ? IP_V6 : IP_NONE;
}

static int
get_counters(struct nlattr *stats, struct ipvs_counters *ret)
{
	struct nlattr *tb[IPVS_STATS_ATTR_MAX + 1];
	uint64_t *const to[] = { &ret->conns, &ret->in_packets, &ret->out_packets,
		&ret->in_bytes, &ret->out_bytes };
	size_t i;

	*ret = (struct ipvs_counters){ 0 };
	if (stats == NULL)		/* kernels before 4.1 have no STATS64 */
		return 0;
	if (nla_parse_nested(tb, IPVS_STATS_ATTR_MAX, stats, NULL) < 0)
		return -EBADMSG;
	for (i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		struct nlattr *a = tb[IPVS_STATS_ATTR_CONNS + i];

		if (a != NULL && nla_len(a) == sizeof(uint64_t))
			*to[i] = nla_get_u64(a);
	}
	return 0;
}

static int
get_nested(struct nlmsghdr *hdr, int attr, struct nlattr **tb, int max,
    struct nla_policy *policy)
{
	struct nlattr *cmd[IPVS_CMD_ATTR_MAX + 1];

	if (!genlmsg_valid_hdr(hdr, 0) ||
	    genlmsg_parse(hdr, 0, cmd, IPVS_CMD_ATTR_MAX, NULL) < 0 ||
	    cmd[attr] == NULL || nla_parse_nested(tb, max, cmd[attr], policy) < 0)
		return -EBADMSG;
	return 0;
}

static struct nla_policy vs_policy[IPVS_SVC_ATTR_MAX + 1] = {
	[IPVS_SVC_ATTR_AF] = { .type = NLA_U16 },
	[IPVS_SVC_ATTR_PROTOCOL] = { .type = NLA_U16 },
	[IPVS_SVC_ATTR_PORT] = { .type = NLA_U16 },
	[IPVS_SVC_ATTR_FWMARK] = { .type = NLA_U32 },
	[IPVS_SVC_ATTR_SCHED_NAME] = { .type = NLA_STRING },
	[IPVS_SVC_ATTR_FLAGS] = { .minlen = sizeof(struct ip_vs_flags) },
	[IPVS_SVC_ATTR_TIMEOUT] = { .type = NLA_U32 },
	[IPVS_SVC_ATTR_STATS64] = { .type = NLA_NESTED },
};

int
attr_get_vs(struct nlmsghdr *hdr, struct ipvs_vs *ret,
    struct ipvs_counters *ret_c)
{
	struct nlattr *tb[IPVS_SVC_ATTR_MAX + 1];
	struct ipvs_vs vs = { 0 };
	struct ipvs_counters c;
	struct ip_vs_flags flags;

	if (get_nested(hdr, IPVS_CMD_ATTR_SERVICE, tb, IPVS_SVC_ATTR_MAX,
	    vs_policy) < 0 || tb[IPVS_SVC_ATTR_AF] == NULL ||
	    tb[IPVS_SVC_ATTR_SCHED_NAME] == NULL || tb[IPVS_SVC_ATTR_FLAGS] == NULL)
		return -EBADMSG;
	vs.key.family = family_of(nla_get_u16(tb[IPVS_SVC_ATTR_AF]));
	if (tb[IPVS_SVC_ATTR_FWMARK] != NULL) {
		vs.key.fwmark = nla_get_u32(tb[IPVS_SVC_ATTR_FWMARK]);
	} else {
		if (tb[IPVS_SVC_ATTR_PROTOCOL] == NULL ||
		    tb[IPVS_SVC_ATTR_PORT] == NULL ||
		    get_addr(tb[IPVS_SVC_ATTR_ADDR], vs.key.family, &vs.key.vip) < 0)
			return -EBADMSG;
		vs.key.proto = (uint8_t)nla_get_u16(tb[IPVS_SVC_ATTR_PROTOCOL]);
		vs.key.port = ntohs(nla_get_u16(tb[IPVS_SVC_ATTR_PORT]));
	}
	nla_strlcpy(vs.sched, tb[IPVS_SVC_ATTR_SCHED_NAME], sizeof(vs.sched));
	memcpy(&flags, nla_data(tb[IPVS_SVC_ATTR_FLAGS]), sizeof(flags));
	vs.flags = flags.flags & IPVS_F_OURS;
	if (vs.flags & IPVS_F_PERSISTENT && tb[IPVS_SVC_ATTR_TIMEOUT] != NULL)
		vs.timeout_sec = nla_get_u32(tb[IPVS_SVC_ATTR_TIMEOUT]);
	if (get_counters(tb[IPVS_SVC_ATTR_STATS64], &c) < 0)
		return -EBADMSG;
	*ret = vs;
	*ret_c = c;
	return 0;
}

static struct nla_policy rs_policy[IPVS_DEST_ATTR_MAX + 1] = {
	[IPVS_DEST_ATTR_PORT] = { .type = NLA_U16 },
	[IPVS_DEST_ATTR_ADDR_FAMILY] = { .type = NLA_U16 },
	[IPVS_DEST_ATTR_FWD_METHOD] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_WEIGHT] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_ACTIVE_CONNS] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_INACT_CONNS] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_STATS64] = { .type = NLA_NESTED },
};

int
attr_get_rs(struct nlmsghdr *hdr, struct ipvs_rs *ret,
    struct ipvs_counters *ret_c)
{
	struct nlattr *tb[IPVS_DEST_ATTR_MAX + 1];
	struct ipvs_rs rs = { 0 };
	struct ipvs_counters c;

	if (get_nested(hdr, IPVS_CMD_ATTR_DEST, tb, IPVS_DEST_ATTR_MAX,
	    rs_policy) < 0 || tb[IPVS_DEST_ATTR_ADDR_FAMILY] == NULL ||
	    tb[IPVS_DEST_ATTR_PORT] == NULL || tb[IPVS_DEST_ATTR_WEIGHT] == NULL ||
	    tb[IPVS_DEST_ATTR_FWD_METHOD] == NULL ||
	    get_addr(tb[IPVS_DEST_ATTR_ADDR],
	    family_of(nla_get_u16(tb[IPVS_DEST_ATTR_ADDR_FAMILY])), &rs.ip) < 0 ||
	    get_counters(tb[IPVS_DEST_ATTR_STATS64], &c) < 0)
		return -EBADMSG;
	rs.port = ntohs(nla_get_u16(tb[IPVS_DEST_ATTR_PORT]));
	rs.weight = (uint16_t)nla_get_u32(tb[IPVS_DEST_ATTR_WEIGHT]);
	rs.fwd = nla_get_u32(tb[IPVS_DEST_ATTR_FWD_METHOD]) & IP_VS_CONN_F_FWD_MASK;
	if (tb[IPVS_DEST_ATTR_ACTIVE_CONNS] != NULL)
		c.active = nla_get_u32(tb[IPVS_DEST_ATTR_ACTIVE_CONNS]);
	if (tb[IPVS_DEST_ATTR_INACT_CONNS] != NULL)
		c.inactive = nla_get_u32(tb[IPVS_DEST_ATTR_INACT_CONNS]);
	*ret = rs;
	*ret_c = c;
	return 0;
}
