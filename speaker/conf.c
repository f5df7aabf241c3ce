#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "speaker/conf.h"

enum {
	OPT_NODE_NAME = 256, OPT_SOURCE, OPT_KUBECONFIG, OPT_NAMESPACE, OPT_API_GROUP,
	OPT_HTTP, OPT_LOG_LEVEL, OPT_LOG_JSON, OPT_DIRECTOR_NAME, OPT_DIRECTOR_LINK,
	OPT_FWMARK, OPT_UNKNOWN_PORT, OPT_TABLE, OPT_RULE_PREF, OPT_LIVENESS_PORT,
	OPT_HEALTH_PORT, OPT_LIVENESS,
	OPT_LIVENESS_KEY_FILE, OPT_BGP_PORT, OPT_BGP_DRAIN_TIME, OPT_MRT_DUMP,
	OPT_MRT_DUMP_SIZE, OPT_EXCLUDE_INTERFACE, OPT_L2_REPEAT, OPT_L2_ANNOUNCEMENTS,
	OPT_L2_PROBES, OPT_L2_CONFLICT, OPT_FAILBACK_DELAY, OPT_YIELD_ON_CORDON,
	OPT_STATUS_RESOURCES, OPT_DRAIN_TIME, OPT_SYNC_PORT, OPT_CLEANUP, OPT_VERSION, OPT_HELP,
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
	{ "unknown-port", required_argument, NULL, OPT_UNKNOWN_PORT },
	{ "table", required_argument, NULL, OPT_TABLE },
	{ "rule-pref", required_argument, NULL, OPT_RULE_PREF },
	{ "liveness-port", required_argument, NULL, OPT_LIVENESS_PORT },
	{ "health-port", required_argument, NULL, OPT_HEALTH_PORT },
	{ "liveness", required_argument, NULL, OPT_LIVENESS },
	{ "liveness-key-file", required_argument, NULL, OPT_LIVENESS_KEY_FILE },
	{ "bgp-port", required_argument, NULL, OPT_BGP_PORT },
	{ "bgp-drain-time", required_argument, NULL, OPT_BGP_DRAIN_TIME },
	{ "mrt-dump", required_argument, NULL, OPT_MRT_DUMP },
	{ "mrt-dump-size", required_argument, NULL, OPT_MRT_DUMP_SIZE },
	{ "exclude-interface", required_argument, NULL, OPT_EXCLUDE_INTERFACE },
	{ "l2-repeat", required_argument, NULL, OPT_L2_REPEAT },
	{ "l2-announcements", required_argument, NULL, OPT_L2_ANNOUNCEMENTS },
	{ "l2-probes", required_argument, NULL, OPT_L2_PROBES },
	{ "l2-conflict", required_argument, NULL, OPT_L2_CONFLICT },
	{ "failback-delay", required_argument, NULL, OPT_FAILBACK_DELAY },
	{ "yield-on-cordon", no_argument, NULL, OPT_YIELD_ON_CORDON },
	{ "status-resources", required_argument, NULL, OPT_STATUS_RESOURCES },
	{ "drain-time", required_argument, NULL, OPT_DRAIN_TIME },
	{ "sync-port", required_argument, NULL, OPT_SYNC_PORT },
	{ "cleanup", no_argument, NULL, OPT_CLEANUP },
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
	[OPT_UNKNOWN_PORT - 256] = "reject or drop",
	[OPT_TABLE - 256] = "a routing table number other than 0 and 253 to 255",
	[OPT_RULE_PREF - 256] = "1 to 32765, before the main table's rule",
	[OPT_LIVENESS_PORT - 256] = "a UDP port, 1 to 65535",
	[OPT_HEALTH_PORT - 256] = "a UDP port, 1 to 65535",
	[OPT_LIVENESS - 256] = "MULTxMSms, 2 to 50 times 3 to 10000 ms: 3x100ms",
	[OPT_LIVENESS_KEY_FILE - 256] = "a file's name",
	[OPT_BGP_PORT - 256] = "a TCP port, 1 to 65535, or 0 for none",
	[OPT_BGP_DRAIN_TIME - 256] = "0 to 3600 seconds",
	[OPT_MRT_DUMP - 256] = "the path of a file",
	[OPT_MRT_DUMP_SIZE - 256] = "1 to 100000 MB",
	[OPT_FAILBACK_DELAY - 256] = "0 to 86400 seconds, or never",
	[OPT_STATUS_RESOURCES - 256] = "yes or no",
	[OPT_DRAIN_TIME - 256] = "0 to 86400 seconds",
	[OPT_SYNC_PORT - 256] = "a UDP port, 1 to 65535, or 0 for none",
	[OPT_L2_REPEAT - 256] = "5 to 240 seconds",
	[OPT_L2_ANNOUNCEMENTS - 256] = "1 to 9",
	[OPT_L2_PROBES - 256] = "0 to 10",
	[OPT_L2_CONFLICT - 256] = "defend or withhold",
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
"  --fwmark BIT             the one packet mark bit Herald uses (one that\n"
"                           no ip rule of others tests, from 0x10 up)\n"
"  --unknown-port reject|drop\n"
"                           what to do with a VIP's port that no Service has (reject)\n"
"  --drain-time SEC         how long connections to an endpoint that leaves may go\n"
"                           on, unless a ForwardingProfile says (3600)\n"
"  --table N                the routing table it uses (7777)\n"
"  --rule-pref N            the priority of its ip rule (77)\n"
"  --liveness-port PORT     UDP port of BFD between speakers (7847)\n"
"  --health-port PORT       UDP port by which speakers tell one another which\n"
"                           endpoints are down (7848)\n"
"  --liveness MULTxMSms     lost packets and interval until a speaker counts as\n"
"                           dead (3x100ms)\n"
"  --liveness-key-file FILE authenticate BFD with the keys in FILE, one a line; it\n"
"                           is read again when it changes\n"
"  --bgp-port PORT          take BGP calls there; 0, the default: only dial\n"
"  --bgp-drain-time SEC     mark routes for so long before withdrawing them (3)\n"
"  --mrt-dump FILE          dump BGP messages there (MRT, RFC 6396)\n"
"  --mrt-dump-size MB       then rename it to FILE.1 and begin anew (64)\n"
"  --exclude-interface GLOB never announce there; may be given again\n"
"  --l2-repeat SEC          announce each VIP again so often, +-25 % (60)\n"
"  --l2-announcements N     announcements when a VIP is taken over (3)\n"
"  --l2-probes N            probes before a VIP's first claim ever (3)\n"
"  --l2-conflict POLICY     where another machine uses a VIP: defend (the default)\n"
"                           it, or withhold it until that is gone\n"
"  --failback-delay SEC     after a start, take no VIP that another node can have\n"
"                           for so long (0); never: a VIP stays where it is\n"
"  --yield-on-cordon        hand VIPs over while the Node is unschedulable\n"
"  --status-resources yes|no\n"
"                           write ServiceL2Status, ServiceBGPStatus and\n"
"                           BGPSessionState objects (yes)\n"
"  --sync-port PORT         UDP port by which directors tell one another of their\n"
"                           connections; 0, the default: they do not\n"
"  --cleanup                take the data plane off this node, and end\n"
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

/* Options that are a number in a range, and where it goes. */
#define NUMBER(opt, min, max, field)						\
	{ opt, min, max, offsetof(struct speaker_conf, field),			\
	    sizeof(((struct speaker_conf *)0)->field) }
static const struct {
	int	opt;
	unsigned long min, max;
	size_t	at, size;
} numbers[] = {
	NUMBER(OPT_FWMARK, 1, UINT32_MAX, director.fwmark),
	NUMBER(OPT_TABLE, 1, UINT32_MAX, director.table),
	/* Before the main table's, 32766, and after local's, 0. */
	NUMBER(OPT_RULE_PREF, 1, 32765, director.rule_pref),
	NUMBER(OPT_LIVENESS_PORT, 1, 65535, liveness_port),
	NUMBER(OPT_HEALTH_PORT, 1, 65535, health_port),
	NUMBER(OPT_SYNC_PORT, 0, 65535, sync_port),
	NUMBER(OPT_FAILBACK_DELAY, 0, 86400, failback_delay_sec),
	NUMBER(OPT_BGP_PORT, 0, 65535, bgp_port),
	NUMBER(OPT_BGP_DRAIN_TIME, 0, 3600, bgp_drain_sec),
	NUMBER(OPT_DRAIN_TIME, 0, 86400, drain_sec),
	NUMBER(OPT_MRT_DUMP_SIZE, 1, 100000, mrt_max_mb),
	/* Below 300 s, after which switches forget a MAC. */
	NUMBER(OPT_L2_REPEAT, 5, 240, l2_repeat_sec),
	NUMBER(OPT_L2_ANNOUNCEMENTS, 1, ARP_BURST_MAX + 1, l2_nannounce),
	NUMBER(OPT_L2_PROBES, 0, 10, l2_nprobes),
};

static int
set_number(int opt, const char *arg, struct speaker_conf *conf)
{
	unsigned long v;
	size_t i = 0;

	while (i < nitems(numbers) && numbers[i].opt != opt)
		i++;
	if (i == nitems(numbers) ||
	    parse_number(arg, numbers[i].min, numbers[i].max, &v) != 0)
		return -EINVAL;
	/* One bit, so that other software's marks beside it stay. */
	if (opt == OPT_FWMARK && (v & (v - 1)) != 0)
		return -EINVAL;
	/* 253 to 255 are the kernel's default, main and local. */
	if (opt == OPT_TABLE && v >= 253 && v <= 255)
		return -EINVAL;
	if (numbers[i].size == sizeof(uint8_t))
		*((uint8_t *)conf + numbers[i].at) = (uint8_t)v;
	else if (numbers[i].size == sizeof(uint16_t))
		memcpy((char *)conf + numbers[i].at, &(uint16_t){ (uint16_t)v }, 2);
	else
		memcpy((char *)conf + numbers[i].at, &(uint32_t){ (uint32_t)v }, 4);
	return 0;
}

static int
set_policy(const char *arg, enum arp_policy *ret)
{
	if (strcmp(arg, "defend") == 0)
		*ret = ARP_POLICY_DEFEND;
	else if (strcmp(arg, "withhold") == 0)
		*ret = ARP_POLICY_WITHHOLD;
	else
		return -EINVAL;
	return 0;
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
	case OPT_UNKNOWN_PORT:
		conf->director.drops_unknown = strcmp(arg, "drop") == 0;
		return conf->director.drops_unknown || strcmp(arg, "reject") == 0 ?
		    0 : -EINVAL;
	case OPT_YIELD_ON_CORDON:
		conf->yields_on_cordon = true;
		return 0;
	case OPT_CLEANUP:
		conf->is_cleanup = true;
		return 0;
	case OPT_STATUS_RESOURCES:
		conf->has_reports = strcmp(arg, "yes") == 0;
		return conf->has_reports || strcmp(arg, "no") == 0 ? 0 : -EINVAL;
	case OPT_LIVENESS:
		return conf_parse_liveness(arg, &conf->detect_mult, &conf->interval_us);
	case OPT_LIVENESS_KEY_FILE:
		conf->key_file = arg;
		return *arg != '\0' ? 0 : -EINVAL;
	case OPT_FAILBACK_DELAY:
		conf->is_sticky = strcmp(arg, "never") == 0;
		return conf->is_sticky ? 0 : set_number(opt, arg, conf);
	case OPT_L2_CONFLICT:
		return set_policy(arg, &conf->l2_policy);
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
		    .table = 7777, .rule_pref = 77 },
		.bgp_drain_sec = 3,
		.drain_sec = 3600,
		.mrt_max_mb = 64,
		.liveness_port = 7847,
		.health_port = 7848,
		.has_reports = true,
		.detect_mult = 3,
		.interval_us = 100000,
		.l2_repeat_sec = 60,
		.l2_nannounce = 3,
		.l2_nprobes = 3,
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
	if (opt == -1 && ret->is_sticky && !ret->has_reports) {
		fprintf(stderr, "herald-speaker: --failback-delay never goes by what "
		    "--status-resources writes; leave them on\n");
		return CONF_BAD;
	}
	ret->director.has_sync = ret->sync_port != 0;
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
