/* net_list_io.c - see net_list_io.h. */
#include "ipvs/net_list_io.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/error.h"
#include "ipvs/nft_rules.h"
#include "ipvs/rtnl_route_io.h"
#include "lib/mem.h"

enum {
	LO_INDEX = 1,		/* lo is the first link of every namespace */
	MTU_ANY = 65520,	/* more than any packet has; the kernel's largest */
};

/* Being looked at. */
struct look {
	struct director_net *n;
	struct net_list *list;
};

static unsigned
host_len(const struct ip *a)
{
	return (unsigned)ip_len(a) * 8;
}

static void
note(struct net_list *l, const struct ip *a)
{
	l->ip = mem_grow(l->ip, l->n, &l->cap, sizeof(l->ip[0]));
	l->ip[l->n++] = *a;
}

static void
vip_note(void *arg, const struct ip *a, unsigned len)
{
	struct look *l = arg;

	if (len == host_len(a) && !ip_is_special(a))
		note(l->list, a);
}

/*
 * An IPv4 VIP is the director's own by a route alone: the kernel looks through all of
 * a link's addresses for each one more, so that 10,000 took twice as long as the rest
 * of a start.
 */
static int
vips_each(struct look *l)
{
	int r = rtnl_local_each(l->n->inside, LO_INDEX, vip_note, l);

	return r < 0 ? r : rtnl_addr_each(l->n->inside, LO_INDEX, vip_note, l);
}

static int
vip_add(struct director_net *n, const struct ip *a)
{
	return ip_is_v4(a) ? rtnl_local_add(n->inside, LO_INDEX, a) :
	    rtnl_addr_add(n->inside, LO_INDEX, a, host_len(a));
}

static int
vip_delete(struct director_net *n, const struct ip *a)
{
	int r = ip_is_v4(a) ? rtnl_local_delete(n->inside, LO_INDEX, a) :
	    rtnl_addr_delete(n->inside, LO_INDEX, a, host_len(a));

	return r == -EADDRNOTAVAIL ? -ESRCH : r;
}

static struct rtnl_route
endpoint_route(const struct director_net *n, const struct ip *a)
{
	struct rtnl_route route = { .dst = *a, .index = n->inner,
		.table = RT_TABLE_MAIN, .mtu = MTU_ANY };

	(void)ip_parse(DIRECTOR_HOST6, &route.via);
	return route;
}

static void
endpoint_note(void *arg, const struct rtnl_route *route)
{
	struct look *l = arg;

	if (ip_is_set(&route->dst) && route->table == RT_TABLE_MAIN &&
	    route->mtu == MTU_ANY)
		note(l->list, &route->dst);
}

static int
endpoints_each(struct look *l)
{
	return l->n->has_v6 ? rtnl_route_each(l->n->inside, IP_V6, endpoint_note, l) : 0;
}

static int
endpoint_add(struct director_net *n, const struct ip *a)
{
	struct rtnl_route route = endpoint_route(n, a);

	return rtnl_route_add(n->inside, &route);
}

static int
endpoint_delete(struct director_net *n, const struct ip *a)
{
	struct rtnl_route route = endpoint_route(n, a);

	return rtnl_route_delete(n->inside, &route);
}

static const struct {
	const char *name, *piece;
	int	(*each)(struct look *l);
	int	(*add)(struct director_net *n, const struct ip *a);
	int	(*delete)(struct director_net *n, const struct ip *a);	/* or -ESRCH */
} kinds[] = {
	[NET_VIPS] = { "vip", "address", vips_each, vip_add, vip_delete },
	[NET_ENDPOINTS] = { "endpoint", "route", endpoints_each, endpoint_add,
	    endpoint_delete },
};

static int
ip_qsort_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool
has_ip(const struct ip *list, size_t n, const struct ip *a)
{
	return n > 0 && bsearch(a, list, n, sizeof(*a), ip_qsort_cmp) != NULL;
}

/* Know what is there; on failure we go by an empty list and meet -EEXIST. */
static struct net_list *
examine(struct director_net *n, enum net_list_id id)
{
	struct net_list *l = &n->list[id];
	size_t nhad = l->n;

	l->nlost = 0;
	if (l->is_known)
		return l;
	l->n = 0;
	l->is_known = kinds[id].each(&(struct look){ n, l }) == 0;
	if (l->is_known && l->n < nhad)
		l->nlost = (unsigned)(nhad - l->n);
	if (l->n > 1)
		qsort(l->ip, l->n, sizeof(l->ip[0]), ip_qsort_cmp);
	return l;
}

unsigned
net_list_add(struct director_net *n, enum net_list_id id, const struct ip *want,
    size_t nwant, net_fail_fn *fail, void *arg)
{
	struct net_list *l = examine(n, id);
	struct director_error err;
	size_t i, nhad = l->n;
	unsigned count = 0;
	int r;

	for (i = 0; i < nwant; i++) {
		if (has_ip(l->ip, nhad, &want[i]))
			continue;
		r = kinds[id].add(n, &want[i]);
		if (r < 0 && r != -EEXIST) {
			director_fail(&err, r, "%s %s: cannot add the %s in the "
			    "director: %s", kinds[id].name, IP_STR(&want[i]),
			    kinds[id].piece, strerror(-r));
			fail(arg, id, &want[i], &err);
			continue;
		}
		note(l, &want[i]);
		count += r == 0;
	}
	if (l->n > nhad)
		qsort(l->ip, l->n, sizeof(l->ip[0]), ip_qsort_cmp);
	return count;
}

unsigned
net_list_remove(struct director_net *n, enum net_list_id id, const struct ip *want,
    size_t nwant, net_fail_fn *fail, void *arg)
{
	struct net_list *l = examine(n, id);
	struct director_error err;
	size_t i, nkept = 0;
	unsigned count = 0;
	int r;

	for (i = 0; i < l->n; i++) {
		struct ip a = l->ip[i];

		if (has_ip(want, nwant, &a)) {
			l->ip[nkept++] = a;
			continue;
		}
		r = kinds[id].delete(n, &a);
		if (r < 0 && r != -ESRCH) {
			director_fail(&err, r, "%s %s: cannot remove the %s from the "
			    "director: %s", kinds[id].name, IP_STR(&a), kinds[id].piece,
			    strerror(-r));
			fail(arg, id, &a, &err);
			l->ip[nkept++] = a;
			continue;
		}
		count++;
	}
	l->n = nkept;
	return count;
}

void
net_lists_forget(struct director_net *n)
{
	for (size_t i = 0; i < nitems(n->list); i++)
		n->list[i].is_known = false;
}

bool
net_lists_are_known(const struct director_net *n)
{
	for (size_t i = 0; i < nitems(n->list); i++)
		if (!n->list[i].is_known)
			return false;
	return true;
}

void
net_lists_fini(struct director_net *n)
{
	for (size_t i = 0; i < nitems(n->list); i++)
		free(n->list[i].ip);
}
