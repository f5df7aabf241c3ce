#include <errno.h>

#include "controller/alloc.h"
#include "controller/rangeset.h"
#include "controller/sparse.h"
#include "tests/controller/world.h"

/* A small generator of its own, so that a failure can be run again. */
static uint64_t rng_state;

static uint32_t
rnd(uint32_t n)
{
	rng_state = rng_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((rng_state >> 33) % n);
}

/* --- sparse: against a plain array ----------------------------------------- */

static const uint32_t sparse_sizes[] = { 1, 2, 63, 64, 65, 4095, 4096, 4097, 20000 };

START_TEST(sparse_model)
{
	uint32_t size = sparse_sizes[_i];
	bool *has = mem_zalloc(size);
	struct sparse s;

	rng_state = 1 + (uint64_t)_i;
	sparse_init(&s, size);
	for (int op = 0; op < 20000; op++) {
		uint32_t off = rnd(size), from = rnd(size + 1), want;

		/* Mostly low numbers and mostly adding, so that words fill up. */
		if (rnd(2) == 0)
			off = rnd(off + 1);
		if (rnd(5) > 0) {
			sparse_add(&s, off);
			has[off] = true;
		} else {
			sparse_remove(&s, off);
			has[off] = false;
		}
		ck_assert(sparse_has(&s, off) == has[off]);
		if (rnd(3) == 0)
			from = 0;
		for (want = from; want < size && has[want]; want++)
			;
		ck_assert_uint_eq(sparse_gap(&s, from),
		    want < size ? want : SPARSE_NONE);
	}
	sparse_fini(&s);
	free(has);
}
END_TEST

START_TEST(sparse_huge)
{
	struct sparse s;

	sparse_init(&s, SPARSE_MAX);
	for (uint32_t i = 0; i < 300000; i++) {
		uint32_t off = sparse_gap(&s, 0);

		ck_assert_uint_eq(off, i);
		sparse_add(&s, off);
	}
	sparse_add(&s, SPARSE_MAX - 1);
	ck_assert_uint_eq(sparse_gap(&s, SPARSE_MAX - 1), SPARSE_NONE);
	sparse_remove(&s, 17);
	ck_assert_uint_eq(sparse_gap(&s, 0), 17);
	sparse_fini(&s);
}
END_TEST

/* --- rangeset --------------------------------------------------------------- */

static const struct {
	const char *why, *x, *y, *minus;
	bool overlaps;
} sets[] = {
	{ "nothing in common", "10.0.0.0/30", "10.0.0.4/30", "10.0.0.0-10.0.0.3", false },
	{ "all of it", "10.0.0.0/30", "10.0.0.0/24", "", true },
	{ "the very same", "10.0.0.0/30", "10.0.0.0/30", "", true },
	{ "the beginning", "10.0.0.0/30", "10.0.0.0/31", "10.0.0.2-10.0.0.3", true },
	{ "the end", "10.0.0.0/30", "10.0.0.2/31", "10.0.0.0-10.0.0.1", true },
	{ "the middle", "10.0.0.0/30", "10.0.0.1-10.0.0.2",
	    "10.0.0.0-10.0.0.0,10.0.0.3-10.0.0.3", true },
	{ "two holes", "10.0.0.0/29", "10.0.0.1/32,10.0.0.4/32",
	    "10.0.0.0-10.0.0.0,10.0.0.2-10.0.0.3,10.0.0.5-10.0.0.7", true },
	{ "one cut over two ranges", "10.0.0.0/30,10.0.0.8/30", "10.0.0.2-10.0.0.9",
	    "10.0.0.0-10.0.0.1,10.0.0.10-10.0.0.11", true },
	{ "the family's last address", "255.255.255.254/31", "255.255.255.255/32",
	    "255.255.255.254-255.255.255.254", true },
	{ "families apart", "10.0.0.0/31,fd00::/127", "fd00::/128",
	    "10.0.0.0-10.0.0.1,fd00::1-fd00::1", true },
	{ "a borrow over bytes", "10.0.0.255-10.0.1.1", "10.0.1.0/32",
	    "10.0.0.255-10.0.0.255,10.0.1.1-10.0.1.1", true },
	{ "neighbours are merged first", "10.0.0.2/31,10.0.0.0/31", "10.0.0.9/32",
	    "10.0.0.0-10.0.0.3", false },
};

