/* When to list, when to watch, when to wait. */
#include <stdlib.h>
#include <string.h>

#include "kube/reflect.h"
#include "lib/mem.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = INT64_C(1000) * NSEC_PER_SEC })

/* What happened, and how many milliseconds after the event before it. */
struct step {
	enum reflect_ev ev;
	int64_t after_ms;
	unsigned does;
	enum reflect_state state;
	const char *rv;		/* of the event; where it must be: r->rv */
	const char *want_rv;
};

enum { STEPS_MAX = 16 };

#define LIST	REFLECT_DO_LIST
#define PAGE	REFLECT_DO_PAGE
#define SWEEP_WATCH (REFLECT_DO_SWEEP | REFLECT_DO_WATCH)
#define WATCH	REFLECT_DO_WATCH
#define BEGIN	{ REFLECT_EV_TICK, 0, LIST, REFLECT_LISTING, NULL, "" }
#define LISTED(rv) { REFLECT_EV_LAST_PAGE, 0, SWEEP_WATCH, REFLECT_WATCHING, rv, rv }

static const struct {
	const char *why;
	uint8_t nversions;
	uint8_t want_version;
	struct step steps[STEPS_MAX];
	size_t n;
} rows[] = {
	{ "list in pages, then watch from the list's version", 1, 0, {
	    BEGIN,
	    { REFLECT_EV_PAGE, 0, PAGE, REFLECT_LISTING, "7", "" },
	    LISTED("7"),
	}, 3 },
	{ "events move the version on, one without a version does not", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_OBJECT, 0, 0, REFLECT_WATCHING, "9", "9" },
	    { REFLECT_EV_OBJECT, 0, 0, REFLECT_WATCHING, "", "9" },
	    { REFLECT_EV_OBJECT, 0, 0, REFLECT_WATCHING, NULL, "9" },
	}, 5 },
	{ "a list that is asked for ends the watch", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_ANEW, 0, LIST, REFLECT_LISTING, NULL, "" },
	    LISTED("9"),
	}, 4 },
	{ "and begins a list anew that began before", 1, 0, {
	    BEGIN,
	    { REFLECT_EV_PAGE, 0, PAGE, REFLECT_LISTING, "7", "" },
	    { REFLECT_EV_ANEW, 0, LIST, REFLECT_LISTING, NULL, "" },
	}, 3 },
	{ "but a server that is unwell is left its time", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_AWAY, 10, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_ANEW, 0, 0, REFLECT_WAIT_LIST, NULL, NULL },
	    { REFLECT_EV_TICK, 200, LIST, REFLECT_LISTING, NULL, "" },
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_LIST, NULL, NULL },
	    { REFLECT_EV_ANEW, 0, 0, REFLECT_WAIT_LIST, NULL, NULL },
	}, 7 },
	{ "a watch that ended after its time is resumed at once", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_END, 300000, WATCH, REFLECT_WATCHING, NULL, "7" },
	}, 3 },
	{ "one that ended too early waits", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_END, 10, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 99, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 1, WATCH, REFLECT_WATCHING, NULL, "7" },
	}, 5 },
	{ "a cut watch resumes where it was, it does not list", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_OBJECT, 0, 0, REFLECT_WATCHING, "8", "8" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "8" },
	    { REFLECT_EV_TICK, 100, WATCH, REFLECT_WATCHING, NULL, "8" },
	}, 5 },
	{ "a server that is away is never a reason to list", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	}, 13 },
	{ "five watches refused in a row are", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_WATCH, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, WATCH, REFLECT_WATCHING, NULL, "7" },
	    { REFLECT_EV_FAIL, 0, 0, REFLECT_WAIT_LIST, NULL, "7" },
	    { REFLECT_EV_TICK, 15000, LIST, REFLECT_LISTING, NULL, "" },
	}, 12 },
	{ "410 in a watch lists anew, after a moment", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_GONE, 0, 0, REFLECT_WAIT_LIST, NULL, "7" },
	    { REFLECT_EV_TICK, 100, LIST, REFLECT_LISTING, NULL, "" },
	    LISTED("20"),
	}, 5 },
	{ "410 again and again waits longer and longer", 1, 0, {
	    BEGIN, LISTED("7"),
	    { REFLECT_EV_GONE, 0, 0, REFLECT_WAIT_LIST, NULL, NULL },
	    { REFLECT_EV_TICK, 100, LIST, REFLECT_LISTING, NULL, NULL },
	    LISTED("8"),
	    { REFLECT_EV_GONE, 0, 0, REFLECT_WAIT_LIST, NULL, NULL },
	    { REFLECT_EV_TICK, 199, 0, REFLECT_WAIT_LIST, NULL, NULL },
	    { REFLECT_EV_TICK, 1, LIST, REFLECT_LISTING, NULL, NULL },
	}, 8 },
	{ "an expired continue token begins the list anew: no sweep", 1, 0, {
	    BEGIN,
	    { REFLECT_EV_PAGE, 0, PAGE, REFLECT_LISTING, "7", "" },
	    { REFLECT_EV_GONE, 0, 0, REFLECT_WAIT_LIST, NULL, "" },
	    { REFLECT_EV_TICK, 100, LIST, REFLECT_LISTING, NULL, "" },
	}, 4 },
	{ "a list that fails on a later page sweeps nothing", 1, 0, {
	    BEGIN,
	    { REFLECT_EV_PAGE, 0, PAGE, REFLECT_LISTING, "7", "" },
	    { REFLECT_EV_AWAY, 0, 0, REFLECT_WAIT_LIST, NULL, "" },
	}, 3 },
	{ "404 falls back to the next version at once", 2, 1, {
	    BEGIN,
	    { REFLECT_EV_ABSENT, 0, LIST, REFLECT_LISTING, NULL, "" },
	    LISTED("7"),
	}, 3 },
	{ "404 for both waits and begins with the first", 2, 0, {
	    BEGIN,
	    { REFLECT_EV_ABSENT, 0, LIST, REFLECT_LISTING, NULL, "" },
	    { REFLECT_EV_ABSENT, 0, 0, REFLECT_WAIT_LIST, NULL, "" },
	    { REFLECT_EV_TICK, 100, LIST, REFLECT_LISTING, NULL, "" },
	}, 4 },
	{ "a relist tries the first version again", 2, 0, {
	    BEGIN,
	    { REFLECT_EV_ABSENT, 0, LIST, REFLECT_LISTING, NULL, "" },
	    LISTED("7"),
	    { REFLECT_EV_GONE, 0, 0, REFLECT_WAIT_LIST, NULL, "7" },
	    { REFLECT_EV_TICK, 100, LIST, REFLECT_LISTING, NULL, "" },
	}, 5 },
	{ "what comes late is ignored", 1, 0, {
	    BEGIN,
	    { REFLECT_EV_OBJECT, 0, 0, REFLECT_LISTING, "9", "" },
	    LISTED("7"),
	    { REFLECT_EV_PAGE, 0, 0, REFLECT_WATCHING, "9", "7" },
	}, 4 },
};

