/* Connections that come from another node: what is taken is written, and read again. */
#include <stdlib.h>
#include <string.h>

#include "ipvs/conn_sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sync_conn conns[CONN_SYNC_MAX], again[CONN_SYNC_MAX];
	uint8_t buf[CONN_SYNC_MESSAGE_MAX];
	size_t n = 77, m, len;

	if (conn_sync_decode(data, size, conns, &n) < 0) {
		if (n != 77)
			abort();
		return 0;
	}
	len = conn_sync_encode(conns, n, buf);
	if (len > size || conn_sync_decode(buf, len, again, &m) < 0 || m != n)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (!ip_eq(&conns[i].client, &again[i].client) ||
		    !ip_eq(&conns[i].endpoint, &again[i].endpoint) ||
		    conns[i].state != again[i].state ||
		    conns[i].is_template != again[i].is_template)
			abort();
	}
	return 0;
}
