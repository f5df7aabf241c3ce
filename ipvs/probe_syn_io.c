/*
 * probe_syn_io.c - half-open: would a TCP connection come about?
 *
 * A raw socket sends the SYN, and hears what comes back. No connection comes of it, so
 * that the application is not bothered with one that says nothing, and of two
 * endpoints the one whose queue of connections is full shows.
 *
 * The ports that SYNs come from are held by TCP sockets that are bound and no more:
 * nobody else gets them, and since nothing is open there the kernel itself answers a
 * SYN-ACK with a reset, and the endpoint forgets. There are a few, taken by chance: an
 * endpoint that missed the reset answers a SYN from the same port with an ACK for the
 * connection it believes in (RFC 9293, 3.5.1), which is no answer to us.
 *
 * SYNs are collected, and sent in one system call when the loop has done all that was
 * due. An endpoint of this machine has answered by then, so that answers are looked for
 * at once, before the loop sleeps.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>	/* takes struct timespec for known */

#include "ipvs/probe_impl.h"
#include "ipvs/probe_syn.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	BATCH = 128,			/* packets for a system call */
	NPORTS = 4,
	HEARD_MAX = 128,		/* bytes looked at: headers, options and all */
	BUFFER_BYTES = 4 << 20,		/* answers of 250 ms, at 20,000 a second */
	NOT_QUEUED = BATCH,
	NO_SLOT = PROBE_SYN_NSLOTS,
};

struct probe_half {
	struct probe pr;
	struct probe_syn syn;
	uint32_t slot;
	unsigned queued;		/* its place in the queue, or NOT_QUEUED */
};

/* One family's. */
struct syn_side {
	struct probe_syns *all;
	int	out, in;		/* raw sockets; -1: not open */
	struct ip source;		/* in is bound to it; IP_NONE: to none */
	bool	has_sources;		/* SYNs come from several: it must not be bound */
	int	held[NPORTS];		/* TCP sockets, bound */
	uint16_t ports[NPORTS];		/* to these */
	ev_io	io;			/* of in */
	struct probe_half *queue[BATCH];
	unsigned nqueued;
	struct mmsghdr msgs[BATCH];	/* of either direction, so that they point at: */
	struct iovec iov[BATCH];
	struct sockaddr_storage addrs[BATCH];
	uint8_t	bytes[BATCH][HEARD_MAX];
};

struct syn_slot {
	struct probe_half *half;	/* NULL: free */
	uint32_t next_free;		/* then: another, or NO_SLOT */
};

struct probe_syns {
	struct prober *prober;
	struct syn_side side[2];	/* IPv4 first */
	ev_prepare before_sleep;
	uint32_t secret;		/* see probe_syn_seq() */
	struct syn_slot *slots;
	size_t	nslots, slots_cap;
	uint32_t free;			/* the first free slot, or NO_SLOT */
};

static enum ip_family
family_of(const struct syn_side *s)
{
	return s == &s->all->side[0] ? IP_V4 : IP_V6;
}

static struct syn_side *
side_of(const struct probe *pr)
{
	return &pr->prober->syns->side[ip_is_v4(&pr->target->ip) ? 0 : 1];
}

/* --- what is asked of whom --------------------------------------------------- */

static int
take_slot(struct probe_syns *all, struct probe_half *h)
{
	if (all->free != NO_SLOT) {
		h->slot = all->free;
		all->free = all->slots[h->slot].next_free;
	} else if (all->nslots < PROBE_SYN_NSLOTS) {
		all->slots = mem_grow(all->slots, all->nslots, &all->slots_cap,
		    sizeof(all->slots[0]));
		h->slot = (uint32_t)all->nslots++;
	} else {
		return -EAGAIN;
	}
	all->slots[h->slot].half = h;
	return 0;
}

static void
give_slot(struct probe_syns *all, struct probe_half *h)
{
	if (h->slot == NO_SLOT)
		return;
	all->slots[h->slot] = (struct syn_slot){ NULL, all->free };
	all->free = h->slot;
}

