/* sock_io.c - see sock_io.h. */
#include "arp/sock_io.h"

#include <errno.h>
#include <ev.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arp/ndp.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	RX_BATCH	= 64,	/* frames a turn and socket */
	RX_BYTES	= 256,	/* of each: ours have at most 86, options to spare */
	TX_QUEUE	= 512,	/* frames waiting for the socket */
	TX_BATCH	= 64,
	SOCKBUF_BYTES	= 1 << 20,	/* a burst of some 1000 frames, either way */
	FILTER_LINKS	= 64,	/* beyond, the kernel does not tell links apart */
	FILTER_MAX	= FILTER_LINKS + 16,
};

struct tx_item {
	int	ifindex;
	struct arp_frame frame;
};

struct sock_io {
	struct ev_loop *loop;
	struct sock_io_handler handler;
	struct ev_io arp, ndp;		/* readable */
	struct ev_io writable;		/* of arp.fd, active while the queue waits */
	struct tx_item queue[TX_QUEUE];	/* a ring */
	size_t	head, count;
};

static const struct metric frames_received = { "herald_l2_frames_received_total",
	"ARP and neighbour discovery frames received.", METRIC_COUNTER };
static const struct metric frames_bad = { "herald_l2_frames_malformed_total",
	"Frames refused by the decoders.", METRIC_COUNTER };
static const struct metric send_errors = { "herald_l2_send_errors_total",
	"Frames that the kernel refused or the queue had no room for.",
	METRIC_COUNTER };

static bool
is_nonblocking_error(int error)
{
	return error == EAGAIN || error == EINTR;
}

struct rx_batch {
	uint8_t	buf[RX_BATCH][RX_BYTES];
	struct sockaddr_ll from[RX_BATCH];
	struct iovec iov[RX_BATCH];
	struct mmsghdr msgs[RX_BATCH];
};

static int
receive(int fd, struct rx_batch *b)
{
	for (int i = 0; i < RX_BATCH; i++) {
		b->iov[i] = (struct iovec){ b->buf[i], RX_BYTES };
		b->msgs[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_iov = &b->iov[i], .msg_iovlen = 1,
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]) } };
	}
	return recvmmsg(fd, b->msgs, RX_BATCH, MSG_DONTWAIT, NULL);
}

static void
on_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct sock_io *s = w->data;
	struct rx_batch b;
	int n, nbad = 0;

	(void)loop;
	(void)revents;
	n = receive(w->fd, &b);
	if (n < 0) {
		/* The error of a device that went down is cleared by reading it. */
		if (!is_nonblocking_error(errno))
			log_debug(LOG_NONE, "packet socket: %s", strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		struct arp_events e;

		if (arp_frame_decode(b.buf[i], b.msgs[i].msg_len, &e) < 0)
			nbad++;
		else if (e.vlan_id == 0)	/* else of a VLAN without a link here */
			s->handler.frame(s->handler.arg, b.from[i].sll_ifindex, &e);
	}
	metrics_add(&frames_received, NULL, n);
	if (nbad > 0)
		metrics_add(&frames_bad, NULL, nbad);
	s->handler.turn(s->handler.arg);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct sock_io *s = w->data;

	(void)loop;
	(void)revents;
	sock_io_flush(s);
	s->handler.turn(s->handler.arg);
}

static int
open_socket(uint16_t protocol)
{
	const int size = SOCKBUF_BYTES, one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
		.sll_protocol = htons(protocol) };
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &none };
	int rc;

	if (fd < 0)
		return -errno;
	/* Protocol 0 so far: nothing arrives before the filter is there. */
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	return fd;
}

static void
start_reader(struct sock_io *s, struct ev_io *w, int fd)
{
	ev_io_init(w, on_readable, fd, EV_READ);
	w->data = s;
	ev_io_start(s->loop, w);
}

int
sock_io_new(struct ev_loop *loop, const struct sock_io_handler *handler,
    struct sock_io **ret)
{
	int arp_fd = open_socket(ETH_P_ARP), ndp_fd;
	struct sock_io *s;

	if (arp_fd < 0)
		return arp_fd;
	ndp_fd = open_socket(ETH_P_IPV6);
	if (ndp_fd < 0) {
		close(arp_fd);
		return ndp_fd;
	}
	s = mem_zalloc(sizeof(*s));
	s->loop = loop;
	s->handler = *handler;
	start_reader(s, &s->arp, arp_fd);
	start_reader(s, &s->ndp, ndp_fd);
	ev_io_init(&s->writable, on_writable, arp_fd, EV_WRITE);
	s->writable.data = s;
	*ret = s;
	return 0;
}

void
sock_io_free(struct sock_io *s)
{
	if (s == NULL)
		return;
	ev_io_stop(s->loop, &s->writable);
	ev_io_stop(s->loop, &s->arp);
	ev_io_stop(s->loop, &s->ndp);
	close(s->arp.fd);
	close(s->ndp.fd);
	free(s);
}

struct program {
	struct sock_filter f[FILTER_MAX];
	uint16_t len;
};

static void
put(struct program *p, struct sock_filter f)
{
	p->f[p->len++] = f;
}

/* Go on where the accumulator is k, else drop: the next statement is a "ret 0". */
static void
put_require(struct program *p, uint32_t k)
{
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
}

