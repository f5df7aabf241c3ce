/*
 * heraldctl - look at Herald: manifests before they are applied, speakers
 * while they run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/bgp_decode.h"
#include "ctl/drain_io.h"
#include "ctl/explain_io.h"
#include "ctl/lint.h"
#include "ctl/pools_io.h"
#include "ctl/status_decode.h"
#include "ctl/status_io.h"

enum {
	EXIT_PROBLEMS = 1,	/* asked and answered: not all is well */
	EXIT_USAGE = 2,
	EXIT_TROUBLE = 3,	/* could not be asked */
};

static const char usage[] =
"usage: heraldctl lint [--api-group GROUP] [--lb-class CLASS] FILE|FOLDER|-...\n"
"       heraldctl plan [option...] -f FILE|FOLDER|- ...\n"
"       heraldctl import metallb [--source SPEC] [--namespace NS] [FILE|FOLDER|-...]\n"
"       heraldctl status [--json] [ADDRESS:PORT...]\n"
"       heraldctl explain [option...] svc/[NAMESPACE/]NAME\n"
"       heraldctl drain|undrain [option...] NODE\n"
"       heraldctl bgp peers|routes|messages [--json] [ADDRESS:PORT...]\n"
"       heraldctl --version | --help\n"
"\n"
"  lint    judge manifests as the daemons would; no cluster is needed\n"
"  plan    what a change of pools would do to Services; nothing is changed\n"
"  import  print MetalLB's objects as Herald's\n"
"  status  what a speaker believes and does (127.0.0.1:7473 by default)\n"
"  explain name the step where traffic to a Service stops, and what to do\n"
"  drain   have a node hand over its VIPs and BGP routes, and see it through\n"
"  undrain have it take its part again\n"
"  bgp     a speaker's BGP sessions, what it announces in them, messages by type\n"
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

/* The options of plan and import; false where it is none of theirs. */
static bool
pools_option(struct pools_conf *conf, int opt)
{
	switch (opt) {
	case 's':
		conf->source = optarg;
		return true;
	case 'x':
		conf->context = optarg;
		return true;
	case 'n':
		conf->ns = optarg;
		return true;
	case 'g':
		conf->api_group = optarg;
		return true;
	case 'c':
		conf->lb_class = optarg;
		return true;
	case 'a':
		conf->is_all = true;
		return true;
	case 'b':
		conf->is_brief = true;
		return true;
	case 'j':
		conf->is_json = true;
		return true;
	default:
		return false;
	}
}

static int
cmd_plan(int argc, char **argv)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "source", required_argument, NULL, 's' },
		{ "context", required_argument, NULL, 'x' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "api-group", required_argument, NULL, 'g' },
		{ "lb-class", required_argument, NULL, 'c' },
		{ "all", no_argument, NULL, 'a' },
		{ "brief", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct pools_conf conf = { 0 };
	/* Every option that is a file has an argument in argv. */
	char **files = calloc((size_t)argc, sizeof(*files));
	int opt, nfiles = 0, n = 0;

	if (files == NULL)
		abort();
	while ((opt = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
		if (opt == 'f')
			files[nfiles++] = optarg;
		else if (!pools_option(&conf, opt))
			break;
	}
	while (opt == -1 && optind < argc)
		files[nfiles++] = argv[optind++];
	if (opt == -1 && nfiles > 0)
		n = pools_plan(&conf, files, nfiles, stdout);
	else if (opt == -1)
		fputs("heraldctl plan: which files? Name them with -f\n", stderr);
	free(files);
	if (opt != -1 || nfiles == 0)
		return bad_usage();
	return n < 0 ? EXIT_TROUBLE : n > 0 ? EXIT_PROBLEMS : EXIT_SUCCESS;
}

static int
cmd_import(int argc, char **argv)
{
	static const struct option options[] = {
		{ "source", required_argument, NULL, 's' },
		{ "context", required_argument, NULL, 'x' },
		{ "namespace", required_argument, NULL, 'n' },
		{ 0 },
	};
	struct pools_conf conf = { 0 };
	int opt, n;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!pools_option(&conf, opt))
			return bad_usage();
	}
	if (optind == argc || strcmp(argv[optind], "metallb") != 0) {
		fputs("heraldctl import: from what? Only metallb is known\n", stderr);
		return bad_usage();
	}
	optind++;
	if (optind < argc && conf.source != NULL) {
		fputs("heraldctl import: give either --source or files\n", stderr);
		return bad_usage();
	}
	n = pools_import(&conf, argv + optind, argc - optind, stdout);
	return n < 0 ? EXIT_TROUBLE : n > 0 ? EXIT_PROBLEMS : EXIT_SUCCESS;
}

