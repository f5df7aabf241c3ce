#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kube/lease_encode.h"
#include "lib/mono.h"
#include "lib/stamp.h"

static void
add_time(cJSON *spec, const char *name, int64_t wall_ns)
{
	char text[STAMP_LEN];

	if (wall_ns != 0)
		cJSON_AddStringToObject(spec, name, stamp_micro(wall_ns, text));
}

char *
lease_encode(const struct lease_record *r, const char *ns, const char *name)
{
	cJSON *top = cJSON_CreateObject(), *meta, *spec;
	char *text;

	cJSON_AddStringToObject(top, "apiVersion", "coordination.k8s.io/v1");
	cJSON_AddStringToObject(top, "kind", "Lease");
	meta = cJSON_AddObjectToObject(top, "metadata");
	cJSON_AddStringToObject(meta, "namespace", ns);
	cJSON_AddStringToObject(meta, "name", name);
	if (r->resource_version[0] != '\0')
		cJSON_AddStringToObject(meta, "resourceVersion", r->resource_version);
	spec = cJSON_AddObjectToObject(top, "spec");
	cJSON_AddStringToObject(spec, "holderIdentity", r->holder);
	cJSON_AddNumberToObject(spec, "leaseDurationSeconds", r->duration_sec);
	cJSON_AddNumberToObject(spec, "leaseTransitions", r->transitions);
	add_time(spec, "acquireTime", r->acquired_ns);
	add_time(spec, "renewTime", r->renewed_ns);
	text = cJSON_PrintUnformatted(top);
	cJSON_Delete(top);
	return text;
}

static const char *
text_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

static uint32_t
number_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < INT32_MAX ?
	    (uint32_t)v->valuedouble : 0;
}

/* A MicroTime; 0 where it is none. Only compared for being the same. */
static int64_t
time_of(const cJSON *o, const char *name)
{
	const char *s = text_of(o, name), *rest;
	struct tm tm = { 0 };
	unsigned usec = 0;

	rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL)
		return 0;
	sscanf(rest, ".%6u", &usec);
	return (int64_t)timegm(&tm) * NSEC_PER_SEC + usec * NSEC_PER_USEC;
}

int
lease_decode(const char *json, size_t len, struct lease_record *ret)
{
	cJSON *top = cJSON_ParseWithLength(json, len);
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(top, "spec");
	const cJSON *meta = cJSON_GetObjectItemCaseSensitive(top, "metadata");
	struct lease_record r = { 0 };

	if (strcmp(text_of(top, "kind"), "Lease") != 0 || !cJSON_IsObject(meta) ||
	    strlen(text_of(spec, "holderIdentity")) >= sizeof(r.holder) ||
	    strlen(text_of(meta, "resourceVersion")) >= sizeof(r.resource_version)) {
		cJSON_Delete(top);
		return -EINVAL;
	}
	strcpy(r.holder, text_of(spec, "holderIdentity"));
	strcpy(r.resource_version, text_of(meta, "resourceVersion"));
	r.duration_sec = number_of(spec, "leaseDurationSeconds");
	r.transitions = number_of(spec, "leaseTransitions");
	r.acquired_ns = time_of(spec, "acquireTime");
	r.renewed_ns = time_of(spec, "renewTime");
	cJSON_Delete(top);
	*ret = r;
	return 0;
}