START_TEST(sequence)
{
	const char *why = rows[_i].why;
	struct mono now = T0;
	struct reflect r;

	reflect_init(&r, rows[_i].nversions, now);
	for (size_t i = 0; i < rows[_i].n; i++) {
		const struct step *s = &rows[_i].steps[i];
		unsigned does;

		now = mono_add_ms(now, s->after_ms);
		does = reflect_step(&r, &(struct reflect_event){ .type = s->ev,
		    .rv = s->rv }, now);
		ck_assert_msg(does == s->does, "%s: step %zu does %x, not %x", why, i,
		    does, s->does);
		ck_assert_msg(r.state == s->state, "%s: step %zu: %s", why, i,
		    reflect_state_name(r.state));
		if (s->want_rv != NULL)
			ck_assert_msg(strcmp(r.rv, s->want_rv) == 0,
			    "%s: step %zu: version \"%s\"", why, i, r.rv);
		/* It waits for a time where it waits, and for nothing else. */
		ck_assert_int_eq(r.deadline.ns != MONO_NEVER.ns,
		    r.state == REFLECT_WAIT_LIST || r.state == REFLECT_WAIT_WATCH);
	}
	ck_assert_msg(r.version == rows[_i].want_version, "%s: version %u", why, r.version);
}
END_TEST

START_TEST(retry_after)
{
	struct reflect r;

	reflect_init(&r, 1, T0);
	reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_TICK }, T0);
	reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_AWAY,
	    .asked_ms = 7000 }, T0);
	ck_assert_int_eq(mono_sub_ns(r.deadline, T0), 7 * NSEC_PER_SEC);
}
END_TEST

/* Tokens that keep expiring: the fourth list is asked for in one piece. */
START_TEST(unpaged_after_expired)
{
	struct mono now = T0;
	struct reflect r;

	reflect_init(&r, 1, now);
	for (int i = 0; i < REFLECT_EXPIRED_MAX; i++) {
		ck_assert(reflect_is_paged(&r));
		now = mono_add_sec(now, 20);
		reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_TICK }, now);
		reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_GONE }, now);
	}
	ck_assert(!reflect_is_paged(&r));
	now = mono_add_sec(now, 20);
	reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_TICK }, now);
	reflect_step(&r, &(struct reflect_event){ .type = REFLECT_EV_LAST_PAGE,
	    .rv = "7" }, now);
	ck_assert(reflect_is_paged(&r));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, sequence, 0, (int)nitems(rows));
	tcase_add_test(tc, retry_after);
	tcase_add_test(tc, unpaged_after_expired);
}

TEST_MAIN("reflect", fill)
