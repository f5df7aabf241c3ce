/*
 * mesh_bench.c - what the liveness mesh costs a speaker, by the number of nodes.
 *
 *	mesh_bench PEERS [SECONDS]	(10 seconds; root)
 *
 * The mesh as the speaker has it, 3 x 100 ms with a key, in a network namespace of
 * its own; at the other end of a veth pair a second process is all other speakers,
 * each with a socket and a session. Prints the interval that was agreed, the
 * detection time, packets a second and what they take of one core, user and system;
 * 2 where that is more than the budget. What the veth pair delivers is done in the
 * sender's time, so one direction of the kernel's work is in it as for a network card.
 */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "bgp/bfd.h"
#include "bgp/bfd_io.h"
#include "bgp/bfd_udp_io.h"
#include "kube/decode.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "speaker/mesh_io.h"

enum {
	PORT = 7847,
	INTERVAL_US = 100000,
	MULT = 3,
	WAIT_SEC = 30,
	BUDGET_PCT = 10,	/* of a core; herald-speaker(8) says so, too */
};

static const char key[] = "not so secret";

/* --- the others ------------------------------------------------------------ */

struct other {
	struct bfd bfd;
	struct ip ip;
	ev_io	io;
	ev_timer timer;
};

static struct ip self_ip;
static struct { atomic_ullong rx, tx; } *seen;	/* by all others, of both processes */

static struct ip
other_ip(unsigned i)
{
	return ip_from_v4(0x0a4d0001 + i);	/* 10.77.0.1 and on */
}

static void
settle(struct ev_loop *loop, struct other *o)
{
	struct mono now = clock_mono();
	uint8_t buf[BFD_PKT_MAX];
	size_t len;

	while ((len = bfd_tx(&o->bfd, now, buf)) > 0) {
		if (send(o->io.fd, buf, len, 0) < 0)
			continue;		/* it listens by and by */
		seen->tx++;
	}
	ev_timer_stop(loop, &o->timer);
	ev_timer_set(&o->timer, mono_delay_sec(now, bfd_deadline(&o->bfd)), 0.);
	ev_timer_start(loop, &o->timer);
}

static void
on_other_packet(struct ev_loop *loop, ev_io *w, int revents)
{
	struct other *o = w->data;
	uint8_t buf[128];
	ssize_t len;

	(void)revents;
	while ((len = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		seen->rx++;
		bfd_rx(&o->bfd, buf, (size_t)len, clock_mono());
	}
	settle(loop, o);
}

static void
on_other_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct other *o = w->data;

	(void)revents;
	ev_now_update(loop);
	bfd_tick(&o->bfd, clock_mono());
	settle(loop, o);
}

static int
other_socket(const struct ip *ip)
{
	struct sockaddr_storage ss;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, ip_to_sockaddr(ip, PORT, &ss)) < 0 ||
	    connect(fd, (struct sockaddr *)&ss, ip_to_sockaddr(&self_ip, PORT, &ss)) < 0)
		err(1, "%s", IP_STR(ip));
	return fd;
}

static void
run_others(unsigned n, uint32_t interval_us)
{
	struct sched_param fifo = { .sched_priority = 1 };	/* as the mesh itself */
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct other *others = mem_zalloc(n * sizeof(*others));

	if (sched_setscheduler(0, SCHED_FIFO, &fifo) < 0)
		warn("real-time priority");
	for (unsigned i = 0; i < n; i++) {
		struct other *o = &others[i];
		struct bfd_conf conf = {
			.local_discr = i + 1, .detect_mult = MULT, .jitter_pct = 10,
			.min_tx_us = interval_us, .min_rx_us = interval_us,
			.slow_tx_us = INTERVAL_US, .auth_key_id = 1,
			.auth_type = BFD_AUTH_METICULOUS_SHA1,
			.seq_window = BFD_SEQ_WINDOW_WIDE, .random = clock_random(),
		};

		memcpy(conf.auth_key, key, sizeof(key) - 1);
		o->ip = other_ip(i);
		bfd_init(&o->bfd, &conf, clock_mono());
		ev_io_init(&o->io, on_other_packet, other_socket(&o->ip), EV_READ);
		ev_timer_init(&o->timer, on_other_timer, 0., 0.);
		o->io.data = o->timer.data = o;
		ev_io_start(loop, &o->io);
		ev_timer_start(loop, &o->timer);
	}
	ev_run(loop, 0);
}

/* --- the speaker's mesh ---------------------------------------------------- */

struct end {
	struct mesh mesh;
	ev_timer wake;
	struct ev_loop *loop;
};

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
on_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* What speaker_io.c does each turn of its loop because of the mesh. */
static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct end *e = w->data;
	struct mono now = clock_mono();

	(void)revents;
	ev_timer_stop(loop, &e->wake);
	ev_timer_set(&e->wake, mono_delay_sec(now, alive_deadline(&e->mesh.alive, now)), 0.);
	ev_timer_start(loop, &e->wake);
}

static void
on_end(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ONE);
}

static void
run_for(struct ev_loop *loop, double sec)
{
	ev_timer end;

	ev_timer_init(&end, on_end, sec, 0.);
	ev_now_update(loop);
	ev_timer_start(loop, &end);
	ev_run(loop, 0);
	ev_timer_stop(loop, &end);
}

static void
put_node(struct kube_store *store, const char *name, const struct ip *ip)
{
	struct kube_object *o = NULL;
	struct kube_error e = { "" };
	char json[512];

	snprintf(json, sizeof(json), "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":"
	    "{\"name\":\"%s\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
	    "\"address\":\"%s\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
	    name, IP_STR(ip));
	if (kube_decode(json, strlen(json), NULL, KUBE_NKINDS, &o, &e) != 0)
		errx(1, "%s", e.text);
	kube_store_put(store, o);
}

