/* Leader election, step by step by table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/lease_encode.h"
#include "tests/check.h"

static const struct mono T0 = { .ns = 1000 * NSEC_PER_SEC };
static const int64_t WALL = INT64_C(1763632800) * NSEC_PER_SEC;

static struct mono
at(int64_t ms)
{
	return mono_add_ms(T0, ms);
}

static struct lease_record
held_by(const char *who, uint32_t duration_sec, int64_t renewed_ns)
{
	struct lease_record r = { .duration_sec = duration_sec, .transitions = 3,
	    .acquired_ns = WALL, .renewed_ns = renewed_ns, .resource_version = "7" };

	snprintf(r.holder, sizeof(r.holder), "%s", who);
	return r;
}

static void
start(struct lease *l)
{
	struct lease_conf conf = lease_conf_of("us", LEASE_DURATION_MS);

	lease_init(l, &conf, 1, T0);
}

/* Ask at ms; what it sends must be `want`. */
static struct lease_record
next(struct lease *l, int64_t ms, enum lease_do want, const char *why)
{
	struct lease_record r = { 0 };

	ck_assert_msg(lease_next(l, at(ms), WALL + ms * NSEC_PER_MSEC, &r) == want,
	    "%s", why);
	return r;
}

/* Take the Lease at ms; the write is answered at once. */
static void
take(struct lease *l, int64_t ms)
{
	struct lease_record r;

	next(l, ms, LEASE_GET, "looks first");
	lease_got(l, -ENOENT, NULL, at(ms));
	r = next(l, ms, LEASE_CREATE, "there is none: make it");
	strcpy(r.resource_version, "1");
	lease_wrote(l, 0, &r, at(ms));
	ck_assert(lease_is_leader(l, at(ms)));
}

START_TEST(timings)
{
	struct lease_conf c = lease_conf_of("us", LEASE_DURATION_MS);

	/* client-go's LeaseDuration, RenewDeadline and RetryPeriod. */
	ck_assert_int_eq(c.duration_ms, 15000);
	ck_assert_int_eq(c.renew_deadline_ms, 10000);
	ck_assert_int_eq(c.retry_ms, 2000);
	ck_assert_int_eq(c.poll_ms, 500);
}
END_TEST

/* What the first look finds, and when it is taken. */
static const struct {
	const char *why;
	int	error;
	const char *holder;
	uint32_t duration_sec;
	int64_t	free_ms;		/* taken then, not a millisecond before */
	enum lease_do with;
	uint32_t transitions;		/* in what is written */
} firsts[] = {
	{ "none: it is made at once", -ENOENT, NULL, 0, 0, LEASE_CREATE, 0 },
	{ "released: taken at once", 0, "", 1, 0, LEASE_UPDATE, 4 },
	{ "held: its duration is waited for", 0, "other", 15, 15000, LEASE_UPDATE, 4 },
	{ "a short one is waited for no longer", 0, "other", 3, 3000, LEASE_UPDATE, 4 },
	{ "a long one no shorter", 0, "other", 60, 60000, LEASE_UPDATE, 4 },
	{ "without a duration: ours", 0, "other", 0, 15000, LEASE_UPDATE, 4 },
	{ "ours, by a write whose answer was lost", 0, "us", 15, 0, LEASE_UPDATE, 3 },
};

START_TEST(first_look)
{
	struct lease_record r = held_by(firsts[_i].holder != NULL ? firsts[_i].holder :
	    "", firsts[_i].duration_sec, WALL), w;
	const char *why = firsts[_i].why;
	enum lease_do op = LEASE_NOTHING;
	struct mono now = T0;
	struct lease l;

	start(&l);
	while (mono_before(now, at(120000))) {
		op = lease_next(&l, now, WALL, &w);
		if (op == LEASE_GET)
			lease_got(&l, firsts[_i].error, &r, now);
		else if (op != LEASE_NOTHING)
			break;
		now = lease_deadline(&l, now);
	}
	ck_assert_msg(op == firsts[_i].with, "%s", why);
	ck_assert_msg(now.ns == at(firsts[_i].free_ms).ns, "%s: after %ld ms", why,
	    (long)(mono_sub_ns(now, T0) / NSEC_PER_MSEC));
	ck_assert_msg(!lease_is_leader(&l, now), "%s: not before it is written", why);
	ck_assert_str_eq(w.holder, "us");
	ck_assert_uint_eq(w.duration_sec, 15);
	ck_assert_uint_eq(w.transitions, firsts[_i].transitions);
	ck_assert_int_eq(w.renewed_ns, WALL);
	ck_assert_str_eq(w.resource_version, op == LEASE_UPDATE ? "7" : "");
}
END_TEST

