/*
 * world.h - a store from a few words a line, for the controller's tests.
 *
 *	pool NAME RANGE[,RANGE...] [word...]
 *		auto=no buggy=no prio=N ns=A,B nssel=K:V svcsel=K:V alloc age=N
 *		res=RANGE[,RANGE] strat=spread|sticky share=any labels=K:V
 *	svc NS/NAME [word...]
 *		age=N fam=4|6|46|64 policy=single|prefer|require has=IP[,IP]
 *		mode=M ask=IPS (our annotation) lbip=IP pool=NAME share=KEY
 *		ports=TCP/80,UDP/53 local sel=K:V labels=K:V class=NAME
 *		type=ClusterIP deleting uid=U rv=V metallb.ask= universe.pool= ...
 *	node NAME IP[,IP]
 *	l2adv NAME [pools=A,B] [poolsel=K:V]
 *	bgpadv NAME [pools=A,B] [poolsel=K:V] [peers=A,B] [com=NAME] [agg=N] [agg6=N]
 *	peer NAME [bfd=NAME]; community NAME ALIAS; bfd NAME
 *	ns NAME K:V
 *
 * bad KIND ...: the same object, refused: what the store has of it is a stub.
 *
 * Lines end with a newline or a semicolon. Ages count upwards: the oldest is
 * age=1; whoever has none is age=100. Services are dual-stack by `fam=46`;
 * without fam they leave their families open. rv defaults to "1".
 */
#ifndef HERALD_TESTS_CONTROLLER_WORLD_H
#define HERALD_TESTS_CONTROLLER_WORLD_H

#include <stdio.h>
#include <string.h>

#include "controller/reconcile.h"
#include "tests/check.h"

/* Split text in place at the first of seps; NULL at the end. */
static inline char *
next_word(char **text, const char *seps)
{
	char *w;

	do {
		w = strsep(text, seps);
	} while (w != NULL && *w == '\0');
	return w;
}

static inline void
add_kv(struct arena *a, struct kube_map *m, const char *key, const char *value)
{
	struct kube_kv *kv = arena_array(a, m->n + 1, sizeof(*kv));

	for (size_t i = 0; i < m->n; i++)
		kv[i] = m->kv[i];
	kv[m->n] = (struct kube_kv){ arena_strdup(a, key), arena_strdup(a, value) };
	m->kv = kv;
	m->n++;
}

/* "K:V,K:V" */
static inline void
add_kvs(struct arena *a, struct kube_map *m, char *list)
{
	for (char *w; (w = next_word(&list, ",")) != NULL;) {
		char *key = strsep(&w, ":");

		add_kv(a, m, key, w != NULL ? w : "");
	}
}

static inline struct ip
an_ip(const char *s)
{
	struct ip ip;

	ck_assert_msg(ip_parse(s, &ip) == 0, "the test's own address: %s", s);
	return ip;
}

static inline struct kube_pool_entry *
pool_ranges(struct kube_object *o, char *list, size_t *ret_n)
{
	struct kube_pool_entry *e = arena_array(&o->arena, 8, sizeof(*e));

	*ret_n = 0;
	for (char *w; (w = next_word(&list, ",")) != NULL; ++*ret_n) {
		e[*ret_n].text = arena_strdup(&o->arena, w);
		e[*ret_n].is_cidr = strchr(w, '/') != NULL;
		ck_assert_msg(ip_range_parse(w, &e[*ret_n].range) == 0, "range %s", w);
	}
	return e;
}

