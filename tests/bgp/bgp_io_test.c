/*
 * bgp_io_test.c - the shell: sessions, changes, refusals, ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <net/if.h>
#include <netinet/tcp.h>

#include "bgp/bgp_tcp_io.h"
#include "tests/bgp/ends.h"

static const struct {
	const char *why, *at_a, *at_b;
	enum bgp_io_auth auth_a, auth_b;
	const char *key_a, *key_b;
	bool	is_up;
	const char *vrf;
} sessions[] = {
	{ "IPv4", "127.0.0.1", "127.0.0.2", 0, 0, NULL, NULL, true, NULL },
	{ "IPv6", "2001:db8::1", "2001:db8::2", 0, 0, NULL, NULL, true, NULL },
	{ "MD5 over IPv4, the longest key", "127.0.0.1", "127.0.0.2", BGP_IO_AUTH_MD5,
	    BGP_IO_AUTH_MD5,
	    "0123456789012345678901234567890123456789012345678901234567890123456789"
	    "0123456789",
	    "0123456789012345678901234567890123456789012345678901234567890123456789"
	    "0123456789", true, NULL },
	{ "MD5 over IPv6", "2001:db8::1", "2001:db8::2", BGP_IO_AUTH_MD5,
	    BGP_IO_AUTH_MD5, "x", "x", true, NULL },
	{ "bound to a device", "127.0.0.1", "127.0.0.2", 0, 0, NULL, NULL, true, "lo" },
	{ "bound to a device, with MD5", "2001:db8::1", "2001:db8::2", BGP_IO_AUTH_MD5,
	    BGP_IO_AUTH_MD5, "x", "x", true, "lo" },
	{ "bound to a device that is not there", "127.0.0.1", "127.0.0.2", 0, 0, NULL,
	    NULL, false, "eth9" },
	{ "keys differ", "127.0.0.1", "127.0.0.2", BGP_IO_AUTH_MD5, BGP_IO_AUTH_MD5,
	    "x", "y", false, NULL },
	{ "only one side has a key", "127.0.0.1", "127.0.0.2", BGP_IO_AUTH_MD5,
	    BGP_IO_AUTH_NONE, "x", NULL, false, NULL },
};

START_TEST(session)
{
	both(sessions[_i].at_a, sessions[_i].at_b);
	a.peers[0].auth = sessions[_i].auth_a;
	a.peers[0].password = sessions[_i].key_a;
	b.peers[0].auth = sessions[_i].auth_b;
	b.peers[0].password = sessions[_i].key_b;
	a.peers[0].vrf = b.peers[0].vrf = sessions[_i].vrf;
	a.peers[0].next_hop4 = addr("192.0.2.7");	/* lo has none to offer */
	begin(3);
	if (!sessions[_i].is_up) {
		turn(1500);
		ck_assert_msg(!is_up(&a, "b") && !is_up(&b, "a"), "%s",
		    sessions[_i].why);
		return;
	}
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
	WAIT(nsent(&a, "b") == 3);
	ck_assert_str_eq(IP_STR(&status(&a, "b")->local), sessions[_i].at_a);
	ck_assert_str_eq(status(&a, "b")->reason, "");
	turn(300);			/* no collision later on */
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
	ck_assert_uint_eq(status(&b, "a")->engine->counts.established, 1);
}
END_TEST

/* The key comes after the listener, and goes: calls follow. */
START_TEST(password_is_changed)
{
	both("127.0.0.1", "127.0.0.2");
	a.peers[0].session.is_passive = true;
	both_up(1);
	a.peers[0].auth = BGP_IO_AUTH_MD5;
	a.peers[0].password = "new";
	apply(&a);
	WAIT(!is_up(&b, "a"));
	turn(1500);
	ck_assert(!is_up(&b, "a"));
	b.peers[0].auth = BGP_IO_AUTH_MD5;
	b.peers[0].password = "new";
	apply(&b);
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
	a.peers[0].auth = b.peers[0].auth = BGP_IO_AUTH_NONE;
	apply(&a);
	apply(&b);
	WAIT(!is_up(&a, "b"));
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
	WAIT(nsent(&a, "b") == 1);	/* kept across all of that */
}
END_TEST

