/* The small rooms of lib/: mono, wire, hash, arena, log, metrics. */
#include <stdio.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/mono.h"
#include "lib/stamp.h"
#include "lib/wire.h"
#include "tests/check.h"

START_TEST(mono)
{
	struct mono t = { .ns = 5 };

	ck_assert(mono_add_ms(t, 2).ns == 2000005);
	ck_assert_msg(mono_add_ns(t, -9).ns == 0, "time does not go below its start");
	ck_assert_msg(mono_add_sec(MONO_NEVER, 1).ns == INT64_MAX, "never stays never");
	ck_assert_msg(mono_add_ns(t, INT64_MAX).ns == INT64_MAX, "overflow is never");
	ck_assert(!mono_reached(t, MONO_NEVER));
	ck_assert(!mono_reached(MONO_NEVER, MONO_NEVER));
	ck_assert(mono_reached(t, t));
	ck_assert(mono_min(t, MONO_NEVER).ns == 5);
	ck_assert(mono_delay_sec(t, (struct mono){ .ns = 1000000005 }) == 1.);
	ck_assert(mono_delay_sec(t, (struct mono){ 0 }) == 0.);
}
END_TEST

START_TEST(wire_round_trip)
{
	uint8_t buf[32], three[3] = { 7, 8, 9 }, got[3];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct wire_in r, sub;

	wire_put_u16(&w, 0);
	wire_put_u8(&w, 0x12);
	wire_put_u32(&w, 0x3456789a);
	wire_put_u64(&w, UINT64_C(0x1122334455667788));
	wire_put_bytes(&w, three, 3);
	wire_put_zeros(&w, 2);
	wire_patch_u16(&w, 0, 0xbeef);
	ck_assert(!w.is_bad);
	ck_assert_uint_eq(w.len, 20);

	r = wire_in(buf, w.len);
	ck_assert_uint_eq(wire_get_u16(&r), 0xbeef);
	ck_assert_uint_eq(wire_get_u8(&r), 0x12);
	ck_assert_uint_eq(wire_get_u32(&r), 0x3456789a);
	ck_assert(wire_get_u64(&r) == UINT64_C(0x1122334455667788));
	sub = wire_get_sub(&r, 3);
	wire_get_bytes(&sub, got, 3);
	ck_assert_int_eq(memcmp(got, three, 3), 0);
	ck_assert_uint_eq(sub.left, 0);
	ck_assert_uint_eq(wire_get_u16(&r), 0);
	ck_assert(!r.is_bad && r.left == 0);
}
END_TEST

START_TEST(wire_errors_stick)
{
	uint8_t buf[3] = { 1, 2, 3 };
	struct wire_in r = wire_in(buf, 3);
	struct wire_out w = wire_out(buf, 3);

	ck_assert_uint_eq(wire_get_u32(&r), 0);
	ck_assert(r.is_bad);
	ck_assert_msg(wire_get_u8(&r) == 0, "nothing is read after an error");
	wire_put_u16(&w, 0xffff);
	wire_put_u16(&w, 0xffff);
	wire_put_u8(&w, 0xff);
	ck_assert(w.is_bad);
	ck_assert_msg(w.len == 2 && buf[2] == 3, "nothing is written after an error");
}
END_TEST

START_TEST(hash)
{
	unsigned buckets[16] = { 0 };
	char key[32];

	ck_assert_msg(hash_str("herald", 0) == UINT64_C(0xf1e422e360db975),
	    "stable in every release: %lx", (unsigned long)hash_str("herald", 0));
	ck_assert_msg(hash_str("b", hash_str("a", 0)) != hash_str("ab", 0),
	    "chains are unambiguous");
	for (unsigned i = 0; i < 16000; i++) {
		snprintf(key, sizeof(key), "node-%u", i);
		buckets[hash_str(key, 0) >> 60]++;
	}
	for (unsigned i = 0; i < 16; i++)
		ck_assert_msg(buckets[i] > 850 && buckets[i] < 1150,
		    "high bits of similar keys spread: bucket %u has %u", i, buckets[i]);
}
END_TEST

START_TEST(arena)
{
	struct arena a = { 0 };
	char *s = arena_strdup(&a, "first");
	uint64_t *n;

	for (unsigned i = 1; i < 20000; i++) {	/* mapped blocks, too */
		n = arena_array(&a, i % 7 + 1, sizeof(*n));
		ck_assert((uintptr_t)n % _Alignof(uint64_t) == 0);
		ck_assert_msg(n[i % 7] == 0, "zeroed");
		n[i % 7] = i;
	}
	ck_assert_str_eq(s, "first");
	ck_assert_str_eq(arena_printf(&a, "%s-%d", s, 3), "first-3");
	ck_assert_str_eq(arena_strndup(&a, "abc", 2), "ab");
	ck_assert_ptr_null(arena_strdup(&a, NULL));
	ck_assert(arena_size(&a) > 0);
	arena_fini(&a);
	ck_assert_uint_eq(arena_size(&a), 0);
}
END_TEST

