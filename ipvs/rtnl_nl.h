/*
 * rtnl_nl.h - messages and requests, for rtnl_io.c and rtnl_route_io.c alone.
 */
#ifndef HERALD_IPVS_RTNL_NL_H
#define HERALD_IPVS_RTNL_NL_H

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "ipvs/rtnl_io.h"

enum { RTNL_EXCL = NLM_F_CREATE | NLM_F_EXCL };

struct rtnl {
	struct nl_sock *sock;
	struct nl_cb *cb;
	/* The request or dump under way. */
	int	error;
	bool	is_done;
	void	(*got)(struct nlmsghdr *hdr, void *arg);
	void	*arg;
};

/* A message with its fixed header copied in. No memory ends the process. */
struct nl_msg *rtnl_msg(int type, int flags, const void *header, size_t len);
void rtnl_put_u32(struct nl_msg *msg, int attr, uint32_t v);
struct nlattr *rtnl_nest(struct nl_msg *msg, int attr);	/* then nla_nest_end() */
void rtnl_put_ip(struct nl_msg *msg, int attr, const struct ip *a);

/* Send msg, which is freed, and wait for the answer; 0 or -errno. */
int rtnl_request(struct rtnl *r, struct nl_msg *msg);

/* Ask for a dump and hand each message of the answer to got; 0 or -errno. */
int rtnl_dump(struct rtnl *r, int type, const void *header, size_t len,
    void (*got)(struct nlmsghdr *hdr, void *arg), void *arg);

#endif
