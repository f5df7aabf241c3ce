/*
 * director.h - the data plane of one node, brought to a wanted state.
 *
 * The director is a private network namespace that holds the VIPs and IPVS,
 * joined to the host by a veth pair; on the host, an nft table of our own, an
 * ip rule and a route steer VIP traffic through it. See DESIGN: it outlives the
 * speaker, so opening adopts what is there and syncing changes only the
 * difference. Nothing that is not ours is touched.
 *
 * Calls on one director come from one thread at a time, whichever; while a call
 * lasts its thread may be in the director's network namespace, others never are.
 *
 * The caller (speaker/apply.c) describes what it wants with the structs below;
 * ipvs knows nothing of Kubernetes.
 */
#ifndef HERALD_IPVS_DIRECTOR_H
#define HERALD_IPVS_DIRECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"
#include "lib/mono.h"

struct director;

/* How tier 1 reaches an endpoint. Does not influence the Maglev table. */
enum ipvs_reach {
	IPVS_REACH_LOCAL,	/* on this node: NAT */
	IPVS_REACH_TUNNEL,	/* a node with a director: IPIP to the endpoint */
	IPVS_REACH_MASQ,	/* a node without: NAT and SNAT */
};

enum ipvs_sched { IPVS_SCHED_MH, IPVS_SCHED_RR, IPVS_SCHED_WRR,
	IPVS_SCHED_WLC, IPVS_SCHED_LC, IPVS_SCHED_SH, IPVS_SCHED_FO };

/* The weight of an endpoint with slow start whose own is 1, when it has all of it. */
enum { IPVS_RAMP = 100 };

/* What is to become of an endpoint; see life.h for how. */
enum ipvs_life {
	IPVS_LIVES,	/* stays, with or without new connections */
	IPVS_DRAINS,	/* terminating: with weight 0, out after drain_sec */
	IPVS_GONE,	/* out at once; its flows move on */
	IPVS_LEFT,	/* not the caller's to say: wanted no more, but it drains */
};

struct ipvs_endpoint {
	struct ip ip;
	uint16_t port;		/* host order; the endpoint's real port */
	uint16_t weight;	/* 0: no new connections, keeps its table slots */
	uint16_t drain_weight;	/* with weight 0: the weight it had; 0 counts as 1 */
	uint8_t	reach;		/* enum ipvs_reach */
	uint8_t	life;		/* enum ipvs_life */
	/* Others are nearer to this node: as with weight 0 for what clients send here;
	   what other nodes tunnel to it, it serves. */
	bool	is_passed_over;
};

/*
 * One VIP, protocol and port. Endpoints in canonical order, that of
 * ipvs_endpoint_cmp(), the same with the same weights on every node: the Maglev
 * tables of all nodes must agree, or where some are passed over, of all in a zone.
 */
struct ipvs_service {
	struct ip vip;
	uint8_t	proto;			/* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
	enum ipvs_sched sched;
	uint32_t affinity_sec;		/* persistence, 0 none */
	uint32_t drain_sec;		/* for endpoints that leave, 0 none */
	uint32_t slow_start_sec;	/* for those that come to others, 0 none; of WRR
					   and WLC: weights are multiplied by
					   IPVS_RAMP then, and may be up to 100 */
	bool	is_local_only;		/* externalTrafficPolicy: Local */
	bool	is_one_packet;		/* of UDP, with WRR: each datagram is scheduled by
					   itself; without affinity, without endpoints of
					   IPVS_REACH_MASQ, and without any that another
					   service with this has, too */
	const struct prefix *source_ranges;	/* n 0: everyone */
	size_t	nsource_ranges;
	const struct ipvs_endpoint *endpoints;
	size_t	nendpoints;
	size_t	nomitted;		/* others, that mh's table has no room for: see
					   subset.h; only told of */
	const char *name;		/* "ns/name:port" for error messages */
};

/*
 * The orders of services (by VIP, protocol and port) and of a service's endpoints (by
 * address and port), for qsort() and bsearch().
 */
