#include <cjson/cJSON.h>
#include <stdlib.h>

#include "lib/stamp.h"
#include "speaker/bgp_encode.h"

static cJSON *
item(cJSON *array)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	return o;
}

/* Absent rather than empty. */
static void
add_text(cJSON *o, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		cJSON_AddStringToObject(o, key, text);
}

static void
add_word(cJSON *array, const char *word, bool is_so)
{
	if (is_so)
		cJSON_AddItemToArray(array, cJSON_CreateString(word));
}

/* What both sides have agreed on. */
static void
add_session(cJSON *o, const struct bgp_peer *p, const struct ip *local)
{
	const struct bgp_open *theirs = &p->conn[p->up].theirs;
	const struct bgp_session *s = &p->session;
	struct ip router_id = ip_from_v4(theirs->router_id);
	cJSON *words;

	cJSON_AddStringToObject(o, "localAddress", IP_STR(local));
	cJSON_AddNumberToObject(o, "peerAS", theirs->asn);
	cJSON_AddStringToObject(o, "routerID", IP_STR(&router_id));
	cJSON_AddNumberToObject(o, "holdTime", p->conn[p->up].fsm.hold_sec);
	words = cJSON_AddArrayToObject(o, "families");
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		add_word(words, bgp_family_name(f), s->families & 1u << f);
	words = cJSON_AddArrayToObject(o, "capabilities");
	add_word(words, "4-byte AS", s->has_as4);
	add_word(words, "route refresh", s->has_refresh);
	add_word(words, "enhanced route refresh", s->has_enhanced_refresh);
	add_word(words, "graceful restart", s->has_gr && p->conf.restart_sec != 0);
	add_word(words, "extended messages", s->msg_max > BGP_MSG_MAX);
	add_word(words, "extended next hop", p->conf.has_v6_next_hop &&
	    theirs->v6_next_hops != 0);
	add_word(words, "role", theirs->role != BGP_ROLE_NONE);
}

static void
add_messages(cJSON *o, const struct bgp_counts *c)
{
	cJSON *messages = cJSON_AddObjectToObject(o, "messages");
	cJSON *sent = cJSON_AddObjectToObject(messages, "sent");
	cJSON *received = cJSON_AddObjectToObject(messages, "received");

	for (unsigned t = BGP_OPEN; t <= BGP_REFRESH; t++) {
		cJSON_AddNumberToObject(sent, bgp_msg_type_name(t), (double)c->tx[t]);
		cJSON_AddNumberToObject(received, bgp_msg_type_name(t), (double)c->rx[t]);
	}
	cJSON_AddNumberToObject(messages, "discarded", (double)c->discarded);
	cJSON_AddNumberToObject(messages, "withdrawn", (double)c->withdrawn);
}

static void
add_engine(cJSON *o, const struct bgp_peer *p, const struct ip *local)
{
	size_t announced = 0, pending = 0;

	cJSON_AddNumberToObject(o, "localAS", p->conf.local_as);
	if (p->up >= 0)
		add_session(o, p, local);
	for (unsigned f = 0; f < BGP_NFAMILIES; f++) {
		announced += p->up >= 0 ? p->rib.nsent[f] : 0;
		pending += p->rib.npending[f];
	}
	cJSON_AddNumberToObject(o, "announced", (double)announced);
	cJSON_AddNumberToObject(o, "pending", (double)pending);
	cJSON_AddNumberToObject(o, "established", (double)p->counts.established);
	add_messages(o, &p->counts);
}

static void
add_peer(void *arg, const struct bgp_io_status *s)
{
	char since[STAMP_LEN];
	cJSON *o = item(arg), *bfd;

	cJSON_AddStringToObject(o, "name", s->name);
	if (ip_is_set(&s->addr))
		cJSON_AddStringToObject(o, "address", IP_STR(&s->addr));
	add_text(o, "interface", s->ifname);
	add_text(o, "vrf", s->vrf);
	cJSON_AddStringToObject(o, "state", s->is_refused ? "Refused" :
	    bgp_state_name(s->state));
	cJSON_AddStringToObject(o, "since", stamp_sec(s->since_wall_ns, since));
	add_text(o, "reason", s->reason);
	if (s->engine != NULL)
		add_engine(o, s->engine, &s->local);
	if (s->has_bfd) {
		bfd = cJSON_AddObjectToObject(o, "bfd");
		cJSON_AddStringToObject(bfd, "state", bfd_peer_state_name(s->bfd));
		cJSON_AddNumberToObject(bfd, "detectMs", s->bfd_detect_us / 1e3);
		if (s->bfd_echo != BFD_IO_ECHO_OFF)
			cJSON_AddStringToObject(bfd, "echo",
			    bfd_io_echo_name(s->bfd_echo));
	}
}