static inline void
pool_word(struct kube_object *o, char *key, char *v)
{
	struct kube_ip_address_pool *p = &o->pool;
	struct kube_selector *sel = arena_array(&o->arena, 1, sizeof(*sel));

	if (strcmp(key, "auto") == 0)
		p->auto_assign = strcmp(v, "no") != 0;
	else if (strcmp(key, "buggy") == 0)
		p->avoid_buggy_ips = strcmp(v, "no") == 0;
	else if (strcmp(key, "age") == 0)
		o->meta.created_sec = atol(v);
	else if (strcmp(key, "uid") == 0)
		o->meta.uid = arena_strdup(&o->arena, v);
	else if (strcmp(key, "strat") == 0)
		p->strategy = strcmp(v, "spread") == 0 ? KUBE_STRATEGY_SPREAD :
		    KUBE_STRATEGY_STICKY;
	else if (strcmp(key, "share") == 0)
		p->sharing = strcmp(v, "any") == 0 ? KUBE_SHARING_ANY_NAMESPACE :
		    KUBE_SHARING_SAME_NAMESPACE;
	else if (strcmp(key, "res") == 0)
		p->reserved = pool_ranges(o, v, &p->nreserved);
	else if (strcmp(key, "labels") == 0)
		add_kvs(&o->arena, &o->meta.labels, v);
	else {
		p->has_allocation = true;
		if (strcmp(key, "prio") == 0)
			p->priority = atol(v);
		else if (strcmp(key, "ns") == 0) {
			p->namespaces = arena_array(&o->arena, 4, sizeof(char *));
			for (char *w; (w = next_word(&v, ",")) != NULL;)
				p->namespaces[p->nnamespaces++] =
				    arena_strdup(&o->arena, w);
		} else if (strcmp(key, "nssel") == 0) {
			add_kvs(&o->arena, &sel->match_labels, v);
			p->namespace_selectors = sel;
			p->nnamespace_selectors = 1;
		} else if (strcmp(key, "svcsel") == 0) {
			add_kvs(&o->arena, &sel->match_labels, v);
			p->service_selectors = sel;
			p->nservice_selectors = 1;
		} else
			ck_assert_msg(strcmp(key, "alloc") == 0, "pool word %s", key);
	}
}

static inline void
parse_pool(struct kube_object *o, char *line)
{
	o->kind = KUBE_IP_ADDRESS_POOL;
	o->meta.ns = "herald-system";
	o->meta.name = arena_strdup(&o->arena, next_word(&line, " "));
	o->meta.generation = 1;
	o->pool.auto_assign = true;
	o->pool.addresses = pool_ranges(o, next_word(&line, " "), &o->pool.naddresses);
	for (char *w; (w = next_word(&line, " ")) != NULL;) {
		char *key = strsep(&w, "=");

		pool_word(o, key, w);
	}
}

static inline void
svc_ports(struct kube_object *o, char *list)
{
	struct kube_service *s = &o->service;

	s->ports = arena_array(&o->arena, 8, sizeof(*s->ports));
	s->nports = 0;
	for (char *w; (w = next_word(&list, ",")) != NULL;) {
		char *proto = strsep(&w, "/");

		s->ports[s->nports++] = (struct kube_service_port){
			.proto = strcmp(proto, "UDP") == 0 ? KUBE_UDP :
			    strcmp(proto, "SCTP") == 0 ? KUBE_SCTP : KUBE_TCP,
			.port = (uint16_t)atoi(w),
		};
	}
}

static inline void
svc_has(struct kube_object *o, char *list)
{
	struct kube_service *s = &o->service;

	s->ingress = arena_array(&o->arena, 4, sizeof(*s->ingress));
	for (char *w; (w = next_word(&list, ",")) != NULL;) {
		s->ingress[s->ningress].ip_mode = "Proxy";
		if (strcmp(w, "hostname") == 0)
			s->ingress[s->ningress++].hostname = "lb.example";
		else
			s->ingress[s->ningress++].ip = an_ip(w);
	}
}

