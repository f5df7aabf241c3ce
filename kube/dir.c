/* dir.c - see dir.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/dir.h"
#include "kube/report.h"
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
};

__attribute__((format(printf, 5, 6)))
static void
say(const struct dir *d, enum log_level level, const char *file, unsigned line,
    const char *fmt, ...)
{
	struct kube_error text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	d->conf.say(d->conf.arg, level, file, line, text.text);
}

void
dir_key(enum kube_kind kind, const char *ns, const char *name,
    char buf[DIR_KEY_LEN])
{
	snprintf(buf, DIR_KEY_LEN, "%.30s_%.253s_%.253s", kube_kind_name(kind),
	    ns != NULL ? ns : "", name);
}

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

static struct dir_ident *
ident_find(const struct dir *d, const char *key)
{
	struct dir_ident *id;

	HASH_FIND_STR(d->idents, key, id);
	return id;
}

static struct dir_ident *
ident_make(struct dir *d, enum kube_kind kind, const char *ns, const char *name)
{
	char key[DIR_KEY_LEN];
	struct dir_ident *id;
	size_t len;

	dir_key(kind, ns, name, key);
	id = ident_find(d, key);
	if (id != NULL)
		return id;
	/* The names are kept behind the key, in one block. */
	len = strlen(key) + 1;
	id = mem_zalloc(sizeof(*id) + len + strlen(ns != NULL ? ns : "") + 1 +
	    strlen(name) + 1);
	memcpy(id->key, key, len);
	id->kind = kind;
	id->name = strcpy(id->key + len, name);
	if (ns != NULL && ns[0] != '\0')
		id->ns = strcpy(id->key + len + strlen(name) + 1, ns);
	HASH_ADD_STR(d->idents, key, id);
	return id;
}

/* Forget it where nothing is known of it any more. */
static void
ident_drop(struct dir *d, struct dir_ident *id)
{
	if (id->claims != NULL || id->status != NULL)
		return;
	HASH_DEL(d->idents, id);
	free(id);
}

static int
claim_cmp(const struct dir_claim *a, const struct dir_claim *b)
{
	int c = strcmp(a->file->name, b->file->name);

	return c != 0 ? c : a->place < b->place ? -1 : a->place > b->place;
}

static void
claim_link(struct dir_claim *c)
{
	struct dir_claim **p = &c->ident->claims;

	while (*p != NULL && claim_cmp(*p, c) < 0)
		p = &(*p)->next;
	c->next = *p;
	*p = c;
}

static void
claim_unlink(struct dir_claim *c)
{
	for (struct dir_claim **p = &c->ident->claims; *p != NULL; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			return;
		}
}

static void
claim_free(struct dir_claim *c)
{
	if (c == NULL)
		return;
	if (c->is_secret)
		explicit_bzero(c->json, strlen(c->json));
	free(c->json);
	free(c);
}

static void
withdraw(struct dir *d, struct dir_ident *id)
{
	if (kube_store_delete(d->store, id->kind, id->ns, id->name))
		d->changed |= 1u << id->kind;
	id->published = 0;
}

static void
say_status(const struct dir *d, const struct dir_ident *id,
    const struct kube_error *err)
{
	char file[DIR_KEY_LEN + 16];

	snprintf(file, sizeof(file), ".status/%s.json", id->key);
	say(d, LOG_LEVEL_WARN, file, 0, "this status is not used: %.400s; remove "
	    "the file", err->text);
}

/* False where it is another node's, and only this one's are wanted. */
static bool
is_of_node(const struct dir *d, const struct kube_object *o)
{
	const char *node = NULL;

	if (d->conf.node_name == NULL)
		return true;
	if (kube_kind_is_report(o->kind))
		node = kube_report_node(o);
	else if (o->kind == KUBE_POD)
		node = o->pod.node_name != NULL ? o->pod.node_name : "";
	return node == NULL || strcmp(node, d->conf.node_name) == 0;
}

static void
put(struct dir *d, struct dir_ident *id, struct kube_object *o, uint64_t hash)
{
	id->published = hash;
	o->meta.resource_version = arena_printf(&o->arena, "%016" PRIx64, hash);
	/* Put even where nothing but the line has changed: put knows news. */
	if (kube_store_put(d->store, o))
		d->changed |= 1u << id->kind;
}

