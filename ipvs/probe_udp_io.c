/*
 * probe_udp_io.c - is a datagram answered, and as it should be? Serves plain
 * UDP and DNS. Answers that are not to the point are waited past: a datagram
 * of an earlier probe may come late.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/probe_dns.h"
#include "ipvs/probe_impl.h"
#include "lib/clock.h"

enum { ANSWER_MAX = 4096 };

struct probe_udp {
	struct probe pr;
	int	fd;
	ev_io	io;
	uint8_t	query[PROBE_DNS_QUERY_MAX];
	size_t	query_len;		/* 0 unless DNS */
};

/* Judge one datagram; true where that was the end. */
static bool
judge_dns(struct probe_udp *u, const uint8_t *buf, size_t len)
{
	const char *name;
	uint8_t rcode = 0;

	switch (probe_dns_judge(u->query, u->query_len, buf, len, &rcode)) {
	case PROBE_DNS_OTHER:
		return false;
	case PROBE_DNS_RECORD:
		probe_good(&u->pr);
		return true;
	case PROBE_DNS_EMPTY:
		probe_bad(&u->pr, "answers without such a record");
		return true;
	case PROBE_DNS_BROKEN:
		probe_bad(&u->pr, "sends an answer that cannot be read");
		return true;
	case PROBE_DNS_FAILED:
		break;
	}
	name = probe_dns_rcode_name(rcode);
	if (name != NULL)
		probe_bad(&u->pr, "answers %s", name);
	else
		probe_bad(&u->pr, "answers RCODE %u", rcode);
	return true;
}

static bool
judge_udp(struct probe_udp *u, const uint8_t *buf, size_t len)
{
	const struct probe_conf *c = u->pr.target->conf;

	if (c->expect != NULL && memmem(buf, len, c->expect, c->expect_len) == NULL)
		return false;
	probe_good(&u->pr);
	return true;
}

static void
on_ready(struct ev_loop *loop, ev_io *io, int revents)
{
	struct probe_udp *u = io->data;
	uint8_t buf[ANSWER_MAX];
	ssize_t n;

	(void)loop;
	(void)revents;
	for (;;) {
		n = recv(u->fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			probe_failed(&u->pr, errno);
			return;
		}
		if (u->query_len > 0 ? judge_dns(u, buf, (size_t)n) :
		    judge_udp(u, buf, (size_t)n))
			return;
	}
}

/* Open, connect so that ICMP errors come to us, and send; 0 or -errno. */
static int
ask(struct probe_udp *u)
{
	const struct probe_target *t = u->pr.target;
	const uint8_t *buf = t->conf->send;
	size_t len = t->conf->send_len;
	struct sockaddr_storage to;
	socklen_t to_len = ip_to_sockaddr(&t->ip, t->port, &to);

	if (t->conf->kind == PROBE_DNS) {
		u->query_len = len = probe_dns_encode((uint16_t)clock_random(),
		    t->conf->dns_name, t->conf->dns_type, u->query);
		buf = u->query;
	}
	u->fd = probe_socket(t, SOCK_DGRAM);
	if (u->fd < 0)
		return u->fd;
	if (connect(u->fd, (struct sockaddr *)&to, to_len) < 0 ||
	    send(u->fd, buf, len, 0) < 0)
		return -errno;
	return 0;
}

static bool
start(struct probe *pr)
{
	struct probe_udp *u = (struct probe_udp *)pr;
	int rc;

	ev_init(&u->io, on_ready);
	u->fd = -1;
	rc = ask(u);
	if (rc < 0) {
		probe_failed(pr, -rc);
		return false;
	}
	ev_io_set(&u->io, u->fd, EV_READ);
	ev_set_priority(&u->io, EV_MAXPRI);
	u->io.data = u;
	ev_io_start(pr->prober->loop, &u->io);
	return true;
}

static void
stop(struct probe *pr)
{
	struct probe_udp *u = (struct probe_udp *)pr;

	ev_io_stop(pr->prober->loop, &u->io);
	if (u->fd >= 0)
		close(u->fd);
}

const struct probe_kind_ops probe_udp = { sizeof(struct probe_udp), start, stop };
