/*
 * decode_report.c - what speakers have written: ServiceL2Status, ServiceBGPStatus
 * and BGPSessionState. A status that is not there, or not all of it, is one that
 * has not been written yet.
 */
#include "kube/decode_impl.h"
#include "kube/report.h"

void
dec_service_status(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at status = dec_field(root, "status");
	struct dec_at node = dec_field(&status, "node");
	struct dec_at ns = dec_field(&status, "serviceNamespace");
	struct dec_at name = dec_field(&status, "serviceName");
	struct dec_at interfaces = dec_field(&status, "interfaces");
	struct dec_at peers = dec_field(&status, "peers");
	struct kube_service_status *s = &o->service_status;

	(void)dec_is_object(d, &status);
	s->node = dec_str(d, &node);
	s->svc_ns = dec_str(d, &ns);
	s->svc_name = dec_str(d, &name);
	if (o->kind == KUBE_SERVICE_L2_STATUS) {
		s->names = dec_names(d, &interfaces, DEC_LIST_MAX, &s->nnames);
		s->conflict = dec_condition(d, root, KUBE_REPORT_CONFLICT);
	} else {
		s->names = dec_strings(d, &peers, DEC_LIST_MAX, &s->nnames);
	}
}

void
dec_session_state(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at status = dec_field(root, "status");
	struct dec_at node = dec_field(&status, "node");
	struct dec_at peer = dec_field(&status, "peer");
	struct dec_at peer_name = dec_field(&status, "peerName");
	struct dec_at vrf = dec_field(&status, "vrf");
	struct dec_at bgp = dec_field(&status, "bgpStatus");
	struct dec_at bfd = dec_field(&status, "bfdStatus");
	struct kube_session_state *s = &o->session_state;

	(void)dec_is_object(d, &status);
	s->node = dec_str(d, &node);
	s->peer = dec_str(d, &peer);
	s->peer_name = dec_str(d, &peer_name);
	s->vrf = dec_str(d, &vrf);
	s->bgp = dec_str(d, &bgp);
	s->bfd = dec_str(d, &bfd);
}
