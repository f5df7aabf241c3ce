/*
 * Any text as the listing of either table. What is accepted, written as
 * commands over again, holds the same elements.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/nft_listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *text, enum nft_side side)
{
	struct nft_listing l = { 0 };
	struct nft_state both = { 0 };
	char *commands = NULL;
	size_t len = 0;
	FILE *f;

	if (nft_listing_parse(text, side, &l) < 0)
		return;
	f = open_memstream(&commands, &len);
	nft_state_union(&l.state, &l.state, side, &both);
	if (nft_state_write_diff(f, "t", side, &both, &l.state,
	    &(struct nft_cursor){ 0 }, SIZE_MAX) != 0)
		abort();
	fclose(f);
	free(commands);
	nft_state_fini(&both);
	nft_state_fini(&l.state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check(text, NFT_HOST);
	check(text, NFT_DIRECTOR);
	free(text);
	return 0;
}
