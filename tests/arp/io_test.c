/*
 * Layer 2 for real: nodes that run arp_io, each a process in a network
 * namespace of its own, on one bridge with a client and a stranger. The
 * client's kernel, arping and ndisc6 are the judges.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arp/arp.h"
#include "arp/arp_io.h"
#include "arp/ndp.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { EXIT_SKIPPED = 77 };

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"
#define MAC_C "02:00:00:00:00:0c"	/* the client */
#define MAC_S "02:00:00:00:00:05"	/* the stranger */
#define VIP4 "10.9.0.100"
#define VIP6 "2001:db8::100"

static char ns_prefix[32];	/* "arp<pid>": names of our namespaces begin so */

/* The text of a command's output (at most one buffer), its status in *ret_rc. */
static const char *
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

static void
enter_ns(const char *name)
{
	char path[64];
	int fd;

	if (name == NULL)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", getppid());
	else
		snprintf(path, sizeof(path), "/run/netns/%s%s", ns_prefix, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(1);
	}
	close(fd);
}

/* A node: a process of its own that runs arp_io and obeys lines of text. */
struct node {
	pid_t	pid;
	int	cmd;		/* lines to it: see obey() */
	FILE	*report;	/* lines from it */
};

static struct node a, b;

static struct arp_io_conf conf;	/* of nodes started from now on */

struct child {
	struct arp_io *arp;
	FILE	*report;
	struct ev_io input;
	char	line[32768];
	size_t	len;
};

static void
on_conflict(void *arg, const struct ip *vip, const char *ifname, const uint8_t mac[6])
{
	struct child *c = arg;

	fprintf(c->report, "conflict %s %s %s\n", IP_STR(vip), ifname, ARP_MAC_STR(mac));
}

static void
on_settled(void *arg, const struct ip *vip, const char *ifname)
{
	struct child *c = arg;

	fprintf(c->report, "settled %s %s\n", IP_STR(vip), ifname);
}

static void
on_links(void *arg)
{
	struct child *c = arg;

	fprintf(c->report, "links\n");
}

static void
print_announced(void *arg, const struct ip *vip, const char *ifname)
{
	struct child *c = arg;

	fprintf(c->report, " %s@%s", IP_STR(vip), ifname);
}

static void
print_link(void *arg, const char *ifname, bool is_eligible, const char *why)
{
	struct child *c = arg;

	fprintf(c->report, " %s(%s)", ifname, is_eligible ? "yes" : why);
}

/* "set [first] [yield|withhold] [if=NAME] VIP...", "list", "why", "announce". */
static void
obey(struct child *c, char *line)
{
	static struct arp_want wants[2000];
	static const char *ifs[1];
	struct arp_want as = { .vip = { .family = IP_NONE } };
	char *save = NULL, *word = strtok_r(line, " ", &save);
	size_t n = 0;

	if (strcmp(word, "list") == 0 || strcmp(word, "why") == 0) {
		fputs(word, c->report);
		if (*word == 'l')
			arp_io_each(c->arp, print_announced, c);
		else
			arp_io_each_link(c->arp, print_link, c);
		fputs("\n", c->report);
		return;
	}
	if (strcmp(word, "announce") == 0) {
		arp_io_announce(c->arp, NULL);
		return;
	}
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		if (strcmp(word, "first") == 0)
			as.is_first_claim = true;
		else if (strcmp(word, "yield") == 0)
			as.policy = ARP_POLICY_YIELD;
		else if (strcmp(word, "withhold") == 0)
			as.policy = ARP_POLICY_WITHHOLD;
		else if (strncmp(word, "if=", 3) == 0) {
			ifs[0] = word + 3;
			as.interfaces = ifs;
			as.ninterfaces = 1;
		} else if (ip_parse(word, &as.vip) == 0) {
			wants[n++] = as;
		}
	}
	arp_io_set(c->arp, wants, n);
	fputs("set\n", c->report);
}

static void
on_input(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct child *c = w->data;
	ssize_t n = read(w->fd, c->line + c->len, sizeof(c->line) - 1 - c->len);
	char *end;

	(void)revents;
	if (n <= 0) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	c->len += (size_t)n;
	c->line[c->len] = '\0';
	while ((end = strchr(c->line, '\n')) != NULL) {
		*end = '\0';
		obey(c, c->line);
		c->len -= (size_t)(end + 1 - c->line);
		memmove(c->line, end + 1, c->len + 1);
	}
}

