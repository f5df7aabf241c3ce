/* error.c - see error.h. */
#include <stdarg.h>
#include <stdio.h>

#include "kube/error.h"

void
kube_error_set(struct kube_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}
