/*
 * dir_watch_io.c - which files of a directory to read, and when.
 *
 * inotify names what has changed; it is read once a burst is over. A file is
 * read when its writer closes it or it is renamed into place, never while it
 * is being written. Whatever inotify cannot tell (an overflow, a link's
 * target, NFS, a directory taken away and put back) a scan finds that compares
 * stamps; one runs every AUDIT_SEC in any case.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "kube/dir_file_io.h"
#include "kube/dir_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define STATUS_DIR ".status"

static const double SETTLE_SEC = 0.002;		/* a burst's length */
static const double AUDIT_SEC = 10.;
static const double LOST_SEC = 0.25;		/* looks for a lost directory */
static const double REFILL_SEC = 0.5;		/* a new one is given to be filled */
static const int64_t YOUNG_NS = 200 * NSEC_PER_MSEC; /* maybe half written */

enum {
	STATUS_MAX = 1 << 20,
	DIR_EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
	    IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
	STATUS_EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
	    IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
	GONE_EVENTS = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT,
};

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

/* Neither hidden nor an editor's: "x.yaml~", ".x.yaml.swp", "#x.yaml#". */
static bool
is_manifest(const char *name)
{
	return name[0] != '.' && (has_suffix(name, ".yaml") ||
	    has_suffix(name, ".yml") || has_suffix(name, ".json"));
}

static bool
is_status(const char *name)
{
	return name[0] != '.' && has_suffix(name, ".json");
}

static void
names_add(struct dir_name **set, const char *name)
{
	struct dir_name *n;

	HASH_FIND_STR(*set, name, n);
	if (n != NULL)
		return;
	n = mem_zalloc(sizeof(*n) + strlen(name) + 1);
	strcpy(n->name, name);
	HASH_ADD_STR(*set, name, n);
}

static void
names_clear(struct dir_name **set)
{
	struct dir_name *n, *next;

	HASH_ITER(hh, *set, n, next) {
		HASH_DEL(*set, n);
		free(n);
	}
}

static struct dir_stamp *
stamp_find(const struct dir_watch *w, const char *name)
{
	struct dir_stamp *t;

	HASH_FIND_STR(w->stamps, name, t);
	return t;
}

static void
stamp_set(struct dir_watch *w, const char *name, const struct stat *st)
{
	struct dir_stamp *t = stamp_find(w, name);

	if (t == NULL) {
		t = mem_zalloc(sizeof(*t) + strlen(name) + 1);
		strcpy(t->name, name);
		t->scan = w->nscans;
		HASH_ADD_STR(w->stamps, name, t);
	}
	t->st = *st;
}

