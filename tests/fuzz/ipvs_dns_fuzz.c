/* What a DNS server answers to the query for a.example. */
#include <stdlib.h>
#include <string.h>

#include "ipvs/probe_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t query[PROBE_DNS_QUERY_MAX], rcode = 77;
	size_t len = probe_dns_encode(0x1234, "a.example", 1, query);
	enum probe_dns_answer a = probe_dns_judge(query, len, data, size, &rcode);

	if ((a == PROBE_DNS_FAILED) != (rcode != 77))
		abort();
	/* A record takes more than its question. */
	if (a == PROBE_DNS_RECORD && size < len)
		abort();
	return 0;
}
