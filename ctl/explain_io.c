#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/asker_io.h"
#include "ctl/explain_decode.h"
#include "ctl/explain_io.h"
#include "lib/mem.h"

/* Of a thousand nodes these tell enough, within seconds. */
enum { ASKED_MAX = 16, MUTE_MAX = 3 };

enum {
	NEEDED = 1u << KUBE_SERVICE | 1u << KUBE_ENDPOINT_SLICE | 1u << KUBE_NODE |
	    1u << KUBE_NAMESPACE,
	OURS = 1u << KUBE_IP_ADDRESS_POOL | 1u << KUBE_L2_ADVERTISEMENT |
	    1u << KUBE_BGP_ADVERTISEMENT | 1u << KUBE_BGP_PEER |
	    1u << KUBE_COMMUNITY | 1u << KUBE_BFD_PROFILE | 1u << KUBE_FORWARDING_PROFILE |
	    1u << KUBE_SERVICE_L2_STATUS | 1u << KUBE_SERVICE_BGP_STATUS,
};

/* Split what in place; false where it is no Service's name. */
static bool
split(char *what, const char **ret_ns, const char **ret_name)
{
	char *slash;

	if (strncmp(what, "svc/", 4) == 0 || strncmp(what, "service/", 8) == 0)
		what = strchr(what, '/') + 1;
	slash = strchr(what, '/');
	*ret_ns = "default";
	*ret_name = what;
	if (slash != NULL) {
		*slash = '\0';
		*ret_ns = what;
		*ret_name = slash + 1;
	}
	return **ret_ns != '\0' && **ret_name != '\0' && strchr(*ret_name, '/') == NULL;
}

static void
ask(struct asker *a, const struct explain_conf *conf, const struct explain_input *in,
    struct arena *arena, struct explain_speaker *s)
{
	const struct kube_object *svc;

	if (asker_ask(a, s->node, conf->port, "/status") != 0) {
		s->trouble = arena_strdup(arena, a->text);
		return;
	}
	/* Only now: the store goes on changing while we wait. */
	svc = kube_store_get(in->store, KUBE_SERVICE, in->ns, in->name);
	if (svc != NULL && explain_decode(a->text, svc, arena, s) != 0)
		s->trouble = "what answers is no herald-speaker; name the port of its "
		    "--http with --port";
}

static int
explain(struct asker *a, const struct explain_conf *conf, const char *ns,
    const char *name, FILE *out)
{
	struct explain_input in = { .store = a->store, .ns = ns, .name = name,
		.lb_class = conf->lb_class };
	struct explain_speaker speakers[ASKED_MAX] = { { .node = NULL } };
	const char *nodes[ASKED_MAX];
	struct arena arena = { NULL };
	struct explain e;
	bool has_answer = false;
	int rc;

	in.nspeakers = explain_whom(&in, nodes, ASKED_MAX);
	for (size_t i = 0; i < in.nspeakers; i++)
		speakers[i].node = arena_strdup(&arena, nodes[i]);
	for (size_t i = 0; i < in.nspeakers; i++) {
		/* Each that does not answer costs seconds. */
		if (i >= MUTE_MAX && !has_answer)
			speakers[i].trouble = "not asked, as the first three do not answer";
		else
			ask(a, conf, &in, &arena, &speakers[i]);
		has_answer |= speakers[i].trouble == NULL;
	}
	in.speakers = speakers;
	explain_run(&in, &e);
	explain_print(&e, out);
	rc = e.stop != NULL ? 1 : 0;
	explain_fini(&e);
	arena_fini(&arena);
	return rc;
}

int
explain_service_run(const struct explain_conf *conf, const char *what, FILE *out)
{
	const char *ns, *name;
	const bool is_metallb = conf->api_group != NULL &&
	    strcmp(conf->api_group, KUBE_API_GROUP_METALLB) == 0;
	const struct kube_source_conf source = { .spec = conf->source,
	    .kinds = NEEDED | OURS, .spare_kinds = OURS & ~(1u << KUBE_IP_ADDRESS_POOL),
	    .ns = conf->ns != NULL ? conf->ns : is_metallb ? "metallb-system" :
	    "herald-system", .api_group = conf->api_group, .component = "heraldctl",
	    .kube_context = conf->context };
	char *copy = mem_strdup(what);
	struct asker a;
	int rc;

	if (!split(copy, &ns, &name)) {
		fprintf(stderr, "heraldctl explain: \"%s\" names no Service; write svc/NAME "
		    "or svc/NAMESPACE/NAME\n", what);
		free(copy);
		return -EINVAL;
	}
	rc = asker_open(&a, &source);
	if (rc == 0)
		rc = explain(&a, conf, ns, name, out);
	asker_fini(&a);
	free(copy);
	return rc;
}
