#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/asker_io.h"
#include "ctl/fetch_io.h"
#include "ctl/status_io.h"
#include "lib/mem.h"

static void
on_changed(void *arg, enum kube_kind kind)
{
	(void)arg;
	(void)kind;
}

static void
on_synced(void *arg)
{
	struct asker *a = arg;

	a->is_over = true;
}

static void
on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct asker *a = w->data;

	(void)loop;
	(void)revents;
	a->is_over = true;
}

static void
set_text(struct asker *a, int error, char *text)
{
	free(a->text);
	a->error = error;
	a->text = text;
}

void
asker_done(void *arg, int error, const char *text)
{
	struct asker *a = arg;

	a->is_over = true;
	set_text(a, error, mem_strdup(text));
}

void
asker_wait(struct asker *a, double limit_sec)
{
	a->is_over = false;
	ev_timer_set(&a->timer, limit_sec, 0.);
	ev_now_update(a->loop);
	ev_timer_start(a->loop, &a->timer);
	while (!a->is_over)
		ev_run(a->loop, EVRUN_ONCE);
	ev_timer_stop(a->loop, &a->timer);
}

int
asker_open(struct asker *a, const struct kube_source_conf *conf)
{
	struct kube_error err = { "" };

	*a = (struct asker){ .loop = ev_loop_new(EVFLAG_AUTO), .store = kube_store_new() };
	ev_timer_init(&a->timer, on_time, 0., 0.);
	a->timer.data = a;
	a->source = kube_source_open(a->loop, conf, a->store,
	    &(struct kube_source_handler){ on_changed, on_synced, a }, &err);
	if (a->source == NULL) {
		fprintf(stderr, "heraldctl: %s\n", err.text);
		return -EINVAL;
	}
	asker_wait(a, FETCH_TIMEOUT_SEC);
	if (kube_source_is_synced(a->source))
		return 0;
	fprintf(stderr, "heraldctl: not everything was listed within %d s; what stands "
	    "above says why\n", FETCH_TIMEOUT_SEC);
	return -ETIMEDOUT;
}

void
asker_fini(struct asker *a)
{
	if (a->source != NULL)
		kube_source_close(a->source);
	kube_store_free(a->store);
	ev_loop_destroy(a->loop);
	free(a->text);
}

/* Straight to the node's first address. */
static void
ask_directly(struct asker *a, const char *node, uint16_t port, const char *path)
{
	const struct kube_object *o = kube_store_get(a->store, KUBE_NODE, NULL, node);
	char why[STATUS_WHY_LEN], *url, *body;
	const struct ip *ip;

	if (o == NULL || o->node.ninternal_ips == 0) {
		set_text(a, -ENOENT, mem_strdup("the Node has no InternalIP"));
		return;
	}
	ip = &o->node.internal_ips[0];
	url = mem_printf(ip_is_v4(ip) ? "http://%s:%u%s" : "http://[%s]:%u%s", IP_STR(ip),
	    port, path);
	body = status_fetch(url, why);
	set_text(a, body != NULL ? 0 : -EIO, body != NULL ? body :
	    mem_printf("%s: %s", url, why));
	free(url);
}

int
asker_ask(struct asker *a, const char *node, uint16_t port, const char *path)
{
	set_text(a, -ETIMEDOUT, mem_strdup("no answer"));
	if (kube_source_ask(a->source, node, port, path, asker_done, a) == 0)
		asker_wait(a, 2 * KUBE_ASK_SEC);
	else
		ask_directly(a, node, port, path);
	return a->error;
}
