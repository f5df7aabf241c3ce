#include <assert.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "lib/thread.h"
#include "speaker/worker_io.h"

struct worker {
	struct ev_loop *loop;
	void	(*job)(void *arg);
	void	(*done)(void *arg);
	void	*arg;
	pthread_t thread;
	ev_async finished;		/* from the thread to the loop */
	bool	is_busy;		/* the loop's view; it alone touches it */
	pthread_mutex_t lock;		/* for what follows */
	pthread_cond_t wake;
	bool	is_wanted;
	bool	is_ending;
};

static void *
work(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->is_wanted && !w->is_ending)
			pthread_cond_wait(&w->wake, &w->lock);
		if (w->is_ending)
			break;
		w->is_wanted = false;
		pthread_mutex_unlock(&w->lock);
		w->job(w->arg);
		ev_async_send(w->loop, &w->finished);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void
on_finished(struct ev_loop *loop, ev_async *a, int revents)
{
	struct worker *w = a->data;

	(void)loop;
	(void)revents;
	w->is_busy = false;
	w->done(w->arg);
}

struct worker *
worker_new(struct ev_loop *loop, void (*job)(void *arg), void (*done)(void *arg),
    void *arg)
{
	struct worker *w = mem_zalloc(sizeof(*w));

	w->loop = loop;
	w->job = job;
	w->done = done;
	w->arg = arg;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	ev_async_init(&w->finished, on_finished);
	w->finished.data = w;
	ev_async_start(loop, &w->finished);
	if (thread_start(&w->thread, work, w) != 0) {
		ev_async_stop(loop, &w->finished);
		free(w);
		return NULL;
	}
	return w;
}

void
worker_start(struct worker *w)
{
	assert(!w->is_busy);
	w->is_busy = true;
	pthread_mutex_lock(&w->lock);
	w->is_wanted = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool
worker_is_busy(const struct worker *w)
{
	return w->is_busy;
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_ending = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	ev_async_stop(w->loop, &w->finished);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
