/* group_io.c - see group_io.h. */
#include "arp/group_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "arp/ndp.h"
#include "lib/mem.h"

enum {
	/* net.core.optmem_max (20 KB in old kernels) holds some 300 groups. */
	GROUPS_PER_SOCKET = 200,
};

enum member_how {
	MEMBER_NONE,		/* the kernel refused */
	MEMBER_SOCKET,		/* IPV6_JOIN_GROUP on fds[fd_at] */
	MEMBER_HARDWARE,	/* sock_io_join() */
};

struct member_key {
	int	ifindex;
	uint8_t	low[4];		/* 0 and the group's last 24 bits */
};

struct member {
	struct member_key key;
	unsigned nusers;
	enum member_how how;
	size_t	fd_at;
	UT_hash_handle hh;
};

struct group_socket {
	int	fd;
	size_t	ngroups;
};

struct group_io {
	struct sock_io *sock;
	struct member *members;
	struct group_socket *fds;
	size_t	nfds, cap;
};

struct group_io *
group_io_new(struct sock_io *sock)
{
	struct group_io *g = mem_zalloc(sizeof(*g));

	g->sock = sock;
	return g;
}

void
group_io_free(struct group_io *g)
{
	struct member *m, *tmp;

	if (g == NULL)
		return;
	HASH_ITER(hh, g->members, m, tmp) {
		HASH_DEL(g->members, m);
		free(m);
	}
	for (size_t i = 0; i < g->nfds; i++)
		close(g->fds[i].fd);
	free(g->fds);
	free(g);
}

static struct member_key
key_of(int ifindex, const struct ip *vip)
{
	return (struct member_key){ .ifindex = ifindex,
		.low = { 0, vip->b[13], vip->b[14], vip->b[15] } };
}

/* A socket with room for one more group: its index, or -errno. */
static int
socket_with_room(struct group_io *g, size_t *ret_at)
{
	int fd;

	for (size_t i = 0; i < g->nfds; i++)
		if (g->fds[i].ngroups < GROUPS_PER_SOCKET) {
			*ret_at = i;
			return 0;
		}
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	g->fds = mem_grow(g->fds, g->nfds, &g->cap, sizeof(*g->fds));
	g->fds[g->nfds] = (struct group_socket){ .fd = fd };
	*ret_at = g->nfds++;
	return 0;
}

static int
set_membership(const struct group_io *g, size_t at, int option, int ifindex,
    const struct ip *group)
{
	struct ipv6_mreq mreq = { .ipv6mr_interface = (unsigned)ifindex };

	memcpy(&mreq.ipv6mr_multiaddr, group->b, 16);
	if (setsockopt(g->fds[at].fd, IPPROTO_IPV6, option, &mreq, sizeof(mreq)) < 0)
		return -errno;
	return 0;
}

static void
group_mac(const struct ip *group, uint8_t ret_mac[ARP_MAC_LEN])
{
	ret_mac[0] = ret_mac[1] = 0x33;
	memcpy(ret_mac + 2, group->b + 12, 4);
}

static int
enter(struct group_io *g, struct member *m, const struct ip *group)
{
	uint8_t mac[ARP_MAC_LEN];
	int rc = socket_with_room(g, &m->fd_at);

	if (rc == 0)
		rc = set_membership(g, m->fd_at, IPV6_JOIN_GROUP, m->key.ifindex, group);
	if (rc == 0) {
		g->fds[m->fd_at].ngroups++;
		m->how = MEMBER_SOCKET;
		return 0;
	}
	group_mac(group, mac);
	rc = sock_io_join(g->sock, m->key.ifindex, mac);
	m->how = rc == 0 ? MEMBER_HARDWARE : MEMBER_NONE;
	return rc;
}

int
group_io_join(struct group_io *g, int ifindex, const struct ip *vip)
{
	struct member_key key = key_of(ifindex, vip);
	struct ip group = ndp_solicited_node(vip);
	struct member *m;

	HASH_FIND(hh, g->members, &key, sizeof(key), m);
	if (m == NULL) {
		m = mem_zalloc(sizeof(*m));
		m->key = key;
		HASH_ADD(hh, g->members, key, sizeof(key), m);
	}
	m->nusers++;
	return m->how == MEMBER_NONE ? enter(g, m, &group) : 0;
}

void
group_io_leave(struct group_io *g, int ifindex, const struct ip *vip)
{
	struct member_key key = key_of(ifindex, vip);
	struct ip group = ndp_solicited_node(vip);
	uint8_t mac[ARP_MAC_LEN];
	struct member *m;

	HASH_FIND(hh, g->members, &key, sizeof(key), m);
	if (m == NULL || --m->nusers > 0)
		return;
	switch (m->how) {
	case MEMBER_NONE:
		break;
	case MEMBER_SOCKET:	/* the link may be gone: then so is the membership */
		set_membership(g, m->fd_at, IPV6_LEAVE_GROUP, ifindex, &group);
		g->fds[m->fd_at].ngroups--;
		break;
	case MEMBER_HARDWARE:
		group_mac(&group, mac);
		sock_io_leave(g->sock, ifindex, mac);
		break;
	}
	HASH_DEL(g->members, m);
	free(m);
}
