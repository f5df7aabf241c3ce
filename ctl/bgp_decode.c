#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "ctl/bgp_decode.h"
#include "lib/mem.h"

static const char *
text_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

static const char *
text_or_dash(const cJSON *o, const char *name)
{
	const char *text = text_of(o, name);

	return text != NULL ? text : "-";
}

/* 0 where there is none. */
static double
number_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(v) ? v->valuedouble : 0.;
}

/* The number as text into buf, "-" where there is none. */
static const char *
number_or_dash(const cJSON *o, const char *name, char buf[24])
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	if (!cJSON_IsNumber(v))
		return "-";
	snprintf(buf, 24, "%.0f", v->valuedouble);
	return buf;
}

/* "ipv4 unicast, ipv6 unicast" of a list of texts. */
static void
put_list(const cJSON *o, const char *name, const char *what, FILE *out)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, name), *v;
	const char *sep = what;

	cJSON_ArrayForEach(v, list) {
		if (!cJSON_IsString(v))
			continue;
		fprintf(out, "%s%s", sep, v->valuestring);
		sep = ", ";
	}
	if (sep != what)
		fputc('\n', out);
}

/* Where the peer is: an address, an interface, a VRF. */
static const char *
where(const cJSON *o, char buf[80])
{
	const char *addr = text_of(o, "address"), *ifname = text_of(o, "interface");
	const char *vrf = text_of(o, "vrf");

	snprintf(buf, 80, "%s%s%s%s%s", addr != NULL ? addr : "",
	    ifname != NULL ? "%" : "", ifname != NULL ? ifname : "",
	    vrf != NULL ? " vrf " : "", vrf != NULL ? vrf : "");
	return buf;
}

static void
put_echo(const char *echo, FILE *out)
{
	static const struct {
		const char *echo, *text;
	} texts[] = {
		{ "active", "come back" },
		{ "unanswered", "do not come back (see BFD ECHO in herald-speaker(8))" },
		{ "not-taken", "are not taken by the peer" },
	};

	for (size_t i = 0; echo != NULL && i < nitems(texts); i++)
		if (strcmp(echo, texts[i].echo) == 0)
			fprintf(out, "    BFD Echo packets %s\n", texts[i].text);
}

static void
put_peer(const cJSON *o, FILE *out)
{
	const cJSON *bfd = cJSON_GetObjectItemCaseSensitive(o, "bfd");
	char at[80], as[24];

	fprintf(out, "%-20s %-30s %-10s %-12s %-20s %8.0f %8.0f  %s\n",
	    text_or_dash(o, "name"), where(o, at), number_or_dash(o, "peerAS", as),
	    text_or_dash(o, "state"), text_or_dash(o, "since"), number_of(o, "announced"),
	    number_of(o, "pending"), text_or_dash(bfd, "state"));
	if (text_of(o, "reason") != NULL)
		fprintf(out, "    %s\n", text_of(o, "reason"));
	if (text_of(o, "routerID") != NULL)
		fprintf(out, "    router ID %s, from %s, hold time %.0f s, up %.0f times\n",
		    text_of(o, "routerID"), text_or_dash(o, "localAddress"),
		    number_of(o, "holdTime"), number_of(o, "established"));
	put_list(o, "families", "    families: ", out);
	put_list(o, "capabilities", "    agreed on: ", out);
	if (number_of(bfd, "detectMs") > 0)
		fprintf(out, "    BFD detects a failure within %g ms\n",
		    number_of(bfd, "detectMs"));
	put_echo(text_of(bfd, "echo"), out);
}

static void
put_peers(const cJSON *peers, FILE *out)
{
	const cJSON *o;

	fprintf(out, "%-20s %-30s %-10s %-12s %-20s %8s %8s  %s\n", "PEER", "ADDRESS",
	    "AS", "STATE", "SINCE", "ROUTES", "PENDING", "BFD");
	cJSON_ArrayForEach(o, peers)
		put_peer(o, out);
}

static void
put_messages(const cJSON *peers, FILE *out)
{
	const cJSON *o, *type;

	fprintf(out, "%-20s %-16s %10s %10s\n", "PEER", "MESSAGE", "SENT", "RECEIVED");
	cJSON_ArrayForEach(o, peers) {
		const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, "messages");
		const cJSON *sent = cJSON_GetObjectItemCaseSensitive(m, "sent");
		const cJSON *received = cJSON_GetObjectItemCaseSensitive(m, "received");
		const char *name = text_or_dash(o, "name");

		cJSON_ArrayForEach(type, sent) {
			fprintf(out, "%-20s %-16s %10.0f %10.0f\n", name, type->string,
			    type->valuedouble, number_of(received, type->string));
			name = "";
		}
		if (number_of(m, "discarded") + number_of(m, "withdrawn") > 0)
			fprintf(out, "    malformed UPDATEs: %.0f lost an attribute, %.0f "
			    "counted as withdrawals\n", number_of(m, "discarded"),
			    number_of(m, "withdrawn"));
		if (text_of(o, "reason") != NULL)
			fprintf(out, "    last end: %s\n", text_of(o, "reason"));
	}
}

static void
put_attributes(const cJSON *route, FILE *out)
{
	static const struct {
		const char *name, *shown;
	} numbers[] = {
		{ "localPref", "localPref" }, { "med", "MED" }, { "prepend", "prepend" },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (cJSON_HasObjectItem(route, numbers[i].name))
			fprintf(out, "%20s%s %.0f\n", "", numbers[i].shown,
			    number_of(route, numbers[i].name));
	}
	put_list(route, "communities", "                    communities ", out);
	put_list(route, "largeCommunities", "                    large communities ", out);
	put_list(route, "extendedCommunities",
	    "                    extended communities ", out);
}

static void
put_routes(const cJSON *peers, FILE *out)
{
	const cJSON *o, *r;

	fprintf(out, "%-20s %-44s %-12s %s\n", "PEER", "PREFIX", "STATE", "NEXT HOP");
	cJSON_ArrayForEach(o, peers) {
		const cJSON *routes = cJSON_GetObjectItemCaseSensitive(o, "routes");
		const char *name = text_or_dash(o, "name");

		if (cJSON_GetArraySize(routes) == 0)
			fprintf(out, "%-20s none\n", name);
		cJSON_ArrayForEach(r, routes) {
			fprintf(out, "%-20s %-44s %-12s %s\n", name,
			    text_or_dash(r, "prefix"), text_or_dash(r, "state"),
			    text_or_dash(r, "nextHop"));
			put_attributes(r, out);
			name = "";
		}
	}
}

static int
decode(const char *json, FILE *out, void (*put)(const cJSON *peers, FILE *out))
{
	cJSON *top = cJSON_Parse(json);
	const cJSON *peers = cJSON_GetObjectItemCaseSensitive(top, "peers");
	const char *node = text_of(top, "node");

	if (node == NULL || !cJSON_IsArray(peers)) {
		cJSON_Delete(top);
		return -EINVAL;
	}
	fprintf(out, "Node %s\n\n", node);
	if (cJSON_GetArraySize(peers) == 0)
		fputs("no BGPPeer is for this node\n", out);
	else
		put(peers, out);
	cJSON_Delete(top);
	return 0;
}

int
bgp_decode_peers(const char *json, FILE *out)
{
	return decode(json, out, put_peers);
}

int
bgp_decode_messages(const char *json, FILE *out)
{
	return decode(json, out, put_messages);
}

int
bgp_decode_routes(const char *json, FILE *out)
{
	return decode(json, out, put_routes);
}
