/* checker_io.c - see checker_io.h. */
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ipvs/check_order.h"
#include "ipvs/checker_io.h"
#include "ipvs/netns_io.h"
#include "ipvs/wheel.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum { STEPS_MAX = 64 };		/* taken from the wheel at a time */

struct target {
	struct wheel_entry step;	/* the next, health_tick()'s; has to be first */
	uint64_t id;
	struct checker *checker;
	struct probe_target at;
	struct health health;
	struct probe *probe;		/* under way, or NULL */
	size_t	view;			/* its place in views */
};

struct checker {
	/* The caller's. */
	struct ev_loop *outer;
	void	(*changed)(void *arg);
	void	*arg;
	uint64_t want_hash;		/* of what was last set */
	struct check_view *copy;
	size_t	ncopy;
	ev_async news;			/* from the thread */
	pthread_t thread;
	/* The thread's. */
	struct ev_loop *loop;
	struct prober *prober;
	struct target **targets;	/* sorted by id */
	size_t	ntargets;
	size_t	nunsure;		/* of them, not told yet */
	struct check_order *order;		/* in force: owns the targets' confs */
	ev_async wake;			/* from the caller */
	ev_check woken;
	struct mono loop_now;		/* when the loop last woke */
	struct wheel steps;
	ev_timer timer;			/* for the first of them ... */
	ev_prepare before_sleep;	/* ... set by this */
	uint64_t random;		/* the last drawn; see draw() */
	int	ns;			/* to enter; -1: none */
	/* Both's. */
	pthread_mutex_t lock;		/* for what follows */
	struct check_order *next_order;	/* NULL: taken */
	bool	is_ending;
	struct check_view *views;	/* sorted by id */
	size_t	nviews;
};

/* --- the thread: probing -------------------------------------------------- */

/* why: NULL leaves it. */
static void
publish(struct target *t, bool is_news, const char *why)
{
	struct checker *c = t->checker;
	struct check_view *v;

	pthread_mutex_lock(&c->lock);
	v = &c->views[t->view];
	v->is_up = t->health.is_up;
	v->is_sure = t->health.is_sure;
	v->ntransitions += is_news;
	if (why != NULL)
		snprintf(v->why, sizeof(v->why), "%s", why);
	pthread_mutex_unlock(&c->lock);
	if (is_news)
		ev_async_send(c->outer, &c->news);
}

static void
schedule(struct target *t)
{
	wheel_put(&t->checker->steps, &t->step, health_deadline(&t->health));
}

/* For jitter, which is no secret: two getrandom(2) were a tenth of a probe. */
static uint64_t
draw(struct checker *c)
{
	c->random = hash_bytes(&c->random, sizeof(c->random), 0);
	return c->random;
}

/* It may have become sure; the last one to do so is news. */
static bool
count_sure(struct target *t, bool was_sure)
{
	return !was_sure && t->health.is_sure && --t->checker->nunsure == 0;
}

static void
on_probe_done(void *arg, enum health_answer answer, const char *why)
{
	struct target *t = arg;
	bool was_sure = t->health.is_sure;
	unsigned todo;

	t->probe = NULL;
	todo = health_result(&t->health, &t->at.conf->health, answer, draw(t->checker));
	if (answer != HEALTH_GOOD || todo & HEALTH_DO_TELL || !was_sure)
		publish(t, todo & HEALTH_DO_TELL, answer != HEALTH_GOOD ? why : NULL);
	if (count_sure(t, was_sure))
		ev_async_send(t->checker->outer, &t->checker->news);
	schedule(t);
}

static void
step(struct target *t)
{
	const struct health_conf *conf = &t->at.conf->health;
	bool was_sure = t->health.is_sure;
	unsigned todo = health_tick(&t->health, conf, clock_mono(),
	    draw(t->checker));
	char why[PROBE_WHY_MAX];

	if (todo & HEALTH_DO_CANCEL) {
		if (t->probe != NULL)
			probe_cancel(t->probe);
		t->probe = NULL;
		snprintf(why, sizeof(why), "no answer within %u ms", conf->timeout_ms);
		publish(t, todo & HEALTH_DO_TELL, why);
		if (count_sure(t, was_sure))
			ev_async_send(t->checker->outer, &t->checker->news);
	}
	if (todo & HEALTH_DO_PROBE) {
		t->probe = probe_start(t->checker->prober, &t->at, on_probe_done, t);
		/* It has come to its end at once, and been scheduled by that. */
		if (t->probe == NULL)
			return;
	}
	schedule(t);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct checker *c = w->data;
	struct wheel_entry *due[STEPS_MAX];
	size_t n;

	(void)loop;
	(void)revents;
	do {
		n = wheel_take(&c->steps, c->loop_now, due, nitems(due));
		/* Its last step was an interval ago: fetch them side by side. */
		for (size_t i = 0; i < n; i++) {
			struct target *t = (struct target *)due[i];

			__builtin_prefetch(&t->at.from);
			__builtin_prefetch(&t->view);
		}
		/* One whose answer is heard meanwhile is not due any more, and put back. */
		for (size_t i = 0; i < n; i++)
			step((struct target *)due[i]);
	} while (n == nitems(due));
}

