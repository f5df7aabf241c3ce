/*
 * dir_io.c - the source that is a directory of manifests: the daemons' default
 * where there is no cluster, and the way they are tested.
 *
 *	PATH/ANY.yaml, .yml, .json	manifests, read and followed
 *	PATH/.status/KIND_NS_NAME.json	{"status":...}, by kube_source_patch_status(),
 *					and annotations, by kube_source_patch(); a
 *					whole report, by kube_source_put()
 *	PATH/.status/events.jsonl	Events, one a line
 *	PATH/.status/NS_NAME.lease	which controller leads, by kube_source_lease()
 *
 * Several daemons share a directory: what one writes the others follow.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "kube/api_encode.h"
#include "kube/api_path.h"
#include "kube/dir_file_io.h"
#include "kube/dir_impl.h"
#include "kube/report_encode.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	EVENTS_MAX = 1 << 20,		/* bytes of events.jsonl */
	/*
	 * Each write costs a sync of the disk, and the loop has more to do, such as to
	 * tell other nodes that this one lives: so long at a time, and then others.
	 * The directory is synced once for so many.
	 */
	WRITES_MS = 5,
	WRITES_PAUSE_MS = 1,
	WRITES_A_SYNC = 32,
};

struct dir_write {
	struct dir_write *prev, *next;
	char	*key;
	char	*resource_version;	/* NULL: whatever it is */
	char	*body;			/* a status patch, or ... */
	char	*object;		/* ... the whole file, or neither: remove it */
	kube_done_fn *done;
	void	*arg;
	int	error;
	struct kube_error text;
};

static struct dir_source *
dir_source(struct kube_source *src)
{
	return (struct dir_source *)src;
}

static void
dir_say(void *arg, enum log_level level, const char *file, unsigned line,
    const char *text)
{
	const struct dir_source *s = arg;
	char *where = line > 0 ? mem_printf("%s/%s:%u", s->path, file, line) :
	    mem_printf("%s/%s", s->path, file);

	log_at(level, LOG_OBJ("file", where), "%s", text);
	free(where);
}

/*
 * An object is gone; its status should not wait for the next of its name. Who
 * writes statuses takes them away; who only reads leaves the files alone.
 */
static void
dir_orphaned(void *arg, const char *key)
{
	struct dir_source *s = arg;
	char *name;

	if (!s->is_writer || s->watch.status_fd < 0)
		return;
	name = mem_printf("%s.json", key);
	(void)unlinkat(s->watch.status_fd, name, 0);
	free(name);
}

static bool
is_held_up(struct dir_source *s)
{
	const char *file = s->needs_all ? dir_unknown_file(&s->dir) : NULL;

	if (file != NULL && !s->is_held_up)
		dir_say(s, LOG_LEVEL_ERROR, file, 0, "what it holds is not known: no "
		    "address is given or taken back until it is mended or removed");
	s->is_held_up = file != NULL;
	return s->is_held_up;
}

void
dir_source_report(struct dir_source *s)
{
	unsigned changed = s->dir.changed;

	s->dir.changed = 0;
	for (unsigned k = 0; k < KUBE_NKINDS; k++)
		if ((changed & 1u << k) != 0)
			s->handler.changed(s->handler.arg, (enum kube_kind)k);
	if (s->is_synced || s->watch.nscans == 0 || is_held_up(s))
		return;
	s->is_synced = true;
	s->handler.synced(s->handler.arg);
}

void
dir_source_refreshed(struct dir_source *s)
{
	kube_refreshed_fn *done = s->refreshed;

	s->refreshed = NULL;
	if (done != NULL)
		done(s->refreshed_arg);
}

static void
write_free(struct dir_write *w)
{
	free(w->key);
	free(w->resource_version);
	free(w->body);
	free(w->object);
	free(w);
}

/* An error of the file system as the outcome of a write. */
static int
write_error(struct dir_source *s, struct dir_write *w, int error)
{
	kube_error_set(&w->text, "%.200s/.status/%.200s.json: %s", s->path, w->key,
	    strerror(-error));
	return error == -EACCES || error == -EPERM || error == -EROFS ? -EACCES :
	    -EIO;
}

