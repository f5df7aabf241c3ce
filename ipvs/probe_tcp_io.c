/*
 * probe_tcp_io.c - does a TCP connection come about?
 *
 * Made cheap, for it is made often: an endpoint of this node answers while
 * connect() still runs (its SYN-ACK waits in the socket's backlog until the
 * call lets go), so that a second connect() finds the connection there and the
 * event loop is not asked at all. It ends with a reset, not with FINs: nothing
 * is left in TIME_WAIT, where 20,000 a second would exhaust the kernel's table.
 * And a socket that has been connected is disconnected and used again, which
 * costs a fifth less than a new one.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipvs/probe_impl.h"

struct probe_tcp {
	struct probe pr;
	struct sockaddr_storage to;
	socklen_t to_len;
	int	fd;
	bool	is_connected;
	ev_io	io;
};

/* Ask again: 0 connected, -EALREADY not yet, or why it failed. */
static int
ask(struct probe_tcp *t)
{
	if (connect(t->fd, (struct sockaddr *)&t->to, t->to_len) == 0 ||
	    errno == EISCONN)
		return 0;
	return errno == EINPROGRESS ? -EALREADY : -errno;
}

static void
end(struct probe_tcp *t, int rc)
{
	t->is_connected = rc == 0;
	if (rc == 0)
		probe_good(&t->pr);
	else
		probe_failed(&t->pr, -rc);
}

static void
on_ready(struct ev_loop *loop, ev_io *io, int revents)
{
	struct probe_tcp *t = io->data;
	int rc = ask(t);

	(void)loop;
	(void)revents;
	if (rc != -EALREADY)
		end(t, rc);
}

/* One that is there, or a new one; -errno. */
static int
take_socket(struct prober *p, const struct probe_target *target)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int v6 = !ip_is_v4(&target->ip), fd;

	if (p->nsocks[v6] > 0)
		return p->socks[v6][--p->nsocks[v6]];
	fd = probe_socket(target, SOCK_STREAM);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void
give_socket(struct prober *p, const struct probe_tcp *t)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int v6 = !ip_is_v4(&t->pr.target->ip);

	/* Disconnecting resets, too. One that never connected may have news yet. */
	if (t->is_connected && p->nsocks[v6] < PROBE_NSOCK_MAX &&
	    connect(t->fd, &nobody, sizeof(nobody)) == 0)
		p->socks[v6][p->nsocks[v6]++] = t->fd;
	else
		close(t->fd);
}

void
probe_tcp_fini(struct prober *p)
{
	for (int v6 = 0; v6 < 2; v6++) {
		while (p->nsocks[v6] > 0)
			close(p->socks[v6][--p->nsocks[v6]]);
	}
}

static bool
start(struct probe *pr)
{
	struct probe_tcp *t = (struct probe_tcp *)pr;
	int rc;

	ev_init(&t->io, on_ready);
	t->fd = take_socket(pr->prober, pr->target);
	if (t->fd < 0) {
		end(t, t->fd);
		return false;
	}
	t->to_len = ip_to_sockaddr(&pr->target->ip, pr->target->port, &t->to);
	rc = ask(t);
	if (rc == -EALREADY)
		rc = ask(t);
	if (rc != -EALREADY) {
		end(t, rc);
		return false;
	}
	ev_io_set(&t->io, t->fd, EV_WRITE);
	/* Before the timer of the same moment: late is better than never. */
	ev_set_priority(&t->io, EV_MAXPRI);
	t->io.data = t;
	ev_io_start(pr->prober->loop, &t->io);
	return true;
}

static void
stop(struct probe *pr)
{
	struct probe_tcp *t = (struct probe_tcp *)pr;

	ev_io_stop(pr->prober->loop, &t->io);
	if (t->fd >= 0)
		give_socket(pr->prober, t);
}

const struct probe_kind_ops probe_tcp = { sizeof(struct probe_tcp), start, stop };
