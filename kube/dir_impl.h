/*
 * dir_impl.h - the dir source's insides, shared by its shells: dir_io.c (the
 * source and its writes), dir_watch_io.c (when to read which files),
 * dir_read_io.c (reads them) and dir_lease_io.c (the Lease).
 */
#ifndef HERALD_KUBE_DIR_IMPL_H
#define HERALD_KUBE_DIR_IMPL_H

#include <ev.h>
#include <sys/stat.h>
#include <uthash.h>

#include "kube/dir.h"
#include "kube/source_impl.h"

/* A name, in a set of such. */
struct dir_name {
	UT_hash_handle hh;
	char	name[];
};

/* A file as it was when it was last read. */
struct dir_stamp {
	struct stat st;
	unsigned scan;			/* the scan that last saw it */
	UT_hash_handle hh;
	char	name[];
};

enum dir_scan {
	DIR_SCAN_NONE,
	DIR_SCAN_LATER,			/* leave files alone that were written to
					   a moment ago: perhaps half written */
	DIR_SCAN_NOW,
};

struct dir_watch {
	int	dir_fd;			/* -1 while the directory is gone */
	int	status_fd;		/* -1 while there is no .status */
	int	notify_fd;
	int	dir_wd, status_wd;	/* -1 without */
	struct dir_stamp *stamps;
	unsigned nscans;
	struct dir_name *dirty;		/* manifests to read */
	struct dir_name *dirty_status;	/* files of .status to read */
	enum dir_scan scan;		/* all manifests */
	bool	scan_status;		/* all of .status */
	ev_io	notify;
	ev_timer settle;		/* a burst is over: read what is dirty */
	ev_timer audit;			/* now and then: see what inotify missed */
};

struct dir_source {
	struct kube_source src;		/* first: this is one */
	struct ev_loop *loop;
	struct kube_source_handler handler;
	struct dir dir;
	char	*path;
	char	*node_name, *own_ns, *api_group, *component; /* NULL where not given */
	struct dir_watch watch;
	ev_timer writes_due;
	struct dir_write *writes;	/* queued patches, oldest first */
	struct dir_write *written;	/* done, and their owners not yet told */
	unsigned nwritten;		/* of these, those in a directory not yet synced */
	unsigned nwrites;
	bool	is_writer;		/* has patched: see orphaned() */
	bool	needs_all;		/* see struct kube_source_conf */
	bool	is_synced, is_held_up;	/* not synced for want of a file, and told so */
	kube_refreshed_fn *refreshed;	/* NULL: nobody waits for it */
	void	*refreshed_arg;
	struct dir_lease *lease;	/* the request about the Lease, or NULL */
};

/* Open and follow the directory; reading begins from the loop. */
int dir_watch_start(struct dir_source *s, struct kube_error *ret_err);
void dir_watch_stop(struct dir_source *s);

/* Make sure that .status is there, is open and followed; 0 or -errno. */
int dir_watch_make_status(struct dir_source *s);

/*
 * dir_read_io.c. Names of manifests and of statuses: neither hidden nor an
 * editor's ("x.yaml~", ".x.yaml.swp", "#x.yaml#").
 */
bool dir_is_manifest(const char *name);
bool dir_is_status(const char *name);

/* A set of names. */
void dir_names_add(struct dir_name **set, const char *name);
void dir_names_clear(struct dir_name **set);

/* Read one manifest, or one status by its key or its file, as it is now. */
void dir_read_manifest(struct dir_source *s, const char *name);
void dir_read_status(struct dir_source *s, const char *key);
void dir_read_status_file(struct dir_source *s, const char *name);

/*
 * Read what has changed since it was last read. True where some of it was left
 * for later (see enum dir_scan): it was written to within DIR_YOUNG_MS.
 */
enum { DIR_YOUNG_MS = 200 };
bool dir_scan_manifests(struct dir_source *s, enum dir_scan how);
void dir_scan_statuses(struct dir_source *s);

/* Forget when anything was read. */
void dir_stamps_clear(struct dir_watch *w);

/* Read every status, and every manifest that is not being written, soon. */
void dir_watch_refresh(struct dir_source *s);

/* dir_lease_io.c: see kube_source_lease(). */
void dir_lease(struct kube_source *src, enum lease_do op, const char *ns,
    const char *name, const struct lease_record *record, kube_lease_fn *done,
    void *arg);
void dir_lease_stop(struct dir_source *s);

/* Tell the handler what is new in the store. */
void dir_source_report(struct dir_source *s);

/* Everything has been read anew: tell whoever asked for it. */
void dir_source_refreshed(struct dir_source *s);

#endif
