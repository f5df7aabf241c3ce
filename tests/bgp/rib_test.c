/*
 * rib_test.c - the adj-RIB-out, against a peer that keeps what it is told.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/open.h"
#include "bgp/rib.h"
#include "lib/mem.h"
#include "tests/check.h"

enum { NPREFIXES = 3000, NSETS = 5 };

/* A peer: for each prefix the preference it was told, 0 for none. */
static uint32_t told[2][NPREFIXES];
static unsigned nupdates, nbegin, nend, neor, npassed;
static bool is_refreshing[2];
static uint8_t is_fresh[2][NPREFIXES];

static struct prefix
nth(unsigned f, unsigned i)
{
	struct ip a;

	if (f == BGP_IPV4_UNICAST) {
		a = ip_from_v4(0x0a000000 + i);
	} else {
		ip_parse("2001:db8::", &a);
		a.b[14] = (uint8_t)(i >> 8);
		a.b[15] = (uint8_t)i;
	}
	return prefix_of(&a);
}

static unsigned
index_of(struct wire_in *w, unsigned f)
{
	unsigned len = wire_get_u8(w);
	const uint8_t *b = wire_get(w, len / 8);

	ck_assert_uint_eq(len, f == BGP_IPV4_UNICAST ? 32 : 128);
	ck_assert_ptr_nonnull(b);
	npassed++;
	return (unsigned)b[len / 8 - 2] << 8 | b[len / 8 - 1];
}

static void
tell(struct wire_in w, unsigned f, uint32_t pref)
{
	while (w.left > 0) {
		unsigned i = index_of(&w, f);

		ck_assert_uint_lt(i, NPREFIXES);
		told[f][i] = pref;
		is_fresh[f][i] = 1;
	}
}

static void
read_update(struct wire_in w)
{
	struct wire_in withdrawn = wire_get_sub(&w, wire_get_u16(&w));
	struct wire_in attrs = wire_get_sub(&w, wire_get_u16(&w));
	struct wire_in reach = { 0 };
	uint32_t pref = 0;

	nupdates++;
	neor += withdrawn.left == 0 && attrs.left == 0 && w.left == 0;
	tell(withdrawn, BGP_IPV4_UNICAST, 0);
	while (attrs.left > 0) {
		unsigned flags = wire_get_u8(&attrs);
		unsigned type = wire_get_u8(&attrs);
		struct wire_in v = wire_get_sub(&attrs,
		    flags & 0x10 ? wire_get_u16(&attrs) : wire_get_u8(&attrs));

		if (type == BGP_ATTR_LOCAL_PREF)
			pref = wire_get_u32(&v);
		if (type == BGP_ATTR_MP_REACH) {
			wire_get(&v, 3);
			wire_get(&v, wire_get_u8(&v));
			wire_get(&v, 1);
			reach = v;
		}
		if (type == BGP_ATTR_MP_UNREACH) {
			wire_get(&v, 3);
			neor += v.left == 0;
			tell(v, BGP_IPV6_UNICAST, 0);
		}
	}
	tell(w, BGP_IPV4_UNICAST, pref);
	tell(reach, BGP_IPV6_UNICAST, pref);
	ck_assert(!w.is_bad && !attrs.is_bad);
}

static void
read_refresh(const uint8_t *body, size_t len)
{
	struct bgp_refresh r;
	struct bgp_error err;

	ck_assert_int_eq(bgp_refresh_decode(body, len, &r, &err), 0);
	ck_assert_int_ge(r.family, 0);
	if (r.kind == BGP_REFRESH_BEGIN) {
		nbegin++;
		memset(is_fresh[r.family], 0, sizeof(is_fresh[0]));
		is_refreshing[r.family] = true;
	} else {
		nend++;
		ck_assert(is_refreshing[r.family]);
		is_refreshing[r.family] = false;
		for (unsigned i = 0; i < NPREFIXES; i++)
			if (!is_fresh[r.family][i])
				told[r.family][i] = 0;
	}
}

