/*
 * bgp_tcp_io.c - sockets for BGP.
 *
 * A listener serves peers with and without keys and of any distance, so it
 * sends with TTL 255, which a peer's GTSM wants of our SYN-ACK already, and
 * what is a peer's own is set on the connection once it is known whose it is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "bgp/bgp_tcp_io.h"

enum {
	CLASS_CS6	= 0xc0,		/* network control (RFC 2474) */
	SNDBUF		= 256 << 10,	/* what a peer that does not read can cost us */
	BACKLOG		= 128,
};

/* From Linux 6.7; the headers we build with may be older. */
enum { AO_ADD_KEY = 38, AO_DEL_KEY = 39, AO_INFO = 40 };

struct ao_add {
	struct sockaddr_storage addr;
	char	alg_name[64];
	int32_t	ifindex;
	uint32_t set_current : 1, set_rnext : 1, reserved : 30;
	uint16_t reserved2;
	uint8_t	prefix, sndid, rcvid, maclen, keyflags, keylen;
	uint8_t	key[80];
} __attribute__((aligned(8)));

struct ao_del {
	struct sockaddr_storage addr;
	int32_t	ifindex;
	uint32_t set_current : 1, set_rnext : 1, del_async : 1, reserved : 29;
	uint16_t reserved2;
	uint8_t	prefix, sndid, rcvid, current_key, rnext, keyflags;
} __attribute__((aligned(8)));

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int
set_ttl(int fd, int family, uint8_t ttl)
{
	return family == AF_INET ? set_int(fd, IPPROTO_IP, IP_TTL, ttl) :
	    set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
}

static int
set_min_ttl(int fd, int family, uint8_t ttl)
{
	return family == AF_INET ? set_int(fd, IPPROTO_IP, IP_MINTTL, ttl) :
	    set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl);
}

static int
set_md5(int fd, const struct ip *addr, const void *key, size_t len)
{
	struct tcp_md5sig sig = { .tcpm_keylen = (uint16_t)len };
	struct sockaddr_storage ss;

	ip_to_sockaddr(addr, 0, &ss);
	memcpy(&sig.tcpm_addr, &ss, sizeof(sig.tcpm_addr));
	if (len > 0)
		memcpy(sig.tcpm_key, key, len);
	return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig)) < 0 ?
	    -errno : 0;
}

static int
add_ao(int fd, const struct ip *addr, const struct bgp_tcp_key *key, bool is_next)
{
	struct ao_add add = {
		.alg_name = "hmac(sha1)", .prefix = (uint8_t)(ip_len(addr) * 8),
		.sndid = key->id, .rcvid = key->id, .keylen = key->len,
		.set_rnext = is_next,
	};

	ip_to_sockaddr(addr, 0, &add.addr);
	memcpy(add.key, key->key, key->len);
	return setsockopt(fd, IPPROTO_TCP, AO_ADD_KEY, &add, sizeof(add)) < 0 ?
	    -errno : 0;
}

int
bgp_tcp_set_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key)
{
	switch (key->auth) {
	case BGP_IO_AUTH_NONE:
		break;
	case BGP_IO_AUTH_MD5:
		return set_md5(fd, addr, key->key, key->len);
	case BGP_IO_AUTH_AO:
		return add_ao(fd, addr, key, false);
	}
	return 0;
}

int
bgp_tcp_drop_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key)
{
	struct ao_del del = {
		.prefix = (uint8_t)(ip_len(addr) * 8),
		.sndid = key->id, .rcvid = key->id,
	};

	switch (key->auth) {
	case BGP_IO_AUTH_NONE:
		break;
	case BGP_IO_AUTH_MD5:
		return set_md5(fd, addr, NULL, 0);
	case BGP_IO_AUTH_AO:
		ip_to_sockaddr(addr, 0, &del.addr);
		return setsockopt(fd, IPPROTO_TCP, AO_DEL_KEY, &del, sizeof(del)) < 0 ?
		    -errno : 0;
	}
	return 0;
}

int
bgp_tcp_roll_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key)
{
	int e = add_ao(fd, addr, key, true);

	/* The ID has had a key before, perhaps another one. */
	if (e == -EEXIST && (e = bgp_tcp_drop_key(fd, addr, key)) == 0)
		e = add_ao(fd, addr, key, true);
	return e;
}

bool
bgp_tcp_has_ao(void)
{
	struct ao_del del = { .prefix = 255 };	/* nonsense: refused, but how? */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	has = setsockopt(fd, IPPROTO_TCP, AO_DEL_KEY, &del, sizeof(del)) == 0 ||
	    errno != ENOPROTOOPT;
	close(fd);
	return has;
}

/* Of dialled, listening and accepted sockets alike. */
static int
set_common(int fd, int family)
{
	int e = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (e == 0)
		e = family == AF_INET ? set_int(fd, IPPROTO_IP, IP_TOS, CLASS_CS6) :
		    set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, CLASS_CS6);
	if (e == 0)
		e = set_int(fd, SOL_SOCKET, SO_SNDBUF, SNDBUF);
	return e;
}

