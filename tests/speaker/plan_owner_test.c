/* Who announces, by table. */
#include <string.h>

#include "tests/speaker/plan_world.h"

#define PREFER(weight, key) "{'weight':" weight ",'preference':{'matchLabels':" \
	"{'" key "':''}}}"

/* Who announces 10.0.9.3, n2's in the plain world: what n1 thinks, and must. */
static const struct {
	const char *why;
	const char *changed[4];
	enum alive_state n1;
	enum alive_report n2, n3;
	bool yields_on_cordon;
	const char *owner;
} rows[] = {
	{ "the plain case", { NULL }, ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false,
	    "n2" },
	{ "a drained node hands over", { N2(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "by label, too", { N2("'labels':{'heraldlb.io/drain':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "unless it says false", { N2("'labels':{'heraldlb.io/drain':'false'}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "this node likewise", { N1(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_DOWN, ALIVE_HEARD_UP, false, "n3" },
	{ "all drained: where it was, for want of a better",
	    { N1(DRAINED, ""), N2(DRAINED, ""), N3(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "cordoned means nothing", { N2("'labels':{}", "'unschedulable':true") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n2" },
	{ "unless asked for", { N2("'labels':{}", "'unschedulable':true") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, true, "n1" },
	{ "a node that waits owns nothing", { NULL },
	    ALIVE_UP, ALIVE_HEARD_WAITING, ALIVE_HEARD_DOWN, false, "n1" },
	{ "this node likewise", { NULL },
	    ALIVE_WAITING, ALIVE_HEARD_DOWN, ALIVE_HEARD_UP, false, "n3" },
	{ "all wait, as after a power cut: no waiting then", { NULL },
	    ALIVE_WAITING, ALIVE_HEARD_WAITING, ALIVE_HEARD_WAITING, false, "n2" },
	{ "waiting comes before drained", { N2(DRAINED, "") },
	    ALIVE_WAITING, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n1" },
	{ "cut off comes never", { N1(DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_CUT_OFF, ALIVE_HEARD_CUT_OFF, false, "n1" },
	{ "not even alone", { NULL },
	    ALIVE_CUT_OFF, ALIVE_HEARD_DOWN, ALIVE_HEARD_DOWN, false, "nobody" },
	{ "preferred", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n3" },
	{ "preferred and dead", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_DOWN, false, "n2" },
	{ "preferred and drained", { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}," DRAINED, "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
	{ "weights add up", { ADVERT("'preferredNodeSelectors':[" PREFER("3", "a") ","
	      PREFER("2", "b") "," PREFER("2", "c") "]"),
	      N3("'labels':{'a':''}", ""), N1("'labels':{'b':'','c':''}", "") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n1" },
	{ "preference gives no candidacy: Local has none there",
	    { ADVERT("'preferredNodeSelectors':[" PREFER("1", "a") "]"),
	      N3("'labels':{'a':''}", ""), SVC("'externalTrafficPolicy':'Local',") },
	    ALIVE_UP, ALIVE_HEARD_UP, ALIVE_HEARD_UP, false, "n2" },
};

START_TEST(owner)
{
	struct ip ip2 = ip_from_v4(0x0a000002);
	const struct plan_vip *vip;
	struct planned w;
	const char *got;

	planned_init(&w, rows[_i].changed, nitems(rows[_i].changed), rows[_i].n3);
	alive_report(&w.alive, &ip2, rows[_i].n2, T0);
	planned_build(&w, (struct plan_input){ .self_state = rows[_i].n1,
	    .yields_on_cordon = rows[_i].yields_on_cordon });
	vip = &w.plan.vips[0];
	got = vip->owner != NULL ? vip->owner : "nobody";
	ck_assert_msg(strcmp(got, rows[_i].owner) == 0, "%s: got %s, want %s",
	    rows[_i].why, got, rows[_i].owner);
	ck_assert(vip->is_mine == (strcmp(got, "n1") == 0));
	ck_assert_msg(vip->is_eligible, "whatever its state");
	planned_fini(&w);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, owner, 0, nitems(rows));
}

TEST_MAIN("plan, owners", fill)
