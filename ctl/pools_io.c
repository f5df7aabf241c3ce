#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/fetch_io.h"
#include "ctl/files.h"
#include "ctl/import.h"
#include "ctl/plan_encode.h"
#include "ctl/pools_io.h"
#include "lib/mem.h"

#define NS_DEFAULT "herald-system"
#define NS_METALLB "metallb-system"

enum { OURS = 1u << KUBE_IP_ADDRESS_POOL | 1u << KUBE_L2_ADVERTISEMENT |
    1u << KUBE_BGP_ADVERTISEMENT | 1u << KUBE_BGP_PEER | 1u << KUBE_COMMUNITY |
    1u << KUBE_BFD_PROFILE | 1u << KUBE_FORWARDING_PROFILE };

struct import {
	struct import_conf conf;
	unsigned nwritten;
	int	nproblems;
};

static bool
is_metallb(const char *group)
{
	return group != NULL && strcmp(group, KUBE_API_GROUP_METALLB) == 0;
}

static int
fetch(const struct pools_conf *conf, const char *group, const char *ns, unsigned kinds,
    unsigned spare_kinds, struct kube_store *store)
{
	const struct kube_source_conf source = { .spec = conf->source,
	    .kinds = kinds, .spare_kinds = spare_kinds, .ns = ns, .api_group = group,
	    .component = "heraldctl", .kube_context = conf->context };
	struct kube_error err = { "" };
	int rc = fetch_store(&source, store, &err);

	if (rc < 0)
		fprintf(stderr, "heraldctl: %s: %s\n",
		    conf->source != NULL ? conf->source : "the cluster", err.text);
	return rc;
}

/* --- import ---------------------------------------------------------------- */

static void
import_item(void *arg, const char *file, const struct kube_manifest_item *item)
{
	struct import *im = arg;
	char *text;

	free(item->json);
	if (item->error == 0) {
		if (import_takes(item->object->kind)) {
			import_object(&im->conf, item->object);
			im->nwritten++;
		}
		kube_object_free(item->object);
		return;
	}
	if (item->error == -ENOTSUP)
		return;
	text = mem_printf("%s:%u: not imported: %s", file, item->line, item->why);
	import_comment(&im->conf, text);
	fprintf(stderr, "heraldctl: %s\n", text);
	free(text);
	im->nproblems++;
}

static int
import_source(const struct pools_conf *conf, struct import *im)
{
	struct kube_store *store = kube_store_new();
	int rc = fetch(conf, KUBE_API_GROUP_METALLB, NS_METALLB, OURS,
	    OURS & ~(1u << KUBE_IP_ADDRESS_POOL), store);

	for (unsigned k = 0; k < KUBE_NKINDS && rc == 0; k++) {
		struct kube_list all = kube_store_list(store, (enum kube_kind)k);

		for (size_t i = 0; i < all.n; i++, im->nwritten++)
			import_object(&im->conf, all.items[i]);
	}
	kube_store_free(store);
	return rc;
}

int
pools_import(const struct pools_conf *conf, char *const *files, int n, FILE *out)
{
	const struct kube_manifest_conf manifest = {
		.api_group = KUBE_API_GROUP_METALLB, .own_ns = NS_METALLB };
	struct import im = { .conf = { .ns = conf->ns != NULL ? conf->ns : NS_DEFAULT,
	    .out = out } };
	int rc;

	import_comment(&im.conf, "From MetalLB's objects, by heraldctl import metallb.\n"
	    "Services need no change: their metallb.io annotations are understood.");
	if (n > 0)
		rc = files_read(files, n, &manifest, import_item, &im);
	else
		rc = import_source(conf, &im);
	if (rc < 0)
		return rc;
	if (im.nwritten == 0) {
		fprintf(stderr, "heraldctl: there are no objects of MetalLB's here\n");
		im.nproblems++;
	}
	return im.nproblems;
}

/* --- plan ------------------------------------------------------------------ */

struct planning {
	struct kube_store *change;
	const char *ns;
	FILE	*out;
	int	nproblems;
};

static void
plan_problem(struct planning *pl, const char *file, unsigned line, const char *why)
{
	fprintf(stderr, "heraldctl: %s:%u: %s\n", file, line, why);
	pl->nproblems++;
}

static void
plan_item(void *arg, const char *file, const struct kube_manifest_item *item)
{
	struct planning *pl = arg;
	struct kube_object *o = item->object;

	free(item->json);
	if (item->error == -ENOTSUP)
		return;
	if (item->error != 0) {
		plan_problem(pl, file, item->line, item->why);
		return;
	}
	if (!kube_kind_is_custom(o->kind)) {
		kube_object_free(o);
		return;
	}
	if (strcmp(o->meta.ns, pl->ns) != 0) {
		plan_problem(pl, file, item->line, "is of another namespace than the one "
		    "that Herald reads; correct it, or use --namespace");
		kube_object_free(o);
		return;
	}
	if (kube_store_get(pl->change, o->kind, o->meta.ns, o->meta.name) != NULL) {
		plan_problem(pl, file, item->line, "is there twice; remove one");
		kube_object_free(o);
		return;
	}
	(void)kube_store_put(pl->change, o);
}

int
pools_plan(const struct pools_conf *conf, char *const *files, int n, FILE *out)
{
	const char *ns = conf->ns != NULL ? conf->ns :
	    is_metallb(conf->api_group) ? NS_METALLB : NS_DEFAULT;
	const struct kube_manifest_conf manifest = { .api_group = conf->api_group,
	    .own_ns = ns };
	struct kube_store *s = kube_store_new();
	struct planning pl = { .change = kube_store_new(), .ns = ns, .out = out };
	int rc = files_read(files, n, &manifest, plan_item, &pl);
	struct plan plan;

	if (rc == 0)
		rc = fetch(conf, conf->api_group, ns, OURS | 1u << KUBE_SERVICE |
		    1u << KUBE_NODE | 1u << KUBE_NAMESPACE,
		    OURS & ~(1u << KUBE_IP_ADDRESS_POOL), s);
	if (rc == 0) {
		plan_run(s, pl.change, &(struct plan_conf){ .lb_class = conf->lb_class,
		    .is_all = conf->is_all }, &plan);
		if (conf->is_json)
			plan_print_json(&plan, conf->is_brief, out);
		else
			plan_print(&plan, conf->is_brief, out);
		rc = pl.nproblems + (int)(plan.count[PLAN_MOVE] +
		    plan.count[PLAN_LOSE] + plan.nrefused);
		plan_fini(&plan);
	}
	kube_store_free(pl.change);
	kube_store_free(s);
	return rc;
}