static void
node_main(const char *ns, int cmd_fd, int report_fd)
{
	static const char *const exclude[] = { "skip*" };
	static struct child c;
	struct ev_loop *loop;
	const struct arp_io_handler handler = { .conflict = on_conflict,
		.settled = on_settled, .links_changed = on_links, .arg = &c };
	char err[256];

	conf.exclude = exclude;
	conf.nexclude = 1;
	enter_ns(ns);
	log_init(LOG_LEVEL_WARN, false);
	loop = ev_loop_new(0);
	c.report = fdopen(report_fd, "w");
	setlinebuf(c.report);
	c.arp = arp_io_new(loop, &conf, &handler, err);
	if (c.arp == NULL) {
		fprintf(stderr, "%s\n", err);
		_exit(1);
	}
	ev_io_init(&c.input, on_input, cmd_fd, EV_READ);
	c.input.data = &c;
	ev_io_start(loop, &c.input);
	fputs("ready\n", c.report);
	ev_run(loop, 0);
	arp_io_free(c.arp);
	ev_io_stop(loop, &c.input);
	ev_loop_destroy(loop);
	fclose(c.report);
	close(cmd_fd);
}

/* The next line from the node within ms, without its newline; "" for none. */
static const char *
heard(struct node *n, int ms)
{
	static char line[65536];
	struct pollfd p = { .fd = fileno(n->report), .events = POLLIN };

	line[0] = '\0';
	if (poll(&p, 1, ms) == 1 && fgets(line, sizeof(line), n->report) != NULL)
		line[strcspn(line, "\n")] = '\0';
	return line;
}

/* The next line that begins with word; "" where none comes within ms. */
static const char *
heard_of(struct node *n, const char *word, int ms)
{
	struct mono end = mono_add_ms(clock_mono(), ms);
	const char *line;

	do {
		int64_t left = mono_sub_ns(end, clock_mono()) / NSEC_PER_MSEC;

		line = heard(n, left > 0 ? (int)left : 0);
		if (strncmp(line, word, strlen(word)) == 0)
			return line;
	} while (mono_before(clock_mono(), end));
	return "";
}

static struct node
node_start(const char *ns)
{
	int down[2], up[2];
	struct node n;

	ck_assert(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0);
	fflush(NULL);
	n.pid = fork();
	ck_assert(n.pid >= 0);
	if (n.pid == 0) {
		close(down[1]);
		close(up[0]);
		if (a.pid > 0) {	/* or its end of input would never come */
			close(a.cmd);
			fclose(a.report);
		}
		node_main(ns, down[0], up[1]);
		exit(0);
	}
	close(down[0]);
	close(up[1]);
	n.cmd = down[1];
	n.report = fdopen(up[0], "r");
	setvbuf(n.report, NULL, _IONBF, 0);	/* poll() sees what is unread */
	ck_assert_str_eq(heard(&n, 5000), "ready");
	return n;
}

static void
tell(struct node *n, const char *fmt, ...)
{
	char line[32768];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[len++] = '\n';
	ck_assert(write(n->cmd, line, (size_t)len) == len);
}

static void
node_stop(struct node *n, struct rusage *ret_usage)
{
	int status = -1;

	if (n->pid <= 0)
		return;
	close(n->cmd);
	for (int i = 0; i < 200 && wait4(n->pid, &status, WNOHANG, ret_usage) == 0; i++)
		usleep(10000);
	if (status == -1) {
		kill(n->pid, SIGKILL);
		wait4(n->pid, &status, 0, ret_usage);
	}
	fclose(n->report);
	n->pid = 0;
	ck_assert_msg(status == 0, "node ended with %#x", status);
}

static void
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

static void
lan_down(void)
{
	if (a.pid > 0)
		kill(a.pid, SIGTERM);
	if (b.pid > 0)
		kill(b.pid, SIGTERM);
	shell(NULL, "for n in $(ip netns list | grep -o '^%s[a-z]*'); do"
	    " ip netns del $n; done", ns_prefix);
}

static void
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

static void
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
static void
resolve(const char *vip)
{
	in("c", NULL, "bash -c 'echo >/dev/udp/%s/9'", vip);
	usleep(50000);
}