static int
write_status(struct dir_source *s, struct dir_write *w)
{
	char *text = NULL, *name;
	int rc;

	rc = dir_watch_make_status(s);
	if (rc != 0)
		return write_error(s, w, rc);
	/* Another process may have written since we last looked. */
	dir_read_status(s, w->key);
	rc = dir_patch(&s->dir, w->key, w->resource_version, w->body, &text,
	    &w->text);
	if (rc != 0)
		return rc;
	name = mem_printf("%s.json", w->key);
	if (text[0] != '\0')
		rc = dir_file_replace(s->watch.status_fd, name, text);
	else if (unlinkat(s->watch.status_fd, name, 0) != 0 && errno != ENOENT)
		rc = -errno;
	rc = rc != 0 ? write_error(s, w, rc) :
	    dir_set_status(&s->dir, w->key, text[0] != '\0' ? text : NULL);
	free(name);
	free(text);
	return rc;
}

/* The file of a report as it is to be, or gone. */
static int
write_report(struct dir_source *s, struct dir_write *w)
{
	int rc = dir_watch_make_status(s);
	char *name;

	if (rc != 0)
		return write_error(s, w, rc);
	name = mem_printf("%s.json", w->key);
	if (w->object != NULL)
		rc = dir_file_replace(s->watch.status_fd, name, w->object);
	else if (unlinkat(s->watch.status_fd, name, 0) != 0 && errno != ENOENT)
		rc = -errno;
	free(name);
	return rc != 0 ? write_error(s, w, rc) : dir_set_status(&s->dir, w->key, w->object);
}

static void
on_writes_due(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct dir_source *s = timer->data;
	struct mono end = mono_add_ms(clock_mono(), WRITES_MS);
	struct dir_write *w;

	(void)revents;
	if (!s->is_synced) {
		/* There is nothing to patch before the first scan. */
		ev_timer_set(timer, 0.01, 0.);
		ev_timer_start(loop, timer);
		return;
	}
	do {
		w = s->writes;
		DL_DELETE(s->writes, w);
		w->error = w->body != NULL ? write_status(s, w) : write_report(s, w);
		DL_APPEND(s->written, w);
		s->nwritten++;
	} while (s->writes != NULL && s->nwritten < WRITES_A_SYNC &&
	    !mono_reached(clock_mono(), end));
	if (s->writes != NULL) {
		ev_now_update(loop);
		ev_timer_set(timer, WRITES_PAUSE_MS / 1e3, 0.);
		ev_timer_start(loop, timer);
		if (s->nwritten < WRITES_A_SYNC)
			return;
	}
	/* One sync for all the renames. */
	if (s->watch.status_fd >= 0)
		(void)fsync(s->watch.status_fd);
	s->nwritten = 0;
	/* A done() may cancel those that follow. */
	while ((w = s->written) != NULL) {
		DL_DELETE(s->written, w);
		s->nwrites--;
		if (w->done != NULL)
			w->done(w->arg, w->error, w->text.text);
		write_free(w);
	}
	dir_source_report(s);
}

static struct dir_write *
queue(struct dir_source *s, enum kube_kind kind, const char *ns, const char *name,
    kube_done_fn *done, void *arg)
{
	struct dir_write *w = mem_zalloc(sizeof(*w));
	char key[DIR_KEY_LEN];

	dir_key(kind, ns, name, key);
	w->key = mem_strdup(key);
	w->done = done;
	w->arg = arg;
	DL_APPEND(s->writes, w);
	s->nwrites++;
	if (!ev_is_active(&s->writes_due)) {
		ev_timer_set(&s->writes_due, 0., 0.);
		ev_timer_start(s->loop, &s->writes_due);
	}
	return w;
}

static void
dir_source_patch(struct kube_source *src, enum kube_kind kind,
    const char *ns, const char *name, const char *resource_version,
    const char *body, kube_done_fn *done, void *arg)
{
	struct dir_source *s = dir_source(src);
	struct dir_write *w = queue(s, kind, ns, name, done, arg);

	w->resource_version = mem_strdup(resource_version);
	w->body = mem_strdup(body);
	s->is_writer = true;
}

static void
dir_source_put(struct kube_source *src, const struct kube_object *o,
    const char *node_uid, kube_done_fn *done, void *arg)
{
	struct dir_source *s = dir_source(src);
	struct api_scope scope = { .api_group = s->dir.conf.manifest.api_group };
	struct dir_write *w = queue(s, o->kind, o->meta.ns, o->meta.name, done, arg);
	char *version = api_version(o->kind, 0, &scope);

	w->object = kube_encode_report(o, api_group(o->kind, &scope), version, node_uid);
	free(version);
}

static void
dir_source_delete(struct kube_source *src, enum kube_kind kind, const char *ns,
    const char *name, kube_done_fn *done, void *arg)
{
	(void)queue(dir_source(src), kind, ns, name, done, arg);
}

