#include <cjson/cJSON.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "ipvs/subset.h"
#include "speaker/status_encode.h"

static const char *
proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "TCP" : proto == IPPROTO_UDP ? "UDP" : "SCTP";
}

static const char *
reach_name(enum ipvs_reach reach)
{
	switch (reach) {
	case IPVS_REACH_LOCAL:
		return "local";
	case IPVS_REACH_TUNNEL:
		return "tunnel";
	case IPVS_REACH_MASQ:
		break;
	}
	return "masquerade";
}

static cJSON *
item(cJSON *array)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	return o;
}

static void
add_nodes(cJSON *top, const struct alive *alive, struct mono now)
{
	cJSON *array = cJSON_AddArrayToObject(top, "nodes");

	for (size_t i = 0; i < alive->n; i++) {
		const struct alive_node *n = &alive->nodes[i];
		cJSON *o = item(array);

		cJSON_AddStringToObject(o, "name", n->name);
		cJSON_AddStringToObject(o, "address", IP_STR(&n->ip));
		cJSON_AddStringToObject(o, "state",
		    alive_state_name(alive_state(alive, n->name, now)));
	}
}

static void
add_vips(cJSON *top, const struct plan *p, const struct apply *apply)
{
	cJSON *array = cJSON_AddArrayToObject(top, "vips");

	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];
		cJSON *o = item(array);

		cJSON_AddStringToObject(o, "ip", IP_STR(&v->ip));
		cJSON_AddStringToObject(o, "pool", v->pool);
		if (v->owner != NULL)
			cJSON_AddStringToObject(o, "owner", v->owner);
		else
			cJSON_AddStringToObject(o, "reason", v->why_none);
		cJSON_AddBoolToObject(o, "programmed",
		    apply_is_programmed(apply, &v->ip));
		if (apply_is_held(apply, &v->ip))
			cJSON_AddTrueToObject(o, "held");
		cJSON_AddBoolToObject(o, "announced", apply_is_announced(apply, &v->ip));
		if (!v->is_mine && arp_io_is_announced(apply->arp, &v->ip))
			cJSON_AddTrueToObject(o, "yielding");
	}
}

static void
add_peer(void *arg, const struct bgp_io_status *s)
{
	cJSON *o = item(arg);
	size_t nprefixes = 0;

	cJSON_AddStringToObject(o, "name", s->name);
	cJSON_AddStringToObject(o, "address", ip_is_set(&s->addr) ? IP_STR(&s->addr) :
	    s->ifname);
	cJSON_AddStringToObject(o, "state", s->is_refused ? "Refused" :
	    bgp_state_name(s->state));
	for (size_t f = 0; s->engine != NULL && f < BGP_NFAMILIES; f++)
		nprefixes += s->engine->rib.nsent[f];
	cJSON_AddNumberToObject(o, "prefixes", (double)nprefixes);
	if (s->has_bfd)
		cJSON_AddStringToObject(o, "bfd", bfd_peer_state_name(s->bfd));
	if (s->reason[0] != '\0')
		cJSON_AddStringToObject(o, "reason", s->reason);
}

static void
add_peers(cJSON *top, const struct apply *apply)
{
	cJSON *array = cJSON_AddArrayToObject(top, "bgp");

	if (apply->bgp != NULL)
		bgp_io_each(apply->bgp, add_peer, array);
}

static void
add_services(cJSON *top, const struct plan *p)
{
	cJSON *array = cJSON_AddArrayToObject(top, "services");

	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];
		cJSON *o = item(array), *eps;

		cJSON_AddStringToObject(o, "name", s->name);
		cJSON_AddStringToObject(o, "vip", IP_STR(&s->vip));
		cJSON_AddStringToObject(o, "protocol", proto_name(s->proto));
		cJSON_AddNumberToObject(o, "port", s->port);
		if (s->is_one_packet)
			cJSON_AddTrueToObject(o, "one_packet");
		eps = cJSON_AddArrayToObject(o, "endpoints");
		for (size_t j = 0; j < s->nendpoints; j++) {
			cJSON *e;

			if (s->endpoints[j].life == IPVS_GONE)
				continue;
			e = item(eps);
			cJSON_AddStringToObject(e, "ip", IP_STR(&s->endpoints[j].ip));
			cJSON_AddNumberToObject(e, "port", s->endpoints[j].port);
			cJSON_AddNumberToObject(e, "weight",
			    s->endpoints[j].is_passed_over ? 0 :
			    s->endpoints[j].weight);
			if (s->endpoints[j].is_passed_over)
				cJSON_AddTrueToObject(e, "passed_over");
			cJSON_AddStringToObject(e, "reach",
			    reach_name(s->endpoints[j].reach));
		}
	}
}