static struct rangeset
a_set(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct ip_range r[8];
	size_t n = 0;

	for (char *w; (w = next_word(&copy, ",")) != NULL; n++)
		ck_assert(ip_range_parse(w, &r[n]) == 0);
	return rangeset_make(a, r, n);
}

START_TEST(set_algebra)
{
	struct arena a = { NULL };
	struct rangeset x = a_set(&a, sets[_i].x), y = a_set(&a, sets[_i].y);
	struct rangeset d = rangeset_minus(&a, x, y);
	char text[400] = "";

	for (size_t i = 0; i < d.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
		    i > 0 ? "," : "", IP_RANGE_STR(&d.v[i]));
	ck_assert_msg(strcmp(text, sets[_i].minus) == 0, "%s: %s", sets[_i].why, text);
	ck_assert_msg(rangeset_overlaps(x, y, NULL, NULL) == sets[_i].overlaps, "%s",
	    sets[_i].why);
	ck_assert(!rangeset_overlaps(d, y, NULL, NULL));
	arena_fini(&a);
}
END_TEST

/* --- pools ------------------------------------------------------------------- */

static const struct {
	const char *why, *pool;
	uint64_t v4, v6;
} sizes[] = {
	{ "a block", "10.0.0.0/24", 256, 0 },
	{ "a block without buggy ones", "10.0.0.0/24 buggy=no", 254, 0 },
	{ "a /8 without buggy ones", "10.0.0.0/8 buggy=no",
	    (1u << 24) - 2 * (1u << 16), 0 },
	{ "a range across a boundary", "10.0.0.255-10.0.1.0 buggy=no", 0, 0 },
	{ "a range beside one", "10.0.0.1-10.0.0.254 buggy=no", 254, 0 },
	{ "only the .0", "10.0.0.0-10.0.0.9 buggy=no", 9, 0 },
	{ "only the .255", "10.0.0.250-10.0.0.255 buggy=no", 5, 0 },
	{ "everything", "0.0.0.0/0", UINT64_C(1) << 32, 0 },
	{ "IPv6 has no buggy ones", "fd00::/120 buggy=no", 0, 256 },
	{ "more than can be counted", "fd00::/16", 0, UINT64_MAX },
	{ "both", "10.0.0.0/30,fd00::/126", 4, 4 },
	{ "what is reserved is not there", "10.0.0.0/24,fd00::/120 res=10.0.0.0/25,fd00::/127",
	    128, 254 },
};

static struct pool_set *
pools_new(const char *world)
{
	struct pool_set *set = mem_zalloc(sizeof(*set));
	struct kube_store *s = world_new(world);
	struct kube_list l = kube_store_list(s, KUBE_IP_ADDRESS_POOL);

	set->pools = arena_array(&set->arena, l.n, sizeof(*set->pools));
	for (size_t i = 0; i < l.n; i++)
		pool_from_object(&set->arena, l.items[i], &set->pools[set->n++]);
	pool_set_seal(set);
	kube_store_free(s);
	return set;
}

static void
pools_free(struct pool_set *set)
{
	pool_set_fini(set);
	free(set);
}

START_TEST(pool_sizes)
{
	char line[100];
	struct pool_set *set;

	(void)snprintf(line, sizeof(line), "pool p %s", sizes[_i].pool);
	set = pools_new(line);
	ck_assert_msg(pool_size(&set->pools[0], IP_V4) == sizes[_i].v4, "%s",
	    sizes[_i].why);
	ck_assert_msg(pool_size(&set->pools[0], IP_V6) == sizes[_i].v6, "%s",
	    sizes[_i].why);
	pools_free(set);
}
END_TEST

START_TEST(pool_order)
{
	struct pool_set *set = pools_new("pool d 10.0.4.0/24; pool c 10.0.3.0/24 prio=0; "
	    "pool b 10.0.2.0/24 prio=7; pool a 10.0.1.0/24; pool e 10.0.5.0/24 prio=3");
	static const char *const order[] = { "e", "b", "c", "a", "d" };
	struct ip ip = an_ip("10.0.3.9");

	for (size_t i = 0; i < nitems(order); i++)
		ck_assert_str_eq(set->pools[i].name, order[i]);
	ck_assert_uint_eq(pool_set_span(set, &ip)->pool, 2);
	ip = an_ip("10.0.6.0");
	ck_assert_ptr_null(pool_set_span(set, &ip));
	ck_assert_ptr_eq(pool_set_named(set, "b"), &set->pools[1]);
	ck_assert_ptr_null(pool_set_named(set, "zz"));
	pools_free(set);
}
END_TEST