/* The client's neighbour entry for vip. */
static const char *
entry_of(const char *vip)
{
	return in("c", NULL, "ip neigh show %s", vip);
}

static bool
has_entry(const char *vip, const char *mac)
{
	return strstr(entry_of(vip), mac) != NULL;
}

/* Wait until the client's entry has mac; milliseconds, or -1 after 2 s. */
static int
wait_entry(const char *vip, const char *mac)
{
	struct mono start = clock_mono();

	while (mono_sub_ns(clock_mono(), start) < 2 * NSEC_PER_SEC)
		if (has_entry(vip, mac))
			return (int)(mono_sub_ns(clock_mono(), start) / NSEC_PER_MSEC);
	return -1;
}

/* A packet socket on the client's link that hears and says everything. */
static int
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
static size_t
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
static int
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

START_TEST(kernel_and_tools_find_the_vip)
{
	int rc;

	tell(&a, "set " VIP4 " " VIP6);
	ck_assert_str_eq(heard(&a, 2000), "set");
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "arping is answered");
	resolve(VIP4);
	ck_assert_msg(has_entry(VIP4, MAC_A), "%s", entry_of(VIP4));
	resolve(VIP6);
	ck_assert_msg(has_entry(VIP6, MAC_A), "%s", entry_of(VIP6));
	ck_assert_msg(strcasestr(in("c", &rc, "ndisc6 -1 " VIP6 " eth0"), MAC_A) != NULL,
	    "ndisc6 is answered: %s", in("c", &rc, "ndisc6 -1 " VIP6 " eth0"));

	tell(&a, "set");
	ck_assert_str_eq(heard(&a, 2000), "set");
	in("c", &rc, "arping -c 1 -w 1 -I eth0 " VIP4);
	ck_assert_msg(rc != 0, "a dropped VIP is silent");
	in("c", &rc, "ndisc6 -1 -r 1 " VIP6 " eth0");
	ck_assert_msg(rc != 0, "a dropped IPv6 VIP is silent");
}
END_TEST

/*
 * A question that does not say who asks in the place meant for it: the frame
 * does. (ARP with sender MAC zero; a solicitation without the source option.)
 */
START_TEST(askers_without_a_mac_are_answered)
{
	static const uint8_t client[6] = { 2, 0, 0, 0, 0, 0x0c };
	struct arp_msg arp = { .op = ARP_OP_REQUEST, .sender = ip_from_v4(0x0a090002) };
	struct ndp_msg ns = { .type = NDP_SOLICIT,
		.eth_dst = { 0x33, 0x33, 0xff, 0, 1, 0 } };
	int tap = tap_client("c");
	struct arp_frame f;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	count_claims(tap, VIP4, NULL, 1300);	/* let the burst go by */
	ip_parse(VIP4, &arp.target);
	memset(arp.eth_dst, 0xff, 6);
	memcpy(arp.eth_src, client, 6);
	f = arp_encode(&arp);
	ck_assert(send(tap, f.buf, f.len, 0) == f.len);
	ck_assert_int_eq(count_claims(tap, VIP4, MAC_A, 300), 1);

	ip_parse(VIP6, &ns.target);
	ip_parse("2001:db8::2", &ns.src);
	ns.dst = ndp_solicited_node(&ns.target);
	memcpy(ns.eth_src, client, 6);
	f = ndp_encode(&ns);
	ck_assert(send(tap, f.buf, f.len, 0) == f.len);
	ck_assert_int_eq(count_claims(tap, VIP6, MAC_A, 300), 1);
	close(tap);
}
END_TEST

