/*
 * bfd_udp_io.c - sockets for BFD (RFC 5881).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>		/* <netinet/ip_icmp.h> has a struct ip of its own */

#include "bgp/bfd_udp_io.h"

enum {
	BATCH		= 64,		/* datagrams a system call */
	DATAGRAM_MAX	= 128,		/* the longest BFD packet there is has 52 */
	CONTROL_MAX	= 128,
	EPHEMERAL_FIRST	= 49152,
	CLASS_CS6	= 0xc0,		/* network control (RFC 2474) */
	RCVBUF		= 4 << 20,	/* a second of a full mesh while we sleep */
	/*
	 * What is sent to a neighbour that does not answer waits for it in the kernel
	 * for three seconds, and counts as ours. Ten dead nodes fill the usual buffer,
	 * and then nothing goes out to those that live; this has room for a full mesh
	 * of dead ones.
	 */
	SNDBUF		= 8 << 20,
};

struct option {
	int	level, name, value;
};

static const struct option options4[] = {
	{ IPPROTO_IP, IP_TTL, 255 },
	{ IPPROTO_IP, IP_TOS, CLASS_CS6 },
	{ IPPROTO_IP, IP_RECVTTL, 1 },
	{ IPPROTO_IP, IP_PKTINFO, 1 },
	{ IPPROTO_IP, IP_RECVERR, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT },
};

static const struct option options6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255 },
	{ IPPROTO_IPV6, IPV6_TCLASS, CLASS_CS6 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ IPPROTO_IPV6, IPV6_RECVERR, 1 },
};

static int
set_options(int fd, const struct option *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, o[i].level, o[i].name, &o[i].value,
		    sizeof(o[i].value)) < 0)
			return -errno;
	return 0;
}

/* Beyond net.core.rmem_max and wmem_max only with CAP_NET_ADMIN; less will do. */
static void
set_buffers(int fd)
{
	int rcv = RCVBUF, snd = SNDBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcv, sizeof(rcv)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
}

static int
bind_any(int fd, int family, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	int e;

	if (family == AF_INET)
		e = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	else
		e = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	return e < 0 ? -errno : 0;
}

/* RFC 5881, 4: the source port is 49152 or above. The kernel's range is not. */
static int
bind_ephemeral(int fd, int family)
{
	int e = -EADDRINUSE;

	for (unsigned i = 0; e == -EADDRINUSE && i <= UINT16_MAX - EPHEMERAL_FIRST; i++)
		e = bind_any(fd, family, (uint16_t)(EPHEMERAL_FIRST + i));
	return e;
}

void
bfd_udp_share(int fd, bool is_shared)
{
	int on = is_shared;

	/* What the kernel reads of it, it reads while it binds one or the other. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

int
bfd_udp_open(int family, uint16_t port, const char *device, bool is_shared,
    char err[256])
{
	int e, fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const char *what = family == AF_INET ? "IPv4" : "IPv6";

	if (fd < 0) {
		e = -errno;
		snprintf(err, 256, "no %s UDP socket: %s", what, strerror(-e));
		return e;
	}
	if (family == AF_INET)
		e = set_options(fd, options4, sizeof(options4) / sizeof(*options4));
	else
		e = set_options(fd, options6, sizeof(options6) / sizeof(*options6));
	if (e < 0) {
		snprintf(err, 256, "cannot set up the %s UDP socket: %s", what,
		    strerror(-e));
		goto out;
	}
	set_buffers(fd);
	if (device[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
	    (socklen_t)strlen(device)) < 0) {
		e = -errno;
		snprintf(err, 256, "cannot bind to device %s: %s", device,
		    strerror(-e));
		goto out;
	}
	bfd_udp_share(fd, is_shared);
	e = port == BFD_UDP_EPHEMERAL ? bind_ephemeral(fd, family) :
	    bind_any(fd, family, port);
	bfd_udp_share(fd, false);
	if (e == -EADDRINUSE)
		snprintf(err, 256, "%s UDP port %u is in use, by another speaker "
		    "on this host perhaps: stop that or set another port on every "
		    "node", what, port);
	else if (e < 0)
		snprintf(err, 256, "cannot bind %s UDP port %u: %s", what, port,
		    strerror(-e));
out:
	if (e < 0) {
		close(fd);
		return e;
	}
	return fd;
}

static unsigned
scope_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;

	return ss->ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr) ?
	    sin6->sin6_scope_id : 0;
}

/* Our address and the TTL of a received datagram. */
static void
read_control(struct msghdr *m, struct bfd_datagram *d)
{
	struct in_pktinfo info;
	struct in6_pktinfo info6;
	int ttl;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, data, sizeof(info));
			d->to = ip_from_in(info.ipi_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, data, sizeof(info6));
			d->to = ip_from_in6(&info6.ipi6_addr);
		} else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&ttl, data, sizeof(ttl));
			d->ttl = (uint8_t)ttl;
		}
	}
}

