/*
 * mem.h - heap helpers that never return NULL, and small conveniences.
 *
 * Running out of memory ends the process with a message; the supervisor
 * starts it again and it adopts what is there.
 */
#ifndef HERALD_LIB_MEM_H
#define HERALD_LIB_MEM_H

#include <stddef.h>

#define nitems(a) (sizeof(a) / sizeof((a)[0]))

void *mem_zalloc(size_t n);
void *mem_map(size_t n);	/* zeroed whole pages, for munmap(2); of n bytes, 1 or more */
char *mem_strdup(const char *s);		/* NULL for NULL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Keep what this process has and will have in memory, each page from when it is first
 * touched. 0, or -errno: -EPERM or -ENOMEM without CAP_IPC_LOCK.
 */
int mem_lock(void);

/*
 * Give back to the kernel what was freed, wherever it lies in the heap: some ms, for
 * when a lot was. In locked memory malloc_trim() alone gives back only the heap's end.
 */
void mem_trim(void);

/*
 * Make room for one more item in a growing array: *cap items of `size` bytes
 * are held at items, `count` are used. Returns the (moved) array.
 */
void *mem_grow(void *items, size_t count, size_t *cap, size_t size);

/* The same with room for exactly count items, 1 or more; new ones are not zeroed. */
void *mem_resize(void *items, size_t count, size_t size);

#endif
