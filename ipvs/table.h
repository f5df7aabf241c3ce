/*
 * table.h - IPVS services and their destinations as plain values: the table
 * we want (want.c), the one the kernel has (ipvs_nl.c), and what lies between
 * them (diff.c). Words as in the kernel: a virtual service has real servers.
 */
#ifndef HERALD_IPVS_TABLE_H
#define HERALD_IPVS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipvs/director.h"
#include "lib/arena.h"
#include "lib/ip.h"

/* IP_VS_CONN_F_*: how the kernel hands a packet to a real server. */
enum ipvs_fwd {
	IPVS_FWD_MASQ	= 0,
	IPVS_FWD_LOCAL	= 1,	/* never ours */
	IPVS_FWD_TUNNEL	= 2,
	IPVS_FWD_DROUTE	= 3,	/* never ours */
};

/* IP_VS_SVC_F_*: the bits we set and compare. */
enum {
	IPVS_F_PERSISTENT  = 0x01,
	IPVS_F_ONEPACKET   = 0x04,	/* of UDP no connection is remembered */
	/* Of mh and sh: another server while the chosen has weight 0; the client's
	   port is hashed, too. */
	IPVS_F_MH_FALLBACK = 0x08,
	IPVS_F_MH_PORT	   = 0x10,
	IPVS_F_OURS	   = 0x1d,
};

/* What a service is found by: VIP, protocol and port, or a firewall mark. */
struct ipvs_key {
	struct ip vip;		/* IP_NONE where fwmark is set */
	uint8_t	family;		/* enum ip_family, of a fwmark service, too */
	uint8_t	proto;		/* IPPROTO_*; 0 with fwmark */
	uint16_t port;		/* host order; 0 with fwmark */
	uint32_t fwmark;	/* 0: by address */
};

struct ipvs_rs {
	struct ip ip;
	uint16_t port;		/* host order */
	uint16_t weight;
	uint16_t slots;		/* weight its share of the mh table comes from while
				   weight is 0; 0: not known (wanted: 1) */
	uint8_t	fwd;		/* enum ipvs_fwd */
	bool	has_left;	/* weight is 0, and it has no slots; it stands behind
				   those that may have some */
};

struct ipvs_vs {
	struct ipvs_key key;
	enum ipvs_tier tier;	/* IPVS_TIER_UNKNOWN as read */
	char	sched[16];	/* the kernel's name */
	uint32_t flags;		/* IPVS_F_* */
	uint32_t timeout_sec;	/* of persistence; 0 without IPVS_F_PERSISTENT */
	struct ipvs_rs *rs;	/* in the order in which they were, or are to be,
				   added; each ip and port once */
	size_t	nrs;
	const char *name;	/* "ns/name:port" for messages; NULL as read */
};

/* Sorted by ipvs_key_cmp(), each key once. rs and name live in the arena. */
struct ipvs_table {
	struct ipvs_vs *vs;
	size_t	n;
	size_t	cap;
	struct arena arena;
};

/* Order: services by mark first, then by vip, proto, port. */
int ipvs_key_cmp(const struct ipvs_key *a, const struct ipvs_key *b);

/* By ip, then port: the identity of a real server. */
int ipvs_rs_cmp(const struct ipvs_rs *a, const struct ipvs_rs *b);

enum { IPVS_KEY_STRLEN = IP_STRLEN + 24 };

/* "tcp 10.0.0.50:80", "mark 0x1a2b3c4d"; returns buf. */
const char *ipvs_key_format(const struct ipvs_key *k, char buf[IPVS_KEY_STRLEN]);
#define IPVS_KEY_STR(k) ipvs_key_format((k), (char[IPVS_KEY_STRLEN]){ 0 })

/* "mh", ...; as the kernel names it. */
const char *ipvs_sched_name(enum ipvs_sched s);

/* Append an empty service; valid until the next call. */
struct ipvs_vs *ipvs_table_add(struct ipvs_table *t);

/* Into key order, as the diff needs it. */
void ipvs_table_sort(struct ipvs_table *t);

/* NULL where there is none. */
const struct ipvs_vs *ipvs_table_find(const struct ipvs_table *t,
    const struct ipvs_key *key);

/*
 * In a sorted table: put vs in the place of the service of its key, or between its
 * neighbours; its servers and name must live in the table's arena. Take away the
 * service of key, fine where there is none.
 */
void ipvs_table_put(struct ipvs_table *t, const struct ipvs_vs *vs);
void ipvs_table_remove(struct ipvs_table *t, const struct ipvs_key *key);

void ipvs_table_fini(struct ipvs_table *t);

#endif
