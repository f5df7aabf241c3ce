/*
 * herald-speaker - one on every node: announces VIPs and forwards their traffic.
 */
#include <ev.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#include "ipvs/director.h"
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

/* For a node that Herald leaves for good: nothing but this takes the director away. */
static int
clean_up(const struct speaker_conf *conf)
{
	struct director_error err;

	if (director_destroy(&conf->director, &err) != 0) {
		log_error(LOG_OBJ("node", conf->node_name), "not cleaned up: %s", err.text);
		return EXIT_FAILURE;
	}
	log_info(LOG_OBJ("node", conf->node_name),
	    "nothing of Herald is left on this node but its programs");
	return EXIT_SUCCESS;
}

static int
serve(const struct speaker_conf *conf)
{
	int status = EXIT_FAILURE;
	struct ev_loop *loop;
	struct speaker *s;
	char err[512] = "";

	/* A heap for each thread costs more than threads that seldom allocate gain. */
	(void)mallopt(M_ARENA_MAX, 1);
	/* A plan's large blocks go back to the kernel when it is freed. By itself the
	   threshold grows to their size, and the heap comes to hold two plans. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	signal(SIGPIPE, SIG_IGN);
	loop = ev_default_loop(EVFLAG_AUTO);
	log_info(LOG_OBJ("node", conf->node_name), "herald-speaker " HERALD_VERSION);
	s = speaker_new(loop, conf, err);
	if (s == NULL) {
		log_error(LOG_OBJ("node", conf->node_name), "cannot start: %s", err);
	} else {
		run(loop, s);
		speaker_free(s);
		status = EXIT_SUCCESS;
	}
	ev_loop_destroy(loop);
	metrics_fini();
	return status;
}

int
main(int argc, char **argv)
{
	struct speaker_conf conf;
	int status = EXIT_FAILURE;

	switch (conf_parse(argc, argv, &conf)) {
	case CONF_DONE:
		status = EXIT_SUCCESS;
		break;
	case CONF_BAD:
		status = 2;
		break;
	case CONF_RUN:
		log_init(conf.log_level, conf.is_log_json);
		status = conf.is_cleanup ? clean_up(&conf) : serve(&conf);
		break;
	}
	conf_fini(&conf);
	return status;
}
