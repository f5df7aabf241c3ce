/*
 * nlfault.so - preloaded into directorctl: makes one netlink message fail.
 *
 * The nth message that is sent after nlfault_arm(n) gets a type that the kernel
 * does not know, which it answers with an error, as it would answer a request that
 * it cannot fulfil; those sent with it are left as they are. Requests that
 * libnftables makes to read are left alone, too: it ends the process on some.
 */
#include <dlfcn.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { UNKNOWN_TYPE = 0x7f7f };

void nlfault_arm(unsigned n);
unsigned nlfault_seen(void);

static unsigned seen, fatal;

void
nlfault_arm(unsigned n)
{
	seen = 0;
	fatal = n;
}

unsigned
nlfault_seen(void)
{
	return seen;
}

/* The netlink protocol of fd, -1 where it is another kind of socket. */
static int
protocol_of(int fd)
{
	int domain = 0, protocol = -1;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    domain != AF_NETLINK)
		return -1;
	len = sizeof(protocol);
	(void)getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	return protocol;
}

/* Spoil the message whose turn it is among those in buf. */
static void
spoil(char *buf, size_t len, int protocol)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	int is_batch = protocol == NETLINK_NETFILTER && len >= sizeof(*h) &&
	    h->nlmsg_type == NFNL_MSG_BATCH_BEGIN;

	if (protocol == NETLINK_NETFILTER && !is_batch)
		return;
	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (is_batch && (h->nlmsg_type == NFNL_MSG_BATCH_BEGIN ||
		    h->nlmsg_type == NFNL_MSG_BATCH_END))
			continue;
		if (++seen == fatal)
			h->nlmsg_type = UNKNOWN_TYPE;
	}
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);
	int protocol = protocol_of(fd);
	size_t len = 0, at = 0;
	struct msghdr copy = *m;
	struct iovec all;
	ssize_t n;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
	if (protocol < 0)
		return real(fd, m, flags);
	for (size_t i = 0; i < m->msg_iovlen; i++)
		len += m->msg_iov[i].iov_len;
	all = (struct iovec){ malloc(len), len };
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		memcpy((char *)all.iov_base + at, m->msg_iov[i].iov_base,
		    m->msg_iov[i].iov_len);
		at += m->msg_iov[i].iov_len;
	}
	spoil(all.iov_base, len, protocol);
	copy.msg_iov = &all;
	copy.msg_iovlen = 1;
	n = real(fd, &copy, flags);
	free(all.iov_base);
	return n;
}

/* libnl sends a batch this way. */
ssize_t
sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
    socklen_t tolen)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_name = (void *)(uintptr_t)to, .msg_namelen = tolen,
		.msg_iov = &iov, .msg_iovlen = 1 };

	return sendmsg(fd, &m, flags);
}
