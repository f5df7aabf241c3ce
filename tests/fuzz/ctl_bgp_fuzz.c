/* Any text: what is no speaker's answer leaves nothing written, all else ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/bgp_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const decoders[])(const char *json, FILE *out) = {
		bgp_decode_peers, bgp_decode_messages, bgp_decode_routes,
	};
	char *exact = malloc(size + 1);

	memcpy(exact, data, size);
	exact[size] = '\0';
	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);
		int rc = decoders[i](exact, f);

		fclose(f);
		if ((rc == 0) != (len > 0))
			abort();
		free(text);
	}
	free(exact);
	return 0;
}