static void
stamp_drop(struct dir_watch *w, struct dir_stamp *t)
{
	if (t == NULL)
		return;
	HASH_DEL(w->stamps, t);
	free(t);
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
wake_in(struct dir_source *s, double sec)
{
	struct dir_watch *w = &s->watch;

	/* The first to ask counts, so that a stream of events cannot hold
	   reading off for ever. */
	if (ev_is_active(&w->settle) && ev_timer_remaining(s->loop, &w->settle) <= sec)
		return;
	ev_timer_stop(s->loop, &w->settle);
	ev_timer_set(&w->settle, sec, 0.);
	ev_timer_start(s->loop, &w->settle);
}

static void
read_manifest(struct dir_source *s, const char *name)
{
	struct dir_watch *w = &s->watch;
	char *text = NULL;
	size_t len = 0;
	struct stat st;
	int rc = dir_file_read(w->dir_fd, name, KUBE_MANIFEST_MAX, &text, &len, &st);

	if (rc == -ENOENT) {
		stamp_drop(w, stamp_find(w, name));
		dir_unload(&s->dir, name);
		return;
	}
	if (rc != 0) {
		log_warn(LOG_OBJ("file", name), "cannot read it: %s; what it held "
		    "before stays", strerror(-rc));
		return;
	}
	stamp_set(w, name, &st);
	dir_load(&s->dir, name, text, len);
	free(text);
}

void
dir_watch_read_status(struct dir_source *s, const char *key)
{
	char name[DIR_KEY_LEN + sizeof(".json")], *text = NULL;
	size_t len = 0;
	struct stat st;
	int rc;

	if (s->watch.status_fd < 0)
		return;
	snprintf(name, sizeof(name), "%s.json", key);
	rc = dir_file_read(s->watch.status_fd, name, STATUS_MAX, &text, &len, &st);
	if (rc != 0 && rc != -ENOENT) {
		log_warn(LOG_OBJ("file", name), "cannot read this status: %s",
		    strerror(-rc));
		return;
	}
	if (dir_set_status(&s->dir, key, text) != 0)
		log_debug(LOG_OBJ("file", name), "no status");
	free(text);
}

static void
read_status_file(struct dir_source *s, const char *name)
{
	char key[DIR_KEY_LEN];

	snprintf(key, sizeof(key), "%.*s",
	    (int)(strlen(name) - strlen(".json")), name);
	dir_watch_read_status(s, key);
}

/* A directory of its own for each scan: a descriptor's place is shared. */
static DIR *
open_list(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = own >= 0 ? fdopendir(own) : NULL;

	if (list == NULL && own >= 0)
		close(own);
	return list;
}

/* True where it was left for later. */
static bool
scan_one(struct dir_source *s, const char *name, enum dir_scan how)
{
	struct dir_watch *w = &s->watch;
	struct dir_stamp *t = stamp_find(w, name);
	struct stat st;
	int64_t age_ns;

	if (t != NULL)
		t->scan = w->nscans;
	if (fstatat(w->dir_fd, name, &st, 0) != 0)
		st = (struct stat){ .st_nlink = 0 };	/* reading will tell why */
	if (t != NULL && is_same_file(&t->st, &st))
		return false;
	age_ns = clock_wall_ns() - st.st_mtim.tv_sec * NSEC_PER_SEC -
	    st.st_mtim.tv_nsec;
	if (how == DIR_SCAN_LATER && age_ns >= 0 && age_ns < YOUNG_NS)
		return true;
	read_manifest(s, name);
	return false;
}

static void
scan_manifests(struct dir_source *s, enum dir_scan how)
{
	struct dir_watch *w = &s->watch;
	DIR *list = open_list(w->dir_fd);
	struct dir_stamp *t, *next;
	const struct dirent *e;
	bool is_later = false;

	if (list == NULL) {
		log_warn(LOG_OBJ("dir", s->path), "cannot list it: %s; what it "
		    "held before stays", strerror(errno));
		return;
	}
	w->nscans++;
	while ((e = readdir(list)) != NULL)
		if (is_manifest(e->d_name))
			is_later |= scan_one(s, e->d_name, how);
	closedir(list);
	HASH_ITER(hh, w->stamps, t, next) {
		if (t->scan == w->nscans)
			continue;
		dir_unload(&s->dir, t->name);
		stamp_drop(w, t);
	}
	if (is_later) {
		w->scan = DIR_SCAN_LATER;
		wake_in(s, (double)YOUNG_NS / 1e9);
	}
}

static void
scan_statuses(struct dir_source *s)
{
	struct dir_ident *id, *next;
	struct dir_name *names = NULL, *n, *next_name;
	const struct dirent *e;
	DIR *list = NULL;

	if (s->watch.status_fd >= 0)
		list = open_list(s->watch.status_fd);
	while (list != NULL && (e = readdir(list)) != NULL)
		if (is_status(e->d_name))
			names_add(&names, e->d_name);
	if (list != NULL)
		closedir(list);
	HASH_ITER(hh, names, n, next_name)
		read_status_file(s, n->name);
	HASH_ITER(hh, s->dir.idents, id, next) {
		char name[DIR_KEY_LEN + sizeof(".json")];

		snprintf(name, sizeof(name), "%s.json", id->key);
		HASH_FIND_STR(names, name, n);
		if (id->status != NULL && n == NULL)
			(void)dir_set_status(&s->dir, id->key, NULL);
	}
	names_clear(&names);
}

static void
close_status(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;

	if (w->status_wd >= 0)
		inotify_rm_watch(w->notify_fd, w->status_wd);
	if (w->status_fd >= 0)
		close(w->status_fd);
	w->status_wd = w->status_fd = -1;
}

/* 0 also where it is open; -ENOENT where there is none. */
static int
open_status(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;
	char *path;

	if (w->status_fd >= 0)
		return 0;
	if (w->dir_fd < 0)
		return -ENOENT;
	w->status_fd = openat(w->dir_fd, STATUS_DIR,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->status_fd < 0)
		return -errno;
	path = mem_printf("%s/%s", s->path, STATUS_DIR);
	w->status_wd = inotify_add_watch(w->notify_fd, path, STATUS_EVENTS);
	free(path);
	w->scan_status = true;
	wake_in(s, SETTLE_SEC);
	return 0;
}

int
dir_watch_make_status(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;
	struct stat st;

	if (w->dir_fd < 0)
		return -ENOENT;
	/* It may have been removed, and inotify not have told yet. */
	if (w->status_fd >= 0 && fstat(w->status_fd, &st) == 0 && st.st_nlink == 0)
		close_status(s);
	if (w->status_fd >= 0)
		return 0;
	if (mkdirat(w->dir_fd, STATUS_DIR, 0755) != 0 && errno != EEXIST)
		return -errno;
	return open_status(s);
}

static void
close_dir(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;

	close_status(s);
	if (w->dir_wd >= 0)
		inotify_rm_watch(w->notify_fd, w->dir_wd);
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	w->dir_wd = w->dir_fd = -1;
}

static int
open_dir(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;
	int rc;

	w->dir_fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir_fd < 0)
		return -errno;
	w->dir_wd = inotify_add_watch(w->notify_fd, s->path, DIR_EVENTS);
	if (w->dir_wd < 0) {
		rc = -errno;
		close_dir(s);
		return rc;
	}
	(void)open_status(s);
	/* Also where there is no .status: what was known of it is gone. */
	w->scan_status = true;
	return 0;
}

