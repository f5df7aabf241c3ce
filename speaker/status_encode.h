/*
 * status_encode.h - the speaker's state as JSON, for /status and heraldctl.
 */
#ifndef HERALD_SPEAKER_STATUS_ENCODE_H
#define HERALD_SPEAKER_STATUS_ENCODE_H

#include <stdio.h>

#include "speaker/alive.h"
#include "speaker/apply.h"
#include "speaker/plan.h"

/*
 * One JSON object to f:
 *
 *	{"node":..., "version":...,
 *	 "nodes":[{"name":..., "address":..., "state":...}],
 *	 "vips":[{"ip":..., "pool":..., "owner":..., "reason":...,
 *		  "programmed":bool, "announced":bool}],
 *	 "bgp":[{"name":..., "address":..., "state":..., "prefixes":n,
 *		 "bfd":..., "reason":...}],
 *	 "services":[{"name":..., "vip":..., "protocol":..., "port":...,
 *		"endpoints":[{"ip":..., "port":..., "weight":..., "reach":...}]}]}
 */
void status_encode(FILE *f, const char *node, const struct plan *p,
    const struct apply *apply, const struct alive *alive, struct mono now);

#endif