/* --- alloc -------------------------------------------------------------------- */

static const struct alloc_port http = { KUBE_TCP, 80 };

START_TEST(strategies)
{
	struct pool_set *set = pools_new("pool p 10.0.0.0/24");
	struct alloc_user a = { "d/a", "d", NULL, "", &http, 1 };
	struct alloc_user b = { "d/b", "d", NULL, "", &http, 1 };
	struct alloc *al;
	struct ip first, again, other;

	set->pools[0].strategy = KUBE_STRATEGY_STICKY;
	al = alloc_new(set);
	ck_assert_int_eq(alloc_pick(al, 0, IP_V4, &a, 1000, &first), 0);
	ck_assert_str_eq(IP_STR(&first), "10.0.0.232");	/* 1000 mod 256 */
	ck_assert_int_eq(alloc_pick(al, 0, IP_V4, &b, 1000, &other), 0);
	ck_assert_msg(!ip_eq(&first, &other), "one seed, two addresses");
	alloc_release(al, &first, &a);
	ck_assert_int_eq(alloc_pick(al, 0, IP_V4, &a, 1000, &again), 0);
	ck_assert_msg(ip_eq(&first, &again), "the same seed finds it again");
	alloc_free(al);
	pools_free(set);
}
END_TEST

START_TEST(wraps_around)
{
	struct pool_set *set = pools_new("pool p 10.0.0.0/31,10.5.0.0/31");
	struct alloc_user u[5];
	struct alloc *al;
	struct ip ip;

	set->pools[0].strategy = KUBE_STRATEGY_SPREAD;
	al = alloc_new(set);
	for (int i = 0; i < 4; i++) {
		u[i] = (struct alloc_user){ "d/a", "d", NULL, "", &http, 1 };
		ck_assert_int_eq(alloc_pick(al, 0, IP_V4, &u[i], 3, &ip), 0);
	}
	u[4] = u[0];
	ck_assert_int_eq(alloc_pick(al, 0, IP_V4, &u[4], 3, &ip), -ENOSPC);
	ck_assert_uint_eq(alloc_used(al, 0, IP_V4), 4);
	alloc_free(al);
	pools_free(set);
}
END_TEST

START_TEST(namespaces_apart)
{
	struct pool_set *set = pools_new("pool p 10.0.0.0/24");
	struct alloc_port other = { KUBE_TCP, 81 };
	struct alloc_user a = { "d/a", "d", "k", "", &http, 1 };
	struct alloc_user b = { "x/b", "x", "k", "", &other, 1 };
	struct ip ip = an_ip("10.0.0.1");
	struct alloc_verdict v;
	struct alloc *al;

	set->pools[0].is_shared_across = false;
	al = alloc_new(set);
	ck_assert_int_eq(alloc_claim(al, &ip, &a).clash, ALLOC_OK);
	v = alloc_claim(al, &ip, &b);
	ck_assert_int_eq(v.clash, ALLOC_NS_DIFFER);
	ck_assert_ptr_eq(v.holder, &a);
	ck_assert(!alloc_holds(al, &ip, &b));
	alloc_free(al);
	pools_free(set);
}
END_TEST

/*
 * The shadow model: a plain list of who holds what, judged by the rules as
 * the header states them. Random claims, picks and releases must agree with
 * it after every step.
 */
enum { NUSERS = 16, NOPS = 1000000 };

struct model_hold {
	struct ip ip;
	int user;
	int nclaims;
};

struct model {
	struct alloc_user users[NUSERS];
	struct model_hold holds[NUSERS * 3];
	int n;
};

static bool
may_share(const struct alloc_user *a, const struct alloc_user *b, bool across)
{
	if (a->share_key == NULL || b->share_key == NULL)
		return false;
	return strcmp(a->share_key, b->share_key) == 0 &&
	    strcmp(a->backend, b->backend) == 0 &&
	    (across || strcmp(a->ns, b->ns) == 0) &&
	    (a->ports->port != b->ports->port || a->ports->proto != b->ports->proto);
}

