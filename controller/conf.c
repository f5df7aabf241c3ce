#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/conf.h"
#include "controller/reconcile.h"
#include "lib/mem.h"

#define METALLB_GROUP "metallb.io"
#define LEASE_NAME "herald-controller"

enum { LEASE_SEC_MAX = 3600 };

enum { OPT_SOURCE = 256, OPT_KUBECONFIG, OPT_CONTEXT, OPT_NAMESPACE, OPT_API_GROUP,
	OPT_LB_CLASS, OPT_LEADER_ELECT, OPT_LEASE, OPT_LEASE_DURATION, OPT_HTTP,
	OPT_LOG_LEVEL, OPT_LOG_JSON };

static const struct option options[] = {
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "namespace", required_argument, NULL, OPT_NAMESPACE },
	{ "api-group", required_argument, NULL, OPT_API_GROUP },
	{ "lb-class", required_argument, NULL, OPT_LB_CLASS },
	{ "leader-elect", optional_argument, NULL, OPT_LEADER_ELECT },
	{ "lease", required_argument, NULL, OPT_LEASE },
	{ "lease-duration", required_argument, NULL, OPT_LEASE_DURATION },
	{ "http", required_argument, NULL, OPT_HTTP },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-json", no_argument, NULL, OPT_LOG_JSON },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
usage(FILE *f)
{
	(void)fprintf(f,
	    "usage: herald-controller [options]\n"
	    "Gives Services of type LoadBalancer their addresses from IPAddressPools.\n\n"
	    "  --source SPEC        dir:PATH, in-cluster, or kubeconfig:FILE\n"
	    "                       (default: in-cluster, else kubeconfig:)\n"
	    "  --kubeconfig FILE    short for --source kubeconfig:FILE\n"
	    "  --context NAME       of the kubeconfig (default: its current one)\n"
	    "  --namespace NS       where the IPAddressPools are (default: the pod's\n"
	    "                       own namespace, else herald-system)\n"
	    "  --api-group GROUP    of the IPAddressPools: heraldlb.io (default) or\n"
	    "                       metallb.io\n"
	    "  --lb-class NAME      serve only Services of this loadBalancerClass\n"
	    "                       (default: " RECONCILE_LB_CLASS " and those\n"
	    "                       without a class)\n"
	    "  --leader-elect=false do not elect a leader: there is no other controller\n"
	    "  --lease NAME         by which the leader is elected, in the pod's own\n"
	    "                       namespace, outside of a cluster --namespace\n"
	    "                       (default: " LEASE_NAME ")\n"
	    "  --lease-duration SEC after which another leads when the leader is gone\n"
	    "                       (default: 15)\n"
	    "  --http ADDR:PORT     serve /metrics, /healthz and /readyz\n"
	    "  --log-level LEVEL    debug, info (default), warn or error\n"
	    "  --log-json           log JSON objects, one a line\n"
	    "  --version, --help\n");
}

/* The namespace this pod runs in, as a heap string; NULL outside of a cluster. */
static char *
pod_namespace(void)
{
	FILE *f = fopen("/var/run/secrets/kubernetes.io/serviceaccount/namespace", "re");
	char name[KUBE_KEY_LEN];
	size_t n;

	if (f == NULL)
		return NULL;
	n = fread(name, 1, sizeof(name) - 1, f);
	(void)fclose(f);
	while (n > 0 && name[n - 1] == '\n')
		n--;
	name[n] = '\0';
	return n > 0 ? mem_strdup(name) : NULL;
}

static enum conf_result
bad(const char *option, const char *value, const char *remedy)
{
	(void)fprintf(stderr, "herald-controller: %s \"%s\": %s\n", option, value,
	    remedy);
	return CONF_BAD;
}

static enum conf_result
set_source(struct conf *c, const char *spec)
{
	if (c->spec != NULL)
		return bad("--source", spec, "the source is given twice; give either "
		    "--source or --kubeconfig, once");
	c->spec = mem_strdup(spec);
	return CONF_RUN;
}

static enum conf_result
set_kubeconfig(struct conf *c, const char *file)
{
	char *spec = mem_printf("kubeconfig:%s", file);
	enum conf_result r = set_source(c, spec);

	free(spec);
	return r;
}

