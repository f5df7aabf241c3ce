/* failback never: a VIP stays with who announces it, as all nodes read it. */
#include <stdio.h>
#include <string.h>

#include "speaker/plan.h"
#include "tests/check.h"
#include "tests/speaker/world.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })

#define ADVERT(spec) "{'apiVersion':'heraldlb.io/v1beta1','kind':" \
	"'L2Advertisement','metadata':{'namespace':'herald-system','name':" \
	"'a'},'spec':{" spec "}}"
#define PREFERS_N1 ADVERT("'preferredNodeSelectors':[{'weight':1,'preference':" \
	"{'matchLabels':{'n':'1'}}}]")

static void
put_report(struct kube_store *store, const char *node, const char *svc)
{
	char text[1024];

	snprintf(text, sizeof(text), "{'apiVersion':'heraldlb.io/v1beta1','kind':"
	    "'ServiceL2Status','metadata':{'namespace':'herald-system','name':"
	    "'%s-%s'},'status':{'node':'%s','serviceName':'%s',"
	    "'serviceNamespace':'d','interfaces':[{'name':'eth0'}]}}", node,
	    svc, node, svc);
	json_put(store, text);
}

static const struct {
	const char *why, *advert;
	const char *reports[2];		/* nodes that say they announce d/s */
	const char *others;		/* one that says it announces d/t */
	enum alive_report n2, n3;
	bool is_sticky;
	const char *owner;
} rows[] = {
	{ "nobody announces it: by the hash", ADVERT(""), { NULL }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n2" },
	{ "it stays", ADVERT(""), { "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n3" },
	{ "not where that was not asked for", ADVERT(""), { "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "until that one goes", ADVERT(""), { "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, true, "n2" },
	{ "or only waits", ADVERT(""), { "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_WAITING, true, "n2" },
	{ "two say so: the first by name", ADVERT(""), { "n1", "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n1" },
	{ "another's Service says nothing", ADVERT(""), { NULL }, "n3",
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n2" },
	{ "not even to a node that is preferred", PREFERS_N1, { "n3" }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n3" },
	{ "which is elected where nobody has it", PREFERS_N1, { NULL }, NULL,
	    ALIVE_HEARD_UP, ALIVE_HEARD_UP, true, "n1" },
	{ "all wait, as after a power cut: where it was", ADVERT(""), { "n3" }, NULL,
	    ALIVE_HEARD_WAITING, ALIVE_HEARD_WAITING, true, "n3" },
};

START_TEST(owner)
{
	struct ip ip2 = ip_from_v4(0x0a000002), ip3 = ip_from_v4(0x0a000003);
	struct kube_store *store = world_new();
	struct alive alive;
	struct plan p;

	json_put(store, rows[_i].advert);
	for (size_t i = 0; i < 2 && rows[_i].reports[i] != NULL; i++)
		put_report(store, rows[_i].reports[i], "s");
	if (rows[_i].others != NULL)
		put_report(store, rows[_i].others, "t");
	alive_init(&alive);
	alive_begin_nodes(&alive);
	alive_put_node(&alive, "n2", &ip2, true, T0);
	alive_put_node(&alive, "n3", &ip3, true, T0);
	alive_end_nodes(&alive);
	alive_report(&alive, &ip2, rows[_i].n2, T0);
	alive_report(&alive, &ip3, ALIVE_HEARD_UP, T0);
	alive_report(&alive, &ip3, rows[_i].n3, T0);
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = rows[_i].n2 == ALIVE_HEARD_WAITING ? ALIVE_WAITING :
	    ALIVE_UP, .is_sticky = rows[_i].is_sticky }, &p);
	ck_assert_msg(p.vips[0].owner != NULL &&
	    strcmp(p.vips[0].owner, rows[_i].owner) == 0, "%s: got %s, want %s",
	    rows[_i].why, p.vips[0].owner, rows[_i].owner);
	plan_fini(&p);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

/* A node that starts must not be believed to have what it once had. */
START_TEST(what_an_earlier_speaker_left)
{
	struct kube_store *store = world_new();
	struct alive alive;
	struct plan p;

	json_put(store, ADVERT(""));
	alive_init(&alive);
	plan_build(&(struct plan_input){ .store = store, .self = "n1", .alive = &alive,
	    .now = T0, .self_state = ALIVE_WAITING, .is_sticky = true }, &p);
	ck_assert_str_eq(p.vips[0].owner, "n1");
	ck_assert(!plan_has_left(&p, store, "n1"));
	put_report(store, "n1", "s");
	ck_assert_msg(!plan_has_left(&p, store, "n1"), "it is true");
	put_report(store, "n2", "t");
	ck_assert_msg(!plan_has_left(&p, store, "n1"), "it is not of this node");
	put_report(store, "n1", "t");
	ck_assert(plan_has_left(&p, store, "n1"));
	plan_fini(&p);
	alive_fini(&alive);
	kube_store_free(store);
}
END_TEST

/* In force only where all that run have it so: during a rollout, nobody. */
START_TEST(all_agree)
{
	struct ip ip2 = ip_from_v4(0x0a000002), ip3 = ip_from_v4(0x0a000003);
	struct alive a;

	alive_init(&a);
	ck_assert_msg(alive_is_sticky(&a), "alone");
	alive_begin_nodes(&a);
	alive_put_node(&a, "n2", &ip2, true, T0);
	alive_put_node(&a, "n3", &ip3, true, T0);
	alive_end_nodes(&a);
	ck_assert_msg(alive_is_sticky(&a), "nobody was heard yet");
	alive_report(&a, &ip2, ALIVE_HEARD_UP, T0);
	ck_assert(!alive_is_sticky(&a));
	ck_assert(alive_set_note(&a, &ip2, ALIVE_STICKY | 5));
	ck_assert(alive_is_sticky(&a) && alive_lacks(&a, "n2") == 5);
	alive_report(&a, &ip3, ALIVE_HEARD_WAITING, T0);
	ck_assert_msg(!alive_is_sticky(&a), "one that waits counts, too");
	alive_report(&a, &ip3, ALIVE_HEARD_DOWN, T0);
	ck_assert_msg(alive_is_sticky(&a), "one that is gone does not");
	alive_fini(&a);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, owner, 0, nitems(rows));
	tcase_add_test(tc, what_an_earlier_speaker_left);
	tcase_add_test(tc, all_agree);
}

TEST_MAIN("plan sticky", fill)
