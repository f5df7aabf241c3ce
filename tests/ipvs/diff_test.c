/*
 * The diff against a model of the kernel's table: random tables, random
 * changes, nodes with different pasts. The model refuses what the kernel
 * refuses and computes Maglev tables as the kernel does, so that "the same
 * table on every node" is compared slot by slot.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ipvs/diff.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "tests/check.h"

enum { NVS = 12, NRS = 24, TABLE_SIZE = 4093 };

/* One real server as the kernel holds it, with what it does not tell. */
struct model_rs {
	struct ipvs_rs rs;
	uint16_t last_weight;		/* ip_vs_dest.last_weight */
	unsigned born;			/* which addition put it in */
};

struct model_vs {
	struct ipvs_vs vs;
	struct model_rs rs[NRS + 1];	/* in order of addition */
	size_t	n;
	unsigned mh_builds;		/* of the lookup table */
	bool	was_empty;		/* at some moment since model_watch() */
};

struct model {
	struct model_vs vs[NVS * 2];
	size_t	n;
	unsigned clock;
};

static uint32_t
rnd(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 33) % n;
}

static struct model_vs *
model_find(struct model *m, const struct ipvs_key *k)
{
	for (size_t i = 0; i < m->n; i++)
		if (ipvs_key_cmp(&m->vs[i].vs.key, k) == 0)
			return &m->vs[i];
	return NULL;
}

static struct model_rs *
model_rs_find(struct model_vs *v, const struct ipvs_rs *rs)
{
	for (size_t i = 0; i < v->n; i++)
		if (ipvs_rs_cmp(&v->rs[i].rs, rs) == 0)
			return &v->rs[i];
	return NULL;
}

static void
model_rs_apply(struct model *m, struct model_vs *v, const struct ipvs_op *op)
{
	struct model_rs *r = model_rs_find(v, op->rs);

	v->mh_builds += strcmp(v->vs.sched, "mh") == 0;
	switch (op->type) {
	case IPVS_OP_ADD_RS:
		ck_assert_msg(r == NULL, "EEXIST: the endpoint is there already");
		ck_assert_uint_lt(v->n, nitems(v->rs));
		r = &v->rs[v->n++];
		r->rs = *op->rs;
		r->rs.weight = r->last_weight = op->weight;
		r->born = ++m->clock;
		break;
	case IPVS_OP_SET_RS:
		ck_assert_msg(r != NULL, "ENOENT: no such endpoint to change");
		r->rs.fwd = op->rs->fwd;
		r->rs.has_left = op->rs->has_left;
		r->rs.weight = op->weight;
		if (op->weight != 0)
			r->last_weight = op->weight;
		break;
	default:
		ck_assert_msg(r != NULL, "ENOENT: no such endpoint to remove");
		memmove(r, r + 1, (size_t)(&v->rs[--v->n] - r) * sizeof(*r));
		v->was_empty |= v->n == 0;
	}
}

static void
model_apply(struct model *m, const struct ipvs_op *op)
{
	struct model_vs *v = model_find(m, &op->vs->key);

	if (op->type == IPVS_OP_ADD_VS) {
		ck_assert_msg(v == NULL, "EEXIST: the service is there already");
		ck_assert_uint_lt(m->n, nitems(m->vs));
		v = &m->vs[m->n++];
		*v = (struct model_vs){ .vs = { .key = op->vs->key,
			.flags = op->vs->flags, .timeout_sec = op->vs->timeout_sec } };
		strcpy(v->vs.sched, op->sched);
		return;
	}
	ck_assert_msg(v != NULL, "ESRCH: no such service");
	if (op->type == IPVS_OP_SET_VS) {
		v->mh_builds += strcmp(op->sched, "mh") == 0 &&
		    strcmp(v->vs.sched, "mh") != 0;
		strcpy(v->vs.sched, op->sched);
		v->vs.flags = op->vs->flags;
		v->vs.timeout_sec = op->vs->timeout_sec;
	} else if (op->type == IPVS_OP_DEL_VS) {
		*v = m->vs[--m->n];
	} else {
		model_rs_apply(m, v, op);
	}
}

