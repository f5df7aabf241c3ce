/* syn_sock_io.c - see syn_sock_io.h. */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/syn_sock_io.h"
#include "lib/ip.h"
#include "lib/mem.h"

enum { BUFFER_BYTES = 4 << 20 };	/* answers of 250 ms, at 20,000 a second */

void
syn_sock_init(struct syn_sock *s)
{
	*s = (struct syn_sock){ .out = -1, .in = -1 };
	memset(s->held, -1, sizeof(s->held));
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
syn_sock_close(struct syn_sock *s)
{
	close_fd(&s->in);
	close_fd(&s->out);
	for (size_t i = 0; i < nitems(s->held); i++)
		close_fd(&s->held[i]);
}

/* Ports of the kernel's choosing; 0 or -errno. */
static int
hold_ports(struct syn_sock *s, enum ip_family family)
{
	struct ip any = { .family = (uint8_t)family };
	struct sockaddr_storage ss;
	const int one = 1;

	for (size_t i = 0; i < SYN_NPORTS; i++) {
		socklen_t len = ip_to_sockaddr(&any, 0, &ss);

		s->held[i] = socket(ip_af(&any), SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (family == IP_V6)
			(void)setsockopt(s->held[i], IPPROTO_IPV6, IPV6_V6ONLY, &one,
			    sizeof(one));
		if (s->held[i] < 0 || bind(s->held[i], (struct sockaddr *)&ss, len) < 0 ||
		    getsockname(s->held[i], (struct sockaddr *)&ss, &len) < 0)
			return -errno;
		/* sin_port and sin6_port have the same place. */
		s->ports[i] = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	}
	return 0;
}

/* Of all TCP that comes to this machine only what comes to our ports. */
static int
attach_filter(const struct syn_sock *s, enum ip_family family)
{
	struct sock_filter code[SYN_NPORTS + 4] = {
		/* Over IPv4 a raw socket gets the IP header, too. */
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	};
	struct sock_fprog prog = { .len = (unsigned short)nitems(code), .filter = code };

	if (family == IP_V6)
		code[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0);
	for (unsigned i = 0; i < SYN_NPORTS; i++)
		code[2 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    s->ports[i], (uint8_t)(SYN_NPORTS - i), 0);
	code[2 + SYN_NPORTS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[3 + SYN_NPORTS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SYN_HEARD_MAX);
	return setsockopt(s->in, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ?
	    -errno : 0;
}

static void
set_buffer(int fd, int option, int forced)
{
	const int bytes = BUFFER_BYTES;

	/* Beyond what the system allows anyone takes CAP_NET_ADMIN. */
	if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

int
syn_sock_open(struct syn_sock *s, enum ip_family family)
{
	int af = family == IP_V4 ? AF_INET : AF_INET6, rc;
	const int one = 1, type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;

	/* IPPROTO_RAW: what is sent has its IP header, and nothing is received. */
	s->out = socket(af, type, IPPROTO_RAW);
	s->in = socket(af, type, IPPROTO_TCP);
	rc = s->out < 0 || s->in < 0 ? -errno : hold_ports(s, family);
	if (rc == 0)
		rc = attach_filter(s, family);
	/* ICMP errors, with what they quote. */
	if (rc == 0 && (family == IP_V4 ?
	    setsockopt(s->in, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)) :
	    setsockopt(s->in, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one))) < 0)
		rc = -errno;
	if (rc < 0) {
		syn_sock_close(s);
		return rc;
	}
	set_buffer(s->in, SO_RCVBUF, SO_RCVBUFFORCE);
	set_buffer(s->out, SO_SNDBUF, SO_SNDBUFFORCE);
	return 0;
}

void
syn_sock_add_source(struct syn_sock *s, const struct ip *from)
{
	struct ip to = *from;
	struct sockaddr_storage ss;
	socklen_t len;

	if (s->has_sources || ip_eq(&s->source, from))
		return;
	if (ip_is_set(&s->source))
		to = (struct ip){ .family = from->family };
	len = ip_to_sockaddr(&to, 0, &ss);
	s->has_sources = bind(s->in, (struct sockaddr *)&ss, len) < 0 ||
	    ip_is_set(&s->source);
	s->source = *from;
}
