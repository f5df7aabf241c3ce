/*
 * nft_io.c - see nft_io.h.
 *
 * How we know that nobody has touched the rules, across restarts and without
 * understanding libnftables' output: after loading a table we list it, take a
 * digest of the listing without its elements, and put that into the name of an
 * empty chain, the seal. A listing whose digest is not its seal is not ours any
 * more and is loaded anew.
 *
 * libnftables takes some 500 bytes for each element of a transaction; so what concerns
 * more than a few thousand is several transactions, in the order of nft_set_id. Only a
 * table that takes the place of another, and may be steering packets meanwhile, has all
 * that it is to hold at once.
 */
#include "ipvs/nft_io.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/error.h"
#include "ipvs/nft_listing.h"
#include "lib/mem.h"

enum {
	PIECE_MAX = 2048,		/* elements of a transaction */
	LONG_LISTING = 64 << 10,	/* bytes; it has taken tens of times that */
};

struct nft_io {
	struct nft_ctx *ctx;
	enum nft_side side;
	char	*table;
	bool	is_known;	/* have is what the kernel has */
	bool	is_there;	/* there is a table of that name, ours or altered */
	bool	is_altered;	/* have is what others have made of it */
	bool	is_complete;	/* the last sync went well: others are to blame
				   for what differs */
	uint64_t version;	/* of the rules in the kernel, 0 none */
	uint32_t ncommits;
	struct nft_state *have;	/* the caller's; this side of it is ours */
};

/* In the calling thread's network namespace; NULL where there is no memory. */
static struct nft_ctx *
ctx_new(unsigned output_flags)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	if (ctx == NULL)
		return NULL;
	if (nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0) {
		nft_ctx_free(ctx);
		return NULL;
	}
	nft_ctx_output_set_flags(ctx,
	    NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_STATELESS | output_flags);
	return ctx;
}

int
nft_io_open(enum nft_side side, const char *table, struct nft_state *have,
    struct nft_io **ret, struct director_error *ret_err)
{
	struct nft_ctx *ctx = ctx_new(0);
	struct nft_io *n;

	if (ctx == NULL)
		return director_fail(ret_err, -ENOMEM, "nft: cannot start libnftables");
	n = mem_zalloc(sizeof(*n));
	n->ctx = ctx;
	n->side = side;
	n->table = mem_strdup(table);
	n->have = have;
	*ret = n;
	return 0;
}

void
nft_io_close(struct nft_io *n)
{
	if (n == NULL)
		return;
	nft_ctx_free(n->ctx);
	free(n->table);
	free(n);
}

void
nft_io_recheck(struct nft_io *n)
{
	n->is_known = false;
}

uint32_t
nft_io_commits(const struct nft_io *n)
{
	return n->ncommits;
}

static const char *
side_name(enum nft_side side)
{
	return side == NFT_HOST ? "host" : "director";
}

/* Run commands as one transaction. */
static int
run(struct nft_io *n, const char *commands, struct director_error *ret_err)
{
	const char *text;

	if (nft_run_cmd_from_buffer(n->ctx, commands) == 0) {
		n->ncommits++;
		return 0;
	}
	/* A failed commit leaves errno, a refused command only its text. */
	text = nft_ctx_get_error_buffer(n->ctx);
	return director_fail(ret_err, -EIO, "nft table inet %s (%s): %.300s%s",
	    n->table, side_name(n->side), text,
	    strstr(text, "Operation not permitted") != NULL ?
	    "; CAP_NET_ADMIN is needed" :
	    strstr(text, "No such file") != NULL ||
	    strstr(text, "not supported") != NULL ?
	    "; are the kernel's modules nf_tables, nft_ct, nft_masq and nft_nat "
	    "there?" : "");
}

/*
 * What libnftables has listed it keeps with its context, 400 bytes and more an
 * element: so each listing has a context of its own.
 */
static char *
list(const char *command, unsigned output_flags)
{
	struct nft_ctx *ctx = ctx_new(output_flags);
	char *text;

	if (ctx == NULL)
		return mem_strdup("");
	text = mem_strdup(nft_run_cmd_from_buffer(ctx, command) == 0 ?
	    nft_ctx_get_output_buffer(ctx) : "");
	nft_ctx_free(ctx);
	if (strlen(text) > LONG_LISTING)
		mem_trim();
	return text;
}

char *
nft_io_list(const char *command)
{
	return list(command, 0);
}

/*
 * List the table, with the elements of its sets or without; false where there is none
 * or it is not readable to us.
 */
static bool
listing_get(struct nft_io *n, bool has_elements, struct nft_listing *ret)
{
	char command[128], *text;
	bool ok;

	snprintf(command, sizeof(command), "list table inet %s", n->table);
	text = list(command, has_elements ? 0 : NFT_CTX_OUTPUT_TERSE);
	n->is_there = text[0] != '\0';
	ok = n->is_there && nft_listing_parse(text, n->side, ret) == 0;
	free(text);
	return ok;
}

/*
 * Find out what the kernel has, which is nothing if it is not as we left it.
 * True where that is not what we believed.
 */
static bool
examine(struct nft_io *n)
{
	struct nft_listing l = { 0 };
	uint64_t version = n->version;
	bool is_other;

	n->version = 0;
	n->is_known = true;
	if (listing_get(n, true, &l)) {
		if (l.seal != 0 && l.seal == l.digest)
			n->version = l.version;
		else
			nft_state_fini(&l.state);
	}
	is_other = n->version != version ||
	    !nft_state_is_equal(&l.state, n->have, n->side);
	nft_state_take(n->have, n->side, &l.state);
	return is_other;
}

