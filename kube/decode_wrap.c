/*
 * decode_wrap.c - what the API wraps objects in: a page of a List, an event of
 * a watch; and the Status it answers with when it refuses.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "lib/mem.h"

/* A string field cut to size; "" where it is absent or no string. */
static void
peek_into(const cJSON *node, const char *key, char *buf, size_t size)
{
	const cJSON *c = cJSON_GetObjectItemCaseSensitive(node, key);

	snprintf(buf, size, "%s", cJSON_IsString(c) ? c->valuestring : "");
}

static int
list_check(const cJSON *tree, enum kube_kind kind, const cJSON **ret_items,
    struct kube_error *err)
{
	const cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
	char got[64], want[64];

	peek_into(tree, "kind", got, sizeof(got));
	snprintf(want, sizeof(want), "%sList", kube_kind_name(kind));
	if (strcmp(got, want) != 0) {
		kube_error_set(err, "kind: \"%s\": a %s was expected; does the "
		    "URL lead to a Kubernetes API server?", got, want);
		return -EINVAL;
	}
	/* Go writes an empty list as null. */
	if (!cJSON_IsArray(items) && !cJSON_IsNull(items) && items != NULL) {
		kube_error_set(err, "items: an array belongs here");
		return -EINVAL;
	}
	*ret_items = items;
	return 0;
}

int
kube_decode_list(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, kube_item_fn *fn, void *arg,
    struct kube_page *ret_page, struct kube_error *ret_err)
{
	struct dec_opts opts = { .api_group = api_group, .kind = kind };
	struct kube_page page = { .remaining = -1 };
	cJSON *tree = dec_parse(json, len, ret_err);
	const cJSON *items, *meta, *cont, *n;
	int rc = -EINVAL;

	if (tree == NULL || (rc = list_check(tree, kind, &items, ret_err)) != 0)
		goto out;
	for (const cJSON *c = items != NULL ? items->child : NULL; c != NULL;
	     c = c->next) {
		struct dec_answer ans;

		page.nitems++;
		if (dec_tree(c, &opts, &ans) != 0)
			page.nrefused++;
		fn(arg, &ans.id, ans.object, &ans.err);
	}
	meta = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
	cont = cJSON_GetObjectItemCaseSensitive(meta, "continue");
	n = cJSON_GetObjectItemCaseSensitive(meta, "remainingItemCount");
	peek_into(meta, "resourceVersion", page.resource_version,
	    sizeof(page.resource_version));
	if (cJSON_IsString(cont) && cont->valuestring[0] != '\0')
		page.cont = mem_strdup(cont->valuestring);
	if (cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble < 1e15)
		page.remaining = (long)n->valuedouble;
	*ret_page = page;
out:
	cJSON_Delete(tree);
	return rc;
}

static int
status_decode(const cJSON *tree, struct kube_status *ret)
{
	struct kube_status st = { .code = 0 };
	const cJSON *code = cJSON_GetObjectItemCaseSensitive(tree, "code");
	const cJSON *details = cJSON_GetObjectItemCaseSensitive(tree, "details");
	const cJSON *sec = cJSON_GetObjectItemCaseSensitive(details,
	    "retryAfterSeconds");
	char kind[16];

	peek_into(tree, "kind", kind, sizeof(kind));
	if (strcmp(kind, "Status") != 0)
		return -EINVAL;
	if (cJSON_IsNumber(code) && code->valuedouble > 0 &&
	    code->valuedouble < 1000)
		st.code = (int)code->valuedouble;
	if (cJSON_IsNumber(sec) && sec->valuedouble > 0 && sec->valuedouble < 1e6)
		st.retry_after_sec = (int)sec->valuedouble;
	peek_into(tree, "reason", st.reason, sizeof(st.reason));
	peek_into(tree, "message", st.message, sizeof(st.message));
	*ret = st;
	return 0;
}

int
kube_decode_status(const char *json, size_t len, struct kube_status *ret)
{
	cJSON *tree = dec_parse(json, len, NULL);
	int rc = status_decode(tree, ret);

	cJSON_Delete(tree);
	return rc;
}

static const struct dec_word watch_types[] = {
	{ "ADDED", KUBE_WATCH_ADDED },
	{ "MODIFIED", KUBE_WATCH_MODIFIED },
	{ "DELETED", KUBE_WATCH_DELETED },
	{ "BOOKMARK", KUBE_WATCH_BOOKMARK },
	{ "ERROR", KUBE_WATCH_ERROR },
	{ NULL, 0 },
};

/* Who a DELETED event is about: an object we refuse must still be let go. */
static int
watch_ident(const cJSON *object, enum kube_kind kind, struct kube_ident *ret_id)
{
	const cJSON *meta = cJSON_GetObjectItemCaseSensitive(object, "metadata");

	*ret_id = (struct kube_ident){ .kind = kind };
	peek_into(meta, "namespace", ret_id->ns, sizeof(ret_id->ns));
	peek_into(meta, "name", ret_id->name, sizeof(ret_id->name));
	peek_into(meta, "resourceVersion", ret_id->resource_version,
	    sizeof(ret_id->resource_version));
	return cJSON_IsObject(meta) ? 0 : -EINVAL;
}

static int
watch_decode(const cJSON *tree, const struct dec_opts *opts,
    struct kube_watch_event *ev, struct kube_error *err)
{
	struct dec d = { .err = err };
	struct dec_at root = { .node = tree };
	struct dec_at type = dec_field(&root, "type");
	struct dec_at object = dec_field(&root, "object");
	int t = dec_word(&d, &type, watch_types, -1);

	if (t < 0)
		dec_fail(&d, &type, "is missing: this is no watch event");
	if (!dec_is_object(&d, &object))
		dec_fail(&d, &object, "is missing: this is no watch event");
	if (d.is_bad)
		return -EINVAL;
	ev->type = (enum kube_watch_type)t;
	if (ev->type == KUBE_WATCH_ERROR) {
		ev->id.kind = opts->kind;
		if (status_decode(object.node, &ev->status) != 0)
			dec_fail(&d, &object, "a Status was expected");
	} else if (watch_ident(object.node, opts->kind, &ev->id) != 0) {
		dec_fail(&d, &object, "has no metadata");
	} else if (ev->type == KUBE_WATCH_ADDED ||
	    ev->type == KUBE_WATCH_MODIFIED) {
		struct dec_answer ans;

		(void)dec_tree(object.node, opts, &ans);
		ev->object = ans.object;
		ev->why = ans.err;
	}
	return d.is_bad ? -EINVAL : 0;
}

int
kube_decode_watch(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, struct kube_watch_event *ret_ev,
    struct kube_error *ret_err)
{
	struct dec_opts opts = { .api_group = api_group, .kind = kind };
	struct kube_watch_event ev = { .object = NULL };
	cJSON *tree = dec_parse(json, len, ret_err);
	int rc;

	if (tree == NULL)
		return -EINVAL;
	rc = watch_decode(tree, &opts, &ev, ret_err);
	cJSON_Delete(tree);
	if (rc == 0)
		*ret_ev = ev;
	return rc;
}
