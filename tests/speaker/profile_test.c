/*
 * ForwardingProfiles and weights of nodes in the plan; and the one thing that all
 * of the data plane rests on: every node comes to the same table.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/table.h"
#include "kube/decode.h"
#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })
enum { NNODES = 4, NCHANGES = 1000, NSERVICES = 8, NPODS = 12 };

__attribute__((format(printf, 2, 3))) static void
putf(struct kube_store *store, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_put(store, text);
}

static void
put_node(struct kube_store *store, unsigned i, const char *annotations)
{
	putf(store, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n%u',"
	    "'annotations':{%s}},'status':{'addresses':[{'type':'InternalIP','address':"
	    "'10.0.0.%u'}],'conditions':[{'type':'Ready','status':'True'}]}}", i,
	    annotations, i);
}

static void
put_service(struct kube_store *store, const char *name, unsigned host,
    const char *annotations, unsigned port)
{
	putf(store, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"
	    "'name':'%s','annotations':{%s}},'spec':{'type':'LoadBalancer','ports':"
	    "[{'name':'web','port':%u,'targetPort':8080,'protocol':'TCP'}]},'status':"
	    "{'loadBalancer':{'ingress':[{'ip':'10.0.9.%u','ipMode':'Proxy'}]}}}", name,
	    annotations, port, host);
}

#define SLICE "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':" \
	"{'namespace':'d','name':'%s-1','labels':{'kubernetes.io/service-name':'%s'}}," \
	"'addressType':'IPv4','ports':[{'name':'web','port':8080,'protocol':'TCP'}]," \
	"'endpoints':[%s]}"
#define PROFILE(name, spec) "{'apiVersion':'heraldlb.io/v1beta1','kind':" \
	"'ForwardingProfile','metadata':{'namespace':'herald-system','name':'" name \
	"'},'spec':{" spec "}}"
#define USES(name) "'heraldlb.io/forwarding-profile':'" name "'"

static void
put_world(struct kube_store *store)
{
	json_put(store, "{'apiVersion':'heraldlb.io/v1beta1','kind':'IPAddressPool','metadata':"
	    "{'namespace':'herald-system','name':'p'},'spec':{'addresses':['10.0.9.0/24']}}");
	json_put(store, "{'apiVersion':'heraldlb.io/v1beta1','kind':'L2Advertisement',"
	    "'metadata':{'namespace':'herald-system','name':'a'},'spec':{}}");
	for (unsigned i = 1; i <= NNODES; i++)
		put_node(store, i, "");
}

/* All nodes but self have a live speaker. */
static void
make_alive(struct alive *a, unsigned self)
{
	alive_init(a);
	alive_begin_nodes(a);
	for (unsigned i = 1; i <= NNODES; i++) {
		struct ip ip = ip_from_v4(0x0a000000 + i);
		char name[8];

		snprintf(name, sizeof(name), "n%u", i);
		if (i != self)
			alive_put_node(a, name, &ip, true, T0);
	}
	alive_end_nodes(a);
	for (size_t i = 0; i < a->n; i++)
		alive_report(a, &a->nodes[i].ip, ALIVE_HEARD_UP, T0);
}

static void
build(struct kube_store *store, unsigned self, struct plan *ret)
{
	struct alive alive;
	char name[8];

	snprintf(name, sizeof(name), "n%u", self);
	make_alive(&alive, self);
	plan_build(&(struct plan_input){ .store = store, .self = name, .alive = &alive,
	    .now = T0, .self_state = ALIVE_UP }, ret);
	alive_fini(&alive);
}

/* What must be the same everywhere; reach is each node's own. */
static char *
table_text(const struct plan *p, bool has_reach)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < p->want.nservices; i++) {
		const struct ipvs_service *s = &p->want.services[i];

		fprintf(f, "%s%s %s", i > 0 ? "; " : "", s->name,
		    ipvs_sched_name(s->sched));
		for (size_t j = 0; j < s->nendpoints; j++) {
			const struct ipvs_endpoint *e = &s->endpoints[j];

			fprintf(f, " %s:%u*%u/%u", IP_STR(&e->ip), e->port, e->weight,
			    e->drain_weight);
			if (has_reach)
				fputc("LTM"[e->reach], f);
		}
	}
	for (size_t i = 0; has_reach && i < p->nvips; i++)
		if (p->vips[i].is_delegated)
			fprintf(f, "; %s is delegated", IP_STR(&p->vips[i].ip));
	for (size_t i = 0; has_reach && i < p->nwarnings; i++)
		fprintf(f, "; %s", p->warnings[i]);
	fclose(f);
	return text;
}

