/*
 * storm_test.c - the controller's core in front of a make-believe API server,
 * at random, a million steps: users create, edit and delete Services and pools;
 * the cache lags; writes are refused, lost on the way there, lost on the way
 * back, overtaken; the controller is killed and started again. After every
 * step of the server no address may be held by two Services that may not
 * share it, and when the storm is over everything must come to rest.
 */
#include <errno.h>

#include "controller/alloc.h"
#include "controller/request.h"
#include "tests/controller/world.h"

/* A million steps in all. */
enum { NSVC = 12, HISTORY = 8000, STEPS = 25000, NSTORMS = 40,
	SPEC_LEN = 100, TEXT_LEN = 240 };

/* One version of one Service on the server; the text is what the world parses. */
struct version {
	int svc;
	long rv;
	bool is_deleted;
	char text[TEXT_LEN];
};

struct server {
	struct version log[HISTORY];	/* in the order they were made */
	int n;
	long rv;
	int current[NSVC];		/* index into log, -1 none */
	int uid[NSVC];
	char pools[200];
};

struct client {
	struct kube_store *store;
	struct ledger *ledger;
	struct config config;
	int seen;			/* versions of the log it has been shown */
};

static uint64_t rng_state;

static uint32_t
rnd(uint32_t n)
{
	rng_state = rng_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((rng_state >> 33) % n);
}

static void
server_put(struct server *v, int svc, bool is_deleted, const char *spec,
    const char *has)
{
	struct version *x = &v->log[v->n];

	ck_assert(v->n < HISTORY);
	*x = (struct version){ .svc = svc, .rv = ++v->rv, .is_deleted = is_deleted };
	(void)snprintf(x->text, sizeof(x->text), "svc d/s%d uid=%d rv=%ld age=%d%s%s | %s",
	    svc, v->uid[svc], x->rv, v->uid[svc], *has != '\0' ? " has=" : "", has, spec);
	v->current[svc] = is_deleted ? -1 : v->n;
	v->n++;
}

/* A version as an object in s. */
static void
show(struct kube_store *s, const struct version *x)
{
	char line[TEXT_LEN], name[8], *bar;

	(void)snprintf(name, sizeof(name), "s%d", x->svc);
	(void)kube_store_delete(s, KUBE_SERVICE, "d", name);
	if (x->is_deleted)
		return;
	(void)snprintf(line, sizeof(line), "%s", x->text);
	bar = strchr(line, '|');
	*bar = ' ';
	world_add(s, line);
}

static const char *
spec_of(const struct version *x)
{
	return strstr(x->text, "| ") + 2;
}

/* "has=..." of a version, "" where it has none. */
static void
has_of(const struct version *x, char out[80])
{
	const char *at = strstr(x->text, " has=");

	out[0] = '\0';
	if (at != NULL)
		(void)sscanf(at, " has=%79[^ ]", out);
}

/*
 * Key and port are the object's for life. A key taken away from one Service
 * just as another joins it is a race that no order of writes can win; it is
 * resolved afterwards, as the table in reconcile_test.c shows.
 */
static const char *
random_spec(int uid, char buf[SPEC_LEN])
{
	static const char *const wishes[] = { "", "", "", "ask=10.0.0.3", "ask=10.0.0.4",
	    "pool=q", "ask=10.77.7.7", "ask=fd00::" };
	static const char *const shares[] = { "", "", "share=k", "share=l" };
	static const char *const families[] = { "fam=4", "fam=4", "fam=6",
	    "fam=46 policy=prefer", "fam=46 policy=require" };
	uint32_t wish = rnd(nitems(wishes)), family = rnd(nitems(families));

	(void)snprintf(buf, SPEC_LEN, "%s %s %s ports=TCP/%d%s%s", families[family],
	    wishes[wish], shares[uid % 4], 80 + uid % 3,
	    rnd(12) == 0 ? " type=ClusterIP" : "", rnd(3) == 0 ? " labels=app:web" : "");
	return buf;
}

