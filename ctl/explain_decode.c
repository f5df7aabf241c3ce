#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "ctl/explain_decode.h"

static const cJSON *
field(const cJSON *o, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(o, name);
}

static const char *
text(struct arena *a, const cJSON *o, const char *name)
{
	const cJSON *v = field(o, name);

	return cJSON_IsString(v) ? arena_strdup(a, v->valuestring) : NULL;
}

static unsigned
number(const cJSON *o, const char *name)
{
	const cJSON *v = field(o, name);

	return cJSON_IsNumber(v) && v->valueint > 0 ? (unsigned)v->valueint : 0;
}

/* An item's VIP; false where it is none of the Service's. */
static bool
vip_of(const cJSON *o, const char *name, const struct kube_object *svc, struct ip *ret)
{
	const cJSON *v = field(o, name);

	if (!cJSON_IsString(v) || ip_parse(v->valuestring, ret) != 0)
		return false;
	for (size_t i = 0; i < svc->service.ningress; i++) {
		if (ip_eq(&svc->service.ingress[i].ip, ret))
			return true;
	}
	return false;
}

/* Room for all items of an array. */
static void *
room(struct arena *a, const cJSON *array, size_t size)
{
	return arena_array(a, (size_t)cJSON_GetArraySize(array), size);
}

static void
read_vips(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const cJSON *o;
	struct ip vip;

	s->views = arena_array(a, svc->service.ningress, sizeof(*s->views));
	cJSON_ArrayForEach(o, array) {
		if (s->nviews == svc->service.ningress || !vip_of(o, "ip", svc, &vip))
			continue;
		s->views[s->nviews++] = (struct explain_view){ .vip = vip,
		    .owner = text(a, o, "owner"), .reason = text(a, o, "reason"),
		    .is_programmed = cJSON_IsTrue(field(o, "programmed")),
		    .is_announced = cJSON_IsTrue(field(o, "announced")),
		    .is_held = cJSON_IsTrue(field(o, "held")) };
	}
}

static void
read_sessions(const cJSON *array, struct arena *a, struct explain_speaker *s)
{
	const cJSON *o;

	s->sessions = room(a, array, sizeof(*s->sessions));
	cJSON_ArrayForEach(o, array) {
		struct explain_session q = { .peer = text(a, o, "name"),
			.state = text(a, o, "state"), .reason = text(a, o, "reason") };

		if (q.peer != NULL && q.state != NULL)
			s->sessions[s->nsessions++] = q;
	}
}

static void
read_conflicts(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const cJSON *o;

	s->conflicts = room(a, array, sizeof(*s->conflicts));
	cJSON_ArrayForEach(o, array) {
		struct explain_conflict c = { .ifname = text(a, o, "interface"),
			.mac = text(a, o, "mac") };

		if (c.ifname != NULL && c.mac != NULL && vip_of(o, "ip", svc, &c.vip))
			s->conflicts[s->nconflicts++] = c;
	}
}

static void
read_quorums(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const cJSON *o;
	struct ip vip;

	s->quorums = room(a, array, sizeof(*s->quorums));
	cJSON_ArrayForEach(o, array) {
		struct explain_quorum q = { .nup = number(o, "up"),
			.nneeded = number(o, "needed") };

		if (!vip_of(o, "vip", svc, &vip))
			continue;
		q.port = text(a, o, "service");
		q.served = text(a, o, "served");
		if (q.port != NULL && q.served != NULL)
			s->quorums[s->nquorums++] = q;
	}
}

static void
read_crowds(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const cJSON *o;
	struct ip vip;

	s->crowds = room(a, array, sizeof(*s->crowds));
	cJSON_ArrayForEach(o, array) {
		struct explain_crowd c = { .nserving = number(o, "serving"),
			.nomitted = number(o, "omitted"), .nslots = number(o, "slots") };

		if (c.nserving == 0 || !vip_of(o, "vip", svc, &vip))
			continue;
		c.port = text(a, o, "service");
		if (c.port != NULL)
			s->crowds[s->ncrowds++] = c;
	}
}

static bool
has_far(const struct explain_speaker *s, const char *ip, unsigned port)
{
	for (size_t i = 0; i < s->npassed_over; i++) {
		if (s->passed_over[i].port == port && strcmp(s->passed_over[i].ip, ip) == 0)
			return true;
	}
	return false;
}

