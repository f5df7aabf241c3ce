#include <cjson/cJSON.h>
#include <stdlib.h>

#include "kube/report.h"
#include "kube/report_encode.h"
#include "lib/mem.h"

static const char *
text(const char *s)
{
	return s != NULL ? s : "";
}

/* Print and free the tree. */
static char *
print(cJSON *tree)
{
	char *s = cJSON_PrintUnformatted(tree);

	cJSON_Delete(tree);
	if (s == NULL)
		abort();	/* only where memory is out */
	return s;
}

static void
add_condition(cJSON *status, const char *type, const struct kube_condition *c)
{
	cJSON *list = cJSON_AddArrayToObject(status, "conditions");
	cJSON *item = cJSON_CreateObject();

	cJSON_AddItemToArray(list, item);
	cJSON_AddStringToObject(item, "type", type);
	cJSON_AddStringToObject(item, "status", c->status);
	cJSON_AddStringToObject(item, "reason", text(c->reason));
	cJSON_AddStringToObject(item, "message", text(c->message));
	cJSON_AddStringToObject(item, "lastTransitionTime", text(c->since));
}

static void
add_service_status(cJSON *status, const struct kube_object *o)
{
	const struct kube_service_status *s = &o->service_status;
	bool is_l2 = o->kind == KUBE_SERVICE_L2_STATUS;
	cJSON *list, *item;

	cJSON_AddStringToObject(status, "serviceName", text(s->svc_name));
	cJSON_AddStringToObject(status, "serviceNamespace", text(s->svc_ns));
	list = cJSON_AddArrayToObject(status, is_l2 ? "interfaces" : "peers");
	for (size_t i = 0; i < s->nnames; i++) {
		item = cJSON_CreateString(s->names[i]);
		if (is_l2) {
			cJSON *named = cJSON_CreateObject();

			cJSON_AddItemToObject(named, "name", item);
			item = named;
		}
		cJSON_AddItemToArray(list, item);
	}
	if (is_l2 && s->conflict.status != NULL)
		add_condition(status, KUBE_REPORT_CONFLICT, &s->conflict);
}

/*
 * A merge patch leaves alone what it does not name, and takes away what it says is
 * null. Empty strings are no way to say so: there are API servers whose validation
 * takes them for null, which is no string, and refuses the object.
 */
static void
add_text(cJSON *status, const char *key, const char *s, bool is_patch)
{
	if (text(s)[0] != '\0')
		cJSON_AddStringToObject(status, key, s);
	else if (is_patch)
		cJSON_AddNullToObject(status, key);
}

static void
add_status(cJSON *root, const struct kube_object *o, bool is_patch)
{
	const struct kube_session_state *s = &o->session_state;
	cJSON *status = cJSON_AddObjectToObject(root, "status");

	cJSON_AddStringToObject(status, "node", kube_report_node(o));
	if (o->kind != KUBE_BGP_SESSION_STATE) {
		add_service_status(status, o);
		return;
	}
	add_text(status, "peer", s->peer, is_patch);
	add_text(status, "peerName", s->peer_name, is_patch);
	add_text(status, "vrf", s->vrf, is_patch);
	add_text(status, "bgpStatus", s->bgp, is_patch);
	add_text(status, "bfdStatus", s->bfd, is_patch);
}

static void
add_label(cJSON *labels, const char *group, const char *key, const char *value)
{
	char buf[KUBE_LABEL_LEN], *full = mem_printf("%s/%s", group, key);

	cJSON_AddStringToObject(labels, full, kube_label_value(text(value), buf));
	free(full);
}

static void
add_labels(cJSON *meta, const struct kube_object *o, const char *group)
{
	cJSON *labels = cJSON_AddObjectToObject(meta, "labels");

	add_label(labels, group, "node", kube_report_node(o));
	if (o->kind == KUBE_BGP_SESSION_STATE) {
		add_label(labels, group, "peer", o->session_state.peer_name);
	} else {
		add_label(labels, group, "service-name", o->service_status.svc_name);
		add_label(labels, group, "service-namespace", o->service_status.svc_ns);
	}
}

static void
add_owner(cJSON *meta, const char *node, const char *uid)
{
	cJSON *owners = cJSON_AddArrayToObject(meta, "ownerReferences");
	cJSON *owner = cJSON_CreateObject();

	cJSON_AddItemToArray(owners, owner);
	cJSON_AddStringToObject(owner, "apiVersion", "v1");
	cJSON_AddStringToObject(owner, "kind", "Node");
	cJSON_AddStringToObject(owner, "name", node);
	cJSON_AddStringToObject(owner, "uid", uid);
}

char *
kube_encode_report(const struct kube_object *o, const char *group, const char *version,
    const char *node_uid)
{
	cJSON *root = cJSON_CreateObject(), *meta;

	cJSON_AddStringToObject(root, "apiVersion", version);
	cJSON_AddStringToObject(root, "kind", kube_kind_name(o->kind));
	meta = cJSON_AddObjectToObject(root, "metadata");
	cJSON_AddStringToObject(meta, "name", o->meta.name);
	cJSON_AddStringToObject(meta, "namespace", o->meta.ns);
	add_labels(meta, o, group);
	if (node_uid != NULL)
		add_owner(meta, kube_report_node(o), node_uid);
	add_status(root, o, false);
	return print(root);
}

char *
kube_encode_report_status(const struct kube_object *o)
{
	cJSON *root = cJSON_CreateObject();

	add_status(root, o, true);
	return print(root);
}
