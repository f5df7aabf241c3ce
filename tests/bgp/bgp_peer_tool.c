/*
 * bgp_peer_tool.c - the BGP shell alone, told what to do by lines on stdin.
 *
 *	listen PORT | restarting | mrt FILE	before the first apply
 *	peer NAME KEY=VALUE...		another peer (see peer_keys)
 *	apply				have exactly the peers since the last apply
 *	route PREFIX KEY=VALUE...	another route (see route_keys)
 *	fill FIRST COUNT		that many host routes from FIRST on
 *	announce			announce exactly the routes since the last one
 *	status				a line for each peer, then "."
 *	counts				likewise: what was counted (see print_counts)
 *	reset NAME TEXT
 *	shutdown restart|leave MS TEXT	and exit when that is done
 *
 * Interoperation tests and benchmarks drive it. The log goes to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "bgp/bgp_io.h"
#include "lib/arena.h"
#include "lib/mem.h"

enum { PEERS_MAX = 64, LINE_MAX_LEN = 1 << 16 };

static struct bgp_io *io;
static struct bgp_io_conf conf;
static struct bgp_io_peer peers[PEERS_MAX];
static size_t npeers;
static struct arena peer_mem, route_mem;	/* until the next apply, announce */
static struct bgp_io_route *routes;
static size_t nroutes, routes_cap;

static void
die(const char *what, const char *which)
{
	fprintf(stderr, "bgp_peer_tool: %s: %s\n", what, which);
	exit(2);
}

static uint32_t
number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 0);

	if (*end != '\0' || *s == '\0' || n > UINT32_MAX)
		die("not a number", s);
	return (uint32_t)n;
}

static struct ip
address(const char *s)
{
	struct ip ip;

	if (ip_parse(s, &ip) < 0)
		die("not an address", s);
	return ip;
}

static void
peer_key(struct bgp_io_peer *p, const char *key, const char *value)
{
	const struct {
		const char *key;
		size_t size;
		void	*at;
	} numbers[] = {
		{ "as", 4, &p->session.local_as }, { "peer-as", 4, &p->session.peer_as },
		{ "id", 4, &p->session.router_id }, { "port", 2, &p->port },
		{ "hold", 2, &p->session.hold_sec },
		{ "keepalive", 2, &p->session.keepalive_sec },
		{ "connect", 2, &p->session.connect_sec },
		{ "restart", 2, &p->session.restart_sec },
		{ "families", 1, &p->session.families }, { "hops", 1, &p->hops },
		{ "role", 1, &p->session.role }, { "gtsm", 1, &p->has_gtsm },
		{ "key-id", 1, &p->key_id }, { "passive", 1, &p->session.is_passive },
		{ "extended", 1, &p->session.has_extended },
		{ "v6-next-hop", 1, &p->session.has_v6_next_hop },
		{ "bfd-echo-us", 4, &p->bfd.echo_us },
		{ "bfd-us", 4, &p->bfd.min_tx_us }, { "bfd-mult", 1, &p->bfd.detect_mult },
	};
	uint32_t n;

	for (size_t i = 0; i < nitems(numbers); i++) {
		if (strcmp(numbers[i].key, key) != 0)
			continue;
		n = number(value);
		if (numbers[i].size == 1)
			*(uint8_t *)numbers[i].at = (uint8_t)n;
		else if (numbers[i].size == 2)
			*(uint16_t *)numbers[i].at = (uint16_t)n;
		else
			*(uint32_t *)numbers[i].at = n;
		p->bfd.min_rx_us = p->bfd.min_tx_us;
		return;
	}
	if (strcmp(key, "addr") == 0)
		p->addr = address(value);
	else if (strcmp(key, "source") == 0)
		p->source = address(value);
	else if (strcmp(key, "next-hop4") == 0)
		p->next_hop4 = address(value);
	else if (strcmp(key, "next-hop6") == 0)
		p->next_hop6 = address(value);
	else if (strcmp(key, "iface") == 0)
		p->ifname = arena_strdup(&peer_mem, value);
	else if (strcmp(key, "vrf") == 0)
		p->vrf = arena_strdup(&peer_mem, value);
	else if (strcmp(key, "external") == 0)
		p->session.as_rule = BGP_AS_EXTERNAL;
	else if (strcmp(key, "md5") == 0 || strcmp(key, "ao") == 0) {
		p->auth = key[0] == 'm' ? BGP_IO_AUTH_MD5 : BGP_IO_AUTH_AO;
		p->password = arena_strdup(&peer_mem, value);
	} else {
		die("unknown key of a peer", key);
	}
}