bool
nft_io_is_altered(struct nft_io *n)
{
	if (n->is_known)
		n->is_altered |= examine(n);
	return n->is_altered;
}

static int
seal(struct nft_io *n, struct director_error *ret_err)
{
	struct nft_listing l = { 0 };
	char command[128];

	if (!listing_get(n, false, &l))
		return director_fail(ret_err, -EIO, "nft table inet %s (%s) vanished "
		    "while it was loaded: does another program flush the ruleset?",
		    n->table, side_name(n->side));
	nft_state_fini(&l.state);
	snprintf(command, sizeof(command), "add chain inet %s s_%llx", n->table,
	    (unsigned long long)l.digest);
	return run(n, command, ret_err);
}

/* A context keeps buffers as large as its largest transaction: 1 MB for 70,000 elements. */
static void
ctx_renew(struct nft_io *n)
{
	struct nft_ctx *ctx = ctx_new(0);

	if (ctx == NULL)
		return;
	nft_ctx_free(n->ctx);
	n->ctx = ctx;
}

/* Put the table in the place of whatever has its name, in one transaction. */
static int
load(struct nft_io *n, const struct nft_rules *r, uint64_t version,
    const struct nft_state *holding, struct director_error *ret_err)
{
	static const struct nft_state nothing;
	struct nft_cursor at = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int error;

	if (out == NULL)
		return director_fail(ret_err, -ENOMEM, "nft: out of memory");
	nft_rules_write(out, n->side, r, version);
	nft_state_write_diff(out, n->table, n->side, holding, &nothing, &at, SIZE_MAX);
	fclose(out);
	error = run(n, text, ret_err);
	free(text);
	if (error < 0)
		return error;
	ctx_renew(n);
	n->version = version;
	return seal(n, ret_err);
}

/* The next elements that differ, *ret_n of them, in one transaction. */
static int
update_piece(struct nft_io *n, const struct nft_state *want,
    const struct nft_state *have, struct nft_cursor *at, size_t *ret_n,
    struct director_error *ret_err)
{
	char *text = NULL;
	size_t len = 0, nelems;
	FILE *out = open_memstream(&text, &len);
	int error = 0;

	if (out == NULL)
		return director_fail(ret_err, -ENOMEM, "nft: out of memory");
	nelems = nft_state_write_diff(out, n->table, n->side, want, have, at, PIECE_MAX);
	fclose(out);
	if (nelems > 0)
		error = run(n, text, ret_err);
	free(text);
	if (error == 0)
		*ret_n = nelems;
	return error;
}

/* Only the elements that differ; *ret_n of them. */
static int
update(struct nft_io *n, const struct nft_state *want, const struct nft_state *have,
    enum nft_step step, size_t *ret_n, struct director_error *ret_err)
{
	struct nft_cursor at = { .is_removal = step == NFT_EXACT };
	size_t nelems = 0, npiece = 0;
	int error;

	do {
		error = update_piece(n, want, have, &at, &npiece, ret_err);
		if (error < 0)
			return error;
		nelems += npiece;
	} while (npiece >= PIECE_MAX);
	*ret_n = nelems;
	return 0;
}

/* Bring what the kernel has to target: what was done of it is in n->ncommits. */
static int
bring_to(struct nft_io *n, const struct nft_rules *r, const struct nft_state *target,
    enum nft_step step, struct director_error *ret_err)
{
	static const struct nft_state nothing;
	uint64_t version = nft_rules_version(n->side, r);
	const struct nft_state *have = n->have;
	size_t nelems;
	int error;

	if (n->version != version) {
		have = n->is_there ? target : &nothing;
		error = load(n, r, version, have, ret_err);
		if (error < 0)
			return error;
	}
	return update(n, target, have, step, &nelems, ret_err);
}

int
nft_io_sync(struct nft_io *n, const struct nft_rules *r,
    const struct nft_state *want, enum nft_step step, struct nft_result *ret,
    struct director_error *ret_err)
{
	static const struct nft_state nothing;
	struct nft_state target = { 0 };
	uint32_t ncommits = n->ncommits;
	int error;

	*ret = (struct nft_result){ 0 };
	if (!n->is_known)
		n->is_altered |= examine(n);
	ret->has_repaired = n->is_altered && n->is_complete;
	n->is_altered = false;
	nft_state_union(want, step == NFT_ADD_ONLY ? n->have : &nothing, n->side,
	    &target);
	error = bring_to(n, r, &target, step, ret_err);
	ret->has_committed = n->ncommits != ncommits;
	if (error < 0) {
		n->is_known = false;	/* look before the next change */
		n->is_complete &= !ret->has_committed;
		nft_state_fini(&target);
		return error;
	}
	nft_state_take(n->have, n->side, &target);
	n->is_complete = true;
	return 0;
}

bool
nft_io_is_settled(const struct nft_io *n)
{
	return n->is_known && !n->is_altered && n->is_complete;
}

int
nft_io_patch(struct nft_io *n, const struct nft_state *was,
    const struct nft_state *is, enum nft_step step, size_t *ret_n,
    struct director_error *ret_err)
{
	uint32_t ncommits = n->ncommits;
	int r = update(n, is, was, step, ret_n, ret_err);

	if (r < 0) {
		n->is_known = false;
		n->is_complete &= n->ncommits == ncommits;
	}
	return r;
}

int
nft_io_remove(struct nft_io *n, struct director_error *ret_err)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "add table inet %s\ndelete table inet %s", n->table, n->table);
	n->is_known = false;
	n->is_complete = false;
	return run(n, command, ret_err);
}
