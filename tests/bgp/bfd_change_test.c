/*
 * bfd_change_test.c - what changes while a BFD session is up: intervals, by Poll
 * Sequences (RFC 5880, 6.5, 6.8.3), AdminDown, and what this end says of itself.
 */
#include "tests/bgp/bfd_session.h"

START_TEST(coming_up_polls_for_the_faster_rate)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd_pkt p = theirs(BFD_INIT);
	struct bfd_pkt sent;
	struct bfd s;

	bfd_init(&s, &conf, T0);
	sent = tx(&s, T0);
	ck_assert_uint_eq(sent.state, BFD_DOWN);
	ck_assert_uint_eq(sent.desired_min_tx_us, BFD_SLOW_TX_US);
	ck_assert_uint_eq(sent.required_min_rx_us, 100000);
	ck_assert_uint_eq(sent.your_discr, 0);
	p.flags = BFD_POLL;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	sent = tx(&s, T0);	/* Poll and Final never in one packet */
	ck_assert_uint_eq(sent.flags, BFD_FINAL);
	ck_assert_uint_eq(sent.state, BFD_UP);
	ck_assert_uint_eq(sent.desired_min_tx_us, 100000);
	ck_assert_uint_eq(tx(&s, T0).flags, BFD_POLL);
	ck_assert_uint_eq(tx(&s, T0).detect_mult, 0);
	/* Until answered each periodic packet polls, then none. */
	ck_assert_uint_eq(tx(&s, mono_add_ms(T0, 100)).flags, BFD_POLL);
	p = theirs(BFD_UP);
	p.flags = BFD_FINAL;
	ck_assert_int_eq(rx(&s, &p, mono_add_ms(T0, 110)), 0);
	sent = tx(&s, mono_add_ms(T0, 200));
	ck_assert_uint_ne(sent.detect_mult, 0);
	ck_assert_uint_eq(sent.flags, 0);
}
END_TEST

/* 6.8.3: what takes effect at once and what waits for the Final. */
static const struct {
	const char *why;
	uint32_t tx_us, rx_us;			/* changed to, from 100000 */
	uint32_t tx_before_us, rx_before_us;	/* in force before the Final */
} changes[] = {
	{ "slower sending waits", 200000, 100000, 100000, 100000 },
	{ "faster sending does not", 50000, 100000, 50000, 100000 },
	{ "faster detection waits", 100000, 50000, 100000, 100000 },
	{ "slower detection does not", 100000, 200000, 100000, 200000 },
	{ "each by its own rule", 200000, 50000, 100000, 100000 },
};

START_TEST(parameter_change)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_UP);
	struct bfd_pkt sent;

	p.desired_min_tx_us = 1;
	p.required_min_rx_us = 1;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	bfd_set_intervals(&s, changes[_i].tx_us, changes[_i].rx_us);
	sent = tx(&s, T0);		/* told at once */
	ck_assert_uint_eq(sent.flags, BFD_POLL);
	ck_assert_uint_eq(sent.desired_min_tx_us, changes[_i].tx_us);
	ck_assert_uint_eq(sent.required_min_rx_us, changes[_i].rx_us);
	ck_assert_msg(s.tx_us == changes[_i].tx_before_us, "%s", changes[_i].why);
	ck_assert_msg(s.rx_us == changes[_i].rx_before_us, "%s", changes[_i].why);
	ck_assert_uint_eq(bfd_detect_us(&s), 3u * changes[_i].rx_before_us);
	p.flags = BFD_FINAL;
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert_uint_eq(s.tx_us, changes[_i].tx_us);
	ck_assert_uint_eq(s.rx_us, changes[_i].rx_us);
	ck_assert_int_eq(s.detect_due.ns,
	    mono_add_us(T0, 3 * (int64_t)changes[_i].rx_us).ns);
}
END_TEST

START_TEST(change_during_a_poll_polls_again)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = theirs(BFD_UP);

	bfd_set_intervals(&s, 200000, 100000);
	tx_all(&s, T0);
	bfd_set_intervals(&s, 300000, 100000);
	tx_all(&s, T0);
	p.flags = BFD_FINAL;		/* answers the first, perhaps */
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert(s.is_polling);
	ck_assert_uint_eq(s.tx_us, 100000);
	ck_assert_int_eq(rx(&s, &p, T0), 0);
	ck_assert(!s.is_polling);
	ck_assert_uint_eq(s.tx_us, 300000);
}
END_TEST