/* A leader whose next write comes to an end like this, asked again later. */
static const struct {
	const char *why;
	int	error;
	enum lease_do then;		/* sent next */
	int64_t	then_ms;
} renewals[] = {
	{ "renewed without another look", 0, LEASE_UPDATE, 4000 },
	{ "an answer that is lost: look, after a while", -EIO, LEASE_GET, 4000 },
	{ "outrun: look at once", -ESTALE, LEASE_GET, 2000 },
	{ "refused: likewise after a while", -EACCES, LEASE_GET, 4000 },
};

START_TEST(renewal)
{
	const char *why = renewals[_i].why;
	int64_t ms = renewals[_i].then_ms;
	struct lease_record r;
	struct lease l;

	start(&l);
	take(&l, 0);
	ck_assert_int_eq(lease_deadline(&l, at(0)).ns, at(2000).ns);
	next(&l, 1999, LEASE_NOTHING, "not before it is due");
	r = next(&l, 2000, LEASE_UPDATE, "renews every 2 s");
	ck_assert_int_eq(r.acquired_ns, WALL);
	ck_assert_int_eq(r.renewed_ns, WALL + 2000 * NSEC_PER_MSEC);
	next(&l, 2000, LEASE_NOTHING, "one at a time");
	ck_assert_msg(lease_deadline(&l, at(2000)).ns == at(10000).ns,
	    "while it waits, leading may end");
	lease_wrote(&l, renewals[_i].error, &r, at(2000));
	ck_assert_msg(lease_is_leader(&l, at(2000)), "%s: still leads", why);
	if (ms > 2000)
		next(&l, ms - 1, LEASE_NOTHING, why);
	next(&l, ms, renewals[_i].then, why);
	ck_assert_msg(lease_is_leader(&l, at(9999)), "%s", why);
	ck_assert_msg(lease_is_leader(&l, at(10000)) == (renewals[_i].error == 0),
	    "%s: until 10 s after the last good write was sent", why);
	ck_assert_uint_eq(l.term, 1);
}
END_TEST

/* Ten seconds count from the sending, however late the answer comes. */
START_TEST(late_answer)
{
	struct lease_record r;
	struct lease l;

	start(&l);
	take(&l, 0);
	r = next(&l, 2000, LEASE_UPDATE, "renews");
	lease_wrote(&l, 0, &r, at(9000));
	ck_assert(lease_is_leader(&l, at(11999)));
	ck_assert(!lease_is_leader(&l, at(12000)));
	ck_assert_uint_eq(l.term, 1);
	/* An answer that comes after the end revives nothing... */
	r = next(&l, 11000, LEASE_UPDATE, "renews");
	lease_wrote(&l, 0, &r, at(22000));
	ck_assert(!lease_is_leader(&l, at(22000)));
	ck_assert_uint_eq(l.term, 1);
	/* ...and what is renewed after it is another term. */
	r = next(&l, 24000, LEASE_UPDATE, "renews");
	lease_wrote(&l, 0, &r, at(24000));
	ck_assert(lease_is_leader(&l, at(24000)));
	ck_assert_uint_eq(l.term, 2);
}
END_TEST

/* The process stood still: the end is seen before anything else happens. */
START_TEST(stood_still)
{
	struct lease l;

	start(&l);
	take(&l, 0);
	ck_assert(!lease_is_leader(&l, at(60000)));
	ck_assert_int_eq(lease_deadline(&l, at(60000)).ns, at(2000).ns);
}
END_TEST

START_TEST(taken_by_another)
{
	struct lease_record r = held_by("other", 15, WALL);
	struct lease l;

	start(&l);
	take(&l, 0);
	next(&l, 2000, LEASE_UPDATE, "renews");
	lease_wrote(&l, -ESTALE, NULL, at(2001));
	next(&l, 2001, LEASE_GET, "looks who it is");
	lease_got(&l, 0, &r, at(2002));
	ck_assert_msg(!lease_is_leader(&l, at(2002)), "another holds it: at once");
	next(&l, 2002, LEASE_NOTHING, "and waits");
}
END_TEST

/* Who deletes the Lease does not make two leaders of one. */
START_TEST(deleted)
{
	struct lease_record r = held_by("other", 15, WALL);
	struct mono now;
	struct lease l;

	start(&l);
	next(&l, 0, LEASE_GET, "looks");
	lease_got(&l, 0, &r, at(0));
	now = lease_deadline(&l, at(0));
	while (lease_next(&l, now, WALL, &r) == LEASE_GET) {
		lease_got(&l, -ENOENT, NULL, now);
		now = lease_deadline(&l, now);
	}
	ck_assert_int_eq(now.ns, at(15000).ns);
	ck_assert_str_eq(r.resource_version, "");
	ck_assert_uint_eq(r.transitions, 0);
}
END_TEST

