/*
 * /bgp and /bgp/routes of two shells that talk to each other over loopback, in a
 * namespace of their own; waits end as soon as what they wait for is there.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <ev.h>
#include <net/if.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "speaker/bgp_encode.h"
#include "tests/check.h"

enum { WAIT_SEC = 20, PORT = 1790 };

static struct ev_loop *loop;
static struct bgp_io *a, *b;

static struct ip
addr(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static void
log_nothing(void *arg, const char *line, size_t len)
{
	(void)arg;
	(void)line;
	(void)len;
}

static struct bgp_io *
open_end(const char *name, const char *from, const char *to, uint16_t port,
    uint16_t dial, uint32_t as)
{
	struct bgp_io_peer p = {
		.name = name, .addr = addr(to), .source = addr(from), .port = dial,
		.next_hop4 = addr("192.0.2.7"),
		.session = { .local_as = as, .as_rule = BGP_AS_INTERNAL,
		    .router_id = port, .hold_sec = 90, .connect_sec = 5,
		    .role = BGP_ROLE_NONE, .families = 1 },
	};
	struct bgp_io *io = bgp_io_new(loop, &(struct bgp_io_conf){ .port = port },
	    &(struct bgp_io_handler){ 0 });

	bgp_io_set_peers(io, &p, 1);
	return io;
}

static cJSON *
answer(void (*encode)(FILE *f, const char *node, const struct bgp_io *io),
    const struct bgp_io *io)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	cJSON *top;

	encode(f, "n1", io);
	fclose(f);
	top = cJSON_Parse(text);
	ck_assert_msg(top != NULL, "%s", text);
	free(text);
	return top;
}

/* The first peer's field; heap, unformatted. */
static char *
field(void (*encode)(FILE *f, const char *node, const struct bgp_io *io),
    const struct bgp_io *io, const char *name)
{
	cJSON *top = answer(encode, io);
	cJSON *peer = cJSON_GetArrayItem(cJSON_GetObjectItem(top, "peers"), 0);
	cJSON *v = cJSON_GetObjectItem(peer, name);
	char *text = v != NULL ? cJSON_PrintUnformatted(v) : mem_strdup("absent");

	cJSON_Delete(top);
	return text;
}

static bool
is_so(void (*encode)(FILE *f, const char *node, const struct bgp_io *io),
    const char *name, const char *want)
{
	char *text = field(encode, a, name);
	bool is = strcmp(text, want) == 0;

	free(text);
	return is;
}

static void
on_tick(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ONE);
}

static void
wait_for(void (*encode)(FILE *f, const char *node, const struct bgp_io *io),
    const char *name, const char *want)
{
	struct mono end = mono_add_sec(clock_mono(), WAIT_SEC);
	ev_timer t;

	while (!is_so(encode, name, want)) {
		ck_assert_msg(!mono_reached(clock_mono(), end), "%s is %s, not %s", name,
		    field(encode, a, name), want);
		ev_timer_init(&t, on_tick, 0.01, 0.);
		ev_timer_start(loop, &t);
		ev_run(loop, 0);
		ev_timer_stop(loop, &t);
	}
}

START_TEST(no_peer)
{
	cJSON *top = answer(bgp_encode_peers, NULL);

	ck_assert_str_eq(cJSON_GetObjectItem(top, "node")->valuestring, "n1");
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(top, "peers")), 0);
	cJSON_Delete(top);
}
END_TEST

START_TEST(session_and_routes)
{
	struct ip vip = addr("198.51.100.1");
	struct bgp_attrs attrs = { .local_pref = 70, .has_med = 1, .med = 5,
	    .nprepend = 2, .ncommunities = 1, .communities = { 64512u << 16 | 7 },
	    .nlarge = 1, .large = { { 1, 2, 3 } }, .next = 1, .ext = { 0x4004fc00 } };
	const struct bgp_io_route route = { prefix_of(&vip), &attrs, NULL, 0 };

	a = open_end("b", "127.0.0.1", "127.0.0.2", PORT, PORT + 1, 64512);
	wait_for(bgp_encode_routes, "routes", "[]");
	ck_assert_int_eq(bgp_io_set_routes(a, &route, 1), 0);
	wait_for(bgp_encode_routes, "routes", "[{\"prefix\":\"198.51.100.1/32\","
	    "\"state\":\"pending\",\"med\":5,\"prepend\":2,\"communities\":"
	    "[\"64512:7\"],\"largeCommunities\":[\"1:2:3\"],"
	    "\"extendedCommunities\":[\"0x000000004004fc00\"]}]");
	ck_assert(is_so(bgp_encode_peers, "peerAS", "absent"));
	b = open_end("a", "127.0.0.2", "127.0.0.1", PORT + 1, PORT, 64512);
	ck_assert_int_eq(bgp_io_set_routes(b, NULL, 0), 0);
	wait_for(bgp_encode_peers, "state", "\"Established\"");
	wait_for(bgp_encode_peers, "announced", "1");
	wait_for(bgp_encode_routes, "routes", "[{\"prefix\":\"198.51.100.1/32\","
	    "\"state\":\"announced\",\"nextHop\":\"192.0.2.7\",\"localPref\":70,"
	    "\"med\":5,\"prepend\":2,\"communities\":[\"64512:7\"],"
	    "\"largeCommunities\":[\"1:2:3\"],"
	    "\"extendedCommunities\":[\"0x000000004004fc00\"]}]");
	ck_assert(is_so(bgp_encode_peers, "peerAS", "64512"));
	ck_assert(is_so(bgp_encode_peers, "families", "[\"ipv4 unicast\"]"));
	ck_assert(is_so(bgp_encode_peers, "localAddress", "\"127.0.0.1\""));
	ck_assert(is_so(bgp_encode_peers, "established", "1"));
	ck_assert(is_so(bgp_encode_peers, "reason", "absent"));
}
END_TEST

static void
set_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "needs CAP_SYS_ADMIN: %s",
	    strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	loop = ev_loop_new(EVFLAG_AUTO);
	log_set_sink(log_nothing, NULL);
}

static void
tear_down(void)
{
	bgp_io_free(a);
	bgp_io_free(b);
	ev_loop_destroy(loop);
	metrics_fini();
}

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, no_peer);
	tcase_add_test(tc, session_and_routes);
}

TEST_MAIN("bgp_encode", fill)
