/* director_look.c - director_look() of director.h, and the host's addresses. */
#include <errno.h>
#include <stdlib.h>

#include "ipvs/director_impl.h"
#include "ipvs/netns_io.h"
#include "ipvs/syncd_io.h"
#include "ipvs/walk_nl.h"
#include "lib/arena.h"
#include "lib/mem.h"

struct look {
	director_stat_fn *fn;
	void	*arg;
	const struct ipvs_vs *ours;	/* the service that is being read */
};

static void
on_stat(void *arg, const struct ipvs_vs *vs, const struct ipvs_rs *rs,
    const struct ipvs_counters *c)
{
	const struct look *l = arg;
	struct director_stat row = { .service = l->ours->name,
		.family = vs->key.family, .tier = l->ours->tier,
		.counters = c };

	if (rs != NULL) {
		row.endpoint = &rs->ip;
		row.port = rs->port;
	}
	if (row.service != NULL)
		l->fn(l->arg, &row);
}

/* True where the service is not as we left it, or cannot be read. */
static bool
look_at_service(struct director *d, struct look *l, struct arena *a)
{
	struct ipvs_vs found;
	int r = ipvs_nl_read_one(d->ipvs, &l->ours->key, a, &found, on_stat, l);

	if (r < 0 && r != -ESRCH)
		director_close_ipvs(d);
	return r < 0 || !ipvs_vs_is_equal(l->ours, &found);
}

static bool
look_at_ours(struct director *d, director_stat_fn *fn, void *arg)
{
	struct look l = { .fn = fn, .arg = arg };
	struct arena scratch = { 0 };
	bool is_other = false;

	for (size_t i = 0; i < DIRECTOR_LOOK_PIECE && !is_other && d->look_due > 0; i++) {
		if (d->look_at >= d->have.table.n)
			d->look_at = 0;
		l.ours = &d->have.table.vs[d->look_at++];
		d->look_due--;
		is_other = look_at_service(d, &l, &scratch);
	}
	arena_fini(&scratch);
	if (is_other)
		d->is_table_known = false;
	return is_other;
}

/*
 * One that is not ours is for the next sync to take out. But the kernel may have told of
 * it before a sync of ours took it out: is it there now?
 */
static void
on_walk(void *arg, const struct ipvs_vs *vs)
{
	struct director *d = arg;
	struct arena scratch = { 0 };
	struct ipvs_vs now;
	int r;

	if (d->ipvs == NULL || ipvs_table_find(&d->have.table, &vs->key) != NULL)
		return;
	r = ipvs_nl_read_one(d->ipvs, &vs->key, &scratch, &now, NULL, NULL);
	arena_fini(&scratch);
	if (r == 0)
		director_mark_foreign(d, &vs->key);
	else if (r != -ESRCH)
		director_close_ipvs(d);
}

static bool
look_for_others(struct director *d)
{
	bool is_done;
	int n = ipvs_walk_on(d->walk, on_walk, d, &is_done);

	if (n < 0) {		/* opened again by the next look */
		ipvs_walk_close(d->walk);
		d->walk = NULL;
	}
	if (n < 0 || is_done || (size_t)n >= d->walk_due)
		d->walk_due = 0;
	else
		d->walk_due -= (size_t)n;
	return d->nstale > 0 || d->ipvs == NULL;
}

bool
director_look_piece(struct director *d, director_stat_fn *fn, void *arg)
{
	if (d->look_due > d->have.table.n)
		d->look_due = d->have.table.n;
	return d->look_due > 0 ? look_at_ours(d, fn, arg) : look_for_others(d);
}

/* After a failure the next sync reads what it must anyway. */
bool
director_is_look_due(const struct director *d)
{
	return ((d->look_due > 0 && d->have.table.n > 0) || d->walk_due > 0) &&
	    d->is_table_known && d->nstale == 0 && d->ipvs != NULL;
}

/* To be called within the namespace of that side. */
static bool
look_at_nft(struct director_side *s)
{
	uint32_t generation = watch_nft_generation(s->watch);
	uint32_t others = generation - nft_io_commits(s->nft);

	if (generation == 0 || others == s->others)
		return false;
	s->others = others;
	return nft_io_is_altered(s->nft);
}

static int
addr_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void
note_addr(void *arg, const struct ip *a, unsigned len)
{
	struct director *d = arg;

	(void)len;
	d->addrs = mem_grow(d->addrs, d->naddrs, &d->addrs_cap, sizeof(*a));
	d->addrs[d->naddrs++] = *a;
}

/* Where it fails we go by what came of it, and ask again. */
void
director_read_addrs(struct director *d)
{
	if (d->is_addrs_known)
		return;
	d->naddrs = 0;
	d->is_addrs_known = rtnl_addr_each(d->net.host, 0, note_addr, d) == 0;
	if (d->naddrs > 1)
		qsort(d->addrs, d->naddrs, sizeof(d->addrs[0]), addr_cmp);
}

/* Is a VIP now an address of the host that was none, or the other way round? */
static bool
look_at_addrs(struct director *d)
{
	const struct nft_set *all = &d->have.nft.set[NFT_DIR_VIPS * 2];
	size_t f, i;

	d->is_addrs_known = false;
	director_read_addrs(d);
	for (f = 0; f < 2; f++)
		for (i = 0; i < all[f].n; i++) {
			struct ip vip = nft_set_at(&all[f], i).addr;
			bool is_held = d->naddrs > 0 && bsearch(&vip, d->addrs,
			    d->naddrs, sizeof(vip), addr_cmp) != NULL;

			if (is_held != director_is_held(d, &vip))
				return true;
		}
	return false;
}

/* What comes and goes inside is ours alone. */
static bool
look_at_net(struct director *d)
{
	unsigned host = watch_news(d->side[NFT_HOST].watch);
	unsigned inside = watch_news(d->side[NFT_DIRECTOR].watch);
	bool has_news = ((host | inside) & WATCH_OURS) != 0;

	if (has_news) {
		d->is_net_known = false;
		net_lists_forget(&d->net);
	}
	if ((host & WATCH_RULES) != 0 ||
	    ((host & WATCH_ADDRS) != 0 && look_at_addrs(d)))
		d->has_host_news = true;
	return has_news || d->has_host_news;
}

/* Within the director. */
static bool
look_at_sync(struct director *d)
{
	if (!d->conf.has_sync || syncd_is_running())
		return false;
	d->is_net_known = false;
	return true;
}

bool
director_has_host_news(const struct director *d)
{
	return d->has_host_news;
}

bool
director_look(struct director *d)
{
	struct netns_visit v;
	bool has_news = look_at_net(d);

	has_news |= look_at_nft(&d->side[NFT_HOST]);
	if (netns_enter(d->net.ns, &v) == 0) {
		has_news |= look_at_nft(&d->side[NFT_DIRECTOR]);
		has_news |= look_at_sync(d);
		if (d->walk == NULL)
			(void)ipvs_walk_open(&d->walk);
		netns_leave(&v);
	}
	d->look_due = DIRECTOR_LOOK_SERVICES;
	d->walk_due = d->walk != NULL ? DIRECTOR_LOOK_SERVICES : 0;
	return has_news;
}
