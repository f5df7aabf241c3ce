/*
 * dir_lease_io.c - the Lease in a directory: PATH/.status/NS_NAME.lease, in
 * JSON as the API has it. Its resourceVersion is a number that grows.
 *
 * Two controllers on one directory compare and swap under a lock on .status.
 * The lock is only tried: whoever stands still while he has it must not make
 * the others stand still, too; they ask again in their time.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "kube/dir_file_io.h"
#include "kube/dir_impl.h"
#include "kube/lease_encode.h"
#include "lib/mem.h"

enum { LEASE_FILE_MAX = 1 << 20 };

struct dir_lease {
	struct dir_source *s;
	ev_timer timer;			/* due at once: not from inside the call */
	enum lease_do op;
	char	*ns, *name;
	struct lease_record record;	/* to write; then the answer */
	kube_lease_fn *done;
	void	*arg;
};

static int
read_lease(const struct dir_lease *l, const char *file, struct lease_record *ret)
{
	char *text;
	struct stat st;
	size_t len;
	int rc = dir_file_read(l->s->watch.status_fd, file, LEASE_FILE_MAX, &text, &len,
	    &st);

	if (rc != 0)
		return rc;
	rc = lease_decode(text, len, ret);
	free(text);
	return rc;
}

static int
write_lease(struct dir_lease *l, const char *file, const struct lease_record *old)
{
	unsigned long version = old != NULL ? strtoul(old->resource_version, NULL, 10) : 0;
	char *text;
	int rc;

	snprintf(l->record.resource_version, sizeof(l->record.resource_version), "%lu",
	    version + 1);
	text = lease_encode(&l->record, l->ns, l->name);
	rc = dir_file_replace(l->s->watch.status_fd, file, text);
	free(text);
	return rc;
}

static int
compare_and_swap(struct dir_lease *l, const char *file)
{
	struct lease_record old;
	int rc = read_lease(l, file, &old);

	switch (l->op) {
	case LEASE_CREATE:
		return rc == -ENOENT ? write_lease(l, file, NULL) :
		    rc == 0 ? -EEXIST : rc;
	case LEASE_UPDATE:
		if (rc == 0 && strcmp(old.resource_version,
		    l->record.resource_version) != 0)
			return -ESTALE;
		return rc == 0 ? write_lease(l, file, &old) : rc;
	case LEASE_GET:
	case LEASE_NOTHING:
		break;
	}
	if (rc == 0)
		l->record = old;
	return rc;
}

static int
perform(struct dir_lease *l, const char *file)
{
	int rc = dir_watch_make_status(l->s), fd = l->s->watch.status_fd;

	if (rc != 0)
		return rc == -ENOENT ? -EIO : rc;	/* the directory itself is gone */
	if (l->op == LEASE_GET)
		return compare_and_swap(l, file);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return -errno;
	rc = compare_and_swap(l, file);
	(void)flock(fd, LOCK_UN);
	return rc;
}

static void
explain(const struct dir_lease *l, const char *file, int rc, struct kube_error *ret)
{
	const char *path = l->s->path;

	if (rc == -EINVAL)
		kube_error_set(ret, "%.300s/.status/%.100s is no Lease: remove it",
		    path, file);
	else if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
		kube_error_set(ret, "cannot write %.300s/.status/%.100s: %s: let this "
		    "user write there", path, file, strerror(-rc));
	else
		kube_error_set(ret, "%.300s/.status/%.100s: %s", path, file,
		    strerror(-rc));
}

static int
error_of(int rc)
{
	switch (rc) {
	case 0:
	case -ENOENT:
	case -EEXIST:
	case -ESTALE:
	case -EINVAL:
		return rc;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return -EACCES;
	default:
		return -EIO;
	}
}

static void
lease_free(struct dir_lease *l)
{
	free(l->ns);
	free(l->name);
	free(l);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct dir_lease *l = timer->data;
	char *file = mem_printf("%s_%s.lease", l->ns, l->name);
	struct kube_error why = { "" };
	int rc = perform(l, file);

	(void)loop;
	(void)revents;
	if (rc != 0)
		explain(l, file, rc, &why);
	free(file);
	l->s->lease = NULL;
	l->done(l->arg, error_of(rc), why.text, rc == 0 ? &l->record : NULL);
	lease_free(l);
}

void
dir_lease(struct kube_source *src, enum lease_do op, const char *ns,
    const char *name, const struct lease_record *record, kube_lease_fn *done,
    void *arg)
{
	struct dir_source *s = (struct dir_source *)src;
	struct dir_lease *l = mem_zalloc(sizeof(*l));

	assert(s->lease == NULL && op != LEASE_NOTHING);
	*l = (struct dir_lease){ .s = s, .op = op, .done = done, .arg = arg };
	l->ns = mem_strdup(ns);
	l->name = mem_strdup(name);
	if (op != LEASE_GET)
		l->record = *record;
	s->lease = l;
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	l->timer.data = l;
	ev_timer_start(s->loop, &l->timer);
}

void
dir_lease_stop(struct dir_source *s)
{
	if (s->lease == NULL)
		return;
	ev_timer_stop(s->loop, &s->lease->timer);
	lease_free(s->lease);
	s->lease = NULL;
}
