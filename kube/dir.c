/* dir.c - see dir.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/dir_ident.h"
#include "lib/hash.h"
#include "lib/mem.h"

/* One dir_load() under way. */
struct load {
	struct dir *d;
	struct dir_file *file;
	unsigned id;			/* d->nloads of this load */
	bool	has_unknown;		/* a broken document, of nobody knows what */
	struct dir_claim **old;		/* what the file held before */
	size_t	nold;
	struct dir_ident **refused;	/* each once */
	size_t	nrefused, refused_cap;
	struct dir_ident **old_refused;	/* what the file refused before */
	size_t	nold_refused;
};

/* The parts of a key: false where it is none. */
static bool
key_split(const char *key, enum kube_kind *ret_kind, char **ret_ns,
    char **ret_name)
{
	const char *a = strchr(key, '_');
	const char *b = a != NULL ? strchr(a + 1, '_') : NULL;

	if (b == NULL || b[1] == '\0' || strchr(b + 1, '_') != NULL)
		return false;
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		const char *name = kube_kind_name((enum kube_kind)k);

		if (strlen(name) != (size_t)(a - key) ||
		    memcmp(name, key, (size_t)(a - key)) != 0)
			continue;
		*ret_kind = (enum kube_kind)k;
		*ret_ns = b > a + 1 ? mem_printf("%.*s", (int)(b - a - 1), a + 1) :
		    NULL;
		*ret_name = mem_strdup(b + 1);
		return true;
	}
	return false;
}

void
dir_init(struct dir *d, const struct dir_conf *conf, struct kube_store *store)
{
	*d = (struct dir){ .conf = *conf, .store = store };
}

void
dir_fini(struct dir *d)
{
	struct dir_file *f, *next_file;
	struct dir_ident *id, *next_id;

	HASH_ITER(hh, d->files, f, next_file) {
		for (size_t i = 0; i < f->nclaims; i++)
			dir_claim_free(f->claims[i]);
		free(f->claims);
		free(f->refused);
		HASH_DEL(d->files, f);
		free(f);
	}
	HASH_ITER(hh, d->idents, id, next_id) {
		HASH_DEL(d->idents, id);
		free(id->refusal.json);
		free(id->status);
		free(id);
	}
}

static struct dir_file *
file_make(struct dir *d, const char *name)
{
	struct dir_file *f;

	HASH_FIND_STR(d->files, name, f);
	if (f != NULL)
		return f;
	f = mem_zalloc(sizeof(*f) + strlen(name) + 1);
	strcpy(f->name, name);
	HASH_ADD_STR(d->files, name, f);
	return f;
}

static void
file_add(struct dir_file *f, struct dir_claim *c)
{
	f->claims = mem_grow(f->claims, f->nclaims, &f->cap, sizeof(*f->claims));
	c->place = f->nclaims;
	f->claims[f->nclaims++] = c;
}

/* False where this daemon was not asked for such objects. */
static bool
is_wanted(const struct load *l, const struct kube_manifest_item *item)
{
	const struct dir_conf *conf = &l->d->conf;
	enum kube_kind kind = item->id.kind;

	if ((conf->kinds & 1u << kind) == 0)
		return false;
	if (kube_kind_is_report(kind)) {
		dir_say(l->d, LOG_LEVEL_WARN, l->file->name, item->line, "a %s is "
		    "written by speakers; remove it", kube_kind_name(kind));
		return false;
	}
	if (!kube_kind_is_local(kind) || conf->manifest.own_ns == NULL ||
	    strcmp(item->id.ns, conf->manifest.own_ns) == 0)
		return true;
	/* Anybody's Secrets and ConfigMaps may be in the folder; our own resources are
	   ours. */
	dir_say(l->d, kind == KUBE_SECRET || kind == KUBE_CONFIG_MAP ? LOG_LEVEL_DEBUG :
	    LOG_LEVEL_WARN,
	    l->file->name, item->line, "metadata.namespace: \"%s\": %s %s is read from "
	    "namespace %s only; move it there", item->id.ns, kube_kind_name(kind),
	    item->id.name, conf->manifest.own_ns);
	return false;
}

/* Takes json over. */
static void
load_refuse_ident(struct load *l, struct dir_ident *id, unsigned line, char *json)
{
	if (id->refused_in == l->id) {
		free(json);
		return;
	}
	id->refused_in = l->id;
	if (json != NULL)	/* NULL of a Secret: see read_object() */
		dir_refuse(id, l->file, line, json);
	l->refused = mem_grow(l->refused, l->nrefused, &l->refused_cap,
	    sizeof(*l->refused));
	l->refused[l->nrefused++] = id;
}