/* arping -D and the kernel's own DAD see that the address is taken. */
START_TEST(duplicate_detection_of_others_works)
{
	const char *out;
	int rc;

	tell(&a, "set " VIP4 " " VIP6);
	in("s", &rc, "arping -D -c 2 -w 3 -I eth0 10.9.0.101");
	ck_assert_msg(rc == 0, "a free address");
	in("s", &rc, "arping -D -c 2 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 1, "arping -D: %d", rc);
	must("ip netns exec %ss sh -c 'sysctl -qw net.ipv6.conf.eth0.accept_dad=1; "
	    "ip addr add " VIP6 "/64 dev eth0; sleep 2.5'", ns_prefix);
	out = in("s", &rc, "ip -6 addr show dev eth0 dadfailed");
	ck_assert_msg(strstr(out, VIP6) != NULL, "the kernel's DAD failed: %s", out);
}
END_TEST

static void
fill_client_entry(const char *mac)
{
	resolve(VIP4);
	resolve(VIP6);
	ck_assert(has_entry(VIP4, mac) && has_entry(VIP6, mac));
}

/* An owner vanishes, the other claims: the client's entries follow at once. */
START_TEST(takeover_moves_the_clients_entries)
{
	int ms4, ms6;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	kill(a.pid, SIGSTOP);
	tell(&b, "set " VIP4 " " VIP6);
	ms4 = wait_entry(VIP4, MAC_B);
	ms6 = wait_entry(VIP6, MAC_B);
	kill(a.pid, SIGCONT);
	printf("takeover: client's entries moved after %d and %d ms (polled)\n", ms4,
	    ms6);
	ck_assert_msg(ms4 >= 0 && ms4 < 200, "IPv4: %d ms", ms4);
	ck_assert_msg(ms6 >= 0 && ms6 < 200, "IPv6: %d ms", ms6);
}
END_TEST

/*
 * An owner that was stopped (a hang) wakes with questions in its queue and a
 * repeat overdue. It must not pull the client back from the new owner.
 */
START_TEST(woken_owner_keeps_quiet)
{
	int tap;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	kill(a.pid, SIGSTOP);		/* in the midst of its burst */
	tell(&b, "set " VIP4 " " VIP6);
	ck_assert_int_ge(wait_entry(VIP4, MAC_B), 0);
	in("c", NULL, "arping -c 2 -w 2 -I eth0 " VIP4);
	tap = tap_client("c");
	kill(a.pid, SIGCONT);
	ck_assert_msg(count_claims(tap, VIP4, MAC_A, 800) == 0, "IPv4 poisoned");
	close(tap);
	ck_assert(has_entry(VIP4, MAC_B) && has_entry(VIP6, MAC_B));
}
END_TEST

/* Planned: the leaver yields to the newcomer's first word and says no more. */
START_TEST(planned_move_makes_before_it_breaks)
{
	int tap, rc;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	fill_client_entry(MAC_A);
	tell(&a, "set yield " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "the leaver still answers");

	tap = tap_client("c");
	tell(&b, "set " VIP4 " " VIP6);
	ck_assert_int_ge(wait_entry(VIP4, MAC_B), 0);
	ck_assert_int_ge(wait_entry(VIP6, MAC_B), 0);
	ck_assert_int_eq(count_claims(tap, VIP4, MAC_A, 1500), 0);
	close(tap);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 2000), "list");
	ck_assert_msg(*heard_of(&b, "conflict", 200) == '\0', "a move is no conflict");
}
END_TEST

/* Two nodes that both think they own it: the one that stays has the last word. */
START_TEST(split_brain_is_settled_by_who_stays)
{
	int ms;

	tell(&a, "set " VIP4);
	heard_of(&a, "set", 2000);
	resolve(VIP4);
	tell(&b, "set " VIP4);
	heard_of(&b, "set", 2000);
	usleep(120000);			/* they argue */
	tell(&b, "set");
	heard_of(&b, "set", 2000);
	ms = wait_entry(VIP4, MAC_A);
	printf("split brain: the client is back with the owner %d ms after the other "
	    "fell silent\n", ms);
	ck_assert_msg(ms >= 0 && ms <= 400, "%d ms", ms);
	usleep(600000);
	ck_assert_msg(has_entry(VIP4, MAC_A), "for good");
}
END_TEST