static int
open_socket(int family, const char *device, char err[256])
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e;

	if (fd < 0) {
		e = -errno;
		snprintf(err, 256, "no TCP socket: %s", strerror(-e));
		return e;
	}
	if (device[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
	    (socklen_t)strlen(device)) < 0) {
		e = -errno;
		snprintf(err, 256, "cannot bind to device %s: %s", device,
		    e == -ENODEV ? "no such device on this node" : strerror(-e));
		close(fd);
		return e;
	}
	e = set_common(fd, family);
	if (e < 0) {
		snprintf(err, 256, "cannot set up a TCP socket: %s", strerror(-e));
		close(fd);
		return e;
	}
	return fd;
}

static socklen_t
to_sockaddr(const struct ip *addr, uint16_t port, unsigned scope,
    struct sockaddr_storage *ss)
{
	socklen_t len = ip_to_sockaddr(addr, port, ss);

	if (ss->ss_family == AF_INET6 && ip_is_link_local(addr))
		((struct sockaddr_in6 *)ss)->sin6_scope_id = scope;
	return len;
}

/* Bind where asked, then connect; 0 or -errno with err filled. */
static int
connect_to(int fd, const struct bgp_tcp_conf *c, char err[256])
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (ip_is_set(&c->source)) {
		set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		len = to_sockaddr(&c->source, 0, c->scope, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
			int e = -errno;

			snprintf(err, 256, "cannot use source address %s: %s",
			    IP_STR(&c->source), e == -EADDRNOTAVAIL ?
			    "this node does not have it" : strerror(-e));
			return e;
		}
	}
	len = to_sockaddr(&c->addr, c->port, c->scope, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int e = -errno;

		snprintf(err, 256, "cannot connect: %s", strerror(-e));
		return e;
	}
	return 0;
}

int
bgp_tcp_dial(const struct bgp_tcp_conf *c, char err[256])
{
	int fd = open_socket(ip_af(&c->addr), c->device, err);
	int e;

	if (fd < 0)
		return fd;
	e = bgp_tcp_adopt(fd, c);
	if (e < 0)
		snprintf(err, 256, "cannot set TTL or password: %s", strerror(-e));
	else
		e = connect_to(fd, c, err);
	if (e < 0) {
		close(fd);
		return e;
	}
	return fd;
}

int
bgp_tcp_result(int fd)
{
	int e = 0;
	socklen_t len = sizeof(e);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? -errno : -e;
}

int
bgp_tcp_listen(int family, const char *device, uint16_t port, char err[256])
{
	struct ip any = { .family = family == AF_INET ? IP_V4 : IP_V6 };
	int fd = open_socket(family, device, err), e;
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&any, port, &ss);

	if (fd < 0)
		return fd;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	e = set_ttl(fd, family, 255);
	if (e == 0 && family == AF_INET6)
		e = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (e == 0 && (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, BACKLOG) < 0))
		e = -errno;
	if (e == 0)
		return fd;
	snprintf(err, 256, "cannot listen on %s TCP port %u%s%s: %s",
	    family == AF_INET ? "IPv4" : "IPv6", port, device[0] != '\0' ? " of " : "",
	    device, e == -EADDRINUSE ?
	    "in use, by another BGP daemon of this node perhaps" : strerror(-e));
	close(fd);
	return e;
}

static unsigned
scope_of(const struct sockaddr_storage *ss, const struct ip *addr)
{
	return ss->ss_family == AF_INET6 && ip_is_link_local(addr) ?
	    ((const struct sockaddr_in6 *)ss)->sin6_scope_id : 0;
}

int
bgp_tcp_ends(int fd, struct bgp_tcp_ends *ret)
{
	struct sockaddr_storage local = { 0 }, remote = { 0 };
	socklen_t local_len = sizeof(local), remote_len = sizeof(remote);

	if (getsockname(fd, (struct sockaddr *)&local, &local_len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&remote, &remote_len) < 0)
		return -errno;
	ret->local = ip_from_sockaddr((struct sockaddr *)&local);
	ret->remote = ip_from_sockaddr((struct sockaddr *)&remote);
	ret->scope = scope_of(&remote, &ret->remote);
	return 0;
}

int
bgp_tcp_accept(int listener, struct bgp_tcp_ends *ret)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), e;

	if (fd < 0)
		return -errno;
	e = bgp_tcp_ends(fd, ret);
	if (e < 0) {
		close(fd);
		return -ECONNABORTED;
	}
	return fd;
}

int
bgp_tcp_adopt(int fd, const struct bgp_tcp_conf *c)
{
	int family = ip_af(&c->addr);
	int e = set_ttl(fd, family, c->ttl);

	if (e == 0 && c->min_ttl > 0)
		e = set_min_ttl(fd, family, c->min_ttl);
	if (e == 0)
		e = bgp_tcp_set_key(fd, &c->addr, &c->key);
	/* Inherited from the listener. */
	return e == -EEXIST ? 0 : e;
}

bool
bgp_tcp_is_waiting(int fd, uint64_t *acked, bool *ret_moved)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int queued = 0;

	*ret_moved = false;
	if (ioctl(fd, SIOCOUTQ, &queued) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	*ret_moved = info.tcpi_bytes_acked != *acked;
	*acked = info.tcpi_bytes_acked;
	return queued > 0;
}

void
bgp_tcp_abort(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
