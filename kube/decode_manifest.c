/* decode_manifest.c - see manifest.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "kube/encode.h"
#include "kube/manifest.h"
#include "kube/yaml.h"
#include "lib/mem.h"

#define NO_STATUS "{\"status\":{}}"

struct reading {
	const struct kube_manifest_conf *conf;
	kube_manifest_fn *fn;
	void	*arg;
	bool	has_lines;
};

/* For "FILE:LINE" and a version, which manifests do not have. */
enum { ORIGIN_ROOM = 48 };

static struct dec_opts
opts_of(const struct kube_manifest_conf *conf, enum kube_kind kind, bool has_lines)
{
	return (struct dec_opts){
		.api_group = conf->api_group,
		.kind = kind,
		.own_ns = conf->own_ns,
		.default_ns = "default",
		.has_lines = has_lines,
		.spare = ORIGIN_ROOM,
	};
}

/* What `kubectl get -o yaml` leaves in, large and of no use here. */
static void
drop_ballast(cJSON *tree)
{
	cJSON *meta = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
	cJSON *notes = cJSON_GetObjectItemCaseSensitive(meta, "annotations");

	cJSON_DeleteItemFromObjectCaseSensitive(meta, "managedFields");
	cJSON_DeleteItemFromObjectCaseSensitive(notes,
	    "kubectl.kubernetes.io/last-applied-configuration");
}

/* `where` goes before the error: "" or "items[3]: ". */
static void
read_object(const struct reading *r, cJSON *tree, enum kube_kind kind,
    unsigned line, const char *where)
{
	struct dec_opts opts = opts_of(r->conf, kind, r->has_lines);
	struct kube_manifest_item item = { .line = line };
	struct kube_error full;
	struct dec_answer ans;

	item.error = dec_tree(tree, &opts, &ans);
	item.id = ans.id;
	/* Of a refused Secret nothing is kept. */
	if (ans.object != NULL && (item.error == 0 || item.id.kind != KUBE_SECRET)) {
		drop_ballast(tree);
		item.json = cJSON_PrintUnformatted(tree);
		if (item.json == NULL)
			abort();	/* only where memory is out */
	}
	if (item.error == 0)
		item.object = ans.object;
	else
		kube_object_free(ans.object);	/* the stub: see manifest.h */
	if (ans.line > 0)
		item.line = ans.line;
	if (ans.err.text[0] != '\0')
		kube_error_set(&full, "%s%.460s", where, ans.err.text);
	item.why = ans.err.text[0] != '\0' ? full.text : "";
	r->fn(r->arg, &item);
}

/* "ServiceList" to KUBE_SERVICE, "List" to KUBE_NKINDS; false for others. */
static bool
list_kind(const char *kind, enum kube_kind *ret)
{
	size_t len = strlen(kind);

	if (len < 4 || strcmp(kind + len - 4, "List") != 0)
		return false;
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		const char *name = kube_kind_name((enum kube_kind)k);

		if (strlen(name) == len - 4 && memcmp(name, kind, len - 4) == 0)
			*ret = (enum kube_kind)k;
	}
	if (len == 4)
		*ret = KUBE_NKINDS;
	return len == 4 || *ret != KUBE_NKINDS;
}

static void
read_tree(const struct reading *r, cJSON *tree, unsigned line)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(tree, "kind");
	cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
	enum kube_kind of = KUBE_NKINDS;
	size_t i = 0;

	if (!cJSON_IsString(kind) || !cJSON_IsArray(items) ||
	    !list_kind(kind->valuestring, &of)) {
		read_object(r, tree, KUBE_NKINDS, line, "");
		return;
	}
	for (cJSON *c = items->child; c != NULL; c = c->next) {
		unsigned item_line = r->has_lines && c->valueint > 0 ?
		    (unsigned)c->valueint : line;
		char where[32];

		snprintf(where, sizeof(where), "items[%zu]: ", i++);
		read_object(r, c, of, item_line, where);
	}
}

static void
report_fault(const struct reading *r, unsigned line, const char *why)
{
	struct kube_manifest_item item = {
		.error = -EINVAL,
		.line = line,
		.id.kind = KUBE_NKINDS,
		.why = why,
	};

	r->fn(r->arg, &item);
}