static enum conf_result
set_election(struct leader_conf *l, int opt, char *value)
{
	char *end;
	long sec;

	switch (opt) {
	case OPT_LEADER_ELECT:
		l->is_elected = value == NULL || strcmp(value, "true") == 0;
		if (!l->is_elected && strcmp(value, "false") != 0)
			return bad("--leader-elect", value, "is true or false");
		return CONF_RUN;
	case OPT_LEASE:
		if (*value == '\0')
			return bad("--lease", value, "name a Lease, such as " LEASE_NAME);
		l->name = value;
		return CONF_RUN;
	default:
		sec = strtol(value, &end, 10);
		if (*value == '\0' || *end != '\0' || sec < 1 || sec > LEASE_SEC_MAX)
			return bad("--lease-duration", value, "give whole seconds from 1 "
			    "to 3600");
		l->duration_sec = (uint32_t)sec;
		return CONF_RUN;
	}
}

static enum conf_result
set_option(struct conf *c, int opt, char *value)
{
	struct controller_conf *k = &c->controller;

	switch (opt) {
	case OPT_SOURCE:
		return set_source(c, value);
	case OPT_KUBECONFIG:
		return set_kubeconfig(c, value);
	case OPT_CONTEXT:
		k->source.kube_context = value;
		return CONF_RUN;
	case OPT_NAMESPACE:
		k->source.ns = value;
		return CONF_RUN;
	case OPT_API_GROUP:
		if (*value == '\0')
			return bad("--api-group", value, "name a group, such as "
			    "heraldlb.io or " METALLB_GROUP);
		k->source.api_group = value;
		return CONF_RUN;
	case OPT_LB_CLASS:
		if (*value == '\0')
			return bad("--lb-class", value, "name a class, or leave the "
			    "option out for Services without one");
		k->lb_class = value;
		return CONF_RUN;
	case OPT_LEADER_ELECT:
	case OPT_LEASE:
	case OPT_LEASE_DURATION:
		return set_election(&k->leader, opt, value);
	case OPT_HTTP:
		k->http = value;
		return CONF_RUN;
	case OPT_LOG_LEVEL:
		if (log_level_parse(value, &c->log_level) < 0)
			return bad("--log-level", value, "is debug, info, warn or error");
		return CONF_RUN;
	case OPT_LOG_JSON:
		c->is_log_json = true;
		return CONF_RUN;
	case 'V':
		(void)printf("herald-controller %s\n", HERALD_VERSION);
		return CONF_DONE;
	case 'h':
		usage(stdout);
		return CONF_DONE;
	default:	/* getopt has said what is wrong */
		(void)fprintf(stderr, "herald-controller: see --help\n");
		return CONF_BAD;
	}
}

enum conf_result
conf_parse(int argc, char **argv, struct conf *ret)
{
	struct kube_source_conf *s = &ret->controller.source;
	int opt;

	*ret = (struct conf){ .log_level = LOG_LEVEL_INFO, .controller.leader = {
	    .is_elected = true, .name = LEASE_NAME,
	    .duration_sec = LEASE_DURATION_MS / 1000 } };
	optind = 0;	/* start over: tests parse several lines */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		enum conf_result r = set_option(ret, opt, optarg);

		if (r != CONF_RUN)
			return r;
	}
	if (optind < argc)
		return bad("argument", argv[optind], "not understood; see --help");
	s->spec = ret->spec;
	ret->ns = pod_namespace();
	if (s->ns == NULL && s->api_group != NULL &&
	    strcmp(s->api_group, METALLB_GROUP) == 0)
		s->ns = "metallb-system";	/* where MetalLB keeps them */
	if (s->ns == NULL)
		s->ns = ret->ns != NULL ? ret->ns : "herald-system";
	/* The Lease is ours, wherever the pools are. */
	ret->controller.leader.ns = ret->ns != NULL ? ret->ns : s->ns;
	return CONF_RUN;
}

void
conf_fini(struct conf *c)
{
	free(c->spec);
	free(c->ns);
	*c = (struct conf){ 0 };
}