static bool
model_free_for(const struct model *m, const struct pool_set *set,
    const struct ip *ip, int user)
{
	const struct pool_span *span = pool_set_span(set, ip);
	bool across = span == NULL || set->pools[span->pool].is_shared_across;

	for (int i = 0; i < m->n; i++) {
		if (ip_eq(&m->holds[i].ip, ip) && m->holds[i].user != user &&
		    !may_share(&m->users[m->holds[i].user], &m->users[user], across))
			return false;
	}
	return true;
}

static int
model_find(const struct model *m, const struct ip *ip, int user)
{
	for (int i = 0; i < m->n; i++) {
		if (ip_eq(&m->holds[i].ip, ip) && (user < 0 || m->holds[i].user == user))
			return i;
	}
	return -1;
}

/* The lowest held address of the pool that the user may join. */
static bool
model_join(const struct model *m, const struct pool_set *set, uint32_t pool,
    enum ip_family family, int user, struct ip *ret)
{
	bool is_found = false;

	for (int i = 0; m->users[user].share_key != NULL && i < m->n; i++) {
		const struct ip *ip = &m->holds[i].ip;
		const struct pool_span *span = pool_set_span(set, ip);

		if (span == NULL || span->pool != pool || ip->family != family ||
		    pool_avoids(&set->pools[pool], ip) ||
		    (is_found && ip_cmp(ret, ip) <= 0))
			continue;
		/* The same user again is no joining but finding: also fine. */
		if (model_free_for(m, set, ip, user) &&
		    m->users[m->holds[i].user].share_key != NULL &&
		    strcmp(m->users[m->holds[i].user].share_key,
		    m->users[user].share_key) == 0) {
			*ret = *ip;
			is_found = true;
		}
	}
	return is_found;
}

/* Given by name only: where the blocks of shadow()'s pools begin. */
static bool
model_is_anycast(const struct ip *ip)
{
	struct ip b = an_ip("fd00::"), c = an_ip("fd01::");

	return ip_eq(ip, &b) || ip_eq(ip, &c);
}

/* The address that must be picked: the lowest to join, else the lowest free. */
static bool
model_pick(const struct model *m, const struct pool_set *set, uint32_t pool,
    enum ip_family family, int user, struct ip *ret)
{
	const struct pool *p = &set->pools[pool];

	if (model_join(m, set, pool, family, user, ret))
		return true;
	for (size_t i = 0; i < p->usable.n; i++) {
		struct ip ip = p->usable.v[i].first;

		if (ip.family != family)
			continue;
		/* Of a /64 no more than what is held has to be looked at. */
		for (; ip_range_contains(&p->usable.v[i], &ip); (void)ip_add(&ip, 1, &ip)) {
			if (pool_avoids(p, &ip) || model_is_anycast(&ip) ||
			    model_find(m, &ip, -1) >= 0)
				continue;
			*ret = ip;
			return true;
		}
	}
	return false;
}

static void
model_init(struct model *m, struct alloc_port *ports)
{
	static const char *const keys[] = { NULL, NULL, "k", "k", "l" };
	static const char *const backends[] = { "", "", "Local,a=1" };
	static const char *const names[] = { "d", "d", "x" };

	for (int i = 0; i < NUSERS; i++) {
		ports[i] = (struct alloc_port){ rnd(3) > 0 ? KUBE_TCP : KUBE_UDP,
		    (uint16_t)(80 + rnd(6)) };
		m->users[i] = (struct alloc_user){ .name = "u", .ns = names[rnd(3)],
		    .share_key = keys[rnd(5)], .backend = backends[rnd(3)],
		    .ports = &ports[i], .nports = 1 };
	}
}

