/*
 * dir_rig.h - a directory of manifests of a test's own, the dir source on it, and a
 * real loop: what is asked is that a thing comes about, within LIMIT_SEC; nothing
 * waits for time to pass but what must be seen not to happen.
 */
#ifndef HERALD_TESTS_KUBE_DIR_RIG_H
#define HERALD_TESTS_KUBE_DIR_RIG_H

#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kube/dir_file_io.h"
#include "kube/source.h"
#include "lib/log.h"
#include "tests/check.h"

static const double LIMIT_SEC = 10.;
static const double QUIET_SEC = 0.1;	/* long enough to see nothing happen */

struct rig {
	struct ev_loop *loop;
	struct kube_store *store;
	struct kube_source *src;
	unsigned nchanged, nsynced;
	bool	is_late;		/* the guard went off */
	ev_timer guard;
	int	ndone, error;		/* the last patch */
	char	text[512];
};

static char path[64];
static char logged[8192];

static inline void
keep_log(void *arg, const char *line, size_t len)
{
	size_t n = strlen(logged);

	(void)arg;
	snprintf(logged + n, sizeof(logged) - n, "%.*s", (int)len, line);
}

/* FILE relative to the directory; in a ring, so that two may be had at once. */
static inline const char *
at(const char *file)
{
	static char ring[4][256];
	static unsigned next;
	char *p = ring[next++ % 4];

	snprintf(p, sizeof(ring[0]), "%s/%s", path, file);
	return p;
}

static inline void
put(const char *file, const char *text)
{
	FILE *f = fopen(at(file), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static inline char *
get(const char *file)
{
	char *text = NULL;
	struct stat st;
	size_t len;

	if (dir_file_read(AT_FDCWD, at(file), 1 << 22, &text, &len, &st) != 0)
		return NULL;
	return text;
}

static inline void
on_changed(void *arg, enum kube_kind kind)
{
	(void)kind;
	((struct rig *)arg)->nchanged++;
}

static inline void
on_synced(void *arg)
{
	((struct rig *)arg)->nsynced++;
}

static inline void
on_guard(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	((struct rig *)t->data)->is_late = true;
}

static inline void
on_done(void *arg, int error, const char *text)
{
	struct rig *r = arg;

	r->ndone++;
	r->error = error;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

typedef bool check_fn(const struct rig *r);

/* Run the loop until it holds, or for limit seconds; true where it does. */
static inline bool
run_for(struct rig *r, check_fn *holds, double limit)
{
	r->is_late = false;
	ev_timer_init(&r->guard, on_guard, limit, 0.);
	r->guard.data = r;
	ev_now_update(r->loop);
	ev_timer_start(r->loop, &r->guard);
	while (!r->is_late && (holds == NULL || !holds(r)))
		ev_run(r->loop, EVRUN_ONCE);
	ev_timer_stop(r->loop, &r->guard);
	return holds != NULL && holds(r);
}

#define run_until(r, holds) \
	ck_assert_msg(run_for((r), (holds), LIMIT_SEC), "not within %g s: " #holds \
	    "\n%s", LIMIT_SEC, logged)

static inline bool
is_synced(const struct rig *r)
{
	return r->nsynced > 0;
}

static inline bool
is_done(const struct rig *r)
{
	return kube_source_pending(r->src) == 0;
}

static inline void
rig_open_conf(struct rig *r, bool needs_all)
{
	struct kube_source_handler h = { on_changed, on_synced, r };
	struct kube_source_conf conf = { .kinds = (1u << KUBE_NKINDS) - 1,
		.component = "test", .needs_all = needs_all };
	struct kube_error err = { "" };
	char spec[128];

	snprintf(spec, sizeof(spec), "dir:%s", path);
	*r = (struct rig){ .loop = ev_loop_new(0), .store = kube_store_new() };
	conf.spec = spec;
	r->src = kube_source_open(r->loop, &conf, r->store, &h, &err);
	ck_assert_msg(r->src != NULL, "%s", err.text);
	memset(spec, 'x', sizeof(spec));	/* it may go: a copy was taken */
}

static inline void
rig_open(struct rig *r)
{
	rig_open_conf(r, false);
}

static inline void
rig_close(struct rig *r)
{
	kube_source_close(r->src);
	kube_store_free(r->store);
	ev_loop_destroy(r->loop);
}

static inline void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/herald-dir-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	logged[0] = '\0';
	log_set_sink(keep_log, NULL);
}

static inline void
teardown(void)
{
	char cmd[128];

	log_set_sink(NULL, NULL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	ck_assert_int_eq(system(cmd), 0);
}

#define SVC(name, port) "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n" \
	"spec: {ports: [{port: " port "}]}\n"

/* The first port of Service `name`, 0 where there is none. */
static inline unsigned
port_of(const struct rig *r, const char *name)
{
	const struct kube_object *o = kube_store_get(r->store, KUBE_SERVICE, "default",
	    name);

	return o != NULL ? o->service.ports[0].port : 0;
}

static inline bool is_80(const struct rig *r) { return port_of(r, "web") == 80; }
static inline bool is_81(const struct rig *r) { return port_of(r, "web") == 81; }
static inline bool is_82(const struct rig *r) { return port_of(r, "web") == 82; }
static inline bool is_other(const struct rig *r) { return port_of(r, "other") != 0; }
static inline bool is_none(const struct rig *r) { return port_of(r, "web") == 0; }
#endif
