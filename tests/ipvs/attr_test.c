/*
 * IPVS messages both ways, without a kernel: what we would send is read back
 * with libnl, and messages as the kernel sends them are taken apart.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

#include "ipvs/attr_nl.h"
#include "lib/mem.h"
#include "tests/check.h"

static struct ip
addr(const char *s)
{
	struct ip a;

	ck_assert_int_eq(ip_parse(s, &a), 0);
	return a;
}

static struct nl_msg *
begin(uint8_t cmd)
{
	struct nl_msg *msg = nlmsg_alloc_size(ATTR_MSG_MAX);

	ck_assert_ptr_nonnull(msg);
	ck_assert_ptr_nonnull(genlmsg_put(msg, 1, 1, 30, 0, 0, cmd, 1));
	return msg;
}

/* Read back from a heap copy of exactly the message's size. */
static int
get_vs(struct nl_msg *msg, size_t len, struct ipvs_vs *ret, struct ipvs_counters *c)
{
	struct nlmsghdr *copy = mem_zalloc(len);
	int r;

	memcpy(copy, nlmsg_hdr(msg), len);
	if (len >= sizeof(*copy))
		copy->nlmsg_len = (uint32_t)len;
	r = len < sizeof(*copy) ? -EBADMSG : attr_get_vs(copy, ret, c);
	free(copy);
	return r;
}

static int
get_rs(struct nl_msg *msg, size_t len, struct ipvs_rs *ret, struct ipvs_counters *c)
{
	struct nlmsghdr *copy = mem_zalloc(len);
	int r;

	memcpy(copy, nlmsg_hdr(msg), len);
	if (len >= sizeof(*copy))
		copy->nlmsg_len = (uint32_t)len;
	r = len < sizeof(*copy) ? -EBADMSG : attr_get_rs(copy, ret, c);
	free(copy);
	return r;
}

static struct ipvs_vs
vs_of(const char *vip, uint32_t fwmark)
{
	struct ipvs_vs vs = { .sched = "mh", .flags = IPVS_F_MH_PORT |
		IPVS_F_PERSISTENT, .timeout_sec = 300, .name = "ns/web" };

	if (fwmark != 0) {
		vs.key = (struct ipvs_key){ .family = IP_V6, .fwmark = fwmark };
	} else {
		vs.key.vip = addr(vip);
		vs.key.family = vs.key.vip.family;
		vs.key.proto = IPPROTO_SCTP;
		vs.key.port = 65535;
	}
	return vs;
}

static const struct {
	const char *vip;
	uint32_t fwmark;
} services[] = { { "10.0.0.50", 0 }, { "fd00::50", 0 }, { NULL, 0xdeadbeef } };

START_TEST(service_there_and_back)
{
	struct ipvs_vs vs = vs_of(services[_i].vip, services[_i].fwmark), got;
	struct ipvs_op op = { .type = IPVS_OP_ADD_VS, .vs = &vs, .sched = "rr" };
	struct ipvs_counters c;
	struct nl_msg *msg = begin(IPVS_CMD_NEW_SERVICE);

	ck_assert_int_eq(attr_put_op(msg, &op), 0);
	ck_assert_int_eq(get_vs(msg, nlmsg_hdr(msg)->nlmsg_len, &got, &c), 0);
	ck_assert_int_eq(ipvs_key_cmp(&got.key, &vs.key), 0);
	ck_assert_str_eq(got.sched, "rr");
	ck_assert_uint_eq(got.flags, vs.flags);
	ck_assert_uint_eq(got.timeout_sec, 300);
	nlmsg_free(msg);
}
END_TEST

/* A flag we do not set (HASHED, by the kernel) is not seen either. */
START_TEST(only_our_flags_are_read)
{
	struct ipvs_vs vs = vs_of("10.0.0.50", 0), got;
	struct ipvs_op op = { .type = IPVS_OP_ADD_VS, .vs = &vs, .sched = "mh" };
	struct ipvs_counters c;
	struct nl_msg *msg = begin(IPVS_CMD_NEW_SERVICE);

	vs.flags |= IP_VS_SVC_F_HASHED | IP_VS_SVC_F_SCHED3;
	ck_assert_int_eq(attr_put_op(msg, &op), 0);
	ck_assert_int_eq(get_vs(msg, nlmsg_hdr(msg)->nlmsg_len, &got, &c), 0);
	ck_assert_uint_eq(got.flags, IPVS_F_MH_PORT | IPVS_F_PERSISTENT);
	nlmsg_free(msg);
}
END_TEST

static struct nl_msg *
rs_msg(const char *ip, uint16_t weight)
{
	static struct ipvs_vs vs;
	struct ipvs_rs rs = { .ip = addr(ip), .port = 8080, .weight = 7,
		.fwd = IPVS_FWD_TUNNEL };
	struct ipvs_op op = { .type = IPVS_OP_ADD_RS, .vs = &vs, .rs = &rs,
		.weight = weight };
	struct nl_msg *msg = begin(IPVS_CMD_NEW_DEST);

	vs = vs_of("10.0.0.50", 0);
	ck_assert_int_eq(attr_put_op(msg, &op), 0);
	return msg;
}

