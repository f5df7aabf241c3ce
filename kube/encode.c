/* encode.c - see encode.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "kube/encode.h"
#include "kube/source_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	EVENT_REASON_MAX = 128,		/* bytes, by the API server */
	EVENT_MESSAGE_MAX = 1024,
	EVENT_NAME_MAX = KUBE_NAME_LEN - 1 - 17, /* leaves room for ".%016x" */
};

/* The text of a tree, which is freed. */
static char *
tree_print(cJSON *tree)
{
	char *raw = cJSON_PrintUnformatted(tree), *text;

	cJSON_Delete(tree);
	/* cJSON's allocator and ours are both malloc; NULL is no memory. */
	text = mem_strdup(raw != NULL ? raw : "");
	free(raw);
	return text;
}

char *
kube_encode_service_status(const struct kube_ingress *ingress, size_t n)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *status = cJSON_AddObjectToObject(root, "status");
	cJSON *lb = cJSON_AddObjectToObject(status, "loadBalancer");
	cJSON *list = cJSON_AddArrayToObject(lb, "ingress");

	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();

		if (ip_is_set(&ingress[i].ip))
			cJSON_AddStringToObject(item, "ip", IP_STR(&ingress[i].ip));
		if (ingress[i].hostname != NULL)
			cJSON_AddStringToObject(item, "hostname",
			    ingress[i].hostname);
		if (ingress[i].ip_mode != NULL)
			cJSON_AddStringToObject(item, "ipMode",
			    ingress[i].ip_mode);
		cJSON_AddItemToArray(list, item);
	}
	return tree_print(root);
}

const char *
kube_api_version(enum kube_kind kind, const char *api_group,
    char buf[KUBE_API_VERSION_LEN])
{
	switch (kind) {
	case KUBE_ENDPOINT_SLICE:
		snprintf(buf, KUBE_API_VERSION_LEN, "discovery.k8s.io/v1");
		break;
	case KUBE_IP_ADDRESS_POOL:
	case KUBE_L2_ADVERTISEMENT:
		snprintf(buf, KUBE_API_VERSION_LEN, "%.253s/v1beta1",
		    api_group != NULL ? api_group : KUBE_API_GROUP_DEFAULT);
		break;
	default:
		snprintf(buf, KUBE_API_VERSION_LEN, "v1");
		break;
	}
	return buf;
}

/* Add at most max bytes of s, whole UTF-8 sequences only. */
static void
add_cut(cJSON *object, const char *key, const char *s, size_t max)
{
	size_t len = strlen(s);
	char *cut;

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	cut = mem_zalloc(len + 1);
	memcpy(cut, s, len);
	cJSON_AddStringToObject(object, key, cut);
	free(cut);
}

static void
event_add_involved(cJSON *root, const struct kube_event *ev, const char *api_group)
{
	char version[KUBE_API_VERSION_LEN];
	cJSON *o = cJSON_AddObjectToObject(root, "involvedObject");

	cJSON_AddStringToObject(o, "apiVersion",
	    kube_api_version(ev->kind, api_group, version));
	cJSON_AddStringToObject(o, "kind", kube_kind_name(ev->kind));
	if (ev->ns != NULL)
		cJSON_AddStringToObject(o, "namespace", ev->ns);
	cJSON_AddStringToObject(o, "name", ev->name);
	if (ev->uid != NULL)
		cJSON_AddStringToObject(o, "uid", ev->uid);
}

char *
kube_encode_event(const struct kube_event *ev, const char *api_group,
    const char *component, const char *host, uint64_t stamp, int64_t wall_ns)
{
	cJSON *root = cJSON_CreateObject(), *meta, *source;
	char name[KUBE_NAME_LEN], now[CLOCK_RFC3339_LEN];

	snprintf(name, sizeof(name), "%.*s.%016" PRIx64, EVENT_NAME_MAX, ev->name,
	    stamp);
	clock_rfc3339_sec(wall_ns, now);
	cJSON_AddStringToObject(root, "apiVersion", "v1");
	cJSON_AddStringToObject(root, "kind", "Event");
	meta = cJSON_AddObjectToObject(root, "metadata");
	cJSON_AddStringToObject(meta, "name", name);
	cJSON_AddStringToObject(meta, "namespace",
	    ev->ns != NULL ? ev->ns : "default");
	event_add_involved(root, ev, api_group);
	add_cut(root, "reason", ev->reason, EVENT_REASON_MAX);
	add_cut(root, "message", ev->message, EVENT_MESSAGE_MAX);
	cJSON_AddStringToObject(root, "type", ev->is_warning ? "Warning" : "Normal");
	cJSON_AddStringToObject(root, "firstTimestamp", now);
	cJSON_AddStringToObject(root, "lastTimestamp", now);
	cJSON_AddNumberToObject(root, "count", 1);
	source = cJSON_AddObjectToObject(root, "source");
	cJSON_AddStringToObject(source, "component", component);
	if (host != NULL)
		cJSON_AddStringToObject(source, "host", host);
	return tree_print(root);
}

/* RFC 7386, section 2: MergePatch(Target, Patch). Takes target over. */
static cJSON *
merge(cJSON *target, const cJSON *patch)
{
	if (!cJSON_IsObject(patch)) {
		cJSON_Delete(target);
		return cJSON_Duplicate(patch, true);
	}
	if (!cJSON_IsObject(target)) {
		cJSON_Delete(target);
		target = cJSON_CreateObject();
	}
	for (const cJSON *p = patch->child; p != NULL; p = p->next) {
		cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(target,
		    p->string);

		if (cJSON_IsNull(p))
			cJSON_Delete(old);
		else
			cJSON_AddItemToObject(target, p->string, merge(old, p));
	}
	return target;
}

char *
kube_merge_patch(const char *target, const char *patch, struct kube_error *ret_err)
{
	cJSON *p = dec_parse(patch, strlen(patch), ret_err), *t = NULL;
	char *text = NULL;

	if (p != NULL)
		t = target != NULL ?
		    dec_parse(target, strlen(target), ret_err) :
		    cJSON_CreateObject();
	if (t != NULL)
		text = tree_print(merge(t, p));
	cJSON_Delete(p);
	return text;
}