static int
show_view(const struct status_view *v, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	char here[] = "127.0.0.1:7473", *default_speakers[] = { here };
	int opt, is_json = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'j')
			return bad_usage();
		is_json = 1;
	}
	if (optind == argc)
		return status_run(v, default_speakers, 1, is_json, stdout) == 0 ?
		    EXIT_SUCCESS : EXIT_TROUBLE;
	return status_run(v, argv + optind, argc - optind, is_json, stdout) == 0 ?
	    EXIT_SUCCESS : EXIT_TROUBLE;
}

static int
cmd_status(int argc, char **argv)
{
	return show_view(&(struct status_view){ "status", "/status", status_decode },
	    argc, argv);
}

static int
cmd_bgp(int argc, char **argv)
{
	static const struct {
		const char *name;
		struct status_view view;
	} views[] = {
		{ "peers", { "bgp peers", "/bgp", bgp_decode_peers } },
		{ "routes", { "bgp routes", "/bgp/routes", bgp_decode_routes } },
		{ "messages", { "bgp messages", "/bgp", bgp_decode_messages } },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(views) / sizeof(views[0]); i++) {
		if (strcmp(argv[1], views[i].name) == 0)
			return show_view(&views[i].view, argc - 1, argv + 1);
	}
	fputs("heraldctl bgp: show what? peers, routes or messages\n", stderr);
	return bad_usage();
}

/* A TCP port, or 0 with that said. */
static uint16_t
parse_port(const char *command, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end == '\0' && v > 0 && v < 65536)
		return (uint16_t)v;
	fprintf(stderr, "heraldctl %s: \"%s\" must be a TCP port, 1 to 65535\n", command,
	    text);
	return 0;
}

static int
cmd_explain(int argc, char **argv)
{
	static const struct option options[] = {
		{ "source", required_argument, NULL, 's' },
		{ "context", required_argument, NULL, 'x' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "api-group", required_argument, NULL, 'g' },
		{ "lb-class", required_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ 0 },
	};
	struct explain_conf conf = { .port = 7473 };
	int opt, n;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			conf.source = optarg;
		else if (opt == 'x')
			conf.context = optarg;
		else if (opt == 'n')
			conf.ns = optarg;
		else if (opt == 'g')
			conf.api_group = optarg;
		else if (opt == 'c')
			conf.lb_class = optarg;
		else if (opt != 'p' || (conf.port = parse_port(argv[0], optarg)) == 0)
			return bad_usage();
	}
	if (optind != argc - 1) {
		fputs("heraldctl explain: what? Name one Service, svc/NAMESPACE/NAME\n",
		    stderr);
		return bad_usage();
	}
	n = explain_service_run(&conf, argv[optind], stdout);
	return n == -EINVAL ? EXIT_USAGE : n < 0 ? EXIT_TROUBLE :
	    n > 0 ? EXIT_PROBLEMS : EXIT_SUCCESS;
}

static int
cmd_drain(int argc, char **argv)
{
	static const struct option options[] = {
		{ "source", required_argument, NULL, 's' },
		{ "context", required_argument, NULL, 'x' },
		{ "port", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	struct drain_conf conf = { .port = 7473, .timeout_sec = 60 };
	const char *name = argv[0];
	int opt, n;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *end = NULL;
		unsigned long v = opt == 't' ? strtoul(optarg, &end, 10) : 0;

		if (opt == 's') {
			conf.source = optarg;
		} else if (opt == 'x') {
			conf.context = optarg;
		} else if (opt == 'p' && (conf.port = parse_port(name, optarg)) != 0) {
			continue;
		} else if (opt == 't' && *end == '\0' && v <= 86400) {
			conf.timeout_sec = (unsigned)v;
		} else {
			if (opt == 't')
				fprintf(stderr, "heraldctl %s: \"%s\" must be 0 to 86400 "
				    "seconds\n", name, optarg);
			return bad_usage();
		}
	}
	if (optind != argc - 1) {
		fprintf(stderr, "heraldctl %s: which node? Name one\n", name);
		return bad_usage();
	}
	n = drain_run(&conf, argv[optind], strcmp(name, "drain") == 0, stdout);
	return n < 0 ? EXIT_TROUBLE : n > 0 ? EXIT_PROBLEMS : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "lint", cmd_lint },
		{ "plan", cmd_plan },
		{ "import", cmd_import },
		{ "status", cmd_status },
		{ "explain", cmd_explain },
		{ "drain", cmd_drain },
		{ "undrain", cmd_drain },
		{ "bgp", cmd_bgp },
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