/* ask=, metallb.pool=, universe.share= and so on. */
static inline bool
svc_annotation(struct kube_object *o, const char *key, const char *v)
{
	const char *prefix = "heraldlb.io", *name = NULL;
	char full[80];

	if (strncmp(key, "metallb.", 8) == 0) {
		prefix = "metallb.io";
		key += 8;
	} else if (strncmp(key, "universe.", 9) == 0) {
		prefix = "metallb.universe.tf";
		key += 9;
	}
	if (strcmp(key, "ask") == 0)
		name = "loadBalancerIPs";
	else if (strcmp(key, "pool") == 0)
		name = "address-pool";
	else if (strcmp(key, "share") == 0)
		name = "allow-shared-ip";
	else
		return false;
	(void)snprintf(full, sizeof(full), "%s/%s", prefix, name);
	add_kv(&o->arena, &o->meta.annotations, full, v);
	return true;
}

static inline void
svc_policy(struct kube_service *s, const char *v)
{
	s->family_policy = strcmp(v, "single") == 0 ? KUBE_SINGLE_STACK :
	    strcmp(v, "prefer") == 0 ? KUBE_PREFER_DUAL_STACK : KUBE_REQUIRE_DUAL_STACK;
}

static inline void
svc_word(struct kube_object *o, const char *key, char *v)
{
	struct kube_service *s = &o->service;
	struct arena *a = &o->arena;

	if (svc_annotation(o, key, v))
		return;
	if (strcmp(key, "age") == 0)
		o->meta.created_sec = atol(v);
	else if (strcmp(key, "uid") == 0)
		o->meta.uid = arena_strdup(a, v);
	else if (strcmp(key, "rv") == 0)
		o->meta.resource_version = arena_strdup(a, v);
	else if (strcmp(key, "fam") == 0)
		for (size_t i = 0; i < 2 && v[i] != '\0'; i++)
			s->families[i] = (uint8_t)(v[i] - '0');
	else if (strcmp(key, "policy") == 0)
		svc_policy(s, v);
	else if (strcmp(key, "has") == 0)
		svc_has(o, v);
	else if (strcmp(key, "mode") == 0)
		for (size_t i = 0; i < s->ningress; i++)
			s->ingress[i].ip_mode = *v == '\0' ? NULL : arena_strdup(a, v);
	else if (strcmp(key, "lbip") == 0)
		s->load_balancer_ip = arena_strdup(a, v);
	else if (strcmp(key, "ports") == 0)
		svc_ports(o, v);
	else if (strcmp(key, "local") == 0)
		s->external_policy = KUBE_POLICY_LOCAL;
	else if (strcmp(key, "sel") == 0)
		add_kvs(a, &s->selector, v);
	else if (strcmp(key, "labels") == 0)
		add_kvs(a, &o->meta.labels, v);
	else if (strcmp(key, "class") == 0)
		s->load_balancer_class = arena_strdup(a, v);
	else if (strcmp(key, "type") == 0)
		s->is_load_balancer = strcmp(v, "LoadBalancer") == 0;
	else {
		ck_assert_msg(strcmp(key, "deleting") == 0, "svc word %s", key);
		o->meta.is_deleting = true;
	}
}

static inline void
parse_svc(struct kube_object *o, char *line)
{
	char *name = next_word(&line, " ");

	o->kind = KUBE_SERVICE;
	o->meta.ns = arena_strdup(&o->arena, strsep(&name, "/"));
	o->meta.name = arena_strdup(&o->arena, name);
	o->meta.resource_version = "1";
	o->service.is_load_balancer = true;
	svc_ports(o, (char[]){ "TCP/80" });
	for (char *w; (w = next_word(&line, " ")) != NULL;) {
		char *key = strsep(&w, "=");

		svc_word(o, key, w);
	}
}

static inline void
parse_node(struct kube_object *o, char *line)
{
	char *ips;

	o->kind = KUBE_NODE;
	o->meta.name = arena_strdup(&o->arena, next_word(&line, " "));
	o->node.internal_ips = arena_array(&o->arena, 4, sizeof(struct ip));
	ips = next_word(&line, " ");
	for (char *w; (w = next_word(&ips, ",")) != NULL;)
		o->node.internal_ips[o->node.ninternal_ips++] = an_ip(w);
}

