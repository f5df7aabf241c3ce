/*
 * conf.h - the command line of herald-controller.
 */
#ifndef HERALD_CONTROLLER_CONF_H
#define HERALD_CONTROLLER_CONF_H

#include "controller/controller_io.h"
#include "lib/log.h"

enum conf_result {
	CONF_RUN,	/* go on */
	CONF_DONE,	/* --help or --version was answered */
	CONF_BAD,	/* said on stderr */
};

struct conf {
	struct controller_conf controller;
	enum log_level log_level;
	bool	is_log_json;
	char	*spec;			/* heap: what --kubeconfig stands for */
	char	*ns;			/* heap: this pod's namespace */
};

/* Strings point into argv or belong to *ret: conf_fini() in every case. */
enum conf_result conf_parse(int argc, char **argv, struct conf *ret);
void conf_fini(struct conf *c);

#endif
