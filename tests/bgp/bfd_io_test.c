/*
 * bfd_io_test.c - two shells in two network namespaces joined by a veth pair.
 *
 * Real packets and real, short time: every wait ends as soon as what it waits
 * for is there, and fails after WAIT_SEC.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "bgp/bfd_io.h"
#include "bgp/bgp_bfd_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "tests/check.h"

enum { PORT = 23784, WAIT_SEC = 5, INTERVAL_US = 20000 };

static struct ev_loop *loop;
static int ns[2];		/* the namespaces of a and b */
static const struct bfd_io_conf base = {
	.port = PORT, .min_tx_us = INTERVAL_US, .min_rx_us = INTERVAL_US,
	.detect_mult = 3, .min_ttl = 255, .key_id = 1,
	.key = (const uint8_t *)"not so secret", .key_len = 13,
};

/* What one end was told about its peer. */
struct end {
	struct bfd_io *io;
	struct ip peer;
	enum bfd_peer_state heard;
	struct mono at;
	int	nchanges;
};
static struct end a, b;

static void
on_changed(void *arg, const struct ip *peer, enum bfd_peer_state state)
{
	struct end *e = arg;

	ck_assert(ip_eq(peer, &e->peer));
	e->heard = state;
	e->at = clock_mono();
	e->nchanges++;
	ev_break(loop, EVBREAK_ONE);
}

static struct ip
addr(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static void
start(struct end *e, int where, const struct bfd_io_conf *conf, const char *peer)
{
	char err[256] = "";

	ck_assert_int_eq(setns(ns[where], CLONE_NEWNET), 0);
	*e = (struct end){ .peer = addr(peer) };
	e->io = bfd_io_new(loop, conf, on_changed, e, err);
	ck_assert_msg(e->io != NULL, "%s", err);
	bfd_io_set_peers(e->io, &e->peer, 1);
}

static void
stop(struct end *e)
{
	bfd_io_free(e->io);
	e->io = NULL;
}

static void
on_late(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)revents;
	*(bool *)w->data = true;
	ev_break(l, EVBREAK_ONE);
}

/* Run until e was told `state` or ms have passed; false for the latter. */
static bool
wait_for(const struct end *e, enum bfd_peer_state state, int ms)
{
	bool is_late = false;
	ev_timer timer;

	ev_timer_init(&timer, on_late, ms / 1e3, 0.);
	timer.data = &is_late;
	ev_now_update(loop);
	ev_timer_start(loop, &timer);
	while (e->heard != state && !is_late)
		ev_run(loop, 0);
	ev_timer_stop(loop, &timer);
	return e->heard == state;
}

#define WAIT(e, state)                                                            \
	ck_assert_msg(wait_for(e, state, WAIT_SEC * 1000), "%s: still %s", #state, \
	    bfd_peer_state_name((e)->heard))

static void
both_up(const struct bfd_io_conf *conf, bool is_v6)
{
	start(&a, 0, conf, is_v6 ? "2001:db8::2" : "192.0.2.2");
	start(&b, 1, conf, is_v6 ? "2001:db8::1" : "192.0.2.1");
	WAIT(&a, BFD_PEER_UP);
	WAIT(&b, BFD_PEER_UP);
	/* Let the Poll for the faster rate pass. */
	for (int i = 0; i < 100 && bfd_io_detect_us(a.io, &a.peer) >
	    conf->detect_mult * conf->min_tx_us; i++)
		wait_for(&a, BFD_PEER_DOWN, 10);
	ck_assert_uint_eq(bfd_io_detect_us(a.io, &a.peer),
	    conf->detect_mult * conf->min_tx_us);
}

START_TEST(up)
{
	struct bfd_io_conf conf = base;

	if (_i & 1)
		conf.key = NULL;
	both_up(&conf, _i & 2);
	ck_assert_int_eq(bfd_io_state(a.io, &b.peer), BFD_PEER_UNKNOWN);
	ck_assert_int_eq(a.nchanges, 1);	/* straight up, no detours told */
	ck_assert_int_eq(b.nchanges, 1);
	stop(&a);
	stop(&b);
}
END_TEST