static bool
dir_source_has_listed(const struct kube_source *src, enum kube_kind kind)
{
	(void)kind;
	return ((const struct dir_source *)src)->is_synced;
}

static void
dir_source_event(struct kube_source *src, const struct kube_event *ev)
{
	struct dir_source *s = dir_source(src);
	struct api_scope scope = { .api_group = s->dir.conf.manifest.api_group };
	char *version = api_version(ev->kind, 0, &scope);
	char *line = api_event_encode(ev, version, s->component, s->node_name,
	    clock_wall_ns());
	int rc = dir_watch_make_status(s);

	if (rc == 0)
		rc = dir_file_append(s->watch.status_fd, "events.jsonl", line,
		    EVENTS_MAX);
	if (rc != 0)
		log_warn(LOG_OBJ("dir", s->path), "cannot record the event %s: %s",
		    ev->reason, strerror(-rc));
	free(line);
	free(version);
}

static int
dir_source_ask(struct kube_source *src, const char *node, uint16_t port,
    const char *path, kube_done_fn *done, void *arg)
{
	(void)src;
	(void)node;
	(void)port;
	(void)path;
	(void)done;
	(void)arg;
	return -ENOTSUP;
}

static unsigned
dir_source_pending(const struct kube_source *src)
{
	return ((const struct dir_source *)src)->nwrites;
}

static bool
dir_source_is_synced(const struct kube_source *src)
{
	return ((const struct dir_source *)src)->is_synced;
}

static void
dir_source_free(struct dir_source *s)
{
	dir_fini(&s->dir);
	free(s->path);
	free(s->node_name);
	free(s->own_ns);
	free(s->api_group);
	free(s->component);
	free(s);
}

static void
free_all(struct dir_write **list)
{
	struct dir_write *w, *next;

	DL_FOREACH_SAFE(*list, w, next)
		write_free(w);
	*list = NULL;
}

static void
dir_source_cancel_writes(struct kube_source *src)
{
	struct dir_source *s = dir_source(src);

	ev_timer_stop(s->loop, &s->writes_due);
	free_all(&s->writes);
	free_all(&s->written);
	s->nwrites = s->nwritten = 0;
}

static void
dir_source_refresh(struct kube_source *src, kube_refreshed_fn *done, void *arg)
{
	struct dir_source *s = dir_source(src);

	s->refreshed = done;
	s->refreshed_arg = arg;
	dir_watch_refresh(s);
}

static void
dir_source_close(struct kube_source *src)
{
	struct dir_source *s = dir_source(src);

	dir_source_cancel_writes(src);
	dir_lease_stop(s);
	dir_watch_stop(s);
	dir_source_free(s);
}

static const struct kube_source_ops dir_ops = {
	.close = dir_source_close,
	.is_synced = dir_source_is_synced,
	/* The body says what it is a patch of. */
	.patch = dir_source_patch,
	.patch_status = dir_source_patch,
	.put = dir_source_put,
	.delete = dir_source_delete,
	.has_listed = dir_source_has_listed,
	.event = dir_source_event,
	.cancel_writes = dir_source_cancel_writes,
	.refresh = dir_source_refresh,
	.lease = dir_lease,
	.ask = dir_source_ask,
	.pending = dir_source_pending,
};

struct kube_source *
dir_source_open(struct ev_loop *loop, const struct kube_source_conf *conf,
    struct kube_store *store, const struct kube_source_handler *handler,
    struct kube_error *ret_err)
{
	struct dir_source *s = mem_zalloc(sizeof(*s));
	struct dir_conf dc = { .kinds = conf->kinds, .say = dir_say,
		.orphaned = dir_orphaned, .arg = s };

	s->src.ops = &dir_ops;
	s->loop = loop;
	s->handler = *handler;
	s->path = mem_strdup(conf->spec + strlen("dir:"));
	s->component = mem_strdup(conf->component);
	s->node_name = mem_strdup(conf->node_name);
	s->own_ns = mem_strdup(conf->ns);
	s->needs_all = conf->needs_all;
	s->api_group = mem_strdup(conf->api_group != NULL ? conf->api_group :
	    KUBE_API_GROUP_DEFAULT);
	dc.node_name = s->node_name;
	dc.wide_kinds = conf->wide_kinds;
	dc.manifest.own_ns = s->own_ns;
	dc.manifest.api_group = s->api_group;
	dir_init(&s->dir, &dc, store);
	ev_init(&s->writes_due, on_writes_due);
	s->writes_due.data = s;
	if (dir_watch_start(s, ret_err) != 0) {
		dir_source_free(s);
		return NULL;
	}
	return &s->src;
}
