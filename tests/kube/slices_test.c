#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/store.h"
#include "lib/hash.h"
#include "tests/check.h"

static struct kube_object *
slice(const char *ns, const char *name, const char *service, const char *version)
{
	struct kube_object *o = kube_object_new(KUBE_ENDPOINT_SLICE, 0);

	o->meta.ns = arena_strdup(&o->arena, ns);
	o->meta.name = arena_strdup(&o->arena, name);
	o->meta.resource_version = arena_strdup(&o->arena, version);
	o->slice.service = arena_strdup(&o->arena, service);
	return o;
}

/* What is done to a store that has slice x of Service s at version 1. */
static const struct {
	const char *why, *put_name, *service, *version;
	bool	is_delete, is_refused;
	const char *touched;		/* Services, a letter each */
} touches[] = {
	{ "another slice of it", "y", "s", "1", false, false, "s" },
	{ "a new version", "x", "s", "2", false, false, "s" },
	{ "the same version, listed again", "x", "s", "1", false, false, "" },
	{ "it changes Services: both have changed", "x", "t", "2", false, false, "ts" },
	{ "it loses its Service", "x", NULL, "2", false, false, "s" },
	{ "a slice of no Service", "y", NULL, "1", false, false, "" },
	{ "it goes", "x", NULL, NULL, true, false, "s" },
	{ "one goes that was not there", "y", NULL, NULL, true, false, "" },
	{ "refused: the last good version stays in force", "x", "s", "2", false, true, "" },
};

START_TEST(touched)
{
	struct kube_store *s = kube_store_new();
	const struct kube_touched *t = kube_store_touched(s);
	const char *want = touches[_i].touched;

	kube_store_put(s, slice("n", "x", "s", "1"));
	ck_assert_uint_eq(t->n, 1);
	kube_store_forget_touched(s);
	if (touches[_i].is_delete) {
		kube_store_delete(s, KUBE_ENDPOINT_SLICE, "n", touches[_i].put_name);
	} else {
		struct kube_object *o = slice("n", touches[_i].put_name,
		    touches[_i].service, touches[_i].version);

		o->why_refused = touches[_i].is_refused ? "is wrong" : NULL;
		kube_store_put(s, o);
	}
	ck_assert_msg(t->n == strlen(want), "%s: %zu touched", touches[_i].why, t->n);
	for (size_t i = 0; i < t->n; i++) {
		ck_assert_str_eq(t->services[i].ns, "n");
		ck_assert_msg(t->services[i].name[0] == want[i], "%s: %s",
		    touches[_i].why, t->services[i].name);
	}
	ck_assert(!t->has_more);
	kube_store_free(s);
}
END_TEST

START_TEST(touched_is_bounded)
{
	struct kube_store *s = kube_store_new();
	const struct kube_touched *t = kube_store_touched(s);
	char name[16];

	for (unsigned i = 0; i <= KUBE_TOUCHED_MAX; i++) {
		ck_assert(!t->has_more);
		snprintf(name, sizeof(name), "s%u", i);
		kube_store_put(s, slice("n", name, name, "1"));
	}
	ck_assert_uint_eq(t->n, KUBE_TOUCHED_MAX);
	ck_assert(t->has_more);
	kube_store_forget_touched(s);
	ck_assert_uint_eq(t->n, 0);
	ck_assert(!t->has_more);
	kube_store_free(s);
}
END_TEST

enum { NSERVICES = 5, NSLICES = 30 };

/* of[i]: whose slice i is, from 1; 0: it is not there, NSERVICES + 1: nobody's. */
static void
compare(const struct kube_store *s, const unsigned *of)
{
	for (unsigned v = 1; v <= NSERVICES; v++) {
		struct kube_list l;
		char service[8], name[8];
		size_t n = 0;

		snprintf(service, sizeof(service), "s%u", v);
		l = kube_store_slices(s, "n", service);
		for (unsigned i = 0; i < NSLICES; i++) {
			if (of[i] != v)
				continue;
			snprintf(name, sizeof(name), "x%02u", i);
			ck_assert_uint_lt(n, l.n);
			ck_assert_str_eq(l.items[n++]->meta.name, name);
		}
		ck_assert_uint_eq(n, l.n);
		ck_assert_uint_eq(kube_store_slices(s, "m", service).n, 0);
	}
}

START_TEST(random_changes_keep_the_index)
{
	struct kube_store *s = kube_store_new();
	unsigned of[NSLICES] = { 0 };
	uint64_t r = (uint64_t)_i;
	struct kube_object *last;

	for (unsigned step = 1; step < 3000; step++) {
		char name[8], service[8], version[8];
		unsigned i;

		r = hash_bytes(&step, sizeof(step), r);
		i = (unsigned)(r % NSLICES);
		snprintf(name, sizeof(name), "x%02u", i);
		of[i] = (unsigned)(r >> 8) % (NSERVICES + 2);
		snprintf(service, sizeof(service), "s%u", of[i]);
		snprintf(version, sizeof(version), "%u", (unsigned)(r >> 16) % 3);
		if (of[i] == 0)
			kube_store_delete(s, KUBE_ENDPOINT_SLICE, "n", name);
		else
			kube_store_put(s, slice("n", name, of[i] > NSERVICES ? NULL :
			    service, version));
		if (step % 10 == 0)
			compare(s, of);
	}
	for (unsigned i = NSLICES; i-- > 0;) {
		if (of[i] == 0)
			continue;
		last = kube_store_take(s, KUBE_ENDPOINT_SLICE);
		kube_object_free(last);
		of[i] = 0;
		compare(s, of);
	}
	kube_store_free(s);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, touched, 0, nitems(touches));
	tcase_add_test(tc, touched_is_bounded);
	tcase_add_loop_test(tc, random_changes_keep_the_index, 0, 3);
}

TEST_MAIN("EndpointSlices by Service", fill)