/* What a user does. */
static void
user_step(struct server *v)
{
	int svc = (int)rnd(NSVC), at = v->current[svc];
	char spec[SPEC_LEN], has[80];

	if (at < 0) {
		v->uid[svc] = (int)v->rv + 1;
		server_put(v, svc, false, random_spec(v->uid[svc], spec), "");
	} else if (rnd(3) == 0) {
		server_put(v, svc, true, "", "");
	} else {
		has_of(&v->log[at], has);
		server_put(v, svc, false, random_spec(v->uid[svc], spec), has);
	}
}

static const char *const pool_worlds[] = {
	"pool p 10.0.0.1-10.0.0.5,fd00::/126; pool q 10.1.0.0/31 auto=no",
	"pool p 10.0.0.1-10.0.0.3,fd00::/126; pool q 10.1.0.0/31",
	"pool p 10.0.0.1-10.0.0.9; pool q 10.1.0.0/31,fd00::2/127",
	"pool p 10.0.0.2-10.0.0.5,fd00::/127; pool q 10.1.0.0/32",
	"pool p 10.0.0.0/29,fd00::/125 res=10.0.0.3/32,fd00::2/127 strat=sticky; "
	"pool q 10.1.0.0/31",
	"pool p 10.0.0.1-10.0.0.9,fd00::/126 strat=spread; pool q 10.1.0.0/30 "
	"res=10.1.0.1/32 svcsel=app:web",
};

/* May these two Services hold one address? As the world's words tell it. */
static bool
may_share(const struct kube_object *a, const struct kube_object *b)
{
	struct request ra, rb;
	struct kube_error err;

	(void)request_parse(a, &ra, &err);
	(void)request_parse(b, &rb, &err);
	return ra.share_key != NULL && rb.share_key != NULL &&
	    strcmp(ra.share_key, rb.share_key) == 0 &&
	    a->service.ports[0].port != b->service.ports[0].port;
}

/*
 * A server-side look at a write: the addresses that svc gains must be held by
 * nobody it may not share with.
 */
static void
check_gain(const struct server *v, int svc, const char *before, const char *after)
{
	struct kube_store *s = kube_store_new();
	const struct kube_object *me;
	char name[8], list[80], *rest = list;

	for (int i = 0; i < NSVC; i++) {
		if (v->current[i] >= 0)
			show(s, &v->log[v->current[i]]);
	}
	(void)snprintf(name, sizeof(name), "s%d", svc);
	me = kube_store_get(s, KUBE_SERVICE, "d", name);
	(void)snprintf(list, sizeof(list), "%s", after);
	for (char *w; (w = next_word(&rest, ",")) != NULL;) {
		struct kube_list all = kube_store_list(s, KUBE_SERVICE);
		struct ip ip = an_ip(w);

		if (strstr(before, w) != NULL)
			continue;
		for (size_t i = 0; i < all.n; i++) {
			const struct kube_service *o = &all.items[i]->service;

			for (size_t j = 0; all.items[i] != me && j < o->ningress; j++)
				ck_assert_msg(!ip_eq(&o->ingress[j].ip, &ip) ||
				    may_share(me, all.items[i]),
				    "%s given to s%d, but %s has it", w, svc,
				    all.items[i]->meta.name);
		}
	}
	kube_store_free(s);
}

/* The server's side of a status patch. */
static int
server_patch(struct server *v, const struct ledger_entry *e)
{
	int svc = atoi(e->name + 1), at = v->current[svc];
	char has[80] = "", before[80], spec[SPEC_LEN];

	if (at < 0)
		return -ENOENT;
	if (v->log[at].rv != atol(e->resource_version))
		return -ESTALE;
	for (unsigned i = 0; i < e->naddrs; i++)
		(void)snprintf(has + strlen(has), sizeof(has) - strlen(has), "%s%s",
		    i > 0 ? "," : "", IP_STR(&e->addrs[i]));
	has_of(&v->log[at], before);
	(void)snprintf(spec, sizeof(spec), "%s", spec_of(&v->log[at]));
	if (strcmp(before, has) == 0)
		return 0;	/* no change, no new version */
	server_put(v, svc, false, spec, has);
	check_gain(v, svc, before, has);
	return 0;
}

static void
client_start(struct client *c, const struct server *v)
{
	*c = (struct client){ .store = kube_store_new(), .ledger = ledger_new() };
	world_add(c->store, v->pools);
	/* A list shows what is there now, at once. */
	for (int i = 0; i < NSVC; i++) {
		if (v->current[i] >= 0)
			show(c->store, &v->log[v->current[i]]);
	}
	c->seen = v->n;
	config_build(c->store, NULL, &c->config);
}