/* Those of one "services" item that are passed over; several items may have them. */
static void
read_far(const cJSON *endpoints, struct arena *a, struct explain_speaker *s)
{
	struct explain_far *all = arena_array(a, s->npassed_over +
	    (size_t)cJSON_GetArraySize(endpoints), sizeof(*all));
	const cJSON *o;

	for (size_t i = 0; i < s->npassed_over; i++)
		all[i] = s->passed_over[i];
	s->passed_over = all;
	cJSON_ArrayForEach(o, endpoints) {
		struct explain_far e = { .port = number(o, "port") };

		if (!cJSON_IsTrue(field(o, "passed_over")))
			continue;
		e.ip = text(a, o, "ip");
		if (e.ip != NULL && !has_far(s, e.ip, e.port))
			s->passed_over[s->npassed_over++] = e;
	}
}

/* A VIP may be shared: it is the name that tells. */
static void
read_services(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const char *key = arena_printf(a, "%s/%s:", svc->meta.ns, svc->meta.name), *name;
	const cJSON *o;

	cJSON_ArrayForEach(o, array) {
		name = cJSON_GetStringValue(field(o, "name"));
		if (name != NULL && strncmp(name, key, strlen(key)) == 0)
			read_far(field(o, "endpoints"), a, s);
	}
}

static void
read_failing(const cJSON *array, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *s)
{
	const char *key = arena_printf(a, "%s/%s", svc->meta.ns, svc->meta.name), *of;
	const cJSON *o;

	s->failing = room(a, array, sizeof(*s->failing));
	cJSON_ArrayForEach(o, array) {
		struct explain_check c = { .port = number(o, "port") };

		of = cJSON_GetStringValue(field(o, "service"));
		if (of == NULL || strcmp(of, key) != 0 || !cJSON_IsFalse(field(o, "up")))
			continue;
		c.ip = text(a, o, "ip");
		c.error = text(a, o, "error");
		if (c.ip != NULL)
			s->failing[s->nfailing++] = c;
	}
}

/* warnings: those about the Service count, "NS/NAME: ..." or "NS/NAME:PORT...". */
static void
read_obstacles(const cJSON *array, const cJSON *warnings, const struct kube_object *svc,
    struct arena *a, struct explain_speaker *s)
{
	const char *key = arena_printf(a, "%s/%s:", svc->meta.ns, svc->meta.name);
	const cJSON *o;

	s->obstacles = arena_array(a, (size_t)cJSON_GetArraySize(array) +
	    (size_t)cJSON_GetArraySize(warnings), sizeof(*s->obstacles));
	cJSON_ArrayForEach(o, warnings) {
		const char *text = cJSON_GetStringValue(o);

		if (text != NULL && strncmp(text, key, strlen(key)) == 0)
			s->obstacles[s->nobstacles++] = (struct explain_obstacle){
				.step = "plan", .text = arena_strdup(a, text) };
	}
	cJSON_ArrayForEach(o, array) {
		struct explain_obstacle b = { .step = "host",
			.text = text(a, o, "text"),
			.is_of_held = cJSON_IsString(field(o, "vip")),
			.is_stop = cJSON_IsTrue(field(o, "stops")) };

		if (b.text != NULL)
			s->obstacles[s->nobstacles++] = b;
	}
}

int
explain_decode(const char *json, const struct kube_object *svc, struct arena *a,
    struct explain_speaker *ret)
{
	cJSON *top = cJSON_Parse(json);
	struct explain_speaker s = { .node = ret->node, .trouble = ret->trouble };

	if (!cJSON_IsString(field(top, "node"))) {
		cJSON_Delete(top);
		return -EINVAL;
	}
	read_vips(field(top, "vips"), svc, a, &s);
	read_sessions(field(top, "bgp"), a, &s);
	read_conflicts(field(top, "conflicts"), svc, a, &s);
	read_quorums(field(top, "quorums"), svc, a, &s);
	read_crowds(field(top, "crowds"), svc, a, &s);
	read_services(field(top, "services"), svc, a, &s);
	read_failing(field(top, "checks"), svc, a, &s);
	read_obstacles(field(top, "obstacles"), field(top, "warnings"), svc, a, &s);
	cJSON_Delete(top);
	*ret = s;
	return 0;
}
