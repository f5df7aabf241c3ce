/*
 * bfd_pkt_test.c - the BFD packet against RFC 5880 section 4.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/bfd_pkt.h"
#include "lib/mem.h"
#include "tests/check.h"

/*
 * Vers 1, Diag 3 | Sta Up, P, C | Mult 3 | Length 24
 * My Discriminator 0x0a0b0c0d, Your Discriminator 0x01020304
 * 100000 us, 50000 us, echo 0
 */
static const uint8_t plain[] = {
	0x23, 0xe8, 0x03, 0x18, 0x0a, 0x0b, 0x0c, 0x0d, 0x01, 0x02, 0x03, 0x04,
	0x00, 0x01, 0x86, 0xa0, 0x00, 0x00, 0xc3, 0x50, 0x00, 0x00, 0x00, 0x00,
};

/* The same with A set and the section of 4.4: type 5, key 7, sequence 0x100. */
static const uint8_t signed_[] = {
	0x23, 0xec, 0x03, 0x34, 0x0a, 0x0b, 0x0c, 0x0d, 0x01, 0x02, 0x03, 0x04,
	0x00, 0x01, 0x86, 0xa0, 0x00, 0x00, 0xc3, 0x50, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x1c, 0x07, 0x00, 0x00, 0x00, 0x01, 0x00,
	0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
	0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44,
};

/* Decode an exact-size heap copy, so that the sanitizer sees each overrun. */
static int
decode(const uint8_t *buf, size_t len, struct bfd_pkt *ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	int e;

	memcpy(copy, buf, len);
	e = bfd_pkt_decode(copy, len, ret);
	free(copy);
	return e;
}

START_TEST(fields)
{
	struct bfd_pkt p;

	ck_assert_int_eq(decode(plain, sizeof(plain), &p), 0);
	ck_assert_uint_eq(p.diag, BFD_DIAG_NEIGHBOR_DOWN);
	ck_assert_uint_eq(p.state, BFD_UP);
	ck_assert_uint_eq(p.flags, BFD_POLL | BFD_CPI);
	ck_assert_uint_eq(p.detect_mult, 3);
	ck_assert_uint_eq(p.my_discr, 0x0a0b0c0d);
	ck_assert_uint_eq(p.your_discr, 0x01020304);
	ck_assert_uint_eq(p.desired_min_tx_us, 100000);
	ck_assert_uint_eq(p.required_min_rx_us, 50000);
	ck_assert_uint_eq(p.required_min_echo_rx_us, 0);

	ck_assert_int_eq(decode(signed_, sizeof(signed_), &p), 0);
	ck_assert_uint_eq(p.auth_type, BFD_AUTH_METICULOUS_SHA1);
	ck_assert_uint_eq(p.auth_len, BFD_AUTH_SHA1_LEN);
	ck_assert_uint_eq(p.auth_key_id, 7);
	ck_assert_uint_eq(p.auth_seq, 0x100);
	ck_assert_mem_eq(p.auth_digest, signed_ + BFD_DIGEST_AT, BFD_DIGEST_LEN);
}
END_TEST

START_TEST(encode_gives_the_same_bytes)
{
	struct bfd_pkt p;
	uint8_t buf[BFD_PKT_MAX];

	ck_assert_int_eq(decode(plain, sizeof(plain), &p), 0);
	ck_assert_uint_eq(bfd_pkt_encode(&p, buf), sizeof(plain));
	ck_assert_mem_eq(buf, plain, sizeof(plain));
	ck_assert_int_eq(decode(signed_, sizeof(signed_), &p), 0);
	ck_assert_uint_eq(bfd_pkt_encode(&p, buf), sizeof(signed_));
	ck_assert_mem_eq(buf, signed_, sizeof(signed_));
}
END_TEST

START_TEST(every_prefix_is_refused)
{
	struct bfd_pkt p, untouched;

	memset(&p, 0x5a, sizeof(p));
	untouched = p;
	for (size_t n = 0; n < sizeof(plain); n++)
		ck_assert_int_eq(decode(plain, n, &p), -EBADMSG);
	for (size_t n = 0; n < sizeof(signed_); n++)
		ck_assert_int_eq(decode(signed_, n, &p), -EBADMSG);
	ck_assert_mem_eq(&p, &untouched, sizeof(p));
}
END_TEST

