/*
 * plan_bench.c - what one changed endpoint among many Services costs a speaker.
 *
 *	plan_bench [SERVICES [ENDPOINTS]]	(10,000 and 4)
 *
 * All the work between the API's news and the first netlink message, by its
 * parts: decode and store, plan, goal (tables and sets), the difference. Medians
 * in ms. The kernel is not asked; it is director_bench.py that does.
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
		if (i > 1)
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

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	unsigned neps = argc > 2 ? (unsigned)atoi(argv[2]) : 4;
	struct kube_store *store = kube_store_new();
	double part[5][NROUNDS];
	struct goal have = { 0 }, want;
	struct alive alive;
	struct plan plan = { 0 };

	alive_init(&alive);
	fill(store, &alive, n, neps);
	for (size_t r = 0; r < NROUNDS; r++) {
		struct plan_input in = { .store = store, .self = "n1", .alive = &alive,
			.now = { 2 }, .self_state = ALIVE_UP };
		struct ipvs_ops ops;
		double t[5];
		size_t nup, len = 0;
		char *text = NULL;
		FILE *f = open_memstream(&text, &len);

		t[0] = now_ms();
		put_slice(store, n / 2, neps + r % 2);
		t[1] = now_ms();
		plan_fini(&plan);
		plan_build(&in, &plan);
		t[2] = now_ms();
		goal_build(&plan.want, &want);
		t[3] = now_ms();
		ipvs_diff(&want.table, &have.table, &ops, &nup);
		nft_state_write_diff(f, "herald", NFT_HOST, &want.nft, &have.nft);
		nft_state_write_diff(f, "herald", NFT_DIRECTOR, &want.nft, &have.nft);
		fclose(f);
		t[4] = now_ms();
		for (size_t i = 0; i < 4; i++)
			part[i][r] = t[i + 1] - t[i];
		part[4][r] = t[4] - t[0];
		if (r > 1 && ops.n > 4)
			errx(1, "%zu operations for one endpoint", ops.n);
		ipvs_ops_fini(&ops);
		free(text);
		goal_fini(&have);
		have = want;
	}
	printf("one endpoint among %u Services x %u: decode %.2f, plan %.2f, goal %.2f, "
	    "difference %.2f; all %.2f ms\n", n, neps, median(part[0], NROUNDS),
	    median(part[1], NROUNDS), median(part[2], NROUNDS), median(part[3], NROUNDS),
	    median(part[4], NROUNDS));
	return 0;
}
