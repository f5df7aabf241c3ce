/*
 * explain_impl.h - shared by the files of explain.h, for nobody else:
 *
 *	explain.c		from the Service to its endpoints and the nodes
 *	explain_path.c		what the speakers make of it
 *	explain_decode.c	a speaker's answer
 */
#ifndef HERALD_CTL_EXPLAIN_IMPL_H
#define HERALD_CTL_EXPLAIN_IMPL_H

#include "ctl/explain.h"

enum { EXPLAIN_TEXT_MAX = 768 };

struct explaining {
	const struct explain_input *in;
	struct explain *e;
	const struct kube_object *svc;
};

/* Add a line; a first EXPLAIN_STOP is where traffic ends. */
void explain_add(struct explaining *x, enum explain_mark mark, const char *step,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* "A, B and 3 more": add a word to a list in text. */
struct explain_list {
	char	text[EXPLAIN_TEXT_MAX / 2];
	size_t	n;
};
void explain_list_add(struct explain_list *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Announced by whom, forwarded where; once the Service has VIPs. */
void explain_path(struct explaining *x);

#endif
