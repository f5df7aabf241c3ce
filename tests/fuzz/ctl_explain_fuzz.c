/*
 * A speaker's /status as anybody might send it to heraldctl explain, and what is
 * made of it: words that are the Service's VIPs' alone, and lines that all say
 * something.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/explain_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
judge(const struct kube_object *svc, const struct explain_speaker *s)
{
	struct kube_store *store = kube_store_new();
	struct kube_object *copy = kube_object_new(svc->kind, 0);
	struct explain e;

	copy->meta = svc->meta;
	copy->service = svc->service;
	kube_store_put(store, copy);
	explain_run(&(struct explain_input){ .store = store, .ns = "d", .name = "web",
	    .speakers = s, .nspeakers = 1 }, &e);
	expect(e.n > 0);
	for (size_t i = 0; i < e.n; i++)
		expect(e.lines[i].text[0] != '\0' && e.lines[i].step[0] != '\0');
	explain_fini(&e);
	kube_store_free(store);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_ingress vips[] = { { .ip = ip_from_v4(0x0a000903) },
	    { .ip = ip_from_v4(0x0a000904) } };
	struct kube_object svc = { .kind = KUBE_SERVICE,
	    .meta = { .ns = "d", .name = "web" }, .service = {
	    .is_load_balancer = true, .ingress = vips, .ningress = 2 } };
	struct explain_speaker s = { .node = "n1" };
	struct arena arena = { NULL };
	char *json = strndup((const char *)data, size);

	if (explain_decode(json, &svc, &arena, &s) == 0) {
		expect(s.nviews <= 2);
		for (size_t i = 0; i < s.nviews; i++)
			expect(ip_eq(&s.views[i].vip, &vips[0].ip) ||
			    ip_eq(&s.views[i].vip, &vips[1].ip));
		judge(&svc, &s);
	} else {
		expect(s.nviews == 0 && s.views == NULL);
	}
	arena_fini(&arena);
	free(json);
	return 0;
}