int ipvs_service_cmp(const void *a, const void *b);
int ipvs_endpoint_cmp(const void *a, const void *b);

struct director_want {
	const struct ipvs_service *services;	/* in ipvs_service_cmp()'s order */
	size_t	nservices;
	const struct ip *vips;		/* every VIP to terminate, sorted */
	size_t	nvips;
	const struct ip *node_ips;	/* this node's own addresses */
	size_t	nnode_ips;
	const struct ip *peers;		/* nodes whose tunnels we accept */
	size_t	npeers;
	const struct ip *local_clients;	/* pods of this node */
	size_t	nlocal_clients;
};

struct director_conf {
	const char *name;	/* netns name under /run/netns, e.g. "herald" */
	const char *host_if;	/* veth on the host, e.g. "herald0" */
	uint32_t fwmark;	/* one bit, e.g. 0x10; 0: one that nobody tests */
	uint32_t table;		/* routing table, e.g. 7777 */
	uint32_t rule_pref;	/* e.g. 77 */
	bool	drops_unknown;	/* a port of a VIP that no service has: silence, in
				   place of a reset or ICMP port unreachable */
	bool	has_sync;	/* run the kernel's IPVS sync daemons: conn_sync.h */
};

/* What a sync did; all zero where everything was as wanted. */
struct director_changes {
	unsigned vips_added, vips_removed;
	unsigned services_added, services_removed, services_changed;
	unsigned endpoints_added, endpoints_removed, endpoints_changed;
	unsigned nft_commits;
	unsigned repairs;	/* of what somebody else took away */
};

/* What is wrong, with the object's name and the remedy. */
struct director_error {
	char	text[512];
};

/* Something of this host that is in the way, with the remedy. */
struct director_advice {
	bool	is_stop;	/* VIP traffic does not pass; else it does, but not as
				   meant, or only some */
	struct ip vip;		/* of those concerned the first; unset: all VIPs */
	char	text[512];
};

/*
 * Open the director of this node: create what is missing, adopt the rest.
 * conf is copied. Returns 0 or -errno with *ret_err filled: -EPERM (needs
 * CAP_NET_ADMIN and CAP_SYS_ADMIN), -ENOENT (kernel without IPVS: modprobe
 * ip_vs), ...
 */
int director_open(const struct director_conf *conf, struct director **ret,
    struct director_error *ret_err);

/* Closes our handles. The director itself stays and goes on forwarding. */
void director_close(struct director *d);

/* Take everything of ours away from this node; for uninstall and tests. */
int director_destroy(const struct director_conf *conf,
    struct director_error *ret_err);

/*
 * Make the node as wanted at this time, data plane first (IPVS, then the steering
 * of new VIPs), tear-down in reverse. Endpoints that want no longer has go on with
 * their connections for a while, see life.h. A failing object is reported through
 * fail (may be called many times, nothing else stops) and tried again by the next
 * sync. Returns 0, or -EAGAIN where something failed.
 */
int director_sync(struct director *d, const struct director_want *want,
    struct mono now, struct director_changes *ret_changes,
    void (*fail)(void *arg, const struct director_error *err), void *arg);

/* A service with other endpoints than in the last want; all else is the same. */
struct director_update {
	const struct ipvs_service *was;
	const struct ipvs_service *is;	/* one of the want's */
};

/*
 * director_sync() where nothing else has changed since the last: the work grows
 * with n, not with the want. Where that sync failed, or what the kernel holds is
 * not known any more, it is a director_sync().
 */
int director_update(struct director *d, const struct director_want *want,
    const struct director_update *updates, size_t n, struct mono now,
    struct director_changes *ret_changes,
    void (*fail)(void *arg, const struct director_error *err), void *arg);

/*
 * When the next endpoint has drained for long enough, so that a sync is due even
 * with nothing new to want; MONO_NEVER. And how many drain.
 */
struct mono director_deadline(const struct director *d);
size_t director_ndraining(const struct director *d);