static const struct {
	const char *why;
	const char *annotations;	/* of Service s */
	const char *other;		/* of Service o at the same VIP; NULL: none */
	const char *node2;		/* annotations of n2 */
	const char *expect;		/* as n1 sees it */
} rows[] = {
	{ "no profile", "", NULL, "", "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T" },
	{ "masquerade: what is not here is reached by NAT, speaker or not",
	    USES("masq"), NULL, "",
	    "d/s:80/TCP wlc 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1M" },
	{ "another scheduler", USES("wrr"), NULL, "",
	    "d/s:80/TCP wrr 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T" },
	{ "delegated: nothing to program, the VIP is not steered", USES("off"), NULL, "",
	    "; 10.0.9.1 is delegated" },
	{ "delegated together with another", USES("off"), USES("off"), "",
	    "; 10.0.9.1 is delegated" },
	{ "who shares a VIP with one that is not, is not", USES("off"), "", "",
	    "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T; d/o:81/TCP mh; "
	    "d/s: its profile delegates it, but Herald forwards for others at 10.0.9.1, "
	    "so for this one, too; give it an address of its own" },
	{ "a profile that is not there", USES("fast"), NULL, "",
	    "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T; d/s: the "
	    "annotation heraldlb.io/forwarding-profile names ForwardingProfile \"fast\", "
	    "which is not there or was refused, so the defaults hold; create it or "
	    "correct the name" },
	{ "endpoints of a strong node", "", NULL, "'heraldlb.io/weight':'3'",
	    "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*3/3T" },
	{ "a weight that is none", "", NULL, "'heraldlb.io/weight':'0'",
	    "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T; Node n2: annotation "
	    "heraldlb.io/weight: \"0\" is no number from 1 to 100, so its endpoints "
	    "count for 1; correct it" },
	{ "a weight that is too much", "", NULL, "'heraldlb.io/weight':'101'",
	    "d/s:80/TCP mh 10.1.0.1:8080*1/1L 10.1.0.2:8080*1/1T; Node n2: annotation "
	    "heraldlb.io/weight: \"101\" is no number from 1 to 100, so its endpoints "
	    "count for 1; correct it" },
};

START_TEST(profiles)
{
	struct kube_store *store = kube_store_new();
	struct plan plan;
	char *got;

	put_world(store);
	put_node(store, 2, rows[_i].node2);
	json_put(store, PROFILE("masq", "'mode':'masquerade','scheduler':'wlc'"));
	json_put(store, PROFILE("wrr", "'scheduler':'wrr'"));
	json_put(store, PROFILE("off", "'mode':'delegate'"));
	put_service(store, "s", 1, rows[_i].annotations, 80);
	if (rows[_i].other != NULL)
		put_service(store, "o", 1, rows[_i].other, 81);
	putf(store, SLICE, "s", "s", "{'addresses':['10.1.0.2'],'nodeName':'n2',"
	    "'conditions':{}},{'addresses':['10.1.0.1'],'nodeName':'n1','conditions':{}}");
	build(store, 1, &plan);
	got = table_text(&plan, true);
	ck_assert_msg(strcmp(got, rows[_i].expect) == 0, "%s\n got %s\nwant %s",
	    rows[_i].why, got, rows[_i].expect);
	free(got);
	plan_fini(&plan);
	kube_store_free(store);
}
END_TEST

/* splitmix64: the same changes in every run. */
static unsigned
next(uint64_t *state, unsigned below)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) % below);
}

static void
change_slice(struct kube_store *store, uint64_t *r)
{
	static const char *const conditions[] = { "'ready':true", "'ready':true",
		"'ready':true", "'ready':false,'serving':true,'terminating':true",
		"'ready':false,'serving':false" };
	char eps[3000] = "", name[16];
	unsigned svc = next(r, NSERVICES), first = next(r, NPODS), n = next(r, NPODS);

	for (unsigned i = 0; i < n; i++) {
		unsigned pod = (first + i * 5) % NPODS;	/* in any order */

		snprintf(eps + strlen(eps), sizeof(eps) - strlen(eps), "%s{'addresses':"
		    "['10.1.%u.%u'],'nodeName':'n%u','conditions':{%s}}",
		    eps[0] != '\0' ? "," : "", pod % 3, 1 + pod, 1 + pod % NNODES,
		    conditions[next(r, nitems(conditions))]);
	}
	snprintf(name, sizeof(name), "s%u", svc);
	putf(store, SLICE, name, name, eps);
}

static void
change(struct kube_store *store, uint64_t *r)
{
	static const char *const uses[] = { "", USES("masq"), USES("wrr"), USES("off") };
	char text[64], name[16];
	unsigned n = next(r, NSERVICES);

	snprintf(name, sizeof(name), "s%u", n);
	switch (next(r, 8)) {
	case 0:
		put_service(store, name, 1 + n / 2, uses[next(r, nitems(uses))], 80 + n);
		break;
	case 1:
		(void)kube_store_delete(store, KUBE_SERVICE, "d", name);
		break;
	case 2:
		snprintf(text, sizeof(text), "'heraldlb.io/weight':'%u'", 1 + next(r, 4));
		put_node(store, 1 + next(r, NNODES), text);
		break;
	default:
		change_slice(store, r);
		break;
	}
}

START_TEST(every_node_has_the_same_table)
{
	struct kube_store *store = kube_store_new();
	uint64_t r = 1;
	size_t longest = 0;

	put_world(store);
	json_put(store, PROFILE("masq", "'mode':'masquerade'"));
	json_put(store, PROFILE("wrr", "'scheduler':'wrr'"));
	json_put(store, PROFILE("off", "'mode':'delegate'"));
	for (unsigned i = 0; i < NCHANGES; i++) {
		char *first = NULL;

		change(store, &r);
		for (unsigned n = 1; n <= NNODES; n++) {
			struct plan plan;
			char *text;

			build(store, n, &plan);
			text = table_text(&plan, false);
			if (first == NULL)
				first = mem_strdup(text);
			ck_assert_msg(strcmp(text, first) == 0,
			    "after change %u\n n1: %s\n n%u: %s", i, first, n, text);
			longest = strlen(text) > longest ? strlen(text) : longest;
			free(text);
			plan_fini(&plan);
		}
		free(first);
	}
	ck_assert_msg(longest > 500, "there was something to compare: %zu", longest);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, profiles, 0, nitems(rows));
	tcase_add_test(tc, every_node_has_the_same_table);
}

TEST_MAIN("profile", fill)