/* The probe that message i, of which a was read, is for, or NULL. */
static struct probe_half *
find(struct syn_side *s, unsigned i, struct probe_syn_answer *a)
{
	uint32_t slot = probe_syn_slot(a->seq, s->all->secret);
	struct probe_half *h;

	if (!ip_is_set(&a->to))
		a->to = ip_from_sockaddr((struct sockaddr *)&s->addrs[i]);
	if (slot >= s->all->nslots)
		return NULL;
	h = s->all->slots[slot].half;
	return h != NULL && probe_syn_is_answer(&h->syn, a) ? h : NULL;
}

/* --- sockets ----------------------------------------------------------------- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_side(struct syn_side *s)
{
	ev_io_stop(s->all->prober->loop, &s->io);
	close_fd(&s->in);
	close_fd(&s->out);
	for (size_t i = 0; i < NPORTS; i++)
		close_fd(&s->held[i]);
}

/* Ports of the kernel's choosing; 0 or -errno. */
static int
hold_ports(struct syn_side *s)
{
	struct ip any = { .family = (uint8_t)family_of(s) };
	struct sockaddr_storage ss;
	const int one = 1;

	for (size_t i = 0; i < NPORTS; i++) {
		socklen_t len = ip_to_sockaddr(&any, 0, &ss);

		s->held[i] = socket(ip_af(&any), SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (family_of(s) == IP_V6)
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
attach_filter(struct syn_side *s)
{
	struct sock_filter code[NPORTS + 4] = {
		/* Over IPv4 a raw socket gets the IP header, too. */
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	};
	struct sock_fprog prog = { .len = (unsigned short)nitems(code), .filter = code };

	if (family_of(s) == IP_V6)
		code[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0);
	for (unsigned i = 0; i < NPORTS; i++)
		code[2 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    s->ports[i], (uint8_t)(NPORTS - i), 0);
	code[2 + NPORTS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[3 + NPORTS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, HEARD_MAX);
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

/*
 * Hear only what is sent to the address that SYNs come from, while it is one: each
 * packet to another, such as the SYN to an endpoint of this namespace, would be cloned
 * for the socket before its filter says no. With a second, and where the one is no
 * address to bind to (a link-local one), all is heard.
 */
static void
bind_source(struct syn_side *s, const struct ip *from)
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

static void on_readable(struct ev_loop *loop, ev_io *io, int revents);

/* 0, or -errno with all closed again. */
static int
open_side(struct syn_side *s)
{
	int af = family_of(s) == IP_V4 ? AF_INET : AF_INET6, rc;
	const int one = 1, type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;

	/* IPPROTO_RAW: what is sent has its IP header, and nothing is received. */
	s->out = socket(af, type, IPPROTO_RAW);
	s->in = socket(af, type, IPPROTO_TCP);
	ev_io_set(&s->io, s->in, EV_READ);
	rc = s->out < 0 || s->in < 0 ? -errno : hold_ports(s);
	if (rc == 0)
		rc = attach_filter(s);
	/* ICMP errors, with what they quote. */
	if (rc == 0 && (family_of(s) == IP_V4 ?
	    setsockopt(s->in, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)) :
	    setsockopt(s->in, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one))) < 0)
		rc = -errno;
	if (rc < 0) {
		close_side(s);
		return rc;
	}
	set_buffer(s->in, SO_RCVBUF, SO_RCVBUFFORCE);
	set_buffer(s->out, SO_SNDBUF, SO_SNDBUFFORCE);
	/* Before the timers of the same moment: late is better than never. */
	ev_set_priority(&s->io, EV_MAXPRI);
	s->io.data = s;
	ev_io_start(s->all->prober->loop, &s->io);
	return 0;
}

/* --- sending ------------------------------------------------------------------ */

static void
unqueue(struct syn_side *s, struct probe_half *h)
{
	if (h->queued == NOT_QUEUED)
		return;
	s->queue[h->queued] = s->queue[--s->nqueued];
	s->queue[h->queued]->queued = h->queued;
	h->queued = NOT_QUEUED;
}

/* Message i is a SYN of that probe's. */
static void
write_syn(struct syn_side *s, unsigned i, struct probe_half *h, uint32_t random)
{
	struct probe_syn *syn = &h->syn;

	syn->from_port = s->ports[random % NPORTS];
	syn->seq = probe_syn_seq(h->slot, s->all->secret, random / NPORTS);
	s->iov[i] = (struct iovec){ s->bytes[i], probe_syn_encode(syn, s->bytes[i]) };
	s->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i], .msg_iovlen = 1,
		.msg_name = &s->addrs[i],
		.msg_namelen = ip_to_sockaddr(&syn->to, 0, &s->addrs[i]) };
}

/* Send what is collected. Probes that cannot be made end here. */
static void
flush(struct syn_side *s)
{
	struct probe_half *sent[BATCH];
	unsigned n = s->nqueued, i = 0;
	uint32_t random[BATCH];

	if (n == 0)
		return;
	if (getrandom(random, sizeof(random[0]) * n, 0) < 0)
		abort();
	for (; i < n; i++) {
		sent[i] = s->queue[i];
		sent[i]->queued = NOT_QUEUED;
		write_syn(s, i, sent[i], random[i]);
	}
	s->nqueued = 0;
	for (i = 0; i < n;) {
		int rc = sendmmsg(s->out, s->msgs + i, n - i, 0);

		/* EPERM: a firewall dropped it, which is as lost as any on its way. */
		if (rc < 0 && errno != EPERM)
			probe_failed(&sent[i]->pr, errno);
		i += rc < 0 ? 1 : (unsigned)rc;
	}
}

/* --- hearing ------------------------------------------------------------------- */

/* Receive up to n; as recvmmsg(2). */
static int
hear(struct syn_side *s, unsigned n, void *control, size_t control_len, int flags)
{
	/* Over IPv4 the packet says whom it is from, and its error not. */
	bool is_named = family_of(s) == IP_V6 || flags & MSG_ERRQUEUE;

	for (unsigned i = 0; i < n; i++) {
		s->iov[i] = (struct iovec){ s->bytes[i], sizeof(s->bytes[i]) };
		s->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i],
			.msg_iovlen = 1, .msg_name = is_named ? &s->addrs[i] : NULL,
			.msg_namelen = is_named ? sizeof(s->addrs[i]) : 0,
			.msg_control = control, .msg_controllen = control_len };
	}
	return recvmmsg(s->in, s->msgs, n, flags, NULL);
}

