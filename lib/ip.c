#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/ip.h"

int
ip_parse(const char *s, struct ip *ret)
{
	struct ip a = { .family = IP_V4 };

	if (inet_pton(AF_INET, s, a.b) != 1) {
		if (inet_pton(AF_INET6, s, a.b) != 1)
			return -EINVAL;
		a.family = IP_V6;
	}
	*ret = a;
	return 0;
}

const char *
ip_format(const struct ip *a, char buf[IP_STRLEN])
{
	if (!ip_is_set(a))
		strcpy(buf, "none");
	else
		inet_ntop(ip_af(a), a->b, buf, IP_STRLEN);
	return buf;
}

struct ip
ip_from_v4(uint32_t host_order)
{
	struct in_addr in = { .s_addr = htonl(host_order) };

	return ip_from_in(in);
}

struct ip
ip_from_in(struct in_addr in)
{
	struct ip a = { .family = IP_V4 };

	memcpy(a.b, &in, sizeof(in));
	return a;
}

struct ip
ip_from_in6(const struct in6_addr *in6)
{
	struct ip a = { .family = IP_V6 };

	memcpy(a.b, in6, sizeof(*in6));
	return a;
}

uint32_t
ip_to_v4(const struct ip *a)
{
	uint32_t v;

	assert(a->family == IP_V4);
	memcpy(&v, a->b, sizeof(v));
	return ntohl(v);
}

struct ip
ip_from_sockaddr(const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		return ip_from_in(in.sin_addr);
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		return ip_from_in6(&in6.sin6_addr);
	default:
		return (struct ip){ .family = IP_NONE };
	}
}

socklen_t
ip_to_sockaddr(const struct ip *a, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == IP_V6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, a->b, 16);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, a->b, 4);
	return sizeof(*in);
}

