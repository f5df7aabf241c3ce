#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/asker_io.h"
#include "ctl/drain_decode.h"
#include "ctl/drain_io.h"
#include "ctl/fetch_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { POLL_MSEC = 200 };

struct drain {
	const struct drain_conf *conf;
	const char *node;		/* its name */
	bool	is_drain;		/* else undrain */
	FILE	*out;
	struct asker asker;
};

static int
open_source(struct drain *d)
{
	const struct kube_source_conf conf = { .spec = d->conf->source,
	    .kinds = 1u << KUBE_NODE, .component = "heraldctl",
	    .kube_context = d->conf->context };
	int rc = asker_open(&d->asker, &conf);

	if (rc == 0 && kube_store_get(d->asker.store, KUBE_NODE, NULL, d->node) == NULL) {
		fprintf(stderr, "heraldctl: there is no Node \"%s\"; see kubectl get "
		    "nodes\n", d->node);
		rc = -ENOENT;
	}
	return rc;
}

/* 0, or -errno with the reason in d->asker.text. */
static int
ask(struct drain *d, struct drain_view *ret)
{
	struct asker *a = &d->asker;

	if (asker_ask(a, d->node, d->conf->port, "/status") == 0 &&
	    drain_view_decode(a->text, ret) != 0)
		asker_done(a, -EIO, "what answers is no herald-speaker; name the port "
		    "of its --http with --port");
	return a->error;
}

static int
order(struct drain *d)
{
	struct asker *a = &d->asker;
	char *body = mem_printf("{\"metadata\":{\"annotations\":{\"%s\":%s}}}",
	    KUBE_DRAIN_KEY, d->is_drain ? "\"true\"" : "null");

	asker_done(a, -ETIMEDOUT, "no answer");
	kube_source_patch(a->source, KUBE_NODE, NULL, d->node, NULL, body, asker_done, a);
	free(body);
	asker_wait(a, FETCH_TIMEOUT_SEC);
	if (a->error != 0)
		fprintf(stderr, "heraldctl: Node %s cannot be marked: %s\n", d->node,
		    a->text);
	return a->error;
}

static void
print_drain(const struct drain *d, const struct drain_view *before,
    const struct drain_view *v)
{
	unsigned left = v->nowned + v->nyielding;

	fprintf(d->out, "%s: %u VIPs moved, %u left", d->node,
	    before->nowned > left ? before->nowned - left : 0, left);
	if (before->nroutes > 0)
		fprintf(d->out, "; %u BGP routes withdrawn, %u left",
		    before->nroutes > v->nroutes ? before->nroutes - v->nroutes : 0,
		    v->nroutes);
	fprintf(d->out, "\n");
	fflush(d->out);
}

/* What keeps a node drained that we have just freed. */
static const char *
why_drained(const struct drain *d)
{
	const struct kube_object *o = kube_store_get(d->asker.store, KUBE_NODE, NULL, d->node);

	if (o == NULL)
		return "its Node is gone";
	if (kube_map_get(&o->meta.labels, KUBE_DRAIN_KEY) != NULL)
		return "its Node has the label " KUBE_DRAIN_KEY ", too; remove that";
	if (kube_map_get(&o->meta.annotations, KUBE_DRAIN_KEY) != NULL)
		return "its Node still has the annotation " KUBE_DRAIN_KEY "; remove "
		    "that where the Node is defined";
	if (o->node.is_unschedulable)
		return "it is cordoned, and its speaker runs with --yield-on-cordon; "
		    "kubectl uncordon it";
	return "its speaker has not seen the news yet; is it in step with the API?";
}

/* Is anything of what it had still on its way? */
static bool
is_on_its_way(const struct drain_view *v)
{
	return v->nyielding > 0 || (v->is_retiring && v->nroutes > 0);
}

/* The last word, once the node is through or time is up. */
static int
conclude(const struct drain *d, const struct drain_view *v)
{
	if (!d->is_drain && !v->is_drained) {
		fprintf(d->out, "%s: in service, %u VIPs\n", d->node, v->nowned);
		return 0;
	}
	if (!d->is_drain) {
		fprintf(stderr, "heraldctl: %s is still drained: %s\n", d->node,
		    why_drained(d));
		return 1;
	}
	if (!v->is_drained || is_on_its_way(v)) {
		fprintf(stderr, "heraldctl: %s is not through after %u s: %s\n", d->node,
		    d->conf->timeout_sec, v->is_drained ?
		    "VIPs that the next owners have not claimed yet, or BGP routes, "
		    "are left" :
		    "its speaker has not seen the order; is it in step with the API?");
		return 1;
	}
	if (v->nowned > 0)
		fprintf(stderr, "heraldctl: %s keeps %s: no other node can have %s\n",
		    d->node, v->owned, v->nowned == 1 ? "it" : "them");
	if (v->nroutes > 0)
		fprintf(stderr, "heraldctl: %s keeps %u BGP routes that no other node "
		    "can announce\n", d->node, v->nroutes);
	return v->nowned + v->nroutes > 0 ? 1 : 0;
}

/* Follow the node until it is where we want it. */
static int
follow(struct drain *d, const struct drain_view *before)
{
	struct mono end = mono_add_sec(clock_mono(), d->conf->timeout_sec);
	struct drain_view now = *before, said = *before;
	bool is_known = false;

	do {
		if (ask(d, &now) == 0) {
			is_known = true;
			if (d->is_drain && now.is_drained && (!said.is_drained ||
			    now.nowned != said.nowned || now.nroutes != said.nroutes ||
			    now.nyielding != said.nyielding)) {
				print_drain(d, before, &now);
				said = now;
			}
			if (now.is_drained == d->is_drain && !is_on_its_way(&now))
				break;
		}
		asker_wait(&d->asker, POLL_MSEC / 1e3);
	} while (mono_before(clock_mono(), end));
	if (is_known)
		return conclude(d, &now);
	fprintf(stderr, "heraldctl: %s is marked, but how far it is cannot be seen: "
	    "%s\n", d->node, d->asker.text);
	return -EIO;
}

static int
run(struct drain *d)
{
	struct drain_view before = { .is_drained = false };
	int rc = open_source(d);

	if (rc != 0)
		return rc;
	if (ask(d, &before) != 0)
		fprintf(stderr, "heraldctl: the speaker of %s cannot be asked: %s\n",
		    d->node, d->asker.text);
	else if (d->is_drain)
		fprintf(d->out, "%s: %u VIPs to hand over\n", d->node, before.nowned);
	fflush(d->out);
	rc = order(d);
	return rc != 0 || d->conf->timeout_sec == 0 ? rc : follow(d, &before);
}

int
drain_run(const struct drain_conf *conf, const char *node, bool is_drain, FILE *out)
{
	struct drain d = { .conf = conf, .node = node, .is_drain = is_drain, .out = out };
	int rc = run(&d);

	asker_fini(&d.asker);
	return rc;
}
