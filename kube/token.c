/* token.c - see token.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/token.h"
#include "lib/mem.h"

enum { TOKEN_MAX = 64 << 10 };

static void
forget(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
token_init(struct token *t, const char *text, const char *path)
{
	*t = (struct token){ .path = mem_strdup(path), .text = mem_strdup(text) };
}

void
token_fini(struct token *t)
{
	forget(t->text);
	free(t->path);
	*t = (struct token){ 0 };
}

/* The file's first line, or NULL where there is none to be had. */
static char *
read_line(const char *path, struct stat *ret_st)
{
	char *text = mem_zalloc(TOKEN_MAX + 1);
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (fstat(fd, ret_st) == 0)
			n = read(fd, text, TOKEN_MAX);
		close(fd);
	}
	text[strcspn(text, " \t\r\n")] = '\0';
	if (n > 0 && text[0] != '\0')
		return text;
	forget(text);
	return NULL;
}

bool
token_refresh(struct token *t, bool is_forced)
{
	struct stat st;
	char *text;
	bool is_new;

	if (t->path == NULL || stat(t->path, &st) != 0)
		return false;
	if (!is_forced && t->text != NULL && st.st_dev == t->dev &&
	    st.st_ino == t->ino && st.st_mtim.tv_sec == t->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == t->mtime.tv_nsec)
		return false;
	text = read_line(t->path, &st);
	if (text == NULL)
		return false;
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	t->mtime = st.st_mtim;
	is_new = t->text == NULL || strcmp(text, t->text) != 0;
	forget(t->text);
	t->text = text;
	return is_new;
}