/* A report has no manifest: its status file holds all of it. */
static void
publish_report(struct dir *d, struct dir_ident *id)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };

	if (id->status == NULL || (d->conf.kinds & 1u << id->kind) == 0) {
		withdraw(d, id);
		return;
	}
	if (kube_manifest_decode(id->status, id->kind, NULL, &d->conf.manifest, &o,
	    &err) != 0) {
		say_status(d, id, &err);
		return;
	}
	if (strcmp(o->meta.name, id->name) != 0 || strcmp(o->meta.ns, id->ns) != 0) {
		kube_error_set(&err, "it holds %s", KUBE_KEY(o));
		say_status(d, id, &err);
		kube_object_free(o);
	} else if (is_of_node(d, o)) {
		put(d, id, o, id->status_hash | 1);
	} else {
		kube_object_free(o);
		withdraw(d, id);
	}
}

/* The store's object for the winning claim and the status, or NULL. */
static struct kube_object *
object_make(const struct dir *d, const struct dir_ident *id)
{
	const struct dir_claim *c = id->claims;
	struct kube_object *o = NULL;
	struct kube_error err = { "" };

	if (kube_manifest_decode(c->json, id->kind, id->status,
	    &d->conf.manifest, &o, &err) != 0) {
		if (id->status != NULL)
			say_status(d, id, &err);
		if (kube_manifest_decode(c->json, id->kind, NULL,
		    &d->conf.manifest, &o, &err) != 0) {
			say(d, LOG_LEVEL_ERROR, c->file->name, c->line, "%.400s",
			    err.text);
			return NULL;
		}
	}
	o->origin = arena_printf(&o->arena, "%s:%u", c->file->name, c->line);
	return o;
}

/* Make the store agree with what is known of an object. */
static void
publish(struct dir *d, struct dir_ident *id)
{
	const struct dir_claim *c = id->claims;
	struct kube_object *o;
	uint64_t hash;

	if (c == NULL) {
		withdraw(d, id);
		if (id->status != NULL && d->conf.orphaned != NULL)
			d->conf.orphaned(d->conf.arg, id->key);
		return;
	}
	/* The status is a part only where there is one: 0 means "not there". */
	hash = hash_bytes(&id->status_hash, sizeof(id->status_hash), c->hash) | 1;
	if (id->published == hash && id->published_file == c->file &&
	    id->published_line == c->line)
		return;
	o = object_make(d, id);
	if (o == NULL)
		return;
	if (!is_of_node(d, o)) {
		kube_object_free(o);
		withdraw(d, id);
		return;
	}
	put(d, id, o, hash);
	id->published_file = c->file;
	id->published_line = c->line;
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
			claim_free(f->claims[i]);
		free(f->claims);
		HASH_DEL(d->files, f);
		free(f);
	}
	HASH_ITER(hh, d->idents, id, next_id) {
		HASH_DEL(d->idents, id);
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

static void
load_refuse_ident(struct load *l, struct dir_ident *id)
{
	if (id->refused_in == l->id)
		return;
	id->refused_in = l->id;
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
		say(l->d, LOG_LEVEL_DEBUG, l->file->name, item->line,
		    "skipped: %.400s", item->why);
		return;
	}
	say(l->d, LOG_LEVEL_WARN, l->file->name, item->line, "%s%s%.400s",
	    id->name[0] != '\0' ? id->name : "",
	    id->name[0] != '\0' ? ": " : "", item->why);
	if (item->error == -EPROTONOSUPPORT)
		return;
	if (id->kind == KUBE_NKINDS || id->name[0] == '\0')
		l->has_unknown = true;
	else
		load_refuse_ident(l, ident_make(l->d, id->kind, id->ns, id->name));
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
		say(l->d, LOG_LEVEL_WARN, l->file->name, item->line, "a %s is written by "
		    "speakers; remove it", kube_kind_name(kind));
		return false;
	}
	if (!kube_kind_is_local(kind) || conf->manifest.own_ns == NULL ||
	    strcmp(item->id.ns, conf->manifest.own_ns) == 0)
		return true;
	/* Anybody's Secrets may be in the folder; our own resources are ours. */
	say(l->d, kind == KUBE_SECRET ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, l->file->name,
	    item->line, "metadata.namespace: \"%s\": %s %s is read from namespace %s "
	    "only; move it there", item->id.ns, kube_kind_name(kind), item->id.name,
	    conf->manifest.own_ns);
	return false;
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
	id = ident_make(l->d, item->id.kind, item->id.ns, item->id.name);
	if (id->seen_in == l->id) {
		say(l->d, LOG_LEVEL_WARN, l->file->name, item->line,
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

		claim_unlink(c);
		if (!is_kept(l, c))
			continue;
		c->is_kept = true;
		file_add(l->file, c);
		l->old[i] = NULL;
		nkept++;
	}
	if (nkept > 0)
		say(l->d, LOG_LEVEL_WARN, l->file->name, 0, "%zu object%s that "
		    "this file held before stay%s until it is mended", nkept,
		    nkept == 1 ? "" : "s", nkept == 1 ? "s" : "");
	for (size_t i = 0; i < l->file->nclaims; i++) {
		struct dir_claim *c = l->file->claims[i];
		const struct dir_claim *first;

		claim_link(c);
		first = c->ident->claims;
		if (first->next == NULL || c->is_kept)
			continue;
		c = first == c ? c->next : c;
		say(l->d, LOG_LEVEL_WARN, c->file->name, c->line, "%s %s is also "
		    "in %s:%u, which comes first and is used; remove one",
		    kube_kind_name(c->ident->kind), c->ident->name,
		    first->file->name, first->line);
	}
}

