#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/status_decode.h"

static const char *
text_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsString(v) ? v->valuestring : "-";
}

static int
number_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(v) ? v->valueint : 0;
}

static const char *
yes(const cJSON *o, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name)) ? "yes" : "no";
}

static void
put_nodes(const cJSON *nodes, FILE *out)
{
	const cJSON *o;

	if (cJSON_GetArraySize(nodes) == 0)
		return;
	fprintf(out, "\n%-24s %-28s %s\n", "NODE", "ADDRESS", "SPEAKER");
	cJSON_ArrayForEach(o, nodes)
		fprintf(out, "%-24s %-28s %s\n", text_of(o, "name"),
		    text_of(o, "address"), text_of(o, "state"));
}

static void
put_vips(const cJSON *vips, FILE *out)
{
	const cJSON *o;

	fprintf(out, "\n%-24s %-16s %-20s %-11s %s\n", "VIP", "POOL", "OWNER",
	    "PROGRAMMED", "ANNOUNCED HERE");
	cJSON_ArrayForEach(o, vips) {
		fprintf(out, "%-24s %-16s %-20s %-11s %s\n", text_of(o, "ip"),
		    text_of(o, "pool"), text_of(o, "owner"), yes(o, "programmed"),
		    yes(o, "announced"));
		if (cJSON_HasObjectItem(o, "reason"))
			fprintf(out, "%-24s nobody announces it: %s\n", "",
			    text_of(o, "reason"));
	}
}

static void
put_peers(const cJSON *peers, FILE *out)
{
	const cJSON *o;

	if (cJSON_GetArraySize(peers) == 0)
		return;
	fprintf(out, "\n%-24s %-28s %-12s %-8s %s\n", "BGP PEER", "ADDRESS", "STATE",
	    "BFD", "PREFIXES");
	cJSON_ArrayForEach(o, peers) {
		fprintf(out, "%-24s %-28s %-12s %-8s %d\n", text_of(o, "name"),
		    text_of(o, "address"), text_of(o, "state"), text_of(o, "bfd"),
		    number_of(o, "prefixes"));
		if (cJSON_HasObjectItem(o, "reason"))
			fprintf(out, "%-24s %s\n", "", text_of(o, "reason"));
	}
}

static void
put_services(const cJSON *services, FILE *out)
{
	const cJSON *o, *e;

	fprintf(out, "\n%-36s %-28s %-11s %s\n", "SERVICE", "ENDPOINT", "REACHED BY",
	    "WEIGHT");
	cJSON_ArrayForEach(o, services) {
		const cJSON *eps = cJSON_GetObjectItemCaseSensitive(o, "endpoints");
		const char *name = text_of(o, "name");

		if (cJSON_GetArraySize(eps) == 0)
			fprintf(out, "%-36s %s\n", name, "none");
		cJSON_ArrayForEach(e, eps) {
			char ep[80];

			snprintf(ep, sizeof(ep), "%s port %d", text_of(e, "ip"),
			    number_of(e, "port"));
			fprintf(out, "%-36s %-28s %-11s %d\n", name, ep,
			    text_of(e, "reach"), number_of(e, "weight"));
			name = "";
		}
	}
}

/* Only what is down, or has been: of what is well there may be thousands. */
static void
put_checks(const cJSON *checks, FILE *out)
{
	int n = cJSON_GetArraySize(checks), nup = 0, nshown = 0;
	const cJSON *o;

	if (n == 0)
		return;
	cJSON_ArrayForEach(o, checks)
		nup += cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "up"));
	fprintf(out, "\n%d endpoints checked here, %d up\n", n, nup);
	cJSON_ArrayForEach(o, checks) {
		bool is_up = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "up"));
		char ep[80];

		if (is_up && number_of(o, "transitions") == 0)
			continue;
		if (nshown++ == 0)
			fprintf(out, "%-36s %-28s %-5s %-8s %s\n", "SERVICE", "CHECKED",
			    "STATE", "CHANGES", "LAST FAILURE");
		snprintf(ep, sizeof(ep), "%s port %d", text_of(o, "ip"),
		    number_of(o, "port"));
		fprintf(out, "%-36s %-28s %-5s %-8d %s\n", text_of(o, "service"), ep,
		    is_up ? "up" : "down", number_of(o, "transitions"),
		    text_of(o, "error"));
	}
}

static void
put_quorums(const cJSON *quorums, FILE *out)
{
	int nshown = 0;
	const cJSON *o;

	cJSON_ArrayForEach(o, quorums) {
		if (strcmp(text_of(o, "served"), "endpoints") == 0)
			continue;
		if (nshown++ == 0)
			fprintf(out, "\n%-36s %-28s %-10s %s\n", "WITHOUT QUORUM", "VIP",
			    "SERVED BY", "UP");
		fprintf(out, "%-36s %-28s %-10s %d of %d\n", text_of(o, "service"),
		    text_of(o, "vip"), text_of(o, "served"), number_of(o, "up"),
		    number_of(o, "needed"));
	}
}

static void
put_obstacles(const cJSON *obstacles, FILE *out)
{
	const cJSON *o;

	if (cJSON_GetArraySize(obstacles) > 0)
		fprintf(out, "\nIN THE WAY ON THIS HOST\n");
	cJSON_ArrayForEach(o, obstacles)
		fprintf(out, "%s\n", text_of(o, "text"));
}

static void
put_warnings(const cJSON *warnings, FILE *out)
{
	const cJSON *o;

	if (cJSON_GetArraySize(warnings) > 0)
		fprintf(out, "\nWARNINGS\n");
	cJSON_ArrayForEach(o, warnings)
		fprintf(out, "%s\n", cJSON_IsString(o) ? o->valuestring : "-");
}

int
status_decode(const char *json, FILE *out)
{
	cJSON *top = cJSON_Parse(json);

	if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(top, "node"))) {
		cJSON_Delete(top);
		return -EINVAL;
	}
	fprintf(out, "Node %s, Herald %s\n", text_of(top, "node"),
	    text_of(top, "version"));
	put_nodes(cJSON_GetObjectItemCaseSensitive(top, "nodes"), out);
	put_vips(cJSON_GetObjectItemCaseSensitive(top, "vips"), out);
	put_peers(cJSON_GetObjectItemCaseSensitive(top, "bgp"), out);
	put_services(cJSON_GetObjectItemCaseSensitive(top, "services"), out);
	put_checks(cJSON_GetObjectItemCaseSensitive(top, "checks"), out);
	put_quorums(cJSON_GetObjectItemCaseSensitive(top, "quorums"), out);
	put_obstacles(cJSON_GetObjectItemCaseSensitive(top, "obstacles"), out);
	put_warnings(cJSON_GetObjectItemCaseSensitive(top, "warnings"), out);
	cJSON_Delete(top);
	return 0;
}
