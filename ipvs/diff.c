/* diff.c - see diff.h for the rules that shape the operations. */
#include "ipvs/diff.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* Above so many changes of one service mh steps aside. */
enum { MH_MANY = 128 };

const char *
ipvs_op_name(enum ipvs_op_type type)
{
	switch (type) {
	case IPVS_OP_ADD_VS:
		return "add service";
	case IPVS_OP_SET_VS:
		return "change service";
	case IPVS_OP_DEL_VS:
		return "remove service";
	case IPVS_OP_ADD_RS:
		return "add endpoint";
	case IPVS_OP_SET_RS:
		return "change endpoint";
	case IPVS_OP_DEL_RS:
		return "remove endpoint";
	}
	return "?";
}

static struct ipvs_op *
op_add(struct ipvs_ops *ops, enum ipvs_op_type type, const struct ipvs_vs *vs,
    const struct ipvs_rs *rs)
{
	ops->op = mem_grow(ops->op, ops->n, &ops->cap, sizeof(ops->op[0]));
	ops->op[ops->n] = (struct ipvs_op){ .type = type, .vs = vs, .rs = rs,
		.sched = vs->sched, .weight = rs != NULL ? rs->weight : 0 };
	return &ops->op[ops->n++];
}

/* The weight from which the kernel gives rs its slots in the mh table. */
static uint16_t
slots_of(const struct ipvs_rs *rs)
{
	if (rs->weight != 0 || rs->has_left)
		return rs->weight;
	return rs->slots != 0 ? rs->slots : 1;
}

/* Add rs so that it has its slots even if it drains; see diff.h. */
static struct ipvs_op *
op_add_rs(struct ipvs_ops *ops, const struct ipvs_vs *vs, const struct ipvs_rs *rs)
{
	struct ipvs_op *op = op_add(ops, IPVS_OP_ADD_RS, vs, rs);

	op->weight = slots_of(rs);
	return op;
}

/* Whoever missed a change of weight before the drain makes it now. */
static void
op_set_rs(struct ipvs_ops *ops, const struct ipvs_vs *vs, const struct ipvs_rs *rs,
    const struct ipvs_rs *old)
{
	struct ipvs_op *op;

	if (rs->weight == 0 && !rs->has_left && slots_of(old) != slots_of(rs)) {
		op = op_add(ops, IPVS_OP_SET_RS, vs, rs);
		op->weight = slots_of(rs);
		op->is_follow_up = true;
	}
	op_add(ops, IPVS_OP_SET_RS, vs, rs);
}

static void
op_drain_rs(struct ipvs_ops *ops, const struct ipvs_vs *vs, const struct ipvs_rs *rs)
{
	if (rs->weight == 0 && !rs->has_left)
		op_add(ops, IPVS_OP_SET_RS, vs, rs)->is_follow_up = true;
}

static bool
is_mh(const struct ipvs_vs *vs)
{
	return strcmp(vs->sched, "mh") == 0;
}

/* Does its choice depend on its servers' order, and on nothing that is one node's alone? */
static bool
is_ordered(const struct ipvs_vs *vs)
{
	return is_mh(vs) || strcmp(vs->sched, "sh") == 0 || strcmp(vs->sched, "fo") == 0;
}

static void
diff_new_vs(const struct ipvs_vs *want, struct ipvs_ops *ops)
{
	bool is_late_mh = is_mh(want) && want->nrs > 1;
	struct ipvs_op *op = op_add(ops, IPVS_OP_ADD_VS, want, NULL);
	size_t i;

	if (is_late_mh)
		op->sched = "none";
	for (i = 0; i < want->nrs; i++)
		op_add_rs(ops, want, &want->rs[i]);
	if (is_late_mh)
		op_add(ops, IPVS_OP_SET_VS, want, NULL)->is_follow_up = true;
	for (i = 0; i < want->nrs; i++)
		op_drain_rs(ops, want, &want->rs[i]);
}

static bool
rs_equal(const struct ipvs_rs *want, const struct ipvs_rs *have)
{
	if (want->weight != have->weight || want->fwd != have->fwd)
		return false;
	if (want->weight != 0 || (have->slots == 0 && !have->has_left))
		return true;
	return slots_of(want) == slots_of(have);
}

/* Real servers by identity: pointers into a table, sorted by ipvs_rs_cmp(). */
struct rs_index {
	const struct ipvs_rs **rs;
	size_t	n;
};

static int
rs_ptr_cmp(const void *a, const void *b)
{
	return ipvs_rs_cmp(*(const struct ipvs_rs *const *)a,
	    *(const struct ipvs_rs *const *)b);
}

static struct rs_index
rs_index_of(const struct ipvs_vs *vs)
{
	struct rs_index x = { .rs = mem_zalloc((vs->nrs + 1) * sizeof(x.rs[0])) };

	for (x.n = 0; x.n < vs->nrs; x.n++)
		x.rs[x.n] = &vs->rs[x.n];
	qsort(x.rs, x.n, sizeof(x.rs[0]), rs_ptr_cmp);
	return x;
}

static const struct ipvs_rs *
rs_find(const struct rs_index *x, const struct ipvs_rs *key)
{
	const struct ipvs_rs **p = bsearch(&key, x->rs, x->n, sizeof(x->rs[0]),
	    rs_ptr_cmp);

	return p != NULL ? *p : NULL;
}

/*
 * How many of want's first servers stand in have in the right order, with
 * none that must come later between them: those may stay where they are. It does
 * not matter where those stand that have left, last in want.
 */
