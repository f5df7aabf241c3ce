/*
 * hex.h - how tables of packets say bytes and addresses.
 */
#ifndef HERALD_TESTS_HEX_H
#define HERALD_TESTS_HEX_H

#include <stdlib.h>
#include <string.h>

#include "lib/ip.h"
#include "tests/check.h"

static inline struct ip
ip(const char *s)
{
	struct ip a = { .family = IP_NONE };

	ck_assert_msg(ip_parse(s, &a) == 0, "%s", s);
	return a;
}

/* Hex text, spaces ignored, to an exact-size heap block. */
static inline uint8_t *
unhex(const char *s, size_t *ret_len)
{
	uint8_t *buf = malloc(strlen(s) / 2 + 1), *exact;
	size_t n = 0;

	for (; *s != '\0'; s++) {
		char two[3] = { 0 };

		if (*s == ' ')
			continue;
		memcpy(two, s++, 2);
		buf[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	exact = malloc(n > 0 ? n : 1);
	memcpy(exact, buf, n);
	free(buf);
	*ret_len = n;
	return exact;
}

#endif
