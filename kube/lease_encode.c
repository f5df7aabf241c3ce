#include <cjson/cJSON.h>
#include <errno.h>
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

/* The fraction behind the seconds, ".5" or ".000123", in nanoseconds. */
static int64_t
fraction_of(const char *s)
{
	int64_t unit = NSEC_PER_SEC / 10, ns = 0;

	if (*s++ != '.')
		return 0;
	for (; *s >= '0' && *s <= '9' && unit >= NSEC_PER_USEC; s++, unit /= 10)
		ns += (*s - '0') * unit;
	return ns;
}

/*
 * A MicroTime in UTC; 0 where it is none, or of no year that nanoseconds can
 * hold. Compared only for being the same.
 */
static int64_t
time_of(const cJSON *o, const char *name)
{
	const char *rest;
	struct tm tm = { 0 };

	rest = strptime(text_of(o, name), "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL || tm.tm_year < 70 || tm.tm_year >= 300)
		return 0;
	return (int64_t)timegm(&tm) * NSEC_PER_SEC + fraction_of(rest);
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