static void
load_publish(struct load *l)
{
	for (size_t i = 0; i < l->file->nclaims; i++)
		publish(l->d, l->file->claims[i]->ident);
	for (size_t i = 0; i < l->nold; i++) {
		struct dir_claim *c = l->old[i];
		struct dir_ident *id;

		if (c == NULL)
			continue;
		id = c->ident;
		claim_free(c);
		/* Another file may have it still, or this one under a new claim. */
		if (id->seen_in != l->id)
			publish(l->d, id);
		if (id->refused_in != l->id)
			ident_drop(l->d, id);
	}
	for (size_t i = 0; i < l->nrefused; i++)
		ident_drop(l->d, l->refused[i]);
}

void
dir_load(struct dir *d, const char *name, const char *text, size_t len)
{
	struct load l = { .d = d, .file = file_make(d, name), .id = ++d->nloads };
	size_t n = strlen(name);
	bool is_json = n > 5 && strcmp(name + n - 5, ".json") == 0;

	l.old = l.file->claims;
	l.nold = l.file->nclaims;
	l.file->claims = NULL;
	l.file->nclaims = l.file->cap = 0;
	kube_manifest_read(text, len, is_json, &d->conf.manifest, load_item, &l);
	load_swap(&l);
	load_publish(&l);
	free(l.refused);
	free(l.old);
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
	free(f);
}

int
dir_set_status(struct dir *d, const char *key, const char *text)
{
	struct dir_ident *id = ident_find(d, key);
	uint64_t hash = text != NULL ? hash_str(text, 0) : 0;
	struct kube_error err = { "" };
	struct kube_object *o = NULL;
	char *ns, *name;
	enum kube_kind kind;

	if (id == NULL) {
		if (!key_split(key, &kind, &ns, &name))
			return -EINVAL;
		if (text != NULL)
			id = ident_make(d, kind, ns, name);
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
		say_status(d, id, &err);
		return -EINVAL;
	}
	kube_object_free(o);
	free(id->status);
	id->status = mem_strdup(text);
	id->status_hash = hash;
	if (kube_kind_is_report(id->kind))
		publish_report(d, id);
	else if (id->claims != NULL)
		publish(d, id);
	ident_drop(d, id);
	return 0;
}

bool
dir_has(const struct dir *d, const char *key)
{
	const struct dir_ident *id = ident_find(d, key);

	return id != NULL && id->published != 0;
}

int
dir_patch(struct dir *d, const char *key, const char *resource_version,
    const char *patch, char **ret_text, struct kube_error *ret_err)
{
	const struct dir_ident *id = ident_find(d, key);
	const struct kube_object *o;
	char *text;

	if (id == NULL || id->published == 0 || id->claims == NULL) {
		kube_error_set(ret_err, "there is no such manifest");
		return -ENOENT;
	}
	o = kube_store_get(d->store, id->kind, id->ns, id->name);
	if (resource_version != NULL && o != NULL &&
	    strcmp(o->meta.resource_version, resource_version) != 0) {
		kube_error_set(ret_err, "the object has changed since");
		return -ESTALE;
	}
	text = kube_manifest_patch(id->claims->json, id->kind, id->status, patch,
	    &d->conf.manifest, ret_err);
	if (text == NULL)
		return -EINVAL;
	*ret_text = text;
	return 0;
}