/* A cable pulled: no packet, no ICMP. Detection, then both come back. */
START_TEST(silence)
{
	struct mono before, after;

	both_up(&base, false);
	before = clock_mono();
	ck_assert_int_eq(system("ip link set bfd-b down"), 0);
	after = clock_mono();
	WAIT(&a, BFD_PEER_DOWN);
	/* From the last packet: 40 to 60 ms, and what system() and timers add. */
	ck_assert_int_ge(mono_sub_ns(a.at, before) / NSEC_PER_MSEC, 20);
	ck_assert_int_le(mono_sub_ns(a.at, after) / NSEC_PER_MSEC, 100);
	ck_assert_int_eq(system("ip link set bfd-b up"), 0);
	WAIT(&a, BFD_PEER_UP);
	WAIT(&b, BFD_PEER_UP);
	stop(&a);
	stop(&b);
}
END_TEST

/* A speaker that is gone while its host lives: known before detection ends. */
START_TEST(refused)
{
	struct bfd_io_conf conf = base;
	struct mono gone;

	conf.detect_mult = 100;		/* 2 s: only the refusals are so quick */
	both_up(&conf, _i != 0);
	stop(&b);
	gone = clock_mono();
	WAIT(&a, BFD_PEER_REFUSED);
	ck_assert_int_le(mono_sub_ns(a.at, gone), 500 * NSEC_PER_MSEC);
	start(&b, 1, &conf, _i ? "2001:db8::1" : "192.0.2.1");
	WAIT(&a, BFD_PEER_UP);
	WAIT(&b, BFD_PEER_UP);
	stop(&a);
	stop(&b);
}
END_TEST

START_TEST(planned_exit)
{
	both_up(&base, false);
	bfd_io_admin_down(a.io);
	WAIT(&b, BFD_PEER_ADMIN_DOWN);
	ck_assert_int_eq(a.nchanges, 1);	/* the one that leaves is told no more */
	stop(&a);
	WAIT(&b, BFD_PEER_REFUSED);		/* gone, its host lives */
	stop(&b);
}
END_TEST

/* Out of service and back while the session stays up, then a death as ever. */
START_TEST(path)
{
	struct bfd_io_conf conf = base;

	conf.has_path = true;
	start(&a, 0, &conf, "192.0.2.2");
	bfd_io_set_path(a.io, BFD_IO_PATH_WAITING);
	start(&b, 1, &conf, "192.0.2.1");
	WAIT(&b, BFD_PEER_WAITING);
	ck_assert_msg(b.nchanges == 1, "it was never told that a is in service");
	bfd_io_set_path(a.io, BFD_IO_PATH_WELL);
	WAIT(&b, BFD_PEER_UP);
	bfd_io_set_path(a.io, BFD_IO_PATH_CUT_OFF);
	WAIT(&b, BFD_PEER_CUT_OFF);
	ck_assert_msg(bfd_io_detect_us(b.io, &b.peer) > 0, "and still watched");
	WAIT(&a, BFD_PEER_UP);
	stop(&a);
	WAIT(&b, BFD_PEER_REFUSED);
	stop(&b);
}
END_TEST

/* A note arrives while the state stays, is told once, and only where asked for. */
START_TEST(note)
{
	struct bfd_io_conf conf = base;
	struct bfd_io_view view;

	conf.has_path = _i == 0;
	conf.detect_mult = 100;		/* a busy machine is no change of state */
	both_up(&conf, false);
	bfd_io_set_note(a.io, 5);
	for (int i = 0; i < 100 && bfd_io_view(b.io, &b.peer, 0, &view) &&
	    view.note != 5; i++)
		wait_for(&b, BFD_PEER_DOWN, 10);
	ck_assert_uint_eq(view.note, 5);
	wait_for(&b, BFD_PEER_DOWN, 100);
	ck_assert_int_eq(b.nchanges, conf.has_path ? 2 : 1);
	ck_assert_int_eq(b.heard, BFD_PEER_UP);
	stop(&a);
	stop(&b);
}
END_TEST

