/*
 * attr_nl.h - the attributes of IPVS generic netlink messages, both ways.
 *
 * No socket here: ipvs_nl.c sends and receives. Every function is bounds-safe
 * on any message (tests/fuzz/attr_fuzz.c).
 */
#ifndef HERALD_IPVS_ATTR_NL_H
#define HERALD_IPVS_ATTR_NL_H

#include "ipvs/diff.h"
#include "ipvs/table.h"

struct nl_msg;
struct nlmsghdr;

/* More than any of our messages takes. */
enum { ATTR_MSG_MAX = 512 };

/* Append what op says; 0, or -EMSGSIZE. */
int attr_put_op(struct nl_msg *msg, const struct ipvs_op *op);

/* Append a service's identity. */
int attr_put_key(struct nl_msg *msg, const struct ipvs_key *key);

/*
 * Take apart one message of a dump of services or of real servers; -EBADMSG
 * where an attribute is missing or odd, outputs untouched. The service comes
 * without servers. c->active and c->inactive are set for real servers only.
 */
int attr_get_vs(struct nlmsghdr *hdr, struct ipvs_vs *ret,
    struct ipvs_counters *ret_c);
int attr_get_rs(struct nlmsghdr *hdr, struct ipvs_rs *ret,
    struct ipvs_counters *ret_c);

#endif
