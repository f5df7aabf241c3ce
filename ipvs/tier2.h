/*
 * tier2.h - the firewall marks of the second tier, and of the third.
 *
 * A packet that came through a tunnel is for an endpoint of this node. It
 * must not meet the VIP's own service, whose endpoints are everywhere, so it
 * gets a mark and an IPVS service by that mark, with local endpoints only.
 * Marks never leave the director; nodes need not agree on them.
 *
 * What clients on this node send has to be tracked, to be masqueraded, and tracking
 * knows one endpoint of a client's port. So where the VIP's own service schedules each
 * datagram by itself, theirs get a mark, too, and a service by it that does not.
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

struct tier2_marks {
	uint32_t tunnel;	/* of what came by tunnel; and of replies that IPVS does
				   not remember, for which VIP and port are found by it */
	uint32_t flows;		/* of local clients' datagrams; 0: not is_one_packet */
};

/*
 * The marks of each service: never TIER2_MARK_CUT, no two the same within a family or
 * across, and as stable as can be: a hash of VIP, protocol and port. Where two hashes are
 * equal the service later in the list takes another, so its mark may change when the
 * earlier goes away. That of any service's flows gives way to that of any's tunnel.
 */
void tier2_marks(const struct ipvs_service *services, size_t n,
    struct tier2_marks *ret_marks);

#endif
