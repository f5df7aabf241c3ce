#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/files.h"
#include "lib/mem.h"

struct reading {
	const struct kube_manifest_conf *conf;
	const char *file;
	files_fn *fn;
	void	*arg;
};

static void
on_item(void *arg, const struct kube_manifest_item *item)
{
	const struct reading *r = arg;

	r->fn(r->arg, r->file, item);
}

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

/* All of a stream, but of one too long no more than shows that it is. */
static char *
slurp(FILE *f, size_t *ret_len)
{
	size_t cap = 0, len = 0, n;
	char *text = NULL;

	do {
		text = mem_grow(text, len + 4096, &cap, 1);
		n = fread(text + len, 1, cap - len, f);
		len += n;
	} while (n > 0 && len <= KUBE_MANIFEST_MAX);
	*ret_len = len;
	return text;
}

static int
read_file(struct reading *r, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	size_t len = 0;
	char *text;
	int rc = 0;

	if (f == NULL) {
		rc = -errno;
		fprintf(stderr, "heraldctl: %s: %s\n", path, strerror(errno));
		return rc;
	}
	r->file = is_stdin ? "stdin" : path;
	text = slurp(f, &len);
	if (ferror(f)) {
		rc = -EIO;
		fprintf(stderr, "heraldctl: %s: cannot be read\n", path);
	} else
		kube_manifest_read(text, len, has_suffix(path, ".json"), r->conf,
		    on_item, r);
	free(text);
	if (!is_stdin)
		fclose(f);
	return rc;
}

static int
is_manifest(const struct dirent *e)
{
	return e->d_name[0] != '.' && (has_suffix(e->d_name, ".yaml") ||
	    has_suffix(e->d_name, ".yml") || has_suffix(e->d_name, ".json"));
}

static int
read_path(struct reading *r, const char *path)
{
	struct dirent **names;
	struct stat st;
	char *child;
	int n, rc = 0;

	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return read_file(r, path);
	if ((n = scandir(path, &names, is_manifest, alphasort)) < 0) {
		rc = -errno;
		fprintf(stderr, "heraldctl: %s: %s\n", path, strerror(errno));
		return rc;
	}
	for (int i = 0; i < n; i++) {
		child = mem_printf("%s/%s", path, names[i]->d_name);
		if (rc == 0)
			rc = read_file(r, child);
		free(child);
		free(names[i]);
	}
	free(names);
	return rc;
}

int
files_read(char *const *paths, int n, const struct kube_manifest_conf *conf,
    files_fn *fn, void *arg)
{
	struct reading r = { .conf = conf, .fn = fn, .arg = arg };
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = read_path(&r, paths[i]);
	return rc;
}