static const struct {
	const char *want;		/* in the reason */
	struct bgp_io_peer p;
} refusals[] = {
	{ "neither an address", { .addr = { 0 } } },
	{ "needs an interface", { .addr = { .family = IP_V6, .b = { 0xfe, 0x80 } } } },
	{ "different families", { .addr = { .family = IP_V4, .b = { 10, 0, 0, 1 } },
	    .source = { .family = IP_V6, .b = { 0x20 } } } },
	{ "1 to 80 bytes", { .addr = { .family = IP_V4, .b = { 10, 0, 0, 1 } },
	    .auth = BGP_IO_AUTH_MD5, .password = "" } },
	{ "longer than 15", { .addr = { .family = IP_V4, .b = { 10, 0, 0, 1 } },
	    .vrf = "a-name-of-sixteen" } },
	{ "as peer b", { .addr = { .family = IP_V4, .b = { 127, 0, 0, 2 } },
	    .source = { .family = IP_V4, .b = { 127, 0, 0, 1 } } } },
};

START_TEST(refused_alone)
{
	both("127.0.0.1", "127.0.0.2");
	a.peers[1] = refusals[_i].p;
	a.peers[1].name = "c";
	a.peers[1].session = a.peers[0].session;
	a.npeers = 2;
	both_up(1);
	ck_assert(status(&a, "c")->is_refused);
	ck_assert_ptr_null(a.seen.engine);
	ck_assert_msg(strstr(a.seen.reason, refusals[_i].want) != NULL, "%s",
	    a.seen.reason);
	/* Put right, it is accepted. */
	a.peers[1] = a.peers[0];
	a.peers[1].name = "c";
	a.peers[1].addr = addr("127.0.0.9");
	apply(&a);
	ck_assert(!status(&a, "c")->is_refused);
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
}
END_TEST

START_TEST(tcp_ao_or_a_clear_no)
{
	both("127.0.0.1", "127.0.0.2");
	a.peers[0].auth = b.peers[0].auth = BGP_IO_AUTH_AO;
	a.peers[0].password = b.peers[0].password = "secret";
	a.peers[0].key_id = b.peers[0].key_id = 7;
	begin(1);
	if (bgp_tcp_has_ao()) {
		WAIT(is_up(&a, "b") && is_up(&b, "a"));
		return;
	}
	ck_assert(status(&a, "b")->is_refused);
	ck_assert(strstr(a.seen.reason, "no TCP-AO") != NULL);
}
END_TEST

/* A neighbour far away: its packets arrive with a low TTL. */
START_TEST(gtsm)
{
	both("127.0.0.1", "127.0.0.2");
	a.peers[0].has_gtsm = true;
	a.peers[0].hops = 1;
	b.peers[0].hops = 250;		/* sends TTL 250: too far for a */
	a.peers[0].session.is_passive = _i == 1;
	b.peers[0].session.is_passive = _i == 2;
	begin(0);
	turn(1500);
	ck_assert(!is_up(&a, "b"));	/* b, whom a reaches, may think it is */
	b.peers[0].has_gtsm = true;	/* sends 255 */
	apply(&b);
	/* b's reset came from too far as well; do not wait for the timers. */
	bgp_io_reset(a.io, "b", NULL);
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
}
END_TEST

START_TEST(leaving_says_so)
{
	both("127.0.0.1", "127.0.0.2");
	both_up(5);
	WAIT(nsent(&a, "b") == 5);
	bgp_io_shutdown(a.io, BGP_IO_LEAVE, 200, "moving to rack 7");
	turn(100);
	ck_assert(is_up(&b, "a"));	/* drained, not gone */
	ck_assert_uint_ge(status(&b, "a")->engine->counts.rx[BGP_UPDATE], 2);
	ck_assert_uint_eq(a.nstopped, 0);
	WAIT(a.nstopped == 1);
	WAIT(!is_up(&b, "a"));
	ck_assert_msg(strstr(status(&b, "a")->reason, "moving to rack 7") != NULL, "%s",
	    b.seen.reason);
	turn(50);
	ck_assert_uint_eq(a.nstopped, 1);
}
END_TEST

