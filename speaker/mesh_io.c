#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bgp/bfd_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/mesh_io.h"

enum {
	/* To those that are down, too: a LAN that was in two halves has two owners
	   of each VIP until the speakers hear each other again. */
	SLOW_US = 100000,
	TICK_SEC = 5,
	/* What the API server has is news to those who were cut off from it. */
	SETTLE_SEC = 10,
};

static const struct metric m_detect = { "herald_liveness_detection_seconds",
	"The longest time until the death of another speaker is noticed, as agreed with "
	"those that are up.", METRIC_GAUGE };
static const struct metric m_key_errors = { "herald_liveness_key_errors_total",
	"Times the key file could not be read again; the keys stay as they are.",
	METRIC_COUNTER };

static enum alive_report
report_of(enum bfd_peer_state state)
{
	switch (state) {
	case BFD_PEER_UP:
		return ALIVE_HEARD_UP;
	case BFD_PEER_DOWN:
		return ALIVE_HEARD_DOWN;
	case BFD_PEER_ADMIN_DOWN:
		return ALIVE_HEARD_LEAVING;
	case BFD_PEER_REFUSED:
		return ALIVE_HEARD_REFUSED;
	case BFD_PEER_WAITING:
		return ALIVE_HEARD_WAITING;
	case BFD_PEER_CUT_OFF:
		return ALIVE_HEARD_CUT_OFF;
	case BFD_PEER_UNKNOWN:
		break;
	}
	return ALIVE_HEARD_NOTHING;
}

static void
publish_detection(const struct mesh *m)
{
	uint32_t worst_us = 0, us;

	for (size_t i = 0; i < m->alive.n; i++) {
		us = bfd_io_detect_us(m->bfd, &m->alive.nodes[i].ip);
		worst_us = us > worst_us ? us : worst_us;
	}
	metrics_set(&m_detect, NULL, worst_us / 1e6);
}

static bool
is_lost(const struct alive *a, const struct ip *peer, struct mono now)
{
	const char *name = alive_name(a, peer);
	enum alive_state state = name != NULL ? alive_state(a, name, now) : ALIVE_ABSENT;

	return state == ALIVE_DEAD || state == ALIVE_SILENT;
}

static void
on_report(void *arg, const struct ip *peer, enum bfd_peer_state state)
{
	struct mesh *m = arg;
	struct bfd_io_view view = { .note = 0 };
	struct mono now = clock_mono();
	bool was_lost = is_lost(&m->alive, peer, now);
	bool is_other = alive_report(&m->alive, peer, report_of(state), now);

	/* Not from a start, but from where we could not hear each other. */
	if (was_lost && state == BFD_PEER_UP)
		m->settled_at = mono_add_sec(now, SETTLE_SEC);
	m->is_reunited |= is_other &&
	    (state == BFD_PEER_UP || state == BFD_PEER_WAITING);
	m->is_bereft |= state != BFD_PEER_UP && state != BFD_PEER_WAITING;
	bfd_io_view(m->bfd, peer, 0, &view);
	if (alive_set_note(&m->alive, peer, view.note))
		m->is_bereft = true;
	else if (!is_other)
		return;
	m->changed(m->arg);
}

/* --- keys ------------------------------------------------------------------ */

/* What the file holds; 0, or -errno with the reason and the remedy in err. */
static int
read_keys(const char *path, struct keys *ret, char err[256])
{
	char buf[KEYS_MAX * (KEYS_LEN_MAX + 1) + 2];
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n = -1;
	unsigned line;

	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf));
		rc = -errno;
		close(fd);
	} else {
		rc = -errno;
	}
	if (n < 0) {
		snprintf(err, 256, "--liveness-key-file %.100s: %s", path, strerror(-rc));
		return rc;
	}
	rc = keys_parse(buf, (size_t)n, ret, &line);
	if (rc != 0)
		snprintf(err, 256, "--liveness-key-file %.100s:%u: write 1 to %d keys, one "
		    "a line, of 1 to %d bytes each (RFC 5880, section 4.4)", path, line,
		    KEYS_MAX, KEYS_LEN_MAX);
	explicit_bzero(buf, sizeof(buf));
	return rc;
}

static void
use_keys(struct mesh *m, struct mono now)
{
	uint8_t bytes[KEYS_MAX][KEYS_LEN_MAX];
	struct keys keys;

	keyring_now(&m->ring, now, &keys);
	if (memcmp(&keys, &m->keys, sizeof(keys)) == 0)
		return;
	log_info(LOG_NONE, "liveness: %u keys are accepted%s", keys.n,
	    m->keys.n > 0 && memcmp(&keys.key[0], &m->keys.key[0],
	    sizeof(keys.key[0])) != 0 ? ", and another is sent with" : "");
	m->keys = keys;
	for (size_t i = 0; i < keys.n; i++)
		memcpy(bytes[i], keys.key[i].bytes, KEYS_LEN_MAX);
	bfd_io_set_keys(m->bfd, bytes, keys.n);
}

/* A file that cannot be read, or is empty for a moment, changes nothing. */
static void
reread_keys(struct mesh *m, struct mono now)
{
	struct keys keys = { .n = 0 };
	char err[256];

	if (read_keys(m->conf->key_file, &keys, err) != 0) {
		metrics_add(&m_key_errors, NULL, 1);
		log_warn(LOG_NONE, "%s; the keys stay as they are", err);
	} else if (memcmp(&keys, &m->ring.file, sizeof(keys)) != 0) {
		keyring_update(&m->ring, &keys, now);
	}
	use_keys(m, now);
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct mesh *m = w->data;

	(void)loop;
	(void)revents;
	publish_detection(m);
	if (m->conf->key_file != NULL)
		reread_keys(m, clock_mono());
}

