/*
 * agree.c - field by field of the two OPENs.
 */
#include "bgp/agree.h"

struct bgp_open
bgp_agree_offer(const struct bgp_peer *p)
{
	const struct bgp_peer_conf *c = &p->conf;
	bool was_up = p->counts.established > 0;

	return (struct bgp_open){
		.asn = c->local_as, .router_id = c->router_id,
		.hold_sec = c->hold_sec, .role = c->role,
		.has_mp = true, .families = c->families, .has_as4 = true,
		.v6_next_hops = c->has_v6_next_hop ? 1u << BGP_IPV4_UNICAST : 0,
		.has_refresh = true, .has_enhanced_refresh = true,
		.has_extended = c->has_extended,
		.has_gr = c->restart_sec != 0, .restart_sec = c->restart_sec,
		.has_gr_notification = c->restart_sec != 0,
		.is_restarting = c->is_restarting && !was_up,
		.gr_families = c->restart_sec != 0 ? c->families : 0,
		.gr_forwarding = c->is_restarting || was_up ? c->families : 0,
	};
}

void
bgp_agree_next_hops(struct bgp_peer *p, const struct bgp_open *theirs)
{
	const struct ip *v4 = &p->next_hop[BGP_IPV4_UNICAST];
	const struct ip *v6 = &p->next_hop[BGP_IPV6_UNICAST];
	bool is_v4_by_v6 = p->conf.has_v6_next_hop &&
	    theirs->v6_next_hops & 1u << BGP_IPV4_UNICAST;

	p->session.next_hop[BGP_IPV6_UNICAST] = *v6;
	p->session.next_hop[BGP_IPV4_UNICAST] = ip_is_set(v4) ? *v4 :
	    is_v4_by_v6 ? *v6 : (struct ip){ 0 };
	p->session.next_hop_ll = p->next_hop_ll;
}

void
bgp_agree(struct bgp_peer *p, const struct bgp_open *theirs)
{
	p->session = (struct bgp_session){
		.local_as = p->conf.local_as,
		.is_internal = theirs->asn == p->conf.local_as,
		.has_as4 = theirs->has_as4,
		.has_refresh = theirs->has_refresh,
		.has_enhanced_refresh = theirs->has_enhanced_refresh,
		.has_gr = theirs->has_gr,
		.role = p->conf.role,
		.families = p->conf.families & theirs->families,
		.msg_max = p->conf.has_extended && theirs->has_extended ?
		    BGP_MSG_MAX_EXT : BGP_MSG_MAX,
	};
	bgp_agree_next_hops(p, theirs);
}

int
bgp_agree_check(const struct bgp_peer *p, const struct bgp_open *theirs,
    struct bgp_error *err)
{
	struct bgp_open ours = bgp_agree_offer(p);
	uint32_t peer_as = p->conf.as_rule == BGP_AS_EXACT ? p->conf.peer_as :
	    p->conf.as_rule == BGP_AS_INTERNAL ? p->conf.local_as : 0;

	if (p->conf.as_rule == BGP_AS_EXTERNAL && theirs->asn == p->conf.local_as)
		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_BAD_AS, NULL, 0);
	if (!(theirs->families & p->conf.families)) {
		uint8_t mp[6] = { 1, 4, 0, p->conf.families & 1 ? 1 : 2, 0, 1 };

		return bgp_error_set(err, BGP_ERR_OPEN, BGP_OPEN_CAPABILITY, mp, 6);
	}
	return bgp_open_check(&ours, theirs, peer_as, p->conf.is_strict_role, err);
}