/* With graceful restart not a word is said; without it, marked routes and a Cease. */
START_TEST(restarting)
{
	uint64_t updates;

	both("127.0.0.1", "127.0.0.2");
	if (_i == 1)
		a.peers[0].session.restart_sec = b.peers[0].session.restart_sec = 60;
	a.peers[0].next_hop4 = addr("192.0.2.7");
	both_up(5);
	WAIT(nsent(&a, "b") == 5);
	turn(50);
	updates = status(&b, "a")->engine->counts.rx[BGP_UPDATE];
	bgp_io_shutdown(a.io, BGP_IO_RESTART, 200, NULL);
	turn(100);
	ck_assert_msg(a.nstopped == (unsigned)_i, "waits for who loses routes only");
	ck_assert(is_up(&b, "a") == (_i == 0));
	ck_assert_uint_eq(b.seen.engine->counts.rx[BGP_UPDATE], updates + (_i == 0));
	WAIT(a.nstopped == 1);
	WAIT(!is_up(&b, "a"));
	ck_assert_msg((strstr(b.seen.reason, "shutdown") == NULL) == (_i == 1), "%s",
	    b.seen.reason);
}
END_TEST

/* Who has nothing from us loses nothing: no time is spent on it. */
START_TEST(leaving_without_routes)
{
	both("127.0.0.1", "127.0.0.2");
	both_up(0);
	bgp_io_shutdown(a.io, BGP_IO_LEAVE, 60000, NULL);
	WAIT(a.nstopped == 1);
	WAIT(!is_up(&b, "a"));
}
END_TEST

/* The records of a dump: how many, each whole. */
static unsigned
count_records(const char *path)
{
	static uint8_t buf[1 << 16];
	FILE *f = fopen(path, "re");
	struct wire_in w;
	unsigned n = 0;

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	w = wire_in(buf, fread(buf, 1, sizeof(buf), f));
	fclose(f);
	unlink(path);
	while (w.left > 0) {
		wire_get(&w, 4);
		ck_assert_uint_eq(wire_get_u16(&w), 17);	/* BGP4MP_ET */
		wire_get_u16(&w);
		wire_get(&w, wire_get_u32(&w));
		ck_assert_msg(!w.is_bad, "%s: record %u is cut", path, n);
		n++;
	}
	return n;
}

/* Every message and state, in two files of the size asked for. */
START_TEST(dumped)
{
	char path[64], old[68];
	const struct bgp_counts *c;
	unsigned nnew, nold, n = 0;

	snprintf(path, sizeof(path), "/tmp/bgp_io_test.%d", getpid());
	snprintf(old, sizeof(old), "%s.1", path);
	open_end(&b, PORT_B);
	a = (struct end){ .io = bgp_io_new(loop, &(struct bgp_io_conf){ .port = PORT_A,
	    .mrt_path = path, .mrt_max_bytes = _i == 0 ? 1 << 20 : 400 },
	    &(struct bgp_io_handler){ 0 }) };
	add_peer(&a, "b", "127.0.0.1", "127.0.0.2", PORT_B)->next_hop4 = addr("192.0.2.7");
	add_peer(&b, "a", "127.0.0.2", "127.0.0.1", PORT_A);
	both_up(3);
	WAIT(nsent(&a, "b") == 3);
	c = &status(&a, "b")->engine->counts;
	for (unsigned t = BGP_OPEN; t <= BGP_REFRESH; t++)
		n += (unsigned)(c->rx[t] + c->tx[t]);
	bgp_io_free(a.io);
	a.io = NULL;
	nnew = count_records(path);
	if (_i == 0) {
		ck_assert_msg(nnew >= n + 3, "%u records of %u messages and the states "
		    "between Idle and Established", nnew, n);
		ck_assert_int_ne(access(old, F_OK), 0);
		return;
	}
	nold = count_records(old);
	ck_assert_msg(nnew > 0 && nold > 0, "%u and %u records", nnew, nold);
}
END_TEST

/* A folder that is not there costs the dump and nothing else. */
START_TEST(not_dumped)
{
	both("127.0.0.1", "127.0.0.2");
	bgp_io_free(a.io);
	a.io = bgp_io_new(loop, &(struct bgp_io_conf){ .port = PORT_A,
	    .mrt_path = "/nonexistent/dump", .mrt_max_bytes = 400 },
	    &(struct bgp_io_handler){ on_changed, on_stopped, &a });
	both_up(3);
}
END_TEST

START_TEST(nothing_to_stop)
{
	open_end(&a, 0);
	bgp_io_shutdown(a.io, BGP_IO_LEAVE, 0, NULL);
	WAIT(a.nstopped == 1);
}
END_TEST

#define NOTIFIED \
	"messages_total{peer=\"b\",direction=\"sent\",type=\"NOTIFICATION\"}"
#define LAST_ERROR "herald_bgp_last_error_timestamp_seconds{peer="

