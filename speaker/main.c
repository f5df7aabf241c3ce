/*
 * herald-speaker - one on every node: announces VIPs and forwards their traffic.
 */
#include <ev.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "speaker/conf.h"
#include "speaker/speaker_io.h"

static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	speaker_leave(w->data);
}

static void
run(struct ev_loop *loop, struct speaker *s)
{
	ev_signal term, intr;

	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&intr, on_signal, SIGINT);
	term.data = intr.data = s;
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &intr);
	ev_run(loop, 0);
	ev_signal_stop(loop, &term);
	ev_signal_stop(loop, &intr);
}

int
main(int argc, char **argv)
{
	struct speaker_conf conf;
	struct ev_loop *loop;
	struct speaker *s;
	char err[512] = "";
	int status = EXIT_FAILURE;

	switch (conf_parse(argc, argv, &conf)) {
	case CONF_DONE:
		conf_fini(&conf);
		return EXIT_SUCCESS;
	case CONF_BAD:
		conf_fini(&conf);
		return 2;
	case CONF_RUN:
		break;
	}
	log_init(conf.log_level, conf.is_log_json);
	/* A heap for each thread costs more than threads that seldom allocate gain. */
	(void)mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
	loop = ev_default_loop(EVFLAG_AUTO);
	log_info(LOG_OBJ("node", conf.node_name), "herald-speaker " HERALD_VERSION);
	s = speaker_new(loop, &conf, err);
	if (s == NULL) {
		log_error(LOG_OBJ("node", conf.node_name), "cannot start: %s", err);
	} else {
		run(loop, s);
		speaker_free(s);
		status = EXIT_SUCCESS;
	}
	ev_loop_destroy(loop);
	metrics_fini();
	conf_fini(&conf);
	return status;
}
