/* walk_nl.c - see walk_nl.h. */
#include "ipvs/walk_nl.h"

#include <errno.h>
#include <linux/ip_vs.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>

#include "ipvs/attr_nl.h"
#include "lib/mem.h"

struct ipvs_walk {
	struct nl_sock *sock;
	int	family;
	bool	is_under_way;	/* the kernel has a dump for us that is not at its end */
};

static int
sock_open(struct ipvs_walk *w)
{
	w->sock = nl_socket_alloc();
	if (w->sock == NULL)
		return -ENOMEM;
	if (genl_connect(w->sock) < 0)
		return -EIO;
	w->family = genl_ctrl_resolve(w->sock, IPVS_GENL_NAME);
	if (w->family < 0)
		return -ENOENT;
	/* To peek at a message has the kernel make another, which then waits. */
	nl_socket_disable_msg_peek(w->sock);
	return 0;
}

int
ipvs_walk_open(struct ipvs_walk **ret)
{
	struct ipvs_walk *w = mem_zalloc(sizeof(*w));
	int r = sock_open(w);

	if (r < 0) {
		ipvs_walk_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

void
ipvs_walk_close(struct ipvs_walk *w)
{
	if (w == NULL)
		return;
	if (w->sock != NULL)
		nl_socket_free(w->sock);
	free(w);
}

static int
begin(struct ipvs_walk *w)
{
	int r = genl_send_simple(w->sock, w->family, IPVS_CMD_GET_SERVICE,
	    IPVS_GENL_VERSION, NLM_F_DUMP);

	w->is_under_way = r >= 0;
	return r < 0 ? -EIO : 0;
}

/* What one message that was taken holds. */
static int
tell(struct ipvs_walk *w, struct nlmsghdr *hdr, int len, ipvs_walk_fn *fn, void *arg)
{
	struct ipvs_counters c;
	struct ipvs_vs vs;
	int n = 0;

	for (; nlmsg_ok(hdr, len); hdr = nlmsg_next(hdr, &len)) {
		if (hdr->nlmsg_type == NLMSG_DONE || hdr->nlmsg_type == NLMSG_ERROR)
			w->is_under_way = false;
		if (hdr->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		/* One that we cannot take apart is none of ours to judge. */
		if (hdr->nlmsg_type != w->family || attr_get_vs(hdr, &vs, &c) < 0)
			continue;
		fn(arg, &vs);
		n++;
	}
	return n;
}

int
ipvs_walk_on(struct ipvs_walk *w, ipvs_walk_fn *fn, void *arg, bool *ret_is_done)
{
	struct sockaddr_nl from;
	unsigned char *buf = NULL;
	int len, r = 0;

	if (!w->is_under_way)
		r = begin(w);
	if (r < 0)
		return r;
	len = nl_recv(w->sock, &from, &buf, NULL);
	if (len <= 0)
		return -EIO;
	r = tell(w, (struct nlmsghdr *)buf, len, fn, arg);
	free(buf);
	if (r >= 0)
		*ret_is_done = !w->is_under_way;
	return r;
}