START_TEST(reset_by_hand)
{
	both("127.0.0.1", "127.0.0.2");
	both_up(1);
	ck_assert_int_eq(bgp_io_reset(a.io, "nobody", NULL), -ENOENT);
	ck_assert_int_eq(bgp_io_reset(a.io, "b", "please"), 0);
	WAIT(strstr(status(&b, "a")->reason, "administrative reset (6/4): please") != NULL);
	WAIT(is_up(&a, "b") && is_up(&b, "a"));
	WAIT(has_metric(NOTIFIED " ") && !has_metric(NOTIFIED " 0"));
	ck_assert(has_metric(LAST_ERROR "\"b\",from=\"us\",code=\"6\",subcode=\"4\""));
	ck_assert(has_metric(LAST_ERROR "\"a\",from=\"peer\",code=\"6\",subcode=\"4\""));
	/* The next takes its place; of a peer that is gone nothing stays. */
	ck_assert_int_eq(bgp_io_reset(b.io, "a", "you, too"), 0);
	WAIT(has_metric(LAST_ERROR "\"b\",from=\"peer\""));
	ck_assert(!has_metric(LAST_ERROR "\"b\",from=\"us\""));
	a.npeers = 0;
	apply(&a);
	ck_assert(!has_metric("{peer=\"b\""));
}
END_TEST

/* Somebody else's address: hung up on, whatever the number. */
START_TEST(strangers_are_hung_up_on)
{
	enum { N = 200 };
	int fds[N];

	both("127.0.0.1", "127.0.0.2");
	both_up(1);
	for (int i = 0; i < N; i++)
		fds[i] = call_a("127.0.0.66");
	for (int i = 0; i < N; i++) {
		WAIT(is_hung_up(fds[i]));
		close(fds[i]);
	}
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
	ck_assert(is_up(&a, "b"));
}
END_TEST

/* The peer's own address, from a hundred sockets: the session stays. */
START_TEST(calls_to_a_live_session)
{
	int fds[100];

	both("127.0.0.1", "127.0.0.2");
	both_up(1);
	for (int i = 0; i < 100; i++)
		fds[i] = call_a("127.0.0.2");
	for (int i = 0; i < 100; i++) {
		WAIT(is_hung_up(fds[i]));
		close(fds[i]);
	}
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
	ck_assert(is_up(&a, "b"));
}
END_TEST

/* It takes not a byte: what is owed waits in the engine, not in a queue. */
START_TEST(a_peer_that_does_not_read)
{
	struct bgp_io_peer *p;
	int fd, small = 4096;
	uint64_t told;

	open_end(&a, PORT_A);
	open_end(&b, PORT_B);
	p = add_peer(&a, "b", "127.0.0.1", "127.0.0.9", PORT_B);
	p->session.is_passive = true;
	add_peer(&a, "b2", "127.0.0.3", "127.0.0.4", PORT_B);
	add_peer(&b, "a2", "127.0.0.4", "127.0.0.3", PORT_A);
	begin(0);
	fd = call_a("127.0.0.9");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	turn(50);
	say_hello(fd, 9);
	WAIT(is_up(&a, "b") && is_up(&a, "b2"));
	for (int i = 0; i < 400; i++)	/* each change is 16 kB */
		announce(&a, i & 1 ? 0 : ROUTES_MAX - 1);
	told = status(&a, "b")->engine->counts.tx[BGP_UPDATE];
	announce(&a, ROUTES_MAX - 1);
	turn(50);
	ck_assert_uint_eq(status(&a, "b")->engine->counts.tx[BGP_UPDATE], told);
	/* The other peer notices nothing, and the send hold timer runs. */
	WAIT(nsent(&a, "b2") == ROUTES_MAX - 1);
	ck_assert(is_up(&a, "b2"));
	ck_assert(status(&a, "b")->engine->conn[BGP_ACCEPTED].fsm.send_due.ns !=
	    MONO_NEVER.ns);
	/* It reads at last: it gets what is so now, not what was. */
	WAIT((is_hung_up(fd), nsent(&a, "b") == ROUTES_MAX - 1));
	ck_assert(is_up(&a, "b"));
	close(fd);
}
END_TEST

static void
give(int fd, uint8_t type, const void *body, size_t len)
{
	uint8_t buf[256];
	struct wire_out w = wire_out(buf, sizeof(buf));

	bgp_msg_begin(&w, type);
	wire_put_bytes(&w, body, len);
	bgp_msg_end(&w, 0);
	ck_assert_int_eq(send(fd, buf, w.len, MSG_NOSIGNAL), (ssize_t)w.len);
}

