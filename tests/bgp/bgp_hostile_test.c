/*
 * bgp_hostile_test.c - peers and strangers that do their worst, with real sockets:
 * whatever they do costs a bounded number of descriptors and bytes, and the session
 * with another peer goes on, with routes that follow at once.
 *
 * The hostile part is a child process, so that it has its own time and its own
 * descriptors.
 */
#include <signal.h>
#include <stdlib.h>
#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/bgp/ends.h"

#ifdef __SANITIZE_ADDRESS__
/* As <sanitizer/allocator_interface.h> has it, which not every gcc brings. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

enum {
	CALLS = 1000,
	FDS_MAX = 32,			/* that the shell may add under attack */
	GROWTH_MAX = 512 << 10,		/* likewise, bytes of heap */
	BASE = 4000,			/* routes that are there all the time */
	CHANGES = 20,
	CHANGE_MAX_MS = 500,		/* until the other peer knows; ASan, a loaded
					   machine */
	HOSTILE_SEC = 3,
};

static pid_t child;

/* Runs fn in a child until it returns or is killed. */
static void
attack(void (*fn)(void))
{
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		fn();
		for (;;)
			pause();
	}
}

static void
end_attack(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static unsigned
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Bytes in use; ASan keeps what is freed for a while, so the RSS would not tell. */
static size_t
heap_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

/* a with two peers: b2, a real one, and b, at 127.0.0.9, whom the child plays. */
static void
set_the_stage(void)
{
	struct bgp_io_peer *p;

	open_end(&a, PORT_A);
	open_end(&b, PORT_B);
	p = add_peer(&a, "b", "127.0.0.1", "127.0.0.9", PORT_B);
	p->session.is_passive = true;
	p->next_hop4 = addr("192.0.2.7");
	p = add_peer(&a, "b2", "127.0.0.3", "127.0.0.4", PORT_B);
	p->session.hold_sec = 3;
	p->next_hop4 = addr("192.0.2.7");
	add_peer(&b, "a2", "127.0.0.4", "127.0.0.3", PORT_A)->session.hold_sec = 3;
	begin(BASE);
	WAIT(nsent(&a, "b2") == BASE && is_up(&b, "a2"));
}

/* For longer than b2's hold time, b2 learns of each change at once. */
static void
b2_is_undisturbed(void)
{
	unsigned fds = count_fds();
	size_t heap = heap_bytes();

	for (unsigned i = 1; i <= CHANGES; i++) {
		struct mono since = clock_mono();
		double ms;

		announce(&a, BASE + i);
		WAIT(nsent(&a, "b2") == BASE + i);
		ms = (double)mono_sub_ns(clock_mono(), since) / 1e6;
		ck_assert_msg(ms < CHANGE_MAX_MS, "change %u took %g ms", i, ms);
		turn(HOSTILE_SEC * 1000 / CHANGES);
	}
	ck_assert_uint_eq(status(&a, "b2")->engine->counts.established, 1);
	ck_assert(is_up(&a, "b2") && is_up(&b, "a2"));
	ck_assert_msg(count_fds() <= fds + FDS_MAX, "%u descriptors, %u before",
	    count_fds(), fds);
	ck_assert_msg(heap_bytes() < heap + GROWTH_MAX, "%zu bytes, %zu before",
	    heap_bytes(), heap);
}

/* The child's connection, made, or the child ends. */
static int
connect_to_a(const char *source)
{
	int fd = call_a(source);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (poll(&p, 1, 5000) != 1)
		_exit(1);
	return fd;
}

/* All of buf, again and again, reading what comes only where it is told to. */
static void
pour(int fd, const uint8_t *buf, size_t len, bool does_read)
{
	static uint8_t dump[65536];
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	size_t at = 0;

	while (poll(&p, 1, -1) == 1) {
		ssize_t n = send(fd, buf + at, len - at, MSG_NOSIGNAL);

		if (does_read)
			(void)!recv(fd, dump, sizeof(dump), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return;
		at = (at + (n > 0 ? (size_t)n : 0)) % len;
	}
}

/* UPDATEs with routes of which nothing is kept, and refreshes that want all. */
static size_t
write_flood(uint8_t *buf, size_t size, bool has_refresh)
{
	struct bgp_session s = {
		.local_as = 65002, .has_as4 = true, .role = BGP_ROLE_NONE, .families = 3,
		.msg_max = BGP_MSG_MAX, .next_hop = { addr("127.0.0.9") },
	};
	const struct bgp_attrs attrs = { .med = 1, .has_med = 1 };
	struct wire_out w = wire_out(buf, size);
	struct bgp_update_out u;

	for (uint32_t i = 0; size - w.len > BGP_MSG_MAX; ) {
		if (has_refresh) {
			bgp_refresh_encode(&w, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
			continue;
		}
		bgp_update_begin(&u, &w, &s, BGP_IPV4_UNICAST, &attrs);
		for (bool fits = true; fits; i++) {
			struct ip ip = ip_from_v4(0x0a000000 + i);
			struct prefix p = prefix_of(&ip);

			fits = bgp_update_put(&u, &p);
		}
		bgp_update_end(&u);
	}
	return w.len;
}

static void
flood(bool has_refresh, bool does_read)
{
	static uint8_t buf[1 << 18];
	size_t len = write_flood(buf, sizeof(buf), has_refresh);
	int fd = connect_to_a("127.0.0.9");

	say_hello(fd, 9);
	pour(fd, buf, len, does_read);
}

static void
flood_updates(void)
{
	flood(false, true);
}

static void
flood_refreshes(void)
{
	flood(true, true);
}

static void
flood_refreshes_unread(void)
{
	flood(true, false);
}

static const struct {
	const char *why;
	void	(*fn)(void);
	enum bgp_msg_type type;
} floods[] = {
	{ "routes without end", flood_updates, BGP_UPDATE },
	{ "all our routes again, please, without end", flood_refreshes, BGP_REFRESH },
	{ "the same, and it does not read them", flood_refreshes_unread, BGP_REFRESH },
};

START_TEST(floods_of_messages)
{
	uint64_t n;

	set_the_stage();
	attack(floods[_i].fn);
	WAIT(is_up(&a, "b"));
	b2_is_undisturbed();
	n = status(&a, "b")->engine->counts.rx[floods[_i].type];
	ck_assert_msg(n > 1000, "%s: only %llu messages came", floods[_i].why,
	    (unsigned long long)n);
}
END_TEST

/* A KEEPALIVE one byte at a time: 19 of them take longer than the hold time. */
static void
trickle(void)
{
	uint8_t buf[64];
	struct wire_out w = wire_out(buf, sizeof(buf));
	int fd = connect_to_a("127.0.0.9");

	bgp_keepalive_encode(&w);
	say_hello(fd, 9);
	for (size_t i = 0;; i++) {
		usleep(300000);
		if (send(fd, &buf[i % w.len], 1, MSG_NOSIGNAL) < 0)
			return;
	}
}

START_TEST(one_byte_at_a_time)
{
	set_the_stage();
	/* b's side: the hold time agreed on is 3 s, not the 90 s of the others. */
	a.peers[0].session.hold_sec = 3;
	apply(&a);
	announce(&a, BASE);
	attack(trickle);
	WAIT(is_up(&a, "b"));
	b2_is_undisturbed();
	WAIT(!is_up(&a, "b"));
	ck_assert_msg(strstr(status(&a, "b")->reason, "hold timer expired") != NULL, "%s",
	    a.seen.reason);
}
END_TEST

static void
call_often(const char *source)
{
	struct rlimit many = { CALLS + 64, CALLS + 64 };

	setrlimit(RLIMIT_NOFILE, &many);
	for (int i = 0; i < CALLS; i++)
		connect_to_a(source);
}

static void
call_as_stranger(void)
{
	call_often("127.0.0.66");
}

static void
call_as_peer(void)
{
	call_often("127.0.0.9");
}

/* A thousand at once, and the child holds them as long as it can. */
START_TEST(calls)
{
	set_the_stage();
	attack(_i == 0 ? call_as_stranger : call_as_peer);
	b2_is_undisturbed();
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
}
END_TEST

static void
end_all(void)
{
	end_attack();
	tear_down();
}

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, end_all);
	tcase_add_loop_test(tc, floods_of_messages, 0, nitems(floods));
	tcase_add_test(tc, one_byte_at_a_time);
	tcase_add_loop_test(tc, calls, 0, 2);
}

TEST_MAIN("bgp_hostile", fill)