/* From one key to another with both ends up: no change of state is told. */
START_TEST(keys_are_changed)
{
	static const uint8_t both[2][BFD_IO_KEY_LEN] = { "key", "other" };
	static const uint8_t back[2][BFD_IO_KEY_LEN] = { "other", "key" };
	struct bfd_io_conf conf = base;
	uint32_t detect_ms;

	conf.key = both[0];
	conf.key_len = 3;
	both_up(&conf, false);
	detect_ms = conf.detect_mult * conf.min_tx_us / 1000;
	bfd_io_set_keys(a.io, both, 2);
	ck_assert(!wait_for(&b, BFD_PEER_DOWN, 3 * (int)detect_ms));
	bfd_io_set_keys(b.io, back, 2);		/* sends what a accepts */
	ck_assert(!wait_for(&a, BFD_PEER_DOWN, 3 * (int)detect_ms));
	bfd_io_set_keys(a.io, back, 1);		/* and no other from now on */
	ck_assert(!wait_for(&b, BFD_PEER_DOWN, 3 * (int)detect_ms));
	ck_assert_int_eq(a.nchanges + b.nchanges, 2);
	/* Now that a accepts no other: the old one is an outsider's. */
	bfd_io_set_keys(b.io, both, 1);
	WAIT(&a, BFD_PEER_DOWN);
	stop(&a);
	stop(&b);
}
END_TEST

START_TEST(wrong_key_stays_out)
{
	struct bfd_io_conf conf = base;

	start(&a, 0, &base, "192.0.2.2");
	conf.key_len--;
	start(&b, 1, &conf, "192.0.2.1");
	ck_assert(!wait_for(&a, BFD_PEER_UP, 300));
	ck_assert_int_eq(b.nchanges + a.nchanges, 0);
	stop(&a);
	stop(&b);
}
END_TEST

/* GTSM: the same packets, but as if from a hop away. */
START_TEST(low_ttl_is_dropped)
{
	struct bfd_io_conf conf = base;

	ck_assert_int_eq(setns(ns[1], CLONE_NEWNET), 0);
	ck_assert_int_eq(system("nft 'table ip hop { chain c { type filter hook "
	    "postrouting priority 0; udp dport 23784 ip ttl set 254; }; }'"), 0);
	start(&a, 0, &base, "192.0.2.2");
	start(&b, 1, &base, "192.0.2.1");
	ck_assert(!wait_for(&a, BFD_PEER_UP, 200));
	stop(&a);
	conf.min_ttl = 254;
	start(&a, 0, &conf, "192.0.2.2");
	WAIT(&a, BFD_PEER_UP);
	stop(&a);
	stop(&b);
	ck_assert_int_eq(setns(ns[1], CLONE_NEWNET), 0);
	ck_assert_int_eq(system("nft delete table ip hop"), 0);
}
END_TEST

/* Stopped for many detection times, as a paused machine is: nobody is down. */
START_TEST(own_stall_downs_nobody)
{
	both_up(&base, false);
	usleep(500000);
	ck_assert(!wait_for(&a, BFD_PEER_DOWN, 200));
	ck_assert_int_eq(a.nchanges, 1);
	ck_assert_int_eq(b.nchanges, 1);
	stop(&a);
	stop(&b);
}
END_TEST

START_TEST(removed_peer_and_added_one)
{
	struct ip none = addr("192.0.2.99");

	both_up(&base, false);
	bfd_io_set_peers(a.io, &a.peer, 1);	/* nothing changes */
	ck_assert_int_eq(bfd_io_state(a.io, &a.peer), BFD_PEER_UP);
	bfd_io_set_peers(a.io, &none, 1);
	ck_assert_int_eq(bfd_io_state(a.io, &a.peer), BFD_PEER_UNKNOWN);
	ck_assert_int_eq(bfd_io_state(a.io, &none), BFD_PEER_UNKNOWN);
	WAIT(&b, BFD_PEER_DOWN);
	ck_assert_int_eq(a.nchanges, 1);
	bfd_io_set_peers(a.io, &a.peer, 1);
	WAIT(&b, BFD_PEER_UP);
	stop(&a);
	stop(&b);
}
END_TEST