static void
judge(struct syn_side *s, unsigned i)
{
	struct probe_syn_answer a;
	enum probe_syn_verdict v = probe_syn_judge(family_of(s), s->bytes[i],
	    s->msgs[i].msg_len, &a);
	struct probe_half *h = v != PROBE_SYN_OTHER ? find(s, i, &a) : NULL;

	if (h == NULL)
		return;
	if (v == PROBE_SYN_REFUSED) {
		probe_failed(&h->pr, ECONNREFUSED);
		return;
	}
	h->pr.target->from = h->syn.from;
	probe_good(&h->pr);
}

/* What has come, and no waiting; false where there may be ICMP errors. */
static bool
drain(struct syn_side *s)
{
	int n;

	do {
		n = hear(s, BATCH, NULL, 0, 0);
		for (int i = 0; i < n; i++)
			judge(s, (unsigned)i);
	} while (n == BATCH);
	return n >= 0 || errno == EAGAIN;
}

static void
drain_errors(struct syn_side *s)
{
	union {
		struct cmsghdr head;
		char	room[256];
	} control;

	while (hear(s, 1, &control, sizeof(control), MSG_ERRQUEUE) == 1) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&s->msgs[0].msg_hdr);
		struct sock_extended_err e;
		struct probe_syn_answer a;
		struct probe_half *h;

		if (c == NULL || c->cmsg_len < CMSG_LEN(sizeof(e)) ||
		    probe_syn_quoted(s->bytes[0], s->msgs[0].msg_len, &a) != 0)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		h = find(s, 0, &a);
		if (h != NULL)
			probe_failed(&h->pr, (int)e.ee_errno);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct syn_side *s = io->data;

	(void)loop;
	(void)revents;
	/* An error that is heard of first has put off what can be read. */
	(void)drain(s);
	drain_errors(s);
}

