/* director_table.c - see director_impl.h: the IPVS table of all tiers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/director_impl.h"
#include "ipvs/error.h"
#include "ipvs/netns_io.h"
#include "lib/mem.h"

int
director_open_ipvs(struct director *d, struct director_error *ret_err)
{
	struct netns_visit v;
	int r;

	if (d->ipvs != NULL)
		return 0;
	r = netns_enter(d->net.ns, &v);
	if (r < 0)
		return director_fail(ret_err, r, "cannot enter the director: %s",
		    strerror(-r));
	r = ipvs_nl_open(&d->ipvs, ret_err);
	netns_leave(&v);
	return r;
}

static void
count_op(struct director_changes *c, const struct ipvs_op *op)
{
	if (op->is_follow_up || op->is_reorder)
		return;
	switch (op->type) {
	case IPVS_OP_ADD_VS:
		c->services_added++;
		break;
	case IPVS_OP_SET_VS:
		c->services_changed++;
		break;
	case IPVS_OP_DEL_VS:
		c->services_removed++;
		break;
	case IPVS_OP_ADD_RS:
		/* One that has left was taken out just now. */
		if (op->rs->has_left)
			c->endpoints_changed++;
		else
			c->endpoints_added++;
		break;
	case IPVS_OP_SET_RS:
		c->endpoints_changed++;
		break;
	case IPVS_OP_DEL_RS:
		c->endpoints_removed++;
		break;
	}
}

static const char *
errno_remedy(int error, const struct ipvs_op *op)
{
	switch (error) {
	case -ENOENT:
		return op->rs == NULL ? "; is the scheduler's module (ip_vs_NAME) "
		    "installed for this kernel?" : "";
	case -EINVAL:
		return op->rs == NULL && strcmp(op->vs->sched, "mh") == 0 ?
		    "; has this kernel's mh fewer slots (CONFIG_IP_VS_MH_TAB_INDEX) than "
		    "the service has endpoints? give it another scheduler by a "
		    "ForwardingProfile" : "";
	case -EPERM:
		return "; CAP_NET_ADMIN of the host is needed";
	case -ENOMEM:
		return "; the kernel is out of memory";
	case -EEXIST:
	case -ESRCH:
		return "; somebody else changes the director's table, it will be "
		    "read again";
	default:
		return "";
	}
}

/* Report op, and that its VIP is not complete. */
static void
op_failed(struct director_run *s, const struct ipvs_op *op, int error)
{
	struct director_error err;
	const struct ipvs_vs *vs = op->vs;
	char ep[IP_STRLEN + 16] = "";
	size_t i;

	if (op->rs != NULL)
		snprintf(ep, sizeof(ep), " %s port %u", IP_STR(&op->rs->ip),
		    op->rs->port);
	director_fail(&err, error, "svc %s (%s): cannot %s%s: %s%s",
	    vs->name != NULL ? vs->name : "?", IPVS_KEY_STR(&vs->key),
	    ipvs_op_name(op->type), ep, strerror(-error), errno_remedy(error, op));
	director_report(s, &err);
	if (vs->key.fwmark == 0) {
		director_vip_failed(s->d, &vs->key.vip);
		return;
	}
	/* The second tier of which service? */
	for (i = 0; i < s->want->nservices; i++)
		if (vs->name != NULL && s->want->services[i].name != NULL &&
		    strcmp(vs->name, s->want->services[i].name) == 0)
			director_vip_failed(s->d, &s->want->services[i].vip);
}

static bool
has_reorder(const struct ipvs_op *ops, size_t n)
{
	while (n > 0)
		if (ops[--n].is_reorder)
			return true;
	return false;
}

/* See that the service is read again before its next change. */
static void
mark_stale(struct director *d, const struct ipvs_key *key)
{
	d->stale = mem_grow(d->stale, d->nstale, &d->stale_cap, sizeof(d->stale[0]));
	d->stale[d->nstale++] = *key;
}

