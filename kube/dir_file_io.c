/* dir_file_io.c - see dir_file_io.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kube/dir_file_io.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* The file may shrink or grow meanwhile: what was there at fstat() counts. */
static ssize_t
read_full(int fd, char *buf, size_t len)
{
	size_t n = 0;

	while (n < len) {
		ssize_t got = read(fd, buf + n, len - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int
dir_file_read(int dir_fd, const char *name, size_t max, char **ret_text,
    size_t *ret_len, struct stat *ret_st)
{
	/* O_NONBLOCK: a FIFO must not hold us up. */
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else if ((size_t)st.st_size > max)
		rc = -EFBIG;
	if (rc != 0)
		goto out;
	text = mem_zalloc((size_t)st.st_size + 1);
	n = read_full(fd, text, (size_t)st.st_size);
	if (n < 0) {
		rc = (int)n;
		goto out;
	}
	*ret_text = text;
	*ret_len = (size_t)n;
	*ret_st = st;
	text = NULL;
out:
	free(text);
	close(fd);
	return rc;
}

static int
write_full(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
dir_file_replace(int dir_fd, const char *name, const char *text)
{
	char tmp[64];
	int fd, rc;

	/* Not the process's number: two containers may each be number 1. */
	snprintf(tmp, sizeof(tmp), ".tmp.%016" PRIx64, clock_random());
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	rc = write_full(fd, text, strlen(text));
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && renameat(dir_fd, tmp, dir_fd, name) != 0)
		rc = -errno;
	if (rc != 0)
		unlinkat(dir_fd, tmp, 0);
	return rc;
}

int
dir_file_append(int dir_fd, const char *name, const char *line, size_t max)
{
	struct iovec iov[] = {
		{ .iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line) },
		{ .iov_base = (void *)(uintptr_t)"\n", .iov_len = 1 },
	};
	char old[NAME_MAX + 1];
	struct stat st;
	int fd, rc = 0;

	snprintf(old, sizeof(old), "%s.1", name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (size_t)st.st_size + iov[0].iov_len + 1 > max &&
	    renameat(dir_fd, name, dir_fd, old) != 0)
		return -errno;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
	    O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	/* One call, so that the lines of two processes do not mix. */
	if (writev(fd, iov, nitems(iov)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
