/*
 * thread.h - a thread beside the event loop, which stays the one that minds
 * signals and, where it has it, real time.
 */
#ifndef HERALD_LIB_THREAD_H
#define HERALD_LIB_THREAD_H

#include <pthread.h>

/* At normal priority, every signal blocked. 0, or an errno as pthread_create(). */
int thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);

#endif
