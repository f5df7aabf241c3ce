#include <assert.h>

#include "lib/wire.h"

const uint8_t *
wire_get(struct wire_in *w, size_t n)
{
	const uint8_t *p = w->p;

	if (w->is_bad || n > w->left) {
		w->is_bad = true;
		w->left = 0;
		return NULL;
	}
	if (n > 0)
		w->p += n;
	w->left -= n;
	return p;
}

/* n bytes, at most 8, as one big-endian number; 0 where there are fewer. */
static uint64_t
get_uint(struct wire_in *w, size_t n)
{
	const uint8_t *p = wire_get(w, n);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t
wire_get_u8(struct wire_in *w)
{
	return (uint8_t)get_uint(w, 1);
}

uint16_t
wire_get_u16(struct wire_in *w)
{
	return (uint16_t)get_uint(w, 2);
}

uint32_t
wire_get_u32(struct wire_in *w)
{
	return (uint32_t)get_uint(w, 4);
}

uint64_t
wire_get_u64(struct wire_in *w)
{
	return get_uint(w, 8);
}

void
wire_get_bytes(struct wire_in *w, void *dst, size_t n)
{
	const uint8_t *p = wire_get(w, n);

	if (n == 0)
		return;
	if (p == NULL)
		memset(dst, 0, n);
	else
		memcpy(dst, p, n);
}

struct wire_in
wire_get_sub(struct wire_in *w, size_t n)
{
	const uint8_t *p = wire_get(w, n);

	if (w->is_bad)
		return (struct wire_in){ .is_bad = true };
	return wire_in(p, n);
}

/* Room for n more bytes, taken; NULL (and bad) where they do not fit. */
static uint8_t *
reserve(struct wire_out *w, size_t n)
{
	uint8_t *p;

	if (w->is_bad || n > w->cap - w->len) {
		w->is_bad = true;
		return NULL;
	}
	p = w->buf + w->len;
	w->len += n;
	return p;
}

static void
put_uint(struct wire_out *w, uint64_t v, size_t n)
{
	uint8_t *p = reserve(w, n);

	if (p == NULL)
		return;
	for (size_t i = n; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

void
wire_put_u8(struct wire_out *w, uint8_t v)
{
	put_uint(w, v, 1);
}

void
wire_put_u16(struct wire_out *w, uint16_t v)
{
	put_uint(w, v, 2);
}

void
wire_put_u32(struct wire_out *w, uint32_t v)
{
	put_uint(w, v, 4);
}

void
wire_put_u64(struct wire_out *w, uint64_t v)
{
	put_uint(w, v, 8);
}

void
wire_put_bytes(struct wire_out *w, const void *src, size_t n)
{
	uint8_t *p;

	if (n > 0 && (p = reserve(w, n)) != NULL)
		memcpy(p, src, n);
}

void
wire_put_zeros(struct wire_out *w, size_t n)
{
	uint8_t *p;

	if (n > 0 && (p = reserve(w, n)) != NULL)
		memset(p, 0, n);
}

void
wire_patch_u8(struct wire_out *w, size_t at, uint8_t v)
{
	if (w->is_bad)
		return;
	assert(at < w->len);
	w->buf[at] = v;
}

void
wire_patch_u16(struct wire_out *w, size_t at, uint16_t v)
{
	wire_patch_u8(w, at + 1, (uint8_t)v);
	wire_patch_u8(w, at, (uint8_t)(v >> 8));
}
