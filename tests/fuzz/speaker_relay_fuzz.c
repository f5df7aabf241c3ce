/* A datagram from another speaker, without a key so that it gets as far as it can. */
#include <stdlib.h>

#include "speaker/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keys none;
	struct ip ip = ip_from_v4(1);
	const uint8_t *msg;
	struct relay r;
	size_t len;

	relay_init(&r, 1, &none);
	relay_set_peers(&r, &ip, 1);
	if (relay_unwrap(&r, &ip, data, size, &msg, &len) == RELAY_NEWS &&
	    (msg < data || len > CONN_SYNC_MESSAGE_MAX || msg + len != data + size ||
	    relay_unwrap(&r, &ip, data, size, &msg, &len) != RELAY_OLD))
		abort();
	relay_fini(&r);
	return 0;
}
