/*
 * A file of manifests, YAML or (after a first byte of 'J') JSON. What a
 * document decoded to is decoded again from the text that was kept of it, and
 * its status patched.
 */
#include <stdlib.h>
#include <string.h>

#include "kube/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kube_manifest_conf conf = { .own_ns = "herald-system" };

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
item(void *arg, const struct kube_manifest_item *it)
{
	static const char patch[] = "{\"status\":{\"x\":{\"y\":1,\"z\":null}}}";
	struct kube_object *again = NULL;
	struct kube_error err;
	char *status;

	(void)arg;
	expect(it->line > 0);
	if (it->error != 0) {
		expect(it->why[0] != '\0' && it->object == NULL);
		if (it->json != NULL) {
			again = kube_manifest_stub(it->json, it->id.kind, NULL, &conf);
			expect(again != NULL && again->why_refused != NULL);
			expect(strcmp(again->meta.name, it->id.name) == 0);
		}
		kube_object_free(again);
		free(it->json);
		return;
	}
	expect(kube_manifest_decode(it->json, it->id.kind, NULL, &conf, &again,
	    &err) == 0);
	expect(again->kind == it->object->kind);
	expect(strcmp(again->meta.name, it->object->meta.name) == 0);
	kube_object_free(again);
	status = kube_manifest_patch(it->json, it->id.kind, NULL, patch, &conf, &err);
	if (status != NULL)
		expect(strstr(status, "\"y\":1") != NULL);
	free(status);
	kube_object_free(it->object);
	free(it->json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_json = size > 0 && data[0] == 'J';

	kube_manifest_read((const char *)data + is_json, size - is_json, is_json, &conf,
	    item, NULL);
	return 0;
}
