/*
 * node.h - a node of the layer 2 tests: a process of its own that runs arp_io in a
 * network namespace and obeys lines of text. lan.h has the LAN around it.
 */
#ifndef HERALD_TESTS_ARP_NODE_H
#define HERALD_TESTS_ARP_NODE_H

#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arp/arp.h"
#include "arp/arp_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/check.h"

static char ns_prefix[32];	/* "arp<pid>": names of our namespaces begin so */

static inline void
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

static inline void
on_conflict(void *arg, const struct ip *vip, const char *ifname, const uint8_t mac[6])
{
	struct child *c = arg;

	fprintf(c->report, "conflict %s %s %s\n", IP_STR(vip), ifname, ARP_MAC_STR(mac));
}

static inline void
on_settled(void *arg, const struct ip *vip, const char *ifname)
{
	struct child *c = arg;

	fprintf(c->report, "settled %s %s\n", IP_STR(vip), ifname);
}

static inline void
on_links(void *arg)
{
	struct child *c = arg;

	fprintf(c->report, "links\n");
}

static inline void
print_announced(void *arg, const struct ip *vip, const char *ifname)
{
	struct child *c = arg;

	fprintf(c->report, " %s@%s", IP_STR(vip), ifname);
}

static inline void
print_link(void *arg, const char *ifname, bool is_eligible, const char *why)
{
	struct child *c = arg;

	fprintf(c->report, " %s(%s)", ifname, is_eligible ? "yes" : why);
}

/* "set [first] [yield|withhold] [if=NAME] VIP...", "list", "why", "announce". */
static inline void
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

static inline void
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

static inline void
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
static inline const char *
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
static inline const char *
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

static inline struct node
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

static inline void
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

static inline void
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

#endif
