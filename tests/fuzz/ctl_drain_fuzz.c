/* Any text: what is no status is refused untouched, else the list of VIPs ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/drain_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size + 1);
	struct drain_view v, before;

	memset(&v, 0xa5, sizeof(v));
	before = v;
	memcpy(exact, data, size);
	exact[size] = '\0';
	if (drain_view_decode(exact, &v) != 0) {
		if (memcmp(&v, &before, sizeof(v)) != 0)
			abort();
	} else if (memchr(v.owned, 0, sizeof(v.owned)) == NULL ||
	    (v.nowned == 0 && v.owned[0] != 0)) {
		abort();
	}
	free(exact);
	return 0;
}