static void
load_refused(struct load *l, const struct kube_manifest_item *item)
{
	const struct kube_ident *id = &item->id;

	if (item->error == -ENOTSUP || (id->kind != KUBE_NKINDS &&
	    (l->d->conf.kinds & 1u << id->kind) == 0)) {
		dir_say(l->d, LOG_LEVEL_DEBUG, l->file->name, item->line,
		    "skipped: %.400s", item->why);
		free(item->json);
		return;
	}
	dir_say(l->d, LOG_LEVEL_WARN, l->file->name, item->line, "%s%s%.400s",
	    id->name[0] != '\0' ? id->name : "",
	    id->name[0] != '\0' ? ": " : "", item->why);
	if (item->error == -EPROTONOSUPPORT) {
		free(item->json);
	} else if (id->kind == KUBE_NKINDS || id->name[0] == '\0') {
		l->has_unknown = true;
		free(item->json);
	} else if (!is_wanted(l, item)) {
		free(item->json);
	} else {
		load_refuse_ident(l, dir_ident_make(l->d, id->kind, id->ns, id->name),
		    item->line, item->json);
	}
}

static void
load_item(void *arg, const struct kube_manifest_item *item)
{
	struct load *l = arg;
	struct dir_ident *id;
	struct dir_claim *c;

	kube_object_free(item->object);
	if (item->error != 0) {
		load_refused(l, item);
		return;
	}
	if (!is_wanted(l, item)) {
		free(item->json);
		return;
	}
	id = dir_ident_make(l->d, item->id.kind, item->id.ns, item->id.name);
	if (id->seen_in == l->id) {
		dir_say(l->d, LOG_LEVEL_WARN, l->file->name, item->line,
		    "%s %s is in this file before; that one is used, remove one",
		    kube_kind_name(id->kind), id->name);
		free(item->json);
		return;
	}
	id->seen_in = l->id;
	c = mem_zalloc(sizeof(*c));
	c->ident = id;
	c->file = l->file;
	c->line = item->line;
	c->is_secret = item->id.kind == KUBE_SECRET;
	c->json = item->json;
	c->hash = hash_str(item->json, 0);
	file_add(l->file, c);
}

/* True where an object the file no longer shows has to stay: see dir.h. */
static bool
is_kept(const struct load *l, const struct dir_claim *c)
{
	if (c->ident->seen_in == l->id)
		return false;
	return l->has_unknown || c->ident->refused_in == l->id;
}

/* Keep what must stay; put the new claims in the old ones' place. */
static void
load_swap(struct load *l)
{
	size_t nkept = 0;

	for (size_t i = 0; i < l->nold; i++) {
		struct dir_claim *c = l->old[i];

		dir_claim_unlink(c);
		if (!is_kept(l, c))
			continue;
		c->is_kept = true;
		file_add(l->file, c);
		l->old[i] = NULL;
		nkept++;
	}
	if (nkept > 0)
		dir_say(l->d, LOG_LEVEL_WARN, l->file->name, 0, "%zu object%s that "
		    "this file held before stay%s until it is mended", nkept,
		    nkept == 1 ? "" : "s", nkept == 1 ? "s" : "");
	for (size_t i = 0; i < l->file->nclaims; i++) {
		struct dir_claim *c = l->file->claims[i];
		const struct dir_claim *first;

		dir_claim_link(c);
		first = c->ident->claims;
		if (first->next == NULL || c->is_kept)
			continue;
		c = first == c ? c->next : c;
		dir_say(l->d, LOG_LEVEL_WARN, c->file->name, c->line, "%s %s is also "
		    "in %s:%u, which comes first and is used; remove one",
		    kube_kind_name(c->ident->kind), c->ident->name,
		    first->file->name, first->line);
	}
}

/* What the file refused, and does no longer. */
static void
load_mended(struct load *l)
{
	for (size_t i = 0; i < l->nold_refused; i++) {
		struct dir_ident *id = l->old_refused[i];

		if (id->refused_in == l->id)
			continue;
		/* Perhaps it is what is broken now. */
		if (l->has_unknown && id->seen_in != l->id) {
			load_refuse_ident(l, id, 0, NULL);
			continue;
		}
		dir_unrefuse(id, l->file);
		dir_publish(l->d, id);
		dir_ident_drop(l->d, id);
	}
}

/* Those whose refusal is this file's are what it keeps. */
static void
load_keep_refused(struct load *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->nrefused; i++) {
		struct dir_ident *id = l->refused[i];

		dir_publish(l->d, id);
		if (id->refusal.file == l->file)
			l->refused[n++] = id;
		else
			dir_ident_drop(l->d, id);
	}
	l->file->refused = l->refused;
	l->file->nrefused = n;
}