/* A stranger has the address already: found, told, not taken. */
START_TEST(first_claim_finds_a_holder)
{
	const char *line;

	must("ip -n %ss addr add " VIP4 "/24 dev eth0", ns_prefix);
	must("ip -n %ss addr add " VIP6 "/64 dev eth0 nodad", ns_prefix);
	tell(&a, "set first " VIP4 " " VIP6 " 10.9.0.101");
	line = heard_of(&a, "conflict", 1000);
	ck_assert_msg(strcmp(line, "conflict " VIP4 " eth0 " MAC_S) == 0 ||
	    strcmp(line, "conflict " VIP6 " eth0 " MAC_S) == 0, "%s", line);
	ck_assert(*heard_of(&a, "conflict", 1000) != '\0');
	usleep(1200000);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 1000), "list 10.9.0.101@eth0");

	/* It goes away: probed again, found free, taken. */
	must("ip -n %ss addr del " VIP4 "/24 dev eth0", ns_prefix);
	line = heard_of(&a, "settled", 15000);
	ck_assert_msg(strcmp(line, "settled " VIP4 " eth0") == 0, "%s", line);
	usleep(50000);
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 1000), VIP4) != NULL, "ours now");
}
END_TEST

/* A silent stranger turns up later: the watch probe finds it. */
START_TEST(watch_finds_a_silent_stranger)
{
	must("ip -n %ss addr add " VIP4 "/24 dev eth0", ns_prefix);
	tell(&a, "set " VIP4);
	ck_assert_str_eq(heard_of(&a, "conflict", 2500), "conflict " VIP4 " eth0 " MAC_S);
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 1000), VIP4 "@eth0") != NULL,
	    "defended, not given up");
}
END_TEST

/* As often as asked for, and without a probe where none is wanted. */
START_TEST(settings)
{
	int tap, n;

	node_stop(&a, NULL);
	conf = (struct arp_io_conf){ .repeat_sec = 1, .nannounce = 1,
		.is_unprobed = true };
	a = node_start("a");
	conf = (struct arp_io_conf){ 0 };
	tap = tap_client("c");
	tell(&a, "set first " VIP4);
	heard_of(&a, "set", 2000);
	n = count_claims(tap, VIP4, MAC_A, 600);
	ck_assert_msg(n == 2, "at once, one pair, and then a pause: %d", n);
	n = count_claims(tap, VIP4, MAC_A, 2600);
	ck_assert_msg(n >= 2 * 2 && n <= 2 * 4, "every 0.75 to 1.25 s: %d", n);
	close(tap);
}
END_TEST

