/*
 * directorctl - drive ipvs/director.h by lines on standard input; for the lab.
 *
 * It works in the network namespace it is started in; start it with setns(2) or
 * nsenter, for `ip netns exec` has a mount namespace of its own, in which the
 * director's name would be gone with it. A want is described by lines:
 *
 *	director NAME HOST_IF [drop|auto|BIT]	(first, or while closed: unknown ports;
 *					the mark bit, auto: one that is free)
 *	node IP | peer IP | client IP | vip IP
 *	svc NAME VIP PROTO PORT SCHED AFFINITY_SEC cluster|local [one-packet]
 *	range PREFIX			(of the svc above it)
 *	ep IP PORT WEIGHT local|tunnel|masq	(likewise)
 *
 * and these act on it, each answered by one line on standard output:
 *
 *	sync		open if need be, bring the want about: "result=0 vips=+1-0 ..."
 *	update		the same by director_update(), where since the last sync or update
 *			only endpoints have changed
 *	clear		forget the want
 *	recheck		director_recheck(): "due=0" or 1, and "ms=" of a processor
 *	look		director_look(): lines of counters, then "changed=0" or 1 and
 *			"longest_ms=" of the pieces
 *	advise		lines of director_advise(), then "."
 *	fault N		with nlfault.so: the Nth netlink message from now on fails;
 *			answers how many there were since the last time
 *	close | destroy
 */
#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipvs/director.h"
#include "lib/mem.h"

struct list {
	void	*items;
	size_t	n, cap;
};

struct desc {
	struct director_conf conf;
	struct director *dir;		/* NULL while not open */
	struct list node, peer, client, vip, svc;
	struct list was;		/* svc at the last sync or update */
};

static void *
list_add(struct list *l, size_t size)
{
	l->items = mem_grow(l->items, l->n, &l->cap, size);
	memset((char *)l->items + l->n * size, 0, size);
	return (char *)l->items + l->n++ * size;
}

static struct ip
ip_of(const char *s)
{
	struct ip a;

	if (s == NULL || ip_parse(s, &a) < 0)
		errx(1, "no address: %s", s != NULL ? s : "(end of line)");
	return a;
}

static int
one_of(const char *s, const char *const *words)
{
	int i;

	for (i = 0; s != NULL && words[i] != NULL; i++)
		if (strcmp(s, words[i]) == 0)
			return i;
	errx(1, "unknown word: %s", s != NULL ? s : "(end of line)");
}

static const char *
word(void)
{
	return strtok(NULL, " \t\n");
}

static unsigned
number(void)
{
	const char *s = word();

	if (s == NULL)
		errx(1, "a number is missing");
	return (unsigned)strtoul(s, NULL, 0);
}

static void
read_svc(struct desc *d)
{
	static const char *const scheds[] = { "mh", "rr", "wrr", "wlc", "lc", "sh", "fo",
		NULL };
	static const char *const policies[] = { "cluster", "local", NULL };
	static const char *const protos[] = { "tcp", "udp", "sctp", NULL };
	static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct ipvs_service *s = list_add(&d->svc, sizeof(*s));
	const char *how;

	s->name = mem_strdup(word());
	s->vip = ip_of(word());
	s->proto = numbers[one_of(word(), protos)];
	s->port = (uint16_t)number();
	s->sched = (enum ipvs_sched)one_of(word(), scheds);
	s->affinity_sec = number();
	s->is_local_only = one_of(word(), policies) == 1;
	how = word();
	s->is_one_packet = how != NULL && strcmp(how, "one-packet") == 0;
}

static struct ipvs_service *
last_svc(struct desc *d)
{
	if (d->svc.n == 0)
		errx(1, "range or ep before the first svc");
	return (struct ipvs_service *)d->svc.items + d->svc.n - 1;
}

static void
read_ep(struct desc *d)
{
	static const char *const reaches[] = { "local", "tunnel", "masq", NULL };
	struct ipvs_service *s = last_svc(d);
	struct ipvs_endpoint *ep = calloc(s->nendpoints + 1, sizeof(*ep)), *e;

	if (s->nendpoints > 0)
		memcpy(ep, s->endpoints, s->nendpoints * sizeof(*ep));
	e = &ep[s->nendpoints++];
	e->ip = ip_of(word());
	e->port = (uint16_t)number();
	e->weight = (uint16_t)number();
	e->reach = (uint8_t)one_of(word(), reaches);
	s->endpoints = ep;
}

