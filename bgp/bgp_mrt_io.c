/*
 * bgp_mrt_io.c - records go out whole, by one write(), so that a reader of the
 * file sees at most the last one in part.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bgp/bgp_impl.h"
#include "bgp/bgp_mrt_io.h"
#include "bgp/mrt.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { RETRY_SEC = 60 };

struct bgp_mrt {
	char	*path, *old_path;
	uint64_t max_bytes, bytes;
	int	fd;			/* -1 closed */
	struct mono retry;		/* not to be opened before */
};

struct bgp_mrt *
bgp_mrt_new(const char *path, uint64_t max_bytes)
{
	struct bgp_mrt *m = mem_zalloc(sizeof(*m));

	m->path = mem_strdup(path);
	m->old_path = mem_printf("%s.1", path);
	m->max_bytes = max_bytes;
	m->fd = -1;
	m->retry = clock_mono();
	return m;
}

void
bgp_mrt_free(struct bgp_mrt *m)
{
	if (m == NULL)
		return;
	if (m->fd >= 0)
		close(m->fd);
	free(m->path);
	free(m->old_path);
	free(m);
}

static void
give_up(struct bgp_mrt *m, const char *what)
{
	log_warn(LOG_OBJ("file", m->path), "MRT dump: cannot %s: %s; tried again in "
	    "%d s", what, strerror(errno), RETRY_SEC);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	m->retry = mono_add_sec(clock_mono(), RETRY_SEC);
}

static void
open_file(struct bgp_mrt *m)
{
	struct stat st;

	if (!mono_reached(clock_mono(), m->retry))
		return;
	m->fd = open(m->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (m->fd < 0 || fstat(m->fd, &st) < 0) {
		give_up(m, "open it");
		return;
	}
	m->bytes = (uint64_t)st.st_size;
}

static void
rotate(struct bgp_mrt *m)
{
	if (rename(m->path, m->old_path) < 0) {
		give_up(m, "rename it, being full,");
		return;
	}
	close(m->fd);
	open_file(m);
}

/* One whole record (see mrt.h). */
static void
write_record(struct bgp_mrt *m, const uint8_t *record, size_t len)
{
	ssize_t n;

	if (m->fd < 0)
		open_file(m);
	if (m->fd >= 0 && m->bytes > 0 && m->bytes + len > m->max_bytes)
		rotate(m);
	if (m->fd < 0)
		return;
	n = write(m->fd, record, len);
	if (n == (ssize_t)len) {
		m->bytes += len;
		return;
	}
	if (n >= 0)
		errno = ENOSPC;
	/* A part of a record would spoil all that follows. */
	if (n > 0 && ftruncate(m->fd, (off_t)m->bytes) < 0)
		unlink(m->path);
	give_up(m, "write to it");
}

static struct mrt_peer
peer_of(const struct bgp_nbr *n, enum bgp_slot slot)
{
	const struct bgp_peer *p = &n->engine;
	const struct bgp_conn *c = &p->conn[slot];
	struct bgp_tcp_ends ends = { 0 };

	if (n->links[slot].rd.fd >= 0)
		bgp_tcp_ends(n->links[slot].rd.fd, &ends);
	return (struct mrt_peer){
		.peer_as = c->fsm.state >= BGP_OPENCONFIRM ? c->theirs.asn :
		    p->conf.as_rule == BGP_AS_EXACT ? p->conf.peer_as : 0,
		.local_as = p->conf.local_as,
		.has_as4 = p->up < 0 || p->session.has_as4,
		.ifindex = (uint16_t)n->scope,
		.peer = n->addr, .local = ends.local,
	};
}

void
bgp_nbr_dump(void *arg, enum bgp_slot slot, bool is_sent, const uint8_t *msg, size_t len)
{
	struct bgp_nbr *n = arg;
	uint8_t buf[MRT_OVERHEAD_MAX + BGP_MSG_MAX_EXT];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct mrt_peer p = peer_of(n, slot);

	bgp_nbr_dump_state(n);		/* what has led to it */
	mrt_message_encode(&w, clock_wall_ns(), &p, is_sent, msg, len);
	write_record(n->io->mrt, buf, w.len);
}

void
bgp_nbr_dump_state(struct bgp_nbr *n)
{
	enum bgp_state state = bgp_peer_state(&n->engine);
	enum bgp_slot slot = n->engine.up >= 0 ? (enum bgp_slot)n->engine.up : BGP_DIALLED;
	uint8_t buf[MRT_OVERHEAD_MAX + 4];
	struct wire_out w = wire_out(buf, sizeof(buf));
	struct mrt_peer p = peer_of(n, slot);

	if (n->io->mrt == NULL || state == n->dumped)
		return;
	mrt_state_encode(&w, clock_wall_ns(), &p, n->dumped, state);
	n->dumped = state;
	write_record(n->io->mrt, buf, w.len);
}