/* Drain r through a buffer of `cap` bytes. */
static void
drain(struct bgp_rib *r, const struct bgp_session *s, size_t cap)
{
	uint8_t *buf = malloc(cap);

	nupdates = nbegin = nend = neor = npassed = 0;
	for (;;) {
		struct wire_out w = wire_out(buf, cap);
		bool was_pending = bgp_rib_is_pending(r, s);
		unsigned n = bgp_rib_write(r, s, &w);

		ck_assert(!w.is_bad);
		ck_assert(was_pending == (n > 0));
		if (n == 0)
			break;
		for (size_t at = 0; at < w.len; ) {
			enum bgp_msg_type type;
			struct bgp_error err;
			int len = bgp_header_decode(buf + at, w.len - at, s->msg_max,
			    &type, &err);

			ck_assert_int_gt(len, 0);
			if (type == BGP_UPDATE)
				read_update(wire_in(buf + at + 19, (size_t)len - 19));
			else
				read_refresh(buf + at + 19, (size_t)len - 19);
			at += (size_t)len;
		}
	}
	free(buf);
}

static struct bgp_session
session(void)
{
	struct bgp_session s = { .local_as = 65000, .is_internal = true,
		.has_as4 = true, .role = BGP_ROLE_NONE, .families = 3,
		.msg_max = BGP_MSG_MAX };

	ip_parse("10.9.9.9", &s.next_hop[BGP_IPV4_UNICAST]);
	ip_parse("2001:db8::9", &s.next_hop[BGP_IPV6_UNICAST]);
	return s;
}

static struct bgp_attrs sets[NSETS];

static void
set_up(void)
{
	memset(told, 0, sizeof(told));
	for (uint32_t i = 0; i < NSETS; i++)
		sets[i] = (struct bgp_attrs){ .local_pref = 100 + i };
}

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/*
 * Random wants, drains, refreshes and restarts; after each drain the peer must
 * hold exactly what is wanted.
 */
START_TEST(shadow_model)
{
	static uint32_t want[2][NPREFIXES];
	static struct bgp_route routes[2 * NPREFIXES];
	struct bgp_session s = session();
	uint32_t rnd = (uint32_t)_i + 1;
	struct bgp_rib r;

	s.msg_max = _i % 2 ? BGP_MSG_MAX_EXT : BGP_MSG_MAX;
	bgp_rib_init(&r);
	memset(want, 0, sizeof(want));
	for (int round = 0; round < 60; round++) {
		uint32_t density = next_random(&rnd) % 100;
		size_t n = 0;

		for (unsigned f = 0; f < 2; f++)
			for (unsigned i = 0; i < NPREFIXES; i++) {
				if (next_random(&rnd) % 4 == 0)
					want[f][i] = next_random(&rnd) % 100 < density ?
					    100 + next_random(&rnd) % NSETS : 0;
				if (want[f][i] == 0)
					continue;
				routes[n++] = (struct bgp_route){ nth(f, i),
					&sets[want[f][i] - 100] };
			}
		/* Any order will do. */
		for (size_t i = n; i > 1; i--) {
			size_t j = next_random(&rnd) % i;
			struct bgp_route tmp = routes[i - 1];

			routes[i - 1] = routes[j];
			routes[j] = tmp;
		}
		ck_assert_int_eq(bgp_rib_set(&r, routes, n), 0);
		switch (next_random(&rnd) % 6) {
		case 0:
			continue;	/* changed again before anything was said */
		case 1:
			bgp_rib_refresh(&r, next_random(&rnd) % 2, true);
			break;
		case 2:
			bgp_rib_refresh(&r, next_random(&rnd) % 2, false);
			continue;	/* and changed before it was answered */
		case 3:
			memset(told, 0, sizeof(told));	/* a new session */
			bgp_rib_restart(&r, 3);
			break;
		}
		drain(&r, &s, s.msg_max + next_random(&rnd) % 100000);
		ck_assert_mem_eq(told, want, sizeof(want));
		ck_assert_uint_eq(r.nsent[0] + r.nsent[1], n);
		ck_assert_uint_eq(r.npending[0] + r.npending[1], 0);
		drain(&r, &s, 65536);
		ck_assert_uint_eq(nupdates, 0);
	}
	bgp_rib_fini(&r);
}
END_TEST