static const struct {
	const char *why;
	bool	is_signed;
	size_t	at;
	uint8_t	value;
	int	want;
} edits[] = {
	{ "version 0", false, 0, 0x03, -EBADMSG },
	{ "version 2", false, 0, 0x43, -EBADMSG },
	{ "a diag nobody has assigned is fine", false, 0, 0x3f, 0 },
	{ "length below 24", false, 3, 23, -EBADMSG },
	{ "length above the payload", false, 3, 25, -EBADMSG },
	{ "detect mult 0", false, 2, 0, -EBADMSG },
	{ "multipoint", false, 1, 0xe9, -EBADMSG },
	{ "A bit without a section", false, 1, 0xec, -EBADMSG },
	{ "length 25 leaves no room for a section", true, 3, 25, -EBADMSG },
	{ "section longer than the packet", true, 25, 29, -EBADMSG },
	{ "section shorter than its own head", true, 25, 1, -EBADMSG },
	{ "a simple password decodes, for the session to refuse", true, 24, 1, 0 },
	{ "an unknown type likewise", true, 24, 99, 0 },
	{ "the reserved byte is ignored", true, 27, 0xff, 0 },
};

START_TEST(edited_byte)
{
	uint8_t buf[BFD_PKT_MAX];
	size_t len = edits[_i].is_signed ? sizeof(signed_) : sizeof(plain);
	struct bfd_pkt p;

	memcpy(buf, edits[_i].is_signed ? signed_ : plain, len);
	buf[edits[_i].at] = edits[_i].value;
	ck_assert_msg(decode(buf, len, &p) == edits[_i].want, "%s", edits[_i].why);
}
END_TEST

static const struct {
	const char *why;
	enum bfd_state state;
	uint32_t my, your;
	int	want;
} discrs[] = {
	{ "my discriminator 0", BFD_UP, 0, 1, -EBADMSG },
	{ "first packet of a peer", BFD_DOWN, 1, 0, 0 },
	{ "AdminDown without having heard us", BFD_ADMIN_DOWN, 1, 0, 0 },
	{ "Init means it has heard us", BFD_INIT, 1, 0, -EBADMSG },
	{ "Up likewise", BFD_UP, 1, 0, -EBADMSG },
};

START_TEST(discriminators)
{
	struct bfd_pkt p = { .state = discrs[_i].state, .detect_mult = 3,
		.my_discr = discrs[_i].my, .your_discr = discrs[_i].your };
	uint8_t buf[BFD_PKT_MAX];
	size_t len = bfd_pkt_encode(&p, buf);

	ck_assert_msg(decode(buf, len, &p) == discrs[_i].want, "%s", discrs[_i].why);
}
END_TEST

START_TEST(trailing_bytes_are_not_the_packet)
{
	uint8_t buf[sizeof(plain) + 9] = { 0 };
	struct bfd_pkt p;

	memcpy(buf, plain, sizeof(plain));
	ck_assert_int_eq(decode(buf, sizeof(buf), &p), 0);
	ck_assert_uint_eq(p.len, 24);
}
END_TEST

/* The digest by coreutils: packet with key "secret" in place, through sha1sum. */
START_TEST(digest)
{
	static const uint8_t want[BFD_DIGEST_LEN] = {
		0xea, 0x7b, 0x0a, 0xb7, 0x0d, 0xa6, 0xdb, 0x79, 0x34, 0x64,
		0x7b, 0x27, 0x08, 0xe9, 0x32, 0x58, 0x68, 0xde, 0x6c, 0xb7,
	};
	uint8_t key[BFD_DIGEST_LEN] = "secret", got[BFD_DIGEST_LEN];

	bfd_pkt_digest(signed_, key, got);
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(bfd_state_name(BFD_INIT), "init");
	ck_assert_str_eq(bfd_state_name((enum bfd_state)9), "?");
	ck_assert_str_eq(bfd_diag_name(BFD_DIAG_PATH_DOWN), "path down");
	ck_assert_str_eq(bfd_diag_name((enum bfd_diag)31), "?");
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, fields);
	tcase_add_test(tc, encode_gives_the_same_bytes);
	tcase_add_test(tc, every_prefix_is_refused);
	tcase_add_loop_test(tc, edited_byte, 0, nitems(edits));
	tcase_add_loop_test(tc, discriminators, 0, nitems(discrs));
	tcase_add_test(tc, trailing_bytes_are_not_the_packet);
	tcase_add_test(tc, digest);
	tcase_add_test(tc, names);
}

TEST_MAIN("bfd_pkt", fill)