static void
read_range(struct desc *d)
{
	struct ipvs_service *s = last_svc(d);
	struct prefix *p = calloc(s->nsource_ranges + 1, sizeof(*p));
	const char *text = word();

	if (s->nsource_ranges > 0)
		memcpy(p, s->source_ranges, s->nsource_ranges * sizeof(*p));
	if (text == NULL || prefix_parse(text, &p[s->nsource_ranges++]) < 0)
		errx(1, "no prefix");
	s->source_ranges = p;
}

static void
print_fail(void *arg, const struct director_error *e)
{
	(void)arg;
	fprintf(stderr, "directorctl: %s\n", e->text);
}

static struct director_want
want_of(const struct desc *d)
{
	return (struct director_want){
		.services = d->svc.items, .nservices = d->svc.n,
		.vips = d->vip.items, .nvips = d->vip.n,
		.node_ips = d->node.items, .nnode_ips = d->node.n,
		.peers = d->peer.items, .npeers = d->peer.n,
		.local_clients = d->client.items, .nlocal_clients = d->client.n,
	};
}

static bool
is_same(const struct ipvs_service *a, const struct ipvs_service *b)
{
	return a->nendpoints == b->nendpoints && (a->nendpoints == 0 ||
	    memcmp(a->endpoints, b->endpoints,
	    a->nendpoints * sizeof(*a->endpoints)) == 0);
}

static int
update(struct desc *d, const struct director_want *w, struct mono now,
    struct director_changes *c)
{
	struct director_update *updates = mem_zalloc((d->svc.n + 1) * sizeof(*updates));
	const struct ipvs_service *was = d->was.items;
	size_t n = 0;
	int r;

	if (d->was.n != d->svc.n)
		errx(1, "update: there were %zu services", d->was.n);
	for (size_t i = 0; i < d->svc.n; i++)
		if (!is_same(&was[i], &w->services[i]))
			updates[n++] = (struct director_update){ &was[i],
				&w->services[i] };
	r = director_update(d->dir, w, updates, n, now, c, print_fail, NULL);
	free(updates);
	return r;
}