/* What a dump of the model shows. */
static struct ipvs_table
model_read(const struct model *m)
{
	struct ipvs_table t = { 0 };

	for (size_t i = 0; i < m->n; i++) {
		const struct model_vs *v = &m->vs[i];
		struct ipvs_vs *vs = ipvs_table_add(&t);

		*vs = v->vs;
		vs->nrs = v->n;
		vs->rs = arena_array(&t.arena, v->n, sizeof(vs->rs[0]));
		for (size_t j = 0; j < v->n; j++) {
			vs->rs[j] = v->rs[j].rs;
			/* The kernel does not tell, but a director remembers. */
			vs->rs[j].slots = v->rs[j].rs.has_left ? 0 :
			    v->rs[j].last_weight;
		}
	}
	ipvs_table_sort(&t);
	return t;
}

/* A lookup table in the way of ip_vs_mh.c; hashes of our own will do. */
static void
mh_populate(const struct model_vs *v, uint8_t table[TABLE_SIZE])
{
	uint32_t perm[NRS + 1], skip[NRS + 1];
	unsigned turns[NRS + 1] = { 0 }, total = 0;

	memset(table, 0xff, TABLE_SIZE);
	for (size_t i = 0; i < v->n; i++) {
		uint64_t h = hash_bytes(v->rs[i].rs.ip.b, 16, v->rs[i].rs.port);

		perm[i] = (uint32_t)h % TABLE_SIZE;
		skip[i] = (uint32_t)(h >> 32) % (TABLE_SIZE - 1) + 1;
		turns[i] = v->rs[i].last_weight;
		total += turns[i];
	}
	for (unsigned n = 0; total > 0;)
		for (size_t i = 0; i < v->n; i++)
			for (unsigned k = 0; k < turns[i]; k++) {
				while (table[perm[i]] != 0xff)
					perm[i] = (perm[i] + skip[i]) % TABLE_SIZE;
				/* By identity, not by place in the list. */
				table[perm[i]] = (uint8_t)(v->rs[i].rs.ip.b[3] ^
				    v->rs[i].rs.port);
				if (++n == TABLE_SIZE)
					return;
			}
}

static struct ipvs_rs
random_rs(uint64_t *seed, unsigned i)
{
	static const uint16_t weights[] = { 1, 1, 1, 0, 3 };
	struct ipvs_rs rs = { .ip = ip_from_v4(0x0af40000 + i / 2),
		.port = (uint16_t)(8080 + i % 2), .slots = 1 };

	rs.weight = weights[rnd(seed, nitems(weights))];
	if (rs.weight != 0)
		rs.slots = rs.weight;
	rs.fwd = rnd(seed, 2) == 0 ? IPVS_FWD_MASQ : IPVS_FWD_TUNNEL;
	return rs;
}

/* Canonical order comes from walking i upwards. */
static void
random_vs(uint64_t *seed, struct ipvs_table *t, unsigned k)
{
	static const char *const scheds[] = { "mh", "mh", "mh", "sh", "fo", "wrr", "rr" };
	static const uint32_t flags[] = { IPVS_F_MH_PORT, IPVS_F_PERSISTENT,
		IPVS_F_ONEPACKET };
	struct ipvs_vs *vs = ipvs_table_add(t);
	unsigned density = 1 + rnd(seed, 5);

	if (k % 3 == 0)
		vs->key = (struct ipvs_key){ .family = IP_V4, .fwmark = 1 + k };
	else
		vs->key = (struct ipvs_key){ .family = IP_V4, .proto = 6,
			.vip = ip_from_v4(0x0a000032 + k / 2),
			.port = (uint16_t)(80 + k % 2) };
	strcpy(vs->sched, scheds[rnd(seed, nitems(scheds))]);
	vs->flags = flags[rnd(seed, nitems(flags))];
	vs->timeout_sec = vs->flags & IPVS_F_PERSISTENT ? 60 * rnd(seed, 3) : 0;
	vs->rs = arena_array(&t->arena, NRS, sizeof(vs->rs[0]));
	for (unsigned i = 0; i < NRS; i++)
		if (rnd(seed, density) == 0)
			vs->rs[vs->nrs++] = random_rs(seed, i);
}