static void
route_key(struct bgp_attrs *a, const char *key, char *value)
{
	uint32_t part[3] = { 0 };

	for (int i = 0; i < 3 && value != NULL; i++) {
		char *word = strsep(&value, ":");

		part[i] = number(word);
	}
	if (strcmp(key, "community") == 0) {
		a->communities[a->ncommunities++] = part[0] << 16 | part[1];
	} else if (strcmp(key, "large") == 0) {
		memcpy(a->large[a->nlarge++], part, sizeof(part));
	} else if (strcmp(key, "med") == 0) {
		a->has_med = 1;
		a->med = part[0];
	} else if (strcmp(key, "pref") == 0) {
		a->local_pref = part[0];
	} else if (strcmp(key, "bandwidth") == 0) {	/* AS:INTERNAL:BYTES */
		a->ext[a->next++] = bgp_link_bandwidth(part[0], part[1], part[2]);
	} else if (strcmp(key, "prepend") == 0) {
		a->nprepend = (uint8_t)part[0];
	} else {
		die("unknown key of a route", key);
	}
}

static struct bgp_io_route *
route_new(struct prefix prefix, const struct bgp_attrs *attrs)
{
	routes = mem_grow(routes, nroutes, &routes_cap, sizeof(*routes));
	routes[nroutes] = (struct bgp_io_route){ .prefix = prefix, .attrs = attrs };
	return &routes[nroutes++];
}

static void
add_route(char *rest)
{
	struct bgp_attrs *a = arena_alloc(&route_mem, sizeof(*a));
	char *word = strsep(&rest, " ");
	struct prefix prefix;

	if (prefix_parse(word, &prefix) < 0)
		die("not a prefix", word);
	a->local_pref = 100;
	while ((word = strsep(&rest, " ")) != NULL) {
		char *key = strsep(&word, "=");

		route_key(a, key, word);
	}
	route_new(prefix, a);
}

static void
fill(char *rest)
{
	static const struct bgp_attrs attrs = { .local_pref = 100 };
	struct ip first = address(strsep(&rest, " ")), ip;
	uint32_t n = number(rest);

	for (uint32_t i = 0; i < n; i++) {
		if (ip_add(&first, i, &ip) < 0)
			die("past the last address", rest);
		route_new(prefix_of(&ip), &attrs);
	}
}

static void
add_peer(char *rest)
{
	struct bgp_io_peer *p = &peers[npeers++];
	char *word;

	if (npeers == PEERS_MAX)
		die("too many peers", rest);
	*p = (struct bgp_io_peer){ .session = {
		.hold_sec = 90, .connect_sec = 5, .role = BGP_ROLE_NONE, .families = 1,
	} };
	p->name = arena_strdup(&peer_mem, strsep(&rest, " "));
	while ((word = strsep(&rest, " ")) != NULL) {
		const char *key = strsep(&word, "=");

		peer_key(p, key, word != NULL ? word : "");
	}
}

/* NAME STATE ADDRESS FAMILIES SENT4 SENT6 ESTABLISHED BFD ECHO LOCAL REASON... */
static void
print_status(void *arg, const struct bgp_io_status *s)
{
	const struct bgp_peer *e = s->engine;

	(void)arg;
	printf("%s %s %s %u %zu %zu %llu %s %s %s %s\n", s->name,
	    s->is_refused ? "refused" : bgp_state_name(s->state), IP_STR(&s->addr),
	    e != NULL ? e->session.families : 0, e != NULL ? e->rib.nsent[0] : 0,
	    e != NULL ? e->rib.nsent[1] : 0,
	    e != NULL ? (unsigned long long)e->counts.established : 0,
	    s->has_bfd ? bfd_peer_state_name(s->bfd) : "none",
	    bfd_io_echo_name(s->bfd_echo), IP_STR(&s->local), s->reason);
}

