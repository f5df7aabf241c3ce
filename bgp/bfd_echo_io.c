/*
 * bfd_echo_io.c - Echo packets of an instance's peers (RFC 5881, 4).
 *
 * Their destination is an address of ours and yet they are to go to the peer: a raw
 * socket is told of the one in the packet and of the other as where to send it, so
 * that the kernel finds the peer's link-layer address as for any packet. And the
 * kernel takes what comes from its own address for a forgery: a packet socket hears
 * it before that. Both take CAP_NET_RAW.
 *
 * Their source is our address on the link, which every reverse path filter passes.
 * RFC 5881 would rather have one of another subnet, so that the router does not send
 * ICMP redirects; but which others it routes to us we do not know. The manual says
 * what to set there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "bgp/bfd_impl.h"
#include "bgp/bfd_udp_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum { TURN_MAX = 256 };	/* packets taken in one turn of the loop */

static const struct metric m_active = {
	"herald_bfd_echo_active", "Echo packets come back from the peer", METRIC_GAUGE,
};

/* The kernel passes on UDP for the Echo port that was forwarded once at most. */
static struct sock_filter filter4[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 7),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 254, 0, 5),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x45, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 22),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BFD_ECHO_PORT, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, BFD_ECHO_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static struct sock_filter filter6[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 5),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 7),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 254, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 42),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BFD_ECHO_PORT, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, BFD_ECHO_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* The filter comes before the binding: nothing else is ever queued. */
static int
open_in(int family)
{
	bool is_v4 = family == AF_INET;
	struct sock_fprog prog = {
		.len = is_v4 ? nitems(filter4) : nitems(filter6),
		.filter = is_v4 ? filter4 : filter6,
	};
	struct sockaddr_ll any = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(is_v4 ? ETH_P_IP : ETH_P_IPV6),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0) {
		e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

static int
open_out(int family, const char *device)
{
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW), e;

	if (fd < 0)
		return -errno;
	if (device[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
	    (socklen_t)strlen(device)) < 0) {
		e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

static void
on_packet(void *arg, const struct bfd_datagram *d)
{
	struct bfd_io *b = arg;
	struct bfd_echo_pkt pkt;
	struct bfd_peer *p;

	if (bfd_echo_decode(d->buf, d->len, &pkt) < 0)
		return;
	/* Others' packets, which this host forwards back to them, come by here too. */
	p = bfd_peer_by_discr(b, pkt.discr);
	if (p != NULL && bfd_rx_echo(&p->bfd, &pkt) == 0)
		bfd_peer_settle(p, clock_mono());
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct bfd_io *b = w->data;

	(void)loop;
	(void)revents;
	bfd_udp_recv(w->fd, TURN_MAX, on_packet, b);
	bfd_io_report(b);
}

void
bfd_echo_io_init(struct bfd_io *b)
{
	for (int i = 0; i < 2; i++) {
		ev_io_init(&b->echo_in[i], on_readable, -1, EV_READ);
		b->echo_in[i].data = b;
		ev_set_priority(&b->echo_in[i], EV_MAXPRI);
		b->echo_out[i] = -1;
	}
}

void
bfd_echo_io_fini(struct bfd_io *b)
{
	for (int i = 0; i < 2; i++) {
		if (b->echo_out[i] < 0)
			continue;
		ev_io_stop(b->loop, &b->echo_in[i]);
		close(b->echo_in[i].fd);
		close(b->echo_out[i]);
	}
}

bool
bfd_echo_io_open(struct bfd_io *b, const struct ip *peer)
{
	int i = !ip_is_v4(peer), out, in;

	if (b->echo_out[i] >= 0)
		return true;
	out = open_out(ip_af(peer), b->device);
	in = out < 0 ? out : open_in(ip_af(peer));
	if (in < 0) {
		if (out >= 0)
			close(out);
		log_warn(LOG_OBJ("peer", IP_STR(peer)), "BFD sends no Echo packets: %s%s",
		    strerror(-in), in == -EPERM ? " (grant CAP_NET_RAW)" : "");
		return false;
	}
	b->echo_out[i] = out;
	ev_io_set(&b->echo_in[i], in, EV_READ);
	ev_io_start(b->loop, &b->echo_in[i]);
	return true;
}

void
bfd_echo_io_flush(struct bfd_peer *p, struct mono now)
{
	struct bfd_udp_dst dst = { p->conf.addr, p->conf.scope, 0 };
	uint8_t buf[BFD_ECHO_MAX];
	size_t len = bfd_echo_tx(&p->bfd.echo, &p->local, now, buf);

	/* One that cannot leave does not come back either: the engine will notice. */
	if (len > 0)
		bfd_udp_send(p->io->echo_out[!ip_is_v4(&dst.addr)], &p->local, &dst, buf,
		    len);
}

enum bfd_io_echo
bfd_echo_io_view(const struct bfd_peer *p)
{
	if (p->bfd.conf.echo_us == 0 || p->bfd.state != BFD_UP)
		return BFD_IO_ECHO_OFF;
	if (p->bfd.echo.interval_us == 0)
		return BFD_IO_ECHO_NOT_TAKEN;
	return p->bfd.echo.is_active ? BFD_IO_ECHO_ACTIVE : BFD_IO_ECHO_UNANSWERED;
}

/*
 * That none has come back is so at the beginning of each session, and where they did
 * before, it will soon be told as the session's end.
 */
static bool
is_too_early(const struct bfd_peer *p, enum bfd_io_echo state)
{
	const struct bfd_echo *e = &p->bfd.echo;

	return state == BFD_IO_ECHO_UNANSWERED &&
	    (e->is_proven || e->seq - e->seq_back < e->mult);
}

void
bfd_echo_io_tell(struct bfd_peer *p)
{
	enum bfd_io_echo state = bfd_echo_io_view(p);
	char labels[128];

	if (state == p->told_echo || is_too_early(p, state))
		return;
	p->told_echo = state;
	metrics_set(&m_active, metrics_labels(labels, sizeof(labels), "peer",
	    IP_STR(&p->conf.addr), NULL), state == BFD_IO_ECHO_ACTIVE);
	switch (state) {
	case BFD_IO_ECHO_OFF:
		break;			/* the session is down, and that is told */
	case BFD_IO_ECHO_NOT_TAKEN:
		log_info(LOG_OBJ("peer", IP_STR(&p->conf.addr)),
		    "BFD runs without Echo: the peer takes none");
		break;
	case BFD_IO_ECHO_UNANSWERED:
		log_warn(LOG_OBJ("peer", IP_STR(&p->conf.addr)), "BFD Echo packets do not "
		    "come back, so failures are found by control packets alone: does the "
		    "peer forward packets from its link back to it, and what comes from "
		    "%s there?", IP_STR(&p->local));
		break;
	case BFD_IO_ECHO_ACTIVE:
		log_info(LOG_OBJ("peer", IP_STR(&p->conf.addr)), "BFD Echo packets come "
		    "back: a failure of forwarding is found within %g ms",
		    (double)bfd_echo_detect_us(&p->bfd.echo) / 1e3);
		break;
	}
}

void
bfd_echo_io_forget(const struct bfd_peer *p)
{
	char labels[128];

	metrics_drop(&m_active, metrics_labels(labels, sizeof(labels), "peer",
	    IP_STR(&p->conf.addr), NULL));
}

const char *
bfd_io_echo_name(enum bfd_io_echo e)
{
	static const char *const names[] = {
		[BFD_IO_ECHO_OFF] = "off", [BFD_IO_ECHO_NOT_TAKEN] = "not-taken",
		[BFD_IO_ECHO_UNANSWERED] = "unanswered", [BFD_IO_ECHO_ACTIVE] = "active",
	};

	return e < nitems(names) ? names[e] : "?";
}
