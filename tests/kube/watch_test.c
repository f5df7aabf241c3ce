/* A watch's body, in whatever pieces it comes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/watch.h"
#include "lib/mem.h"
#include "tests/check.h"

enum { MAX = 64 };

static const struct {
	const char *why;
	const char *body;
	const char *events[4];	/* up to a NULL */
	int	error;		/* after them */
	bool	is_partial;	/* at the end */
} rows[] = {
	{ "one event", "{\"a\":1}\n", { "{\"a\":1}" }, 0, false },
	{ "two events", "{}\n{\"b\":[]}\n", { "{}", "{\"b\":[]}" }, 0, false },
	{ "nothing between them", "{}{}", { "{}", "{}" }, 0, false },
	{ "CR LF and spaces", " \r\n\t{}\r\n ", { "{}" }, 0, false },
	{ "nested", "{\"a\":{\"b\":[{},[]]}}", { "{\"a\":{\"b\":[{},[]]}}" }, 0, false },
	{ "brackets in a string", "{\"a\":\"}]{\"}", { "{\"a\":\"}]{\"}" }, 0, false },
	{ "an escaped quote", "{\"a\":\"\\\"}\"}", { "{\"a\":\"\\\"}\"}" }, 0, false },
	{ "an escaped backslash ends the string", "{\"a\":\"\\\\\"}{}",
	    { "{\"a\":\"\\\\\"}", "{}" }, 0, false },
	{ "newlines within an event", "{\n\"a\":\n1}", { "{\n\"a\":\n1}" }, 0, false },
	{ "cut in mid-object", "{}{\"a\":", { "{}" }, 0, true },
	{ "cut in a string", "{\"a\":\"", { NULL }, 0, true },
	{ "nothing", "", { NULL }, 0, false },
	{ "HTML", "<html>", { NULL }, -EBADMSG, false },
	{ "garbage behind an event", "{}x", { "{}" }, -EBADMSG, false },
	{ "an array", "[{}]", { NULL }, -EBADMSG, false },
	{ "a closing bracket", "}", { NULL }, -EBADMSG, false },
	{ "an event of the largest size",
	    "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	    { "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}" },
	    0, false },
	{ "one byte more",
	    "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	    { NULL }, -EMSGSIZE, false },
};

/* Feed an exact-size copy of a piece; 0 or the error. */
static int
feed(struct watch *w, const char *piece, size_t len, const char *const *events,
    size_t *nevents, const char *why)
{
	char *copy = malloc(len > 0 ? len : 1), *p = copy;
	struct watch_frame f;
	ssize_t n = 0;

	memcpy(copy, piece, len);
	while (len > 0) {
		n = watch_feed(w, p, len, &f);
		if (n < 0)
			break;
		ck_assert_msg(n > 0 && (size_t)n <= len, "%s: consumed %zd", why, n);
		if (f.len > 0) {
			const char *want = events[*nevents];

			ck_assert_msg(want != NULL, "%s: an event too many", why);
			ck_assert_msg(strlen(want) == f.len &&
			    memcmp(want, f.json, f.len) == 0, "%s: event %zu is %.*s",
			    why, *nevents, (int)f.len, f.json);
			(*nevents)++;
		}
		p += n;
		len -= (size_t)n;
	}
	free(copy);
	return n < 0 ? (int)n : 0;
}

static void
try(size_t row, size_t piece)
{
	const char *body = rows[row].body, *why = rows[row].why;
	size_t len = strlen(body), nevents = 0;
	struct watch w;
	int error = 0;

	watch_init(&w, MAX);
	for (size_t at = 0; at < len && error == 0; at += piece)
		error = feed(&w, body + at, len - at < piece ? len - at : piece,
		    rows[row].events, &nevents, why);
	ck_assert_msg(error == rows[row].error, "%s, by %zu: %d", why, piece, error);
	ck_assert_msg(rows[row].events[nevents] == NULL, "%s, by %zu: %zu events", why,
	    piece, nevents);
	if (error == 0)
		ck_assert_msg(watch_is_partial(&w) == rows[row].is_partial, "%s", why);
	watch_fini(&w);
}

START_TEST(pieces)
{
	for (size_t piece = 1; piece <= strlen(rows[_i].body) + 1; piece++)
		try((size_t)_i, piece);
}
END_TEST

START_TEST(reset_after_a_cut)
{
	static const char *const events[] = { "{\"b\":2}", NULL };
	size_t nevents = 0;
	struct watch w;

	watch_init(&w, MAX);
	ck_assert_int_eq(feed(&w, "{\"a\":\"\\", 7, events, &nevents, "cut"), 0);
	watch_reset(&w);
	ck_assert(!watch_is_partial(&w));
	ck_assert_int_eq(feed(&w, "{\"b\":2}", 7, events, &nevents, "anew"), 0);
	ck_assert_uint_eq(nevents, 1);
	watch_fini(&w);
}
END_TEST

/* A large object does not hold its memory for ever. */
START_TEST(memory_is_given_back)
{
	size_t len = 2 * WATCH_KEEP_MAX;
	char *big = mem_zalloc(len + 2);
	struct watch_frame f;
	struct watch w;

	memset(big, ' ', len);
	big[0] = '{';
	big[len] = '}';
	watch_init(&w, WATCH_EVENT_MAX);
	ck_assert_int_eq(watch_feed(&w, big, len, &f), (ssize_t)len);
	ck_assert_int_eq(watch_feed(&w, big + len, 1, &f), 1);
	ck_assert_uint_eq(f.len, len + 1);
	ck_assert_int_eq(watch_feed(&w, "\n", 1, &f), 1);
	ck_assert_uint_eq(w.cap, 0);
	watch_fini(&w);
	free(big);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, pieces, 0, (int)nitems(rows));
	tcase_add_test(tc, reset_after_a_cut);
	tcase_add_test(tc, memory_is_given_back);
}

TEST_MAIN("watch", fill)
