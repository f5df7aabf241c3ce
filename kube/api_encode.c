/* api_encode.c - see api_encode.h. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "kube/api_encode.h"
#include "lib/mem.h"
#include "lib/stamp.h"

/* Print, free the tree, and give a string that plain free() takes. */
static char *
print(cJSON *tree)
{
	char *text = cJSON_PrintUnformatted(tree);

	cJSON_Delete(tree);
	if (text == NULL)
		abort();	/* only where memory is out */
	return text;
}

static void
add_string(cJSON *object, const char *key, const char *value)
{
	if (value != NULL)
		cJSON_AddStringToObject(object, key, value);
}

/* s cut to max bytes, never inside a UTF-8 sequence; heap. */
static char *
cut(const char *s, size_t max)
{
	char *copy = mem_strdup(s);
	size_t len = strlen(copy);

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)copy[len] & 0xc0) == 0x80)
			len--;
		copy[len] = '\0';
	}
	return copy;
}

char *
api_event_encode(const struct kube_event *ev, const char *api_version,
    const char *component, const char *host, int64_t now_ns)
{
	const char *ns = ev->ns != NULL && ev->ns[0] != '\0' ? ev->ns : "default";
	char *message = cut(ev->message, API_EVENT_MESSAGE_MAX);
	char *name = cut(ev->name, API_EVENT_NAME_MAX), *generate;
	char when[STAMP_LEN];
	cJSON *root = cJSON_CreateObject(), *o;

	stamp_sec(now_ns, when);
	generate = mem_printf("%s.", name);
	add_string(root, "apiVersion", "v1");
	add_string(root, "kind", "Event");
	o = cJSON_AddObjectToObject(root, "metadata");
	add_string(o, "generateName", generate);
	add_string(o, "namespace", ns);
	o = cJSON_AddObjectToObject(root, "involvedObject");
	add_string(o, "apiVersion", api_version);
	add_string(o, "kind", kube_kind_name(ev->kind));
	add_string(o, "namespace", ev->ns);
	add_string(o, "name", ev->name);
	add_string(o, "uid", ev->uid);
	add_string(root, "reason", ev->reason);
	add_string(root, "message", message);
	add_string(root, "type", ev->is_warning ? "Warning" : "Normal");
	o = cJSON_AddObjectToObject(root, "source");
	add_string(o, "component", component);
	add_string(o, "host", host);
	add_string(root, "firstTimestamp", when);
	add_string(root, "lastTimestamp", when);
	cJSON_AddNumberToObject(root, "count", 1);
	free(generate);
	free(name);
	free(message);
	return print(root);
}

char *
api_patch_encode(const char *patch, const char *resource_version)
{
	cJSON *root = cJSON_Parse(patch), *meta;

	if (!cJSON_IsObject(root)) {
		cJSON_Delete(root);
		return NULL;
	}
	if (resource_version == NULL) {
		cJSON_Delete(root);
		return mem_strdup(patch);
	}
	meta = cJSON_GetObjectItemCaseSensitive(root, "metadata");
	if (meta == NULL)
		meta = cJSON_AddObjectToObject(root, "metadata");
	cJSON_DeleteItemFromObjectCaseSensitive(meta, "resourceVersion");
	add_string(meta, "resourceVersion", resource_version);
	return print(root);
}
