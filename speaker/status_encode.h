/*
 * status_encode.h - the speaker's state as JSON, for /status and heraldctl.
 */
#ifndef HERALD_SPEAKER_STATUS_ENCODE_H
#define HERALD_SPEAKER_STATUS_ENCODE_H

#include <stdio.h>

#include "speaker/alive.h"
#include "speaker/apply.h"
#include "speaker/health_io.h"
#include "speaker/plan.h"
#include "speaker/tell_io.h"

struct status_input {
	const char *node;		/* this one */
	const struct plan *plan;	/* the one in force */
	const struct apply *apply;
	const struct alive *alive;
	struct health_io *health;	/* NULL: there are no checks */
	const struct tell *tell;
	struct mono now;
};

/*
 * One JSON object to f:
 *
 *	{"node":..., "version":..., "drained":bool, "retiring":true,
 *	 "nodes":[{"name":..., "address":..., "state":...}],
 *	 "vips":[{"ip":..., "pool":..., "owner":..., "reason":...,
 *		  "programmed":bool, "held":true, "announced":bool,
 *		  "yielding":true}],
 *	 "bgp":[{"name":..., "address":..., "state":..., "prefixes":n,
 *		 "bfd":..., "reason":...}],
 *	 "services":[{"name":..., "vip":..., "protocol":..., "port":...,
 *		"one_packet":true,
 *		"endpoints":[{"ip":..., "port":..., "weight":..., "passed_over":true,
 *			"reach":...}]}],
 *	 "checks":[{"service":..., "ip":..., "port":..., "up":bool,
 *		"transitions":n, "error":...}],
 *	 "quorums":[{"service":..., "vip":..., "up":n, "needed":n,
 *		"served":"endpoints"|"fallback"|"nobody"}],
 *	 "crowds":[{"service":..., "vip":..., "serving":n, "omitted":n,
 *		"slots":n}],
 *	 "conflicts":[{"ip":..., "interface":..., "mac":...}],
 *	 "obstacles":[{"text":..., "vip":..., "stops":bool}],
 *	 "warnings":["NS/NAME: what; remedy", ...]}
 *
 * checks: of the endpoints that this node hosts, or that are on no node.
 *
 * crowds: Services with so many endpoints that mh's slots are shared out unevenly, or
 * do not suffice (subset.h).
 *
 * one_packet: each datagram is scheduled by itself (onePacket of the profile). Where that
 * cannot be, the warnings say why.
 *
 * passed_over: others are nearer, as hints have it (topologyHints of the profile).
 *
 * drained: the Node is asked to hand over (heraldctl drain). retiring: its BGP
 * routes are marked, and go when --bgp-drain-time is over. yielding: on a VIP
 * of another node that this one still answers for, until that one is heard.
 * conflicts: VIPs that somebody else uses now, as seen here. held: the VIP is an
 * address of the host. obstacles: what of the host is in the way (director_advice);
 * with vip only of VIPs that are held, of which that is the first. warnings: the
 * plan's, as in the log.
 */
void status_encode(FILE *f, const struct status_input *in);

#endif