/* The directory was taken away: keep everything until it is back. */
static void
lose_dir(struct dir_source *s)
{
	if (s->watch.dir_fd < 0)
		return;
	log_error(LOG_OBJ("dir", s->path), "the directory is gone; its objects "
	    "stay until it is back");
	close_dir(s);
	names_clear(&s->watch.dirty);
	names_clear(&s->watch.dirty_status);
	wake_in(s, LOST_SEC);
}

static void
find_dir(struct dir_source *s)
{
	if (open_dir(s) != 0) {
		wake_in(s, LOST_SEC);
		return;
	}
	log_info(LOG_OBJ("dir", s->path), "the directory is back");
	s->watch.scan = DIR_SCAN_LATER;
	ev_timer_stop(s->loop, &s->watch.settle);
	wake_in(s, REFILL_SEC);
}

static void
on_settle(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct dir_source *s = timer->data;
	struct dir_watch *w = &s->watch;
	enum dir_scan scan = w->scan;
	struct dir_name *n, *next;

	(void)loop;
	(void)revents;
	if (w->dir_fd < 0) {
		find_dir(s);
		return;
	}
	w->scan = DIR_SCAN_NONE;
	HASH_ITER(hh, w->dirty, n, next)
		read_manifest(s, n->name);
	names_clear(&w->dirty);
	if (scan != DIR_SCAN_NONE)
		scan_manifests(s, scan);
	if (w->scan_status)
		scan_statuses(s);
	else
		HASH_ITER(hh, w->dirty_status, n, next)
			read_status_file(s, n->name);
	w->scan_status = false;
	names_clear(&w->dirty_status);
	dir_source_report(s);
	dir_source_refreshed(s);
}

static void
on_audit(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct dir_source *s = timer->data;
	struct dir_watch *w = &s->watch;
	struct stat here, open_one;

	(void)loop;
	(void)revents;
	if (w->dir_fd < 0)
		return;
	/* The path may lead elsewhere by now: a link that was turned. */
	if (stat(s->path, &here) != 0 || fstat(w->dir_fd, &open_one) != 0 ||
	    here.st_dev != open_one.st_dev || here.st_ino != open_one.st_ino) {
		lose_dir(s);
		return;
	}
	if (w->scan == DIR_SCAN_NONE)
		w->scan = DIR_SCAN_LATER;
	wake_in(s, SETTLE_SEC);
}

