/*
 * Statements between speakers: what is taken and what is not, and five nodes
 * over a network that loses every third datagram.
 */
#include <string.h>

#include "speaker/vouch.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

/* Another to come stands behind the one in use. */
static const struct keys ours = { .n = 2, .key = { { "secret", 6 }, { "later", 5 } } };
static const struct keys later = { .n = 1, .key = { { "later", 5 } } };
static const struct keys none;

static uint8_t buf[VOUCH_PACKET_MAX];

static struct ip
ip_of(unsigned node)
{
	return ip_from_v4(0x0a000001 + node);
}

static const char *const names[] = { "n0", "n1", "n2", "n3", "n4" };

/* Node i of n, which knows the others and has nothing to say of itself yet. */
static void
make_mute(struct vouch *v, unsigned i, unsigned n, uint64_t epoch, struct mono now)
{
	vouch_init(v, epoch, &ours);
	vouch_begin_peers(v);
	for (unsigned j = n; j-- > 0;) {
		struct ip ip = ip_of(j);

		if (j != i)
			vouch_put_peer(v, names[j], &ip, now);
	}
	vouch_end_peers(v);
}

static void
make(struct vouch *v, unsigned i, unsigned n, uint64_t epoch, struct mono now)
{
	make_mute(v, i, n, epoch, now);
	vouch_begin(v, now);
}

/* Carry what from has to send to the others until nothing is left; how much. */
static unsigned
carry(struct vouch *v, unsigned from, struct mono now, struct vouch *to[],
    bool (*is_lost)(void))
{
	const struct ip self[2] = { ip_of(from), { 0 } };
	unsigned ncarried = 0;
	struct ip dst;
	size_t len;

	while ((len = vouch_next(v, self, now, buf, &dst)) > 0) {
		unsigned i = ip_to_v4(&dst) - 0x0a000001;
		uint8_t *copy = malloc(len);

		ncarried++;
		memcpy(copy, buf, len);		/* of exact size, for ASan */
		if (to[i] != NULL && (is_lost == NULL || !is_lost()))
			ck_assert_int_lt(vouch_hear(to[i], &self[0], copy, len, now),
			    VOUCH_STRANGER);
		free(copy);
	}
	return ncarried;
}

/* Two nodes, until they are quiet. */
static void
settle(struct vouch *a, struct vouch *b, struct mono now)
{
	struct vouch *both[] = { a, b };

	while (carry(a, 0, now, both, NULL) + carry(b, 1, now, both, NULL) > 0)
		;
	ck_assert_int_eq(vouch_deadline(a).ns, INT64_MAX);
	ck_assert_int_eq(vouch_deadline(b).ns, INT64_MAX);
}

START_TEST(endpoint_ids)
{
	struct ip ip = ip_from_v4(1), other = ip_from_v4(2);
	uint64_t s = vouch_service("ns", "svc"), id = vouch_id(s, &ip, 80);

	ck_assert_msg(s != vouch_service("n", "ssvc"), "names do not run together");
	ck_assert(id == vouch_id(s, &ip, 80));
	ck_assert(id != vouch_id(s, &other, 80) && id != vouch_id(s, &ip, 81) &&
	    id != vouch_id(vouch_service("ns", "svd"), &ip, 80));
}
END_TEST