static struct ipvs_table
random_table(uint64_t *seed)
{
	struct ipvs_table t = { 0 };

	for (unsigned k = 0; k < NVS; k++)
		if (rnd(seed, 4) != 0)
			random_vs(seed, &t, k);
	ipvs_table_sort(&t);
	return t;
}

/* A copy with a few services altered a little, as in a cluster's life. */
static struct ipvs_table
mutate(const struct ipvs_table *from, uint64_t *seed)
{
	struct ipvs_table t = { 0 };

	for (size_t i = 0; i < from->n; i++) {
		struct ipvs_vs *vs = ipvs_table_add(&t);
		const struct ipvs_vs *old = &from->vs[i];

		*vs = *old;
		vs->rs = arena_array(&t.arena, NRS, sizeof(vs->rs[0]));
		vs->nrs = 0;
		if (rnd(seed, 4) != 0) {	/* most stay as they are */
			memcpy(vs->rs, old->rs, old->nrs * sizeof(vs->rs[0]));
			vs->nrs = old->nrs;
			continue;
		}
		for (unsigned k = 0, j = 0; k < NRS; k++) {
			struct ipvs_rs rs = random_rs(seed, k);
			bool had = j < old->nrs && ipvs_rs_cmp(&old->rs[j], &rs) == 0;

			/* A want knows what a draining endpoint weighed. */
			if (had && rs.weight == 0)
				rs.slots = old->rs[j].slots;
			if (had && rnd(seed, 6) != 0)
				vs->rs[vs->nrs++] = old->rs[j];
			else if (rnd(seed, 8) == 0)
				vs->rs[vs->nrs++] = rs;
			j += had;
		}
	}
	return t;
}

static bool
vs_equal(const struct ipvs_vs *a, const struct ipvs_vs *b)
{
	if (strcmp(a->sched, b->sched) != 0 || a->flags != b->flags ||
	    a->timeout_sec != b->timeout_sec || a->nrs != b->nrs)
		return false;
	for (size_t i = 0; i < a->nrs; i++)
		if (ipvs_rs_cmp(&a->rs[i], &b->rs[i]) != 0 ||
		    a->rs[i].weight != b->rs[i].weight ||
		    a->rs[i].slots != b->rs[i].slots || a->rs[i].fwd != b->rs[i].fwd)
			return false;
	return true;
}

static void
check_is(struct model *m, const struct ipvs_table *want)
{
	ck_assert_uint_eq(m->n, want->n);
	for (size_t i = 0; i < want->n; i++) {
		const struct ipvs_vs *w = &want->vs[i];
		struct model_vs *v = model_find(m, &w->key);
		bool is_mh = strcmp(w->sched, "mh") == 0;
		bool is_ordered = is_mh || strcmp(w->sched, "sh") == 0 ||
		    strcmp(w->sched, "fo") == 0;
		const struct model_rs *last = NULL;

		ck_assert_ptr_nonnull(v);
		ck_assert_str_eq(v->vs.sched, w->sched);
		ck_assert_uint_eq(v->vs.flags, w->flags);
		ck_assert_uint_eq(v->vs.timeout_sec, w->timeout_sec);
		ck_assert_uint_eq(v->n, w->nrs);
		for (size_t j = 0; j < w->nrs; j++) {
			struct model_rs *r = model_rs_find(v, &w->rs[j]);

			ck_assert_ptr_nonnull(r);
			ck_assert_uint_eq(r->rs.weight, w->rs[j].weight);
			ck_assert_uint_eq(r->rs.fwd, w->rs[j].fwd);
			if (w->rs[j].has_left) {
				ck_assert_msg(!is_mh || r->last_weight == 0,
				    "one that has left has no slots");
				continue;
			}
			ck_assert_msg(!is_ordered || r > last,
			    "endpoints of mh, sh and fo stand in canonical order");
			ck_assert_msg(r->last_weight == (w->rs[j].weight != 0 ?
			    w->rs[j].weight : w->rs[j].slots),
			    "a draining endpoint has the slots it had");
			last = r;
		}
	}
}

