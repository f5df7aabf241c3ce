#include <stdlib.h>

#include "lib/sort.h"

void
sort_items(void *items, size_t n, size_t size,
    int (*cmp)(const void *a, const void *b))
{
	const char *p = items;

	for (size_t i = 1; i < n; i++, p += size) {
		if (cmp(p, p + size) > 0) {
			qsort(items, n, size, cmp);
			return;
		}
	}
}