void
director_mark_foreign(struct director *d, const struct ipvs_key *key)
{
	mark_stale(d, key);
	d->nforeign++;
}

static void
count_results(struct director_run *s, const struct ipvs_op *ops, size_t n,
    const int *errors)
{
	const struct ipvs_vs *last_failed = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (errors[i] == 0) {
			count_op(s->changes, &ops[i]);
			continue;
		}
		/* One message a service: what follows is mostly its consequence. */
		if (ops[i].vs == last_failed)
			continue;
		op_failed(s, &ops[i], errors[i]);
		mark_stale(s->d, &ops[i].vs->key);
		last_failed = ops[i].vs;
	}
}

/*
 * While endpoints are taken out and put in again, packets of theirs that come
 * in between must be dropped, and sent again, rather than be given to others.
 */
void
director_table_run(struct director_run *s, const struct ipvs_op *ops, size_t n)
{
	struct director *d = s->d;
	bool is_reorder = has_reorder(ops, n);
	int *errors;

	if (n == 0)
		return;
	errors = mem_zalloc(n * sizeof(errors[0]));
	if (is_reorder)
		(void)net_expire_nodest(&d->net, false);
	(void)ipvs_nl_apply(d->ipvs, ops, n, errors);
	if (is_reorder)
		(void)net_expire_nodest(&d->net, true);
	count_results(s, ops, n, errors);
	free(errors);
}

/* How many operations lie between what we left and what is there now. */
static unsigned
count_repairs(const struct ipvs_table *left, const struct ipvs_table *found)
{
	struct ipvs_ops ops;
	size_t nup, n;

	ipvs_diff(left, found, &ops, &nup);
	n = ops.n;
	ipvs_ops_fini(&ops);
	return (unsigned)n;
}

void
director_close_ipvs(struct director *d)
{
	ipvs_nl_close(d->ipvs);
	d->ipvs = NULL;
}

/*
 * Read the services whose changes failed, and those that others have added; the rest is
 * as we left it.
 */
static int
reread_stale(struct director *d)
{
	struct ipvs_table *t = &d->have.table;
	struct ipvs_vs vs;
	size_t i;
	int r = 0;

	for (i = 0; i < d->nstale && (r == 0 || r == -ESRCH); i++) {
		r = ipvs_nl_read_one(d->ipvs, &d->stale[i], &t->arena, &vs, NULL,
		    NULL);
		if (r == 0)
			ipvs_table_put(t, &vs);
		else if (r == -ESRCH)
			ipvs_table_remove(t, &d->stale[i]);
	}
	d->nstale = 0;
	return r == -ESRCH ? 0 : r;
}

static int
read_all(struct director_run *s, struct director_error *ret_err)
{
	struct director *d = s->d;
	struct ipvs_table t = { 0 };
	int r = net_ensure_ipvs(&d->net, ret_err);

	if (r > 0 && d->is_table_complete)
		s->changes->repairs += (unsigned)r;
	if (r >= 0)
		r = ipvs_nl_read(d->ipvs, &t, ret_err);
	if (r < 0)
		return r;
	if (d->is_table_complete && d->nstale == 0)
		s->changes->repairs += count_repairs(&d->have.table, &t);
	ipvs_table_fini(&d->have.table);
	d->have.table = t;
	d->nstale = 0;
	d->is_table_known = d->is_table_complete = true;
	return 0;
}

int
director_table_examine(struct director_run *s, struct director_error *ret_err)
{
	struct director *d = s->d;
	int r;

	r = director_open_ipvs(d, ret_err);
	if (r < 0)
		return r;
	if (d->is_table_known)
		s->changes->repairs += (unsigned)d->nforeign;
	d->nforeign = 0;
	if (d->is_table_known && d->nstale > 0 && reread_stale(d) < 0)
		d->is_table_known = d->is_table_complete = false;
	if (!d->is_table_known)
		r = read_all(s, ret_err);
	if (r < 0)
		director_close_ipvs(d);
	return r;
}