/* One node goes from what it has to want; nothing equal is touched. */
static size_t
go(struct model *m, const struct ipvs_table *want)
{
	struct ipvs_table have = model_read(m);
	struct ipvs_ops ops;
	size_t nup, n;

	for (size_t i = 0; i < m->n; i++)
		m->vs[i].was_empty = false;
	ipvs_diff(want, &have, &ops, &nup);
	n = ops.n;
	for (size_t i = 0; i < n; i++) {
		const struct ipvs_op *op = &ops.op[i];
		const struct ipvs_vs *w = ipvs_table_find(want, &op->vs->key);
		const struct ipvs_vs *h = ipvs_table_find(&have, &op->vs->key);

		ck_assert_int_eq(i >= nup, op->type == IPVS_OP_DEL_VS);
		ck_assert_msg(w == NULL || h == NULL || !vs_equal(w, h),
		    "%s on %s, which was as wanted", ipvs_op_name(op->type),
		    IPVS_KEY_STR(&op->vs->key));
		model_apply(m, op);
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct ipvs_vs *h = ipvs_table_find(&have, &m->vs[i].vs.key);

		ck_assert_msg(!m->vs[i].was_empty || m->vs[i].n == 0 || h == NULL ||
		    h->nrs == 0, "a service with endpoints is never without");
	}
	ipvs_ops_fini(&ops);
	ipvs_table_fini(&have);
	check_is(m, want);
	return n;
}

START_TEST(random_walk_reaches_what_is_wanted)
{
	uint64_t seed = 0x9e3779b97f4a7c15u + (uint64_t)_i;
	struct model *m = mem_zalloc(sizeof(*m));

	for (int step = 0; step < 60; step++) {
		struct ipvs_table want = random_table(&seed);

		go(m, &want);
		ck_assert_msg(go(m, &want) == 0, "a second diff is empty");
		ipvs_table_fini(&want);
	}
	free(m);
}
END_TEST

/* What is wanted, and behind it some of what the node has and nobody wants. */
static struct ipvs_table
with_leavers(const struct ipvs_table *want, const struct model *m, uint64_t *seed)
{
	struct ipvs_table have = model_read(m), t = { 0 };

	for (size_t i = 0; i < want->n; i++) {
		const struct ipvs_vs *w = &want->vs[i];
		const struct ipvs_vs *h = ipvs_table_find(&have, &w->key);
		struct ipvs_vs *vs = ipvs_table_add(&t);

		*vs = *w;
		vs->rs = arena_array(&t.arena, NRS, sizeof(vs->rs[0]));
		memcpy(vs->rs, w->rs, w->nrs * sizeof(vs->rs[0]));
		for (size_t j = 0; h != NULL && j < h->nrs; j++) {
			size_t k = 0;

			while (k < w->nrs && ipvs_rs_cmp(&w->rs[k], &h->rs[j]) != 0)
				k++;
			if (k < w->nrs || rnd(seed, 3) == 0)
				continue;
			vs->rs[vs->nrs] = h->rs[j];
			vs->rs[vs->nrs].weight = vs->rs[vs->nrs].slots = 0;
			vs->rs[vs->nrs++].has_left = true;
		}
	}
	ipvs_table_fini(&have);
	return t;
}

/*
 * Four nodes see a cluster change 1,000 times. One sees every state, and what
 * leaves drains there; two miss some, one starts late: the Maglev tables are the
 * same in the end.
 */