/* Arrays and text in turn, of sizes by the seed. */
static void
fill_arena(struct arena *a, unsigned seed)
{
	for (unsigned i = 0; i < 20; i++) {
		seed = seed * 1103515245 + 12345;
		memset(arena_array(a, seed >> 16 & 7, 12), 0xff, (seed >> 16 & 7) * 12);
		ck_assert_str_eq(arena_printf(a, "%0*d", (int)(seed >> 20 & 31) + 1, 1),
		    arena_printf(a, "%0*d", (int)(seed >> 20 & 31) + 1, 1));
	}
}

/* What was used once is room enough the second time, in one block. */
START_TEST(arena_reserved)
{
	struct arena first = { 0 }, exact = { 0 };
	size_t held;

	fill_arena(&first, (unsigned)_i);
	arena_reserve(&exact, arena_used(&first));
	held = arena_size(&exact);
	fill_arena(&exact, (unsigned)_i);
	ck_assert_uint_eq(arena_size(&exact), held);
	ck_assert_uint_eq(arena_used(&exact), arena_used(&first));
	arena_fini(&first);
	arena_fini(&exact);
}
END_TEST

static char lines[4096];

static void
keep(void *arg, const char *line, size_t len)
{
	(void)arg;
	strncat(lines, line, len);
}

START_TEST(log_text)
{
	log_init(LOG_LEVEL_INFO, false);
	log_set_sink(keep, NULL);
	lines[0] = '\0';
	log_debug(LOG_NONE, "too low");
	ck_assert_str_eq(lines, "");
	log_warn(LOG_OBJ("svc", "ns/a", "vip", NULL, "why", "two words"), "no %s", "pool");
	ck_assert_ptr_nonnull(strstr(lines, "Z warn  no pool svc=ns/a why=\"two words\"\n"));
	lines[0] = '\0';
	log_info(LOG_NONE, "%s", "one\nforged line");
	ck_assert_ptr_nonnull(strstr(lines, "one forged line\n"));
}
END_TEST

START_TEST(log_json)
{
	log_init(LOG_LEVEL_DEBUG, true);
	log_set_sink(keep, NULL);
	lines[0] = '\0';
	log_debug(LOG_OBJ("file", "a\"b"), "x\ny\x01");
	ck_assert_ptr_nonnull(strstr(lines,
	    "\"level\":\"debug\",\"msg\":\"x\\ny\\u0001\",\"file\":\"a\\\"b\"}\n"));
}
END_TEST

START_TEST(log_repeats)
{
	size_t len;

	log_init(LOG_LEVEL_INFO, false);
	log_set_sink(keep, NULL);
	lines[0] = '\0';
	log_info(LOG_OBJ("svc", "a"), "same");
	len = strlen(lines);
	log_info(LOG_OBJ("svc", "a"), "same");
	ck_assert_msg(strlen(lines) == len, "an equal line is held back");
	log_info(LOG_OBJ("svc", "b"), "same");
	ck_assert_msg(strlen(lines) > len, "another object's is not");
}
END_TEST

START_TEST(metrics)
{
	static const struct metric up = { "herald_up", "Is it up.", METRIC_GAUGE };
	static const struct metric rx = { "herald_rx_total", "Received.", METRIC_COUNTER };
	char labels[64], *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	metrics_set(&up, NULL, 1);
	metrics_add(&rx, metrics_labels(labels, sizeof(labels), "peer", "a\"b", NULL), 2);
	metrics_add(&rx, labels, 1);
	metrics_add(&rx, metrics_labels(labels, sizeof(labels), "peer", "c", "x", "y", NULL), 1);
	metrics_write(f);
	fclose(f);
	ck_assert_str_eq(text, "# HELP herald_rx_total Received.\n"
	    "# TYPE herald_rx_total counter\n"
	    "herald_rx_total{peer=\"a\\\"b\"} 3\n"
	    "herald_rx_total{peer=\"c\",x=\"y\"} 1\n"
	    "# HELP herald_up Is it up.\n# TYPE herald_up gauge\nherald_up 1\n");
	free(text);
	ck_assert_str_eq(metrics_labels(labels, 8, "a", "1", "b", "2", NULL), "a=\"1\"");
	metrics_drop(&rx, NULL);
	f = open_memstream(&text, &len);
	metrics_write(f);
	fclose(f);
	ck_assert_ptr_null(strstr(text, "rx"));
	free(text);
	metrics_fini();
}
END_TEST

START_TEST(stamp)
{
	char buf[STAMP_LEN];
	int64_t ns = INT64_C(1700000000123456789);

	ck_assert_str_eq(stamp_micro(ns, buf), "2023-11-14T22:13:20.123456Z");
	ck_assert_str_eq(stamp_sec(ns, buf), "2023-11-14T22:13:20Z");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, mono);
	tcase_add_test(tc, wire_round_trip);
	tcase_add_test(tc, wire_errors_stick);
	tcase_add_test(tc, hash);
	tcase_add_test(tc, arena);
	tcase_add_loop_test(tc, arena_reserved, 0, 50);
	tcase_add_test(tc, log_text);
	tcase_add_test(tc, log_json);
	tcase_add_test(tc, log_repeats);
	tcase_add_test(tc, metrics);
	tcase_add_test(tc, stamp);
}

TEST_MAIN("lib", fill)