START_TEST(no_change_no_poll)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);

	bfd_set_intervals(&s, 100000, 100000);
	ck_assert_uint_eq(tx(&s, T0).detect_mult, 0);
}
END_TEST

START_TEST(admin_down_both_ways)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p;

	bfd_admin_down(&s);
	for (int i = 0; i < 3; i++) {
		p = tx(&s, T0);
		ck_assert_uint_eq(p.state, BFD_ADMIN_DOWN);
		ck_assert_uint_eq(p.diag, BFD_DIAG_ADMIN_DOWN);
	}
	ck_assert_uint_eq(tx(&s, T0).detect_mult, 0);
	/* It goes on, slowly, so that a peer that missed it learns (6.8.16). */
	ck_assert_uint_eq(tx(&s, mono_add_sec(T0, 1)).state, BFD_ADMIN_DOWN);
	ck_assert_int_eq(rx_state(&s, BFD_DOWN, T0), 0);
	ck_assert_int_eq(s.state, BFD_ADMIN_DOWN);
}
END_TEST

START_TEST(path_is_told_while_up)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);

	bfd_set_path(&s, BFD_DIAG_CONCAT_DOWN);
	for (int i = 0; i < 3; i++) {
		struct bfd_pkt p = tx(&s, T0);

		ck_assert_msg(p.state == BFD_UP && p.diag == BFD_DIAG_CONCAT_DOWN,
		    "at once, three times, the session stays up");
	}
	ck_assert_uint_eq(tx(&s, T0).detect_mult, 0);
	bfd_set_path(&s, BFD_DIAG_CONCAT_DOWN);
	ck_assert_msg(tx(&s, T0).detect_mult == 0, "no news, no packet");
	bfd_set_path(&s, BFD_DIAG_NONE);
	ck_assert_uint_eq(tx(&s, T0).diag, BFD_DIAG_NONE);

	/* A session that comes up tells it from its first packet but Down on. */
	conf.path_diag = BFD_DIAG_REVERSE_CONCAT;
	bfd_init(&s, &conf, T0);
	tx_all(&s, T0);
	ck_assert_int_eq(rx_state(&s, BFD_DOWN, T0), 0);
	ck_assert_uint_eq(s.state, BFD_INIT);
	ck_assert_uint_eq(tx(&s, T0).diag, BFD_DIAG_REVERSE_CONCAT);
	ck_assert_int_eq(rx_state(&s, BFD_UP, T0), 0);
	ck_assert_uint_eq(s.state, BFD_UP);
	ck_assert_uint_eq(tx(&s, T0).diag, BFD_DIAG_REVERSE_CONCAT);
}
END_TEST

START_TEST(note_is_told_while_up)
{
	struct bfd_conf conf = conf_of(OURS);
	struct bfd s = session(&conf, BFD_UP);
	struct bfd_pkt p = { .state = BFD_UP };

	ck_assert_msg(s.remote_note == 0, "until the peer says so");
	bfd_set_note(&s, 0x40000001);
	for (int i = 0; i < 3; i++) {
		p = tx(&s, T0);
		ck_assert_msg(p.state == BFD_UP && p.required_min_echo_rx_us ==
		    0x40000001, "at once, three times, the session stays up");
	}
	ck_assert_uint_eq(tx(&s, T0).detect_mult, 0);
	bfd_set_note(&s, 0x40000001);
	ck_assert_msg(tx(&s, T0).detect_mult == 0, "no news, no packet");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, coming_up_polls_for_the_faster_rate);
	tcase_add_loop_test(tc, parameter_change, 0, nitems(changes));
	tcase_add_test(tc, change_during_a_poll_polls_again);
	tcase_add_test(tc, no_change_no_poll);
	tcase_add_test(tc, admin_down_both_ways);
	tcase_add_test(tc, path_is_told_while_up);
	tcase_add_test(tc, note_is_told_while_up);
}

TEST_MAIN("bfd_change", fill)
