/*
 * nft_listing.h - read what libnftables lists of a table of ours. Pure.
 */
#ifndef HERALD_IPVS_NFT_LISTING_H
#define HERALD_IPVS_NFT_LISTING_H

#include <stdint.h>

#include "ipvs/nft_set.h"

/* What `nft list table` shows. */
struct nft_listing {
	struct nft_state state;
	uint64_t version;	/* of the chain v_HEX, 0 where there is none */
	uint64_t seal;		/* of the chain s_HEX, likewise */
	uint64_t digest;	/* of all that is neither element nor those chains */
};

/*
 * Read the stateless, numeric listing of one side's table. Returns 0, or
 * -EBADMSG where it holds something that we do not write; *ret untouched.
 */
int nft_listing_parse(const char *text, enum nft_side side,
    struct nft_listing *ret);

#endif