static void
on_yaml(void *arg, cJSON *tree, unsigned line, const struct kube_error *err)
{
	const struct reading *r = arg;

	if (tree == NULL) {
		report_fault(r, line, err->text);
		return;
	}
	read_tree(r, tree, line);
	cJSON_Delete(tree);
}

static unsigned
count_lines(const char *from, const char *to)
{
	unsigned n = 0;

	for (; from < to; from++)
		n += *from == '\n';
	return n;
}

static void
read_json(const struct reading *r, const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	unsigned line = 1;

	for (;;) {
		const char *stop = NULL, *from = p;
		cJSON *tree;

		while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' ||
		    *p == '\n'))
			p++;
		line += count_lines(from, p);
		if (p == end)
			return;
		tree = cJSON_ParseWithLengthOpts(p, (size_t)(end - p), &stop, false);
		if (tree == NULL) {
			if (stop != NULL && stop > p && stop <= end)
				line += count_lines(p, stop);
			report_fault(r, line, "this is no JSON, or it breaks off; "
			    "check quotes, commas and brackets");
			return;
		}
		read_tree(r, tree, line);
		cJSON_Delete(tree);
		line += count_lines(p, stop);
		p = stop;
	}
}

void
kube_manifest_read(const char *text, size_t len, bool is_json,
    const struct kube_manifest_conf *conf, kube_manifest_fn *fn, void *arg)
{
	struct reading r = { .conf = conf, .fn = fn, .arg = arg,
		.has_lines = !is_json };

	if (len > KUBE_MANIFEST_MAX)
		report_fault(&r, 1, "the file is longer than 16 MiB; split it");
	else if (is_json)
		read_json(&r, text, len);
	else
		kube_yaml_read(text, len, on_yaml, &r);
}

/* Names of the second that are in the first, too, are the second's. */
static void
lay_over(cJSON *map, cJSON *over)
{
	cJSON *c;

	while ((c = cJSON_DetachItemFromArray(over, 0)) != NULL) {
		cJSON_DeleteItemFromObjectCaseSensitive(map, c->string);
		cJSON_AddItemToObject(map, c->string, c);
	}
}

/* The object c of that name in o, made where it is not one. */
static cJSON *
child_object(cJSON *o, const char *name)
{
	cJSON *c = cJSON_GetObjectItemCaseSensitive(o, name);

	if (cJSON_IsObject(c))
		return c;
	cJSON_DeleteItemFromObjectCaseSensitive(o, name);
	return cJSON_AddObjectToObject(o, name);
}

/*
 * Move what may lie over a manifest out of tree, an object, into one of its
 * own: {"metadata":{"annotations":...},"status":...}, as far as it is there.
 */
static cJSON *
overlay_take(cJSON *tree)
{
	cJSON *only = cJSON_CreateObject();
	cJSON *notes = cJSON_DetachItemFromObjectCaseSensitive(
	    cJSON_GetObjectItemCaseSensitive(tree, "metadata"), "annotations");
	cJSON *s = cJSON_DetachItemFromObjectCaseSensitive(tree, "status");

	if (cJSON_GetArraySize(notes) > 0)
		cJSON_AddItemToObject(child_object(only, "metadata"), "annotations",
		    notes);
	else
		cJSON_Delete(notes);
	if (s != NULL)
		cJSON_AddItemToObject(only, "status", s);
	return only;
}

/* json as a tree, what the overlay has laid over it. */
static cJSON *
tree_with_overlay(const char *json, const char *overlay, struct kube_error *err)
{
	cJSON *tree = dec_parse(json, strlen(json), err), *over, *only, *c;

	if (tree == NULL || overlay == NULL)
		return tree;
	over = dec_parse(overlay, strlen(overlay), err);
	only = overlay_take(over);
	if (only->child == NULL) {
		if (over != NULL)
			kube_error_set(err, "status: is missing; it must hold "
			    "{\"status\":...}");
		cJSON_Delete(tree);
		tree = NULL;
	}
	if ((c = cJSON_DetachItemFromObjectCaseSensitive(only, "status")) != NULL) {
		cJSON_DeleteItemFromObjectCaseSensitive(tree, "status");
		cJSON_AddItemToObject(tree, "status", c);
	}
	if ((c = cJSON_GetObjectItemCaseSensitive(only, "metadata")) != NULL)
		lay_over(child_object(child_object(tree, "metadata"), "annotations"),
		    c->child);
	cJSON_Delete(only);
	cJSON_Delete(over);
	return tree;
}