/* Check's own assertions write to a pipe each: too slow for a million. */
#define expect(cond)                                                            \
	do {                                                                    \
		if (!(cond))                                                    \
			ck_abort_msg("%s", #cond);                              \
	} while (0)

static void
model_step(struct model *m, const struct pool_set *set, struct alloc *al)
{
	static const char *const outside[] = { "192.0.2.1", "192.0.2.2", "fd99::1" };
	int user = (int)rnd(NUSERS), at;
	uint32_t pool = rnd((uint32_t)set->n), what = rnd(10);
	enum ip_family family = rnd(3) > 0 ? IP_V4 : IP_V6;
	struct ip ip, want;
	bool is_ok;

	if (what < 4 && m->n < NUSERS * 2) {
		is_ok = model_pick(m, set, pool, family, user, &want);
		expect(alloc_pick(al, pool, family, &m->users[user], 0, &ip) ==
		    (is_ok ? 0 : -ENOSPC));
		if (!is_ok)
			return;
		expect(ip_eq(&ip, &want));
	} else if (what < 7 && m->n < NUSERS * 2) {
		const struct rangeset *x = &set->pools[pool].usable;
		size_t nth = rnd((uint32_t)x->n);

		ip = x->v[nth].first;
		(void)ip_add(&ip, rnd(12), &ip);
		if (rnd(20) == 0)
			ip = an_ip(outside[rnd(3)]);
		is_ok = model_free_for(m, set, &ip, user);
		expect((alloc_claim(al, &ip, &m->users[user]).clash == ALLOC_OK) ==
		    is_ok);
		if (!is_ok)
			return;
	} else {
		if (m->n == 0)
			return;
		at = (int)rnd((uint32_t)m->n);
		alloc_release(al, &m->holds[at].ip, &m->users[m->holds[at].user]);
		is_ok = --m->holds[at].nclaims > 0;
		expect(alloc_holds(al, &m->holds[at].ip,
		    &m->users[m->holds[at].user]) == is_ok);
		if (!is_ok)
			m->holds[at] = m->holds[--m->n];
		return;
	}
	expect(alloc_holds(al, &ip, &m->users[user]));
	at = model_find(m, &ip, user);
	if (at >= 0)
		m->holds[at].nclaims++;
	else
		m->holds[m->n++] = (struct model_hold){ ip, user, 1 };
}

/*
 * What a pool of few addresses could still give, by looking at each of them.
 * Of one with very many nobody counts.
 */
static uint64_t
model_available(const struct model *m, const struct pool *p, enum ip_family family)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->usable.n; i++) {
		struct ip ip = p->usable.v[i].first;

		if (ip.family != family)
			continue;
		if (ip_range_size(&p->usable.v[i]) > 1000)
			return UINT64_MAX;
		for (; ip_range_contains(&p->usable.v[i], &ip); (void)ip_add(&ip, 1, &ip))
			n += !pool_avoids(p, &ip) && !model_is_anycast(&ip) &&
			    model_find(m, &ip, -1) < 0;
	}
	return n;
}

/* Counters by counting. */
static void
model_check_used(const struct model *m, const struct pool_set *set,
    const struct alloc *al)
{
	for (uint32_t p = 0; p < set->n; p++) {
		uint64_t used[2] = { 0, 0 };

		for (int i = 0; i < m->n; i++) {
			const struct pool_span *s = pool_set_span(set, &m->holds[i].ip);

			if (s != NULL && s->pool == p &&
			    model_find(m, &m->holds[i].ip, -1) == i)
				used[!ip_is_v4(&m->holds[i].ip)]++;
		}
		expect(alloc_used(al, p, IP_V4) == used[0]);
		expect(alloc_used(al, p, IP_V6) == used[1]);
		for (int f = 0; f < 2; f++) {
			enum ip_family family = f == 0 ? IP_V4 : IP_V6;
			uint64_t n = model_available(m, &set->pools[p], family);

			expect(n == UINT64_MAX || alloc_available(al, p, family) == n);
		}
	}
}

START_TEST(shadow)
{
	struct pool_set *set = pools_new("pool a 10.0.0.250-10.0.1.3 buggy=no; "
	    "pool b 10.1.0.0/29,fd00::/125,10.1.0.20/31; pool c fd01::/64,10.2.0.0/30");
	struct model *m = mem_zalloc(sizeof(*m));
	struct alloc_port ports[NUSERS];
	struct alloc *al;

	rng_state = 4711;
	set->pools[1].is_shared_across = true;
	set->pools[0].is_shared_across = false;
	model_init(m, ports);
	al = alloc_new(set);
	for (int op = 0; op < NOPS; op++) {
		model_step(m, set, al);
		if (op % 1000 == 0)
			model_check_used(m, set, al);
	}
	alloc_free(al);
	free(m);
	pools_free(set);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, sparse_model, 0, nitems(sparse_sizes));
	tcase_add_test(tc, sparse_huge);
	tcase_add_loop_test(tc, set_algebra, 0, nitems(sets));
	tcase_add_loop_test(tc, pool_sizes, 0, nitems(sizes));
	tcase_add_test(tc, pool_order);
	tcase_add_test(tc, strategies);
	tcase_add_test(tc, wraps_around);
	tcase_add_test(tc, namespaces_apart);
	tcase_add_test(tc, shadow);
}

TEST_MAIN("alloc", fill)