START_TEST(endpoint_there_and_back)
{
	const char *ip = _i == 0 ? "10.244.1.2" : "fd00:1::2";
	struct nl_msg *msg = rs_msg(ip, 3);
	struct ipvs_counters c;
	struct ipvs_rs got;
	struct ip want = addr(ip);

	ck_assert_int_eq(get_rs(msg, nlmsg_hdr(msg)->nlmsg_len, &got, &c), 0);
	ck_assert(ip_eq(&got.ip, &want));
	ck_assert_uint_eq(got.port, 8080);
	ck_assert_msg(got.weight == 3, "the operation's weight, not the endpoint's");
	ck_assert_uint_eq(got.fwd, IPVS_FWD_TUNNEL);
	nlmsg_free(msg);
}
END_TEST

START_TEST(counters_are_read)
{
	struct nl_msg *msg = begin(IPVS_CMD_NEW_DEST);
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_DEST), *stats;
	struct ip ip = addr("10.244.1.2");
	struct ipvs_counters c;
	struct ipvs_rs rs;

	nla_put(msg, IPVS_DEST_ATTR_ADDR, 16, ip.b);
	nla_put_u16(msg, IPVS_DEST_ATTR_PORT, htons(80));
	nla_put_u16(msg, IPVS_DEST_ATTR_ADDR_FAMILY, AF_INET);
	nla_put_u32(msg, IPVS_DEST_ATTR_FWD_METHOD, 0);
	nla_put_u32(msg, IPVS_DEST_ATTR_WEIGHT, 1);
	nla_put_u32(msg, IPVS_DEST_ATTR_ACTIVE_CONNS, 11);
	nla_put_u32(msg, IPVS_DEST_ATTR_INACT_CONNS, 12);
	stats = nla_nest_start(msg, IPVS_DEST_ATTR_STATS64);
	nla_put_u64(msg, IPVS_STATS_ATTR_CONNS, 1);
	nla_put_u64(msg, IPVS_STATS_ATTR_INPKTS, 2);
	nla_put_u64(msg, IPVS_STATS_ATTR_OUTPKTS, 3);
	nla_put_u64(msg, IPVS_STATS_ATTR_INBYTES, UINT64_C(1) << 40);
	nla_put_u64(msg, IPVS_STATS_ATTR_OUTBYTES, 5);
	nla_nest_end(msg, stats);
	nla_nest_end(msg, nest);
	ck_assert_int_eq(get_rs(msg, nlmsg_hdr(msg)->nlmsg_len, &rs, &c), 0);
	ck_assert(c.conns == 1 && c.in_packets == 2 && c.out_packets == 3);
	ck_assert(c.in_bytes == UINT64_C(1) << 40 && c.out_bytes == 5);
	ck_assert(c.active == 11 && c.inactive == 12);
	nlmsg_free(msg);
}
END_TEST

START_TEST(every_prefix_is_survived)
{
	struct ipvs_vs vs = vs_of("fd00::50", 0), v;
	struct ipvs_op op = { .type = IPVS_OP_ADD_VS, .vs = &vs, .sched = "mh" };
	struct nl_msg *a = begin(IPVS_CMD_NEW_SERVICE), *b = rs_msg("fd00:1::2", 1);
	struct ipvs_counters c;
	struct ipvs_rs r;
	size_t whole;

	ck_assert_int_eq(attr_put_op(a, &op), 0);
	whole = nlmsg_hdr(a)->nlmsg_len;
	for (size_t len = 0; len < whole; len++)
		ck_assert_int_eq(get_vs(a, len, &v, &c), -EBADMSG);
	whole = nlmsg_hdr(b)->nlmsg_len;
	for (size_t len = 0; len < whole; len++)
		ck_assert_int_eq(get_rs(b, len, &r, &c), -EBADMSG);
	nlmsg_free(a);
	nlmsg_free(b);
}
END_TEST

START_TEST(removal_names_the_service_and_the_endpoint)
{
	struct ipvs_vs vs = vs_of("10.0.0.50", 0);
	struct ipvs_rs rs = { .ip = addr("10.244.1.2"), .port = 80 };
	struct ipvs_op op = { .type = IPVS_OP_DEL_RS, .vs = &vs, .rs = &rs };
	struct nlattr *tb[IPVS_CMD_ATTR_MAX + 1];
	struct nl_msg *msg = begin(IPVS_CMD_DEL_DEST);

	ck_assert_int_eq(attr_put_op(msg, &op), 0);
	ck_assert_int_eq(genlmsg_parse(nlmsg_hdr(msg), 0, tb, IPVS_CMD_ATTR_MAX, NULL), 0);
	ck_assert_ptr_nonnull(tb[IPVS_CMD_ATTR_SERVICE]);
	ck_assert_ptr_nonnull(tb[IPVS_CMD_ATTR_DEST]);
	nlmsg_free(msg);
	op.type = IPVS_OP_DEL_VS;
	op.rs = NULL;
	msg = begin(IPVS_CMD_DEL_SERVICE);
	ck_assert_int_eq(attr_put_op(msg, &op), 0);
	ck_assert_int_eq(genlmsg_parse(nlmsg_hdr(msg), 0, tb, IPVS_CMD_ATTR_MAX, NULL), 0);
	ck_assert_ptr_null(tb[IPVS_CMD_ATTR_DEST]);
	nlmsg_free(msg);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, service_there_and_back, 0, nitems(services));
	tcase_add_test(tc, only_our_flags_are_read);
	tcase_add_loop_test(tc, endpoint_there_and_back, 0, 2);
	tcase_add_test(tc, counters_are_read);
	tcase_add_test(tc, every_prefix_is_survived);
	tcase_add_test(tc, removal_names_the_service_and_the_endpoint);
}

TEST_MAIN("ipvs/attr", fill)
