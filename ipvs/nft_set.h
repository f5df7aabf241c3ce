/*
 * nft_set.h - the contents of our nft sets and maps as values, and as text.
 *
 * Two tables of ours exist, one on the host and one in the director, both
 * "table inet NAME". What they hold is sets (contents) and rules (nft_rules.h).
 * Rules are loaded once; after that only elements come and go. Pure.
 */
#ifndef HERALD_IPVS_NFT_SET_H
#define HERALD_IPVS_NFT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/ip.h"

/* The form of a set's elements. */
enum nft_form {
	NFT_ADDR,	/* addr */
	NFT_INNER,	/* addr as a raw number: a tunnelled packet's destination */
	NFT_PORT,	/* addr . proto . port */
	NFT_SOURCE,	/* addr . proto . port . source prefix */
	NFT_MARK,	/* addr . proto . port : mark */
	NFT_MARK_ADDR,	/* mark : addr */
	NFT_MARK_PORT,	/* mark : port */
};

/*
 * Each set exists twice: NAME4 and NAME6; that is index * 2 and + 1.
 *
 * A change of many elements is several transactions: new elements come in this order,
 * old ones go in the reverse. So nothing is steered before all that it will meet is
 * there, and whoever may pass is known before others are refused. Until its element is
 * there, the rest is as if the table were not: not steered, not tracked, not translated.
 */
enum nft_set_id {
	/* on the host */
	NFT_HOST_CLIENTS,	/* this node's addresses and pods: tracked */
	NFT_HOST_NODES,		/* whose tunnels we take */
	NFT_HOST_ENDPOINTS,	/* local endpoints: take their tunnels, their replies */
	NFT_HOST_INNER,		/* VIPs as tunnelled packets carry them */
	NFT_HOST_VIPS,		/* steer into the director */
	/* in the director */
	NFT_DIR_CLIENTS,	/* this node's addresses and pods */
	NFT_DIR_ENDPOINTS,	/* local endpoints */
	NFT_DIR_TRACKED,	/* VIPs and endpoints of masqueraded services */
	NFT_DIR_MASQ,		/* endpoints reached by NAT and SNAT */
	NFT_DIR_REPLY_PORTS,	/* the port, */
	NFT_DIR_REPLY_VIPS,	/* the VIP, */
	NFT_DIR_REPLIES,	/* and local endpoints of what is scheduled by datagram, */
	NFT_DIR_FLOWS,		/* and that itself, for local clients */
	NFT_DIR_MARKS,		/* tier 2 */
	NFT_DIR_ALLOWED,	/* who may pass ... */
	NFT_DIR_RESTRICTED,	/* ... where there are loadBalancerSourceRanges */
	NFT_DIR_EMPTY,		/* no endpoint takes new connections: refuse at once */
	NFT_DIR_ELSEWHERE,	/* policy Local, endpoints on other nodes only */
	NFT_DIR_VIPS,
	NFT_NSETS,
	NFT_NSLOTS = NFT_NSETS * 2,
};

enum nft_side { NFT_HOST, NFT_DIRECTOR };

struct nft_set_def {
	const char *name;	/* without the family's digit */
	enum nft_side side;
	enum nft_form form;
};
extern const struct nft_set_def nft_set_defs[NFT_NSETS];

struct nft_elem {
	struct ip addr;		/* NFT_MARK_PORT: its family alone */
	struct prefix source;	/* NFT_SOURCE, else unset */
	uint32_t mark;		/* NFT_MARK, _MARK_ADDR, _MARK_PORT, else 0 */
	uint16_t port;		/* NFT_PORT, _SOURCE, _MARK, _MARK_PORT, else 0; host
				   order */
	uint8_t	proto;		/* NFT_PORT, _SOURCE, _MARK, else 0 */
};

/*
 * Most sets have addresses only, tens of thousands of them: of each of these elements
 * the address' 4 or 16 bytes are kept.
 */
struct nft_set {
	void	*items;		/* sorted, once each */
	size_t	size;		/* of one: of a struct nft_elem, or of those bytes */
	size_t	n;
	size_t	cap;
};

/* The contents of all sets of both sides. */
struct nft_state {
	struct nft_set set[NFT_NSLOTS];
};

/* Append to set id of e->addr's family; nft_state_sort() afterwards. */
void nft_state_add(struct nft_state *s, enum nft_set_id id,
    const struct nft_elem *e);

/*
 * Sort, drop doubles, and drop source prefixes that lie within others: the
 * kernel does not take overlapping ones.
 */
void nft_state_sort(struct nft_state *s);
void nft_state_fini(struct nft_state *s);

/* Element i. */
struct nft_elem nft_set_at(const struct nft_set *set, size_t i);

/* The order of element i of one and j of the other, which stand for the same set. */
int nft_set_cmp(const struct nft_set *a, size_t i, const struct nft_set *b, size_t j);

/*
 * Of s the sets by which replies find their way back: they are in before any datagram
 * needs them. A view: what it holds is s'.
 */
struct nft_state nft_state_replies(const struct nft_state *s);

/* Is that element in the set, which is sorted? */
bool nft_set_has(const struct nft_set *set, const struct nft_elem *e);

/* Compare one side's sets. */
bool nft_state_is_equal(const struct nft_state *a, const struct nft_state *b,
    enum nft_side side);

/*
 * Of one side all of want, and what of have does not stand against it: the step
 * between the two in which everything new is there and nothing old is gone. ret is
 * filled from empty, sorted.
 */
void nft_state_union(const struct nft_state *want, const struct nft_state *have,
    enum nft_side side, struct nft_state *ret);

/* Free one side of `to` and give it that of from, which has none of it then. */
void nft_state_take(struct nft_state *to, enum nft_side side, struct nft_state *from);

/*
 * In one side of s, which is sorted, put the elements of `is` in the place of those
 * of `was`. What is in neither stays.
 */
void nft_state_patch(struct nft_state *s, enum nft_side side, const struct nft_state *was,
    const struct nft_state *is);

/* How far a difference has been written; zeroed: not begun. */
struct nft_cursor {
	bool	is_removal;	/* go through the sets from the last to the first */
	size_t	nsets;		/* of NFT_NSLOTS, done; and of the next one */
	size_t	nwant, nhave;	/* elements of want and of have */
};

/*
 * Write the commands that bring one side's sets in `table` from have to want, from *at
 * on until `most` elements are named, or a few more: what is said of one VIP and port, or
 * of one mark, is never divided. Returns their number; where that is below `most`, all is
 * written.
 */
size_t nft_state_write_diff(FILE *out, const char *table, enum nft_side side,
    const struct nft_state *want, const struct nft_state *have, struct nft_cursor *at,
    size_t most);

/* Write the declarations of one side's sets, empty, within a table block. */
void nft_state_write_defs(FILE *out, enum nft_side side);

#endif
