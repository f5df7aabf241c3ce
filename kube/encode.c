/* encode.c - see encode.h. */
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "kube/encode.h"
#include "lib/mem.h"

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
