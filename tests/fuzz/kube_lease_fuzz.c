/* Any text: a Lease that is understood is written as one that means the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/lease_encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size > 0 ? size : 1), *text;
	struct lease_record r, again;

	memcpy(exact, data, size);
	memset(&r, 0xa5, sizeof(r));
	memset(&again, 0xa5, sizeof(again));
	if (lease_decode(exact, size, &r) == 0) {
		text = lease_encode(&r, "ns", "name");
		expect(lease_decode(text, strlen(text), &again) == 0);
		expect(strcmp(r.holder, again.holder) == 0);
		expect(strcmp(r.resource_version, again.resource_version) == 0);
		expect(r.duration_sec == again.duration_sec);
		expect(r.transitions == again.transitions);
		expect(r.acquired_ns == again.acquired_ns);
		expect(r.renewed_ns == again.renewed_ns);
		free(text);
	}
	free(exact);
	return 0;
}