START_TEST(deleted_under_us)
{
	struct lease l;

	start(&l);
	take(&l, 0);
	next(&l, 2000, LEASE_UPDATE, "renews");
	lease_wrote(&l, -EIO, NULL, at(2000));
	next(&l, 4000, LEASE_GET, "looks");
	lease_got(&l, -ENOENT, NULL, at(4000));
	ck_assert(!lease_is_leader(&l, at(4000)));
	next(&l, 4000, LEASE_CREATE, "made again at once: it was ours");
}
END_TEST

/* A change is counted from the last look that did not have it yet. */
static const struct {
	const char *why;
	int64_t	looked_ms, seen_ms;	/* the look before, and the one that has it */
	int64_t	free_ms;
} changes[] = {
	{ "from the look before", 500, 1000, 15500 },
	{ "which counts from its sending", 500, 2900, 15500 },
	{ "but no longer back than a sixth of the duration", 500, 9000, 21500 },
};

START_TEST(change_seen)
{
	struct lease_record r = held_by("other", 15, WALL);
	struct lease l;

	start(&l);
	next(&l, 0, LEASE_GET, "first look");
	lease_got(&l, 0, &r, at(0));
	l.due = at(changes[_i].looked_ms);
	next(&l, changes[_i].looked_ms, LEASE_GET, "second");
	lease_got(&l, 0, &r, at(changes[_i].looked_ms + 1));
	ck_assert_int_eq(l.seen_at.ns, at(0).ns);
	l.due = at(changes[_i].seen_ms);
	next(&l, changes[_i].seen_ms, LEASE_GET, "third");
	r.renewed_ns++;
	strcpy(r.resource_version, "8");
	lease_got(&l, 0, &r, at(changes[_i].seen_ms));
	ck_assert_msg(l.seen_at.ns == at(changes[_i].free_ms - 15000).ns, "%s",
	    changes[_i].why);
}
END_TEST

/* A label put on the Lease is no sign of life. */
START_TEST(other_changes)
{
	struct lease_record r = held_by("other", 15, WALL);
	struct lease l;

	start(&l);
	next(&l, 0, LEASE_GET, "first look");
	lease_got(&l, 0, &r, at(0));
	strcpy(r.resource_version, "8");
	l.due = at(500);
	next(&l, 500, LEASE_GET, "second look");
	lease_got(&l, 0, &r, at(500));
	ck_assert_int_eq(l.seen_at.ns, at(0).ns);
	ck_assert_str_eq(l.seen.resource_version, "8");
}
END_TEST

/* --- stopping ------------------------------------------------------------- */

START_TEST(stop_idle)
{
	struct lease l;

	start(&l);
	lease_stop(&l, T0);
	ck_assert_msg(lease_is_over(&l), "nothing is held: nothing to do");
	next(&l, 0, LEASE_NOTHING, "nor to send");
	ck_assert_int_eq(lease_deadline(&l, T0).ns, MONO_NEVER.ns);
}
END_TEST

START_TEST(stop_leading)
{
	struct lease_record r;
	struct lease l;

	start(&l);
	take(&l, 0);
	lease_stop(&l, at(700));
	ck_assert(!lease_is_leader(&l, at(700)));
	ck_assert(!lease_is_over(&l));
	r = next(&l, 700, LEASE_UPDATE, "released at once");
	ck_assert_str_eq(r.holder, "");
	ck_assert_uint_eq(r.duration_sec, 1);
	ck_assert_str_eq(r.resource_version, "1");
	lease_wrote(&l, 0, &r, at(701));
	ck_assert(lease_is_over(&l));
}
END_TEST

/* A write is under way when the stop comes: its outcome, what follows it. */
static const struct {
	const char *why;
	int	error;			/* of the write */
	const char *found;		/* by the look after it; NULL: none is sent */
	bool	is_released;
} stops[] = {
	{ "renewed: then released", 0, NULL, true },
	{ "lost: look, it is ours, release", -EIO, "us", true },
	{ "lost: look, another has it by now", -EIO, "other", false },
	{ "outrun: another has it", -ESTALE, "other", false },
	{ "outrun by our own write of before", -ESTALE, "us", true },
};