/*
 * Look for what of this host keeps VIP traffic from passing, or somebody else's from
 * working, and cannot be mended by us: each with its remedy is told to fn. Nothing
 * is changed. For once a minute or so, and when director_has_host_news().
 */
void director_advise(struct director *d, const struct director_want *want,
    void (*fn)(void *arg, const struct director_advice *advice), void *arg);

/*
 * Has director_look() seen a change of what director_advise() judges by, since that
 * was last called? Of addresses and routing rules the kernel tells; not of firewalls.
 */
bool director_has_host_news(const struct director *d);

/*
 * See whether others have changed what the kernel tells nobody of, its parameters, and
 * make sure of the rest, should it have failed to tell. For once a minute or so. True
 * where a sync is due, which counts what it, or this, has put right.
 *
 * With DIRECTOR_LOOK_SERVICES services or fewer the kernel is not believed to hold what
 * it did, and that sync looks at everything. With more of them that would hold up
 * changes; then links, routes but for those to VIPs and endpoints, and parameters are
 * put right here, and the rest is left to director_look().
 */
bool director_recheck(struct director *d);

/*
 * With has_sync: a socket for what the kernel tells of its connections and is to be
 * told of others', see syncd_socket(); the caller's to close. It is good for as long
 * as director_sync_link() is what it was. -errno where there is none.
 */
int director_sync_socket(struct director *d);

/* The link of that socket, another after each time it had to be made; 0 none. */
int director_sync_link(const struct director *d);

/* True where the last sync programmed this VIP completely. */
bool director_has_vip(const struct director *d, const struct ip *vip);

/*
 * True where the VIP was an address of the host's own at the last sync, as kube-proxy
 * in ipvs mode makes it. The host takes its packets before any rule of ours is asked,
 * so they are not steered, and connection tracking is left to whoever serves it there.
 */
bool director_is_held(const struct director *d, const struct ip *vip);

/* Of one service or endpoint, since it was added; packets and bytes of clients in,
   of replies out, these only where replies pass through (endpoints of this node). */
struct ipvs_counters {
	uint64_t conns, in_packets, out_packets, in_bytes, out_bytes;
	uint32_t active, inactive;	/* connections now; of endpoints only */
};

/* What an IPVS service is for. */
enum ipvs_tier {
	IPVS_TIER_UNKNOWN,
	IPVS_TIER_CLIENTS = 1,	/* what clients sent to this node */
	IPVS_TIER_TUNNEL = 2,	/* by mark: what came by tunnel from another node */
	IPVS_TIER_FLOWS = 3,	/* by mark: what clients on this node sent to a service
				   that schedules each datagram by itself */
	IPVS_TIER_MAX = IPVS_TIER_FLOWS,
};

/* One row of the kernel's table. What it points at is good during the call. */
struct director_stat {
	const char *service;	/* director_want's name */
	uint8_t	family;		/* enum ip_family of its VIP */
	enum ipvs_tier tier;
	const struct ip *endpoint;	/* NULL: the service's own row */
	uint16_t port;		/* of the endpoint */
	const struct ipvs_counters *counters;
};
typedef void director_stat_fn(void *arg, const struct director_stat *row);

/* How many services of either tier a look reads, and how many of these at a time; and
   among how many it looks for such as others have added. */
enum { DIRECTOR_LOOK_SERVICES = 512, DIRECTOR_LOOK_PIECE = 32 };

/*
 * See whether others have changed what director_sync() left, at a cost that does
 * not grow with the table: links, routes, rules and nftables by what the kernel
 * tells of them. For a few times a second. Returns true where the next sync
 * has something to repair; that sync counts it. IPVS tells nothing: the next
 * DIRECTOR_LOOK_SERVICES services of it are due to be read now, and as many to be seen
 * whether they are ours at all.
 */
bool director_look(struct director *d);

/*
 * Read a piece of what is due, whose counters fn is told; returns as director_look().
 * In pieces, so that whoever has something to change need not wait for the rest.
 */
bool director_look_piece(struct director *d, director_stat_fn *fn, void *arg);

/* Is there more of it? */
bool director_is_look_due(const struct director *d);

#endif
