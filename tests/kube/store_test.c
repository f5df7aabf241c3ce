#include <stdio.h>
#include <string.h>

#include "kube/store.h"
#include "lib/hash.h"
#include "tests/check.h"

static struct kube_object *
object(enum kube_kind kind, const char *ns, const char *name, const char *version)
{
	struct kube_object *o = kube_object_new(kind, 0);

	o->meta.ns = arena_strdup(&o->arena, ns);
	o->meta.name = arena_strdup(&o->arena, name);
	o->meta.resource_version = arena_strdup(&o->arena, version);
	return o;
}

static const struct {
	const char *why, *before, *after;
	bool is_news;
} versions[] = {
	{ "the same version is no news", "7", "7", false },
	{ "another one is", "7", "8", true },
	{ "also a lower one: versions are opaque", "8", "7", true },
	{ "no version: who knows", "7", NULL, true },
	{ "no version before", NULL, "7", true },
	{ "neither has one", NULL, NULL, true },
};

START_TEST(news)
{
	struct kube_store *s = kube_store_new();

	ck_assert(kube_store_put(s, object(KUBE_NODE, NULL, "n", versions[_i].before)));
	ck_assert_msg(kube_store_put(s, object(KUBE_NODE, NULL, "n",
	    versions[_i].after)) == versions[_i].is_news, "%s", versions[_i].why);
	ck_assert_uint_eq(kube_store_list(s, KUBE_NODE).n, 1);
	ck_assert(!kube_store_delete(s, KUBE_NODE, NULL, "m"));
	ck_assert(!kube_store_delete(s, KUBE_POD, NULL, "n"));
	ck_assert(kube_store_delete(s, KUBE_NODE, "", "n"));
	ck_assert_ptr_null(kube_store_get(s, KUBE_NODE, NULL, "n"));
	kube_store_free(s);
}
END_TEST

START_TEST(order_is_namespace_then_name)
{
	static const char *const put[][2] = { { "b", "a" }, { "a", "z" }, { "a", "b" },
		{ "a-b", "a" }, { NULL, "x" } };
	static const char *const want[] = { "x", "a/b", "a/z", "a-b/a", "b/a" };
	struct kube_store *s = kube_store_new();
	struct kube_list l;

	for (size_t i = 0; i < nitems(put); i++)
		kube_store_put(s, object(KUBE_SERVICE, put[i][0], put[i][1], "1"));
	l = kube_store_list(s, KUBE_SERVICE);
	ck_assert_uint_eq(l.n, nitems(want));
	for (size_t i = 0; i < l.n; i++)
		ck_assert_str_eq(KUBE_KEY(l.items[i]), want[i]);
	for (size_t i = nitems(want); i-- > 0;) {
		struct kube_object *o = kube_store_take(s, KUBE_SERVICE);

		ck_assert_str_eq(KUBE_KEY(o), want[i]);
		kube_object_free(o);
	}
	ck_assert_ptr_null(kube_store_take(s, KUBE_SERVICE));
	ck_assert_ptr_null(kube_store_get(s, KUBE_SERVICE, "b", "a"));
	kube_store_free(s);
}
END_TEST

static struct kube_object *
stub(const char *name, const char *version)
{
	struct kube_object *o = object(KUBE_NODE, NULL, name, version);

	o->why_refused = "spec.x: 1: is wrong; write 2";
	return o;
}