/* --- nodes ----------------------------------------------------------------- */

/* Where a node's speaker is reached: its first InternalIP, IPv4 by preference. */
static const struct ip *
node_address(const struct kube_node *n)
{
	for (size_t i = 0; i < n->ninternal_ips; i++) {
		if (ip_is_v4(&n->internal_ips[i]))
			return &n->internal_ips[i];
	}
	return n->ninternal_ips > 0 ? &n->internal_ips[0] : NULL;
}

/* This node's own addresses are the source of what the others hear. */
static void
set_source(struct mesh *m, const struct kube_object *self)
{
	if (self == NULL) {
		log_warn(LOG_OBJ("node", m->conf->node_name),
		    "there is no Node of this name, so this speaker owns no VIP; "
		    "set --node-name to one of `kubectl get nodes`");
		return;
	}
	m->self[0] = m->self[1] = (struct ip){ .family = IP_NONE };
	for (size_t i = self->node.ninternal_ips; i-- > 0;) {
		const struct ip *ip = &self->node.internal_ips[i];

		m->self[ip_is_v4(ip) ? 0 : 1] = *ip;
	}
	bfd_io_set_source(m->bfd, &m->self[0], &m->self[1]);
}

void
mesh_set_nodes(struct mesh *m, const struct kube_store *store)
{
	struct kube_list nodes = kube_store_list(store, KUBE_NODE);
	struct mono now = clock_mono();
	bool is_changed = false;
	struct ip *peers;

	set_source(m, kube_store_get(store, KUBE_NODE, NULL, m->conf->node_name));
	alive_begin_nodes(&m->alive);
	for (size_t i = 0; i < nodes.n; i++) {
		const struct kube_object *o = nodes.items[i];
		const struct ip *ip = node_address(&o->node);

		if (ip != NULL && strcmp(o->meta.name, m->conf->node_name) != 0)
			is_changed |= alive_put_node(&m->alive, o->meta.name, ip,
			    o->node.is_ready, now);
	}
	is_changed |= alive_end_nodes(&m->alive);
	if (!is_changed)
		return;
	peers = mem_zalloc((m->alive.n + 1) * sizeof(*peers));
	for (size_t i = 0; i < m->alive.n; i++)
		peers[i] = m->alive.nodes[i].ip;
	bfd_io_set_peers(m->bfd, peers, m->alive.n);
	for (size_t i = 0; i < m->alive.n; i++)
		alive_report(&m->alive, &peers[i],
		    report_of(bfd_io_state(m->bfd, &peers[i])), now);
	free(peers);
}

/* --- this node ------------------------------------------------------------- */

void
mesh_tell_state(struct mesh *m, enum alive_state state)
{
	static const enum bfd_io_path paths[] = {
		[ALIVE_UP] = BFD_IO_PATH_WELL,
		[ALIVE_WAITING] = BFD_IO_PATH_WAITING,
		[ALIVE_CUT_OFF] = BFD_IO_PATH_CUT_OFF,
	};

	bfd_io_set_path(m->bfd, paths[state]);
}

void
mesh_tell_lacks(struct mesh *m, uint32_t lacks)
{
	bfd_io_set_note(m->bfd, lacks | (m->conf->is_sticky ? ALIVE_STICKY : 0));
}

void
mesh_leave(struct mesh *m)
{
	bfd_io_admin_down(m->bfd);
}

int
mesh_open(struct mesh *m, struct ev_loop *loop, const struct speaker_conf *conf,
    void (*changed)(void *arg), void *arg, char err[256])
{
	struct keys file = { .n = 0 };
	struct bfd_io_conf bfd = {
		.port = conf->liveness_port,
		.min_tx_us = conf->interval_us,
		.min_rx_us = conf->interval_us,
		.slow_tx_us = SLOW_US,
		.detect_mult = conf->detect_mult,
		.jitter_pct = MESH_JITTER_PCT,
		.max_pps = MESH_MAX_PPS,
		.key_id = 1,
		.has_path = true,
		.is_realtime = true,
	};

	*m = (struct mesh){ .loop = loop, .conf = conf, .changed = changed, .arg = arg };
	alive_init(&m->alive);
	ev_timer_init(&m->tick, on_tick, TICK_SEC, TICK_SEC);
	m->tick.data = m;
	if (conf->key_file != NULL) {
		if (read_keys(conf->key_file, &file, err) != 0)
			return -1;
		keyring_init(&m->ring, &file);
		bfd.key = file.key[0].bytes;
		bfd.key_len = file.key[0].len;
	}
	m->bfd = bfd_io_new(loop, &bfd, on_report, m, err);
	if (m->bfd == NULL)
		return -1;
	if (conf->key_file != NULL)
		use_keys(m, clock_mono());
	mesh_tell_state(m, ALIVE_WAITING);
	mesh_tell_lacks(m, 0);
	ev_timer_start(loop, &m->tick);
	return 0;
}

void
mesh_close(struct mesh *m)
{
	if (m->loop != NULL)
		ev_timer_stop(m->loop, &m->tick);
	bfd_io_free(m->bfd);
	alive_fini(&m->alive);
	explicit_bzero(m, sizeof(*m));
}