/* As whenever a Service changes; then with a profile that has changed. */
START_TEST(set_again_and_again)
{
	struct bfd_io_conf conf = base;
	struct bfd_io_peer p;

	conf.detect_mult = 50;		/* a busy test machine shall not matter */
	both_up(&conf, false);
	p = (struct bfd_io_peer){ .addr = a.peer, .min_ttl = 255 };
	for (int i = 0; i < 60; i++) {
		if (i == 30) {
			p.detect_mult = 40;
			p.min_tx_us = 2 * INTERVAL_US;
			p.echo_us = 50000;
		}
		bfd_io_set_peer_confs(a.io, &p, 1);
		ck_assert(!wait_for(&a, BFD_PEER_DOWN, 10));
	}
	ck_assert_int_eq(a.nchanges, 1);
	ck_assert_int_eq(b.nchanges, 1);
	/* b has heard of both: 40 of a's intervals of twice the length. */
	ck_assert_uint_eq(bfd_io_detect_us(b.io, &b.peer), 80 * INTERVAL_US);
	stop(&a);
	stop(&b);
}
END_TEST

static void
in_b(const char *cmd)
{
	ck_assert_int_eq(setns(ns[1], CLONE_NEWNET), 0);
	ck_assert_msg(system(cmd) == 0, "%s", cmd);
}

static enum bfd_io_echo
echo_of(const struct end *e)
{
	struct bfd_io_view v = { .state = BFD_PEER_UNKNOWN };

	bfd_io_view(e->io, &e->peer, 0, &v);
	return v.echo;
}

static void
wait_for_echo(const struct end *e, enum bfd_io_echo want)
{
	for (int i = 0; i < WAIT_SEC * 100 && echo_of(e) != want; i++)
		wait_for(e, BFD_PEER_DOWN, 10);
	ck_assert_str_eq(bfd_io_echo_name(echo_of(e)), bfd_io_echo_name(want));
}

/*
 * b's kernel sends a's Echo packets back, once it forwards; then it drops them while
 * b's BFD goes on speaking, as a broken forwarding plane has it.
 */
