/*
 * wire.h - bounds-checked cursors over wire formats, big-endian.
 *
 * The error is sticky: read or write on without testing, then test once at
 * the end. A bad reader gives zeros; a bad writer writes nothing.
 */
#ifndef HERALD_LIB_WIRE_H
#define HERALD_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_in {
	const uint8_t *p;	/* next byte; not owned */
	size_t	left;		/* bytes from p to the end */
	bool	is_bad;		/* something was read past the end */
};

struct wire_out {
	uint8_t	*buf;		/* first byte; not owned */
	size_t	cap;
	size_t	len;		/* bytes written */
	bool	is_bad;		/* something did not fit */
};

static inline struct wire_in
wire_in(const void *buf, size_t len)
{
	return (struct wire_in){ .p = buf, .left = len };
}

static inline struct wire_out
wire_out(void *buf, size_t cap)
{
	return (struct wire_out){ .buf = buf, .cap = cap };
}

/* The next n bytes in place and step over them; NULL (and bad) if fewer. */
const uint8_t *wire_get(struct wire_in *w, size_t n);

uint8_t wire_get_u8(struct wire_in *w);
uint16_t wire_get_u16(struct wire_in *w);
uint32_t wire_get_u32(struct wire_in *w);
uint64_t wire_get_u64(struct wire_in *w);

/* Copy n bytes to dst; zeros (and bad) if fewer are left. */
void wire_get_bytes(struct wire_in *w, void *dst, size_t n);

/* A reader of the next n bytes, stepped over in w; both bad if fewer. */
struct wire_in wire_get_sub(struct wire_in *w, size_t n);

void wire_put_u8(struct wire_out *w, uint8_t v);
void wire_put_u16(struct wire_out *w, uint16_t v);
void wire_put_u32(struct wire_out *w, uint32_t v);
void wire_put_u64(struct wire_out *w, uint64_t v);
void wire_put_bytes(struct wire_out *w, const void *src, size_t n);
void wire_put_zeros(struct wire_out *w, size_t n);

/* Overwrite bytes at `at`, written before; for lengths known afterwards. */
void wire_patch_u8(struct wire_out *w, size_t at, uint8_t v);
void wire_patch_u16(struct wire_out *w, size_t at, uint16_t v);

#endif
