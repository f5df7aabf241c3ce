#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgp/bfd_udp_io.h"
#include "ipvs/syncd_nl.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/relay.h"
#include "speaker/relay_io.h"

enum { DATAGRAMS_MAX = 64 };		/* read in one go */

struct relay_io {
	struct ev_loop *loop;
	struct relay_io_conf conf;
	struct relay relay;
	struct ip self[2];		/* IPv4 first */
	struct ev_io peers[2];		/* to and from the others; fd -1: none */
	struct ev_io daemons;		/* to and from the kernel's; likewise */
	int	link;			/* that daemons is on; 0 none */
	bool	has_warned;		/* since what others sent was last good */
};

static const struct metric m_conns = { "herald_sync_connections_total",
	"Connections told to the other directors, and taken from them.", METRIC_COUNTER };
static const struct metric m_datagrams = { "herald_sync_datagrams_total",
	"Datagrams of connections from other speakers, by what they were.",
	METRIC_COUNTER };

/* --- from the kernel to the others ------------------------------------------- */

static void
send_all(struct relay_io *r, const uint8_t *msg, size_t len)
{
	struct bfd_udp_dst to = { .port = r->conf.port };
	uint8_t buf[2][RELAY_PACKET_MAX];
	size_t n[2] = { 0, 0 };

	for (size_t i = 0; i < r->relay.n; i++) {
		int f;

		to.addr = r->relay.peers[i].ip;
		f = ip_is_v4(&to.addr) ? 0 : 1;
		if (r->peers[f].fd < 0)
			continue;
		if (n[f] == 0)
			n[f] = relay_wrap(&r->relay, &r->self[f], msg, len, buf[f]);
		/* What is lost is told again. */
		(void)bfd_udp_send(r->peers[f].fd, &r->self[f], &to, buf[f], n[f]);
	}
}

static void
on_daemon(struct ev_loop *loop, ev_io *io, int revents)
{
	struct relay_io *r = io->data;
	struct sync_conn conns[CONN_SYNC_MAX];
	uint8_t buf[CONN_SYNC_MESSAGE_MAX];
	size_t n;

	(void)revents;
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		ssize_t len = recv(io->fd, buf, sizeof(buf), MSG_DONTWAIT);

		/* A link that is gone is made again: relay_io_follow(). */
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			ev_io_stop(loop, io);
		if (len < 0)
			return;
		if (conn_sync_decode(buf, (size_t)len, conns, &n) < 0)
			continue;
		n = conn_sync_give(r->conf.want, conns, n);
		if (n == 0)
			continue;
		metrics_add(&m_conns, "kind=\"told\"", (double)n);
		send_all(r, buf, conn_sync_encode(conns, n, buf));
	}
}

/* --- from the others to the kernel ------------------------------------------- */

static void
give_kernel(struct relay_io *r, const uint8_t *msg, size_t len)
{
	const struct sockaddr_in group = { .sin_family = AF_INET,
		.sin_port = htons(SYNCD_PORT), .sin_addr.s_addr = inet_addr(SYNCD_GROUP) };
	struct sync_conn conns[CONN_SYNC_MAX];
	uint8_t buf[CONN_SYNC_MESSAGE_MAX];
	size_t n;

	if (r->daemons.fd < 0 || conn_sync_decode(msg, len, conns, &n) < 0)
		return;
	n = conn_sync_take(r->conf.want, conns, n);
	if (n == 0)
		return;
	if (sendto(r->daemons.fd, buf, conn_sync_encode(conns, n, buf), MSG_DONTWAIT,
	    (const struct sockaddr *)&group, sizeof(group)) >= 0)
		metrics_add(&m_conns, "kind=\"taken\"", (double)n);
}

static void
count_datagram(struct relay_io *r, const struct ip *from, enum relay_heard heard)
{
	static const char *const labels[] = {
		[RELAY_NEWS] = "kind=\"news\"", [RELAY_OLD] = "kind=\"old\"",
		[RELAY_STRANGER] = "kind=\"stranger\"",
		[RELAY_UNSIGNED] = "kind=\"unsigned\"", [RELAY_BROKEN] = "kind=\"broken\"",
	};

	metrics_add(&m_datagrams, labels[heard], 1);
	if (heard == RELAY_NEWS || r->has_warned) {
		r->has_warned &= heard != RELAY_NEWS;
		return;
	}
	r->has_warned = heard == RELAY_UNSIGNED || heard == RELAY_BROKEN;
	if (heard == RELAY_UNSIGNED)
		log_warn(LOG_OBJ("peer", IP_STR(from)), "its connections are not signed as "
		    "ours: give all speakers the same --liveness-key-file");
	else if (heard == RELAY_BROKEN)
		log_warn(LOG_OBJ("peer", IP_STR(from)), "sends what no speaker does: see "
		    "what else uses the port (--sync-port)");
}

