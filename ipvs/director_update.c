/* director_update.c - director_update() of director.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/director_impl.h"
#include "ipvs/error.h"
#include "ipvs/netns_io.h"

/* Is what the last sync left all known, complete, and still there? */
static bool
is_settled(const struct director *d)
{
	return d->is_net_known && net_lists_are_known(&d->net) && d->mtu != 0 &&
	    d->ipvs != NULL && d->is_table_known && d->nstale == 0 && d->nfailed == 0 &&
	    nft_io_is_settled(d->side[NFT_HOST].nft) &&
	    nft_io_is_settled(d->side[NFT_DIRECTOR].nft);
}

static void
all_failed(struct director_run *s, const struct goal *is,
    const struct director_error *err)
{
	size_t i;

	director_report(s, err);
	for (i = 0; i < is->table.n; i++)
		if (is->table.vs[i].key.fwmark == 0)
			director_vip_failed(s->d, &is->table.vs[i].key.vip);
}

static void
patch_nft(struct director_run *s, enum nft_side side, const struct nft_state *was,
    const struct nft_state *is, enum nft_step step)
{
	struct director *d = s->d;
	struct director_error err;
	struct netns_visit v;
	size_t nelems = 0;
	int r = 0;

	if (nft_state_is_equal(was, is, side))
		return;
	if (side == NFT_DIRECTOR)
		r = netns_enter(d->net.ns, &v);
	if (r == 0) {
		r = nft_io_patch(d->side[side].nft, was, is, step, &nelems,
		    &err);
		if (side == NFT_DIRECTOR)
			netns_leave(&v);
	} else {
		director_fail(&err, r, "cannot enter the director: %s", strerror(-r));
	}
	s->changes->nft_commits += r == 0 && nelems > 0;
	if (r < 0)
		all_failed(s, &s->goal, &err);
}

/* In the order of a whole sync: see the top of director.c. s->goal is what is new. */
static void
update_parts(struct director_run *s, const struct goal *was)
{
	const struct nft_state *is = &s->goal.nft;
	struct nft_state replies = nft_state_replies(is), first = { 0 }, both = { 0 };
	struct ipvs_ops ops = { 0 };
	size_t nup;

	nft_state_union(&replies, &was->nft, NFT_DIRECTOR, &first);
	nft_state_union(is, &was->nft, NFT_DIRECTOR, &both);
	ipvs_diff(&s->goal.table, &was->table, &ops, &nup);
	patch_nft(s, NFT_DIRECTOR, &was->nft, &first, NFT_ADD_ONLY);
	director_table_run(s, ops.op, nup);
	patch_nft(s, NFT_DIRECTOR, &first, &both, NFT_ADD_ONLY);
	patch_nft(s, NFT_HOST, &was->nft, is, NFT_EXACT);
	director_table_run(s, ops.op + nup, ops.n - nup);
	patch_nft(s, NFT_DIRECTOR, &both, is, NFT_EXACT);
	ipvs_ops_fini(&ops);
	nft_state_fini(&first);
	nft_state_fini(&both);
}

int
director_update(struct director *d, const struct director_want *want,
    const struct director_update *updates, size_t n, struct mono now,
    struct director_changes *ret_changes,
    void (*fail)(void *arg, const struct director_error *err), void *arg)
{
	struct director_changes changes = { 0 };
	struct director_run s = { .d = d, .want = want, .changes = &changes, .fail = fail,
		.arg = arg };
	struct goal was = { 0 };
	struct arena scratch = { 0 };
	struct director_update *amended;
	bool is_small;

	amended = arena_array(&scratch, n, sizeof(*amended));
	is_small = is_settled(d) && life_update(&d->life, want, updates, n, &d->have,
	    now, &scratch, amended);
	if (is_small)
		goal_build_update(want, amended, n, &was, &s.goal);
	arena_fini(&scratch);
	if (!is_small)
		return director_sync(d, want, now, ret_changes, fail, arg);
	update_parts(&s, &was);
	goal_patch(&d->have, &was, &s.goal);
	if (!nft_state_is_equal(&was.nft, &s.goal.nft, NFT_DIRECTOR))
		director_sync_endpoints(&s, &d->have);
	goal_fini(&was);
	goal_fini(&s.goal);
	*ret_changes = changes;
	return s.has_failed ? -EAGAIN : 0;
}
