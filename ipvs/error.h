/*
 * error.h - fill a director_error; every file of the room reports through it.
 */
#ifndef HERALD_IPVS_ERROR_H
#define HERALD_IPVS_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#include "ipvs/director.h"

/* Set the text of e and return `error` (a -errno), so that it can be returned. */
__attribute__((format(printf, 3, 4))) static inline int
director_fail(struct director_error *e, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return error;
}

#endif
