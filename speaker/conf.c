#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "speaker/conf.h"

enum {
	OPT_NODE_NAME = 256, OPT_SOURCE, OPT_KUBECONFIG, OPT_NAMESPACE, OPT_API_GROUP,
	OPT_HTTP, OPT_LOG_LEVEL, OPT_LOG_JSON, OPT_DIRECTOR_NAME, OPT_DIRECTOR_LINK,
	OPT_FWMARK, OPT_TABLE, OPT_RULE_PREF, OPT_LIVENESS_PORT, OPT_LIVENESS,
	OPT_LIVENESS_KEY_FILE, OPT_BGP_PORT, OPT_BGP_DRAIN_TIME, OPT_MRT_DUMP, OPT_MRT_DUMP_SIZE,
	OPT_EXCLUDE_INTERFACE,
	OPT_FAILBACK_DELAY, OPT_YIELD_ON_CORDON, OPT_STATUS_RESOURCES, OPT_VERSION, OPT_HELP,
};

static const struct option options[] = {
	{ "node-name", required_argument, NULL, OPT_NODE_NAME },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "namespace", required_argument, NULL, OPT_NAMESPACE },
	{ "api-group", required_argument, NULL, OPT_API_GROUP },
	{ "http", required_argument, NULL, OPT_HTTP },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-json", no_argument, NULL, OPT_LOG_JSON },
	{ "director-name", required_argument, NULL, OPT_DIRECTOR_NAME },
	{ "director-link", required_argument, NULL, OPT_DIRECTOR_LINK },
	{ "fwmark", required_argument, NULL, OPT_FWMARK },
	{ "table", required_argument, NULL, OPT_TABLE },
	{ "rule-pref", required_argument, NULL, OPT_RULE_PREF },
	{ "liveness-port", required_argument, NULL, OPT_LIVENESS_PORT },
	{ "liveness", required_argument, NULL, OPT_LIVENESS },
	{ "liveness-key-file", required_argument, NULL, OPT_LIVENESS_KEY_FILE },
	{ "bgp-port", required_argument, NULL, OPT_BGP_PORT },
	{ "bgp-drain-time", required_argument, NULL, OPT_BGP_DRAIN_TIME },
	{ "mrt-dump", required_argument, NULL, OPT_MRT_DUMP },
	{ "mrt-dump-size", required_argument, NULL, OPT_MRT_DUMP_SIZE },
	{ "exclude-interface", required_argument, NULL, OPT_EXCLUDE_INTERFACE },
	{ "failback-delay", required_argument, NULL, OPT_FAILBACK_DELAY },
	{ "yield-on-cordon", no_argument, NULL, OPT_YIELD_ON_CORDON },
	{ "status-resources", required_argument, NULL, OPT_STATUS_RESOURCES },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/* What each option's argument must be, for who got it wrong. */
static const char *const hints[] = {
	[OPT_NODE_NAME - 256] = "the name of this node's Node object",
	[OPT_NAMESPACE - 256] = "a namespace's name",
	[OPT_API_GROUP - 256] = "an API group such as heraldlb.io",
	[OPT_LOG_LEVEL - 256] = "debug, info, warn or error",
	[OPT_DIRECTOR_NAME - 256] = "a name under /run/netns, without a slash",
	[OPT_DIRECTOR_LINK - 256] = "an interface name of 1 to 15 characters",
	[OPT_FWMARK - 256] = "exactly one bit, such as 0x10",
	[OPT_TABLE - 256] = "a routing table number other than 0 and 253 to 255",
	[OPT_RULE_PREF - 256] = "1 to 32765, before the main table's rule",
	[OPT_LIVENESS_PORT - 256] = "a UDP port, 1 to 65535",
	[OPT_LIVENESS - 256] = "MULTxMSms, 2 to 50 times 3 to 10000 ms: 3x100ms",
	[OPT_LIVENESS_KEY_FILE - 256] = "a readable file with a key of 1 to 20 bytes",
	[OPT_BGP_PORT - 256] = "a TCP port, 1 to 65535, or 0 for none",
	[OPT_BGP_DRAIN_TIME - 256] = "0 to 3600 seconds",
	[OPT_MRT_DUMP - 256] = "the path of a file",
	[OPT_MRT_DUMP_SIZE - 256] = "1 to 100000 MB",
	[OPT_FAILBACK_DELAY - 256] = "0 to 86400 seconds",
	[OPT_STATUS_RESOURCES - 256] = "yes or no",
	[OPT_EXCLUDE_INTERFACE - 256] = "given at most 32 times",
};

