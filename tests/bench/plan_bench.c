/*
 * plan_bench.c - what one changed endpoint among many Services costs a speaker.
 *
 *	plan_bench [SERVICES [ENDPOINTS]]	(10,000 and 4)
 *
 * All the work between the API's news and the first netlink message, by its
 * parts: decode and store, plan, goal (tables and sets), the difference; first
 * where that one Service is planned anew, then where all are, as after any other
 * change. Medians in ms. The kernel is not asked; it is director_bench.py that does.
 */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipvs/diff.h"
#include "ipvs/goal.h"
#include "kube/decode.h"
#include "lib/mem.h"
#include "speaker/plan.h"

enum { NROUNDS = 21 };

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
put(struct kube_store *store, const char *json)
{
	struct kube_object *o = NULL;
	struct kube_error e = { "" };

	if (kube_decode(json, strlen(json), NULL, KUBE_NKINDS, &o, &e) != 0)
		errx(1, "%s: %s", json, e.text);
	kube_store_put(store, o);
}

static void
put_service(struct kube_store *store, unsigned i)
{
	char *json = mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":"
	    "{\"namespace\":\"d\",\"name\":\"s%u\",\"uid\":\"u%u\"},\"spec\":{\"type\":"
	    "\"LoadBalancer\",\"ports\":[{\"name\":\"web\",\"port\":80,\"targetPort\":8080,"
	    "\"protocol\":\"TCP\"}]},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":"
	    "\"10.9.%u.%u\",\"ipMode\":\"Proxy\"}]}}}", i, i, i / 250, 1 + i % 250);

	put(store, json);
	free(json);
}

static void
put_slice(struct kube_store *store, unsigned i, unsigned n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		err(1, NULL);
	fprintf(f, "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\","
	    "\"metadata\":{\"namespace\":\"d\",\"name\":\"s%u-1\",\"labels\":"
	    "{\"kubernetes.io/service-name\":\"s%u\"}},\"addressType\":\"IPv4\",\"ports\":"
	    "[{\"name\":\"web\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":[", i, i);
	for (unsigned k = 0; k < n; k++)
		fprintf(f, "%s{\"addresses\":[\"10.%u.%u.%u\"],\"nodeName\":\"n%u\","
		    "\"conditions\":{\"ready\":true}}", k > 0 ? "," : "", 16 + k,
		    i / 250, 1 + i % 250, 1 + k % 3);
	fputs("]}", f);
	fclose(f);
	put(store, text);
	free(text);
}

static void
fill(struct kube_store *store, struct alive *alive, unsigned n, unsigned neps)
{
	char json[512];

	put(store, "{\"apiVersion\":\"heraldlb.io/v1beta1\",\"kind\":\"IPAddressPool\","
	    "\"metadata\":{\"namespace\":\"herald-system\",\"name\":\"p\"},"
	    "\"spec\":{\"addresses\":[\"10.9.0.0/16\"]}}");
	put(store, "{\"apiVersion\":\"heraldlb.io/v1beta1\",\"kind\":\"L2Advertisement\","
	    "\"metadata\":{\"namespace\":\"herald-system\",\"name\":\"a\"},\"spec\":{}}");
	alive_begin_nodes(alive);
	for (unsigned i = 1; i <= 3; i++) {
		struct ip ip = ip_from_v4(0x0a000000 + i);
		char name[8];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(json, sizeof(json), "{\"apiVersion\":\"v1\",\"kind\":\"Node\","
		    "\"metadata\":{\"name\":\"%s\"},\"status\":{\"addresses\":[{\"type\":"
		    "\"InternalIP\",\"address\":\"%s\"}],\"conditions\":[{\"type\":"
		    "\"Ready\",\"status\":\"True\"}]}}", name, IP_STR(&ip));
		put(store, json);
		if (i != 2)
			alive_put_node(alive, name, &ip, true, (struct mono){ 1 });
	}
	alive_end_nodes(alive);
	for (size_t i = 0; i < alive->n; i++)
		alive_report(alive, &alive->nodes[i].ip, ALIVE_HEARD_UP,
		    (struct mono){ 1 });
	for (unsigned i = 0; i < n; i++) {
		put_service(store, i);
		put_slice(store, i, neps);
	}
}

static int
cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), cmp);
	return v[n / 2];
}