START_TEST(links_come_and_go)
{
	const char *out;
	int rc, tap;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	must("set -e; P=%s; ip -n ${P}lan link add pa1 type veth peer name net1 netns"
	    " ${P}a address 02:00:00:00:01:0a; ip -n ${P}lan link set pa1 master br0 up;"
	    " ip -n ${P}a link set net1 up;"
	    " ip -n ${P}a link add skip0 link eth0 type macvlan;"
	    " ip -n ${P}a link set skip0 up;"
	    " ip -n ${P}a link add br1 type bridge;"
	    " ip -n ${P}a link add veth77 type veth peer name veth78", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	usleep(100000);
	tell(&a, "why");
	out = heard_of(&a, "why", 1000);
	ck_assert_msg(strstr(out, "lo(loopback)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "net1(yes)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "skip0(excluded by its name)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "br1(down)") != NULL, "%s", out);
	ck_assert_msg(strstr(out, "veth77(excluded by its name)") != NULL, "%s", out);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, VIP4 "@net1") != NULL, "%s", out);
	out = in("a", &rc, "ip maddr show dev net1");
	ck_assert_msg(strstr(out, "ff02::1:ff00:100") != NULL, "group joined: %s", out);

	/* Enslaved, the master speaks. */
	must("ip -n %sa link set net1 master br1", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	must("ip -n %sa link set br1 up", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	usleep(100000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, "@br1") != NULL && strstr(out, "@net1") == NULL, "%s",
	    out);

	/* Carrier lost and back: announced anew. */
	must("ip -n %slan link set pa down", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, "@eth0") == NULL, "%s", out);
	must("ip -n %slan link set pa up", ns_prefix);
	tap = tap_client("c");
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	/* The first may go while the bridge port is not forwarding yet. */
	ck_assert_int_ge(count_claims(tap, VIP4, MAC_A, 1500), 2);

	/* Another MAC: announced with it. */
	must("ip -n %sa link set eth0 address 02:00:00:00:00:1a", ns_prefix);
	ck_assert_int_ge(count_claims(tap, VIP4, "02:00:00:00:00:1a", 1500), 2);
	close(tap);
	in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_int_eq(rc, 0);
}
END_TEST

/* A bond of two ports and a VLAN on it; where the kernel has neither, nothing. */
START_TEST(bond_and_vlan)
{
	const char *out;
	int rc, tap;

	shell(&rc, "ip -n %sa link add bond0 type bond mode active-backup 2>&1",
	    ns_prefix);
	if (rc != 0) {
		printf("not tested: bonds and VLANs, this kernel has none\n");
		return;
	}
	must("set -e; P=%s; ip -n ${P}a link set eth0 down;"
	    " for i in 1 2; do"
	    "  ip -n ${P}lan link add pb$i type veth peer name port$i netns ${P}a;"
	    "  ip -n ${P}lan link set pb$i master br0 up;"
	    "  ip -n ${P}a link set port$i master bond0; done;"
	    " ip -n ${P}a link set bond0 address 02:00:00:00:02:0a up;"
	    " ip -n ${P}a link add link bond0 name bond0.7 type vlan id 7;"
	    " ip -n ${P}a link set bond0.7 up;"
	    " ip -n ${P}c link add link eth0 name eth0.7 type vlan id 7;"
	    " ip -n ${P}c link set eth0.7 up", ns_prefix);
	sleep(1);
	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	usleep(200000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_msg(strstr(out, VIP4 "@bond0") && strstr(out, VIP6 "@bond0.7") &&
	    !strstr(out, "@port"), "%s", out);
	out = in("c", &rc, "arping -c 1 -w 3 -I eth0 " VIP4);
	ck_assert_msg(rc == 0, "answered on the bond: %s", out);
	out = in("c", &rc, "arping -c 2 -w 3 -I eth0.7 -s 10.9.0.2 " VIP4);
	ck_assert_msg(strstr(out, "Received 2 response") != NULL,
	    "answered on the VLAN, once for each: %s", out);

	usleep(1500000);			/* past the burst */
	tap = tap_client("c");
	must("ip -n %sa link set bond0 type bond active_slave port2", ns_prefix);
	ck_assert_msg(count_claims(tap, VIP4, "02:00:00:00:02:0a", 500) >= 2,
	    "the bond's switch is announced");
	close(tap);
}
END_TEST

START_TEST(interfaces_restrict)
{
	const char *out;

	must("set -e; P=%s; ip -n ${P}lan link add pa1 type veth peer name net1 netns"
	    " ${P}a; ip -n ${P}lan link set pa1 master br0 up;"
	    " ip -n ${P}a link set net1 up", ns_prefix);
	ck_assert_str_eq(heard_of(&a, "links", 2000), "links");
	tell(&a, "set if=net? " VIP4);
	heard_of(&a, "set", 2000);
	usleep(50000);
	tell(&a, "list");
	ck_assert_str_eq(heard_of(&a, "list", 1000), "list " VIP4 "@net1");
	tell(&a, "set if=eth0 " VIP4);
	usleep(50000);
	tell(&a, "list");
	out = heard_of(&a, "list", 1000);
	ck_assert_str_eq(out, "list " VIP4 "@eth0");
}
END_TEST

/* All announcements of a dead node's VIPs, as many IPv4 as IPv6. */
static const struct {
	int	nvips, within_ms;
} many[] = { { 300, 100 }, { 1000, 400 } };

START_TEST(many_vips_are_announced_at_once)
{
	static bool seen[2][1000];
	const int nvips = many[_i].nvips;
	struct mono start, last = { 0 };
	char line[32768] = "set";
	int tap = tap_client("c"), nseen = 0;
	uint8_t buf[2048];
	size_t n;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < nvips; i++)
		snprintf(line + strlen(line), 64, " 10.9.%d.%d 2001:db8::1:%x",
		    1 + i / 250, 1 + i % 250, i);
	start = clock_mono();
	tell(&a, "%s", line);
	while (nseen < 2 * nvips && (n = tap_read(tap, buf, 1000)) > 0) {
		struct arp_events e;
		const uint8_t *t;
		bool *is_seen;

		if (arp_frame_decode(buf, n, &e) < 0 || e.n == 0 ||
		    e.ev[0].kind != ARP_EVENT_CLAIM)
			continue;
		t = e.ev[0].target.b;
		if (ip_is_v4(&e.ev[0].target))
			is_seen = &seen[0][(t[2] - 1) * 250 + t[3] - 1];
		else
			is_seen = &seen[1][t[14] << 8 | t[15]];
		nseen += !*is_seen;
		*is_seen = true;
		last = clock_mono();
	}
	ck_assert_int_eq(nseen, 2 * nvips);
	printf("%d IPv4 and as many IPv6 VIPs: all announced %.1f ms after they were set\n",
	    nvips, (double)mono_sub_ns(last, start) / 1e6);
	ck_assert_int_lt(mono_sub_ns(last, start), many[_i].within_ms * NSEC_PER_MSEC);
	close(tap);
	tell(&a, "set");
	ck_assert_str_eq(heard_of(&a, "set", 5000), "set");
}
END_TEST

/* 10,000 frames a second of all kinds: still answers, owner unmoved. */
START_TEST(flood_starves_nobody)
{
	enum { PER_MS = 10, MS = 2000 };
	struct rusage usage;
	struct arp_frame f[4];
	struct ip vip, vip6;
	struct arp_event ask = { .kind = ARP_EVENT_ASK };
	uint8_t spoofed[6] = { 2, 0, 0, 0, 9, 0 };
	int tap = tap_client("s"), rc;
	struct mono at;
	double cpu;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	resolve(VIP4);
	ip_parse(VIP4, &vip);
	ip_parse(VIP6, &vip6);
	at = clock_mono();
	for (int i = 0; i < MS * PER_MS; i++) {
		spoofed[5] = (uint8_t)i;
		f[0] = arp_probe(&vip, spoofed);
		f[1] = ndp_probe(&vip6, spoofed);
		f[2] = arp_answer(&vip, spoofed, &ask);
		memset(f[2].buf, 0xff, 6);
		f[3] = f[1];
		f[3].buf[60] ^= 1;	/* a wrong checksum */
		ck_assert(send(tap, f[i % 4].buf, f[i % 4].len, 0) > 0);
		if (i % PER_MS == 0) {
			at = mono_add_ms(at, 1);
			while (mono_before(clock_mono(), at))
				usleep(100);
		}
		if (i == MS * PER_MS / 2) {
			in("c", &rc, "arping -c 3 -w 3 -I eth0 " VIP4);
			ck_assert_msg(rc == 0, "answers during the flood");
			at = clock_mono();
		}
	}
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 2000), VIP4 "@eth0") != NULL, "ours");
	close(tap);
	node_stop(&a, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("flood of 10,000 frames/s for 2 s: %.2f s CPU in the node\n", cpu);
	ck_assert_msg(cpu < 1.5, "%.2f s CPU", cpu);
}
END_TEST

