/*
 * storedump.c - open a source and print how its store changes, a line each:
 *
 *	= synced
 *	+ KIND NAMESPACE/NAME RESOURCE_VERSION DETAIL
 *	- KIND NAMESPACE/NAME
 *	! KIND NAMESPACE/NAME ERROR TEXT	(the outcome of a patch)
 *
 * Commands on stdin: "patch KIND NAMESPACE NAME RV|- BODY", "put KIND NAMESPACE
 * NAME NODE WORD [CONFLICT]" (a report on Service default/web; CONFLICT: the message
 * of its condition, - for none now), "delete KIND NAMESPACE NAME",
 * "event KIND NAMESPACE NAME MESSAGE", "metrics". Used by the API tests, to see what the
 * daemons would see without needing either of them.
 */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/source.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

/* What was printed of an object, to see that it is another one now. */
struct shown {
	char	*key;
	char	*rv;
	bool	is_there;
};

struct dump {
	struct kube_store *store;
	struct kube_source *src;
	struct shown *shown[KUBE_NKINDS];
	size_t	n[KUBE_NKINDS], cap[KUBE_NKINDS];
	char	line[65536];
	size_t	len;
};

static struct shown *
find(struct dump *d, enum kube_kind kind, const char *key)
{
	/* The store is sorted and so, nearly, is this: good enough for tests. */
	for (size_t i = 0; i < d->n[kind]; i++)
		if (strcmp(d->shown[kind][i].key, key) == 0)
			return &d->shown[kind][i];
	d->shown[kind] = mem_grow(d->shown[kind], d->n[kind], &d->cap[kind],
	    sizeof(struct shown));
	d->shown[kind][d->n[kind]] = (struct shown){ .key = mem_strdup(key) };
	return &d->shown[kind][d->n[kind]++];
}

static void
print_detail(const struct kube_object *o)
{
	if (o->kind == KUBE_SERVICE)
		for (size_t i = 0; i < o->service.nports; i++)
			printf(" %u", o->service.ports[i].port);
	else if (o->kind == KUBE_ENDPOINT_SLICE)
		for (size_t i = 0; i < o->slice.nendpoints; i++)
			printf(" %s", IP_STR(&o->slice.endpoints[i].ip));
	else if (o->kind == KUBE_SERVICE_L2_STATUS &&
	    o->service_status.conflict.status != NULL)
		printf(" conflict=%s", o->service_status.conflict.status);
}

static void
changed(void *arg, enum kube_kind kind)
{
	struct dump *d = arg;
	struct kube_list l = kube_store_list(d->store, kind);

	for (size_t i = 0; i < d->n[kind]; i++)
		d->shown[kind][i].is_there = false;
	for (size_t i = 0; i < l.n; i++) {
		const struct kube_object *o = l.items[i];
		struct shown *s = find(d, kind, KUBE_KEY(o));

		s->is_there = true;
		if (s->rv != NULL && strcmp(s->rv, o->meta.resource_version) == 0)
			continue;
		free(s->rv);
		s->rv = mem_strdup(o->meta.resource_version);
		printf("+ %s %s %s", kube_kind_name(kind), s->key, s->rv);
		print_detail(o);
		printf("\n");
	}
	for (size_t i = 0; i < d->n[kind]; i++) {
		struct shown *s = &d->shown[kind][i];

		if (s->is_there || s->rv == NULL)
			continue;
		printf("- %s %s\n", kube_kind_name(kind), s->key);
		free(s->rv);
		s->rv = NULL;
	}
	fflush(stdout);
}

static void
synced(void *arg)
{
	(void)arg;
	printf("= synced\n");
	fflush(stdout);
}

static enum kube_kind
kind_of(const char *name)
{
	for (unsigned i = 0; i < KUBE_NKINDS; i++)
		if (strcmp(kube_kind_name((enum kube_kind)i), name) == 0)
			return (enum kube_kind)i;
	fprintf(stderr, "storedump: unknown kind %s\n", name);
	exit(2);
}

static void
patched(void *arg, int error, const char *text)
{
	printf("! %s %d %s\n", (char *)arg, error, text);
	fflush(stdout);
	free(arg);
}