/* NAME DISCARDED WITHDRAWN ESTABLISHED REFRESHES-RECEIVED UPDATES-SENT */
static void
print_counts(void *arg, const struct bgp_io_status *s)
{
	const struct bgp_counts none = { 0 };
	const struct bgp_counts *c = s->engine != NULL ? &s->engine->counts : &none;

	(void)arg;
	printf("%s %llu %llu %llu %llu %llu\n", s->name,
	    (unsigned long long)c->discarded, (unsigned long long)c->withdrawn,
	    (unsigned long long)c->established,
	    (unsigned long long)c->rx[BGP_REFRESH],
	    (unsigned long long)c->tx[BGP_UPDATE]);
}

static void
on_stopped(void *arg)
{
	(void)arg;
	bgp_io_free(io);
	exit(0);
}

static struct bgp_io *
the_io(void)
{
	static const struct bgp_io_handler handler = { .stopped = on_stopped };

	if (io == NULL)
		io = bgp_io_new(EV_DEFAULT, &conf, &handler);
	return io;
}

static void
shut_down(char *rest)
{
	enum bgp_io_exit how = strcmp(strsep(&rest, " "), "restart") == 0 ?
	    BGP_IO_RESTART : BGP_IO_LEAVE;
	uint32_t ms = number(strsep(&rest, " "));

	bgp_io_shutdown(the_io(), how, ms, rest);
}

static void
obey(char *line)
{
	char *rest = line, *word = strsep(&rest, " ");

	if (strcmp(word, "listen") == 0) {
		conf.port = (uint16_t)number(rest);
	} else if (strcmp(word, "mrt") == 0) {
		conf.mrt_path = mem_strdup(rest);
		conf.mrt_max_bytes = UINT64_MAX;
	} else if (strcmp(word, "restarting") == 0) {
		conf.is_restarting = true;
	} else if (strcmp(word, "peer") == 0) {
		add_peer(rest);
	} else if (strcmp(word, "apply") == 0) {
		bgp_io_set_peers(the_io(), peers, npeers);
		npeers = 0;
		arena_fini(&peer_mem);
	} else if (strcmp(word, "route") == 0) {
		add_route(rest);
	} else if (strcmp(word, "fill") == 0) {
		fill(rest);
	} else if (strcmp(word, "announce") == 0) {
		bgp_io_set_routes(the_io(), routes, nroutes);
		nroutes = 0;
		arena_fini(&route_mem);
	} else if (strcmp(word, "status") == 0) {
		bgp_io_each(the_io(), print_status, NULL);
		puts(".");
	} else if (strcmp(word, "counts") == 0) {
		bgp_io_each(the_io(), print_counts, NULL);
		puts(".");
	} else if (strcmp(word, "reset") == 0) {
		word = strsep(&rest, " ");
		bgp_io_reset(the_io(), word, rest);
	} else if (strcmp(word, "shutdown") == 0) {
		shut_down(rest);
	} else {
		die("unknown command", word);
	}
	fflush(stdout);
}

static void
on_stdin(struct ev_loop *loop, ev_io *w, int revents)
{
	static char buf[LINE_MAX_LEN];
	static size_t len;
	ssize_t n = read(w->fd, buf + len, sizeof(buf) - len);
	char *end;

	(void)revents;
	if (n <= 0) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	len += (size_t)n;
	while ((end = memchr(buf, '\n', len)) != NULL) {
		size_t used = (size_t)(end - buf) + 1;

		*end = '\0';
		obey(buf);
		memmove(buf, buf + used, len - used);
		len -= used;
	}
}

int
main(void)
{
	struct ev_loop *loop = EV_DEFAULT;
	ev_io input;

	ev_io_init(&input, on_stdin, STDIN_FILENO, EV_READ);
	ev_io_start(loop, &input);
	ev_run(loop, 0);
	bgp_io_free(io);
	return 0;
}
