/*
 * dir_read_io.c - reads the files of a directory: one by name, or, by a scan,
 * all that are not as they were when they were last read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/dir_file_io.h"
#include "kube/dir_impl.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { STATUS_MAX = 1 << 20, LONG_TEXT = 256 << 10 };

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

bool
dir_is_manifest(const char *name)
{
	return name[0] != '.' && (has_suffix(name, ".yaml") ||
	    has_suffix(name, ".yml") || has_suffix(name, ".json"));
}

bool
dir_is_status(const char *name)
{
	return name[0] != '.' && has_suffix(name, ".json");
}

void
dir_names_add(struct dir_name **set, const char *name)
{
	struct dir_name *n;

	HASH_FIND_STR(*set, name, n);
	if (n != NULL)
		return;
	n = mem_zalloc(sizeof(*n) + strlen(name) + 1);
	strcpy(n->name, name);
	HASH_ADD_STR(*set, name, n);
}

void
dir_names_clear(struct dir_name **set)
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

void
dir_stamps_clear(struct dir_watch *w)
{
	struct dir_stamp *t, *next;

	HASH_ITER(hh, w->stamps, t, next)
		stamp_drop(w, t);
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

void
dir_read_manifest(struct dir_source *s, const char *name)
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
		dir_load_failed(&s->dir, name);
		return;
	}
	stamp_set(w, name, &st);
	dir_load(&s->dir, name, text, len);
	free(text);
	/* Its trees lay between the objects kept. */
	if (len > LONG_TEXT)
		mem_trim();
}

void
dir_read_status(struct dir_source *s, const char *key)
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

void
dir_read_status_file(struct dir_source *s, const char *name)
{
	char key[DIR_KEY_LEN];

	snprintf(key, sizeof(key), "%.*s",
	    (int)(strlen(name) - strlen(".json")), name);
	dir_read_status(s, key);
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
	if (how == DIR_SCAN_LATER && age_ns >= 0 &&
	    age_ns < DIR_YOUNG_MS * NSEC_PER_MSEC)
		return true;
	dir_read_manifest(s, name);
	return false;
}

bool
dir_scan_manifests(struct dir_source *s, enum dir_scan how)
{
	struct dir_watch *w = &s->watch;
	DIR *list = open_list(w->dir_fd);
	struct dir_stamp *t, *next;
	const struct dirent *e;
	bool is_later = false;

	if (list == NULL) {
		log_warn(LOG_OBJ("dir", s->path), "cannot list it: %s; what it "
		    "held before stays", strerror(errno));
		return false;
	}
	w->nscans++;
	while ((e = readdir(list)) != NULL)
		if (dir_is_manifest(e->d_name))
			is_later |= scan_one(s, e->d_name, how);
	closedir(list);
	HASH_ITER(hh, w->stamps, t, next) {
		if (t->scan == w->nscans)
			continue;
		dir_unload(&s->dir, t->name);
		stamp_drop(w, t);
	}
	return is_later;
}

void
dir_scan_statuses(struct dir_source *s)
{
	struct dir_ident *id, *next;
	struct dir_name *names = NULL, *n, *next_name;
	const struct dirent *e;
	DIR *list = NULL;

	if (s->watch.status_fd >= 0)
		list = open_list(s->watch.status_fd);
	while (list != NULL && (e = readdir(list)) != NULL)
		if (dir_is_status(e->d_name))
			dir_names_add(&names, e->d_name);
	if (list != NULL)
		closedir(list);
	HASH_ITER(hh, names, n, next_name)
		dir_read_status_file(s, n->name);
	HASH_ITER(hh, s->dir.idents, id, next) {
		char name[DIR_KEY_LEN + sizeof(".json")];

		snprintf(name, sizeof(name), "%s.json", id->key);
		HASH_FIND_STR(names, name, n);
		if (id->status != NULL && n == NULL)
			(void)dir_set_status(&s->dir, id->key, NULL);
	}
	dir_names_clear(&names);
}