/* What both ways have in common. */
struct world {
	unsigned n, neps;
	unsigned nchanges;
	struct kube_store *store;
	struct alive alive;
	struct plan plan;
	struct goal have;		/* what the kernel would have by now */
};

enum { DECODE, PLAN, GOAL, DIFFERENCE, ALL, NPARTS };
typedef void round_fn(struct world *w, double t[NPARTS]);

static struct plan_input
input_of(const struct world *w)
{
	/* The node of the endpoint that comes and goes: it has the most to do. */
	return (struct plan_input){ .store = w->store, .self = "n2",
		.alive = &w->alive, .now = { 2 }, .self_state = ALIVE_UP };
}

/* The operations and commands between the two, of which there are to be few. */
static void
compare(const struct goal *want, const struct goal *have, bool is_first)
{
	struct ipvs_ops ops;
	size_t nup, len = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	ipvs_diff(&want->table, &have->table, &ops, &nup);
	nft_state_write_diff(f, "herald", NFT_HOST, &want->nft, &have->nft,
	    &(struct nft_cursor){ 0 }, SIZE_MAX);
	nft_state_write_diff(f, "herald", NFT_DIRECTOR, &want->nft, &have->nft,
	    &(struct nft_cursor){ 0 }, SIZE_MAX);
	fclose(f);
	if (!is_first && (ops.n == 0 || ops.n > 4))
		errx(1, "%zu operations for one endpoint", ops.n);
	ipvs_ops_fini(&ops);
	free(text);
}

static void
whole(struct world *w, double t[NPARTS])
{
	struct plan_input in = input_of(w);
	bool is_first = w->have.table.n == 0;
	struct goal want;

	plan_fini(&w->plan);
	plan_build(&in, &w->plan);
	kube_store_forget_touched(w->store);
	t[PLAN] = now_ms();
	goal_build(&w->plan.want, NULL, 0, &want);
	t[GOAL] = now_ms();
	compare(&want, &w->have, is_first);
	goal_fini(&w->have);
	w->have = want;
}

static void
update(struct world *w, double t[NPARTS])
{
	struct plan_input in = input_of(w);
	struct goal was = { 0 }, is = { 0 };

	if (!plan_update(&in, kube_store_touched(w->store), &w->plan))
		errx(1, "one endpoint takes a whole plan");
	kube_store_forget_touched(w->store);
	t[PLAN] = now_ms();
	goal_build_update(&w->plan.want, w->plan.updates, w->plan.nupdates, &was, &is);
	goal_patch(&w->have, &was, &is);
	t[GOAL] = now_ms();
	compare(&is, &was, false);
	goal_fini(&was);
	goal_fini(&is);
}

static void
measure(struct world *w, const char *what, round_fn *round)
{
	double part[NPARTS][NROUNDS];

	for (size_t r = 0; r < NROUNDS; r++) {
		double t[NPARTS], start = now_ms();

		put_slice(w->store, w->n / 2, w->neps + ++w->nchanges % 2);
		t[DECODE] = now_ms();
		round(w, t);
		t[DIFFERENCE] = now_ms();
		part[ALL][r] = t[DIFFERENCE] - start;
		for (size_t i = DIFFERENCE; i > DECODE; i--)
			part[i][r] = t[i] - t[i - 1];
		part[DECODE][r] = t[DECODE] - start;
	}
	printf("one endpoint among %u Services x %u, %s: decode %.2f, plan %.2f, goal %.2f, "
	    "difference %.2f; all %.2f ms\n", w->n, w->neps, what,
	    median(part[DECODE], NROUNDS), median(part[PLAN], NROUNDS),
	    median(part[GOAL], NROUNDS), median(part[DIFFERENCE], NROUNDS),
	    median(part[ALL], NROUNDS));
}

int
main(int argc, char **argv)
{
	struct world w = {
		.n = argc > 1 ? (unsigned)atoi(argv[1]) : 10000,
		.neps = argc > 2 ? (unsigned)atoi(argv[2]) : 4,
		.store = kube_store_new(),
	};
	double t[NPARTS];

	alive_init(&w.alive);
	fill(w.store, &w.alive, w.n, w.neps);
	whole(&w, t);
	measure(&w, "its Service alone", update);
	measure(&w, "a whole plan", whole);
	plan_fini(&w.plan);
	goal_fini(&w.have);
	alive_fini(&w.alive);
	kube_store_free(w.store);
	return 0;
}
