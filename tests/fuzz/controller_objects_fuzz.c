/*
 * Manifests of any kind, as somebody might write them, through decoder,
 * configuration and reconcile to decisions: the first byte says how they are
 * read (bit 0: YAML; bit 1: MetalLB's API group). Whatever they hold, an
 * address given is of a pool and not reserved, is given to two Services only
 * where they may share it, and who gets none is told why. Then the decisions
 * are carried out, the pools taken away one by one, and it holds again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/reconcile.h"
#include "controller/request.h"
#include "controller/status.h"
#include "kube/manifest.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rather many small objects than few with thousands of ports. */
enum { OBJECTS_MAX = 64 };

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
on_item(void *arg, const struct kube_manifest_item *item)
{
	struct kube_store *s = arg;
	struct kube_object *o = item->object;

	free(item->json);
	if (item->error != 0) {
		expect(item->why[0] != '\0');
		return;
	}
	if (kube_store_list(s, o->kind).n >= OBJECTS_MAX) {
		kube_object_free(o);
		return;
	}
	kube_store_put(s, o);
}

static bool
holds(const struct decision *d, const struct ip *ip)
{
	return (d->naddrs > 0 && ip_eq(&d->addrs[0], ip)) ||
	    (d->naddrs > 1 && ip_eq(&d->addrs[1], ip));
}

/* By the rules as README and manual state them, ports apart. */
static bool
may_share(const struct pool *p, const struct kube_object *a, const struct kube_object *b)
{
	struct request ra, rb;
	struct kube_error err;

	(void)request_parse(a, &ra, &err);
	(void)request_parse(b, &rb, &err);
	return ra.share_key != NULL && rb.share_key != NULL &&
	    strcmp(ra.share_key, rb.share_key) == 0 &&
	    a->service.external_policy == b->service.external_policy &&
	    (p->is_shared_across || strcmp(a->meta.ns, b->meta.ns) == 0);
}

static void
check(const struct config *c, const struct reconcile *r)
{
	for (size_t i = 0; i < r->ndecisions; i++) {
		const struct decision *d = &r->decisions[i];

		expect(d->naddrs > 0 || d->problem != NULL ||
		    !d->svc->service.is_load_balancer);
		for (unsigned k = 0; k < d->naddrs; k++) {
			const struct pool_span *span = pool_set_span(&c->pools,
			    &d->addrs[k]);
			const struct pool *p;

			expect(span != NULL);
			p = &c->pools.pools[span->pool];
			expect(rangeset_find(p->reserved, &d->addrs[k]) == NULL);
			for (size_t j = 0; j < i; j++)
				expect(!holds(&r->decisions[j], &d->addrs[k]) ||
				    may_share(p, d->svc, r->decisions[j].svc));
		}
	}
}

static void
carry_out(struct kube_store *s, const struct reconcile *r)
{
	struct kube_list all = kube_store_list(s, KUBE_SERVICE);

	for (size_t i = 0; i < r->ndecisions; i++) {
		const struct decision *d = &r->decisions[i];
		struct kube_object *o = NULL;
		struct kube_ingress *in;

		for (size_t j = 0; j < all.n; j++)
			o = all.items[j] == d->svc ? all.items[j] : o;
		in = arena_array(&o->arena, d->naddrs, sizeof(*in));
		for (unsigned k = 0; k < d->naddrs; k++)
			in[k].ip = d->addrs[k];
		o->service.ingress = in;
		o->service.ningress = d->naddrs;
	}
}

static void
pass(struct kube_store *s, struct config *c, struct ledger *l)
{
	struct config fresh;
	struct reconcile r;

	config_build(s, c, &fresh);
	config_fini(c);
	*c = fresh;
	for (size_t i = 0; i < c->nproblems; i++) {
		char *text = status_patch(NULL, &c->problems[i], 1, "");

		expect(c->problems[i].text[0] != '\0' && text[0] == '{');
		free(text);
	}
	reconcile_run(&(struct reconcile_in){ .store = s, .config = c, .ledger = l }, &r);
	check(c, &r);
	carry_out(s, &r);
	reconcile_fini(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_manifest_conf conf = { .own_ns = "lb" };
	struct kube_store *s;
	struct ledger *l;
	struct config c = { 0 };
	struct kube_object *pool;

	if (size == 0)
		return 0;
	if (data[0] & 2)
		conf.api_group = KUBE_API_GROUP_METALLB;
	s = kube_store_new();
	l = ledger_new();
	kube_manifest_read((const char *)data + 1, size - 1, (data[0] & 1) == 0, &conf,
	    on_item, s);
	pass(s, &c, l);
	pass(s, &c, l);
	while ((pool = kube_store_take(s, KUBE_IP_ADDRESS_POOL)) != NULL) {
		kube_object_free(pool);
		pass(s, &c, l);
	}
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
	return 0;
}
