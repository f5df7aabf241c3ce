#include <errno.h>
#include <stdlib.h>

#include "controller/config.h"
#include "controller/ledger.h"
#include "controller/reconcile.h"
#include "ctl/files.h"
#include "ctl/lint.h"
#include "kube/secret.h"
#include "kube/store.h"
#include "kube/tls.h"

struct lint {
	const struct lint_conf *conf;
	struct kube_store *store;
	FILE	*out;
	int	nproblems;
	unsigned nobjects;
};

static void
on_item(void *arg, const char *file, const struct kube_manifest_item *item)
{
	struct lint *l = arg;
	struct arena *arena;

	free(item->json);
	if (item->error == -ENOTSUP)
		return;
	if (item->error != 0) {
		fprintf(l->out, "%s:%u: %s\n", file, item->line, item->why);
		l->nproblems++;
		return;
	}
	l->nobjects++;
	if (kube_store_get(l->store, item->object->kind, item->object->meta.ns,
	    item->object->meta.name) != NULL) {
		fprintf(l->out, "%s:%u: %s %s: defined before; only the first counts\n",
		    file, item->line, kube_kind_name(item->object->kind),
		    KUBE_KEY(item->object));
		l->nproblems++;
		kube_object_free(item->object);
		return;
	}
	arena = &item->object->arena;
	item->object->origin = arena_printf(arena, "%s:%u", file, item->line);
	kube_store_put(l->store, item->object);
}

static void
problem(struct lint *l, const struct kube_object *o, const char *text)
{
	fprintf(l->out, "%s: %s %s: %s\n", o->origin, kube_kind_name(o->kind),
	    KUBE_KEY(o), text);
	l->nproblems++;
}

/* A Secret that is in none of the files may well be in the cluster. */
static void
judge_passwords(struct lint *l)
{
	struct kube_list peers = kube_store_list(l->store, KUBE_BGP_PEER);
	struct kube_error err;
	const char *password;

	for (size_t i = 0; i < peers.n; i++) {
		if (kube_peer_password(l->store, peers.items[i], &password, &err) == -EINVAL)
			problem(l, peers.items[i], err.text);
	}
}

/* The same of Secrets and ConfigMaps that profiles name. */
static void
judge_tls(struct lint *l)
{
	struct kube_list profiles = kube_store_list(l->store, KUBE_FORWARDING_PROFILE);
	struct kube_error err;
	struct kube_tls tls;

	for (size_t i = 0; i < profiles.n; i++) {
		if (kube_profile_tls(l->store, profiles.items[i], &tls, &err) == -EINVAL)
			problem(l, profiles.items[i], err.text);
	}
}

/*
 * What only shows in the whole: pools that collide, names of what is not
 * there, Services left without.
 */
static void
judge_whole(struct lint *l)
{
	const struct config_problem *p;
	struct config config = { 0 };
	struct ledger *ledger = ledger_new();
	struct reconcile result;

	config_build(l->store, NULL, &config);
	for (size_t i = 0; i < config.nproblems; i++) {
		p = &config.problems[i];
		problem(l, kube_store_get(l->store, p->kind, p->ns, p->name), p->text);
	}
	reconcile_run(&(struct reconcile_in){ .store = l->store, .config = &config,
	    .ledger = ledger, .lb_class = l->conf->lb_class }, &result);
	for (size_t i = 0; i < result.ndecisions; i++) {
		if (result.decisions[i].problem != NULL)
			problem(l, result.decisions[i].svc, result.decisions[i].problem);
	}
	reconcile_fini(&result);
	ledger_free(ledger);
	config_fini(&config);
	judge_passwords(l);
	judge_tls(l);
}

int
lint_run(const struct lint_conf *conf, char *const *paths, int n, FILE *out)
{
	struct lint l = { .conf = conf, .store = kube_store_new(), .out = out };
	const struct kube_manifest_conf manifest = { .api_group = conf->api_group };
	int rc = files_read(paths, n, &manifest, on_item, &l);

	if (rc == 0) {
		judge_whole(&l);
		fprintf(out, "%u object%s, %d problem%s\n", l.nobjects,
		    l.nobjects == 1 ? "" : "s", l.nproblems,
		    l.nproblems == 1 ? "" : "s");
		rc = l.nproblems;
	}
	kube_store_free(l.store);
	return rc;
}