/*
 * Hearing after each batch, not only before the loop sleeps: where this thread was kept
 * from running, all endpoints are due at once, more than have room in the buffer.
 */
static void
flush_and_hear(struct syn_side *s)
{
	flush(s);
	if (!drain(s))
		drain_errors(s);
}

static void
on_before_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct probe_syns *all = w->data;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < nitems(all->side); i++) {
		if (all->side[i].nqueued > 0)
			flush_and_hear(&all->side[i]);
	}
}

/* --- probes --------------------------------------------------------------------- */

static struct probe_syns *
syns_new(struct prober *p)
{
	struct probe_syns *all = mem_zalloc(sizeof(*all));

	all->prober = p;
	all->secret = (uint32_t)clock_random();
	all->free = NO_SLOT;
	for (size_t i = 0; i < nitems(all->side); i++) {
		struct syn_side *s = &all->side[i];

		s->all = all;
		s->in = s->out = -1;
		memset(s->held, -1, sizeof(s->held));
		ev_init(&s->io, on_readable);
	}
	ev_prepare_init(&all->before_sleep, on_before_sleep);
	all->before_sleep.data = all;
	ev_prepare_start(p->loop, &all->before_sleep);
	return all;
}

void
probe_syn_fini(struct prober *p)
{
	if (p->syns == NULL)
		return;
	ev_prepare_stop(p->loop, &p->syns->before_sleep);
	for (size_t i = 0; i < nitems(p->syns->side); i++)
		close_side(&p->syns->side[i]);
	free(p->syns->slots);
	free(p->syns);
}

/* The address that the kernel would speak to it from; 0 or -errno. */
static int
find_source(const struct probe_target *t, struct ip *ret)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&t->ip, t->port, &ss);
	int fd = probe_socket(t, SOCK_DGRAM), rc = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		rc = -errno;
	else
		*ret = ip_from_sockaddr((struct sockaddr *)&ss);
	close(fd);
	return rc;
}

static int
enqueue(struct syn_side *s, struct probe_half *h)
{
	struct probe_target *t = h->pr.target;
	int rc = s->in >= 0 ? 0 : open_side(s);

	h->syn.to = t->ip;
	h->syn.to_port = t->port;
	/* It holds until a probe fails, perhaps for coming from the wrong address. */
	h->syn.from = t->from;
	t->from = (struct ip){ .family = IP_NONE };
	if (rc == 0 && !ip_is_set(&h->syn.from))
		rc = find_source(t, &h->syn.from);
	if (rc == 0)
		rc = take_slot(s->all, h);
	if (rc < 0)
		return rc;
	bind_source(s, &h->syn.from);
	if (s->nqueued == BATCH)
		flush_and_hear(s);
	h->queued = s->nqueued;
	s->queue[s->nqueued++] = h;
	return 0;
}

static bool
start(struct probe *pr)
{
	struct probe_half *h = (struct probe_half *)pr;
	int rc;

	if (pr->prober->syns == NULL)
		pr->prober->syns = syns_new(pr->prober);
	h->slot = NO_SLOT;
	h->queued = NOT_QUEUED;
	rc = enqueue(side_of(pr), h);
	if (rc == 0)
		return true;
	if (rc == -EPERM)
		probe_unknown(pr, "a raw socket takes CAP_NET_RAW, which this lacks");
	else
		probe_failed(pr, -rc);
	return false;
}

static void
stop(struct probe *pr)
{
	struct probe_half *h = (struct probe_half *)pr;

	unqueue(side_of(pr), h);
	give_slot(pr->prober->syns, h);
}

const struct probe_kind_ops probe_half_open = { sizeof(struct probe_half), start, stop };
