#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"

static atomic_bool is_locked;

static void *
check(void *p)
{
	static const char text[] = "out of memory\n";

	if (p == NULL) {
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return p;
}

void *
mem_zalloc(size_t n)
{
	return check(calloc(1, n > 0 ? n : 1));
}

void *
mem_map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return check(p != MAP_FAILED ? p : NULL);
}

char *
mem_strdup(const char *s)
{
	return s == NULL ? NULL : check(strdup(s));
}

char *
mem_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return check(n < 0 ? NULL : s);
}

void *
mem_grow(void *items, size_t count, size_t *cap, size_t size)
{
	size_t want;

	if (count < *cap)
		return items;
	want = *cap > 0 ? *cap * 2 : 8;
	items = mem_resize(items, want, size);
	*cap = want;
	return items;
}

void *
mem_resize(void *items, size_t count, size_t size)
{
	return check(reallocarray(items, count, size));
}

int
mem_lock(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return -errno;
	is_locked = true;
	return 0;
}

void
mem_trim(void)
{
	/* madvise(2): MADV_DONTNEED, which malloc_trim() uses, spares locked pages. */
	bool was_locked = is_locked;

	if (was_locked)
		(void)munlockall();
	(void)malloc_trim(0);
	if (was_locked)
		(void)mem_lock();
}