START_TEST(nodes_with_different_pasts_agree)
{
	uint64_t seed = 0xdeadbeefcafef00du + (uint64_t)_i;
	struct model *nodes = mem_zalloc(4 * sizeof(*nodes));
	struct ipvs_table t = random_table(&seed), next;
	static uint8_t a[TABLE_SIZE], b[TABLE_SIZE];

	for (unsigned step = 0; step < 1000; step++) {
		next = mutate(&t, &seed);
		ipvs_table_fini(&t);
		t = next;
		next = with_leavers(&t, &nodes[0], &seed);
		go(&nodes[0], &next);
		ipvs_table_fini(&next);
		if (step % 3 == 0)
			go(&nodes[1], &t);
		if (rnd(&seed, 10) == 0)
			go(&nodes[2], &t);
	}
	for (int n = 1; n < 4; n++)
		go(&nodes[n], &t);
	for (size_t i = 0; i < t.n; i++) {
		if (strcmp(t.vs[i].sched, "mh") != 0)
			continue;
		for (int n = 1; n < 4; n++) {
			mh_populate(model_find(&nodes[0], &t.vs[i].key), a);
			mh_populate(model_find(&nodes[n], &t.vs[i].key), b);
			ck_assert_mem_eq(a, b, TABLE_SIZE);
		}
	}
	ipvs_table_fini(&t);
	free(nodes);
}
END_TEST

static struct ipvs_table
table_of(const char *sched, const struct ipvs_rs *rs, size_t n)
{
	struct ipvs_table t = { 0 };
	struct ipvs_vs *vs = ipvs_table_add(&t);

	vs->key = (struct ipvs_key){ .family = IP_V4, .proto = 6,
		.vip = ip_from_v4(0x0a000032), .port = 80 };
	strcpy(vs->sched, sched);
	vs->rs = arena_array(&t.arena, n, sizeof(vs->rs[0]));
	memcpy(vs->rs, rs, n * sizeof(vs->rs[0]));
	vs->nrs = n;
	return t;
}

#define LEFT(last) { .ip = { IP_V4, { 10, 244, 0, last } }, .port = 80, \
	.has_left = true }
#define RS(last, w, how) { .ip = { IP_V4, { 10, 244, 0, last } }, .port = 80, \
	.weight = w, .slots = 1, .fwd = how }

/* Each change as the operations it takes: + add, - remove, = edit, and for
   services A, S, D; a server's last byte behind. ! marks a move. */