/* The longest detection time, once all are up at the full rate; 0 before. */
static uint32_t
detection_us(const struct mesh *m, uint32_t interval_us)
{
	for (size_t i = 0; i < m->alive.n; i++) {
		if (bfd_io_detect_us(m->bfd, &m->alive.nodes[i].ip) != MULT * interval_us)
			return 0;
	}
	return MULT * interval_us;
}

static double
cpu_sec(const struct timeval *a, const struct timeval *b)
{
	return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_usec - a->tv_usec) / 1e6;
}

static int
measure(struct end *e, unsigned n, uint32_t interval_us, double sec)
{
	unsigned long long rx, tx;
	struct rusage a, b;
	double user, sys;

	for (int i = 0; detection_us(&e->mesh, interval_us) == 0; i++) {
		if (i == WAIT_SEC * 10)
			errx(1, "not all of %u peers are up after %d s", n, WAIT_SEC);
		run_for(e->loop, 0.1);
	}
	run_for(e->loop, 1);
	rx = seen->tx;
	tx = seen->rx;
	getrusage(RUSAGE_SELF, &a);
	run_for(e->loop, sec);
	getrusage(RUSAGE_SELF, &b);
	rx = seen->tx - rx;
	tx = seen->rx - tx;
	if (detection_us(&e->mesh, interval_us) == 0)
		errx(1, "not all of %u peers stayed up", n);
	user = cpu_sec(&a.ru_utime, &b.ru_utime) / sec * 100;
	sys = cpu_sec(&a.ru_stime, &b.ru_stime) / sec * 100;
	printf("%4u nodes: a packet each %u ms, detection within %u ms, %.0f/s sent, "
	    "%.0f/s received, %.1f %% of a core (%.1f user, %.1f system)%s\n", n + 1,
	    interval_us / 1000, MULT * interval_us / 1000, (double)tx / sec,
	    (double)rx / sec, user + sys, user, sys,
	    user + sys > BUDGET_PCT ? ": MORE THAN THE BUDGET" : "");
	return user + sys <= BUDGET_PCT ? 0 : 2;
}

static int
run_mesh(unsigned n, uint32_t interval_us, const char *key_file, double sec)
{
	struct speaker_conf conf = { .node_name = "self", .liveness_port = PORT,
		.detect_mult = MULT, .interval_us = INTERVAL_US, .key_file = key_file };
	struct kube_store *store = kube_store_new();
	struct end e = { .loop = ev_loop_new(EVFLAG_AUTO) };
	char text[256], name[16];
	ev_prepare turn;
	int rc;

	put_node(store, "self", &self_ip);
	for (unsigned i = 0; i < n; i++) {
		struct ip ip = other_ip(i);

		snprintf(name, sizeof(name), "n%u", i);
		put_node(store, name, &ip);
	}
	if (mesh_open(&e.mesh, e.loop, &conf, on_changed, &e, text) != 0)
		errx(1, "%s", text);
	ev_timer_init(&e.wake, on_wake, 0., 0.);
	ev_prepare_init(&turn, on_turn);
	turn.data = &e;
	ev_prepare_start(e.loop, &turn);
	mesh_set_nodes(&e.mesh, store);
	rc = measure(&e, n, interval_us, sec);
	mesh_close(&e.mesh);
	kube_store_free(store);
	return rc;
}

/* --- two namespaces -------------------------------------------------------- */

static void
sh(const char *command)
{
	if (system(command) != 0)
		errx(1, "%s", command);
}

static void
write_key(char path[32])
{
	int fd;

	strcpy(path, "/tmp/mesh_bench.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, key, sizeof(key) - 1) < 0)
		err(1, "%s", path);
	close(fd);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	double sec = argc > 2 ? atof(argv[2]) : 10;
	struct rlimit files = { n + 64, n + 64 };
	uint32_t interval_us;
	int made[2], ready[2], rc;
	char c, path[32], command[128];
	pid_t pid;

	if (n < 1 || n > 60000)
		errx(1, "usage: mesh_bench PEERS [SECONDS]");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		err(1, "limit on files");
	log_init(LOG_LEVEL_WARN, false);
	interval_us = bfd_interval_us(INTERVAL_US, n, MESH_MAX_PPS, MESH_JITTER_PCT);
	self_ip = ip_from_v4(0x0a4c0001);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);
	if (seen == MAP_FAILED || pipe(made) < 0 || pipe(ready) < 0 ||
	    unshare(CLONE_NEWNET) < 0)
		err(1, "a network namespace (are you root?)");
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || write(made[1], "", 1) != 1 ||
		    read(ready[0], &c, 1) != 1)
			err(1, "the others' namespace");
		sh("ip link set lo up && ip addr add 10.76.0.2/24 dev mesh1 && "
		    "ip link set mesh1 up && ip route add local 10.77.0.0/16 dev lo");
		run_others(n, interval_us);
		_exit(0);
	}
	if (pid < 0 || read(made[0], &c, 1) != 1)
		err(1, "the others' process");
	snprintf(command, sizeof(command), "ip link add mesh0 type veth peer name mesh1 "
	    "netns %d", (int)pid);
	sh(command);
	sh("ip link set lo up && ip addr add 10.76.0.1/24 dev mesh0 && "
	    "ip link set mesh0 up && ip route add 10.77.0.0/16 via 10.76.0.2");
	if (write(ready[1], "", 1) != 1)
		err(1, "the others' process");
	write_key(path);
	rc = run_mesh(n, interval_us, path, sec);
	unlink(path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}