static void
on_before_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct checker *c = w->data;
	struct mono next = wheel_deadline(&c->steps);

	(void)revents;
	ev_timer_stop(loop, &c->timer);
	if (next.ns == MONO_NEVER.ns)
		return;
	/* libev, too, counts from when it woke; from now would be too soon. */
	ev_timer_set(&c->timer, mono_delay_sec(c->loop_now, next), 0.);
	ev_timer_start(loop, &c->timer);
}

/* --- the thread: what is to be probed -------------------------------------- */

static void
target_stop(struct target *t)
{
	if (t->probe != NULL)
		probe_cancel(t->probe);
	t->probe = NULL;
	wheel_drop(&t->checker->steps, &t->step);
}

static struct target *
target_new(struct checker *c, const struct check_want *w)
{
	struct target *t = mem_zalloc(sizeof(*t));

	t->id = w->id;
	t->checker = c;
	t->at = (struct probe_target){ .conf = w->conf, .ip = w->ip, .port = w->port };
	health_init(&t->health, &w->conf->health, clock_mono(), draw(c));
	schedule(t);
	return t;
}

/* The same endpoint as before, by a conf that may be another. */
static void
target_keep(struct target *t, const struct check_want *w)
{
	bool is_same = probe_conf_hash(t->at.conf) == probe_conf_hash(w->conf);
	bool was_up = t->health.is_up, is_sure;

	if (!is_same)
		target_stop(t);
	t->at.conf = w->conf;
	if (is_same)
		return;
	is_sure = t->health.is_sure;
	health_init(&t->health, &w->conf->health, clock_mono(), draw(t->checker));
	t->health.is_up = was_up;
	t->health.is_sure = is_sure;
	schedule(t);
}

static bool
is_kept(const struct target *t, const struct check_want *w)
{
	return t->id == w->id && ip_eq(&t->at.ip, &w->ip) && t->at.port == w->port;
}

/* Both are sorted by id. */
static void
adopt(struct checker *c, struct check_order *o)
{
	struct target **fresh = mem_zalloc((o->nwants + 1) * sizeof(fresh[0]));
	struct check_view *views = mem_zalloc((o->nwants + 1) * sizeof(views[0]));
	size_t old = 0, nunsure = 0;

	for (size_t i = 0; i < o->nwants; i++) {
		const struct check_want *w = &o->wants[i];

		for (; old < c->ntargets && !is_kept(c->targets[old], w) &&
		    c->targets[old]->id <= w->id; old++) {
			target_stop(c->targets[old]);
			free(c->targets[old]);
		}
		if (old < c->ntargets && is_kept(c->targets[old], w)) {
			fresh[i] = c->targets[old++];
			views[i] = c->views[fresh[i]->view];
			target_keep(fresh[i], w);
		} else {
			fresh[i] = target_new(c, w);
		}
		fresh[i]->view = i;
		views[i].id = w->id;
		views[i].is_up = fresh[i]->health.is_up;
		nunsure += !fresh[i]->health.is_sure;
	}
	for (; old < c->ntargets; old++) {
		target_stop(c->targets[old]);
		free(c->targets[old]);
	}
	free(c->targets);
	c->targets = fresh;
	c->ntargets = o->nwants;
	c->nunsure = nunsure;
	check_order_free(c->order);
	c->order = o;
	pthread_mutex_lock(&c->lock);
	free(c->views);
	c->views = views;
	c->nviews = o->nwants;
	pthread_mutex_unlock(&c->lock);
	ev_async_send(c->outer, &c->news);
}

static void
on_woken(struct ev_loop *loop, ev_check *w, int revents)
{
	struct checker *c = w->data;

	(void)loop;
	(void)revents;
	c->loop_now = clock_mono();
}

static void
on_wake(struct ev_loop *loop, ev_async *a, int revents)
{
	struct checker *c = a->data;
	struct check_order *o;
	bool is_ending;

	(void)revents;
	pthread_mutex_lock(&c->lock);
	o = c->next_order;
	c->next_order = NULL;
	is_ending = c->is_ending;
	pthread_mutex_unlock(&c->lock);
	if (o != NULL)
		adopt(c, o);
	if (is_ending)
		ev_break(loop, EVBREAK_ALL);
}

static void *
run(void *arg)
{
	struct checker *c = arg;
	struct netns_visit visit;

	/* The descriptor is good and we may: checker_new() has tried. */
	if (c->ns >= 0 && netns_enter(c->ns, &visit) != 0)
		abort();
	ev_run(c->loop, 0);
	adopt(c, mem_zalloc(sizeof(struct check_order)));
	if (c->ns >= 0)
		netns_leave(&visit);
	return NULL;
}

