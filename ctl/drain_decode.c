#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/drain_decode.h"

static void
add_owned(struct drain_view *v, const cJSON *vip)
{
	const cJSON *ip = cJSON_GetObjectItemCaseSensitive(vip, "ip");
	size_t len = strlen(v->owned);

	v->nowned++;
	/* Room for two addresses: one, and the dots of those that follow. */
	if (!cJSON_IsString(ip) || len + 2 * sizeof(", 0000:0000:0000:0000:0000:0000:"
	    "0000:0000") > sizeof(v->owned)) {
		if (len > 0 && v->owned[len - 1] != '.')
			strcat(v->owned, ", ...");
		return;
	}
	snprintf(v->owned + len, sizeof(v->owned) - len, "%s%.45s",
	    len > 0 ? ", " : "", ip->valuestring);
}

int
drain_view_decode(const char *json, struct drain_view *ret)
{
	cJSON *top = cJSON_Parse(json);
	const cJSON *node = cJSON_GetObjectItemCaseSensitive(top, "node"), *o, *item;
	struct drain_view v = { .is_drained = false };

	if (!cJSON_IsString(node)) {
		cJSON_Delete(top);
		return -EINVAL;
	}
	v.is_drained = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(top, "drained"));
	v.is_retiring = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(top, "retiring"));
	cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(top, "vips")) {
		item = cJSON_GetObjectItemCaseSensitive(o, "owner");
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, node->valuestring) == 0)
			add_owned(&v, o);
		else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "yielding")))
			v.nyielding++;
	}
	cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(top, "bgp")) {
		item = cJSON_GetObjectItemCaseSensitive(o, "prefixes");
		if (cJSON_IsNumber(item) && item->valueint > 0)
			v.nroutes += (unsigned)item->valueint;
	}
	cJSON_Delete(top);
	*ret = v;
	return 0;
}
