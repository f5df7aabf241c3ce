/*
 * What a user may write into annotations and spec.loadBalancerIP of a Service,
 * through the decision that follows from it: four lines, the addresses, the
 * pool, the sharing key, and spec.loadBalancerIP. Whatever they say, only
 * addresses of a pool are given, and who is refused is told why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/reconcile.h"
#include "controller/request.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static const char *
line(struct arena *a, char **rest)
{
	const char *s = strsep(rest, "\n");

	return arena_strdup(a, s != NULL ? s : "");
}

static struct kube_object *
service(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "heraldlb.io/loadBalancerIPs",
	    "metallb.io/address-pool", "metallb.universe.tf/allow-shared-ip" };
	struct kube_object *o = kube_object_new(KUBE_SERVICE, 0);
	char *text = arena_strndup(&o->arena, (const char *)data, size);

	o->meta.ns = "d";
	o->meta.name = "a";
	o->meta.annotations.kv = arena_array(&o->arena, 3, sizeof(struct kube_kv));
	for (size_t i = 0; i < nitems(keys); i++)
		o->meta.annotations.kv[o->meta.annotations.n++] =
		    (struct kube_kv){ keys[i], line(&o->arena, &text) };
	o->service.is_load_balancer = true;
	o->service.load_balancer_ip = line(&o->arena, &text);
	o->service.family_policy = (enum kube_ip_families)(size % 4);
	o->service.families[0] = (uint8_t[]){ 0, IP_V4, IP_V6 }[size % 3];
	return o;
}

static struct kube_object *
pool(void)
{
	struct kube_object *o = kube_object_new(KUBE_IP_ADDRESS_POOL, 0);

	o->meta.ns = "herald-system";
	o->meta.name = "p";
	o->pool.auto_assign = true;
	o->pool.naddresses = 2;
	o->pool.addresses = arena_array(&o->arena, 2, sizeof(*o->pool.addresses));
	expect(ip_range_parse("10.0.0.0/24", &o->pool.addresses[0].range) == 0);
	expect(ip_range_parse("fd00::/64", &o->pool.addresses[1].range) == 0);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kube_store *s = kube_store_new();
	struct ledger *l = ledger_new();
	struct config c;
	struct reconcile r;

	kube_store_put(s, service(data, size));
	kube_store_put(s, pool());
	config_build(s, NULL, &c);
	reconcile_run(&(struct reconcile_in){ .store = s, .config = &c, .ledger = l }, &r);
	expect(r.ndecisions == 1);
	for (unsigned i = 0; i < r.decisions[0].naddrs; i++)
		expect(pool_set_span(&c.pools, &r.decisions[0].addrs[i]) != NULL);
	expect(r.decisions[0].naddrs > 0 || r.decisions[0].problem != NULL);
	reconcile_fini(&r);
	config_fini(&c);
	ledger_free(l);
	kube_store_free(s);
	return 0;
}