START_TEST(said_and_heard)
{
	const uint64_t down[] = { 3, 7, UINT64_MAX };
	struct ip self[2] = { ip_of(0) }, dst;
	struct vouch a, b;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	settle(&a, &b, T0);
	ck_assert(!vouch_is_down(&b, "n0", 7));
	ck_assert(vouch_say(&a, down, 3, T0));
	ck_assert_msg(vouch_is_down(&a, NULL, 7), "at once on the node itself");
	settle(&a, &b, T0);
	ck_assert(vouch_is_down(&b, "n0", 3) && vouch_is_down(&b, "n0", UINT64_MAX));
	ck_assert_msg(!vouch_is_down(&b, NULL, 7), "not what b says");
	ck_assert(!vouch_is_down(&b, "n0", 8) && !vouch_is_down(&b, "n9", 7));
	ck_assert(vouch_say(&a, down, 3, T0));
	ck_assert_msg(vouch_next(&a, self, T0, buf, &dst) == 0, "no change, no word");
	ck_assert(vouch_say(&a, NULL, 0, T0));
	settle(&a, &b, T0);
	ck_assert(!vouch_is_down(&b, "n0", 7));
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

/* A speaker starts anew: it learns what the others say, they forget what it said. */
START_TEST(restart)
{
	const uint64_t down[] = { 7 }, other[] = { 8 };
	struct vouch a, b;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	vouch_say(&a, down, 1, T0);
	vouch_say(&b, down, 1, T0);
	settle(&a, &b, T0);
	vouch_fini(&a);
	make_mute(&a, 0, 2, 101, T0);
	settle(&a, &b, T0);
	ck_assert(vouch_is_down(&a, "n1", 7));
	ck_assert_msg(vouch_is_down(&b, "n0", 7), "a says nothing before it is sure");
	vouch_say(&a, other, 1, T0);
	ck_assert_msg(vouch_is_down(&a, NULL, 8), "but to itself");
	settle(&a, &b, T0);
	ck_assert(vouch_is_down(&b, "n0", 7) && !vouch_is_down(&b, "n0", 8));
	vouch_begin(&a, T0);
	vouch_begin(&a, T0);
	settle(&a, &b, T0);
	ck_assert(!vouch_is_down(&b, "n0", 7) && vouch_is_down(&b, "n0", 8));
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

START_TEST(silence)
{
	const uint64_t down[] = { 7 };
	struct ip ip = ip_of(0);
	struct mono end = mono_add_sec(T0, VOUCH_TRUST_SEC);
	struct vouch a, b;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	vouch_say(&a, down, 1, T0);
	settle(&a, &b, T0);
	vouch_set_up(&b, &ip, true, T0);
	settle(&a, &b, T0);
	vouch_set_up(&b, &ip, false, T0);
	ck_assert_int_eq(vouch_deadline(&b).ns, end.ns);
	ck_assert(!vouch_tick(&b, mono_add_ms(T0, 1000)));
	ck_assert_msg(vouch_is_down(&b, "n0", 7), "it may only be restarting");
	ck_assert_msg(vouch_tick(&b, end), "readiness alone counts now");
	ck_assert(!vouch_is_down(&b, "n0", 7));
	/* It was cut off and lives: both say all again. */
	ip = ip_of(1);
	vouch_set_up(&a, &ip, true, end);
	ip = ip_of(0);
	vouch_set_up(&b, &ip, true, end);
	settle(&a, &b, end);
	ck_assert(vouch_is_down(&b, "n0", 7));
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

/* The key is being changed: whichever of the two it is signed with is good. */
START_TEST(two_keys)
{
	const uint64_t down[] = { 7 };
	struct vouch a, b;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	b.keys = &later;
	vouch_say(&b, down, 1, T0);
	carry(&b, 1, T0, (struct vouch *[]){ &a, NULL }, NULL);
	ck_assert(vouch_is_down(&a, "n1", 7));
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

START_TEST(backs_off)
{
	struct ip self[2] = { ip_of(0) }, dst;
	struct mono now = T0;
	unsigned nsent = 0;
	struct vouch a;

	make(&a, 0, 2, 100, T0);
	for (; mono_before(now, mono_add_sec(T0, 10)); now = vouch_deadline(&a)) {
		while (vouch_next(&a, self, now, buf, &dst) > 0)
			nsent++;
		ck_assert(mono_before(now, vouch_deadline(&a)));
	}
	ck_assert_msg(nsent >= 14 && nsent <= 16, "a dead peer was sent %u in 10 s", nsent);
	vouch_fini(&a);
}
END_TEST

/* One statement, altered: each row says what becomes of it. */
static const struct {
	const char *why;
	int	at, value;		/* a byte to set, -1 none */
	int	from;			/* who seems to send it */
	int	cut;			/* bytes off the end */
	bool	has_key;
	enum vouch_heard heard;
} altered[] = {
	{ "as it was sent", -1, 0, 0, 0, true, VOUCH_NEWS },
	{ "by nobody we know", -1, 0, 7, 0, true, VOUCH_STRANGER },
	{ "replayed from another's address", -1, 0, 2, 0, true, VOUCH_UNSIGNED },
	{ "another id", 30, 1, 0, 0, true, VOUCH_UNSIGNED },
	{ "another sequence number", 19, 99, 0, 0, true, VOUCH_UNSIGNED },
	{ "the signature cut off", -1, 0, 0, 16, true, VOUCH_UNSIGNED },
	{ "half of it", -1, 0, 0, 8, true, VOUCH_UNSIGNED },
	{ "signed, and we have no key", -1, 0, 0, 0, false, VOUCH_UNSIGNED },
	{ "unsigned, and we have no key", -1, 0, 0, 16, false, VOUCH_NEWS },
	{ "another protocol's", 0, 0, 0, 0, true, VOUCH_BROKEN },
	{ "a later version's", 4, 2, 0, 0, true, VOUCH_BROKEN },
	{ "of a type that is none", 5, 3, 0, 16, false, VOUCH_BROKEN },
	{ "an acknowledgement with ids", 5, 2, 0, 16, false, VOUCH_BROKEN },
	{ "more ids than it holds", 7, 3, 0, 16, false, VOUCH_BROKEN },
	{ "more ids than there may be", 6, 0xff, 0, 16, false, VOUCH_BROKEN },
	{ "ids out of order", 24, 1, 0, 16, false, VOUCH_BROKEN },
	{ "cut in an id", -1, 0, 0, 20, false, VOUCH_BROKEN },
	{ "nothing at all", -1, 0, 0, 56, true, VOUCH_BROKEN },
};

START_TEST(hear)
{
	const uint64_t down[] = { 3, 7 };
	struct ip self[2] = { ip_of(0) }, dst, from = ip_of((unsigned)altered[_i].from);
	struct vouch a, b;
	enum vouch_heard heard;
	uint8_t *copy;
	size_t len;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 3, 200, T0);
	if (!altered[_i].has_key)
		b.keys = &none;
	vouch_say(&a, down, 2, T0);
	len = vouch_next(&a, self, T0, buf, &dst);
	ck_assert_uint_eq(len, 24 + 2 * 8 + 16);
	if (altered[_i].at >= 0)
		buf[altered[_i].at] = (uint8_t)altered[_i].value;
	len -= (size_t)altered[_i].cut;
	copy = malloc(len > 0 ? len : 1);
	memcpy(copy, buf, len);
	heard = vouch_hear(&b, &from, copy, len, T0);
	ck_assert_msg(heard == altered[_i].heard, "%s: %d", altered[_i].why, heard);
	ck_assert_msg(vouch_is_down(&b, "n0", 7) == (heard == VOUCH_NEWS), "%s",
	    altered[_i].why);
	ck_assert_msg(!vouch_is_down(&b, "n2", 7), "%s", altered[_i].why);
	if (heard == VOUCH_NEWS) {
		ck_assert_msg(vouch_hear(&b, &from, copy, len, T0) == VOUCH_OLD, "twice");
		b.peers[0].seq++;
		ck_assert_msg(vouch_hear(&b, &from, copy, len, T0) == VOUCH_OLD, "late");
		ck_assert(vouch_is_down(&b, "n0", 7));
	}
	free(copy);
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

/* Every prefix, in a copy of exact size. */
START_TEST(prefixes)
{
	const uint64_t down[] = { 3, 7 };
	struct ip self[2] = { ip_of(0) }, dst;
	struct vouch a, b;
	size_t full;

	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	a.keys = b.keys = &none;
	vouch_say(&a, down, 2, T0);
	full = vouch_next(&a, self, T0, buf, &dst);
	for (size_t len = 0; len < full; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);

		memcpy(copy, buf, len);
		ck_assert_int_ge(vouch_hear(&b, &self[0], copy, len, T0), VOUCH_UNSIGNED);
		free(copy);
	}
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

START_TEST(too_many)
{
	static uint64_t ids[VOUCH_DOWN_MAX + 1];
	struct vouch a, b;

	for (size_t i = 0; i < nitems(ids); i++)
		ids[i] = i;
	make(&a, 0, 2, 100, T0);
	make(&b, 1, 2, 200, T0);
	ck_assert(vouch_say(&a, ids, VOUCH_DOWN_MAX, T0));
	ck_assert_msg(!vouch_say(&a, ids, VOUCH_DOWN_MAX + 1, T0), "and it is told");
	settle(&a, &b, T0);
	ck_assert(vouch_is_down(&b, "n0", VOUCH_DOWN_MAX - 1));
	ck_assert(!vouch_is_down(&b, "n0", VOUCH_DOWN_MAX));
	ck_assert(vouch_is_down(&a, NULL, VOUCH_DOWN_MAX));
	vouch_fini(&a);
	vouch_fini(&b);
}
END_TEST

static unsigned rand_state;

static bool
third_is_lost(void)
{
	rand_state = rand_state * 1103515245 + 12345;
	return (rand_state >> 16) % 3 == 0;
}

/* Changes and restarts; then all agree, and fall silent. */
START_TEST(lossy)
{
	struct vouch nodes[5], *to[5];
	struct mono now = T0;
	uint64_t epoch = 100;

	rand_state = (unsigned)_i;
	for (unsigned i = 0; i < 5; i++) {
		make(&nodes[i], i, 5, epoch++, now);
		to[i] = &nodes[i];
	}
	for (int step = 0; step < 2000; step++, now = mono_add_ms(now, 10)) {
		unsigned who = rand_state >> 8;
		uint64_t ids[2] = { rand_state % 3, 10 + rand_state % 5 };

		if (step < 200 && step % 7 == 0)
			vouch_say(&nodes[who % 5], ids, rand_state % 3, now);
		if (step < 200 && step % 50 == 49) {
			vouch_fini(&nodes[who % 5]);
			make(&nodes[who % 5], who % 5, 5, epoch++, now);
		}
		for (unsigned i = 0; i < 5; i++)
			carry(&nodes[i], i, now, to, third_is_lost);
	}
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_msg(vouch_deadline(&nodes[i]).ns == INT64_MAX, "node %u", i);
		for (unsigned j = 0; j < 5; j++) {
			for (uint64_t id = 0; i != j && id < 20; id++)
				ck_assert(vouch_is_down(&nodes[i], names[j], id) ==
				    vouch_is_down(&nodes[j], NULL, id));
		}
	}
	for (unsigned i = 0; i < 5; i++)
		vouch_fini(&nodes[i]);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, endpoint_ids);
	tcase_add_test(tc, said_and_heard);
	tcase_add_test(tc, restart);
	tcase_add_test(tc, silence);
	tcase_add_test(tc, two_keys);
	tcase_add_test(tc, backs_off);
	tcase_add_loop_test(tc, hear, 0, nitems(altered));
	tcase_add_test(tc, prefixes);
	tcase_add_test(tc, too_many);
	tcase_add_loop_test(tc, lossy, 0, 20);
}

TEST_MAIN("speaker vouch", fill)