static void
want_n(struct bgp_rib *r, unsigned n, const struct bgp_attrs *attrs)
{
	struct bgp_route *routes = calloc(n + 1, sizeof(*routes));

	for (unsigned i = 0; i < n; i++)
		routes[i] = (struct bgp_route){ nth(BGP_IPV4_UNICAST, i), attrs };
	ck_assert_int_eq(bgp_rib_set(r, routes, n), 0);
	free(routes);
}

START_TEST(many_prefixes_share_an_update)
{
	struct bgp_session s = session();
	struct bgp_rib r;

	bgp_rib_init(&r);
	want_n(&r, NPREFIXES, &sets[0]);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nupdates, 4);		/* 3000 x 5 bytes */
	want_n(&r, NPREFIXES, &sets[0]);	/* no change, no word */
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nupdates, 0);
	want_n(&r, NPREFIXES - 1, &sets[0]);	/* only the difference */
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nupdates, 1);
	ck_assert_uint_eq(npassed, 1);
	want_n(&r, NPREFIXES - 1, &sets[1]);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(npassed, NPREFIXES - 1);
	want_n(&r, 0, NULL);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nupdates, 4);
	ck_assert_uint_eq(r.n, 0);
	bgp_rib_fini(&r);
}
END_TEST

START_TEST(end_of_rib_comes_last_and_once)
{
	struct bgp_session s = session();
	struct bgp_rib r;

	bgp_rib_init(&r);
	want_n(&r, 1, &sets[0]);
	bgp_rib_restart(&r, 3);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(neor, 2);
	ck_assert_uint_eq(nupdates, 3);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nupdates, 0);
	bgp_rib_refresh(&r, BGP_IPV4_UNICAST, true);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(nbegin, 1);
	ck_assert_uint_eq(nend, 1);
	ck_assert_uint_eq(npassed, 1);
	bgp_rib_fini(&r);
}
END_TEST

START_TEST(family_not_agreed_on_waits)
{
	struct bgp_session s = session();
	struct bgp_rib r;

	bgp_rib_init(&r);
	want_n(&r, 3, &sets[0]);
	s.families = 1u << BGP_IPV6_UNICAST;
	ck_assert(!bgp_rib_is_pending(&r, &s));
	drain(&r, &s, 65536);
	s.families = 3;
	s.next_hop[BGP_IPV4_UNICAST] = (struct ip){ 0 };
	ck_assert(!bgp_rib_is_pending(&r, &s));
	s = session();
	drain(&r, &s, 65536);
	ck_assert_uint_eq(npassed, 3);
	bgp_rib_fini(&r);
}
END_TEST

START_TEST(last_of_one_prefix_counts)
{
	struct bgp_route routes[] = {
		{ nth(0, 1), &sets[1] }, { nth(0, 1), &sets[0] }, { nth(0, 1), &sets[2] },
	};
	struct bgp_session s = session();
	struct bgp_rib r;

	bgp_rib_init(&r);
	ck_assert_int_eq(bgp_rib_set(&r, routes, 3), 0);
	drain(&r, &s, 65536);
	ck_assert_uint_eq(npassed, 1);
	ck_assert_uint_eq(told[0][1], 102);
	bgp_rib_fini(&r);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, shadow_model, 0, 6);
	tcase_add_test(tc, many_prefixes_share_an_update);
	tcase_add_test(tc, end_of_rib_comes_last_and_once);
	tcase_add_test(tc, family_not_agreed_on_waits);
	tcase_add_test(tc, last_of_one_prefix_counts);
}

TEST_MAIN("rib", fill)