static inline const char **
a_list(struct arena *a, char *list, size_t *ret_n)
{
	const char **v = arena_array(a, 8, sizeof(*v));

	for (char *w; (w = next_word(&list, ",")) != NULL;)
		v[(*ret_n)++] = arena_strdup(a, w);
	return v;
}

static inline void
l2adv_word(struct kube_object *o, const char *key, char *v)
{
	struct kube_l2_advertisement *x = &o->l2adv;

	if (strcmp(key, "pools") == 0)
		x->scope.pools = a_list(&o->arena, v, &x->scope.npools);
	else {
		ck_assert_msg(strcmp(key, "poolsel") == 0, "l2adv word %s", key);
		x->scope.npool_selectors = 1;
		x->scope.pool_selectors = arena_array(&o->arena, 1,
		    sizeof(struct kube_selector));
		add_kvs(&o->arena, &x->scope.pool_selectors->match_labels, v);
	}
}

static inline void
bgpadv_word(struct kube_object *o, const char *key, char *v)
{
	struct kube_bgp_advertisement *x = &o->bgpadv;

	if (strcmp(key, "pools") == 0)
		x->scope.pools = a_list(&o->arena, v, &x->scope.npools);
	else if (strcmp(key, "peers") == 0)
		x->peers = a_list(&o->arena, v, &x->npeers);
	else if (strcmp(key, "agg") == 0)
		x->aggregation_len = (uint8_t)atoi(v);
	else if (strcmp(key, "agg6") == 0)
		x->aggregation_len_v6 = (uint8_t)atoi(v);
	else if (strcmp(key, "com") == 0) {
		x->ncommunities = 1;
		x->communities = arena_array(&o->arena, 1, sizeof(*x->communities));
		x->communities->name = arena_strdup(&o->arena, v);
	} else {
		ck_assert_msg(strcmp(key, "poolsel") == 0, "bgpadv word %s", key);
		x->scope.npool_selectors = 1;
		x->scope.pool_selectors = arena_array(&o->arena, 1,
		    sizeof(struct kube_selector));
		add_kvs(&o->arena, &x->scope.pool_selectors->match_labels, v);
	}
}

static inline void
profile_word(struct kube_object *o, const char *key, char *v)
{
	struct kube_forwarding_profile *p = &o->profile;

	if (strcmp(key, "ns") == 0) {
		p->namespaces = a_list(&o->arena, v, &p->nnamespaces);
		return;
	}
	ck_assert_msg(strcmp(key, "fb") == 0, "profile word %s", key);
	p->fallback = arena_array(&o->arena, 2, sizeof(*p->fallback));
	for (char *w; (w = next_word(&v, ",")) != NULL; p->nfallback++) {
		struct kube_fallback *f = &p->fallback[p->nfallback];
		char *name = strchr(w, '/');

		f->service = arena_strdup(&o->arena, name != NULL ? name + 1 : w);
		if (name != NULL)
			f->service_ns = arena_strndup(&o->arena, w, (size_t)(name - w));
	}
}