/* What the engine says at the end reaches the peer before the end does. */
START_TEST(notification_is_heard)
{
	struct bgp_io_peer *p;
	uint8_t buf[8192];
	ssize_t len = 0;
	int fd;

	open_end(&a, PORT_A);
	p = add_peer(&a, "b", "127.0.0.1", "127.0.0.9", PORT_B);
	p->session.is_passive = true;
	apply(&a);
	announce(&a, 10);
	fd = call_a("127.0.0.9");
	turn(50);
	say_hello(fd, 9);
	WAIT(is_up(&a, "b"));
	turn(50);
	/* Unread bytes at both ends, then one that is no message. */
	give(fd, BGP_KEEPALIVE, NULL, 0);
	give(fd, 77, "rubbish", 7);
	ck_assert_int_eq(send(fd, buf, sizeof(buf), MSG_NOSIGNAL), sizeof(buf));
	WAIT(!is_up(&a, "b"));
	for (int i = 0; i < 300; i++) {
		ssize_t n = recv(fd, buf + len, sizeof(buf) - (size_t)len, MSG_DONTWAIT);

		if (n == 0)
			break;
		ck_assert_msg(n > 0 || errno == EAGAIN, "reset instead: %s",
		    strerror(errno));
		len += n > 0 ? n : 0;
		turn(10);
	}
	ck_assert_int_ge(len, 22);
	ck_assert_uint_eq(buf[len - 4], BGP_NOTIFICATION);
	ck_assert_uint_eq(buf[len - 3], BGP_ERR_HEADER);
	ck_assert_uint_eq(buf[len - 2], BGP_HEADER_BAD_TYPE);
	ck_assert(strstr(status(&a, "b")->reason, "we said message header: bad type") !=
	    NULL);
	close(fd);
}
END_TEST

/* BFD on loopback: silence ends the session though TCP would go on. */
START_TEST(bfd_down_ends_the_session)
{
	/* Two daemons on one host would fight for port 3784: the peer is ours. */
	both("127.0.0.1", "127.0.0.2");
	a.peers[0].bfd = (struct bgp_io_bfd){ .min_tx_us = 20000, .min_rx_us = 20000,
	    .detect_mult = 3 };
	both_up(1);
	turn(200);
	/* Never up is no failure. */
	ck_assert(status(&a, "b")->has_bfd);
	ck_assert_int_ne(a.seen.bfd, BFD_PEER_UP);
	ck_assert(is_up(&a, "b"));
	a.peers[0].bfd.detect_mult = 0;
	apply(&a);
	ck_assert(!status(&a, "b")->has_bfd);
	ck_assert_uint_eq(status(&a, "b")->engine->counts.established, 1);
}
END_TEST

/* Whoever has the port first: the other dials, and takes calls later. */
START_TEST(port_in_use)
{
	struct sockaddr_storage ss;
	struct ip any = addr("0.0.0.0");
	socklen_t len = ip_to_sockaddr(&any, PORT_A, &ss);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	both("127.0.0.1", "127.0.0.2");
	both_up(1);
	close(fd);
	apply(&a);			/* tries again */
	fd = call_a("127.0.0.66");
	WAIT(is_hung_up(fd));
	close(fd);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, session, 0, nitems(sessions));
	tcase_add_test(tc, password_is_changed);
	tcase_add_loop_test(tc, refused_alone, 0, nitems(refusals));
	tcase_add_test(tc, tcp_ao_or_a_clear_no);
	tcase_add_loop_test(tc, gtsm, 0, 3);
	tcase_add_test(tc, leaving_says_so);
	tcase_add_loop_test(tc, restarting, 0, 2);
	tcase_add_test(tc, leaving_without_routes);
	tcase_add_loop_test(tc, dumped, 0, 2);
	tcase_add_test(tc, not_dumped);
	tcase_add_test(tc, nothing_to_stop);
	tcase_add_test(tc, reset_by_hand);
	tcase_add_test(tc, strangers_are_hung_up_on);
	tcase_add_test(tc, calls_to_a_live_session);
	tcase_add_test(tc, a_peer_that_does_not_read);
	tcase_add_test(tc, notification_is_heard);
	tcase_add_test(tc, bfd_down_ends_the_session);
	tcase_add_test(tc, port_in_use);
}

TEST_MAIN("bgp_io", fill)