static void
put_report(struct dump *d, enum kube_kind kind, const char *ns, const char *name,
    const char *node, const char *word, const char *conflict)
{
	const struct kube_object *owner = kube_store_get(d->store, KUBE_NODE, NULL, node);
	struct kube_object o = { .kind = kind, .meta = { .ns = ns, .name = name },
	    .service_status = { .node = node, .svc_ns = "default", .svc_name = "web",
		.names = &word, .nnames = 1 } };
	struct kube_condition *c = &o.service_status.conflict;

	if (conflict != NULL)
		*c = (struct kube_condition){ .reason = "Tested", .message = conflict,
		    .status = strcmp(conflict, "-") == 0 ? "False" : "True",
		    .since = "2026-11-21T06:00:00Z" };
	if (kind == KUBE_BGP_SESSION_STATE)
		o.session_state = (struct kube_session_state){ .node = node,
		    .peer_name = "tor", .peer = word };
	kube_source_put(d->src, &o, owner != NULL ? owner->meta.uid : NULL, patched,
	    mem_printf("%s %s/%s", kube_kind_name(kind), ns, name));
}

static void
command(struct dump *d, char *line)
{
	char *verb = strtok(line, " "), *kind, *ns, *name, *rv, *rest;

	if (verb == NULL)
		return;
	if (strcmp(verb, "metrics") == 0) {
		metrics_write(stdout);
		printf("# end\n");
		fflush(stdout);
		return;
	}
	kind = strtok(NULL, " ");
	ns = strtok(NULL, " ");
	name = strtok(NULL, " ");
	if (strcmp(verb, "patch") == 0) {
		rv = strtok(NULL, " ");
		rest = strtok(NULL, "");
		kube_source_patch_status(d->src, kind_of(kind), ns, name,
		    strcmp(rv, "-") == 0 ? NULL : rv, rest, patched,
		    mem_printf("%s %s/%s", kind, ns, name));
	} else if (strcmp(verb, "put") == 0) {
		rv = strtok(NULL, " ");
		rest = strtok(NULL, " ");
		put_report(d, kind_of(kind), ns, name, rv, rest, strtok(NULL, ""));
	} else if (strcmp(verb, "delete") == 0) {
		kube_source_delete(d->src, kind_of(kind), ns, name, patched,
		    mem_printf("%s %s/%s", kind, ns, name));
	} else if (strcmp(verb, "event") == 0) {
		rest = strtok(NULL, "");
		kube_source_event(d->src, &(struct kube_event){
			.kind = kind_of(kind), .ns = strcmp(ns, "-") == 0 ? NULL : ns,
			.name = name, .reason = "Tested", .message = rest });
	}
}

static void
stdin_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct dump *d = io->data;
	char *nl;
	ssize_t n;

	(void)revents;
	n = read(STDIN_FILENO, d->line + d->len, sizeof(d->line) - 1 - d->len);
	if (n <= 0) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	d->len += (size_t)n;
	d->line[d->len] = '\0';
	while ((nl = memchr(d->line, '\n', d->len)) != NULL) {
		size_t used = (size_t)(nl - d->line) + 1;

		*nl = '\0';
		command(d, d->line);
		memmove(d->line, d->line + used, d->len - used);
		d->len -= used;
	}
}

static void
dump_fini(struct dump *d)
{
	kube_source_close(d->src);
	kube_store_free(d->store);
	metrics_fini();
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		for (size_t i = 0; i < d->n[k]; i++) {
			free(d->shown[k][i].key);
			free(d->shown[k][i].rv);
		}
		free(d->shown[k]);
	}
	free(d);
}

/* storedump SOURCE KINDS [NAMESPACE [NODE [GROUP]]]: KINDS separated by commas. */
int
main(int argc, char **argv)
{
	struct kube_source_conf conf = { .component = "storedump" };
	struct ev_loop *loop = EV_DEFAULT;
	struct dump *d = mem_zalloc(sizeof(*d));
	struct kube_error err;
	ev_io in;

	if (argc < 3) {
		fprintf(stderr, "usage: storedump SOURCE KINDS [NAMESPACE [NODE [GROUP]]]\n");
		return 2;
	}
	for (char *k = strtok(argv[2], ","); k != NULL; k = strtok(NULL, ","))
		conf.kinds |= 1u << kind_of(k);
	conf.spec = argv[1];
	conf.ns = argc > 3 ? argv[3] : NULL;
	conf.node_name = argc > 4 ? argv[4] : NULL;
	conf.api_group = argc > 5 ? argv[5] : NULL;
	log_init(LOG_LEVEL_DEBUG, false);
	d->store = kube_store_new();
	d->src = kube_source_open(loop, &conf, d->store,
	    &(struct kube_source_handler){ changed, synced, d }, &err);
	if (d->src == NULL) {
		fprintf(stderr, "storedump: %s\n", err.text);
		return 1;
	}
	ev_io_init(&in, stdin_cb, STDIN_FILENO, EV_READ);
	in.data = d;
	ev_io_start(loop, &in);
	ev_run(loop, 0);
	ev_io_stop(loop, &in);
	dump_fini(d);
	return 0;
}