/* The kinds that the controller only judges; false for others. */
static inline bool
parse_other(struct kube_object *o, const char *kind, char *line)
{
	static const struct {
		const char *word;
		enum kube_kind kind;
	} words[] = { { "l2adv", KUBE_L2_ADVERTISEMENT }, { "bgpadv",
	    KUBE_BGP_ADVERTISEMENT }, { "peer", KUBE_BGP_PEER },
	    { "community", KUBE_COMMUNITY }, { "bfd", KUBE_BFD_PROFILE },
	    { "profile", KUBE_FORWARDING_PROFILE } };
	size_t i = 0;

	while (i < nitems(words) && strcmp(words[i].word, kind) != 0)
		i++;
	if (i == nitems(words))
		return false;
	o->kind = words[i].kind;
	o->meta.ns = "herald-system";
	o->meta.name = arena_strdup(&o->arena, next_word(&line, " "));
	if (o->kind == KUBE_BGP_ADVERTISEMENT) {
		o->bgpadv.aggregation_len = 32;
		o->bgpadv.aggregation_len_v6 = 128;
	}
	for (char *w; (w = next_word(&line, " ")) != NULL;) {
		char *key = strsep(&w, "=");

		if (o->kind == KUBE_L2_ADVERTISEMENT)
			l2adv_word(o, key, w);
		else if (o->kind == KUBE_BGP_ADVERTISEMENT)
			bgpadv_word(o, key, w);
		else if (o->kind == KUBE_FORWARDING_PROFILE)
			profile_word(o, key, w);
		else if (o->kind == KUBE_BGP_PEER)
			o->bgp_peer.bfd_profile = arena_strdup(&o->arena, w);
		else {
			o->community.aliases = arena_array(&o->arena, 1,
			    sizeof(*o->community.aliases));
			o->community.aliases->name = arena_strdup(&o->arena, key);
			o->community.naliases = 1;
		}
	}
	return true;
}

/* The object as a decoder that refused it would leave it. */
static inline void
make_stub(struct kube_object *o)
{
	struct kube_service svc = { .ingress = o->service.ingress,
	    .ningress = o->service.ningress };

	o->why_refused = "spec.x: 1: is wrong; write 2";
	if (o->kind == KUBE_SERVICE)
		o->service = svc;
	else if (o->kind == KUBE_IP_ADDRESS_POOL)
		o->pool = (struct kube_ip_address_pool){ 0 };
	else if (o->kind == KUBE_L2_ADVERTISEMENT)
		o->l2adv = (struct kube_l2_advertisement){ 0 };
}

/* Put the objects of text into s, in place of namesakes. */
static inline void
world_add(struct kube_store *s, const char *text)
{
	char *copy = strdup(text), *rest = copy;

	for (char *line; (line = next_word(&rest, "\n;")) != NULL;) {
		struct kube_object *o = kube_object_new(KUBE_NKINDS, 0);
		char *kind = next_word(&line, " \t");
		bool is_bad = kind != NULL && strcmp(kind, "bad") == 0;

		if (is_bad)
			kind = next_word(&line, " ");
		if (kind == NULL) {
			kube_object_free(o);
			continue;
		}
		o->meta.created_sec = 100;
		if (strcmp(kind, "pool") == 0)
			parse_pool(o, line);
		else if (strcmp(kind, "svc") == 0)
			parse_svc(o, line);
		else if (strcmp(kind, "node") == 0)
			parse_node(o, line);
		else if (!parse_other(o, kind, line)) {
			ck_assert_msg(strcmp(kind, "ns") == 0, "line: %s", kind);
			o->kind = KUBE_NAMESPACE;
			o->meta.name = arena_strdup(&o->arena, next_word(&line, " "));
			add_kvs(&o->arena, &o->meta.labels, next_word(&line, " "));
		}
		if (is_bad)
			make_stub(o);
		kube_store_put(s, o);
	}
	free(copy);
}

static inline struct kube_store *
world_new(const char *text)
{
	struct kube_store *s = kube_store_new();

	world_add(s, text);
	return s;
}

/* The decision about "NS/NAME", or NULL. */
static inline const struct decision *
world_decision(const struct reconcile *r, const char *key)
{
	for (size_t i = 0; i < r->ndecisions; i++) {
		if (strcmp(KUBE_KEY(r->decisions[i].svc), key) == 0)
			return &r->decisions[i];
	}
	return NULL;
}

/* "-", "10.0.0.1" or "10.0.0.1,fd00::1" */
static inline const char *
world_addrs(const struct decision *d, char buf[100])
{
	(void)snprintf(buf, 100, "%s%s%s", d->naddrs > 0 ? IP_STR(&d->addrs[0]) : "-",
	    d->naddrs > 1 ? "," : "", d->naddrs > 1 ? IP_STR(&d->addrs[1]) : "");
	return buf;
}

#endif
