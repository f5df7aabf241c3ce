/*
 * error.h - what went wrong, for the user: what, where and what to do.
 */
#ifndef HERALD_KUBE_ERROR_H
#define HERALD_KUBE_ERROR_H

struct kube_error {
	char	text[512];
};

/* Fill *err (which may be NULL); a text that does not fit is cut. */
void kube_error_set(struct kube_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