static void
ignore(void *arg, const struct bfd_datagram *d)
{
	(void)arg;
	(void)d;
}

static void
on_peer(struct ev_loop *loop, ev_io *io, int revents)
{
	struct relay_io *r = io->data;
	uint8_t buf[RELAY_PACKET_MAX + 1];	/* to see that one is too long */

	(void)loop;
	(void)revents;
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		struct sockaddr_storage ss;
		socklen_t ss_len = sizeof(ss);
		ssize_t n = recvfrom(io->fd, buf, sizeof(buf), MSG_DONTWAIT,
		    (struct sockaddr *)&ss, &ss_len);
		enum relay_heard heard;
		const uint8_t *msg;
		struct ip from;
		size_t len;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)	/* a queued ICMP error, in place of the datagram */
			continue;
		from = ip_from_sockaddr((struct sockaddr *)&ss);
		heard = relay_unwrap(&r->relay, &from, buf, (size_t)n, &msg, &len);
		count_datagram(r, &from, heard);
		if (heard == RELAY_NEWS)
			give_kernel(r, msg, len);
	}
	/* Speakers without the option; left queued, these would wake us for ever. */
	bfd_udp_refused(io->fd, DATAGRAMS_MAX, ignore, NULL);
}

/* --- both ends ------------------------------------------------------------------ */

void
relay_io_set_nodes(struct relay_io *r, const struct ip self[2], const struct alive *nodes)
{
	struct ip *ips = mem_zalloc((nodes->n + 1) * sizeof(*ips));
	size_t n = 0;

	for (size_t i = 0; i < nodes->n; i++) {
		if (alive_is_heard(&nodes->nodes[i]))
			ips[n++] = nodes->nodes[i].ip;
	}
	relay_set_peers(&r->relay, ips, n);
	r->self[0] = self[0];
	r->self[1] = self[1];
	free(ips);
}

static void
close_io(struct relay_io *r, ev_io *io)
{
	if (io->fd < 0)
		return;
	ev_io_stop(r->loop, io);
	close(io->fd);
	ev_io_set(io, -1, EV_READ);
}

static void
open_io(struct relay_io *r, ev_io *io, int fd)
{
	ev_io_set(io, fd, EV_READ);
	ev_io_start(r->loop, io);
}

void
relay_io_follow(struct relay_io *r, struct director *d)
{
	int fd;

	if (r->link == director_sync_link(d))
		return;
	close_io(r, &r->daemons);
	r->link = 0;
	fd = director_sync_socket(d);
	if (fd < 0) {
		log_warn(LOG_NONE, "connection sync: no socket in the director: %s",
		    strerror(-fd));
		return;
	}
	r->link = director_sync_link(d);
	open_io(r, &r->daemons, fd);
}

static int
open_peers(struct relay_io *r, int f, char err[256])
{
	int fd = bfd_udp_open(f == 0 ? AF_INET : AF_INET6, r->conf.port, "",
	    false, err);

	/* A kernel may be without IPv6; the other family must be there. */
	if (fd < 0)
		return fd == -EAFNOSUPPORT && f == 1 ? 0 : fd;
	open_io(r, &r->peers[f], fd);
	return 0;
}

struct relay_io *
relay_io_new(struct ev_loop *loop, const struct relay_io_conf *conf, char err[256])
{
	struct relay_io *r = mem_zalloc(sizeof(*r));

	r->loop = loop;
	r->conf = *conf;
	relay_init(&r->relay, (uint64_t)clock_wall_ns(), conf->keys);
	ev_io_init(&r->daemons, on_daemon, -1, EV_READ);
	ev_io_init(&r->peers[0], on_peer, -1, EV_READ);
	ev_io_init(&r->peers[1], on_peer, -1, EV_READ);
	r->daemons.data = r->peers[0].data = r->peers[1].data = r;
	if (open_peers(r, 0, err) == 0 && open_peers(r, 1, err) == 0)
		return r;
	relay_io_free(r);
	return NULL;
}

void
relay_io_free(struct relay_io *r)
{
	if (r == NULL)
		return;
	close_io(r, &r->daemons);
	close_io(r, &r->peers[0]);
	close_io(r, &r->peers[1]);
	relay_fini(&r->relay);
	free(r);
}