START_TEST(echo)
{
	struct bfd_io_conf conf = base;
	struct bfd_io_peer p = { .min_ttl = 255, .echo_us = 100000 };
	struct mono cut;
	int64_t took_ms;

	/* Control packets would take ever so long. */
	conf.detect_mult = 10;
	conf.min_tx_us = conf.min_rx_us = 200000;
	in_b("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
	both_up(&conf, _i != 0);
	p.addr = a.peer;
	p.detect_mult = 5;	/* a busy test machine shall not matter */
	ck_assert_int_eq(setns(ns[0], CLONE_NEWNET), 0);	/* of its sockets */
	bfd_io_set_peer_confs(a.io, &p, 1);
	wait_for_echo(&a, BFD_IO_ECHO_NOT_TAKEN);
	p.addr = b.peer;
	p.detect_mult = conf.detect_mult;
	ck_assert_int_eq(setns(ns[1], CLONE_NEWNET), 0);
	bfd_io_set_peer_confs(b.io, &p, 1);
	wait_for_echo(&a, BFD_IO_ECHO_UNANSWERED);
	ck_assert(!wait_for(&a, BFD_PEER_DOWN, 900));
	in_b("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	wait_for_echo(&a, BFD_IO_ECHO_ACTIVE);
	ck_assert_uint_eq(bfd_io_detect_us(a.io, &a.peer), 550000);
	ck_assert(!wait_for(&a, BFD_PEER_DOWN, 1000));
	in_b("nft 'table inet cut { chain c { type filter hook forward priority 0; "
	    "udp dport 3785 drop; }; }'");
	cut = clock_mono();
	WAIT(&a, BFD_PEER_DOWN);
	took_ms = mono_sub_ns(a.at, cut) / NSEC_PER_MSEC;
	ck_assert_msg(took_ms < 900, "%d ms", (int)took_ms);
	in_b("nft delete table inet cut");
	WAIT(&a, BFD_PEER_UP);
	wait_for_echo(&a, BFD_IO_ECHO_ACTIVE);
	in_b("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
	WAIT(&a, BFD_PEER_DOWN);
	stop(&a);
	stop(&b);
}
END_TEST

START_TEST(rate_is_adapted)
{
	struct bfd_io_conf conf = base;

	conf.max_pps = 20;		/* one peer at 50 a second is too much: 60 ms */
	start(&a, 0, &conf, "192.0.2.2");
	start(&b, 1, &base, "192.0.2.1");
	WAIT(&a, BFD_PEER_UP);
	for (int i = 0; i < 100 && bfd_io_detect_us(b.io, &b.peer) >
	    3 * 3 * INTERVAL_US; i++)
		wait_for(&a, BFD_PEER_DOWN, 10);
	ck_assert_uint_eq(bfd_io_detect_us(b.io, &b.peer), 3 * 3 * INTERVAL_US);
	stop(&a);
	stop(&b);
}
END_TEST

/*
 * What is sent to neighbours that do not answer waits for them in the kernel, for
 * three seconds each, and is counted against the socket: enough of them, and those
 * that live would hear no more of us.
 */
START_TEST(dead_neighbours_take_no_room)
{
	enum { NDEAD = 40 };
	struct bfd_io_conf conf = base;
	struct ip peers[1 + NDEAD];
	char text[32];

	conf.slow_tx_us = INTERVAL_US;
	conf.detect_mult = 25;		/* a busy test machine shall not matter */
	both_up(&conf, false);
	peers[0] = a.peer;
	for (int i = 0; i < NDEAD; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", 100 + i);
		peers[1 + i] = addr(text);
	}
	bfd_io_set_peers(a.io, peers, nitems(peers));
	ck_assert_msg(!wait_for(&b, BFD_PEER_DOWN, 4000), "a is taken for dead");
	ck_assert_int_eq(b.nchanges, 1);
	stop(&a);
	stop(&b);
}
END_TEST

static const struct {
	const char *want;		/* in the error text */
	struct bfd_io_conf conf;
} bad_confs[] = {
	{ "port is 0", { .min_tx_us = 1, .min_rx_us = 1, .detect_mult = 1 } },
	{ "interval", { .port = 1, .min_rx_us = 1, .detect_mult = 1 } },
	{ "multiplier", { .port = 1, .min_tx_us = 1, .min_rx_us = 1 } },
	{ "1 to 20 bytes", { .port = 1, .min_tx_us = 1, .min_rx_us = 1,
	    .detect_mult = 1, .key = (const uint8_t *)"x", .key_len = 21 } },
	{ "above 25 %", { .port = 1, .min_tx_us = 1, .min_rx_us = 1,
	    .detect_mult = 1, .jitter_pct = 26 } },
};

START_TEST(bad_conf)
{
	char err[256] = "";

	ck_assert_ptr_null(bfd_io_new(loop, &bad_confs[_i].conf, on_changed, &a, err));
	ck_assert_msg(strstr(err, bad_confs[_i].want) != NULL, "%s", err);
}
END_TEST

START_TEST(port_in_use)
{
	char err[256] = "";

	start(&a, 0, &base, "192.0.2.2");
	ck_assert_ptr_null(bfd_io_new(loop, &base, on_changed, &b, err));
	ck_assert_msg(strstr(err, "port 23784 is in use") != NULL, "%s", err);
	stop(&a);
}
END_TEST

static void
on_some_change(void *arg)
{
	(void)arg;
	ev_break(loop, EVBREAK_ONE);
}

/*
 * BGP's sessions of a VRF (here a link) and of none, one opened beside the other: each
 * has BFD, and of all other sockets the port is kept as before.
 */
START_TEST(port_of_several_devices)
{
	struct bfd_io_conf router = { .port = BGP_BFD_PORT, .is_ephemeral = true,
		.min_tx_us = INTERVAL_US, .min_rx_us = INTERVAL_US, .detect_mult = 3 };
	struct bfd_io_peer peer = { .addr = addr("192.0.2.2"), .min_tx_us = INTERVAL_US,
		.min_rx_us = INTERVAL_US, .detect_mult = 3 };
	struct bgp_bfd_want wants[2] = { { .vrf = "", .peer = peer },
		{ .vrf = "bfd-a", .peer = peer } };
	struct bgp_bfd bfd = { .loop = loop, .changed = on_some_change };
	struct bfd_io_view view;
	char err[256] = "";

	start(&b, 1, &router, "192.0.2.1");
	ck_assert_int_eq(setns(ns[0], CLONE_NEWNET), 0);
	wants[0].peer.addr = addr("192.0.2.3");	/* who is not there */
	bgp_bfd_set(&bfd, &wants[_i], 1);
	bgp_bfd_set(&bfd, wants, 2);
	ck_assert(bgp_bfd_view(&bfd, &wants[0], &view) && bgp_bfd_view(&bfd, &wants[1], &view));
	for (int i = 0; i < 2; i++) {
		router.is_shared = i == 1;
		ck_assert_ptr_null(bfd_io_new(loop, &router, on_changed, &a, err));
		ck_assert_msg(strstr(err, "port 3784 is in use") != NULL, "%s", err);
	}
	WAIT(&b, BFD_PEER_UP);	/* what comes by the link goes to the link's */
	for (int i = 0; i < 100 && view.state != BFD_PEER_UP; i++) {
		wait_for(&b, BFD_PEER_DOWN, 10);
		ck_assert(bgp_bfd_view(&bfd, &wants[1], &view));
	}
	ck_assert_int_eq(view.state, BFD_PEER_UP);
	bgp_bfd_fini(&bfd);
	stop(&b);
}
END_TEST

static void
log_nothing(void *arg, const char *line, size_t len)
{
	(void)arg;
	(void)line;
	(void)len;
}

/* A namespace of our own, opened; ours from now on. */
static int
new_ns(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "bfd_io_test needs CAP_SYS_ADMIN for network "
		    "namespaces: %s\n", strerror(errno));
		exit(1);
	}
	fd = open("/proc/self/ns/net", O_RDONLY);
	if (fd < 0)
		exit(1);
	return fd;
}

static void
set_up(void)
{
	char cmd[512];

	ns[0] = new_ns();
	ns[1] = new_ns();
	snprintf(cmd, sizeof(cmd),
	    "set -e; ip link add bfd-b type veth peer name bfd-a netns /proc/%d/fd/%d;"
	    "ip link set lo up; ip link set bfd-b up; ip addr add 192.0.2.2/24 dev bfd-b;"
	    "ip addr add 2001:db8::2/64 dev bfd-b nodad;"
	    "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 || :",
	    (int)getpid(), ns[0]);
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(setns(ns[0], CLONE_NEWNET), 0);
	ck_assert_int_eq(system("set -e; ip link set lo up; ip link set bfd-a up;"
	    "ip addr add 192.0.2.1/24 dev bfd-a;"
	    "ip addr add 2001:db8::1/64 dev bfd-a nodad"), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	log_set_sink(log_nothing, NULL);
}

static void
tear_down(void)
{
	ev_loop_destroy(loop);
	metrics_fini();
	close(ns[0]);
	close(ns[1]);
}

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, up, 0, 4);
	tcase_add_test(tc, silence);
	tcase_add_loop_test(tc, refused, 0, 2);
	tcase_add_test(tc, planned_exit);
	tcase_add_test(tc, path);
	tcase_add_loop_test(tc, note, 0, 2);
	tcase_add_test(tc, keys_are_changed);
	tcase_add_test(tc, wrong_key_stays_out);
	tcase_add_test(tc, low_ttl_is_dropped);
	tcase_add_test(tc, own_stall_downs_nobody);
	tcase_add_test(tc, removed_peer_and_added_one);
	tcase_add_test(tc, set_again_and_again);
	tcase_add_loop_test(tc, echo, 0, 2);
	tcase_add_test(tc, rate_is_adapted);
	tcase_add_test(tc, dead_neighbours_take_no_room);
	tcase_add_loop_test(tc, bad_conf, 0, nitems(bad_confs));
	tcase_add_test(tc, port_in_use);
	tcase_add_loop_test(tc, port_of_several_devices, 0, 2);
}

TEST_MAIN("bfd_io", fill)
