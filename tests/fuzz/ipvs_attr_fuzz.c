/*
 * A netlink message of any content, as an IPVS service and as a real server.
 * What is accepted has a sane family and can be written again.
 */
#include <linux/ip_vs.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/attr_nl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
write_again(const struct ipvs_op *op)
{
	struct nl_msg *msg = nlmsg_alloc_size(ATTR_MSG_MAX);

	expect(msg != NULL);
	expect(genlmsg_put(msg, 1, 1, 30, 0, 0, IPVS_CMD_NEW_SERVICE, 1) != NULL);
	expect(attr_put_op(msg, op) == 0);
	nlmsg_free(msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *hdr;
	struct ipvs_counters c;
	struct ipvs_vs vs = { 0 };
	struct ipvs_rs rs = { 0 };

	if (size < sizeof(*hdr))
		return 0;
	hdr = malloc(size);
	expect(hdr != NULL);
	memcpy(hdr, data, size);
	hdr->nlmsg_len = (uint32_t)size;	/* as libnl has checked it */
	if (attr_get_vs(hdr, &vs, &c) == 0) {
		expect(strlen(vs.sched) < sizeof(vs.sched));
		write_again(&(struct ipvs_op){ .type = IPVS_OP_ADD_VS, .vs = &vs,
		    .sched = vs.sched });
	}
	if (attr_get_rs(hdr, &rs, &c) == 0) {
		expect(ip_is_set(&rs.ip));
		write_again(&(struct ipvs_op){ .type = IPVS_OP_ADD_RS, .vs = &vs,
		    .rs = &rs, .weight = rs.weight });
	}
	free(hdr);
	return 0;
}
