/*
 * ip.h - IPv4 and IPv6 addresses, prefixes and ranges as plain values.
 *
 * Values compare with ip_cmp() in numerical order, IPv4 before IPv6. Nothing
 * here allocates; every struct may be copied and kept.
 */
#ifndef HERALD_LIB_IP_H
#define HERALD_LIB_IP_H

#include <endian.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum ip_family {
	IP_NONE	= 0,
	IP_V4	= 4,
	IP_V6	= 6,
};

struct ip {
	uint8_t	family;		/* enum ip_family; IP_NONE is "no address" */
	uint8_t	b[16];		/* network order; IPv4 in b[0..3], the rest 0 */
};

/* An address block. Bits of addr past len are always 0. */
struct prefix {
	struct ip addr;
	uint8_t	len;		/* 0..32 or 0..128 */
};

/* first <= last, both of one family, both inclusive. */
struct ip_range {
	struct ip first;
	struct ip last;
};

enum {
	IP_STRLEN	= INET6_ADDRSTRLEN,
	PREFIX_STRLEN	= INET6_ADDRSTRLEN + 4,
	IP_RANGE_STRLEN	= 2 * INET6_ADDRSTRLEN + 1,
};

/*
 * Parse dotted decimal or RFC 4291 text; no zone, no surrounding space.
 * Returns 0, or -EINVAL with *ret untouched.
 */
int ip_parse(const char *s, struct ip *ret);

/* Canonical text (RFC 5952) into buf, "none" for IP_NONE; returns buf. */
const char *ip_format(const struct ip *a, char buf[IP_STRLEN]);

/* The text of *a in a buffer that lives until the end of the block. */
#define IP_STR(a) ip_format((a), (char[IP_STRLEN]){ 0 })

struct ip ip_from_v4(uint32_t host_order);
struct ip ip_from_in(struct in_addr a);
struct ip ip_from_in6(const struct in6_addr *a);

/* IPv4 only: the address in host order. */
uint32_t ip_to_v4(const struct ip *a);

/* The address of a sockaddr_in or sockaddr_in6, IP_NONE for other families. */
struct ip ip_from_sockaddr(const struct sockaddr *sa);

/* Fill *ss for a and port (host order); returns the length to pass on. */
socklen_t ip_to_sockaddr(const struct ip *a, uint16_t port,
    struct sockaddr_storage *ss);

/* <0, 0, >0: by family, then numerically. Inline: sorting and merging live on it. */
static inline int
ip_cmp(const struct ip *a, const struct ip *b)
{
	uint64_t x, y;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	memcpy(&x, a->b, sizeof(x));
	memcpy(&y, b->b, sizeof(y));
	if (x == y) {
		memcpy(&x, a->b + 8, sizeof(x));
		memcpy(&y, b->b + 8, sizeof(y));
	}
	x = be64toh(x);
	y = be64toh(y);
	return x < y ? -1 : x > y;
}

static inline bool
ip_eq(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

static inline bool
ip_is_set(const struct ip *a)
{
	return a->family != IP_NONE;
}

static inline bool
ip_is_v4(const struct ip *a)
{
	return a->family == IP_V4;
}

/* AF_INET, AF_INET6 or AF_UNSPEC. */
int ip_af(const struct ip *a);

/* Bytes of the address: 4, 16 or 0. */
size_t ip_len(const struct ip *a);

/* True for addresses no VIP or node may have: unspecified, loopback, multicast. */
bool ip_is_special(const struct ip *a);

/* True for 169.254.0.0/16 and fe80::/10. */
bool ip_is_link_local(const struct ip *a);

/* a + n; 0, or -ERANGE past the last address of the family, *ret untouched. */
int ip_add(const struct ip *a, uint64_t n, struct ip *ret);

/* b - a for a <= b of one family; UINT64_MAX where it does not fit. */
uint64_t ip_distance(const struct ip *a, const struct ip *b);

/*
 * Parse ADDRESS/LEN; bits past LEN are cleared. 0, or -EINVAL with *ret
 * untouched.
 */
int prefix_parse(const char *s, struct prefix *ret);

/* A host prefix: /32 or /128. */
struct prefix prefix_of(const struct ip *a);

/* a's block of the given length; len is capped at the family's width. */
struct prefix prefix_make(const struct ip *a, unsigned len);

const char *prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN]);
#define PREFIX_STR(p) prefix_format((p), (char[PREFIX_STRLEN]){ 0 })

bool prefix_contains(const struct prefix *p, const struct ip *a);
int prefix_cmp(const struct prefix *a, const struct prefix *b);

/*
 * Parse "FIRST-LAST" (spaces around the dash allowed) or a CIDR block.
 * 0, -EINVAL (not addresses), -ERANGE (last before first) or -EAFNOSUPPORT
 * (two families); *ret untouched on failure.
 */
int ip_range_parse(const char *s, struct ip_range *ret);

struct ip_range ip_range_of_prefix(const struct prefix *p);
const char *ip_range_format(const struct ip_range *r, char buf[IP_RANGE_STRLEN]);
#define IP_RANGE_STR(r) ip_range_format((r), (char[IP_RANGE_STRLEN]){ 0 })

bool ip_range_contains(const struct ip_range *r, const struct ip *a);
bool ip_range_overlaps(const struct ip_range *a, const struct ip_range *b);

/* Number of addresses, UINT64_MAX where there are that many or more. */
uint64_t ip_range_size(const struct ip_range *r);

#endif