static void
client_kill(struct client *c)
{
	config_fini(&c->config);
	ledger_free(c->ledger);
	kube_store_free(c->store);
}

static void
client_pools(struct client *c, const char *pools)
{
	struct config fresh;

	world_add(c->store, pools);
	config_build(c->store, &c->config, &fresh);
	config_fini(&c->config);
	c->config = fresh;
}

/* Check's own assertions write to a pipe each: too slow for millions. */
#define expect(cond, ...)                                                       \
	do {                                                                    \
		if (!(cond))                                                    \
			ck_abort_msg(__VA_ARGS__);                              \
	} while (0)

static bool
holds(const struct ip *addrs, unsigned n, const struct ip *ip)
{
	for (unsigned i = 0; i < n; i++) {
		if (ip_eq(&addrs[i], ip))
			return true;
	}
	return false;
}

static void
check_new_addr(const struct config *c, const struct request *req, const struct ip *ip)
{
	const struct ip *asked = request_ip(req, (enum ip_family)ip->family);
	const struct pool_span *span = pool_set_span(&c->pools, ip);
	const struct pool *p;

	expect(span != NULL, "%s is of no pool", IP_STR(ip));
	p = &c->pools.pools[span->pool];
	expect(rangeset_find(p->reserved, ip) == NULL, "%s is reserved",
	    IP_STR(ip));
	expect((asked != NULL && ip_eq(asked, ip)) || req->share_key != NULL ||
	    !pool_passes_over(p, ip), "%s is passed over", IP_STR(ip));
}

/*
 * What every decision keeps to: nothing new from outside of a pool, reserved,
 * or passed over and not asked for; nothing lost without a reason.
 */
static void
check_decision(const struct config *c, const struct decision *d)
{
	struct request req;
	struct kube_error err;

	(void)request_parse(d->svc, &req, &err);
	for (unsigned i = 0; i < d->naddrs; i++) {
		if (!holds(d->had, d->nhad, &d->addrs[i]))
			check_new_addr(c, &req, &d->addrs[i]);
	}
	for (unsigned i = 0; i < d->nhad; i++) {
		bool is_replaced = false;

		for (unsigned j = 0; j < d->naddrs; j++)
			is_replaced |= d->addrs[j].family == d->had[i].family;
		expect(holds(d->addrs, d->naddrs, &d->had[i]) || is_replaced ||
		    d->released != NULL || !d->svc->service.is_load_balancer,
		    "%s is lost without a reason", IP_STR(&d->had[i]));
	}
}

/* One pass; returns the number of writes it decided on. */
static int
client_pass(struct client *c, struct mono now)
{
	struct reconcile_in in = { .store = c->store, .config = &c->config,
	    .ledger = c->ledger, .now = now };
	struct reconcile r;
	int n = 0;

	ledger_sync(c->ledger, c->store, now);
	reconcile_run(&in, &r);
	for (size_t i = 0; i < r.ndecisions; i++) {
		const struct decision *d = &r.decisions[i];

		check_decision(&c->config, d);
		if (!d->must_write)
			continue;
		(void)ledger_promise(c->ledger, d->svc, d->addrs, d->naddrs, d->is_news);
		n++;
	}
	reconcile_fini(&r);
	return n;
}

/* A write under way, and its fate. */
struct flight {
	struct ledger_entry *e;
	int error;
	bool is_at_server;
};

struct storm {
	struct server v;
	struct client c;
	struct flight flights[NSVC * 2];
	int nflights;
	struct mono now;
};

/* The oldest write under way moves on: to the server, or back from it. */
static void
flight_step(struct storm *st, bool is_fair)
{
	int at = (int)rnd((uint32_t)st->nflights);
	struct flight *f = &st->flights[at];
	uint32_t luck = is_fair ? 99 : rnd(100);

	if (!f->is_at_server) {
		f->is_at_server = true;
		if (luck < 15)
			f->error = -EIO;		/* never got there */
		else
			f->error = server_patch(&st->v, f->e);
		if (luck >= 15 && luck < 30)
			f->error = luck < 22 ? -EIO : -ESTALE;	/* answer lost, or a
							   retry met its own work */
		return;
	}
	ledger_done(st->c.ledger, f->e, f->error, st->now, rng_state);
	*f = st->flights[--st->nflights];
}

