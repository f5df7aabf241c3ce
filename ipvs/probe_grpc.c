/* probe_grpc.c - see probe_grpc.h. */
#include "ipvs/probe_grpc.h"

#include <errno.h>
#include <string.h>

#include "lib/wire.h"

/* Wire types of Protocol Buffers. */
enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

size_t
probe_grpc_encode(const char *service, uint8_t buf[PROBE_GRPC_REQUEST_MAX])
{
	struct wire_out w = wire_out(buf, PROBE_GRPC_REQUEST_MAX);
	size_t n = strnlen(service, PROBE_GRPC_SERVICE_MAX);
	size_t nlen = n == 0 ? 0 : n < 128 ? 2 : 3;

	wire_put_u8(&w, 0);		/* not compressed */
	wire_put_u32(&w, (uint32_t)(nlen + n));
	/* A field with its default value, "", is left out. */
	if (n > 0)
		wire_put_u8(&w, 1 << 3 | PB_BYTES);
	if (n >= 128)
		wire_put_u8(&w, (uint8_t)(n & 0x7f) | 0x80);
	if (n > 0)
		wire_put_u8(&w, (uint8_t)(n < 128 ? n : n >> 7));
	wire_put_bytes(&w, service, n);
	return w.len;
}

/* At most ten bytes, of seven bits each. */
static uint64_t
get_varint(struct wire_in *w)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = wire_get_u8(w);

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return v;
	}
	w->is_bad = true;
	return 0;
}

static void
skip(struct wire_in *w, unsigned type)
{
	uint64_t n = type == PB_BYTES ? get_varint(w) : type == PB_FIXED64 ? 8 : 4;

	if (type != PB_BYTES && type != PB_FIXED64 && type != PB_FIXED32)
		w->is_bad = true;
	else if (n > w->left)
		w->is_bad = true;
	else
		(void)wire_get(w, (size_t)n);
}

int
probe_grpc_decode(const uint8_t *buf, size_t len, uint64_t *ret_status)
{
	struct wire_in w = wire_in(buf, len);
	uint64_t status = PROBE_GRPC_UNKNOWN;
	uint8_t compressed = wire_get_u8(&w);
	uint32_t body = wire_get_u32(&w);

	if (w.is_bad || compressed != 0 || body != w.left)
		return -EBADMSG;
	while (w.left > 0 && !w.is_bad) {
		uint64_t tag = get_varint(&w);

		if (tag == (1 << 3 | PB_VARINT))
			status = get_varint(&w);
		else if ((tag & 7) == PB_VARINT)
			(void)get_varint(&w);
		else
			skip(&w, (unsigned)(tag & 7));
	}
	if (w.is_bad)
		return -EBADMSG;
	*ret_status = status;
	return 0;
}
