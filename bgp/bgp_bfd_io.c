/*
 * bgp_bfd_io.c - sort sessions into instances of bfd_io by port and VRF.
 */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "bgp/bgp_bfd_io.h"
#include "bgp/bgp_io.h"
#include "lib/log.h"
#include "lib/mem.h"

/* For want of a peer's own; every peer has its own. */
enum { BFD_DEFAULT_US = 300000, BFD_DEFAULT_MULT = 3 };

struct bgp_bfd_group {
	struct bgp_bfd *owner;
	char	vrf[BGP_IO_NAME_MAX];
	bool	is_multihop;
	bool	is_wanted;		/* scratch of bgp_bfd_set() */
	struct bfd_io *io;
	struct bgp_bfd_group *prev, *next;
};

static void
on_changed(void *arg, const struct ip *peer, enum bfd_peer_state state)
{
	struct bgp_bfd_group *g = arg;

	(void)peer;
	(void)state;
	g->owner->changed(g->owner->arg);
}

static bool
is_of(const struct bgp_bfd_group *g, const struct bgp_bfd_want *w)
{
	return g->is_multihop == w->is_multihop && strcmp(g->vrf, w->vrf) == 0;
}

static struct bgp_bfd_group *
group_of(const struct bgp_bfd *b, const struct bgp_bfd_want *w)
{
	struct bgp_bfd_group *g;

	DL_FOREACH(b->groups, g)
		if (is_of(g, w))
			return g;
	return NULL;
}

/* Those that have the port already, for other VRFs, let another have it, or no longer. */
static bool
share_port(struct bgp_bfd *b, bool is_multihop, bool is_shared)
{
	struct bgp_bfd_group *g;
	bool has_any = false;

	DL_FOREACH(b->groups, g) {
		if (g->is_multihop == is_multihop) {
			bfd_io_share(g->io, is_shared);
			has_any = true;
		}
	}
	return has_any;
}

/* NULL where the port cannot be had; the next bgp_bfd_set() tries again. */
static struct bgp_bfd_group *
group_new(struct bgp_bfd *b, const struct bgp_bfd_want *w)
{
	struct bgp_bfd_group *g = mem_zalloc(sizeof(*g));
	struct bfd_io_conf conf = {
		.port = w->is_multihop ? BGP_BFD_MULTIHOP_PORT : BGP_BFD_PORT,
		.is_ephemeral = true, .device = w->vrf,
		.min_tx_us = BFD_DEFAULT_US, .min_rx_us = BFD_DEFAULT_US,
		.detect_mult = BFD_DEFAULT_MULT,
	};
	char err[256];

	g->owner = b;
	g->is_multihop = w->is_multihop;
	strncpy(g->vrf, w->vrf, sizeof(g->vrf) - 1);
	conf.is_shared = share_port(b, w->is_multihop, true);
	g->io = bfd_io_new(b->loop, &conf, on_changed, g, err);
	share_port(b, w->is_multihop, false);
	if (g->io == NULL) {
		log_warn(LOG_OBJ("peer", IP_STR(&w->peer.addr)),
		    "BGP sessions go without BFD: %s", err);
		free(g);
		return NULL;
	}
	DL_APPEND(b->groups, g);
	return g;
}

static void
group_free(struct bgp_bfd_group *g)
{
	DL_DELETE(g->owner->groups, g);
	bfd_io_free(g->io);
	free(g);
}

void
bgp_bfd_set(struct bgp_bfd *b, const struct bgp_bfd_want *wants, size_t n)
{
	struct bfd_io_peer *peers = mem_zalloc((n + 1) * sizeof(*peers));
	struct bgp_bfd_group *g, *tmp;

	DL_FOREACH(b->groups, g)
		g->is_wanted = false;
	for (size_t i = 0; i < n; i++) {
		g = group_of(b, &wants[i]);
		if (g == NULL)
			g = group_new(b, &wants[i]);
		if (g != NULL)
			g->is_wanted = true;
	}
	DL_FOREACH_SAFE(b->groups, g, tmp) {
		size_t npeers = 0;

		if (!g->is_wanted) {
			group_free(g);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			if (is_of(g, &wants[i]))
				peers[npeers++] = wants[i].peer;
		bfd_io_set_peer_confs(g->io, peers, npeers);
	}
	free(peers);
}

bool
bgp_bfd_view(const struct bgp_bfd *b, const struct bgp_bfd_want *want,
    struct bfd_io_view *ret)
{
	const struct bgp_bfd_group *g = group_of(b, want);

	return g != NULL && bfd_io_view(g->io, &want->peer.addr, want->peer.scope, ret);
}

void
bgp_bfd_admin_down(struct bgp_bfd *b)
{
	struct bgp_bfd_group *g;

	DL_FOREACH(b->groups, g)
		bfd_io_admin_down(g->io);
}

void
bgp_bfd_fini(struct bgp_bfd *b)
{
	struct bgp_bfd_group *g, *tmp;

	DL_FOREACH_SAFE(b->groups, g, tmp)
		group_free(g);
}
