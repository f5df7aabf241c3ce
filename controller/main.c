/*
 * herald-controller - gives Services of type LoadBalancer their addresses.
 */
#include <ev.h>
#include <signal.h>
#include <stdlib.h>

#include "controller/conf.h"
#include "lib/metrics.h"

static void
on_stopped(void *arg)
{
	ev_break(arg, EVBREAK_ALL);
}

/* The first asks for a clean stop, a second one ends the wait for it. */
static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	static bool is_stopping;

	(void)revents;
	/* Nothing to undo: what is written stands, the rest is found again. */
	if (is_stopping)
		ev_break(loop, EVBREAK_ALL);
	is_stopping = true;
	controller_stop(w->data, on_stopped, loop);
}

static void
run(struct ev_loop *loop, struct controller *c)
{
	ev_signal term, intr;

	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&intr, on_signal, SIGINT);
	term.data = intr.data = c;
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &intr);
	ev_run(loop, 0);
	ev_signal_stop(loop, &term);
	ev_signal_stop(loop, &intr);
}

int
main(int argc, char **argv)
{
	struct conf conf;
	struct controller *c;
	struct ev_loop *loop;
	struct kube_error err = { "" };
	enum conf_result r = conf_parse(argc, argv, &conf);
	int status = EXIT_FAILURE;

	if (r != CONF_RUN) {
		conf_fini(&conf);
		return r == CONF_DONE ? EXIT_SUCCESS : 2;
	}
	log_init(conf.log_level, conf.is_log_json);
	(void)signal(SIGPIPE, SIG_IGN);
	loop = ev_default_loop(EVFLAG_AUTO);
	log_info(LOG_NONE, "herald-controller " HERALD_VERSION);
	c = controller_new(loop, &conf.controller, &err);
	if (c == NULL)
		log_error(LOG_NONE, "cannot start: %s", err.text);
	else {
		run(loop, c);
		controller_free(c);
		log_info(LOG_NONE, "ended");
		status = EXIT_SUCCESS;
	}
	ev_loop_destroy(loop);
	metrics_fini();
	conf_fini(&conf);
	return status;
}
