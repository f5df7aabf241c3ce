/* netns_io.c - see netns_io.h. */
#include "ipvs/netns_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ipvs/error.h"

#define NETNS_DIR "/run/netns"
static const char own_ns[] = "/proc/thread-self/ns/net";

enum { PATH_LEN = sizeof(NETNS_DIR) + 64 };

static int
path_of(const char *name, char path[PATH_LEN])
{
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
	    snprintf(path, PATH_LEN, "%s/%s", NETNS_DIR, name) >= PATH_LEN)
		return -EINVAL;
	return 0;
}

int
netns_current(void)
{
	int fd = open(own_ns, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
netns_open(const char *name)
{
	char path[PATH_LEN];
	struct statfs fs;
	int fd, r = path_of(name, path);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/*
 * Make /run/netns a shared mount, so that a namespace mounted there by one
 * container is seen by the host and by that container's successor.
 */
static int
dir_prepare(void)
{
	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	/* No mount point yet: make it one. */
	if (errno != EINVAL ||
	    mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return -errno;
	return 0;
}

/* A file to mount on; one that is there already and is no mount will do. */
static int
file_make(const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Step into a new namespace, mount it on path, step back. */
static int
ns_make(const char *path)
{
	struct netns_visit v = { .home = netns_current() };
	int r = 0;

	if (v.home < 0)
		return v.home;
	if (unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		close(v.home);
		return r;
	}
	if (mount(own_ns, path, "none", MS_BIND, NULL) < 0)
		r = -errno;
	netns_leave(&v);
	return r;
}

int
netns_create(const char *name, struct director_error *ret_err)
{
	char path[PATH_LEN];
	int r;

	if (path_of(name, path) < 0)
		return director_fail(ret_err, -EINVAL,
		    "director name '%s' is no plain file name", name);
	r = dir_prepare();
	if (r == 0)
		r = file_make(path);
	if (r == 0)
		r = ns_make(path);
	if (r < 0)
		return director_fail(ret_err, r, "cannot make network namespace %s: %s%s",
		    path, strerror(-r), r == -EPERM || r == -EACCES ?
		    "; CAP_SYS_ADMIN is needed, and in a container " NETNS_DIR
		    " from the host with mountPropagation: Bidirectional" : "");
	return netns_open(name);
}

int
netns_keep(const char *name, int fd)
{
	char path[PATH_LEN], self[64];
	struct stat ours, there;
	int r = path_of(name, path);

	if (r < 0)
		return r;
	if (fstat(fd, &ours) < 0)
		return -errno;
	if (stat(path, &there) == 0 && there.st_ino == ours.st_ino &&
	    there.st_dev == ours.st_dev)
		return 0;
	r = dir_prepare();
	if (r == 0)
		r = file_make(path);
	snprintf(self, sizeof(self), "/proc/thread-self/fd/%d", fd);
	if (r == 0 && mount(self, path, "none", MS_BIND, NULL) < 0)
		r = -errno;
	return r < 0 ? r : 1;
}

int
netns_remove(const char *name)
{
	char path[PATH_LEN];
	int r = path_of(name, path);

	if (r < 0)
		return r;
	if (umount2(path, MNT_DETACH) < 0 && errno != ENOENT && errno != EINVAL)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int
netns_enter(int fd, struct netns_visit *ret)
{
	int home = netns_current();

	if (home < 0)
		return home;
	if (setns(fd, CLONE_NEWNET) < 0) {
		int r = -errno;

		close(home);
		return r;
	}
	ret->home = home;
	return 0;
}

void
netns_leave(struct netns_visit *v)
{
	if (setns(v->home, CLONE_NEWNET) < 0)
		abort();
	close(v->home);
	v->home = -1;
}