static const struct {
	const char *why;
	const char *sched;
	struct ipvs_rs have[4], want[4];
	size_t nhave, nwant;
	const char *ops;
} changes[] = {
	{ "equal tables need nothing", "mh",
	    { RS(1, 1, 0), RS(2, 1, 2) }, { RS(1, 1, 0), RS(2, 1, 2) }, 2, 2, "" },
	{ "a later endpoint is added behind", "mh",
	    { RS(1, 1, 0) }, { RS(1, 1, 0), RS(2, 1, 2) }, 1, 2, "+2" },
	{ "mh: one in between moves those behind it, each at once", "mh",
	    { RS(1, 1, 0), RS(3, 1, 0) }, { RS(1, 1, 0), RS(2, 1, 2), RS(3, 1, 0) },
	    2, 3, "+2 !-3 !+3" },
	{ "so does sh, whose table is dealt out in order", "sh",
	    { RS(1, 1, 0), RS(3, 1, 0) }, { RS(1, 1, 0), RS(2, 1, 2), RS(3, 1, 0) },
	    2, 3, "+2 !-3 !+3" },
	{ "and fo, which takes the last of equals", "fo",
	    { RS(2, 1, 0), RS(1, 1, 0) }, { RS(1, 1, 0), RS(2, 1, 0) }, 2, 2,
	    "!-2 !+2" },
	{ "order is nothing to wrr", "wrr",
	    { RS(1, 1, 0), RS(3, 1, 0) }, { RS(1, 1, 0), RS(2, 1, 2), RS(3, 1, 0) },
	    2, 3, "+2" },
	{ "new before old: never without endpoints", "mh",
	    { RS(1, 1, 0) }, { RS(2, 1, 0) }, 1, 1, "+2 -1" },
	{ "another way to reach it is an edit", "mh",
	    { RS(1, 1, 0), RS(2, 1, 2) }, { RS(1, 1, 2), RS(2, 1, 2) }, 2, 2, "=1" },
	{ "draining is an edit", "mh",
	    { RS(1, 1, 0), RS(2, 1, 0) }, { RS(1, 0, 0), RS(2, 1, 0) }, 2, 2, "=1" },
	{ "draining from a weight that others did not see takes two", "mh",
	    { RS(1, 3, 0) }, { RS(1, 0, 0) }, 1, 1, "=1 =1" },
	{ "a draining endpoint that is new gets its slots first", "mh",
	    { RS(1, 1, 0) }, { RS(1, 1, 0), RS(2, 0, 0) }, 1, 2, "+2 =2" },
	{ "a moved endpoint that drains drains again", "mh",
	    { RS(2, 0, 0) }, { RS(1, 1, 0), RS(2, 0, 0) }, 1, 2, "+1 !-2 !+2 =2" },
	{ "removal moves nobody", "mh",
	    { RS(1, 1, 0), RS(2, 1, 0), RS(3, 1, 0) }, { RS(1, 1, 0), RS(3, 1, 0) },
	    3, 2, "-2" },
	{ "mh: one that has left is put in anew, without its slots", "mh",
	    { RS(1, 1, 0), RS(2, 1, 0), RS(3, 1, 0) },
	    { RS(1, 1, 0), RS(3, 1, 0), LEFT(2) }, 3, 3, "!-2 +2" },
	{ "where it stands does not matter then", "mh",
	    { RS(1, 1, 0), LEFT(2), RS(3, 1, 0) },
	    { RS(1, 1, 0), RS(3, 1, 0), LEFT(2) }, 3, 3, "" },
	{ "also for one that comes", "mh",
	    { RS(1, 1, 0), LEFT(2) }, { RS(1, 1, 0), RS(3, 1, 0), LEFT(2) }, 2, 3,
	    "+3" },
	{ "as a kernel shows it that does not tell of slots", "mh",
	    { RS(1, 1, 0), { .ip = { IP_V4, { 10, 244, 0, 2 } }, .port = 80 } },
	    { RS(1, 1, 0), LEFT(2) }, 2, 2, "" },
	{ "back among the wanted, it goes where it belongs", "mh",
	    { RS(1, 1, 0), RS(3, 1, 0), LEFT(2) },
	    { RS(1, 1, 0), RS(2, 1, 0), RS(3, 1, 0) }, 3, 3, "=2 !-3 !+3" },
	{ "which may be where it is", "mh",
	    { RS(1, 1, 0), LEFT(2) }, { RS(1, 1, 0), RS(2, 1, 0) }, 2, 2, "=2" },
	{ "wanted as one that drains: with slots", "mh",
	    { RS(1, 1, 0), LEFT(2) }, { RS(1, 1, 0), RS(2, 0, 0) }, 2, 2, "=2 =2" },
	{ "fo has no slots, either: an edit", "fo",
	    { RS(1, 1, 0), RS(2, 1, 0) }, { RS(1, 1, 0), LEFT(2) }, 2, 2, "=2" },
	{ "wrr has no slots: an edit", "wrr",
	    { RS(1, 1, 0), RS(2, 1, 0) }, { RS(1, 1, 0), LEFT(2) }, 2, 2, "=2" },
	{ "its time is over", "mh",
	    { RS(1, 1, 0), LEFT(2) }, { RS(1, 1, 0) }, 2, 1, "-2" },
};

static void
describe(const struct ipvs_ops *ops, char *buf, size_t size)
{
	static const char letters[] = "ASD+=-";
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ops->n; i++) {
		const struct ipvs_op *op = &ops->op[i];

		len += (size_t)snprintf(buf + len, size - len, "%s%s%c",
		    i > 0 ? " " : "", op->is_reorder ? "!" : "", letters[op->type]);
		if (op->rs != NULL)
			len += (size_t)snprintf(buf + len, size - len, "%u",
			    op->rs->ip.b[3]);
	}
}