/* One system call's worth; how many, 0 where nothing is left. */
static unsigned
recv_batch(int fd, unsigned max, bfd_datagram_fn *fn, void *arg)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t buf[BATCH][DATAGRAM_MAX];
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_MAX];
	int n;

	if (max > BATCH)
		max = BATCH;
	for (unsigned i = 0; i < max; i++) {
		iov[i] = (struct iovec){ .iov_base = buf[i], .iov_len = DATAGRAM_MAX };
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = control[i], .msg_controllen = CONTROL_MAX,
		};
	}
	n = recvmmsg(fd, msgs, max, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct bfd_datagram d = {
			.from = ip_from_sockaddr((struct sockaddr *)&from[i]),
			.scope = scope_of(&from[i]),
			.buf = buf[i], .len = msgs[i].msg_len,
		};

		read_control(&msgs[i].msg_hdr, &d);
		fn(arg, &d);
	}
	return n > 0 ? (unsigned)n : 0;
}

unsigned
bfd_udp_recv(int fd, unsigned max, bfd_datagram_fn *fn, void *arg)
{
	unsigned total = 0;

	while (total < max) {
		unsigned n = recv_batch(fd, max - total, fn, arg);

		total += n;
		if (n < BATCH)
			break;
	}
	return total;
}

/* The ICMP error of *m, and who sent it; NULL where it is of another kind. */
static const struct sockaddr *
refusal_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		struct sock_extended_err *e = (void *)CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR &&
		    e->ee_origin == SO_EE_ORIGIN_ICMP &&
		    e->ee_type == ICMP_DEST_UNREACH && e->ee_code == ICMP_PORT_UNREACH)
			return SO_EE_OFFENDER(e);
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR &&
		    e->ee_origin == SO_EE_ORIGIN_ICMP6 &&
		    e->ee_type == ICMP6_DST_UNREACH &&
		    e->ee_code == ICMP6_DST_UNREACH_NOPORT)
			return SO_EE_OFFENDER(e);
	}
	return NULL;
}

void
bfd_udp_refused(int fd, unsigned max, bfd_datagram_fn *fn, void *arg)
{
	while (max-- > 0) {
		struct sockaddr_storage to = { 0 };
		uint8_t buf[DATAGRAM_MAX];
		_Alignas(struct cmsghdr) char control[512];
		struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
		struct msghdr m = {
			.msg_name = &to, .msg_namelen = sizeof(to),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
		const struct sockaddr *offender;

		if (n < 0)
			return;
		offender = refusal_of(&m);
		if (offender == NULL)
			continue;
		fn(arg, &(struct bfd_datagram){
			.from = ip_from_sockaddr(offender),
			.to = ip_from_sockaddr((struct sockaddr *)&to),
			.scope = scope_of(&to),
			.buf = buf, .len = (size_t)n,
		});
	}
}

static void
put_source(struct msghdr *m, const struct ip *src)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in_pktinfo info = { 0 };
	struct in6_pktinfo info6 = { 0 };

	if (ip_is_v4(src)) {
		memcpy(&info.ipi_spec_dst, src->b, sizeof(info.ipi_spec_dst));
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		memcpy(&info6.ipi6_addr, src->b, sizeof(info6.ipi6_addr));
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info6));
		memcpy(CMSG_DATA(c), &info6, sizeof(info6));
		m->msg_controllen = CMSG_SPACE(sizeof(info6));
	}
}

int
bfd_udp_send(int fd, const struct ip *src, const struct bfd_udp_dst *dst,
    const uint8_t *buf, size_t len)
{
	struct sockaddr_storage to;
	_Alignas(struct cmsghdr) char control[CONTROL_MAX] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = ip_to_sockaddr(&dst->addr, dst->port, &to),
		.msg_iov = &iov, .msg_iovlen = 1,
	};

	if (dst->scope != 0)
		((struct sockaddr_in6 *)&to)->sin6_scope_id = dst->scope;
	if (ip_is_set(src)) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		put_source(&m, src);
	}
	/*
	 * A queued ICMP error, some other peer's perhaps, is reported by the
	 * next call on the socket, whatever that is, and takes its place.
	 */
	for (int tries = 0; tries < 3; tries++) {
		if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != ECONNREFUSED && errno != EHOSTUNREACH)
			break;
	}
	return -errno;
}
