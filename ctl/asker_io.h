/*
 * asker_io.h - a source, and the speakers of its nodes: for the commands of
 * heraldctl that need both (drain, explain).
 */
#ifndef HERALD_CTL_ASKER_IO_H
#define HERALD_CTL_ASKER_IO_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "kube/source.h"

struct asker {
	struct ev_loop *loop;		/* all of these are its own */
	struct kube_store *store;
	struct kube_source *source;
	ev_timer timer;
	bool	is_over;		/* what asker_wait() waits for */
	int	error;			/* of the last request */
	char	*text;			/* its answer, or what was wrong */
};

/*
 * Open the source and fill a->store. 0, or -EINVAL or -ETIMEDOUT as fetch_store(),
 * said on stderr. asker_fini() in any case.
 */
int asker_open(struct asker *a, const struct kube_source_conf *conf);
void asker_fini(struct asker *a);

/* A kube_done_fn whose arg is the asker: its outcome is then in a->error, a->text. */
void asker_done(void *arg, int error, const char *text);

/* Run the loop until asker_done() was called, for so long at most. */
void asker_wait(struct asker *a, double limit_sec);

/*
 * GET path of the speaker at that port of a node: by way of the API server, or
 * where the source has none straight from the node's first address. 0 and the
 * body in a->text, or -errno and the reason there.
 */
int asker_ask(struct asker *a, const char *node, uint16_t port, const char *path);

#endif
