/*
 * bfd_session.h - one BFD session and the packets of its peer, for tests of the
 * engine; time is a number.
 */
#ifndef HERALD_TESTS_BGP_BFD_SESSION_H
#define HERALD_TESTS_BGP_BFD_SESSION_H

#include <stdlib.h>
#include <string.h>

#include "bgp/bfd.h"
#include "tests/check.h"

#define T0 ((struct mono){ .ns = 1000 * NSEC_PER_SEC })

enum { OURS = 0x11111111, THEIRS = 0x22222222 };

static inline struct bfd_conf
conf_of(uint32_t discr)
{
	return (struct bfd_conf){
		.local_discr = discr, .min_tx_us = 100000, .min_rx_us = 100000,
		.detect_mult = 3, .random = discr,
	};
}

/* A packet of the peer in `state` that knows us, at the peer's full rate. */
static inline struct bfd_pkt
theirs(enum bfd_state state)
{
	return (struct bfd_pkt){
		.state = state, .detect_mult = 3, .my_discr = THEIRS,
		.your_discr = OURS, .desired_min_tx_us = 100000,
		.required_min_rx_us = 100000,
	};
}

/* Encode and feed, from an exact-size heap copy. */
static inline int
rx(struct bfd *s, const struct bfd_pkt *p, struct mono now)
{
	uint8_t buf[BFD_PKT_MAX];
	size_t len = bfd_pkt_encode(p, buf);
	uint8_t *copy = malloc(len);
	int e;

	memcpy(copy, buf, len);
	e = bfd_rx(s, copy, len, now);
	free(copy);
	return e;
}

static inline int
rx_state(struct bfd *s, enum bfd_state state, struct mono now)
{
	struct bfd_pkt p = theirs(state);

	return rx(s, &p, now);
}

/* The next packet due, decoded; detect_mult 0 where there is none. */
static inline struct bfd_pkt
tx(struct bfd *s, struct mono now)
{
	uint8_t buf[BFD_PKT_MAX];
	struct bfd_pkt p = { 0 };
	size_t len = bfd_tx(s, now, buf);

	if (len > 0)
		ck_assert_int_eq(bfd_pkt_decode(buf, len, &p), 0);
	return p;
}

static inline void
tx_all(struct bfd *s, struct mono now)
{
	while (tx(s, now).detect_mult != 0)
		;
}

/* A session of `conf` brought to `state` by packets at T0, nothing due. */
static inline struct bfd
session(const struct bfd_conf *conf, enum bfd_state state)
{
	struct bfd s;
	struct bfd_pkt final = theirs(BFD_UP);

	final.flags = BFD_FINAL;
	bfd_init(&s, conf, T0);
	if (state == BFD_INIT || state == BFD_UP)
		ck_assert_int_eq(rx_state(&s, BFD_DOWN, T0), 0);
	if (state == BFD_UP)
		ck_assert_int_eq(rx(&s, &final, T0), 0);
	if (state == BFD_ADMIN_DOWN)
		bfd_admin_down(&s);
	tx_all(&s, T0);
	if (state == BFD_UP)		/* end the Poll for the faster rate */
		ck_assert_int_eq(rx(&s, &final, T0), 0);
	ck_assert_int_eq(s.state, state);
	ck_assert(!s.is_polling);
	return s;
}

#endif