/* As dec_tree(), also where there is no tree to read. */
static int
decode(const char *json, enum kube_kind kind, const char *overlay,
    const struct kube_manifest_conf *conf, struct dec_answer *ret)
{
	struct dec_opts opts = opts_of(conf, kind, false);
	cJSON *tree;
	int rc = -EINVAL;

	*ret = (struct dec_answer){ .id.kind = kind };
	tree = tree_with_overlay(json, overlay, &ret->err);
	if (tree != NULL)
		rc = dec_tree(tree, &opts, ret);
	cJSON_Delete(tree);
	return rc;
}

int
kube_manifest_decode(const char *json, enum kube_kind kind, const char *overlay,
    const struct kube_manifest_conf *conf, struct kube_object **ret_obj,
    struct kube_error *ret_err)
{
	struct dec_answer ans;
	int rc = decode(json, kind, overlay, conf, &ans);

	if (rc == 0) {
		*ret_obj = ans.object;
		return 0;
	}
	kube_object_free(ans.object);
	*ret_err = ans.err;
	return rc;
}

struct kube_object *
kube_manifest_stub(const char *json, enum kube_kind kind, const char *overlay,
    const struct kube_manifest_conf *conf)
{
	struct dec_answer ans;

	if (decode(json, kind, overlay, conf, &ans) != 0)
		return ans.object;
	kube_object_free(ans.object);
	return NULL;
}

/*
 * The overlay that a patch is merged into. A patch of the status finds the
 * manifest's, where none lies over it yet; one of annotations only must not
 * keep that from being followed.
 */
static cJSON *
overlay_before(const char *json, const char *overlay, const cJSON *patch)
{
	cJSON *only = cJSON_Parse(overlay != NULL ? overlay : "{}"), *tree, *s;

	if (cJSON_HasObjectItem(only, "status") || !cJSON_HasObjectItem(patch, "status"))
		return only;
	tree = cJSON_Parse(json);
	s = cJSON_DetachItemFromObjectCaseSensitive(tree, "status");
	if (s != NULL)
		cJSON_AddItemToObject(only, "status", s);
	cJSON_Delete(tree);
	return only;
}

/* What the patch makes of the overlay, not looked at any further. */
static cJSON *
overlay_after(const char *json, const char *overlay, const char *patch,
    struct kube_error *err)
{
	cJSON *p = cJSON_Parse(patch), *before = overlay_before(json, overlay, p);
	char *text = cJSON_PrintUnformatted(before);
	char *merged = text != NULL ? kube_merge_patch(text, patch, err) : NULL;
	cJSON *tree = merged != NULL ? cJSON_Parse(merged) : NULL;
	cJSON *after = tree != NULL ? overlay_take(tree) : NULL;

	if (after != NULL && !cJSON_HasObjectItem(p, "metadata") &&
	    !cJSON_HasObjectItem(after, "status")) {
		kube_error_set(err, "the patch leaves no status behind; it must be "
		    "{\"status\":{...}}");
		cJSON_Delete(after);
		after = NULL;
	}
	cJSON_Delete(tree);
	free(merged);
	free(text);
	cJSON_Delete(before);
	cJSON_Delete(p);
	return after;
}

char *
kube_manifest_patch(const char *json, enum kube_kind kind, const char *overlay,
    const char *patch, const struct kube_manifest_conf *conf,
    struct kube_error *ret_err)
{
	cJSON *tree = overlay_after(json, overlay, patch, ret_err);
	bool is_bare = tree != NULL && tree->child == NULL;
	char *after = tree == NULL ? NULL : is_bare ? mem_strdup("") :
	    cJSON_PrintUnformatted(tree);
	struct kube_object *o = NULL;
	struct kube_error other;

	/* Of one that is refused without it, too, the status is as it may be. */
	if (after != NULL && kube_manifest_decode(json, kind, is_bare ? NULL : after,
	    conf, &o, ret_err) != 0 &&
	    kube_manifest_decode(json, kind, NO_STATUS, conf, &o, &other) == 0) {
		free(after);
		after = NULL;
	}
	kube_object_free(o);
	cJSON_Delete(tree);
	return after;
}
