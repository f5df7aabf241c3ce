/*
 * token.h - a bearer token in a file that is replaced while we run, as the
 * kubelet does with a service account's every hour or so.
 */
#ifndef HERALD_KUBE_TOKEN_H
#define HERALD_KUBE_TOKEN_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct token {
	char	*path;			/* NULL: the token never changes */
	char	*text;			/* NULL while there is none */
	dev_t	dev;			/* which file text came from */
	ino_t	ino;
	struct timespec mtime;
};

/* Either may be NULL; both are copied. */
void token_init(struct token *t, const char *text, const char *path);
void token_fini(struct token *t);

/*
 * Read the file again where it is not the one that was read last, or anyhow
 * with is_forced. One that cannot be read, or is empty, leaves the old token.
 * True where the token is another one now.
 */
bool token_refresh(struct token *t, bool is_forced);

#endif
