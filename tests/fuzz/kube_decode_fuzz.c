/*
 * JSON as the API server might send it: an object of any kind, a page of a
 * List, an event of a watch, a Status. What is refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "kube/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
item(void *arg, const struct kube_ident *id, struct kube_object *o,
    const struct kube_error *err)
{
	(void)arg;
	expect(o != NULL ? id->name[0] != '\0' : err->text[0] != '\0');
	kube_object_free(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *)data;
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	struct kube_status st;

	if (kube_decode(json, size, NULL, KUBE_NKINDS, &o, &err) == 0) {
		expect(o->meta.name != NULL && o->kind < KUBE_NKINDS);
		expect((o->meta.ns != NULL) == kube_kind_is_namespaced(o->kind));
		expect(strchr(o->meta.name, '/') == NULL);
	} else {
		expect(o == NULL && err.text[0] != '\0');
	}
	kube_object_free(o);
	(void)kube_decode_status(json, size, &st);
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		struct kube_page page = { .cont = NULL };
		struct kube_watch_event ev = { .object = NULL };

		(void)kube_decode_list(json, size, NULL, (enum kube_kind)k, item, NULL,
		    &page, &err);
		free(page.cont);
		if (kube_decode_watch(json, size, NULL, (enum kube_kind)k, &ev,
		    &err) == 0)
			expect(ev.object == NULL || ev.object->kind == (enum kube_kind)k);
		kube_object_free(ev.object);
	}
	return 0;
}
