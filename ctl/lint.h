/*
 * lint.h - heraldctl lint: judge manifests as the daemons would, with no
 * cluster and no daemon: each document, the pools among one another, and what
 * the Services among them would be given.
 */
#ifndef HERALD_CTL_LINT_H
#define HERALD_CTL_LINT_H

#include <stdio.h>

struct lint_conf {
	const char *api_group;		/* NULL for the default */
	const char *lb_class;		/* as the controller's --lb-class; NULL */
};

/*
 * Read the files and folders (*.yaml, *.yml, *.json, not deeper), "-" for
 * standard input, and write one line a problem to out:
 * "FILE:LINE: KIND NAME: what is wrong; what to do". Returns the number of
 * problems, or -errno where a path cannot be read (said on stderr).
 */
int lint_run(const struct lint_conf *conf, char *const *paths, int n, FILE *out);

#endif