int
ip_af(const struct ip *a)
{
	switch (a->family) {
	case IP_V4:
		return AF_INET;
	case IP_V6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

size_t
ip_len(const struct ip *a)
{
	switch (a->family) {
	case IP_V4:
		return 4;
	case IP_V6:
		return 16;
	default:
		return 0;
	}
}

bool
ip_is_special(const struct ip *a)
{
	static const uint8_t loopback6[16] = { [15] = 1 };
	static const uint8_t zeros[16];

	if (a->family == IP_V6)
		return a->b[0] == 0xff || memcmp(a->b, loopback6, 16) == 0 ||
		    memcmp(a->b, zeros, 16) == 0;
	/* 0/8 "this network", 127/8 loopback, 224/4 multicast, 240/4 reserved. */
	return a->b[0] == 0 || a->b[0] == 127 || a->b[0] >= 224;
}

bool
ip_is_link_local(const struct ip *a)
{
	if (a->family == IP_V6)
		return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
	return a->b[0] == 169 && a->b[1] == 254;
}

int
ip_add(const struct ip *a, uint64_t n, struct ip *ret)
{
	struct ip sum = *a;
	uint64_t carry = n;

	for (size_t i = ip_len(a); i-- > 0;) {
		uint64_t low = carry & 0xff;

		low += sum.b[i];
		sum.b[i] = (uint8_t)low;
		carry = (carry >> 8) + (low >> 8);
	}
	if (carry != 0)
		return -ERANGE;
	*ret = sum;
	return 0;
}

uint64_t
ip_distance(const struct ip *a, const struct ip *b)
{
	size_t len = ip_len(a);
	uint8_t diff[16] = { 0 };
	uint64_t n = 0;
	int borrow = 0;

	for (size_t i = len; i-- > 0;) {
		int d = b->b[i] - a->b[i] - borrow;

		borrow = d < 0;
		diff[i] = (uint8_t)(d & 0xff);
	}
	for (size_t i = 0; i < len; i++) {
		if (n >> 56 != 0)
			return UINT64_MAX;
		n = n << 8 | diff[i];
	}
	return n;
}

/* Set every bit past the first len ones to `to`. */
static struct ip
set_tail(struct ip a, unsigned len, uint8_t to)
{
	for (size_t i = 0; i < ip_len(&a); i++) {
		unsigned keep = len > 8 * i ? len - (unsigned)(8 * i) : 0;
		uint8_t mask = (uint8_t)(keep >= 8 ? 0 : 0xff >> keep);

		a.b[i] = (uint8_t)((a.b[i] & ~mask) | (to & mask));
	}
	return a;
}

struct prefix
prefix_make(const struct ip *a, unsigned len)
{
	unsigned width = (unsigned)ip_len(a) * 8;

	if (len > width)
		len = width;
	return (struct prefix){
		.addr = set_tail(*a, len, 0),
		.len = (uint8_t)len,
	};
}

struct prefix
prefix_of(const struct ip *a)
{
	return prefix_make(a, 128);
}

int
prefix_parse(const char *s, struct prefix *ret)
{
	const char *slash = strchr(s, '/');
	char text[IP_STRLEN];
	unsigned len = 0;
	struct ip a;

	if (slash == NULL || (size_t)(slash - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (ip_parse(text, &a) != 0)
		return -EINVAL;
	/* No sign, no space, no leading zero: what the API server accepts. */
	s = slash + 1;
	if (*s == '\0' || (*s == '0' && s[1] != '\0'))
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || len > 128)
			return -EINVAL;
		len = len * 10 + (unsigned)(*s - '0');
	}
	if (len > ip_len(&a) * 8)
		return -EINVAL;
	*ret = prefix_make(&a, len);
	return 0;
}

const char *
prefix_format(const struct prefix *p, char buf[PREFIX_STRLEN])
{
	snprintf(buf, PREFIX_STRLEN, "%s/%u", IP_STR(&p->addr), p->len);
	return buf;
}

bool
prefix_contains(const struct prefix *p, const struct ip *a)
{
	struct ip head;

	if (p->addr.family != a->family)
		return false;
	head = set_tail(*a, p->len, 0);
	return ip_eq(&head, &p->addr);
}

int
prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c = ip_cmp(&a->addr, &b->addr);

	return c != 0 ? c : (int)a->len - (int)b->len;
}

struct ip_range
ip_range_of_prefix(const struct prefix *p)
{
	return (struct ip_range){
		.first = p->addr,
		.last = set_tail(p->addr, p->len, 0xff),
	};
}

/* An address with spaces around it, [s, end). */
static int
parse_trimmed(const char *s, const char *end, struct ip *ret)
{
	char text[IP_STRLEN];

	while (s < end && *s == ' ')
		s++;
	while (end > s && end[-1] == ' ')
		end--;
	if ((size_t)(end - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(end - s));
	text[end - s] = '\0';
	return ip_parse(text, ret);
}

int
ip_range_parse(const char *s, struct ip_range *ret)
{
	const char *dash = strchr(s, '-');
	struct ip_range r;
	struct prefix p;

	if (dash == NULL) {
		if (prefix_parse(s, &p) != 0)
			return -EINVAL;
		*ret = ip_range_of_prefix(&p);
		return 0;
	}
	if (parse_trimmed(s, dash, &r.first) != 0 ||
	    parse_trimmed(dash + 1, s + strlen(s), &r.last) != 0)
		return -EINVAL;
	if (r.first.family != r.last.family)
		return -EAFNOSUPPORT;
	if (ip_cmp(&r.first, &r.last) > 0)
		return -ERANGE;
	*ret = r;
	return 0;
}

const char *
ip_range_format(const struct ip_range *r, char buf[IP_RANGE_STRLEN])
{
	snprintf(buf, IP_RANGE_STRLEN, "%s-%s", IP_STR(&r->first), IP_STR(&r->last));
	return buf;
}

bool
ip_range_contains(const struct ip_range *r, const struct ip *a)
{
	return ip_cmp(&r->first, a) <= 0 && ip_cmp(a, &r->last) <= 0;
}

bool
ip_range_overlaps(const struct ip_range *a, const struct ip_range *b)
{
	return ip_cmp(&a->first, &b->last) <= 0 && ip_cmp(&b->first, &a->last) <= 0;
}

uint64_t
ip_range_size(const struct ip_range *r)
{
	uint64_t n = ip_distance(&r->first, &r->last);

	return n == UINT64_MAX ? n : n + 1;
}
