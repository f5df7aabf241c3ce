/*
 * heraldctl - look at Herald: manifests before they are applied, speakers
 * while they run.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/lint.h"
#include "ctl/status_io.h"

enum {
	EXIT_PROBLEMS = 1,	/* asked and answered: not all is well */
	EXIT_USAGE = 2,
	EXIT_TROUBLE = 3,	/* could not be asked */
};

static const char usage[] =
"usage: heraldctl lint [--api-group GROUP] [--lb-class CLASS] FILE|FOLDER|-...\n"
"       heraldctl status [--json] [ADDRESS:PORT...]\n"
"       heraldctl --version | --help\n"
"\n"
"  lint    judge manifests as the daemons would; no cluster is needed\n"
"  status  what a speaker believes and does (127.0.0.1:7472 by default)\n"
"\n"
"See heraldctl(8).\n";

static int
bad_usage(void)
{
	fputs("Try heraldctl --help.\n", stderr);
	return EXIT_USAGE;
}

static int
cmd_lint(int argc, char **argv)
{
	static const struct option options[] = {
		{ "api-group", required_argument, NULL, 'g' },
		{ "lb-class", required_argument, NULL, 'c' },
		{ 0 },
	};
	struct lint_conf conf = { 0 };
	int opt, n;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'g')
			conf.api_group = optarg;
		else if (opt == 'c')
			conf.lb_class = optarg;
		else
			return bad_usage();
	}
	if (optind == argc) {
		fputs("heraldctl lint: which files?\n", stderr);
		return bad_usage();
	}
	n = lint_run(&conf, argv + optind, argc - optind, stdout);
	return n < 0 ? EXIT_TROUBLE : n > 0 ? EXIT_PROBLEMS : EXIT_SUCCESS;
}

static int
cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	char here[] = "127.0.0.1:7472", *default_speakers[] = { here };
	int opt, is_json = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'j')
			return bad_usage();
		is_json = 1;
	}
	if (optind == argc)
		return status_run(default_speakers, 1, is_json, stdout) == 0 ?
		    EXIT_SUCCESS : EXIT_TROUBLE;
	return status_run(argv + optind, argc - optind, is_json, stdout) == 0 ?
	    EXIT_SUCCESS : EXIT_TROUBLE;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "lint", cmd_lint },
		{ "status", cmd_status },
	};

	if (argc < 2)
		return bad_usage();
	if (strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("heraldctl " HERALD_VERSION);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "heraldctl: there is no command \"%s\"\n", argv[1]);
	return bad_usage();
}
