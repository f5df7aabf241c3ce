/*
 * dir_file_io.h - whole files read, replaced and appended to, for dir_io.c.
 */
#ifndef HERALD_KUBE_DIR_FILE_IO_H
#define HERALD_KUBE_DIR_FILE_IO_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * All of a regular file: heap text and its length in *ret_text and *ret_len,
 * what fstat() says in *ret_st. -errno, -EFBIG above max, -EINVAL where it is
 * no regular file; nothing is touched then.
 */
int dir_file_read(int dir_fd, const char *name, size_t max, char **ret_text,
    size_t *ret_len, struct stat *ret_st);

/*
 * Put text in the file's place by rename: a reader sees the old one or the
 * new one, whole, and so it is after a crash. (The rename itself is on disk
 * once the caller has synced the directory.) 0 or -errno.
 */
int dir_file_replace(int dir_fd, const char *name, const char *text);

/*
 * Add a line. A file that passes max bytes becomes NAME.1, whose predecessor
 * goes. 0 or -errno.
 */
int dir_file_append(int dir_fd, const char *name, const char *line, size_t max);

#endif
