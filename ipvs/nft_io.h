/*
 * nft_io.h - one of our two nft tables in the kernel, by libnftables.
 *
 * Sets are changed by their difference, in one transaction, or, thousands of elements, in
 * several, in an order that does no harm (nft_set.h); the table as a whole is only loaded
 * where it is missing or not as we left it.
 * All calls are made from within the table's network namespace (netns_io.h).
 */
#ifndef HERALD_IPVS_NFT_IO_H
#define HERALD_IPVS_NFT_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "ipvs/director.h"
#include "ipvs/nft_rules.h"
#include "ipvs/nft_set.h"

struct nft_io;

/*
 * have is the caller's and outlives this: of that side what the table is known to hold.
 * All but nft_io_patch() keep it true.
 */
int nft_io_open(enum nft_side side, const char *table, struct nft_state *have,
    struct nft_io **ret, struct director_error *ret_err);
void nft_io_close(struct nft_io *n);

/*
 * Look at the kernel's table before the next nft_io_sync(), in place of going
 * by what we did last. So it is after nft_io_open().
 */
void nft_io_recheck(struct nft_io *n);

/*
 * Look now. True where the table is not as we left it; the next nft_io_sync()
 * puts it right.
 */
bool nft_io_is_altered(struct nft_io *n);

/* Transactions of ours so far: each makes the ruleset's generation one more. */
uint32_t nft_io_commits(const struct nft_io *n);

/* What a sync did. */
struct nft_result {
	bool	has_committed;
	bool	has_repaired;	/* the table was gone or altered by others */
};

/* How far to go: in a change of many parts, new things come first. */
enum nft_step {
	NFT_ADD_ONLY,	/* what is new is in, what is old still there */
	NFT_EXACT,
};

/*
 * Bring the table to rules r and contents want. On failure the kernel has what it had
 * before, or some of the way from there, and the next sync looks.
 */
int nft_io_sync(struct nft_io *n, const struct nft_rules *r,
    const struct nft_state *want, enum nft_step step, struct nft_result *ret,
    struct director_error *ret_err);

/* Is the table, as far as is known, as the last nft_io_sync() was to leave it? */
bool nft_io_is_settled(const struct nft_io *n);

/*
 * Where it is: put these elements in the place of those, which the table has.
 * *ret_n: how many that were. On failure as nft_io_sync(). It is for the caller to do the
 * same to `have`, by nft_state_patch().
 */
int nft_io_patch(struct nft_io *n, const struct nft_state *was,
    const struct nft_state *is, enum nft_step step, size_t *ret_n,
    struct director_error *ret_err);

/*
 * What a listing command prints in the calling thread's network namespace, "" where it
 * fails; the caller's to free.
 */
char *nft_io_list(const char *command);

/* Remove the table; fine where there is none. */
int nft_io_remove(struct nft_io *n, struct director_error *ret_err);

#endif
