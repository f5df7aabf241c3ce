/* What parses is written as text that parses to the same value. */
#include <stdlib.h>
#include <string.h>

#include "lib/ip.h"

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
	char *text = malloc(size + 1);
	struct ip ip, ip2;
	struct prefix p, p2;
	struct ip_range r, r2;

	memcpy(text, data, size);
	text[size] = '\0';
	if (ip_parse(text, &ip) == 0) {
		expect(ip_parse(IP_STR(&ip), &ip2) == 0);
		expect(ip_eq(&ip, &ip2));
	}
	if (prefix_parse(text, &p) == 0) {
		expect(prefix_parse(PREFIX_STR(&p), &p2) == 0);
		expect(prefix_cmp(&p, &p2) == 0);
	}
	if (ip_range_parse(text, &r) == 0) {
		expect(ip_range_parse(IP_RANGE_STR(&r), &r2) == 0);
		expect(ip_range_overlaps(&r, &r2));
		expect(ip_range_size(&r) == ip_range_size(&r2));
	}
	free(text);
	return 0;
}
