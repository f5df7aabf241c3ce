/*
 * dir_watch_io.c - which files of a directory to read, and when.
 *
 * inotify names what has changed; it is read once a burst is over. A file is
 * read when its writer closes it or it is renamed into place, never while it
 * is being written. Whatever inotify cannot tell (an overflow, a link's
 * target, NFS, a directory taken away and put back) a scan finds that compares
 * stamps; one runs every AUDIT_SEC in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "kube/dir_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define STATUS_DIR ".status"

static const double SETTLE_SEC = 0.002;		/* a burst's length */
static const double AUDIT_SEC = 10.;
static const double LOST_SEC = 0.25;		/* looks for a lost directory */
static const double REFILL_SEC = 0.5;		/* a new one is given to be filled */

enum {
	DIR_EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
	    IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
	STATUS_EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
	    IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
	GONE_EVENTS = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT,
};

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
	dir_names_clear(&s->watch.dirty);
	dir_names_clear(&s->watch.dirty_status);
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
		dir_read_manifest(s, n->name);
	dir_names_clear(&w->dirty);
	if (scan != DIR_SCAN_NONE && dir_scan_manifests(s, scan)) {
		w->scan = DIR_SCAN_LATER;
		wake_in(s, DIR_YOUNG_MS / 1e3);
	}
	if (w->scan_status)
		dir_scan_statuses(s);
	else
		HASH_ITER(hh, w->dirty_status, n, next)
			dir_read_status_file(s, n->name);
	w->scan_status = false;
	dir_names_clear(&w->dirty_status);
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
	else if (dir_is_manifest(e->name) &&
	    ((e->mask & IN_CREATE) == 0 || is_complete(w, e->name)))
		dir_names_add(&w->dirty, e->name);
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
	} else if (dir_is_status(e->name)) {
		dir_names_add(&w->dirty_status, e->name);
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

	ev_io_stop(s->loop, &w->notify);
	ev_timer_stop(s->loop, &w->settle);
	ev_timer_stop(s->loop, &w->audit);
	close_dir(s);
	close(w->notify_fd);
	dir_names_clear(&w->dirty);
	dir_names_clear(&w->dirty_status);
	dir_stamps_clear(w);
}
