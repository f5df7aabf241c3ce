/*
 * bgp_ra_io.c - one raw ICMPv6 socket for all interfaces.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <ev.h>

#include "bgp/bgp_ra_io.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	RA_SEC		= 10,		/* between our advertisements */
	RA_LEN		= 16,
	RECV_TURN	= 64,		/* packets taken in one turn of the loop */
	HOP_LIMIT	= 255,		/* of all neighbour discovery (RFC 4861, 6.1) */
};

struct bgp_ra_impl {
	struct bgp_ra *owner;
	ev_io	rd;
	ev_timer timer;
	char	(*ifnames)[IF_NAMESIZE];
	size_t	n;
};

static int
set_int(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_IPV6, name, &value, sizeof(value));
}

/* A packet to all nodes or all routers of a link; a failure is tried again. */
static void
send_to(int fd, const char *ifname, const char *group, const void *buf, size_t len)
{
	struct ip addr = { 0 };
	struct sockaddr_storage ss;
	unsigned scope = if_nametoindex(ifname);

	ip_parse(group, &addr);
	ip_to_sockaddr(&addr, 0, &ss);
	((struct sockaddr_in6 *)&ss)->sin6_scope_id = scope;
	if (scope != 0)
		sendto(fd, buf, len, MSG_DONTWAIT, (struct sockaddr *)&ss,
		    sizeof(struct sockaddr_in6));
}

/* The kernel fills in the checksum. */
static void
advertise(struct bgp_ra_impl *r, const char *ifname)
{
	static const uint8_t solicitation[8] = { ND_ROUTER_SOLICIT };
	static const uint8_t advertisement[RA_LEN] = { ND_ROUTER_ADVERT };

	send_to(r->rd.fd, ifname, "ff02::1", advertisement, sizeof(advertisement));
	send_to(r->rd.fd, ifname, "ff02::2", solicitation, sizeof(solicitation));
}

/* Of what has hop limit 255, so comes from the link: an advertisement's sender. */
static bool
is_advertisement(struct msghdr *m, const uint8_t *buf, ssize_t n)
{
	int hops = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
			memcpy(&hops, CMSG_DATA(c), sizeof(hops));
	return n >= RA_LEN && buf[0] == ND_ROUTER_ADVERT && buf[1] == 0 &&
	    hops == HOP_LIMIT;
}

static bool
recv_one(struct bgp_ra_impl *r)
{
	struct sockaddr_in6 from = { 0 };
	uint8_t buf[1500];
	_Alignas(struct cmsghdr) char control[128];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(r->rd.fd, &m, MSG_DONTWAIT);
	struct ip addr = ip_from_in6(&from.sin6_addr);

	if (n < 0)
		return false;
	if (!is_advertisement(&m, buf, n) || !ip_is_link_local(&addr))
		return true;
	for (size_t i = 0; i < r->n; i++)
		if (if_nametoindex(r->ifnames[i]) == from.sin6_scope_id)
			r->owner->found(r->owner->arg, r->ifnames[i], &addr);
	return true;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	for (int i = 0; i < RECV_TURN && recv_one(w->data); i++)
		;
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct bgp_ra_impl *r = w->data;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < r->n; i++)
		advertise(r, r->ifnames[i]);
}

static int
open_socket(void)
{
	struct icmp6_filter filter;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_ICMPV6), e;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) < 0 ||
	    set_int(fd, IPV6_MULTICAST_HOPS, HOP_LIMIT) < 0 ||
	    set_int(fd, IPV6_MULTICAST_LOOP, 0) < 0 ||
	    set_int(fd, IPV6_RECVHOPLIMIT, 1) < 0) {
		e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

static struct bgp_ra_impl *
impl_new(struct bgp_ra *owner)
{
	struct bgp_ra_impl *r;
	int fd = open_socket();

	if (fd < 0) {
		log_warn(LOG_NONE, "BGP cannot look for unnumbered peers: %s "
		    "(grant CAP_NET_RAW)", strerror(-fd));
		return NULL;
	}
	r = mem_zalloc(sizeof(*r));
	r->owner = owner;
	ev_io_init(&r->rd, on_readable, fd, EV_READ);
	ev_timer_init(&r->timer, on_timer, 0., RA_SEC);
	r->rd.data = r->timer.data = r;
	ev_io_start(owner->loop, &r->rd);
	ev_timer_start(owner->loop, &r->timer);
	return r;
}

void
bgp_ra_fini(struct bgp_ra *r)
{
	if (r->impl == NULL)
		return;
	ev_io_stop(r->loop, &r->impl->rd);
	ev_timer_stop(r->loop, &r->impl->timer);
	close(r->impl->rd.fd);
	free(r->impl->ifnames);
	free(r->impl);
	r->impl = NULL;
}

static bool
has(const struct bgp_ra_impl *r, const char *ifname)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->ifnames[i], ifname) == 0)
			return true;
	return false;
}

void
bgp_ra_set(struct bgp_ra *r, const char *const *ifnames, size_t n)
{
	char (*names)[IF_NAMESIZE];

	if (n == 0) {
		bgp_ra_fini(r);
		return;
	}
	if (r->impl == NULL && (r->impl = impl_new(r)) == NULL)
		return;
	names = mem_zalloc(n * sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		strncpy(names[i], ifnames[i], IF_NAMESIZE - 1);
		if (!has(r->impl, names[i]))
			advertise(r->impl, names[i]);
	}
	free(r->impl->ifnames);
	r->impl->ifnames = names;
	r->impl->n = n;
}
