/*
 * worker_io.h - one thread beside the loop, for the one thing that may take
 * long: programming the kernel.
 *
 * 10,000 Services are seconds of netlink; meanwhile BFD has to be sent every
 * 100 ms, ARP to be answered, and the API's stream to be read. So the job runs
 * on the worker and everything else stays on the loop. One job at a time: what
 * it works on is its own until `done` is called.
 */
#ifndef HERALD_SPEAKER_WORKER_IO_H
#define HERALD_SPEAKER_WORKER_IO_H

#include <stdbool.h>

struct ev_loop;
struct worker;

/*
 * job runs on the worker's thread, at normal priority whatever the loop's is;
 * done runs on the loop afterwards. Returns NULL where no thread can be had.
 */
struct worker *worker_new(struct ev_loop *loop, void (*job)(void *arg),
    void (*done)(void *arg), void *arg);

/* Begin a job. None may be under way. */
void worker_start(struct worker *w);

/* From worker_start() until just before `done` is called. */
bool worker_is_busy(const struct worker *w);

/* Waits for the job under way; its `done` is not called. NULL is fine. */
void worker_free(struct worker *w);

#endif