static void
add_check(void *arg, const struct health_io_view *v)
{
	cJSON *o = item(arg);

	cJSON_AddStringToObject(o, "service", v->service);
	cJSON_AddStringToObject(o, "ip", IP_STR(&v->ip));
	cJSON_AddNumberToObject(o, "port", v->port);
	cJSON_AddBoolToObject(o, "up", v->is_up);
	cJSON_AddNumberToObject(o, "transitions", v->ntransitions);
	if (v->why[0] != '\0')
		cJSON_AddStringToObject(o, "error", v->why);
}

static void
add_quorums(cJSON *top, const struct plan *p)
{
	cJSON *array = cJSON_AddArrayToObject(top, "quorums");

	for (size_t i = 0; i < p->nquorums; i++) {
		const struct plan_quorum *q = &p->quorums[i];
		cJSON *o = item(array);

		cJSON_AddStringToObject(o, "service", q->name);
		cJSON_AddStringToObject(o, "vip", IP_STR(&q->vip));
		cJSON_AddNumberToObject(o, "up", q->nup);
		cJSON_AddNumberToObject(o, "needed", q->nneeded);
		cJSON_AddStringToObject(o, "served", q->is_there ? "endpoints" :
		    q->has_fallback ? "fallback" : "nobody");
	}
}

/*
 * Services that fill mh's table so far that it shows: with fewer than CROWD_SLOTS slots
 * each, some endpoints get a quarter more than others, or worse.
 */
static void
add_crowds(cJSON *top, const struct plan *p)
{
	enum { CROWD_SLOTS = 4 };
	cJSON *array = cJSON_AddArrayToObject(top, "crowds");

	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];
		size_t n = s->sched == IPVS_SCHED_MH ? ipvs_subset_size(s) : 0;
		cJSON *o;

		if (n <= IPVS_MH_SLOTS / (CROWD_SLOTS + 1))
			continue;
		o = item(array);
		cJSON_AddStringToObject(o, "service", s->name);
		cJSON_AddStringToObject(o, "vip", IP_STR(&s->vip));
		cJSON_AddNumberToObject(o, "serving", (double)n);
		cJSON_AddNumberToObject(o, "omitted", (double)s->nomitted);
		cJSON_AddNumberToObject(o, "slots", IPVS_MH_SLOTS);
	}
}

static void
add_conflicts(cJSON *top, const struct tell *tell)
{
	cJSON *array = cJSON_AddArrayToObject(top, "conflicts");

	for (const struct tell_rival *r = tell->rivals; r != NULL; r = r->hh.next) {
		char mac[18];
		cJSON *o;

		if (r->is_gone)
			continue;
		o = item(array);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", r->mac[0],
		    r->mac[1], r->mac[2], r->mac[3], r->mac[4], r->mac[5]);
		cJSON_AddStringToObject(o, "ip", IP_STR(&r->at.vip));
		cJSON_AddStringToObject(o, "interface", r->at.ifname);
		cJSON_AddStringToObject(o, "mac", mac);
	}
}

static void
add_obstacles(cJSON *top, const struct apply *apply)
{
	cJSON *array = cJSON_AddArrayToObject(top, "obstacles");

	for (size_t i = 0; i < apply->nobstacles; i++) {
		const struct director_advice *a = &apply->obstacles[i];
		cJSON *o = item(array);

		cJSON_AddStringToObject(o, "text", a->text);
		if (ip_is_set(&a->vip))
			cJSON_AddStringToObject(o, "vip", IP_STR(&a->vip));
		cJSON_AddBoolToObject(o, "stops", a->is_stop);
	}
}

static void
add_warnings(cJSON *top, const struct plan *p)
{
	cJSON *array = cJSON_AddArrayToObject(top, "warnings");

	for (size_t i = 0; i < p->nwarnings; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(p->warnings[i]));
}

void
status_encode(FILE *f, const struct status_input *in)
{
	cJSON *top = cJSON_CreateObject(), *checks;
	char *text;

	cJSON_AddStringToObject(top, "node", in->node);
	cJSON_AddStringToObject(top, "version", HERALD_VERSION);
	cJSON_AddBoolToObject(top, "drained", in->plan->is_drained);
	if (in->plan->has_retiring && !in->apply->is_bgp_gone)
		cJSON_AddTrueToObject(top, "retiring");
	add_nodes(top, in->alive, in->now);
	add_vips(top, in->plan, in->apply);
	add_peers(top, in->apply);
	add_services(top, in->plan);
	checks = cJSON_AddArrayToObject(top, "checks");
	if (in->health != NULL)
		health_io_each(in->health, add_check, checks);
	add_quorums(top, in->plan);
	add_crowds(top, in->plan);
	add_conflicts(top, in->tell);
	add_obstacles(top, in->apply);
	add_warnings(top, in->plan);
	if ((text = cJSON_Print(top)) != NULL)
		fputs(text, f);
	fputc('\n', f);
	free(text);
	cJSON_Delete(top);
}
