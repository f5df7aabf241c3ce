/* dir_ident.c - see dir_ident.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/dir_ident.h"
#include "kube/report.h"
#include "lib/hash.h"
#include "lib/mem.h"

void
dir_say(const struct dir *d, enum log_level level, const char *file, unsigned line,
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

struct dir_ident *
dir_ident_find(const struct dir *d, const char *key)
{
	struct dir_ident *id;

	HASH_FIND_STR(d->idents, key, id);
	return id;
}

struct dir_ident *
dir_ident_make(struct dir *d, enum kube_kind kind, const char *ns, const char *name)
{
	char key[DIR_KEY_LEN];
	struct dir_ident *id;
	size_t len;

	dir_key(kind, ns, name, key);
	id = dir_ident_find(d, key);
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

void
dir_ident_drop(struct dir *d, struct dir_ident *id)
{
	if (id->claims != NULL || id->status != NULL || id->refusal.json != NULL)
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

void
dir_claim_link(struct dir_claim *c)
{
	struct dir_claim **p = &c->ident->claims;

	while (*p != NULL && claim_cmp(*p, c) < 0)
		p = &(*p)->next;
	c->next = *p;
	*p = c;
}

void
dir_claim_unlink(struct dir_claim *c)
{
	for (struct dir_claim **p = &c->ident->claims; *p != NULL; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			return;
		}
}

void
dir_claim_free(struct dir_claim *c)
{
	if (c == NULL)
		return;
	if (c->is_secret)
		explicit_bzero(c->json, strlen(c->json));
	free(c->json);
	free(c);
}

void
dir_refuse(struct dir_ident *id, const struct dir_file *file, unsigned line,
    char *json)
{
	if (id->refusal.json != NULL && id->refusal.file != file) {
		free(json);
		return;
	}
	free(id->refusal.json);
	id->refusal = (struct dir_refusal){ .file = file, .line = line,
	    .json = json, .hash = hash_str(json, 0) };
}

void
dir_unrefuse(struct dir_ident *id, const struct dir_file *file)
{
	if (id->refusal.file != file)
		return;
	free(id->refusal.json);
	id->refusal = (struct dir_refusal){ 0 };
}

static void
withdraw(struct dir *d, struct dir_ident *id)
{
	if (kube_store_delete(d->store, id->kind, id->ns, id->name))
		d->changed |= 1u << id->kind;
	id->published = id->stubbed = 0;
}

void
dir_say_status(const struct dir *d, const struct dir_ident *id,
    const struct kube_error *err)
{
	char file[DIR_KEY_LEN + 16];

	snprintf(file, sizeof(file), ".status/%s.json", id->key);
	dir_say(d, LOG_LEVEL_WARN, file, 0, "this status is not used: %.400s; remove "
	    "the file", err->text);
}

/* False where it is another node's, and only this one's are wanted. */
static bool
is_of_node(const struct dir *d, const struct kube_object *o)
{
	const char *node = NULL;

	if (d->conf.node_name == NULL || (d->conf.wide_kinds & 1u << o->kind))
		return true;
	if (kube_kind_is_report(o->kind))
		node = kube_report_node(o);
	else if (o->kind == KUBE_POD)
		node = o->pod.node_name != NULL ? o->pod.node_name : "";
	return node == NULL || strcmp(node, d->conf.node_name) == 0;
}

static void
put(struct dir *d, struct kube_object *o, uint64_t hash)
{
	o->meta.resource_version = arena_printf(&o->arena, "%016" PRIx64, hash);
	/* Put even where nothing but the line has changed: put knows news. */
	if (kube_store_put(d->store, o))
		d->changed |= 1u << o->kind;
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
		dir_say_status(d, id, &err);
		return;
	}
	if (strcmp(o->meta.name, id->name) != 0 || strcmp(o->meta.ns, id->ns) != 0) {
		kube_error_set(&err, "it holds %s", KUBE_KEY(o));
		dir_say_status(d, id, &err);
		kube_object_free(o);
	} else if (is_of_node(d, o)) {
		id->published = id->status_hash | 1;
		put(d, o, id->published);
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
			dir_say_status(d, id, &err);
		if (kube_manifest_decode(c->json, id->kind, NULL,
		    &d->conf.manifest, &o, &err) != 0) {
			dir_say(d, LOG_LEVEL_ERROR, c->file->name, c->line, "%.400s",
			    err.text);
			return NULL;
		}
	}
	o->origin = arena_printf(&o->arena, "%s:%u", c->file->name, c->line);
	return o;
}

/* The status is a part only where there is one; 0 means "not in the store". */
static uint64_t
version_of(const struct dir_ident *id, uint64_t hash)
{
	return hash_bytes(&id->status_hash, sizeof(id->status_hash), hash) | 1;
}

static void
publish_stub(struct dir *d, struct dir_ident *id)
{
	const struct dir_refusal *r = &id->refusal;
	uint64_t hash = version_of(id, r->hash);
	struct kube_object *o;

	if (r->json == NULL && id->stubbed != 0) {
		if (kube_store_delete_stub(d->store, id->kind, id->ns, id->name))
			d->changed |= 1u << id->kind;
		id->stubbed = 0;
	}
	if (r->json == NULL || id->stubbed == hash)
		return;
	o = kube_manifest_stub(r->json, id->kind, id->status, &d->conf.manifest);
	if (o == NULL)
		return;
	o->origin = arena_printf(&o->arena, "%s:%u", r->file->name, r->line);
	put(d, o, hash);
	id->stubbed = hash;
}

static void
publish_claim(struct dir *d, struct dir_ident *id)
{
	const struct dir_claim *c = id->claims;
	uint64_t hash = version_of(id, c->hash);
	struct kube_object *o;

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
	put(d, o, hash);
	id->published = hash;
	id->published_file = c->file;
	id->published_line = c->line;
	id->stubbed = 0;	/* as kube_store_put() has it */
}

void
dir_publish(struct dir *d, struct dir_ident *id)
{
	if (kube_kind_is_report(id->kind)) {
		publish_report(d, id);
		return;
	}
	if (id->claims != NULL)
		publish_claim(d, id);
	else if (id->refusal.json == NULL)
		withdraw(d, id);
	publish_stub(d, id);
	if (id->claims == NULL && id->refusal.json == NULL && id->status != NULL &&
	    d->conf.orphaned != NULL)
		d->conf.orphaned(d->conf.arg, id->key);
}

