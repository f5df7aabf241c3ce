#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/leader_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

struct leader {
	struct ev_loop *loop;
	struct kube_source *source;
	struct leader_conf conf;
	char	*identity;
	struct lease lease;		/* where elected */
	enum lease_do op;		/* sent last */
	struct mono settled;		/* where not: the term begins */
	bool	is_stopped;
	uint64_t term;			/* the one the owner was told of */
	char	holder[LEASE_ID_LEN];	/* the one that was logged */
	struct kube_error complaint;	/* said last; "" all is well */
	leader_fn *changed;
	void	*arg;
	leader_fn *stopped;		/* NULL: not asked to stop, or told */
	void	*stopped_arg;
	ev_timer timer;			/* lease_deadline() */
	ev_timer limit;			/* of a stop */
	ev_check check;
};

static const struct metric m_leader = { "herald_controller_leader",
	"1 where this controller leads and gives addresses out, 0 where it stands by.",
	METRIC_GAUGE };

/* As client-go's: the host's name, and what makes this process unique. */
static char *
make_identity(void)
{
	uint64_t a = clock_random(), b = clock_random();
	char host[LEASE_ID_LEN - 64] = "";

	(void)gethostname(host, sizeof(host) - 1);
	/* RFC 9562, version 4. */
	return mem_printf("%s_%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64
	    "-%012" PRIx64, host, a >> 32, a >> 16 & 0xffff, a & 0xfff,
	    (b >> 48 & 0x3fff) | 0x8000, b & UINT64_C(0xffffffffffff));
}

uint64_t
leader_term(const struct leader *l)
{
	struct mono now = clock_mono();

	if (!l->conf.is_elected)
		return !l->is_stopped && mono_reached(now, l->settled);
	return lease_is_leader(&l->lease, now) ? l->lease.term : 0;
}

static void
tell_holder(struct leader *l)
{
	const char *holder = l->lease.is_absent ? "" : l->lease.seen.holder;

	if (!l->lease.has_looked || strcmp(l->holder, holder) == 0)
		return;
	strcpy(l->holder, holder);
	if (holder[0] != '\0' && strcmp(holder, l->identity) != 0)
		log_info(LOG_OBJ("lease", l->conf.name, "holder", holder),
		    "standing by: another controller leads");
}

/* See whether the term is still the one the owner knows of. */
static void
look(struct leader *l)
{
	uint64_t term = leader_term(l);

	if (term == l->term)
		return;
	l->term = term;
	metrics_set(&m_leader, NULL, term != 0);
	if (l->conf.is_elected && term != 0)
		log_info(LOG_OBJ("lease", l->conf.name, "holder", l->identity),
		    "leading");
	else if (l->conf.is_elected && !l->is_stopped)
		log_warn(LOG_OBJ("lease", l->conf.name),
		    "leading no more: the Lease could not be renewed in time");
	l->changed(l->arg);
}

static void drive(struct leader *l);

static void
on_answer(void *arg, int error, const char *text, const struct lease_record *record)
{
	struct leader *l = arg;
	struct mono now = clock_mono();
	bool is_trouble = error != 0 && error != -ENOENT && error != -ESTALE &&
	    error != -EEXIST;

	if (is_trouble && strcmp(text, l->complaint.text) != 0) {
		log_warn(LOG_OBJ("lease", l->conf.name), "%s", text);
		kube_error_set(&l->complaint, "%s", text);
	} else if (!is_trouble) {
		l->complaint.text[0] = '\0';
	}
	if (l->op == LEASE_GET)
		lease_got(&l->lease, error, record, now);
	else
		lease_wrote(&l->lease, error, record, now);
	tell_holder(l);
	drive(l);
}

static void
tell_stopped(struct leader *l)
{
	leader_fn *stopped = l->stopped;

	if (stopped == NULL)
		return;
	l->stopped = NULL;
	ev_timer_stop(l->loop, &l->limit);
	stopped(l->stopped_arg);
}

/* Do what is due, and have the loop wake up for what comes next. */
static void
drive(struct leader *l)
{
	struct mono now = clock_mono(), at = l->settled;
	struct lease_record record;
	enum lease_do op;

	look(l);
	if (l->conf.is_elected) {
		op = lease_next(&l->lease, now, clock_wall_ns(), &record);
		if (op != LEASE_NOTHING) {
			l->op = op;
			kube_source_lease(l->source, op, l->conf.ns, l->conf.name,
			    &record, on_answer, l);
		}
		at = lease_deadline(&l->lease, now);
	}
	ev_timer_stop(l->loop, &l->timer);
	if (l->is_stopped && (!l->conf.is_elected || lease_is_over(&l->lease))) {
		tell_stopped(l);
		return;
	}
	if (at.ns == MONO_NEVER.ns || (!l->conf.is_elected && l->term != 0))
		return;
	ev_now_update(l->loop);
	ev_timer_set(&l->timer, mono_delay_sec(clock_mono(), at), 0.);
	ev_timer_start(l->loop, &l->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	drive(w->data);
}

static void
on_check(struct ev_loop *loop, ev_check *w, int revents)
{
	(void)loop;
	(void)revents;
	look(w->data);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct leader *l = w->data;

	(void)loop;
	(void)revents;
	log_warn(LOG_OBJ("lease", l->conf.name), "the Lease could not be released; it "
	    "ends by itself");
	tell_stopped(l);
}

struct leader *
leader_new(struct ev_loop *loop, struct kube_source *source,
    const struct leader_conf *conf, leader_fn *changed, void *arg)
{
	struct leader *l = mem_zalloc(sizeof(*l));
	struct mono now = clock_mono();
	struct lease_conf lease;

	l->loop = loop;
	l->source = source;
	l->conf = *conf;
	l->changed = changed;
	l->arg = arg;
	l->identity = make_identity();
	l->settled = mono_add_ms(now, conf->settle_ms);
	lease = lease_conf_of(l->identity, (int64_t)conf->duration_sec * 1000);
	lease_init(&l->lease, &lease, clock_random(), now);
	metrics_set(&m_leader, NULL, 0);
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	ev_timer_init(&l->limit, on_limit, LEADER_STOP_SEC, 0.);
	ev_check_init(&l->check, on_check);
	ev_set_priority(&l->check, EV_MAXPRI);
	l->timer.data = l->limit.data = l->check.data = l;
	ev_timer_start(loop, &l->timer);
	ev_check_start(loop, &l->check);
	return l;
}

void
leader_free(struct leader *l)
{
	if (l == NULL)
		return;
	ev_timer_stop(l->loop, &l->timer);
	ev_timer_stop(l->loop, &l->limit);
	ev_check_stop(l->loop, &l->check);
	free(l->identity);
	free(l);
}

void
leader_stop(struct leader *l, leader_fn *done, void *arg)
{
	l->stopped = done;
	l->stopped_arg = arg;
	l->is_stopped = true;
	lease_stop(&l->lease, clock_mono());
	ev_now_update(l->loop);
	ev_timer_start(l->loop, &l->limit);
	drive(l);
}