static size_t
rs_kept(const struct ipvs_vs *want, const struct ipvs_vs *have)
{
	size_t i, k = 0;

	for (i = 0; i < have->nrs && k < want->nrs && !want->rs[k].has_left; i++)
		if (ipvs_rs_cmp(&have->rs[i], &want->rs[k]) == 0)
			k++;
	return k;
}

/* Must it be put in anew to be rid of its slots? */
static bool
sheds_slots(const struct ipvs_vs *want, const struct ipvs_rs *rs,
    const struct ipvs_rs *old)
{
	return rs->has_left && is_mh(want) && slots_of(old) != 0;
}

static void
diff_rs(const struct ipvs_vs *want, const struct ipvs_vs *have, struct ipvs_ops *ops)
{
	struct rs_index had = rs_index_of(have), wanted = rs_index_of(want);
	size_t kept = is_ordered(want) ? rs_kept(want, have) : want->nrs;
	const struct ipvs_rs *rs, *old;
	bool is_in_place;
	size_t i;

	for (i = 0; i < want->nrs; i++) {
		rs = &want->rs[i];
		old = rs_find(&had, rs);
		is_in_place = old != NULL && (i < kept || rs->has_left);
		if (is_in_place && rs_equal(rs, old))
			continue;
		if (is_in_place && !sheds_slots(want, rs, old)) {
			op_set_rs(ops, want, rs, old);
			continue;
		}
		if (old != NULL)
			op_add(ops, IPVS_OP_DEL_RS, want, old)->is_reorder = true;
		op_add_rs(ops, want, rs)->is_reorder = old != NULL && !rs->has_left;
		op_drain_rs(ops, want, rs);
	}
	for (i = 0; i < have->nrs; i++)
		if (rs_find(&wanted, &have->rs[i]) == NULL)
			op_add(ops, IPVS_OP_DEL_RS, want, &have->rs[i]);
	free(had.rs);
	free(wanted.rs);
}

static bool
rs_same(const struct ipvs_vs *a, const struct ipvs_vs *b)
{
	size_t i;

	if (a->nrs != b->nrs)
		return false;
	for (i = 0; i < a->nrs; i++)
		if (ipvs_rs_cmp(&a->rs[i], &b->rs[i]) != 0 ||
		    !rs_equal(&a->rs[i], &b->rs[i]))
			return false;
	return true;
}

static bool
head_same(const struct ipvs_vs *a, const struct ipvs_vs *b)
{
	return strcmp(a->sched, b->sched) == 0 && a->flags == b->flags &&
	    a->timeout_sec == b->timeout_sec;
}

bool
ipvs_vs_is_equal(const struct ipvs_vs *want, const struct ipvs_vs *have)
{
	return head_same(want, have) && rs_same(want, have);
}

/*
 * To work through many changes mh would build as many tables, none of which is the one
 * that it comes to: rr chooses in the meantime, which has none.
 */
static void
diff_many_rs(const struct ipvs_vs *want, bool is_head_new, const struct ipvs_ops *rs,
    struct ipvs_ops *ops)
{
	struct ipvs_op *op = op_add(ops, IPVS_OP_SET_VS, want, NULL);
	size_t i;

	op->sched = "rr";
	op->is_follow_up = true;
	for (i = 0; i < rs->n; i++)
		*op_add(ops, rs->op[i].type, want, rs->op[i].rs) = rs->op[i];
	op_add(ops, IPVS_OP_SET_VS, want, NULL)->is_follow_up = !is_head_new;
}

static void
diff_vs(const struct ipvs_vs *want, const struct ipvs_vs *have, struct ipvs_ops *ops)
{
	bool is_head_new = !head_same(want, have);
	struct ipvs_ops rs = { 0 };
	size_t i;

	if (!rs_same(want, have))
		diff_rs(want, have, &rs);
	if (is_mh(want) && rs.n > MH_MANY) {
		diff_many_rs(want, is_head_new, &rs, ops);
	} else {
		if (is_head_new)
			op_add(ops, IPVS_OP_SET_VS, want, NULL);
		for (i = 0; i < rs.n; i++)
			*op_add(ops, rs.op[i].type, want, rs.op[i].rs) = rs.op[i];
	}
	ipvs_ops_fini(&rs);
}

void
ipvs_diff(const struct ipvs_table *want, const struct ipvs_table *have,
    struct ipvs_ops *ret, size_t *ret_nup)
{
	struct ipvs_ops up = { 0 }, down = { 0 };
	size_t i = 0, j = 0;
	int c;

	while (i < want->n || j < have->n) {
		if (i == want->n)
			c = 1;
		else if (j == have->n)
			c = -1;
		else
			c = ipvs_key_cmp(&want->vs[i].key, &have->vs[j].key);
		if (c < 0)
			diff_new_vs(&want->vs[i++], &up);
		else if (c > 0)
			op_add(&down, IPVS_OP_DEL_VS, &have->vs[j++], NULL);
		else
			diff_vs(&want->vs[i++], &have->vs[j++], &up);
	}
	*ret_nup = up.n;
	for (i = 0; i < down.n; i++)
		*op_add(&up, IPVS_OP_DEL_VS, down.op[i].vs, NULL) = down.op[i];
	free(down.op);
	*ret = up;
}

void
ipvs_ops_fini(struct ipvs_ops *ops)
{
	free(ops->op);
	*ops = (struct ipvs_ops){ 0 };
}
