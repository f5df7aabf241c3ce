/*
 * Packets and time in any order to two sessions, one with authentication. The
 * input is a row of records: how long to wait (two bytes, 64 us each), a length,
 * that many bytes of packet. What decodes encodes to what decodes the same;
 * after every event the engine goes quiet and has a sane deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "bgp/bfd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

static void
codec(const uint8_t *buf, size_t len)
{
	struct bfd_pkt p, again;
	uint8_t out[BFD_PKT_MAX];

	if (bfd_pkt_decode(buf, len, &p) < 0)
		return;
	if (p.flags & BFD_AUTH && (p.len != BFD_PKT_MAX ||
	    (p.auth_type != BFD_AUTH_SHA1 && p.auth_type != BFD_AUTH_METICULOUS_SHA1) ||
	    p.auth_len != BFD_AUTH_SHA1_LEN))
		return;
	len = bfd_pkt_encode(&p, out);
	expect(bfd_pkt_decode(out, len, &again) == 0);
	again.len = p.len;	/* bytes past the fields are not kept */
	expect(memcmp(&p, &again, sizeof(p)) == 0);
}

/* An Echo packet of whatever session, which is to change nothing unless it is ours. */
static void
echo_back(struct bfd *s, const uint8_t *buf, size_t len)
{
	struct bfd_echo_pkt p;
	enum bfd_state state = s->state;

	if (bfd_echo_decode(buf, len, &p) < 0)
		return;
	bfd_rx_echo(s, &p);
	expect(s->state == state);
	/* And as if it were: the fuzzer cannot guess the token. */
	p.discr = s->echo.discr;
	p.token = s->echo.token;
	if (bfd_rx_echo(s, &p) == 0)
		expect(s->state == BFD_UP && s->echo.is_active);
}

/* All that is due, and then nothing more at this time. */
static void
drain(struct bfd *s, struct mono now)
{
	uint8_t out[BFD_PKT_MAX], echo[BFD_ECHO_MAX];
	struct bfd_pkt p;
	size_t len;
	int n = 0;

	bfd_tick(s, now);
	while ((len = bfd_tx(s, now, out)) > 0) {
		expect(++n <= 2 + s->conf.detect_mult);
		expect(bfd_pkt_decode(out, len, &p) == 0);
		expect((p.flags & (BFD_POLL | BFD_FINAL)) != (BFD_POLL | BFD_FINAL));
		expect(p.state == s->state);
	}
	n = 0;
	while (bfd_echo_tx(&s->echo, &(struct ip){ .family = IP_V4 }, now, echo) > 0)
		expect(++n == 1 && s->state == BFD_UP);
	expect(mono_before(now, bfd_deadline(s)));
	expect(s->state != BFD_UP || s->remote_discr != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bfd_conf conf = {
		.local_discr = 0x11111111, .min_tx_us = 100000, .min_rx_us = 100000,
		.detect_mult = 3, .random = 1, .echo_us = 50000,
	}, with_key = conf;
	struct mono now = { .ns = NSEC_PER_SEC };
	struct bfd open, keyed;

	bfd_init(&open, &conf, now);
	with_key.auth_type = BFD_AUTH_METICULOUS_SHA1;
	bfd_init(&keyed, &with_key, now);
	while (size >= 3) {
		size_t len = data[2] < size - 3 ? data[2] : size - 3;
		uint8_t *buf = malloc(len ? len : 1);

		now = mono_add_us(now, 64 * (data[0] << 8 | data[1]));
		memcpy(buf, data + 3, len);
		data += 3 + len;
		size -= 3 + len;
		codec(buf, len);
		if (len == 0) {		/* an odd time stands for a command */
			if (now.ns / 64000 & 1)
				bfd_set_intervals(&open, 50000 + open.conf.min_tx_us / 2,
				    open.conf.min_rx_us ^ 0x8000);
			else if (open.state == BFD_ADMIN_DOWN)
				bfd_init(&open, &conf, now);
			else
				bfd_admin_down(&open);
		} else {
			bfd_refused(&open, buf, len);
			bfd_rx(&open, buf, len, now);
			echo_back(&open, buf, len);
			bfd_rx(&keyed, buf, len, now);
		}
		drain(&open, now);
		drain(&keyed, now);
		free(buf);
	}
	return 0;
}