static void
load_publish(struct load *l)
{
	for (size_t i = 0; i < l->file->nclaims; i++)
		dir_publish(l->d, l->file->claims[i]->ident);
	for (size_t i = 0; i < l->nold; i++) {
		struct dir_claim *c = l->old[i];
		struct dir_ident *id;

		if (c == NULL)
			continue;
		id = c->ident;
		dir_claim_free(c);
		/* Another file may have it still, or this one under a new claim. */
		if (id->seen_in != l->id)
			dir_publish(l->d, id);
		if (id->refused_in != l->id)
			dir_ident_drop(l->d, id);
	}
	load_mended(l);
	load_keep_refused(l);
}

void
dir_load(struct dir *d, const char *name, const char *text, size_t len)
{
	struct load l = { .d = d, .file = file_make(d, name), .id = ++d->nloads };
	size_t n = strlen(name);
	bool is_json = n > 5 && strcmp(name + n - 5, ".json") == 0;

	l.old = l.file->claims;
	l.nold = l.file->nclaims;
	l.old_refused = l.file->refused;
	l.nold_refused = l.file->nrefused;
	l.file->claims = NULL;
	l.file->nclaims = l.file->cap = 0;
	kube_manifest_read(text, len, is_json, &d->conf.manifest, load_item, &l);
	l.file->is_unknown = l.has_unknown;
	load_swap(&l);
	load_publish(&l);
	free(l.old_refused);
	free(l.old);
}

void
dir_load_failed(struct dir *d, const char *name)
{
	file_make(d, name)->is_unknown = true;
}

void
dir_unload(struct dir *d, const char *name)
{
	struct dir_file *f;

	HASH_FIND_STR(d->files, name, f);
	if (f == NULL)
		return;
	dir_load(d, name, "", 0);
	HASH_DEL(d->files, f);
	free(f->claims);
	free(f->refused);
	free(f);
}

int
dir_set_status(struct dir *d, const char *key, const char *text)
{
	struct dir_ident *id = dir_ident_find(d, key);
	uint64_t hash = text != NULL ? hash_str(text, 0) : 0;
	struct kube_error err = { "" };
	struct kube_object *o = NULL;
	char *ns, *name;
	enum kube_kind kind;

	if (id == NULL) {
		if (!key_split(key, &kind, &ns, &name))
			return -EINVAL;
		if (text != NULL)
			id = dir_ident_make(d, kind, ns, name);
		free(ns);
		free(name);
		if (id == NULL)
			return 0;
	}
	if (hash == id->status_hash)
		return 0;
	if (text != NULL && id->claims != NULL &&
	    kube_manifest_decode(id->claims->json, id->kind, text,
	    &d->conf.manifest, &o, &err) != 0) {
		dir_say_status(d, id, &err);
		return -EINVAL;
	}
	kube_object_free(o);
	free(id->status);
	id->status = mem_strdup(text);
	id->status_hash = hash;
	if (kube_kind_is_report(id->kind) || id->claims != NULL ||
	    id->refusal.json != NULL)
		dir_publish(d, id);
	dir_ident_drop(d, id);
	return 0;
}

const char *
dir_unknown_file(const struct dir *d)
{
	const struct dir_file *f;

	for (f = d->files; f != NULL; f = f->hh.next)
		if (f->is_unknown)
			return f->name;
	return NULL;
}

bool
dir_has(const struct dir *d, const char *key)
{
	const struct dir_ident *id = dir_ident_find(d, key);

	return id != NULL && (id->published != 0 || id->stubbed != 0);
}

int
dir_patch(struct dir *d, const char *key, const char *resource_version,
    const char *patch, char **ret_text, struct kube_error *ret_err)
{
	const struct dir_ident *id = dir_ident_find(d, key);
	const struct kube_object *o;
	char *text;

	if (!dir_has(d, key) || kube_kind_is_report(id->kind)) {
		kube_error_set(ret_err, "there is no such manifest");
		return -ENOENT;
	}
	o = id->published != 0 ? kube_store_get(d->store, id->kind, id->ns, id->name) :
	    kube_store_stub(d->store, id->kind, id->ns, id->name);
	if (resource_version != NULL && o != NULL &&
	    strcmp(o->meta.resource_version, resource_version) != 0) {
		kube_error_set(ret_err, "the object has changed since");
		return -ESTALE;
	}
	text = kube_manifest_patch(id->published != 0 ? id->claims->json :
	    id->refusal.json, id->kind, id->status, patch,
	    &d->conf.manifest, ret_err);
	if (text == NULL)
		return -EINVAL;
	*ret_text = text;
	return 0;
}
