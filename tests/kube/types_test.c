#include "kube/types.h"
#include "tests/check.h"

static struct kube_kv labels_kv[] = { { "app", "web" }, { "tier", "" } };
static const struct kube_map labels = { labels_kv, nitems(labels_kv) };
static const char *web_api[] = { "web", "api" };
static const char *other[] = { "db" };
static const char *empty[] = { "" };

static const struct {
	const char *why;
	struct kube_requirement r;
	bool matches;
} requirements[] = {
	{ "In: the value is listed", { "app", KUBE_OP_IN, web_api, 2 }, true },
	{ "In: it is not", { "app", KUBE_OP_IN, other, 1 }, false },
	{ "In: an absent label is in nothing", { "zone", KUBE_OP_IN, other, 1 }, false },
	{ "In: the empty value is a value", { "tier", KUBE_OP_IN, empty, 1 }, true },
	{ "NotIn: the value is listed", { "app", KUBE_OP_NOT_IN, web_api, 2 }, false },
	{ "NotIn: it is not", { "app", KUBE_OP_NOT_IN, other, 1 }, true },
	{ "NotIn: an absent label satisfies it", { "zone", KUBE_OP_NOT_IN, other, 1 },
	    true },
	{ "Exists", { "app", KUBE_OP_EXISTS, NULL, 0 }, true },
	{ "Exists: with an empty value too", { "tier", KUBE_OP_EXISTS, NULL, 0 }, true },
	{ "Exists: absent", { "zone", KUBE_OP_EXISTS, NULL, 0 }, false },
	{ "DoesNotExist: absent", { "zone", KUBE_OP_NOT_EXISTS, NULL, 0 }, true },
	{ "DoesNotExist: there", { "app", KUBE_OP_NOT_EXISTS, NULL, 0 }, false },
};

START_TEST(requirement)
{
	struct kube_requirement r = requirements[_i].r;
	struct kube_selector s = { .exprs = &r, .nexprs = 1 };

	ck_assert_msg(kube_selector_matches(&s, &labels) == requirements[_i].matches,
	    "%s", requirements[_i].why);
}
END_TEST

START_TEST(selector_is_a_conjunction)
{
	struct kube_kv want[] = { { "app", "web" } };
	struct kube_requirement exists = { "zone", KUBE_OP_EXISTS, NULL, 0 };
	struct kube_selector s = { .nexprs = 0 }, both[2];

	ck_assert_msg(kube_selector_matches(&s, &labels), "empty selects all");
	ck_assert_msg(kube_selector_matches(&s, &(struct kube_map){ NULL, 0 }),
	    "empty selects what has no labels");
	s.match_labels = (struct kube_map){ want, 1 };
	ck_assert_msg(kube_selector_matches(&s, &labels), "matchLabels");
	both[0] = s;
	both[0].exprs = &exists;
	both[0].nexprs = 1;
	ck_assert_msg(!kube_selector_matches(&both[0], &labels),
	    "labels and expressions must both match");
	want[0].value = "api";
	ck_assert_msg(!kube_selector_matches(&s, &labels), "another value");
	both[1] = s;
	ck_assert_msg(!kube_any_selector_matches(both, 2, &labels), "none of two");
	want[0].value = "web";
	ck_assert_msg(kube_any_selector_matches(both, 2, &labels), "one of two");
	ck_assert_msg(kube_any_selector_matches(NULL, 0, &labels), "none asked for");
}
END_TEST

START_TEST(names)
{
	struct kube_object o = { .kind = KUBE_NODE, .meta.name = "n1" };

	for (unsigned k = 0; k < KUBE_NKINDS; k++)
		ck_assert_str_ne(kube_kind_name((enum kube_kind)k), "unknown kind");
	ck_assert_str_eq(kube_kind_name(KUBE_NKINDS), "unknown kind");
	ck_assert_str_eq(KUBE_KEY(&o), "n1");
	o.meta.ns = "default";
	ck_assert_str_eq(KUBE_KEY(&o), "default/n1");
	ck_assert_str_eq(kube_proto_name(KUBE_SCTP), "SCTP");
	ck_assert_ptr_null(kube_map_get(&labels, "zone"));
	ck_assert_str_eq(kube_map_get(&labels, "tier"), "");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, requirement, 0, nitems(requirements));
	tcase_add_test(tc, selector_is_a_conjunction);
	tcase_add_test(tc, names);
}

TEST_MAIN("kube types", fill)
