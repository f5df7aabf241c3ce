/* sysctl_io.c - see sysctl_io.h. */
#include "ipvs/sysctl_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipvs/error.h"

#define PROC_SYS "/proc/sys/"
enum { PATH_LEN = 128, VALUE_LEN = 32 };

const struct sysctl sysctl_director[] = {
	/* Replies and tunnelled packets pass through. */
	{ "net/ipv4/ip_forward", "1", false },
	/* Clients' packets come in by the veth and by the tunnel alike, and no
	   route tells which: every source is fine everywhere. The larger of
	   "all" and the link's own value counts. */
	{ "net/ipv4/conf/all/rp_filter", "0", false },
	{ "net/ipv4/conf/default/rp_filter", "0", false },
	/* What comes in by the veth leaves by it; that is no reason to tell the
	   sender of a better way. */
	{ "net/ipv4/conf/all/send_redirects", "0", false },
	{ "net/ipv4/conf/default/send_redirects", "0", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_director_v6[] = {
	{ "net/ipv6/conf/all/forwarding", "1", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_director_link[] = {
	{ "net/ipv4/conf/%s/rp_filter", "0", false },
	{ "net/ipv4/conf/%s/send_redirects", "0", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_director_ipvs[] = {
	/* A TCP connection of which we see the first packet in mid-stream, as
	   after a takeover, is scheduled like a new one: mh makes the choice that
	   the node before us made. */
	{ "net/ipv4/vs/sloppy_tcp", "1", false },
	{ "net/ipv4/vs/sloppy_sctp", "1", false },
	/* ICMP errors, too, find their endpoint on a node that has not seen the
	   connection: path MTU discovery works whichever node they come to. */
	{ "net/ipv4/vs/schedule_icmp", "1", true },
	/* A client that uses its port again starts a new connection, scheduled
	   anew, in place of continuing one in TIME_WAIT (1) or, where only the
	   client's side is seen, as through a tunnel, in FIN_WAIT (2). */
	{ "net/ipv4/vs/conn_reuse_mode", "3", true },
	/* Connections of an endpoint that is gone are forgotten at their next
	   packet, which is scheduled anew, in place of being dropped for minutes. */
	{ "net/ipv4/vs/expire_nodest_conn", "1", false },
	/* Session affinity to a draining endpoint ends: new connections of its
	   clients go elsewhere. */
	{ "net/ipv4/vs/expire_quiescent_template", "1", false },
	/* Let conntrack see what IPVS does, so that connections of local clients
	   can be masqueraded after it. All else is notracked. */
	{ "net/ipv4/vs/conntrack", "1", false },
	/* Outer packets go without "don't fragment": a client that ignores our MSS
	   is fragmented on the way, not cut off. */
	{ "net/ipv4/vs/pmtu_disc", "0", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_director_sync[] = {
	/* A connection is told of when it is established, at any other change of its
	   state, and once a minute while it is used, for those who have missed it;
	   not every so many packets, ... */
	{ "net/ipv4/vs/sync_threshold", "0\t0", false },
	{ "net/ipv4/vs/sync_refresh_period", "60", false },
	/* ... and a second time an eighth of that later, for a datagram may be lost. */
	{ "net/ipv4/vs/sync_retries", "1", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_director_sync_link[] = {
	/* What comes in by one end has the other's address as source, ours, too. */
	{ "net/ipv4/conf/%s/accept_local", "1", false },
	{ "net/ipv4/conf/%s/rp_filter", "0", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_host[] = {
	{ "net/ipv4/ip_forward", "1", false },
	/* Clients' packets come out of the director with their own source, which
	   the strict check would expect on the uplink. */
	{ "net/ipv4/conf/%s/rp_filter", "2", false },
	{ NULL, NULL, false },
};

const struct sysctl sysctl_host_v6[] = {
	{ "net/ipv6/conf/all/forwarding", "1", false },
	{ NULL, NULL, false },
};

/* The value without its newline; -errno where it cannot be read. */
static int
value_read(const char *path, char value[VALUE_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, value, VALUE_LEN - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int
value_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The path with the interface put in; names may hold no '%', so by hand. */
static void
path_make(char path[PATH_LEN], const char *pattern, const char *ifname)
{
	const char *at = strstr(pattern, "%s");

	if (at == NULL)
		snprintf(path, PATH_LEN, PROC_SYS "%s", pattern);
	else
		snprintf(path, PATH_LEN, PROC_SYS "%.*s%s%s", (int)(at - pattern),
		    pattern, ifname, at + 2);
}

bool
sysctl_is(const char *path, const char *ifname, const char *value)
{
	char full[PATH_LEN], now[VALUE_LEN];

	path_make(full, path, ifname);
	return value_read(full, now) == 0 && strcmp(now, value) == 0;
}

int
sysctl_write(const char *path, const char *value)
{
	char full[PATH_LEN];

	snprintf(full, sizeof(full), PROC_SYS "%s", path);
	return value_write(full, value);
}

int
sysctl_apply(const struct sysctl *list, const char *ifname,
    struct director_error *ret_err)
{
	char path[PATH_LEN], value[VALUE_LEN];
	int r, nwritten = 0;

	for (; list->path != NULL; list++) {
		path_make(path, list->path, ifname);
		r = value_read(path, value);
		if (r == 0 && strcmp(value, list->value) == 0)
			continue;
		if (r == 0)
			r = value_write(path, list->value);
		if (r == -ENOENT && list->is_optional)
			continue;
		if (r < 0)
			return director_fail(ret_err, r, "cannot set %s to %s: %s%s",
			    path, list->value, strerror(-r),
			    r == -EROFS || r == -EACCES || r == -EPERM ?
			    "; /proc/sys must be writable: run privileged, or set "
			    "it on the node beforehand" : "");
		nwritten++;
	}
	return nwritten;
}

bool
sysctl_has_ipv6(void)
{
	return access(PROC_SYS "net/ipv6", F_OK) == 0;
}
