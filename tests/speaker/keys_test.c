/* Keys of the liveness mesh: the file's form, and what is in force as it changes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "speaker/keys.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })

static const struct {
	const char *why, *text;
	int rc;
	unsigned n, line;
} files[] = {
	{ "one key", "secret\n", 0, 1, 0 },
	{ "without an end of line", "secret", 0, 1, 0 },
	{ "20 bytes", "12345678901234567890\n", 0, 1, 0 },
	{ "21 are none", "123456789012345678901\n", -EINVAL, 0, 1 },
	{ "four keys", "a\nb\nc\nd\n", 0, 4, 0 },
	{ "five are too many", "a\nb\nc\nd\ne\n", -EINVAL, 0, 5 },
	{ "nothing", "", -EINVAL, 0, 1 },
	{ "an empty line", "a\n\nb\n", -EINVAL, 0, 2 },
	{ "a blank belongs to the key", " a\n", 0, 1, 0 },
};

START_TEST(parse)
{
	size_t len = strlen(files[_i].text);
	char *exact = malloc(len > 0 ? len : 1);
	struct keys keys = { .n = 77 };
	unsigned line = 0;

	memcpy(exact, files[_i].text, len);
	ck_assert_msg(keys_parse(exact, len, &keys, &line) == files[_i].rc, "%s",
	    files[_i].why);
	ck_assert_uint_eq(keys.n, files[_i].rc == 0 ? files[_i].n : 77);
	ck_assert_uint_eq(line, files[_i].line);
	free(exact);
}
END_TEST

/* The file at some second, and what is sent with (first) and accepted then. */
static const struct {
	const char *why;
	struct {
		int	at_sec;
		const char *file;	/* NULL: as it was */
		const char *want;
	} steps[6];
} rows[] = {
	{ "nothing changes", { { 0, "A\n", "A" }, { 86400, NULL, "A" } } },
	{ "by the book: added, made first, removed; no node ever misses a key", {
	    { 0, "A\n", "A" }, { 10, "A\nB\n", "AB" }, { 200, "B\nA\n", "BA" },
	    { 400, "B\n", "BA" }, { 400 + KEYS_ACCEPT_SEC - 1, NULL, "BA" },
	    { 400 + KEYS_ACCEPT_SEC, NULL, "B" } } },
	{ "replaced at one go: both accepted, the old one sent for a while", {
	    { 0, "A\n", "A" }, { 10, "B\n", "AB" },
	    { 10 + KEYS_SEND_SEC - 1, NULL, "AB" }, { 10 + KEYS_SEND_SEC, NULL, "BA" },
	    { 10 + KEYS_ACCEPT_SEC, NULL, "B" } } },
	{ "and another line meanwhile does not hasten it", {
	    { 0, "A\n", "A" }, { 10, "B\n", "AB" }, { 60, "B\nC\n", "ABC" },
	    { 10 + KEYS_SEND_SEC, NULL, "BCA" } } },
	{ "taken back before it was sent", {
	    { 0, "A\n", "A" }, { 10, "B\n", "AB" }, { 60, "A\n", "AB" },
	    { 10 + KEYS_SEND_SEC, NULL, "AB" }, { 60 + KEYS_ACCEPT_SEC, NULL, "A" } } },
	{ "replaced again and again: the oldest is given up", {
	    { 0, "A\n", "A" }, { 400, "B\n", "AB" }, { 800, "C\n", "BCA" },
	    { 1200, "D\n", "CDBA" }, { 1299, NULL, "CDBA" }, { 1300, NULL, "CDB" } } },
};

START_TEST(ring)
{
	struct keyring k;
	struct keys keys;
	unsigned line;

	for (size_t i = 0; i < nitems(rows[_i].steps) &&
	    rows[_i].steps[i].want != NULL; i++) {
		const char *file = rows[_i].steps[i].file;
		struct mono now = mono_add_sec(T0, rows[_i].steps[i].at_sec);
		char got[KEYS_MAX + 1] = "";

		if (file != NULL)
			ck_assert_int_eq(keys_parse(file, strlen(file), &keys, &line), 0);
		if (i == 0)
			keyring_init(&k, &keys);
		else if (file != NULL)
			keyring_update(&k, &keys, now);
		keyring_now(&k, now, &keys);
		for (size_t j = 0; j < keys.n; j++)
			got[j] = (char)keys.key[j].bytes[0];
		ck_assert_msg(strcmp(got, rows[_i].steps[i].want) == 0,
		    "%s, at %d s: %s, not %s", rows[_i].why, rows[_i].steps[i].at_sec, got,
		    rows[_i].steps[i].want);
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, parse, 0, nitems(files));
	tcase_add_loop_test(tc, ring, 0, nitems(rows));
}

TEST_MAIN("keys", fill)