START_TEST(change_takes_these_operations)
{
	struct ipvs_table have = table_of(changes[_i].sched, changes[_i].have,
	    changes[_i].nhave);
	struct ipvs_table want = table_of(changes[_i].sched, changes[_i].want,
	    changes[_i].nwant);
	struct ipvs_ops ops;
	size_t nup;
	char got[128];

	ipvs_diff(&want, &have, &ops, &nup);
	describe(&ops, got, sizeof(got));
	ck_assert_msg(strcmp(got, changes[_i].ops) == 0, "%s: want \"%s\", got \"%s\"",
	    changes[_i].why, changes[_i].ops, got);
	ipvs_ops_fini(&ops);
	ipvs_table_fini(&have);
	ipvs_table_fini(&want);
}
END_TEST

START_TEST(new_mh_service_builds_its_table_once)
{
	struct ipvs_table want = { 0 };
	struct model *m = mem_zalloc(sizeof(*m));
	struct ipvs_vs *vs = ipvs_table_add(&want);
	uint64_t seed = 42;

	vs->key = (struct ipvs_key){ .family = IP_V4, .fwmark = 7 };
	strcpy(vs->sched, "mh");
	vs->rs = arena_array(&want.arena, NRS, sizeof(vs->rs[0]));
	for (unsigned i = 0; i < NRS; i++) {
		vs->rs[i] = random_rs(&seed, i);
		vs->rs[i].weight = 1;
	}
	vs->nrs = NRS;
	go(m, &want);
	ck_assert_uint_eq(m->vs[0].mh_builds, 1);
	ipvs_table_fini(&want);
	free(m);
}
END_TEST

/* A service of mh with servers first, first + 2, ...; no model, they are many. */
static struct ipvs_table
large_table(unsigned first, unsigned n)
{
	struct ipvs_table t = { 0 };
	struct ipvs_vs *vs = ipvs_table_add(&t);

	vs->key = (struct ipvs_key){ .family = IP_V4, .fwmark = 7 };
	strcpy(vs->sched, "mh");
	vs->rs = arena_array(&t.arena, n, sizeof(vs->rs[0]));
	for (vs->nrs = 0; vs->nrs < n; vs->nrs++)
		vs->rs[vs->nrs] = (struct ipvs_rs){ .port = 80, .weight = 1,
			.ip = ip_from_v4(0x0a000000 + first + 2 * (unsigned)vs->nrs) };
	return t;
}

START_TEST(many_changes_build_one_table)
{
	struct ipvs_table have = large_table(2, 1000), want = large_table(2, 1000);
	struct ipvs_ops ops;
	size_t nup;

	want.vs[0].rs[500].ip = ip_from_v4(0x0a000000 + 1001);
	ipvs_diff(&want, &have, &ops, &nup);
	/* One added, 499 moved behind it, one removed. */
	ck_assert_uint_eq(ops.n, 1 + 1 + 2 * 499 + 1 + 1);
	ck_assert_uint_eq(nup, ops.n);
	for (size_t i = 0; i < ops.n; i++) {
		bool is_end = i == 0 || i == ops.n - 1;

		ck_assert_int_eq(ops.op[i].type == IPVS_OP_SET_VS, is_end);
		ck_assert(!is_end || ops.op[i].is_follow_up);
	}
	ck_assert_str_eq(ops.op[0].sched, "rr");
	ck_assert_str_eq(ops.op[ops.n - 1].sched, "mh");
	ipvs_ops_fini(&ops);
	want.vs[0].rs[500].ip = have.vs[0].rs[500].ip;
	want.vs[0].rs[500].weight = 2;
	ipvs_diff(&want, &have, &ops, &nup);
	ck_assert_msg(ops.n == 1 && ops.op[0].type == IPVS_OP_SET_RS, "few stay with mh");
	ipvs_ops_fini(&ops);
	ipvs_table_fini(&have);
	ipvs_table_fini(&want);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, many_changes_build_one_table);
	tcase_add_loop_test(tc, random_walk_reaches_what_is_wanted, 0, 20);
	tcase_add_loop_test(tc, nodes_with_different_pasts_agree, 0, 3);
	tcase_add_loop_test(tc, change_takes_these_operations, 0, nitems(changes));
	tcase_add_test(tc, new_mh_service_builds_its_table_once);
}

TEST_MAIN("ipvs/diff", fill)
