/*
 * tier2.h - the firewall marks of the second tier.
 *
 * A packet that came through a tunnel is for an endpoint of this node. It
 * must not meet the VIP's own service, whose endpoints are everywhere, so it
 * gets a mark and an IPVS service by that mark, with local endpoints only.
 * Marks never leave the director; nodes need not agree on them.
 */
#ifndef HERALD_IPVS_TIER2_H
#define HERALD_IPVS_TIER2_H

#include <stddef.h>
#include <stdint.h>

#include "ipvs/director.h"

/*
 * No service has this mark: it is put on what leaves the second tier and is too large
 * for the way to the endpoint.
 */
#define TIER2_MARK_CUT	UINT32_MAX

/*
 * A mark for each service: never 0 or TIER2_MARK_CUT, no two the same within a
 * family or across, and as stable as can be: a hash of VIP, protocol and port. Where two hashes
 * are equal the service later in the list takes another, so its mark may
 * change when the earlier goes away.
 */
void tier2_marks(const struct ipvs_service *services, size_t n, uint32_t *ret_marks);

#endif
