/*
 * probe_syn_io.c - half-open: would a TCP connection come about?
 *
 * A raw socket sends the SYN, and hears what comes back. No connection comes of it, so
 * that the application is not bothered with one that says nothing, and of two
 * endpoints the one whose queue of connections is full shows.
 *
 * SYNs are collected, and sent in one system call when the loop has done all that was
 * due. An endpoint of this machine has answered by then, so that answers are looked for
 * at once, before the loop sleeps. The sockets are syn_sock_io.c's, what is in the
 * packets probe_syn.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>	/* takes struct timespec for known */

#include "ipvs/probe_impl.h"
#include "ipvs/probe_syn.h"
#include "ipvs/syn_sock_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	BATCH = 128,			/* packets for a system call */
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
	struct syn_sock sock;		/* open from the first probe on */
	ev_io	io;			/* of sock.in */
	struct probe_half *queue[BATCH];
	unsigned nqueued;
	struct mmsghdr msgs[BATCH];	/* of either direction, so that they point at: */
	struct iovec iov[BATCH];
	struct sockaddr_storage addrs[BATCH];
	uint8_t	bytes[BATCH][SYN_HEARD_MAX];
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
close_side(struct syn_side *s)
{
	ev_io_stop(s->all->prober->loop, &s->io);
	syn_sock_close(&s->sock);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents);

/* 0 or -errno. */
static int
open_side(struct syn_side *s)
{
	int rc = syn_sock_open(&s->sock, family_of(s));

	if (rc < 0)
		return rc;
	ev_io_set(&s->io, s->sock.in, EV_READ);
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

	syn->from_port = s->sock.ports[random % SYN_NPORTS];
	syn->seq = probe_syn_seq(h->slot, s->all->secret, random / SYN_NPORTS);
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
		int rc = sendmmsg(s->sock.out, s->msgs + i, n - i, 0);

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
	return recvmmsg(s->sock.in, s->msgs, n, flags, NULL);
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
		syn_sock_init(&s->sock);
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
	int rc = s->sock.in >= 0 ? 0 : open_side(s);

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
	syn_sock_add_source(&s->sock, &h->syn.from);
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