static void
storm_step(struct storm *st)
{
	struct ledger_entry *e;

	st->now = mono_add_ms(st->now, 1 + rnd(20));
	switch (rnd(12)) {
	case 0:
		user_step(&st->v);
		break;
	case 1:
		if (rnd(10) == 0) {
			(void)snprintf(st->v.pools, sizeof(st->v.pools), "%s",
			    pool_worlds[rnd(nitems(pool_worlds))]);
			client_pools(&st->c, st->v.pools);
		}
		break;
	case 2:
		if (rnd(30) == 0) {	/* kill -9; what is under way goes on its way */
			for (int i = 0; i < st->nflights; i++) {
				if (!st->flights[i].is_at_server && rnd(2) == 0)
					(void)server_patch(&st->v, st->flights[i].e);
			}
			st->nflights = 0;
			client_kill(&st->c);
			client_start(&st->c, &st->v);
		}
		break;
	case 3:
	case 4:
	case 5:	/* the cache is shown one more version */
		if (st->c.seen < st->v.n)
			show(st->c.store, &st->v.log[st->c.seen++]);
		break;
	case 6:
	case 7:
		(void)client_pass(&st->c, st->now);
		break;
	case 8:
	case 9:
		if (st->nflights < NSVC && (e = ledger_sent(st->c.ledger)) != NULL)
			st->flights[st->nflights++] = (struct flight){ .e = e };
		break;
	default:
		if (st->nflights > 0)
			flight_step(st, false);
	}
}

/* Nobody touches anything any more: it must come to rest, and all be well. */
static void
settle(struct storm *st)
{
	int quiet = 0;

	for (int i = 0; i < 2000 && quiet < 3; i++) {
		struct ledger_entry *e;

		st->now = mono_add_sec(st->now, 31);
		while (st->c.seen < st->v.n)
			show(st->c.store, &st->v.log[st->c.seen++]);
		while (st->nflights > 0)
			flight_step(st, true);
		while (st->c.seen < st->v.n)
			show(st->c.store, &st->v.log[st->c.seen++]);
		quiet = client_pass(&st->c, st->now) == 0 ? quiet + 1 : 0;
		while ((e = ledger_sent(st->c.ledger)) != NULL)
			st->flights[st->nflights++] = (struct flight){ .e = e };
	}
	ck_assert_msg(quiet == 3, "it does not come to rest");
}

/* At rest: every address is of a pool and of one family each, shared by right. */
static void
check_rest(const struct storm *st)
{
	struct kube_list all = kube_store_list(st->c.store, KUBE_SERVICE);
	struct client again;

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_service *a = &all.items[i]->service;

		for (size_t k = 0; k < a->ningress; k++) {
			/* Of who is no load balancer we clear only our pools'. */
			ck_assert(!a->is_load_balancer ||
			    pool_set_span(&st->c.config.pools, &a->ingress[k].ip) != NULL);
			for (size_t j = 0; j < i; j++) {
				const struct kube_service *b = &all.items[j]->service;

				for (size_t l = 0; l < b->ningress; l++)
					ck_assert(!ip_eq(&a->ingress[k].ip,
					    &b->ingress[l].ip) ||
					    may_share(all.items[i], all.items[j]));
			}
		}
	}
	/* A restart is a no-op. */
	client_start(&again, &st->v);
	ck_assert_int_eq(client_pass(&again, st->now), 0);
	client_kill(&again);
}

START_TEST(storm)
{
	struct storm *st = mem_zalloc(sizeof(*st));

	rng_state = 1000003 * (uint64_t)(_i + 1);
	for (int i = 0; i < NSVC; i++)
		st->v.current[i] = -1;
	(void)snprintf(st->v.pools, sizeof(st->v.pools), "%s", pool_worlds[0]);
	client_start(&st->c, &st->v);
	for (int step = 0; step < STEPS; step++)
		storm_step(st);
	settle(st);
	check_rest(st);
	client_kill(&st->c);
	free(st);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, storm, 0, NSTORMS);
}

TEST_MAIN("storm", fill)
