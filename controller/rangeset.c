#include <stdlib.h>

#include "controller/rangeset.h"

static int
range_cmp(const void *a, const void *b)
{
	const struct ip_range *x = a, *y = b;
	int c = ip_cmp(&x->first, &y->first);

	return c != 0 ? c : ip_cmp(&x->last, &y->last);
}

/* a - 1; the caller knows that a is not the first address of its family. */
static struct ip
ip_before(const struct ip *a)
{
	struct ip r = *a;

	for (size_t i = ip_len(a); i-- > 0;) {
		if (r.b[i]-- != 0)
			break;
	}
	return r;
}

/* True where y begins within x or right behind it. */
static bool
range_touches(const struct ip_range *x, const struct ip_range *y)
{
	struct ip next;

	if (x->last.family != y->first.family)
		return false;
	if (ip_cmp(&y->first, &x->last) <= 0)
		return true;
	return ip_add(&x->last, 1, &next) == 0 && ip_eq(&next, &y->first);
}

struct rangeset
rangeset_make(struct arena *a, const struct ip_range *r, size_t n)
{
	struct rangeset x = { .v = arena_array(a, n, sizeof(*r)) };

	for (size_t i = 0; i < n; i++)
		x.v[i] = r[i];
	if (n > 1)
		qsort(x.v, n, sizeof(*x.v), range_cmp);
	for (size_t i = 0; i < n; i++) {
		struct ip_range *top = x.n > 0 ? &x.v[x.n - 1] : NULL;

		if (top == NULL || !range_touches(top, &x.v[i]))
			x.v[x.n++] = x.v[i];
		else if (ip_cmp(&x.v[i].last, &top->last) > 0)
			top->last = x.v[i].last;
	}
	return x;
}

struct rangeset
rangeset_minus(struct arena *a, struct rangeset x, struct rangeset y)
{
	/* Every range of y cuts at most one range of x in two. */
	struct rangeset out = { .v = arena_array(a, x.n + y.n, sizeof(*x.v)) };
	size_t j = 0;

	for (size_t i = 0; i < x.n; i++) {
		struct ip_range left = x.v[i];
		bool is_empty = false;

		while (j < y.n && ip_cmp(&y.v[j].last, &left.first) < 0)
			j++;
		for (size_t k = j; k < y.n && ip_range_overlaps(&left, &y.v[k]); k++) {
			if (ip_cmp(&left.first, &y.v[k].first) < 0)
				out.v[out.n++] = (struct ip_range){ left.first,
				    ip_before(&y.v[k].first) };
			is_empty = ip_cmp(&y.v[k].last, &left.last) >= 0;
			if (is_empty)
				break;
			/* Cannot fail: left.last lies behind. */
			(void)ip_add(&y.v[k].last, 1, &left.first);
		}
		if (!is_empty)
			out.v[out.n++] = left;
	}
	return out;
}

const struct ip_range *
rangeset_find(struct rangeset x, const struct ip *ip)
{
	size_t lo = 0, hi = x.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_range_contains(&x.v[mid], ip))
			return &x.v[mid];
		if (ip_cmp(&x.v[mid].last, ip) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool
rangeset_overlaps(struct rangeset x, struct rangeset y, struct ip_range *ret_x,
    struct ip_range *ret_y)
{
	for (size_t i = 0, j = 0; i < x.n && j < y.n;) {
		if (ip_range_overlaps(&x.v[i], &y.v[j])) {
			if (ret_x != NULL)
				*ret_x = x.v[i];
			if (ret_y != NULL)
				*ret_y = y.v[j];
			return true;
		}
		if (ip_cmp(&x.v[i].last, &y.v[j].last) < 0)
			i++;
		else
			j++;
	}
	return false;
}

uint64_t
rangeset_size(struct rangeset x, enum ip_family family)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < x.n; i++) {
		if (x.v[i].first.family == family &&
		    __builtin_add_overflow(sum, ip_range_size(&x.v[i]), &sum))
			return UINT64_MAX;
	}
	return sum;
}