static const char usage[] =
"usage: herald-speaker [OPTION...]\n"
"Announces the VIPs this node should attract and forwards their traffic.\n"
"\n"
"  --node-name NAME         this node in the API ($NODE_NAME, or the host's name)\n"
"  --source SPEC            in-cluster, kubeconfig:[FILE] or dir:PATH\n"
"  --kubeconfig FILE        the same as --source kubeconfig:FILE\n"
"  --namespace NS           where pools and advertisements are (herald-system)\n"
"  --api-group GROUP        their API group (heraldlb.io)\n"
"  --http ADDRESS:PORT      serve /metrics, /healthz, /readyz and /status\n"
"  --log-level LEVEL        debug, info, warn or error (info)\n"
"  --log-json               log JSON objects, one a line\n"
"  --director-name NAME     network namespace of the data plane (herald)\n"
"  --director-link IFNAME   the host's link into it (herald0)\n"
"  --fwmark BIT             the one packet mark bit Herald uses (0x10)\n"
"  --table N                the routing table it uses (7777)\n"
"  --rule-pref N            the priority of its ip rule (77)\n"
"  --liveness-port PORT     UDP port of BFD between speakers (7847)\n"
"  --liveness MULTxMSms     lost packets and interval until a speaker counts as\n"
"                           dead (3x100ms)\n"
"  --liveness-key-file FILE authenticate BFD with the key in FILE (1-20 bytes)\n"
"  --bgp-port PORT          take BGP calls there; 0, the default: only dial\n"
"  --bgp-drain-time SEC     mark routes for so long before withdrawing them (3)\n"
"  --mrt-dump FILE          dump BGP messages there (MRT, RFC 6396)\n"
"  --mrt-dump-size MB       then rename it to FILE.1 and begin anew (64)\n"
"  --exclude-interface GLOB never announce there; may be given again\n"
"  --failback-delay SEC     after a start, take no VIP that another node can have\n"
"                           for so long (0)\n"
"  --yield-on-cordon        hand VIPs over while the Node is unschedulable\n"
"  --status-resources yes|no\n"
"                           write ServiceL2Status, ServiceBGPStatus and\n"
"                           BGPSessionState objects (yes)\n"
"  --version, --help\n"
"\n"
"See herald-speaker(8).\n";

/* A whole number in [min, max], decimal or 0x; 0 or -EINVAL. */
static int
parse_number(const char *s, unsigned long min, unsigned long max, unsigned long *ret)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(s, &end, 0);
	if (errno != 0 || end == s || *end != '\0' || *s == '-' || v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

int
conf_parse_liveness(const char *s, uint8_t *ret_mult, uint32_t *ret_interval_us)
{
	unsigned mult, msec;
	int end = 0;

	if (sscanf(s, "%2ux%5ums%n", &mult, &msec, &end) != 2 || end == 0 ||
	    s[end] != '\0' || mult < 2 || mult > 50 || msec < 3 || msec > 10000)
		return -EINVAL;
	*ret_mult = (uint8_t)mult;
	*ret_interval_us = msec * 1000;
	return 0;
}

/* The file's bytes less a final newline; 0, or -errno with the reason said. */
static int
read_key(const char *path, struct speaker_conf *conf)
{
	uint8_t buf[CONF_KEY_MAX + 2];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf));
		close(fd);
	}
	if (n < 0) {
		fprintf(stderr, "--liveness-key-file %s: %s\n", path, strerror(errno));
		return -EIO;
	}
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	if (n < 1 || n > CONF_KEY_MAX) {
		fprintf(stderr, "--liveness-key-file %s: a key has 1 to %d bytes "
		    "(RFC 5880, section 4.4)\n", path, CONF_KEY_MAX);
		return -EINVAL;
	}
	memcpy(conf->key, buf, (size_t)n);
	conf->key_len = (size_t)n;
	return 0;
}

static int
set_number(int opt, const char *arg, struct speaker_conf *conf)
{
	unsigned long v;

	switch (opt) {
	case OPT_FWMARK:
		/* One bit, so that other software's marks beside it stay. */
		if (parse_number(arg, 1, UINT32_MAX, &v) != 0 || (v & (v - 1)) != 0)
			return -EINVAL;
		conf->director.fwmark = (uint32_t)v;
		return 0;
	case OPT_TABLE:
		/* 253 to 255 are the kernel's default, main and local. */
		if (parse_number(arg, 1, UINT32_MAX, &v) != 0 || (v >= 253 && v <= 255))
			return -EINVAL;
		conf->director.table = (uint32_t)v;
		return 0;
	case OPT_RULE_PREF:
		/* Before the main table's, 32766, and after local's, 0. */
		if (parse_number(arg, 1, 32765, &v) != 0)
			return -EINVAL;
		conf->director.rule_pref = (uint32_t)v;
		return 0;
	case OPT_LIVENESS_PORT:
		if (parse_number(arg, 1, 65535, &v) != 0)
			return -EINVAL;
		conf->liveness_port = (uint16_t)v;
		return 0;
	case OPT_FAILBACK_DELAY:
		if (parse_number(arg, 0, 86400, &v) != 0)
			return -EINVAL;
		conf->failback_delay_sec = (uint32_t)v;
		return 0;
	case OPT_BGP_PORT:
		if (parse_number(arg, 0, 65535, &v) != 0)
			return -EINVAL;
		conf->bgp_port = (uint16_t)v;
		return 0;
	case OPT_BGP_DRAIN_TIME:
		if (parse_number(arg, 0, 3600, &v) != 0)
			return -EINVAL;
		conf->bgp_drain_ms = (uint32_t)v * 1000;
		return 0;
	case OPT_MRT_DUMP_SIZE:
		if (parse_number(arg, 1, 100000, &v) != 0)
			return -EINVAL;
		conf->mrt_max_bytes = (uint64_t)v * 1000000;
		return 0;
	default:
		return -EINVAL;
	}
}

