/* What comes to a half-open check's raw socket, and what ICMP errors quote to it. */
#include <stdlib.h>
#include <string.h>

#include "ipvs/probe_syn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte: 4 or 6, the family; else an ICMP error's quote. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct probe_syn_answer a = { .from_port = 1, .to_port = 2, .seq = 3 };
	enum probe_syn_verdict v;
	bool is_untouched;

	if (size == 0)
		return 0;
	if (data[0] != IP_V4 && data[0] != IP_V6) {
		if ((probe_syn_quoted(data + 1, size - 1, &a) == 0) != (size - 1 >= 8))
			abort();
		return 0;
	}
	v = probe_syn_judge(data[0], data + 1, size - 1, &a);
	is_untouched = a.to.family == IP_NONE && a.from_port == 1 && a.to_port == 2 && a.seq == 3;
	if (v == PROBE_SYN_OTHER && !is_untouched)
		abort();
	/* A verdict takes a TCP header, and over IPv4 one of IP. */
	if (v != PROBE_SYN_OTHER && size - 1 < (data[0] == IP_V4 ? 40 : 20))
		abort();
	return 0;
}