START_TEST(stop_while_writing)
{
	const char *why = stops[_i].why;
	struct lease_record r, seen = held_by(stops[_i].found != NULL ?
	    stops[_i].found : "us", 15, WALL + 1);
	struct mono now = at(2100);
	struct lease l;

	start(&l);
	take(&l, 0);
	r = next(&l, 2000, LEASE_UPDATE, "renews");
	lease_stop(&l, at(2050));
	next(&l, 2050, LEASE_NOTHING, "waits for the answer");
	ck_assert_msg(!lease_is_over(&l), "%s", why);
	lease_wrote(&l, stops[_i].error, &r, now);
	if (stops[_i].found != NULL) {
		now = lease_deadline(&l, now);
		ck_assert_msg(lease_next(&l, now, WALL, &r) == LEASE_GET, "%s", why);
		lease_got(&l, 0, &seen, now);
	}
	ck_assert_msg(lease_is_over(&l) == !stops[_i].is_released, "%s", why);
	if (!stops[_i].is_released)
		return;
	ck_assert_msg(lease_next(&l, now, WALL, &r) == LEASE_UPDATE, "%s", why);
	ck_assert_str_eq(r.holder, "");
	lease_wrote(&l, 0, &r, now);
	ck_assert_msg(lease_is_over(&l), "%s", why);
}
END_TEST

/* --- JSON ------------------------------------------------------------------ */

START_TEST(encoding)
{
	struct lease_record r = held_by("node_uid", 15, WALL + 345678000), back = { 0 };
	char *text = lease_encode(&r, "ns", "name");

	ck_assert_ptr_nonnull(strstr(text, "\"renewTime\":\"2025-11-20T10:00:00.345678Z\""));
	ck_assert_int_eq(lease_decode(text, strlen(text), &back), 0);
	ck_assert(memcmp(&r, &back, sizeof(r)) == 0);
	for (size_t n = 0; n < strlen(text); n++) {
		char *part = mem_zalloc(n + 1);	/* exact, for ASan */
		char *exact = realloc(part, n > 0 ? n : 1);

		memcpy(exact, text, n);
		ck_assert_int_eq(lease_decode(exact, n, &back), -EINVAL);
		free(exact);
	}
	free(text);
}
END_TEST

static const struct {
	const char *why, *text;
	int	error;
	int64_t	renewed_ns;
} texts[] = {
	{ "bare: a Lease nobody holds", "{\"kind\":\"Lease\",\"metadata\":{}}", 0, 0 },
	{ "no Lease", "{\"kind\":\"Status\",\"metadata\":{}}", -EINVAL, 0 },
	{ "a list", "[]", -EINVAL, 0 },
	{ "a fraction of one digit", "{\"kind\":\"Lease\",\"metadata\":{},\"spec\":"
	    "{\"renewTime\":\"2025-11-20T10:00:00.5Z\"}}", 0, WALL + 500000000 },
	{ "no fraction", "{\"kind\":\"Lease\",\"metadata\":{},\"spec\":"
	    "{\"renewTime\":\"2025-11-20T10:00:00Z\"}}", 0, WALL },
	{ "a year too far", "{\"kind\":\"Lease\",\"metadata\":{},\"spec\":"
	    "{\"renewTime\":\"9999-11-20T10:00:00Z\"}}", 0, 0 },
	{ "no time", "{\"kind\":\"Lease\",\"metadata\":{},\"spec\":"
	    "{\"renewTime\":\"soon\",\"leaseDurationSeconds\":-1}}", 0, 0 },
};

START_TEST(decoding)
{
	struct lease_record r = { .renewed_ns = 5 };

	ck_assert_msg(lease_decode(texts[_i].text, strlen(texts[_i].text), &r) ==
	    texts[_i].error, "%s", texts[_i].why);
	ck_assert_msg(r.renewed_ns == (texts[_i].error != 0 ? 5 : texts[_i].renewed_ns),
	    "%s", texts[_i].why);
	ck_assert_uint_eq(r.duration_sec, 0);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, timings);
	tcase_add_loop_test(tc, first_look, 0, (int)nitems(firsts));
	tcase_add_loop_test(tc, renewal, 0, (int)nitems(renewals));
	tcase_add_test(tc, late_answer);
	tcase_add_test(tc, stood_still);
	tcase_add_test(tc, taken_by_another);
	tcase_add_test(tc, deleted);
	tcase_add_test(tc, deleted_under_us);
	tcase_add_loop_test(tc, change_seen, 0, (int)nitems(changes));
	tcase_add_test(tc, other_changes);
	tcase_add_test(tc, stop_idle);
	tcase_add_test(tc, stop_leading);
	tcase_add_loop_test(tc, stop_while_writing, 0, (int)nitems(stops));
	tcase_add_test(tc, encoding);
	tcase_add_loop_test(tc, decoding, 0, (int)nitems(texts));
}

TEST_MAIN("lease", fill)
