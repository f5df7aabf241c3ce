/*
 * json.h - JSON in test tables, written with ' for " so that it can be read,
 * and the objects it stands for.
 */
#ifndef HERALD_TESTS_KUBE_JSON_H
#define HERALD_TESTS_KUBE_JSON_H

#include <errno.h>
#include <string.h>

#include "kube/decode.h"
#include "kube/store.h"
#include "lib/mem.h"
#include "tests/check.h"

/* Heap. */
static inline char *
json(const char *text)
{
	char *s = mem_strdup(text);

	for (char *p = s; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

/* kube_decode() of an exact-size copy, so that ASan sees a step past the end. */
static inline int
json_decode(const char *text, size_t len, const char *group, enum kube_kind kind,
    struct kube_object **ret, struct kube_error *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	memcpy(copy, text, len);
	rc = kube_decode(copy, len, group, kind, ret, err);
	free(copy);
	return rc;
}

/* The object that must come of it. */
static inline struct kube_object *
json_object(const char *quoted, const char *group)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text = json(quoted);

	ck_assert_msg(json_decode(text, strlen(text), group, KUBE_NKINDS, &o, &err) == 0,
	    "%s\n%s", err.text, text);
	free(text);
	return o;
}

static inline void
json_put(struct kube_store *store, const char *quoted)
{
	kube_store_put(store, json_object(quoted, NULL));
}

/* Every prefix is refused; with any bit flipped, it is read or refused with a word. */
static inline void
json_maul(const char *quoted)
{
	char *text = json(quoted);
	size_t len = strlen(text);
	struct kube_error err;

	for (size_t n = 0; n < len; n++) {
		struct kube_object *o = NULL;

		ck_assert_msg(json_decode(text, n, NULL, KUBE_NKINDS, &o, &err) == -EINVAL,
		    "prefix of %zu bytes was taken", n);
		ck_assert_ptr_null(o);
		for (int bit = 0; bit < 8; bit++) {
			text[n] = (char)(text[n] ^ 1 << bit);
			err.text[0] = '\0';
			if (json_decode(text, len, NULL, KUBE_NKINDS, &o, &err) != 0)
				ck_assert_str_ne(err.text, "");
			kube_object_free(o);
			o = NULL;
			text[n] = (char)(text[n] ^ 1 << bit);
		}
	}
	free(text);
}

#endif