static void
sync_one(struct desc *d, bool is_update)
{
	struct director_want w = want_of(d);
	struct director_changes c;
	struct timespec t0, t1;
	struct mono now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	now.ns = t0.tv_sec * NSEC_PER_SEC + t0.tv_nsec;
	r = is_update ? update(d, &w, now, &c) :
	    director_sync(d->dir, &w, now, &c, print_fail, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("result=%d vips=+%u-%u services=+%u-%u~%u endpoints=+%u-%u~%u "
	    "nft=%u repairs=%u ms=%.2f\n", r, c.vips_added, c.vips_removed,
	    c.services_added, c.services_removed, c.services_changed,
	    c.endpoints_added, c.endpoints_removed, c.endpoints_changed,
	    c.nft_commits, c.repairs, (double)(t1.tv_sec - t0.tv_sec) * 1e3 +
	    (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	d->was.n = 0;
	for (size_t i = 0; i < d->svc.n; i++)
		*(struct ipvs_service *)list_add(&d->was, sizeof(struct ipvs_service)) =
		    w.services[i];
}

static void
print_stat(void *arg, const struct director_stat *row)
{
	const struct ipvs_counters *c = row->counters;

	(void)arg;
	printf("svc=%s family=%u tier=%u endpoint=%s conns=%llu in_packets=%llu "
	    "in_bytes=%llu out_packets=%llu active=%u inactive=%u\n", row->service,
	    row->family, row->tier, row->endpoint != NULL ? IP_STR(row->endpoint) : "-",
	    (unsigned long long)c->conns, (unsigned long long)c->in_packets,
	    (unsigned long long)c->in_bytes, (unsigned long long)c->out_packets,
	    c->active, c->inactive);
}

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The whole of a look at once. Our reader may keep us waiting: time is of a processor. */
static void
look(struct director *dir)
{
	bool is_changed = director_look(dir);
	double longest_ms = 0;

	while (director_is_look_due(dir)) {
		double ms = cpu_ms();

		is_changed |= director_look_piece(dir, print_stat, NULL);
		ms = cpu_ms() - ms;
		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	printf("changed=%d longest_ms=%.2f\n", is_changed, longest_ms);
}

static void
recheck(struct director *dir)
{
	double ms = cpu_ms();
	bool is_due = director_recheck(dir);

	printf("due=%d ms=%.2f\n", is_due, cpu_ms() - ms);
}

static void
print_advice(void *arg, const struct director_advice *a)
{
	(void)arg;
	printf("%s\n", a->text);
}

static bool
open_director(struct desc *d)
{
	struct director_error e;

	if (d->dir != NULL || director_open(&d->conf, &d->dir, &e) == 0)
		return true;
	fprintf(stderr, "directorctl: %s\n", e.text);
	return false;
}

static void
fault(void)
{
	unsigned (*seen)(void);
	void (*arm)(unsigned n);

	*(void **)&seen = dlsym(RTLD_DEFAULT, "nlfault_seen");
	*(void **)&arm = dlsym(RTLD_DEFAULT, "nlfault_arm");
	if (seen == NULL || arm == NULL)
		errx(1, "fault: nlfault.so is not preloaded");
	printf("%u\n", seen());
	arm(number());
}

static void
clear(struct desc *d)
{
	d->node.n = d->peer.n = d->client.n = d->vip.n = d->svc.n = 0;
}

static void
act(struct desc *d, const char *verb)
{
	struct director_error e;

	if (strcmp(verb, "sync") == 0 || strcmp(verb, "update") == 0) {
		if (open_director(d))
			sync_one(d, verb[0] == 'u');
		else
			puts("result=-1");
		return;
	}
	if (strcmp(verb, "fault") == 0) {
		fault();
		return;
	}
	if (strcmp(verb, "look") == 0) {
		(void)open_director(d);
		look(d->dir);
		return;
	}
	if (strcmp(verb, "advise") == 0) {
		struct director_want w = want_of(d);

		(void)open_director(d);
		director_advise(d->dir, &w, print_advice, NULL);
		puts(".");
		return;
	}
	if (strcmp(verb, "clear") == 0) {
		clear(d);
	} else if (strcmp(verb, "recheck") == 0) {
		recheck(d->dir);
		return;
	} else if (strcmp(verb, "close") == 0 || strcmp(verb, "destroy") == 0) {
		director_close(d->dir);
		d->dir = NULL;
		if (verb[0] == 'd' && director_destroy(&d->conf, &e) < 0)
			errx(1, "%s", e.text);
	} else {
		errx(1, "unknown line: %s", verb);
	}
	puts("done");
}

static void
read_line(struct desc *d, char *line)
{
	const char *first = strtok(line, " \t\n"), *how;

	if (first == NULL || first[0] == '#')
		return;
	if (strcmp(first, "director") == 0) {
		d->conf.name = mem_strdup(word());
		d->conf.host_if = mem_strdup(word());
		how = word();
		d->conf.drops_unknown = how != NULL && strcmp(how, "drop") == 0;
		d->conf.fwmark = how == NULL || how[0] == 'd' ? 0x10 :
		    (uint32_t)strtoul(how, NULL, 0);
	} else if (strcmp(first, "node") == 0) {
		*(struct ip *)list_add(&d->node, sizeof(struct ip)) = ip_of(word());
	} else if (strcmp(first, "peer") == 0) {
		*(struct ip *)list_add(&d->peer, sizeof(struct ip)) = ip_of(word());
	} else if (strcmp(first, "client") == 0) {
		*(struct ip *)list_add(&d->client, sizeof(struct ip)) = ip_of(word());
	} else if (strcmp(first, "vip") == 0) {
		*(struct ip *)list_add(&d->vip, sizeof(struct ip)) = ip_of(word());
	} else if (strcmp(first, "svc") == 0) {
		read_svc(d);
	} else if (strcmp(first, "ep") == 0) {
		read_ep(d);
	} else if (strcmp(first, "range") == 0) {
		read_range(d);
	} else {
		act(d, first);
	}
}

int
main(void)
{
	struct desc d = { .conf = { .fwmark = 0x10, .table = 7777, .rule_pref = 77 } };
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL)
		read_line(&d, line);
	director_close(d.dir);
	return 0;
}