/* A new name: only a link is complete at once, a file is not written yet. */
static bool
is_complete(const struct dir_watch *w, const char *name)
{
	struct stat st;

	return fstatat(w->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

static void
on_dir_event(struct dir_source *s, const struct inotify_event *e)
{
	struct dir_watch *w = &s->watch;

	if ((e->mask & GONE_EVENTS) != 0) {
		lose_dir(s);
		return;
	}
	if (strcmp(e->name, STATUS_DIR) == 0) {
		(void)open_status(s);
		return;
	}
	/* A mounted ConfigMap: its files are links through ..data, and all of
	   them change when that is turned. */
	if (strcmp(e->name, "..data") == 0)
		w->scan = DIR_SCAN_NOW;
	else if (is_manifest(e->name) &&
	    ((e->mask & IN_CREATE) == 0 || is_complete(w, e->name)))
		names_add(&w->dirty, e->name);
	else
		return;
	wake_in(s, SETTLE_SEC);
}

static void
on_status_event(struct dir_source *s, const struct inotify_event *e)
{
	struct dir_watch *w = &s->watch;

	if ((e->mask & GONE_EVENTS) != 0) {
		close_status(s);
		w->scan_status = true;
	} else if (is_status(e->name)) {
		names_add(&w->dirty_status, e->name);
	} else {
		return;
	}
	wake_in(s, SETTLE_SEC);
}

static void
on_notify(struct ev_loop *loop, ev_io *io, int revents)
{
	struct dir_source *s = io->data;
	struct dir_watch *w = &s->watch;
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	(void)loop;
	(void)revents;
	while ((n = read(w->notify_fd, buf, sizeof(buf))) > 0) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			p += sizeof(*e) + e->len;
			if ((e->mask & IN_Q_OVERFLOW) != 0) {
				w->scan = DIR_SCAN_LATER;
				w->scan_status = true;
				wake_in(s, SETTLE_SEC);
			} else if (e->wd == w->dir_wd && w->dir_wd >= 0) {
				on_dir_event(s, e);
			} else if (e->wd == w->status_wd && w->status_wd >= 0) {
				on_status_event(s, e);
			}
		}
	}
}

int
dir_watch_start(struct dir_source *s, struct kube_error *ret_err)
{
	struct dir_watch *w = &s->watch;
	int rc;

	w->dir_fd = w->status_fd = w->dir_wd = w->status_wd = -1;
	ev_init(&w->settle, on_settle);
	w->settle.data = s;
	w->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->notify_fd < 0) {
		kube_error_set(ret_err, "inotify: %s; raise "
		    "fs.inotify.max_user_instances", strerror(errno));
		return -errno;
	}
	rc = open_dir(s);
	if (rc != 0) {
		ev_timer_stop(s->loop, &w->settle);
		close(w->notify_fd);
		kube_error_set(ret_err, "%.400s: %s; %s", s->path, strerror(-rc),
		    rc == -ENOSPC ? "raise fs.inotify.max_user_watches" :
		    "create the directory, or correct --source dir:PATH");
		return rc;
	}
	ev_io_init(&w->notify, on_notify, w->notify_fd, EV_READ);
	w->notify.data = s;
	ev_io_start(s->loop, &w->notify);
	ev_timer_init(&w->audit, on_audit, AUDIT_SEC, AUDIT_SEC);
	w->audit.data = s;
	ev_timer_start(s->loop, &w->audit);
	w->scan = DIR_SCAN_NOW;
	wake_in(s, 0.);
	return 0;
}

void
dir_watch_refresh(struct dir_source *s)
{
	if (s->watch.scan == DIR_SCAN_NONE)
		s->watch.scan = DIR_SCAN_LATER;
	/* .status may be new, and inotify not have told yet. */
	if (s->watch.dir_fd >= 0)
		(void)open_status(s);
	s->watch.scan_status = true;
	wake_in(s, 0.);
}

void
dir_watch_stop(struct dir_source *s)
{
	struct dir_watch *w = &s->watch;
	struct dir_stamp *t, *next;

	ev_io_stop(s->loop, &w->notify);
	ev_timer_stop(s->loop, &w->settle);
	ev_timer_stop(s->loop, &w->audit);
	close_dir(s);
	close(w->notify_fd);
	names_clear(&w->dirty);
	names_clear(&w->dirty_status);
	HASH_ITER(hh, w->stamps, t, next)
		stamp_drop(w, t);
}
