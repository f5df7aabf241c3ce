/* Connections between speakers: whose datagrams are taken, and once each. */
#include <string.h>

#include "speaker/relay.h"
#include "tests/check.h"

static const struct keys ours = { .n = 2, .key = { { "secret", 6 }, { "later", 5 } } };
static const struct keys later = { .n = 1, .key = { { "later", 5 } } };
static const struct keys other = { .n = 1, .key = { { "guess", 5 } } };
static const struct keys none;
static const uint8_t msg[] = "a message of the kernel's";

static struct ip
ip_of(unsigned node)
{
	return ip_from_v4(0x0a000001 + node);
}

static enum relay_heard
hear(struct relay *to, const struct ip *from, const uint8_t *buf, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);	/* of exact size, for ASan */
	const uint8_t *got = NULL;
	size_t got_len = 0;
	enum relay_heard heard;

	memcpy(copy, buf, len);
	heard = relay_unwrap(to, from, copy, len, &got, &got_len);
	if (heard == RELAY_NEWS) {
		ck_assert_uint_eq(got_len, sizeof(msg));
		ck_assert_mem_eq(got, msg, sizeof(msg));
	} else {
		ck_assert_ptr_null(got);
	}
	free(copy);
	return heard;
}

static const struct {
	const char *why;
	const struct keys *theirs, *ours;
	unsigned signed_as, from;	/* nodes: 1 is known, 2 is not */
	enum relay_heard heard;
} cases[] = {
	{ "the same keys", &ours, &ours, 1, 1, RELAY_NEWS },
	{ "they send with one that we have, too", &later, &ours, 1, 1, RELAY_NEWS },
	{ "with one that we have not", &other, &ours, 1, 1, RELAY_UNSIGNED },
	{ "without one", &none, &ours, 1, 1, RELAY_UNSIGNED },
	{ "with one, and we have none", &ours, &none, 1, 1, RELAY_UNSIGNED },
	{ "nobody has one", &none, &none, 1, 1, RELAY_NEWS },
	{ "a stranger's address", &ours, &ours, 2, 2, RELAY_STRANGER },
	{ "what was signed as another node's", &ours, &ours, 2, 1, RELAY_UNSIGNED },
};

START_TEST(who)
{
	struct ip self = ip_of(cases[_i].signed_as), from = ip_of(cases[_i].from);
	struct ip peer = ip_of(1);
	uint8_t buf[RELAY_PACKET_MAX];
	struct relay a, b;
	enum relay_heard heard;
	size_t len;

	relay_init(&a, 100, cases[_i].theirs);
	relay_init(&b, 200, cases[_i].ours);
	relay_set_peers(&b, &peer, 1);
	len = relay_wrap(&a, &self, msg, sizeof(msg), buf);
	heard = hear(&b, &from, buf, len);
	ck_assert_msg(heard == cases[_i].heard, "%s: %d", cases[_i].why, heard);
	for (size_t n = 0; n < len; n++) {
		heard = hear(&b, &from, buf, n);
		/* Without its signature it is what one without a key would send. */
		if (cases[_i].ours->n == 0 && n == len - KEYS_MAC_LEN)
			continue;
		ck_assert_msg(heard != RELAY_NEWS && heard != RELAY_OLD, "%s: %zu bytes: %d",
		    cases[_i].why, n, heard);
	}
	relay_fini(&a);
	relay_fini(&b);
}
END_TEST

/* Whoever records datagrams cannot have them taken again. */
START_TEST(once)
{
	struct ip self = ip_of(1), peers[] = { ip_of(1), ip_of(3) };
	uint8_t first[RELAY_PACKET_MAX], second[RELAY_PACKET_MAX];
	struct relay a, b;
	size_t n1, n2;

	relay_init(&a, 100, &ours);
	relay_init(&b, 200, &ours);
	relay_set_peers(&b, peers, 2);
	n1 = relay_wrap(&a, &self, msg, sizeof(msg), first);
	n2 = relay_wrap(&a, &self, msg, sizeof(msg), second);
	ck_assert_int_eq(hear(&b, &self, first, n1), RELAY_NEWS);
	ck_assert_int_eq(hear(&b, &self, second, n2), RELAY_NEWS);
	ck_assert_int_eq(hear(&b, &self, second, n2), RELAY_OLD);
	ck_assert_int_eq(hear(&b, &self, first, n1), RELAY_OLD);
	/* Not by a change of the other peers either. */
	relay_set_peers(&b, peers, 1);
	ck_assert_int_eq(hear(&b, &self, second, n2), RELAY_OLD);

	/* A speaker that starts begins to count anew. */
	relay_init(&a, 101, &ours);
	n1 = relay_wrap(&a, &self, msg, sizeof(msg), first);
	ck_assert_int_eq(hear(&b, &self, first, n1), RELAY_NEWS);
	ck_assert_int_eq(hear(&b, &self, second, n2), RELAY_OLD);
	/* And one that was gone may have another clock. */
	relay_set_peers(&b, peers + 1, 1);
	ck_assert_int_eq(hear(&b, &self, first, n1), RELAY_STRANGER);
	relay_set_peers(&b, peers, 2);
	relay_init(&a, 7, &ours);
	n1 = relay_wrap(&a, &self, msg, sizeof(msg), first);
	ck_assert_int_eq(hear(&b, &self, first, n1), RELAY_NEWS);
	relay_fini(&a);
	relay_fini(&b);
}
END_TEST

START_TEST(odd)
{
	struct ip self = ip_of(1);
	uint8_t buf[RELAY_PACKET_MAX + 1] = { 0 }, full[CONN_SYNC_MESSAGE_MAX] = { 0 };
	const uint8_t *got;
	struct relay a, b;
	size_t len, n;

	relay_init(&a, 100, &none);
	relay_init(&b, 200, &none);
	relay_set_peers(&b, &self, 1);
	len = relay_wrap(&a, &self, full, sizeof(full), buf);
	ck_assert_int_eq(hear(&b, &self, buf, len + 1), RELAY_BROKEN);
	buf[0] ^= 1;
	ck_assert_msg(hear(&b, &self, buf, len) == RELAY_BROKEN, "another magic");
	buf[0] ^= 1;
	buf[4]++;
	ck_assert_msg(hear(&b, &self, buf, len) == RELAY_BROKEN, "another version");
	buf[4]--;
	ck_assert_int_eq(relay_unwrap(&b, &self, buf, len, &got, &n), RELAY_NEWS);
	ck_assert_uint_eq(n, sizeof(full));
	relay_fini(&a);
	relay_fini(&b);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, who, 0, nitems(cases));
	tcase_add_test(tc, once);
	tcase_add_test(tc, odd);
}

TEST_MAIN("relay", fill)