START_TEST(stubs_are_kept_apart)
{
	struct kube_store *s = kube_store_new();

	ck_assert(kube_store_put(s, object(KUBE_NODE, NULL, "a", "1")));
	ck_assert_msg(kube_store_put(s, stub("a", "2")), "a refusal is news");
	ck_assert_msg(!kube_store_put(s, stub("a", "2")), "once");
	ck_assert(kube_store_put(s, stub("b", "3")));
	ck_assert_str_eq(kube_store_get(s, KUBE_NODE, NULL, "a")->meta.resource_version,
	    "1");
	ck_assert_str_eq(kube_store_stub(s, KUBE_NODE, NULL, "a")->meta.resource_version,
	    "2");
	ck_assert_uint_eq(kube_store_list(s, KUBE_NODE).n, 1);
	ck_assert_uint_eq(kube_store_stubs(s, KUBE_NODE).n, 2);
	ck_assert_msg(kube_store_put(s, object(KUBE_NODE, NULL, "a", "1")),
	    "mended to what it was: news, for the stub is gone");
	ck_assert_ptr_null(kube_store_stub(s, KUBE_NODE, NULL, "a"));
	ck_assert(kube_store_put(s, stub("a", "4")));
	ck_assert_msg(kube_store_delete(s, KUBE_NODE, NULL, "a"), "takes both");
	ck_assert_ptr_null(kube_store_stub(s, KUBE_NODE, NULL, "a"));
	ck_assert_ptr_null(kube_store_get(s, KUBE_NODE, NULL, "a"));
	ck_assert(kube_store_delete_stub(s, KUBE_NODE, NULL, "b"));
	ck_assert(!kube_store_delete_stub(s, KUBE_NODE, NULL, "b"));
	kube_store_free(s);
}
END_TEST

enum { MODEL_NS = 4, MODEL_NAMES = 40 };

/* The model: a version for every possible object, 0 where it is not there. */
struct model {
	unsigned version[KUBE_NKINDS][MODEL_NS][MODEL_NAMES];
};

static void
model_compare(const struct model *m, const struct kube_store *s, unsigned k)
{
	struct kube_list l = kube_store_list(s, (enum kube_kind)k);
	char ns[16], name[16], version[16];
	size_t n = 0;

	for (unsigned i = 0; i < MODEL_NS; i++)
		for (unsigned j = 0; j < MODEL_NAMES; j++) {
			if (m->version[k][i][j] == 0)
				continue;
			snprintf(ns, sizeof(ns), "ns%u", i);
			snprintf(name, sizeof(name), "o%02u", j);
			snprintf(version, sizeof(version), "%u", m->version[k][i][j]);
			ck_assert_uint_lt(n, l.n);
			ck_assert_str_eq(l.items[n]->meta.ns, ns);
			ck_assert_str_eq(l.items[n]->meta.name, name);
			ck_assert_str_eq(l.items[n]->meta.resource_version, version);
			ck_assert_ptr_eq(kube_store_get(s, (enum kube_kind)k, ns, name),
			    l.items[n]);
			n++;
		}
	ck_assert_uint_eq(n, l.n);
}

START_TEST(random_operations_agree_with_a_model)
{
	struct kube_store *s = kube_store_new();
	struct model *m = mem_zalloc(sizeof(*m));
	uint64_t r = (uint64_t)_i;

	for (unsigned step = 1; step < 5000; step++) {
		unsigned k, i, j, *held;
		char ns[16], name[16], version[16];

		r = hash_bytes(&step, sizeof(step), r);
		k = (unsigned)(r % KUBE_NKINDS);
		i = (unsigned)(r >> 8) % MODEL_NS;
		j = (unsigned)(r >> 16) % MODEL_NAMES;
		held = &m->version[k][i][j];
		snprintf(ns, sizeof(ns), "ns%u", i);
		snprintf(name, sizeof(name), "o%02u", j);
		if ((r >> 32) % 3 == 0) {
			ck_assert(kube_store_delete(s, (enum kube_kind)k, ns, name) ==
			    (*held != 0));
			*held = 0;
		} else {
			/* A third of the puts repeat the version held. */
			unsigned v = (r >> 32) % 3 == 1 && *held != 0 ? *held : step;

			snprintf(version, sizeof(version), "%u", v);
			ck_assert(kube_store_put(s, object((enum kube_kind)k, ns, name,
			    version)) == (v != *held));
			*held = v;
		}
		if (step % 50 == 0)
			model_compare(m, s, k);
	}
	free(m);
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, news, 0, nitems(versions));
	tcase_add_test(tc, order_is_namespace_then_name);
	tcase_add_test(tc, stubs_are_kept_apart);
	tcase_add_loop_test(tc, random_operations_agree_with_a_model, 0, 3);
}

TEST_MAIN("kube store", fill)