static void
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

int
main(void)
{
	Suite *s = suite_create("arp io");
	TCase *tc = tcase_create("lan"), *bond = tcase_create("bond");
	SRunner *sr;
	int nfailed;

	snprintf(ns_prefix, sizeof(ns_prefix), "arp%d", getpid());
	signal(SIGPIPE, SIG_IGN);
	need_root();
	tcase_add_checked_fixture(tc, lan_up, nodes_down);
	tcase_add_test(tc, kernel_and_tools_find_the_vip);
	tcase_add_test(tc, askers_without_a_mac_are_answered);
	tcase_add_test(tc, duplicate_detection_of_others_works);
	tcase_add_test(tc, takeover_moves_the_clients_entries);
	tcase_add_test(tc, woken_owner_keeps_quiet);
	tcase_add_test(tc, planned_move_makes_before_it_breaks);
	tcase_add_test(tc, split_brain_is_settled_by_who_stays);
	tcase_add_test(tc, first_claim_finds_a_holder);
	tcase_add_test(tc, watch_finds_a_silent_stranger);
	tcase_add_test(tc, settings);
	tcase_add_test(tc, links_come_and_go);
	tcase_add_test(tc, interfaces_restrict);
	tcase_add_loop_test(tc, many_vips_are_announced_at_once, 0, (int)nitems(many));
	tcase_add_test(tc, flood_starves_nobody);
	suite_add_tcase(s, tc);
	/* Apart, so that CK_RUN_CASE=bond picks it in the lab's kernel. */
	tcase_add_checked_fixture(bond, lan_up, nodes_down);
	tcase_add_test(bond, bond_and_vlan);
	suite_add_tcase(s, bond);
	sr = srunner_create(s);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_ENV);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	lan_down();
	return nfailed != 0;
}
