#include <errno.h>
#include <ev.h>

#include "ctl/fetch_io.h"

static void
on_changed(void *arg, enum kube_kind kind)
{
	(void)arg;
	(void)kind;	/* what counts is the whole, once it is there */
}

static void
on_synced(void *arg)
{
	ev_break(arg, EVBREAK_ALL);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int
fetch_store(const struct kube_source_conf *conf, struct kube_store *store,
    struct kube_error *ret_err)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct kube_source *src = kube_source_open(loop, conf, store,
	    &(struct kube_source_handler){ on_changed, on_synced, loop }, ret_err);
	ev_timer timer;
	int rc = -EINVAL;

	if (src != NULL) {
		ev_timer_init(&timer, on_timeout, FETCH_TIMEOUT_SEC, 0.);
		ev_timer_start(loop, &timer);
		ev_run(loop, 0);
		ev_timer_stop(loop, &timer);
		rc = kube_source_is_synced(src) ? 0 : -ETIMEDOUT;
		if (rc < 0)
			kube_error_set(ret_err, "not everything was listed within %d s; "
			    "what stands above says why", FETCH_TIMEOUT_SEC);
		kube_source_close(src);
	}
	ev_loop_destroy(loop);
	return rc;
}