/* --- the caller ------------------------------------------------------------ */

static void
on_news(struct ev_loop *loop, ev_async *a, int revents)
{
	struct checker *c = a->data;

	(void)loop;
	(void)revents;
	c->changed(c->arg);
}

void
checker_set(struct checker *c, const struct check_want *wants, size_t n)
{
	uint64_t hash = check_wants_hash(wants, n);
	struct check_order *o;

	if (hash == c->want_hash)
		return;
	c->want_hash = hash;
	o = check_order_new(wants, n);
	pthread_mutex_lock(&c->lock);
	check_order_free(c->next_order);
	c->next_order = o;
	pthread_mutex_unlock(&c->lock);
	ev_async_send(c->loop, &c->wake);
}

const struct check_view *
checker_views(struct checker *c, size_t *ret_n)
{
	pthread_mutex_lock(&c->lock);
	free(c->copy);
	c->ncopy = c->nviews;
	c->copy = mem_zalloc((c->ncopy + 1) * sizeof(c->copy[0]));
	if (c->ncopy > 0)
		memcpy(c->copy, c->views, c->ncopy * sizeof(c->copy[0]));
	pthread_mutex_unlock(&c->lock);
	*ret_n = c->ncopy;
	return c->copy;
}

/* Each probe under way has a descriptor; silent endpoints hold theirs longest. */
static void
raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur == lim.rlim_max)
		return;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
}

/* See that the namespace can be entered, while it can still be told. */
static int
open_netns(struct checker *c, const char *netns, char err[256])
{
	struct netns_visit visit;
	int rc;

	c->ns = netns != NULL ? netns_open(netns) : -1;
	if (netns == NULL)
		return 0;
	rc = c->ns < 0 ? c->ns : netns_enter(c->ns, &visit);
	if (rc < 0) {
		snprintf(err, 256, "health checks: cannot enter the network namespace "
		    "%s: %s%s", netns, strerror(-rc), rc == -EPERM ?
		    "; CAP_SYS_ADMIN is needed" : "");
		return rc;
	}
	netns_leave(&visit);
	return 0;
}

struct checker *
checker_new(struct ev_loop *loop, const char *netns, void (*changed)(void *arg),
    void *arg, char err[256])
{
	struct checker *c = mem_zalloc(sizeof(*c));

	c->outer = loop;
	c->random = clock_random();
	c->changed = changed;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	ev_async_init(&c->news, on_news);
	ev_async_init(&c->wake, on_wake);
	ev_check_init(&c->woken, on_woken);
	ev_set_priority(&c->woken, EV_MAXPRI);
	wheel_init(&c->steps, clock_mono());
	ev_init(&c->timer, on_timer);
	ev_prepare_init(&c->before_sleep, on_before_sleep);
	/* After the probes', which may end some. */
	ev_set_priority(&c->before_sleep, EV_MINPRI);
	c->news.data = c->wake.data = c->woken.data = c;
	c->timer.data = c->before_sleep.data = c;
	c->views = mem_zalloc(sizeof(c->views[0]));
	raise_descriptors();
	c->loop = ev_loop_new(EVFLAG_AUTO);
	if (open_netns(c, netns, err) != 0)
		goto fail;
	c->prober = c->loop != NULL ? prober_new(c->loop) : NULL;
	if (c->prober == NULL) {
		snprintf(err, 256, "health checks: libev or libcurl cannot start; see "
		    "the limit on open files (ulimit -n)");
		goto fail;
	}
	ev_async_start(c->loop, &c->wake);
	ev_check_start(c->loop, &c->woken);
	ev_prepare_start(c->loop, &c->before_sleep);
	ev_async_start(loop, &c->news);
	if (thread_start(&c->thread, run, c) == 0)
		return c;
	snprintf(err, 256, "health checks: no thread can be started; raise the limit "
	    "on processes (ulimit -u, pids.max)");
fail:
	c->is_ending = true;
	checker_free(c);
	return NULL;
}

void
checker_free(struct checker *c)
{
	if (c == NULL)
		return;
	if (!c->is_ending) {
		pthread_mutex_lock(&c->lock);
		c->is_ending = true;
		pthread_mutex_unlock(&c->lock);
		ev_async_send(c->loop, &c->wake);
		pthread_join(c->thread, NULL);
	}
	ev_async_stop(c->outer, &c->news);
	prober_free(c->prober);
	wheel_fini(&c->steps);
	if (c->loop != NULL)
		ev_loop_destroy(c->loop);
	if (c->ns >= 0)
		close(c->ns);
	check_order_free(c->order);
	check_order_free(c->next_order);
	free(c->targets);
	free(c->views);
	free(c->copy);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