static void
add_communities(cJSON *o, const struct bgp_attrs *a)
{
	cJSON *list;
	char text[64];

	list = a->ncommunities > 0 ? cJSON_AddArrayToObject(o, "communities") : NULL;
	for (unsigned i = 0; i < a->ncommunities; i++) {
		snprintf(text, sizeof(text), "%u:%u", a->communities[i] >> 16,
		    a->communities[i] & 0xffff);
		add_word(list, text, true);
	}
	list = a->nlarge > 0 ? cJSON_AddArrayToObject(o, "largeCommunities") : NULL;
	for (unsigned i = 0; i < a->nlarge; i++) {
		snprintf(text, sizeof(text), "%u:%u:%u", a->large[i][0], a->large[i][1],
		    a->large[i][2]);
		add_word(list, text, true);
	}
	list = a->next > 0 ? cJSON_AddArrayToObject(o, "extendedCommunities") : NULL;
	for (unsigned i = 0; i < a->next; i++) {
		snprintf(text, sizeof(text), "0x%016llx", (unsigned long long)a->ext[i]);
		add_word(list, text, true);
	}
}

static void
add_route(cJSON *array, const struct bgp_peer *p, const struct bgp_rib_entry *e)
{
	unsigned f = ip_is_v4(&e->prefix.addr) ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
	const struct bgp_attrs *a;
	cJSON *o = item(array);

	cJSON_AddStringToObject(o, "prefix", PREFIX_STR(&e->prefix));
	cJSON_AddStringToObject(o, "state", e->want == 0 ? "withdrawing" :
	    p->up < 0 || e->want != e->sent ? "pending" : "announced");
	if (e->want == 0)
		return;
	a = p->rib.attrs[e->want - 1];
	if (p->up >= 0 && ip_is_set(&p->session.next_hop[f]))
		cJSON_AddStringToObject(o, "nextHop", IP_STR(&p->session.next_hop[f]));
	if (p->up >= 0 && p->session.is_internal)
		cJSON_AddNumberToObject(o, "localPref", a->local_pref);
	if (a->has_med)
		cJSON_AddNumberToObject(o, "med", a->med);
	if (a->nprepend > 0)
		cJSON_AddNumberToObject(o, "prepend", a->nprepend);
	add_communities(o, a);
}

static void
add_routes(void *arg, const struct bgp_io_status *s)
{
	cJSON *o = item(arg), *list;

	cJSON_AddStringToObject(o, "name", s->name);
	list = cJSON_AddArrayToObject(o, "routes");
	for (size_t i = 0; s->engine != NULL && i < s->engine->rib.n; i++)
		add_route(list, s->engine, &s->engine->rib.entries[i]);
}

static void
encode(FILE *f, const char *node, const struct bgp_io *io,
    void (*fn)(void *arg, const struct bgp_io_status *s))
{
	cJSON *top = cJSON_CreateObject(), *peers;
	char *text;

	cJSON_AddStringToObject(top, "node", node);
	peers = cJSON_AddArrayToObject(top, "peers");
	if (io != NULL)
		bgp_io_each(io, fn, peers);
	if ((text = cJSON_PrintUnformatted(top)) != NULL)
		fputs(text, f);
	fputc('\n', f);
	free(text);
	cJSON_Delete(top);
}

void
bgp_encode_peers(FILE *f, const char *node, const struct bgp_io *io)
{
	encode(f, node, io, add_peer);
}

void
bgp_encode_routes(FILE *f, const char *node, const struct bgp_io *io)
{
	encode(f, node, io, add_routes);
}
