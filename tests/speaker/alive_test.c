#include "speaker/alive.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = NSEC_PER_SEC })

enum { MAX_STEPS = 4 };

static const struct {
	const char *why;
	bool is_ready;
	struct {
		int64_t at_ms;
		enum alive_report heard;	/* HEARD_NOTHING: end of the steps */
	} steps[MAX_STEPS];
	int64_t asked_ms;
	enum alive_state state;
} rows[] = {
	{ "a new node gets the benefit of the doubt", true, { { 0 } }, 0, ALIVE_UNKNOWN },
	{ "but not for ever", true, { { 0 } }, ALIVE_WINDOW_MS, ALIVE_ABSENT },
	{ "a new node that the API calls unready is dead", false, { { 0 } }, 0,
	    ALIVE_DEAD },
	{ "BFD up is up, whatever the API says", false,
	    { { 100, ALIVE_HEARD_UP } }, 100, ALIVE_UP },
	{ "detection time over: dead at once", true,
	    { { 0, ALIVE_HEARD_UP }, { 500, ALIVE_HEARD_DOWN } }, 500, ALIVE_DEAD },
	{ "dead for a minute and still Ready: only the speaker is gone", true,
	    { { 0, ALIVE_HEARD_UP }, { 500, ALIVE_HEARD_DOWN } },
	    500 + ALIVE_READY_TRUST_SEC * 1000, ALIVE_SILENT },
	{ "dead and not Ready stays dead", false,
	    { { 0, ALIVE_HEARD_UP }, { 500, ALIVE_HEARD_DOWN } },
	    500 + ALIVE_READY_TRUST_SEC * 1000, ALIVE_DEAD },
	{ "port unreachable: the host lives, its director too", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_REFUSED } }, 300, ALIVE_SILENT },
	{ "a refusal after dead corrects it", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_DOWN },
	      { 400, ALIVE_HEARD_REFUSED } }, 400, ALIVE_SILENT },
	{ "refused from the start: it may start along with us", true,
	    { { 0, ALIVE_HEARD_REFUSED } }, 100, ALIVE_UNKNOWN },
	{ "refused past the window: it has no speaker", true,
	    { { 0, ALIVE_HEARD_REFUSED } }, ALIVE_WINDOW_MS, ALIVE_ABSENT },
	{ "a refusal shows life even where the API sees none", false,
	    { { 0, ALIVE_HEARD_REFUSED } }, ALIVE_WINDOW_MS, ALIVE_ABSENT },
	{ "up, but nothing is programmed there yet", true,
	    { { 0, ALIVE_HEARD_WAITING } }, 100, ALIVE_WAITING },
	{ "up, but without a link", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_CUT_OFF } }, 300, ALIVE_CUT_OFF },
	{ "and dead as any other", true,
	    { { 0, ALIVE_HEARD_CUT_OFF }, { 300, ALIVE_HEARD_DOWN } }, 300, ALIVE_DEAD },
	{ "AdminDown is a farewell", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_LEAVING } }, 300, ALIVE_LEAVING },
	{ "silence after a farewell is no death", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_LEAVING },
	      { 900, ALIVE_HEARD_DOWN } }, 900, ALIVE_LEAVING },
	{ "unless the API says so", false,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_LEAVING },
	      { 900, ALIVE_HEARD_DOWN } }, 900, ALIVE_DEAD },
	{ "gone after a farewell: silent, director there", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_LEAVING },
	      { 600, ALIVE_HEARD_REFUSED } }, 600, ALIVE_SILENT },
	{ "and up again", true,
	    { { 0, ALIVE_HEARD_UP }, { 300, ALIVE_HEARD_DOWN },
	      { 900, ALIVE_HEARD_UP } }, 900, ALIVE_UP },
};

static void
put(struct alive *a, const char *name, uint32_t ip, bool is_ready, struct mono now)
{
	struct ip addr = ip_from_v4(ip);

	alive_put_node(a, name, &addr, is_ready, now);
}

