/*
 * Datagrams from another speaker, without a key so that they get as far as they
 * can. The input is a row of records: a length (two bytes), that many bytes.
 * Whatever comes, what is believed of the peer is a sorted list.
 */
#include <stdlib.h>
#include <string.h>

#include "speaker/vouch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keys none;
	static uint8_t out[VOUCH_PACKET_MAX];
	struct mono now = { .ns = NSEC_PER_SEC };
	struct ip ip = ip_from_v4(1), self[2] = { ip_from_v4(2) }, to;
	struct vouch v;

	vouch_init(&v, 1, &none);
	vouch_put_peer(&v, "n1", &ip, now);
	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		(void)vouch_hear(&v, &ip, data, len, now);
		while (vouch_next(&v, self, now, out, &to) > 0)
			;
		data += len;
		size -= len;
		now = mono_add_ms(now, 1);
	}
	for (size_t i = 1; i < v.peers[0].down.n; i++) {
		if (v.peers[0].down.ids[i - 1] >= v.peers[0].down.ids[i])
			abort();
	}
	vouch_fini(&v);
	return 0;
}
