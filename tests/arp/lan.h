/*
 * lan.h - layer 2 for real: nodes a and b, each a process in a network namespace of
 * its own, on one bridge with a client and a stranger. The client's kernel, arping
 * and ndisc6 are the judges.
 */
#ifndef HERALD_TESTS_ARP_LAN_H
#define HERALD_TESTS_ARP_LAN_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "arp/ndp.h"
#include "tests/arp/node.h"

enum { EXIT_SKIPPED = 77 };

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"
#define MAC_C "02:00:00:00:00:0c"	/* the client */
#define MAC_S "02:00:00:00:00:05"	/* the stranger */
#define VIP4 "10.9.0.100"
#define VIP6 "2001:db8::100"

/* The text of a command's output (at most one buffer), its status in *ret_rc. */
static inline const char *
shell(int *ret_rc, const char *fmt, ...)
{
	static char out[8192];
	char cmd[4096];
	size_t n;
	va_list ap;
	FILE *p;
	int rc;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	p = popen(cmd, "r");
	if (p == NULL)
		abort();
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	rc = pclose(p);
	if (ret_rc != NULL)
		*ret_rc = WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
	return out;
}

/* The same where failing is an error of the test's. */
#define must(...) do { \
	int rc_; \
	const char *out_ = shell(&rc_, __VA_ARGS__); \
	ck_assert_msg(rc_ == 0, "%s: %s", #__VA_ARGS__, out_); \
} while (0)

static inline void
add_host(const char *name, const char *mac, int last)
{
	must("set -e; P=%s; N=${P}%s; ip netns add $N;"
	    "ip -n ${P}lan link add p%s type veth peer name eth0 netns $N address %s;"
	    "ip -n ${P}lan link set p%s master br0 up; ip -n $N link set lo up;"
	    "ip netns exec $N sysctl -qw net.ipv6.conf.default.accept_dad=0"
	    " net.ipv6.conf.eth0.accept_dad=0;"
	    "ip -n $N link set eth0 up;"
	    "ip -n $N addr add 10.9.0.%d/24 dev eth0;"
	    "ip -n $N addr add 2001:db8::%d/64 dev eth0 nodad", ns_prefix, name, name, mac,
	    name, last, last);
}

static inline void
lan_down(void)
{
	if (a.pid > 0)
		kill(a.pid, SIGTERM);
	if (b.pid > 0)
		kill(b.pid, SIGTERM);
	shell(NULL, "for n in $(ip netns list | grep -o '^%s[a-z]*'); do"
	    " ip netns del $n; done", ns_prefix);
}

static inline void
lan_up(void)
{
	must("set -e; P=%s; ip netns add ${P}lan; ip -n ${P}lan link add br0 type bridge "
	    "mcast_snooping 0; ip -n ${P}lan link set br0 up", ns_prefix);
	add_host("a", MAC_A, 10);
	add_host("b", MAC_B, 11);
	add_host("c", MAC_C, 2);
	add_host("s", MAC_S, 5);
	a = node_start("a");
	b = node_start("b");
}

static inline void
nodes_down(void)
{
	node_stop(&a, NULL);
	node_stop(&b, NULL);
	lan_down();
}

/* A command in a host's namespace: its output. */
#define in(ns, rc, fmt, ...) \
	shell(rc, "ip netns exec %s%s " fmt " 2>&1", ns_prefix, ns, ##__VA_ARGS__)

/* Have the client's kernel resolve vip, by a datagram to it. */
static inline void
resolve(const char *vip)
{
	in("c", NULL, "bash -c 'echo >/dev/udp/%s/9'", vip);
	usleep(50000);
}

/* The client's neighbour entry for vip. */
static inline const char *
entry_of(const char *vip)
{
	return in("c", NULL, "ip neigh show %s", vip);
}

static inline bool
has_entry(const char *vip, const char *mac)
{
	return strstr(entry_of(vip), mac) != NULL;
}

/* Wait until the client's entry has mac; milliseconds, or -1 after 2 s. */
static inline int
wait_entry(const char *vip, const char *mac)
{
	struct mono start = clock_mono();

	while (mono_sub_ns(clock_mono(), start) < 2 * NSEC_PER_SEC)
		if (has_entry(vip, mac))
			return (int)(mono_sub_ns(clock_mono(), start) / NSEC_PER_MSEC);
	return -1;
}

/* A packet socket on the client's link that hears and says everything. */
static inline int
tap_client(const char *ns)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	const int size = 8 << 20;
	int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	enter_ns(ns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	to.sll_ifindex = (int)if_nametoindex("eth0");
	ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	ck_assert(setns(self, CLONE_NEWNET) == 0);
	close(self);
	return fd;
}

/* One received frame that is not the client's own; 0 after ms. */
static inline size_t
tap_read(int fd, uint8_t buf[2048], int ms)
{
	struct mono end = mono_add_ms(clock_mono(), ms);

	for (;;) {
		int64_t left = mono_sub_ns(end, clock_mono()) / NSEC_PER_MSEC;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		ssize_t n;

		if (poll(&p, 1, left > 0 ? (int)left : 0) != 1)
			return 0;
		n = recvfrom(fd, buf, 2048, 0, (struct sockaddr *)&from, &len);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
			return (size_t)n;
	}
}

/* How many frames claim vip, from mac (NULL: anybody), within ms. */
static inline int
count_claims(int fd, const char *vip, const char *mac, int ms)
{
	struct mono end = mono_add_ms(clock_mono(), ms);
	struct ip addr;
	int count = 0;

	ck_assert(ip_parse(vip, &addr) == 0);
	while (mono_before(clock_mono(), end)) {
		struct arp_events e;
		uint8_t buf[2048];
		int64_t left = mono_sub_ns(end, clock_mono()) / NSEC_PER_MSEC;
		size_t n = tap_read(fd, buf, left > 0 ? (int)left : 0);

		if (n == 0 || arp_frame_decode(buf, n, &e) < 0)
			continue;
		for (int i = 0; i < e.n; i++)
			if (e.ev[i].kind == ARP_EVENT_CLAIM &&
			    ip_eq(&e.ev[i].target, &addr) &&
			    (mac == NULL || strcmp(ARP_MAC_STR(e.ev[i].mac), mac) == 0))
				count++;
	}
	return count;
}

static inline void
need_root(void)
{
	int rc;

	if (geteuid() == 0)
		shell(&rc, "ip netns add %sx && ip netns del %sx", ns_prefix, ns_prefix);
	else
		rc = -1;
	if (rc == 0)
		return;
	printf("skipped: needs root, ip(8) and network namespaces\n");
	exit(EXIT_SKIPPED);
}

/* First of all in main(). */
static inline void
lan_begin(void)
{
	snprintf(ns_prefix, sizeof(ns_prefix), "arp%d", getpid());
	signal(SIGPIPE, SIG_IGN);
	need_root();
}

/* A test case of the suite, each of whose tests has a LAN to itself. */
static inline TCase *
lan_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, lan_up, nodes_down);
	suite_add_tcase(s, tc);
	return tc;
}

/* Run it, in this process; what main() returns. */
static inline int
lan_run(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int nfailed;

	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_ENV);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	lan_down();
	return nfailed != 0;
}

#endif
