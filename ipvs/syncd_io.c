/* syncd_io.c - see syncd_io.h. */
#include "ipvs/syncd_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/error.h"
#include "ipvs/netns_io.h"
#include "ipvs/syncd_nl.h"
#include "ipvs/sysctl_io.h"
#include "lib/mem.h"

/* Multicast takes its source from its link. Nobody routes to these. */
#define ADDR_KERNEL "169.254.77.5"
#define ADDR_SPEAKER "169.254.77.6"
enum { ADDR_LEN = 30 };

static int
end_up(struct director_net *net, const char *name, const char *addr,
    struct rtnl_link *link, unsigned *count)
{
	struct ip a;
	int r;

	(void)ip_parse(addr, &a);
	r = rtnl_addr_add(net->inside, link->index, &a, ADDR_LEN);
	*count += r == 0;
	if (r == 0 || r == -EEXIST)
		r = sysctl_apply(sysctl_director_sync_link, name,
		    &(struct director_error){ 0 });
	if (r < 0 || link->is_up)
		return r < 0 ? r : 0;
	*count += 1;
	return rtnl_link_set_up(net->inside, link->index);
}

/* The pair. Daemons that were on an earlier one are on none now, and end. */
static int
ensure_pair(struct director_net *net, unsigned *count, int *ret_link)
{
	struct rtnl_link kernel, speaker;
	int r = rtnl_link_find(net->inside, SYNCD_IF_KERNEL, &kernel);

	if (r == -ENODEV) {
		(void)syncd_nl_stop(true);
		(void)syncd_nl_stop(false);
		r = rtnl_veth_add(net->inside, SYNCD_IF_KERNEL, SYNCD_IF_SPEAKER,
		    net->ns);
		*count += r == 0;
		if (r == 0)
			r = rtnl_link_find(net->inside, SYNCD_IF_KERNEL, &kernel);
	}
	if (r == 0)
		r = rtnl_link_find(net->inside, SYNCD_IF_SPEAKER, &speaker);
	if (r == 0)
		r = end_up(net, SYNCD_IF_KERNEL, ADDR_KERNEL, &kernel, count);
	if (r == 0)
		r = end_up(net, SYNCD_IF_SPEAKER, ADDR_SPEAKER, &speaker, count);
	if (r == 0)
		*ret_link = speaker.index;
	return r;
}

static int
ensure_daemon(bool is_master, bool is_there, unsigned *count,
    struct director_error *ret_err)
{
	int r;

	if (is_there)
		return 0;
	/* One on another link is somebody else's. */
	(void)syncd_nl_stop(is_master);
	r = syncd_nl_start(is_master, SYNCD_IF_KERNEL);
	*count += r == 0;
	return r == 0 ? 0 : director_fail(ret_err, r, "connection sync: cannot start "
	    "the kernel's IPVS %s daemon: %s; without --sync-port Herald does without",
	    is_master ? "master" : "backup", strerror(-r));
}

static int
ensure(struct director_net *net, unsigned *count, int *ret_link,
    struct director_error *ret_err)
{
	bool is_master = false, is_backup = false;
	int r = ensure_pair(net, count, ret_link);

	if (r < 0)
		return director_fail(ret_err, r, "connection sync: cannot make the link "
		    SYNCD_IF_KERNEL " in the director: %s", strerror(-r));
	r = sysctl_apply(sysctl_director_sync, "", ret_err);
	if (r < 0)
		return r;
	*count += (unsigned)r;
	r = syncd_nl_look(SYNCD_IF_KERNEL, &is_master, &is_backup);
	if (r < 0)
		return director_fail(ret_err, r, "connection sync: this kernel does not "
		    "tell of IPVS sync daemons: %s; run without --sync-port",
		    strerror(-r));
	r = ensure_daemon(true, is_master, count, ret_err);
	return r < 0 ? r : ensure_daemon(false, is_backup, count, ret_err);
}

int
syncd_ensure(struct director_net *net, unsigned *count, int *ret_link,
    struct director_error *ret_err)
{
	struct netns_visit v;
	int r = netns_enter(net->ns, &v);

	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director: %s",
		    strerror(-r));
	r = ensure(net, count, ret_link, ret_err);
	netns_leave(&v);
	return r;
}

int
syncd_remove(struct director_net *net, struct director_error *ret_err)
{
	struct netns_visit v;
	struct rtnl_link link;
	int r = rtnl_link_find(net->inside, SYNCD_IF_KERNEL, &link);

	if (r == -ENODEV)
		return 0;
	if (r == 0)
		r = netns_enter(net->ns, &v);
	if (r == 0) {
		r = syncd_nl_stop(true);
		if (r == 0)
			r = syncd_nl_stop(false);
		netns_leave(&v);
	}
	if (r == 0)
		r = rtnl_link_delete(net->inside, link.index);
	return r == 0 ? 0 : director_fail(ret_err, r, "connection sync: cannot end what "
	    "an earlier start has begun: %s", strerror(-r));
}

bool
syncd_is_running(void)
{
	bool is_master = false, is_backup = false;

	return syncd_nl_look(SYNCD_IF_KERNEL, &is_master, &is_backup) == 0 &&
	    is_master && is_backup;
}

static int
socket_bind(int fd, int link)
{
	const struct sockaddr_in group = { .sin_family = AF_INET,
		.sin_port = htons(SYNCD_PORT), .sin_addr.s_addr = inet_addr(SYNCD_GROUP) };
	const struct ip_mreqn on = { .imr_multiaddr = group.sin_addr, .imr_ifindex = link };
	const int off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, SYNCD_IF_SPEAKER,
	    sizeof(SYNCD_IF_SPEAKER)) < 0 ||
	    bind(fd, (const struct sockaddr *)&group, sizeof(group)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) < 0)
		return -errno;
	return 0;
}

int
syncd_socket(struct director_net *net)
{
	struct netns_visit v;
	struct rtnl_link link;
	int fd, r = rtnl_link_find(net->inside, SYNCD_IF_SPEAKER, &link);

	if (r < 0)
		return r;
	r = netns_enter(net->ns, &v);
	if (r < 0)
		return r;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : socket_bind(fd, link.index);
	netns_leave(&v);
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}
