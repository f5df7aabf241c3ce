#include <stdlib.h>
#include <string.h>

#include "speaker/plan_impl.h"

/* By the Service that it is on; arguments of bsearch(3) and qsort(3). */
static int
report_cmp(const void *va, const void *vb)
{
	const struct kube_service_status *a =
	    &(*(const struct kube_object *const *)va)->service_status;
	const struct kube_service_status *b =
	    &(*(const struct kube_object *const *)vb)->service_status;
	int c = strcmp(a->svc_ns, b->svc_ns);

	if (c == 0)
		c = strcmp(a->svc_name, b->svc_name);
	return c != 0 ? c : strcmp(a->node, b->node);
}

void
plan_index_reports(struct plan_ctx *ctx)
{
	struct kube_list all;

	if (!ctx->in->is_sticky)
		return;
	all = kube_store_list(ctx->in->store, KUBE_SERVICE_L2_STATUS);
	ctx->reports = arena_array(&ctx->scratch, all.n, sizeof(*ctx->reports));
	for (size_t i = 0; i < all.n; i++) {
		const struct kube_service_status *r = &all.items[i]->service_status;

		if (r->node != NULL && r->svc_ns != NULL && r->svc_name != NULL)
			ctx->reports[ctx->nreports++] = all.items[i];
	}
	if (ctx->nreports > 0)
		qsort(ctx->reports, ctx->nreports, sizeof(*ctx->reports), report_cmp);
}

bool
plan_holds(const struct plan_ctx *ctx, const struct plan_claim *claims, size_t n,
    const char *node)
{
	for (size_t i = 0; i < n && ctx->nreports > 0; i++) {
		const struct kube_object key = { .service_status = {
		    .svc_ns = claims[i].svc->meta.ns,
		    .svc_name = claims[i].svc->meta.name, .node = node } };
		const struct kube_object *want = &key;

		if (bsearch(&want, ctx->reports, ctx->nreports, sizeof(*ctx->reports),
		    report_cmp) != NULL)
			return true;
	}
	return false;
}

static bool
owns(const struct plan *p, const struct kube_service_status *r)
{
	for (size_t i = 0; i < p->nvips; i++) {
		const struct plan_vip *v = &p->vips[i];

		for (size_t j = 0; v->is_mine && j < v->nservices; j++) {
			if (strcmp(v->services[j].ns, r->svc_ns) == 0 &&
			    strcmp(v->services[j].name, r->svc_name) == 0)
				return true;
		}
	}
	return false;
}

bool
plan_has_left(const struct plan *p, const struct kube_store *store, const char *self)
{
	struct kube_list all = kube_store_list(store, KUBE_SERVICE_L2_STATUS);

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_service_status *r = &all.items[i]->service_status;

		if (r->node != NULL && strcmp(r->node, self) == 0 &&
		    r->svc_ns != NULL && r->svc_name != NULL && !owns(p, r))
			return true;
	}
	return false;
}
