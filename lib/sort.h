/*
 * sort.h - qsort(3) for what is mostly in order already.
 *
 * Tables are built anew at every change, from sources that are sorted by nearly
 * the same rule: to see that costs one comparison an item.
 */
#ifndef HERALD_LIB_SORT_H
#define HERALD_LIB_SORT_H

#include <stddef.h>

/* As qsort(); n may be 0 and items NULL then. */
void sort_items(void *items, size_t n, size_t size,
    int (*cmp)(const void *a, const void *b));

#endif