START_TEST(state)
{
	struct ip ip = ip_from_v4(0x0a000002);
	struct alive a;
	enum alive_state got;

	alive_init(&a);
	alive_begin_nodes(&a);
	put(&a, "n2", 0x0a000002, rows[_i].is_ready, T0);
	alive_end_nodes(&a);
	for (unsigned i = 0; i < MAX_STEPS &&
	    rows[_i].steps[i].heard != ALIVE_HEARD_NOTHING; i++)
		alive_report(&a, &ip, rows[_i].steps[i].heard,
		    mono_add_ms(T0, rows[_i].steps[i].at_ms));
	got = alive_state(&a, "n2", mono_add_ms(T0, rows[_i].asked_ms));
	ck_assert_msg(got == rows[_i].state, "%s: %s", rows[_i].why,
	    alive_state_name(got));
	alive_fini(&a);
}
END_TEST

START_TEST(deadline_is_when_a_state_turns)
{
	struct mono due = mono_add_ms(T0, ALIVE_WINDOW_MS);
	struct ip ip = ip_from_v4(0x0a000002);
	struct alive a;

	alive_init(&a);
	ck_assert(alive_deadline(&a, T0).ns == MONO_NEVER.ns);
	alive_begin_nodes(&a);
	put(&a, "n2", 0x0a000002, true, T0);
	alive_end_nodes(&a);
	ck_assert(alive_deadline(&a, T0).ns == due.ns);
	ck_assert(alive_state(&a, "n2", mono_add_ns(due, -1)) == ALIVE_UNKNOWN);
	ck_assert(alive_has_unknown(&a, mono_add_ns(due, -1)));
	ck_assert(!alive_has_unknown(&a, due));
	ck_assert(alive_state(&a, "n2", due) == ALIVE_ABSENT);
	ck_assert_msg(alive_deadline(&a, due).ns == MONO_NEVER.ns, "no busy loop");
	alive_report(&a, &ip, ALIVE_HEARD_UP, due);
	ck_assert(alive_deadline(&a, due).ns == MONO_NEVER.ns);
	alive_fini(&a);
}
END_TEST

START_TEST(nodes_come_and_go)
{
	struct ip ip = ip_from_v4(0x0a000002);
	struct alive a;

	alive_init(&a);
	alive_begin_nodes(&a);
	put(&a, "n3", 0x0a000003, true, T0);
	put(&a, "n2", 0x0a000002, true, T0);
	put(&a, "n4", 0x0a000004, true, T0);
	alive_end_nodes(&a);
	ck_assert_uint_eq(a.n, 3);
	ck_assert_str_eq(a.nodes[0].name, "n2");
	ck_assert_msg(alive_report(&a, &ip, ALIVE_HEARD_UP, T0), "a change of state");
	ck_assert_msg(!alive_report(&a, &ip, ALIVE_HEARD_UP, T0), "is told once");

	alive_begin_nodes(&a);
	put(&a, "n2", 0x0a000002, true, T0);
	ck_assert_msg(alive_end_nodes(&a), "two are gone");
	ck_assert_uint_eq(a.n, 1);
	ck_assert_msg(alive_state(&a, "n2", T0) == ALIVE_UP, "who stays is untouched");
	ck_assert(alive_state(&a, "n3", T0) == ALIVE_ABSENT);

	alive_begin_nodes(&a);
	put(&a, "n2", 0x0a000009, true, T0);
	alive_end_nodes(&a);
	ck_assert_msg(alive_state(&a, "n2", T0) == ALIVE_UNKNOWN,
	    "another address is another machine");
	alive_fini(&a);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, state, 0, nitems(rows));
	tcase_add_test(tc, deadline_is_when_a_state_turns);
	tcase_add_test(tc, nodes_come_and_go);
}

TEST_MAIN("alive", fill)