/* To us or to a group, on one of the links. */
static void
put_link_tests(struct program *p, const int *ifindexes, size_t n)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PACKET_OTHERHOST,
	    0, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
	if (n > FILTER_LINKS)
		return;
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)));
	/* A match jumps over the other comparisons and the drop after them. */
	for (size_t i = 0; i < n; i++)
		put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    (uint32_t)ifindexes[i], (uint8_t)(n - i), 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
}

/* IPv6 whose first header is ICMPv6, hop limit 255, type NS or NA. */
static void
put_ndp_tests(struct program *p)
{
	enum { NEXT_HEADER_AT = 20, HOP_LIMIT_AT = 21, TYPE_AT = 54 };

	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NEXT_HEADER_AT));
	put_require(p, IPPROTO_ICMPV6);
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HOP_LIMIT_AT));
	put_require(p, 255);
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TYPE_AT));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, NDP_SOLICIT));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
	    NDP_ADVERTISE - NDP_SOLICIT, 0, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
}

static void
attach(int fd, struct program *p)
{
	struct sock_fprog prog = { .len = p->len, .filter = p->f };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		log_error(LOG_NONE, "packet socket filter of %u statements: %s", p->len,
		    strerror(errno));
}

void
sock_io_set_links(struct sock_io *s, const int *ifindexes, size_t n)
{
	struct program arp = { .len = 0 }, ndp = { .len = 0 };
	const struct sock_filter accept = BPF_STMT(BPF_RET | BPF_K, RX_BYTES);

	put_link_tests(&arp, ifindexes, n);
	put(&arp, accept);
	put_link_tests(&ndp, ifindexes, n);
	put_ndp_tests(&ndp);
	put(&ndp, accept);
	attach(s->arp.fd, &arp);
	attach(s->ndp.fd, &ndp);
}

size_t
sock_io_room(const struct sock_io *s)
{
	return TX_QUEUE - s->count;
}

bool
sock_io_put(struct sock_io *s, int ifindex, const struct arp_frame *f)
{
	struct tx_item *item;

	if (sock_io_room(s) == 0)
		sock_io_flush(s);
	if (sock_io_room(s) == 0) {
		metrics_add(&send_errors, NULL, 1);
		return false;
	}
	item = &s->queue[(s->head + s->count++) % TX_QUEUE];
	item->ifindex = ifindex;
	item->frame = *f;
	return true;
}

/* Send the first frames of the queue; how many the kernel took, or -errno. */
static int
send_batch(struct sock_io *s)
{
	struct mmsghdr msgs[TX_BATCH] = { 0 };
	struct sockaddr_ll to[TX_BATCH];
	struct iovec iov[TX_BATCH];
	size_t n = s->count < TX_BATCH ? s->count : TX_BATCH;
	int sent;

	for (size_t i = 0; i < n; i++) {
		struct tx_item *item = &s->queue[(s->head + i) % TX_QUEUE];
		struct arp_frame *f = &item->frame;

		to[i] = (struct sockaddr_ll){ .sll_family = AF_PACKET,
			.sll_ifindex = item->ifindex, .sll_halen = ARP_MAC_LEN };
		memcpy(to[i].sll_addr, f->buf, ARP_MAC_LEN);
		memcpy(&to[i].sll_protocol, f->buf + 2 * ARP_MAC_LEN, 2);
		iov[i] = (struct iovec){ .iov_base = f->buf, .iov_len = f->len };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_name = &to[i], .msg_namelen = sizeof(to[i]) };
	}
	sent = sendmmsg(s->arp.fd, msgs, (unsigned)n, MSG_DONTWAIT);
	return sent < 0 ? -errno : sent;
}

static void
drop_first(struct sock_io *s, size_t n)
{
	s->head = (s->head + n) % TX_QUEUE;
	s->count -= n;
}

void
sock_io_flush(struct sock_io *s)
{
	while (s->count > 0) {
		int sent = send_batch(s);

		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN) {
			ev_io_start(s->loop, &s->writable);
			return;
		}
		if (sent <= 0) {
			/* Link down, device queue full: the next repeat is soon. */
			metrics_add(&send_errors, NULL, 1);
			sent = 1;
		}
		drop_first(s, (size_t)sent);
	}
	ev_io_stop(s->loop, &s->writable);
}

static int
membership(struct sock_io *s, int option, int ifindex, const uint8_t mac[ARP_MAC_LEN])
{
	struct packet_mreq m = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_MULTICAST,
		.mr_alen = ARP_MAC_LEN };

	memcpy(m.mr_address, mac, ARP_MAC_LEN);
	if (setsockopt(s->ndp.fd, SOL_PACKET, option, &m, sizeof(m)) < 0)
		return -errno;
	return 0;
}

int
sock_io_join(struct sock_io *s, int ifindex, const uint8_t mac[ARP_MAC_LEN])
{
	return membership(s, PACKET_ADD_MEMBERSHIP, ifindex, mac);
}

void
sock_io_leave(struct sock_io *s, int ifindex, const uint8_t mac[ARP_MAC_LEN])
{
	membership(s, PACKET_DROP_MEMBERSHIP, ifindex, mac);
}
