#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "controller/config.h"
#include "controller/ledger.h"
#include "controller/reconcile.h"
#include "ctl/lint.h"
#include "kube/manifest.h"
#include "kube/store.h"
#include "lib/mem.h"

struct lint {
	const struct lint_conf *conf;
	struct kube_store *store;
	FILE	*out;
	const char *file;		/* being read */
	int	nproblems;
	unsigned nobjects;
};

static void
on_item(void *arg, const struct kube_manifest_item *item)
{
	struct lint *l = arg;
	struct arena *arena;

	free(item->json);
	if (item->error == -ENOTSUP)
		return;
	if (item->error != 0) {
		fprintf(l->out, "%s:%u: %s\n", l->file, item->line, item->why);
		l->nproblems++;
		return;
	}
	l->nobjects++;
	if (kube_store_get(l->store, item->object->kind, item->object->meta.ns,
	    item->object->meta.name) != NULL) {
		fprintf(l->out, "%s:%u: %s %s: defined before; only the first counts\n",
		    l->file, item->line, kube_kind_name(item->object->kind),
		    KUBE_KEY(item->object));
		l->nproblems++;
		kube_object_free(item->object);
		return;
	}
	arena = &item->object->arena;
	item->object->origin = arena_printf(arena, "%s:%u", l->file, item->line);
	kube_store_put(l->store, item->object);
}

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

/* All of a stream, at most one byte more than a manifest may have. */
static char *
slurp(FILE *f, size_t *ret_len)
{
	size_t cap = 0, len = 0, n;
	char *text = NULL;

	do {
		text = mem_grow(text, len + 4096, &cap, 1);
		n = fread(text + len, 1, cap - len, f);
		len += n;
	} while (n > 0 && len <= KUBE_MANIFEST_MAX);
	*ret_len = len;
	return text;
}

static int
read_file(struct lint *l, const char *path)
{
	const struct kube_manifest_conf conf = { .api_group = l->conf->api_group };
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	size_t len = 0;
	char *text;
	int rc = 0;

	if (f == NULL) {
		rc = -errno;
		fprintf(stderr, "heraldctl lint: %s: %s\n", path, strerror(errno));
		return rc;
	}
	l->file = is_stdin ? "stdin" : path;
	text = slurp(f, &len);
	if (ferror(f)) {
		rc = -EIO;
		fprintf(stderr, "heraldctl lint: %s: cannot be read\n", path);
	} else if (len > KUBE_MANIFEST_MAX) {
		fprintf(l->out, "%s:1: longer than %d MiB; split it\n", l->file,
		    KUBE_MANIFEST_MAX >> 20);
		l->nproblems++;
	} else {
		kube_manifest_read(text, len, has_suffix(path, ".json"), &conf,
		    on_item, l);
	}
	free(text);
	if (!is_stdin)
		fclose(f);
	return rc;
}

static int
is_manifest(const struct dirent *e)
{
	return e->d_name[0] != '.' && (has_suffix(e->d_name, ".yaml") ||
	    has_suffix(e->d_name, ".yml") || has_suffix(e->d_name, ".json"));
}

static int
read_path(struct lint *l, const char *path)
{
	struct dirent **names;
	struct stat st;
	char *child;
	int n, rc = 0;

	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return read_file(l, path);
	if ((n = scandir(path, &names, is_manifest, alphasort)) < 0) {
		rc = -errno;
		fprintf(stderr, "heraldctl lint: %s: %s\n", path, strerror(errno));
		return rc;
	}
	for (int i = 0; i < n; i++) {
		child = mem_printf("%s/%s", path, names[i]->d_name);
		if (rc == 0)
			rc = read_file(l, child);
		free(child);
		free(names[i]);
	}
	free(names);
	return rc;
}

static void
problem(struct lint *l, const struct kube_object *o, const char *text)
{
	fprintf(l->out, "%s: %s %s: %s\n", o->origin, kube_kind_name(o->kind),
	    KUBE_KEY(o), text);
	l->nproblems++;
}

/*
 * What only shows in the whole: pools that collide, names of what is not
 * there, Services left without.
 */
static void
judge_whole(struct lint *l)
{
	const struct config_problem *p;
	struct config config = { 0 };
	struct ledger *ledger = ledger_new();
	struct reconcile result;

	config_build(l->store, NULL, &config);
	for (size_t i = 0; i < config.nproblems; i++) {
		p = &config.problems[i];
		problem(l, kube_store_get(l->store, p->kind, p->ns, p->name), p->text);
	}
	reconcile_run(&(struct reconcile_in){ .store = l->store, .config = &config,
	    .ledger = ledger, .lb_class = l->conf->lb_class }, &result);
	for (size_t i = 0; i < result.ndecisions; i++) {
		if (result.decisions[i].problem != NULL)
			problem(l, result.decisions[i].svc, result.decisions[i].problem);
	}
	reconcile_fini(&result);
	ledger_free(ledger);
	config_fini(&config);
}

int
lint_run(const struct lint_conf *conf, char *const *paths, int n, FILE *out)
{
	struct lint l = { .conf = conf, .store = kube_store_new(), .out = out };
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = read_path(&l, paths[i]);
	if (rc == 0) {
		judge_whole(&l);
		fprintf(out, "%u object%s, %d problem%s\n", l.nobjects,
		    l.nobjects == 1 ? "" : "s", l.nproblems,
		    l.nproblems == 1 ? "" : "s");
		rc = l.nproblems;
	}
	kube_store_free(l.store);
	return rc;
}
