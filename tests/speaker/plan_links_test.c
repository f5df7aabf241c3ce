/* Which links a node lacks, how it tells, and who announces then. */
#include <stdio.h>
#include <string.h>

#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/speaker/world.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })

static void
put_advert(struct kube_store *store, const char *name, const char *spec)
{
	char text[1024];

	snprintf(text, sizeof(text), "{'apiVersion':'heraldlb.io/v1beta1','kind':"
	    "'L2Advertisement','metadata':{'namespace':'herald-system','name':"
	    "'%s'},'spec':{%s}}", name, spec);
	json_put(store, text);
}

/* A node has links by name; `arg` is a NULL-terminated list of them. */
static bool
has_link(void *arg, const struct arp_want *where)
{
	for (const char *const *l = arg; *l != NULL; l++) {
		for (size_t i = 0; i < where->ninterfaces; i++) {
			if (strcmp(where->interfaces[i], *l) == 0)
				return true;
		}
	}
	return false;
}

#define ETH(...) "'interfaces':[" __VA_ARGS__ "]"
#define ON(n) ",'nodeSelectors':[{'matchLabels':{'n':'" n "'}}]"
#define NONE "no node that may announce it has an interface up that its " \
	"L2Advertisement names"

static const struct {
	const char *why, *adverts[2];
	const char *links[3][3];	/* of n1, n2 and n3 */
	const char *owner;
} rows[] = {
	{ "all have it", { ETH("'eth1'") }, { { "eth1" }, { "eth1" }, { "eth1" } },
	    "n2" },
	{ "n2 has not", { ETH("'eth1'") }, { { "eth1" }, { "eth0" }, { "eth0" } },
	    "n1" },
	{ "one of two will do", { ETH("'eth1','eth2'") },
	    { { "eth1" }, { "eth2" }, { "eth1" } }, "n2" },
	{ "of two advertisements, too", { ETH("'eth1'"), ETH("'eth2'") },
	    { { "eth1" }, { "eth2" }, { "eth1" } }, "n2" },
	{ "but one that is not for the node counts for nothing",
	    { ETH("'eth1'"), ETH("'eth2'") ON("1") },
	    { { "eth1" }, { "eth2" }, { NULL } }, "n1" },
	{ "one that names none means all links", { ETH("'eth1'"), "" },
	    { { NULL }, { "eth0" }, { NULL } }, "n2" },
	{ "nobody has it, and why is said", { ETH("'eth1'") },
	    { { "eth0" }, { NULL }, { NULL } }, NONE },
};

/* What that node says it lacks, as every node would work it out. */
static uint32_t
lacks_of(const struct kube_store *store, const struct alive *alive,
    const char *const links[3])
{
	const char *list[] = { links[0], links[0] != NULL ? links[1] : NULL, NULL };
	struct plan p;
	uint32_t lacks;

	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = alive,
	    .now = T0, .self_state = ALIVE_UP }, &p);
	lacks = plan_lacks(&p, has_link, list);
	plan_fini(&p);
	return lacks;
}

START_TEST(owner)
{
	struct kube_store *store = world_new();
	struct ip ips[3];
	struct alive alive;
	struct plan p;
	uint32_t own;
	const char *got;

	for (size_t i = 0; i < 2 && rows[_i].adverts[i] != NULL; i++)
		put_advert(store, i == 0 ? "a" : "b", rows[_i].adverts[i]);
	alive_init(&alive);
	alive_begin_nodes(&alive);
	for (size_t i = 1; i < 3; i++) {
		ips[i] = ip_from_v4(0x0a000001 + (uint32_t)i);
		alive_put_node(&alive, i == 1 ? "n2" : "n3", &ips[i], true, T0);
	}
	alive_end_nodes(&alive);
	own = lacks_of(store, &alive, rows[_i].links[0]);
	for (size_t i = 1; i < 3; i++) {
		uint32_t lacks = lacks_of(store, &alive, rows[_i].links[i]);

		alive_report(&alive, &ips[i], ALIVE_HEARD_UP, T0);
		ck_assert(alive_set_note(&alive, &ips[i], lacks) == (lacks != 0));
		ck_assert(!alive_set_note(&alive, &ips[i], lacks));
	}
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = ALIVE_UP, .self_lacks = own }, &p);
	got = p.vips[0].owner != NULL ? p.vips[0].owner : p.vips[0].why_none;
	ck_assert_msg(strcmp(got, rows[_i].owner) == 0, "%s: got %s, want %s",
	    rows[_i].why, got, rows[_i].owner);
	plan_fini(&p);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

/* 31 sets of patterns have a bit each, in whatever order they are written. */
START_TEST(bits)
{
	struct kube_store *store = world_new();
	struct alive alive;
	struct plan p;
	char name[16], spec[64];
	uint32_t seen = 0;

	alive_init(&alive);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "a%02d", i);
		snprintf(spec, sizeof(spec), i % 2 ? ETH("'eth%d','x'") :
		    ETH("'x','eth%d','x'"), i / 2 * (i < 20 ? 1 : 100));
		put_advert(store, name, spec);
	}
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = ALIVE_UP }, &p);
	ck_assert_msg(p.nlinks == 20, "the same set in another order: %zu", p.nlinks);
	for (size_t i = 0; i < p.nlinks; i++) {
		ck_assert_msg(__builtin_popcount(p.links[i].bit) == 1 &&
		    (seen & p.links[i].bit) == 0, "a bit of its own");
		seen |= p.links[i].bit;
	}
	plan_fini(&p);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "a%02d", i);
		snprintf(spec, sizeof(spec), ETH("'vlan%d'"), i);
		put_advert(store, name, spec);
	}
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = ALIVE_UP }, &p);
	seen = 0;
	ck_assert_uint_eq(p.nlinks, 40);
	for (size_t i = 0; i < p.nlinks; i++)
		seen |= p.links[i].bit;
	ck_assert_msg(seen == (UINT32_C(1) << 31) - 1, "all in use, shared beyond 31");
	plan_fini(&p);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, owner, 0, nitems(rows));
	tcase_add_test(tc, bits);
}

TEST_MAIN("plan links", fill)