/* 0, or -EINVAL where the argument does not fit the option. */
static int
set(int opt, char *arg, struct speaker_conf *conf)
{
	switch (opt) {
	case OPT_NODE_NAME:
		conf->node_name = arg;
		return *arg != '\0' ? 0 : -EINVAL;
	case OPT_SOURCE:
		conf->source = arg;
		return 0;
	case OPT_KUBECONFIG:
		free(conf->owned[0]);
		conf->source = conf->owned[0] = mem_printf("kubeconfig:%s", arg);
		return 0;
	case OPT_NAMESPACE:
		conf->ns = arg;
		return *arg != '\0' ? 0 : -EINVAL;
	case OPT_API_GROUP:
		conf->api_group = arg;
		return *arg != '\0' ? 0 : -EINVAL;
	case OPT_HTTP:
		conf->http = arg;
		return 0;
	case OPT_LOG_LEVEL:
		return log_level_parse(arg, &conf->log_level);
	case OPT_LOG_JSON:
		conf->is_log_json = true;
		return 0;
	case OPT_DIRECTOR_NAME:
		conf->director.name = arg;
		return *arg != '\0' && strchr(arg, '/') == NULL ? 0 : -EINVAL;
	case OPT_DIRECTOR_LINK:
		conf->director.host_if = arg;
		return *arg != '\0' && strlen(arg) < 16 ? 0 : -EINVAL;
	case OPT_MRT_DUMP:
		conf->mrt_path = arg;
		return *arg != '\0' ? 0 : -EINVAL;
	case OPT_YIELD_ON_CORDON:
		conf->yields_on_cordon = true;
		return 0;
	case OPT_STATUS_RESOURCES:
		conf->has_reports = strcmp(arg, "yes") == 0;
		return conf->has_reports || strcmp(arg, "no") == 0 ? 0 : -EINVAL;
	case OPT_LIVENESS:
		return conf_parse_liveness(arg, &conf->detect_mult, &conf->interval_us);
	case OPT_LIVENESS_KEY_FILE:
		return read_key(arg, conf);
	case OPT_EXCLUDE_INTERFACE:
		if (conf->nexcludes == CONF_MAX_EXCLUDES)
			return -EINVAL;
		conf->excludes[conf->nexcludes++] = arg;
		return 0;
	default:
		return set_number(opt, arg, conf);
	}
}

/* What the environment says where the command line does not. */
static int
set_defaults(struct speaker_conf *conf)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (conf->node_name == NULL)
		conf->node_name = getenv("NODE_NAME");
	if (conf->node_name == NULL || *conf->node_name == '\0') {
		if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') {
			fprintf(stderr, "herald-speaker: which node is this? "
			    "set --node-name or $NODE_NAME\n");
			return -EINVAL;
		}
		conf->node_name = conf->owned[1] = mem_strdup(host);
	}
	return 0;
}

enum conf_result
conf_parse(int argc, char **argv, struct speaker_conf *ret)
{
	int opt, index = 0;

	*ret = (struct speaker_conf){
		.ns = "herald-system",
		.log_level = LOG_LEVEL_INFO,
		.director = { .name = "herald", .host_if = "herald0",
		    .fwmark = 0x10, .table = 7777, .rule_pref = 77 },
		.bgp_drain_ms = 3000,
		.mrt_max_bytes = 64 * 1000000,
		.liveness_port = 7847,
		.has_reports = true,
		.detect_mult = 3,
		.interval_us = 100000,
	};
	while ((opt = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return CONF_DONE;
		}
		if (opt == OPT_VERSION) {
			puts("herald-speaker " HERALD_VERSION);
			return CONF_DONE;
		}
		if (opt == '?')
			break;
		if (set(opt, optarg, ret) != 0) {
			fprintf(stderr, "herald-speaker: --%s \"%s\": must be %s\n",
			    options[index].name, optarg, hints[opt - 256]);
			break;
		}
	}
	if (opt == -1 && optind == argc)
		return set_defaults(ret) == 0 ? CONF_RUN : CONF_BAD;
	if (opt == -1)
		fprintf(stderr, "herald-speaker: what is \"%s\"?\n", argv[optind]);
	fprintf(stderr, "Try herald-speaker --help.\n");
	return CONF_BAD;
}

void
conf_fini(struct speaker_conf *conf)
{
	for (size_t i = 0; i < nitems(conf->owned); i++)
		free(conf->owned[i]);
}
